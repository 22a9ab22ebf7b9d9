"""File calls that fail: the first, the second, … of each kind, in a worker and in the shipper. Whatever fails, clients hear 204, 500 or 503, no
process ends of it, and once the fault is gone everything that was promised is delivered, once."""

import itertools

import pytest

from lib.scene import MAIN, Scene, streams
from lib.wait import wait_until

HEARD = {204, 409, 500, 503}  # 409: a key whose first request failed a moment ago


def failing(flag, call, nth, role, errno, short=False):
    """The environment of a server in which one call fails once, or, with nth as "N+", from the Nth on in one process."""
    plan = f"{call}:{nth}:{errno}" + (":short" if short else "")
    return {"SLUICE_FAIL": plan, "SLUICE_TEST_ROLE": role, "SLUICE_CRASH_ONCE": str(flag)}


@pytest.fixture
def scene(server, scripted_store):
    """Each call: a server of its own below a prefix of its own."""
    numbers = itertools.count()

    def start(name, flag, env):
        prefix = f"{name}-{next(numbers)}/"
        parts = {one: text.replace("prefix=", f"prefix={prefix}") for one, text in streams().items()}
        sluice = server(wait=False, store=scripted_store, bucket="scripted", streams=parts, env=env, main=MAIN)
        found = Scene(sluice, flag, scripted_store.bucket())
        found.prefix = prefix
        return found

    return start


def wait_up(found):
    """A failure at its very start may end the server, with a reason; then nobody was promised anything, and the next start does it. Returns
    how much it has logged."""
    try:
        found.sluice.wait_ready()
    except AssertionError:
        assert found.sluice.exit_status() == 2 and found.flag.exists(), found.sluice.tail()
        found.sluice.start()
    return len(found.sluice.log())


def conclude(found):
    assert found.sluice.stop() == 0, found.sluice.tail()
    assert found.sluice.data_files() == [], found.sluice.tail()
    found.account.check_bucket(found.bucket, (found.prefix + "usage/",), (found.prefix + "specimen/u",))


def steps():
    """1, 2, 3 … and in growing steps where there are many."""
    n = 1
    while True:
        yield n
        n += max(1, n // 8)


def once(scene, tmp_path, call, nth, role, errno, short=False):
    """One server, one failure. False if the call was not made that often."""
    name = f"{role}-{call}-{nth}"
    flag = tmp_path / f"{name}-failed"
    found = scene(name, flag, failing(flag, call, nth, role, errno, short))
    before = wait_up(found)
    found.work()
    assert set(found.answers) <= HEARD, f"{call} number {nth} failed: {found.answers}\n{found.sluice.tail()}"
    assert "child died" not in found.sluice.log()[before:], f"{call} number {nth} failed:\n{found.sluice.tail()}"
    # For a while the worker whose call failed may say so, if others answered what came after.
    wait_until(lambda: found.sluice.get("/health").status_code == 200, found.sluice.tail)
    conclude(found)
    return flag.exists()


def fail_each(*of_one):
    """Until the call is not made that often any more."""
    count = 0
    for nth in steps():
        if not once(*of_one[:3], nth, *of_one[3:]):
            break
        count += 1
    assert count > 0, "the call was never made"


SANITIZE = pytest.mark.sanitize
WORKER_CALLS = ["open", "pwrite", "fsync", "fdatasync", "ftruncate", pytest.param("allocate", marks=SANITIZE), "close", "rename"]
SHIPPER_CALLS = ["open", "pread", pytest.param("pwrite", marks=SANITIZE), "fsync", "close", pytest.param("rename", marks=SANITIZE), "unlink"]


@pytest.mark.parametrize("errno", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", WORKER_CALLS)
def test_a_call_of_a_worker_fails(scene, tmp_path, call, errno):
    fail_each(scene, tmp_path, call, "worker", errno)


@pytest.mark.parametrize("call", SHIPPER_CALLS)
def test_a_call_of_the_shipper_fails(scene, tmp_path, call):
    fail_each(scene, tmp_path, call, "shipper", "ENOSPC" if call == "pwrite" else "EIO")


@pytest.mark.parametrize("role", ["worker", "shipper"])
def test_a_write_is_cut_short(scene, tmp_path, role):
    fail_each(scene, tmp_path, "pwrite", role, "ENOSPC", True)


@SANITIZE
@pytest.mark.parametrize("errno, status", [("ENOSPC", 503), ("EIO", 500), ("EROFS", 500)])
@pytest.mark.parametrize("call, nth", [("pwrite", 1), ("pwrite", 4), ("fdatasync", 3), ("allocate", 2), ("open", 4)])
def test_a_disk_stays_broken_for_a_worker(scene, tmp_path, call, nth, errno, status):
    """It says so to every client, and keeps what it promised before."""
    flag = tmp_path / "failed"
    found = scene("broken", flag, failing(flag, call, f"{nth}+", "worker", errno))
    wait_up(found)
    for n in range(8):
        found.put(b"broken.0.%d" % n, 300 if n % 2 else 90000, "/usage", keyed=False)
    assert flag.exists()
    assert set(found.answers) <= {204, status, 503} and found.answers[status] > 0, found.answers
    found.sluice.kill_all()
    found.sluice.env = {}
    found.sluice.start()
    found.work()
    assert found.answers[None] == 0
    conclude(found)


@pytest.mark.parametrize(
    "call, nth, errno",
    [("pwrite", 2, "ENOSPC"), ("fsync", 6, "EIO"), ("rename", 3, "EIO"), ("unlink", 2, "EROFS"), ("pread", 6, "EIO"), ("open", 6, "EMFILE")],
)
def test_a_disk_stays_broken_for_the_shipper(scene, tmp_path, call, nth, errno):
    """Clients do not notice; nothing is sent twice or given up."""
    flag = tmp_path / "failed"
    found = scene("stuck", flag, failing(flag, call, f"{nth}+", "shipper", errno))
    wait_up(found)
    for n in range(12):  # without keys: what those of earlier lives were, the shipper cannot say
        found.put(b"stuck.0.%d" % n, 300 if n % 3 else 90000, "/usage", keyed=False)
        found.put(b"stuck-specimen.0.%d" % n, 300, f"/specimen?uri={n}.png", keyed=False)
    assert set(found.answers) == {204}, found.answers
    wait_until(flag.exists, "the disk is broken")
    found.sluice.kill_all()
    found.sluice.env = {}
    found.sluice.start()
    conclude(found)
