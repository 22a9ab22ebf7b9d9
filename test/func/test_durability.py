"""A test for each step of the way from PUT to object that must not be left out. Most die at a crash point, by its name (src/base/file.h),
go on after a respawn or a restart of everything, and count what arrived."""

import fcntl
import os
import re
import shutil
import signal
import threading
import time

import pytest

from lib import raw
from lib.account import record
from lib.objects import Object, assert_exactly_once
from lib.scene import MAIN, Scene, plan, streams
from lib.server import TOP, alive
from lib.store import status, truthful
from lib.wait import wait_until

def crash_points():
    """All points of the layers that handle data, by the prefix that groups them."""
    found = set()
    for source in TOP.glob("src/*/*.c"):
        found |= set(re.findall(r'file_crash_point\("([^"]+)"\)', source.read_text()))
    return sorted(found)


def points(*prefixes):
    return [point for point in crash_points() if point.startswith(prefixes)]


def tables():
    """The tables of points that unit tests go through: name -> points."""
    tests = "".join(path.read_text() for path in TOP.glob("test/unit/*/*.[ch]"))
    found = {}
    for header in TOP.glob("src/*/points.h"):
        for name, rows in re.findall(r"#define (\w+_POINTS\w*)\(X\)((?:.*\\\n)*.*)", header.read_text()):
            listed = re.findall(r'X\("([^"]+)"\)', rows)
            if f"{name}(" in tests or all(f'"{point}' in tests for point in listed):
                found[name] = listed
    return found


TABLES = tables()
WORKER = points("spool.create.", "spool.commit.", "spool.seal.", "spool.upload.")
RECOVER, ORIGIN, DIR = points("spool.recover."), points("spool.origin."), points("dir.")
# Those of dead letters need failures that the scene here does not play.
SHIP = [point for point in points("ship.") if point not in TABLES["SHIP_POINTS_LETTER"]]


def test_every_crash_point_has_a_test():
    assert min(map(len, (WORKER, RECOVER, ORIGIN, SHIP, DIR))) > 0
    assert set(crash_points()) == {*WORKER, *RECOVER, *ORIGIN, *SHIP, *DIR}.union(*TABLES.values())


@pytest.fixture
def scene(server, scripted_store, tmp_path):
    def start(env=None, interval="50ms", **options):
        parts = {"store": scripted_store, "bucket": "scripted", "main": MAIN, **options}
        sluice = server(streams=streams(interval), env=env or {}, **parts)
        return Scene(sluice, tmp_path / "died", scripted_store.bucket(), parts)

    return start


# ---- at every point


AFTERWARDS = pytest.mark.parametrize("afterwards", [pytest.param("respawn", marks=pytest.mark.sanitize), "restart"])


def go_through(found, afterwards):
    found.work_until_crash()
    if afterwards == "restart":
        found.restart()
    found.work()
    found.conclude()


@AFTERWARDS
@pytest.mark.parametrize("point", WORKER)
def test_a_worker_dies(scene, tmp_path, point, afterwards):
    nth = 1 if afterwards == "respawn" else 2
    go_through(scene(plan(tmp_path / "died", point, "worker", nth)), afterwards)


def plant_another(exchange):
    """Somebody else was faster under this key."""
    request, store = exchange.request, exchange.peer
    store.objects[request.bucket, "other/" + request.key] = None
    store.objects[request.bucket, request.key] = Object(request.key, b"another's", {"bundle": "0" * 32}, "image/png")
    truthful(exchange)


def without_planted(store):
    """Takes away what plant_another() left."""
    for bucket, key in [place for place in store.objects if place[1].startswith("other/")]:
        del store.objects[bucket, key], store.objects[bucket, key.removeprefix("other/")]


@AFTERWARDS
@pytest.mark.parametrize("point", SHIP)
def test_the_shipper_dies(scene, scripted_store, tmp_path, point, afterwards):
    nth = 1 if afterwards == "respawn" else 2
    for key in ("^usage/2", "^specimen/u"):
        scripted_store.script(plant_another, key=key, times=nth)
    found = scene(plan(tmp_path / "died", point, "shipper", nth))
    found.work_until_crash()
    if afterwards == "restart":
        found.restart()
    found.work()
    assert found.sluice.stop() == 0
    without_planted(scripted_store)
    found.account.check_bucket(found.bucket)
    assert found.sluice.data_files() == []


@AFTERWARDS
@pytest.mark.parametrize("point", DIR)
def test_the_shipper_dies_delivering_to_a_folder(server, embedded, tmp_path, point, afterwards):
    nth = 1 if afterwards == "respawn" else 3
    sluice = server(streams=embedded.streams, main=MAIN, env=plan(tmp_path / "died", point, "shipper", nth))
    found = Scene(sluice, tmp_path / "died", None)
    found.work_until_crash()
    if afterwards == "restart":
        found.restart()
    found.work()
    assert sluice.stop() == 0 and sluice.data_files() == []
    records = embedded.usage.records()
    found.account.check(records + [one.body for one in embedded.specimen.objects()])
    left = [path for path in (tmp_path / "out").rglob(".*") if path.is_file()]
    assert left == [], "temporary files"


@AFTERWARDS
@pytest.mark.parametrize("point", RECOVER)
def test_the_shipper_dies_taking_over_an_orphan(scene, tmp_path, point, afterwards):
    found = scene(interval="1h")
    found.work()
    with raw.connect(found.sluice) as line:  # a body that never ends leaves a part
        line.send(raw.put(body=record(b"half", 200000), Content_Length="400000"))
        wait_until(lambda: list(found.sluice.state_dir.glob("usage/*.part")), "a part on disk")
        found.sluice.kill_all()
    found.sluice.env = plan(tmp_path / "died", point, "shipper")
    found.sluice.start(wait=False)
    found.wait_crash()
    if afterwards == "restart":
        found.restart()
    found.sluice.wait_ready()
    found.work()
    found.conclude()


@AFTERWARDS
@pytest.mark.parametrize("point", ORIGIN)
def test_the_shipper_dies_taking_in_files_of_the_origin(scene, tmp_path, point, afterwards):
    found = scene()
    assert found.sluice.stop() == 0
    now, state = time.time_ns(), found.sluice.state_dir
    for n, folder in enumerate(["usage", "usage", "usage/aggregation"]):
        (state / folder / f"{now + n}.4711.user").write_bytes(found.account.send(b"origin.0.%d" % n, 500 + 80000 * n))
        found.account.promise(b"origin.0.%d" % n)
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    (state / f"specimen/{stamp}.123456.4711.%2Fa%2Fb.png").write_bytes(found.account.send(b"origin-specimen.0.0", 3000))
    found.account.promise(b"origin-specimen.0.0")
    found.sluice.env = plan(tmp_path / "died", point, "shipper")
    found.sluice.start(wait=False)
    found.wait_crash()
    if afterwards == "restart":
        found.restart()
    found.sluice.wait_ready()
    found.work()
    found.conclude()


@pytest.mark.sanitize
@pytest.mark.parametrize("point", points("spool.seal."))
def test_a_worker_dies_sealing_at_the_end(scene, tmp_path, point):
    """The shipper ends last, and looks for orphans before it does."""
    found = scene(plan(tmp_path / "died", point, "worker"), interval="1h")
    found.work()
    assert not found.flag.exists()
    found.conclude()
    assert found.flag.exists()


# ---- names and owners


def test_a_segment_name_that_is_taken_is_left_alone(scene, tmp_path):
    """The first open() of a worker is that of a segment."""
    flag = tmp_path / "died"
    found = scene({"SLUICE_FAIL": "open:1:EEXIST", "SLUICE_TEST_ROLE": "worker", "SLUICE_CRASH_ONCE": str(flag)})
    found.work()
    assert flag.exists() and len(found.account.promised) == len(found.account.sent)
    found.conclude()


def inode_of_open(state_dir):
    return {path.stat().st_ino: path for path in state_dir.glob("usage/*.open")}


def test_a_segment_whose_owner_lives_is_left_alone(scene):
    """However dead it seems: the lock decides."""
    found = scene(interval="1h", main="worker_processes 2; worker_shutdown_timeout 60s;")
    sluice, state = found.sluice, found.sluice.state_dir
    lines = [raw.connect(sluice) for _ in range(40)]
    sent = 0
    for line in lines:  # both workers have records in the end
        line.send(raw.put(body=found.account.send(b"open.0.%d" % sent, 50)))
        assert line.answer().status == 204
        found.account.promise(b"open.0.%d" % sent)
        sent += 1
    wait_until(lambda: len(inode_of_open(state)) >= 2, "each worker has a segment")
    stopped, killed = sluice.children("worker")
    os.kill(stopped, signal.SIGSTOP)
    before = inode_of_open(state)
    os.kill(killed, signal.SIGKILL)
    sluice.wait_log("recovered a segment")
    of_the_stopped = {inode: path for inode, path in inode_of_open(state).items() if inode in before and f".{stopped}." in path.name}
    assert len(of_the_stopped) == 1, f"{before} became {inode_of_open(state)}"
    shipper = sluice.children("shipper")
    os.kill(shipper[0], signal.SIGKILL)  # a new one leaves it alone, too
    sluice.wait_child("shipper", but=shipper)
    found.account.send(b"event.0.0", 70000)  # once this is delivered, the new one has looked at everything
    sluice.wait_child("worker", but=[stopped, killed])
    put = sluice.put("/specimen?uri=/e.png", record(b"event.0.0", 70000))
    assert put.status_code == 204
    found.account.promise(b"event.0.0")
    found.bucket.wait_keys(1, "specimen/")
    assert of_the_stopped.items() <= inode_of_open(state).items()
    os.kill(stopped, signal.SIGCONT)
    for line in lines:  # those of the stopped one go on
        name = b"open.0.%d" % sent
        sent += 1
        try:
            line.send(raw.put(body=found.account.send(name, 50)))
            if line.answer().status == 204:
                found.account.promise(name)
        except (OSError, AssertionError):
            pass
        line.socket.close()
    found.conclude()


@pytest.mark.sanitize
def test_a_torn_tail_is_cut_and_counted(scene):
    found = scene(interval="1h")
    found.work()
    found.sluice.kill_all()
    [path] = found.sluice.state_dir.glob("usage/*.open")
    frames = path.read_bytes()
    end = frames.rindex(b"piped1.0.4")  # some way into the last frames: what follows may be anything
    at = frames.index(b"\0" * 64, end)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(frames[64:200] + b"\xff" * 777)  # a frame that is valid elsewhere, and noise
    found.sluice.start()
    [line] = found.sluice.wait_log("open segments recovered stream=usage")
    assert int(re.search(r"torn_bytes=(\d+)", line).group(1)) > 0
    found.conclude()


# ---- what a crash may leave behind


def test_packed_files_without_a_list_are_never_sent(scene, scripted_store):
    found = scene()
    found.work()
    assert found.sluice.stop() == 0
    uploading = found.sluice.state_dir / "usage/uploading"
    (uploading / f"{'a' * 32}.gz").write_bytes(b"was confirmed already")
    (uploading / f"{'b' * 32}.part").write_bytes(b"was not finished")
    (uploading.parent / "aggregation" / f"{'c' * 32}.tmp").write_bytes(b"sluice-bundle 1\n")
    count = len(scripted_store.seen())
    found.sluice.start()
    found.work()
    found.conclude()
    assert not [request for request in scripted_store.seen()[count:] if b"was" in request.body]


def stop_at(found, tmp_path, point):
    """The shipper dies there, and before anybody takes over, everybody with it."""
    sluice = found.sluice
    sluice.kill_all()
    sluice.configure(**{**found.parts, "streams": streams("50ms")})
    sluice.env = plan(tmp_path / "died", point, "shipper")
    with open(sluice.state_dir / "shipper.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the master is stopped, it cannot begin
        sluice.start()
        sluice.send_signal(signal.SIGSTOP)
    found.wait_crash()
    sluice.kill_all()
    return sluice.state_dir / "usage/aggregation"


def test_a_list_with_a_source_missing_is_dissolved(scene, tmp_path):
    """It was never sent: its other sources are free for another bundle, and the missing one is when it shows up."""
    found = scene(interval="1h")
    found.work()
    folder = stop_at(found, tmp_path, "ship.list_folder_synced")
    sources = sorted(path for path in folder.iterdir() if path.suffix != ".list")
    assert len(sources) >= 2
    missing = shutil.move(sources[0], tmp_path / sources[0].name)
    found.sluice.start()
    found.sluice.wait_log("list without all of its sources dissolved")
    assert found.sluice.stop() == 0
    [first] = found.bucket.objects("usage/")
    shutil.move(missing, sources[0])
    found.sluice.start()
    found.conclude()
    assert len(found.bucket.keys("usage/")) == 2 and first.records()


def test_a_source_is_found_under_its_old_name(scene, tmp_path):
    """The rename into aggregation/ is lost, as a power loss can, but the list is there."""
    found = scene(interval="1h")
    found.work()
    folder = stop_at(found, tmp_path, "ship.list_folder_synced")
    for path in folder.iterdir():
        if path.suffix != ".list":
            path.rename(folder.parent / path.name)
    found.sluice.start()
    found.conclude()
    assert "dissolved" not in found.sluice.log() and len(found.bucket.keys("usage/")) == 1


def test_only_the_listed_segment_is_removed(scene, tmp_path):
    """Another segment under the name of a source is no source, because its id is not the list's: it is data like any other."""
    other = scene(interval="1h")
    other.put(b"other.0.0", 100000, "/usage", keyed=False)  # a long body is a sealed segment at once
    other.sluice.kill_all()
    [segment] = [path for path in (other.sluice.state_dir / "usage").iterdir() if path.is_file() and not path.suffix == ".open"]
    found = scene(interval="1h")
    found.work()
    folder = stop_at(found, tmp_path, "ship.gz_folder_synced")
    source = min(path for path in folder.iterdir() if path.suffix != ".list")
    shutil.copy(segment, source)
    found.account.send(b"other.0.0", 100000)
    found.account.promise(b"other.0.0")
    found.sluice.start()
    found.conclude()


def test_a_new_server_waits_for_the_processes_of_the_old(scene, scripted_store):
    """Two shippers never run, however the old one was left behind."""
    scripted_store.script(status(503, "SlowDown"), key="^usage/2", times=None)
    found = scene()
    found.work()
    scripted_store.wait_seen(1, key="^usage/2")
    sluice = found.sluice
    [shipper] = sluice.children("shipper")
    others = sluice.children("worker")
    os.kill(shipper, signal.SIGSTOP)
    sluice.send_signal(signal.SIGKILL)
    sluice.process.wait()
    wait_until(lambda: not any(map(alive, others)), "workers end with their master")
    scripted_store.clear_script()
    count = len(scripted_store.seen())
    sluice.start(wait=False)
    sluice.wait_log("waiting for the processes of a server that died")
    assert len(scripted_store.seen()) == count and alive(shipper)
    os.kill(shipper, signal.SIGCONT)
    sluice.wait_ready()
    assert not alive(shipper)
    found.work()
    found.conclude()


# ---- the store's answers, with a crash in between


def keys_by_bundle(store):
    found = {}
    for request in store.seen(key="^usage/"):
        found.setdefault(request.headers["x-amz-meta-bundle"], []).append(request.key)
    return found


def test_the_next_number_is_fixed_before_it_is_sent(scene, scripted_store, tmp_path):
    scripted_store.script(plant_another, key="^usage/2")
    found = scene(plan(tmp_path / "died", "ship.n_fixed", "shipper"))
    found.work_until_crash()
    assert found.sluice.stop() == 0
    without_planted(scripted_store)
    found.account.check_bucket(found.bucket)
    keys = list(keys_by_bundle(scripted_store).values())[0]
    assert len(keys) >= 2 and keys[0] not in keys[1:], "after the crash it never asks for the old key again"


def test_a_number_that_was_not_fixed_is_not_sent(scene, scripted_store, tmp_path):
    """Dying just before the list with the next number has its name: the old key again, then the next."""
    found = scene(interval="1h")
    found.pipeline(b"first")
    assert found.sluice.stop() == 0
    [taken] = found.bucket.keys("usage/")
    count = len(scripted_store.seen(key="^usage/"))
    found.sluice.env = plan(tmp_path / "died", "ship.list_synced", "shipper", nth=2)
    found.sluice.start()
    found.pipeline(b"second")
    found.conclude()
    assert found.flag.exists()
    keys = [request.key for request in scripted_store.seen(key="^usage/")[count:]]
    assert keys[:2] == [taken, taken] and len(keys) == 3 and keys[2] != taken, keys


def test_confirmed_but_not_noted(scene, scripted_store, tmp_path):
    """The second PUT is refused, and HEAD tells that it is ours."""
    found = scene(plan(tmp_path / "died", "ship.confirmed", "shipper"), interval="1h")
    found.pipeline(b"once")
    assert found.sluice.stop() == 0
    found.account.check_bucket(found.bucket)
    [keys] = keys_by_bundle(scripted_store).values()
    assert len(keys) == 2 and keys[0] == keys[1]
    assert [request.key for request in scripted_store.seen("HEAD", "^usage/")] == keys[:1]


class Late:
    """A request that lands when its sender is long gone."""

    def __init__(self):
        self.arrived, self.go, self.landed = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, exchange):
        self.arrived.set()
        self.go.wait(30)
        answer = exchange.peer.apply(exchange.request)
        self.landed.set()
        exchange.answer(*answer)

    def then(self, exchange):
        """The next request waits for it."""
        self.go.set()
        self.landed.wait(30)
        truthful(exchange)


@pytest.mark.sanitize
@pytest.mark.parametrize("order", ["before the second", "after the second"])
@pytest.mark.parametrize("kind", ["usage", "specimen"])
def test_a_request_lands_late_after_a_crash(scene, scripted_store, order, kind):
    late = Late()
    scripted_store.script(late, *([late.then] if order.startswith("before") else []), key=f"^{kind}/[2u]")
    found = scene()
    path = "/usage" if kind == "usage" else "/specimen?uri=/late.png"
    found.put(b"late.0.0", 5000, path, keyed=False)
    assert late.arrived.wait(30)
    [shipper] = found.sluice.children("shipper")
    os.kill(shipper, signal.SIGKILL)
    found.bucket.wait_keys(1, f"{kind}/")
    if order.startswith("after"):
        wait_until(lambda: found.sluice.data_files() == [], "confirmed and forgotten")
    late.go.set()
    assert late.landed.wait(30)
    found.conclude()
    keys = [request.key for request in scripted_store.seen(key=f"^{kind}/")]
    assert len(keys) == 2 and keys[0] == keys[1]


def test_refused_then_gone_then_crashed_stays_with_its_key(scene, scripted_store):
    """412 and then 404: the same key, also by the next shipper."""

    def refuse(exchange):
        exchange.answer(412, {}, b"")

    scripted_store.script(refuse, key="^usage/2", times=3)
    found = scene()
    found.pipeline(b"gone")
    scripted_store.wait_seen(2, key="^usage/")
    [shipper] = found.sluice.children("shipper")
    os.kill(shipper, signal.SIGKILL)
    found.bucket.wait_keys(1, "usage/")
    found.conclude()
    [keys] = keys_by_bundle(scripted_store).values()
    assert len(set(keys)) == 1 and keys[0].endswith(".jsonl.gz")


# ---- repeated PUTs


@pytest.mark.sanitize
@pytest.mark.parametrize("point", points("spool.commit.", "spool.upload."))
def test_a_key_is_known_after_a_crash(scene, tmp_path, point):
    """The client did not hear the 204, asks again, also after a restart of all, and its record is there once."""
    found = scene(plan(tmp_path / "died", point, "worker"), interval="1h")
    length = 100000 if ".upload." in point else 200
    found.put(b"keyed.0.0", length, "/usage", keyed=True)
    assert found.flag.exists()
    found.put(b"keyed.0.0", length, "/usage", keyed=True)
    found.restart()
    found.put(b"keyed.0.0", length, "/usage", keyed=True)
    assert found.sluice.stop() == 0
    assert_exactly_once([record(b"keyed.0.0", length)], found.bucket.records("usage/"))
    found.sluice.start()  # and when the data is long gone
    found.put(b"keyed.0.0", length, "/usage", keyed=True)
    assert found.sluice.stop() == 0
    assert_exactly_once([record(b"keyed.0.0", length)], found.bucket.records("usage/"))
