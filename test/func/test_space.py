"""No room: records are turned away before their bodies, nothing that was answered 204 is touched, and it goes on by itself once
there is room again."""

import contextlib
import os
import signal
import subprocess

import pytest
import requests

from lib import raw
from lib.config import native
from lib.objects import assert_exactly_once
from lib.server import program
from lib.wait import wait_until

KEEP = "retry initial=20ms max_interval=100ms; breaker failures=1000 open=50ms;"
USAGE = f"sink s3 s bucket={{bucket}} prefix=usage/; bundle_interval 50ms; gzip_level 1; {KEEP}"
SPECIMEN = f"sink s3 s bucket={{bucket}} prefix=specimen/; mode object; {KEEP}"


def bodies(size):
    """Bodies that gzip cannot make smaller, each another."""
    n = 0
    while True:
        yield (b"%06d" % n + os.urandom(size).replace(b"\n", b"-"))[:size]
        n += 1


def fill(sluice, size, path="/usage", most=2000):
    """Puts until there is no room; returns what was stored and the answer that said so."""
    stored = []
    for body, _ in zip(bodies(size), range(most)):
        answer = sluice.put(path, body)
        if answer.status_code != 204:
            return stored, answer
        stored.append(body)
    raise AssertionError(f"{most} bodies of {size} bytes and still room")


def assert_no_room(answer):
    assert (answer.status_code, answer.json()) == (503, {"message": "no space"})
    assert int(answer.headers["Retry-After"]) > 0


def wait_room(sluice, path="/usage", body=b"room again"):
    wait_until(lambda: sluice.put(path, body).status_code == 204, sluice.tail)
    return body


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_room_stays_with_its_stream_when_a_reload_reorders_them(server, tmp_path):
    """What a stream holds is known by its name: neither another order nor new ones in between change who has room."""
    streams = {name: f"sink dir {tmp_path}/out/{name}; bundle_interval 1h; spool_size 1m;" for name in ("usage", "error", "new")}
    sluice = server(streams={name: streams[name] for name in ("usage", "error")})
    fill(sluice, 16_000)
    fill(sluice, 1000)
    old = set(sluice.children("worker"))
    [shipper] = sluice.children("shipper")
    os.kill(shipper, signal.SIGSTOP)  # nobody looks at the disk anew
    sluice.configure(streams={name: streams[name] for name in ("new", "error", "usage")})
    sluice.reload()
    wait_until(lambda: (now := set(sluice.children("worker"))) and not now & old, sluice.tail)
    put = lambda path: requests.put(sluice.url + path, b"x" * 1000, headers={"USER_TOKEN": "u"}, timeout=20).status_code
    for _ in range(5):
        assert (put("/usage"), put("/error"), put("/new")) == (503, 204, 204)
    os.kill(shipper, signal.SIGCONT)
    assert sluice.stop() == 0


@pytest.mark.parametrize("size", [20_000, 100_000], ids=["short", "long"])
def test_spool_size_is_a_limit(server, scripted_store, size):
    scripted_store.stop()
    sluice = server(store=scripted_store, bucket="scripted", streams={"usage": USAGE + "spool_size 2m;", "error": USAGE.replace("usage", "error")})
    stored, answer = fill(sluice, size)
    assert_no_room(answer)
    # Segments not yet packed and their gzip may lie side by side, and blocks are reserved ahead: some room is lost to that.
    assert (2 << 20) * 0.2 < sum(map(len, stored)) <= (2 << 20) + 4 * size
    rest, _ = fill(sluice, 1000)
    stored += rest
    health = sluice.get("/health")
    assert (health.status_code, health.json()) == (503, {"status": "unhealthy", "reasons": ["usage: no spool space"]})
    assert sluice.put("/error", b"other streams go on").status_code == 204
    scripted_store.start()
    last = wait_room(sluice)
    assert sluice.stop() == 0
    assert_exactly_once([*stored, last], scripted_store.bucket().records("usage/"))
    assert scripted_store.bucket().records("error/") == [b"other streams go on"]


@pytest.mark.parametrize("path", ["/usage", "/specimen?uri=a"])
def test_the_answer_comes_before_the_body(server, scripted_store, path):
    scripted_store.stop()
    sluice = server(store=scripted_store, bucket="scripted", streams={"usage": USAGE + "spool_size 1m;", "specimen": SPECIMEN + "spool_size 1m;"})
    too_long = 2 << 20
    with raw.connect(sluice) as line:
        line.send(raw.put(path, b"", Content_Length=str(too_long)))
        answer = line.answer()
        assert (answer.status, answer.body) == (503, b'{"message":"no space"}\n') and "retry-after" in answer.headers
    with raw.connect(sluice) as line:
        line.send(raw.put(path, b"", Content_Length=str(too_long), Expect="100-continue"))
        assert line.answer().status == 503
    with raw.connect(sluice) as line:  # and arrives although the client sends it all first
        line.send(raw.put(path, b"x" * too_long))
        assert line.answer().status == 503
    assert sluice.put(path, b"fits").status_code == 204


def test_a_chunked_body_that_outgrows_the_room(server, scripted_store):
    scripted_store.stop()
    sluice = server(store=scripted_store, bucket="scripted", streams={"usage": USAGE + "spool_size 1m;"})
    piece = b"%x\r\n%s\r\n" % (100_000, b"x" * 100_000)
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"", Content_Length=None, Transfer_Encoding="chunked"))
        for _ in range(30):
            line.send(piece)
        assert line.answer().status == 503
    assert sluice.put("/usage", b"fits").status_code == 204
    scripted_store.start()
    assert scripted_store.bucket().wait_records(1, "usage/") == [b"fits"]
    wait_until(lambda: sluice.data_files() == [], sluice.tail)


def on_disk(server, store, disk, **options):
    streams = {"usage": USAGE, "specimen": SPECIMEN}
    conf = native(0, disk / "state", store=store, bucket="scripted", streams=streams, **options).replace("127.0.0.1:0;", "127.0.0.1:{port};")
    sluice = server(conf=conf)
    sluice.state_dir = disk / "state"
    return sluice


@pytest.mark.parametrize("path, size", [("/usage", 30_000), ("/usage", 300_000), ("/specimen?uri=a", 300_000)])
def test_full_disk_loses_nothing_and_recovers(server, scripted_store, small_disk, path, size):
    scripted_store.stop()
    sluice = on_disk(server, scripted_store, small_disk)
    stored, answer = fill(sluice, size, path)
    assert_no_room(answer)
    space = os.statvfs(small_disk)
    assert sum(map(len, stored)) > 5 << 20, f"{space.f_bavail * space.f_bsize >> 10} KiB are free"
    scripted_store.start()
    last = wait_room(sluice, path)
    assert sluice.stop() == 0
    bucket = scripted_store.bucket()
    found = bucket.records("usage/") if path == "/usage" else [found.body for found in bucket.objects("specimen/")]
    assert_exactly_once([*stored, last], found)
    assert sluice.data_files() == []


@pytest.mark.parametrize("size", [100, 30_000, 300_000])
def test_disk_that_fills_up_behind_our_back(server, scripted_store, small_disk, size):
    """Somebody else takes the last byte between two looks at the free space: the write itself fails, is answered 503, and what was
    answered 204 before it arrives all the same."""
    sluice = on_disk(server, scripted_store, small_disk, main="worker_processes 1;")
    scripted_store.stop()
    stored = [body for body, _ in zip(bodies(2000), range(20))]
    for body in stored:
        assert sluice.put("/usage", body).status_code == 204
    with open(small_disk / "ballast", "wb", buffering=0) as ballast:
        for piece in (65536, 4096):
            with contextlib.suppress(OSError):
                while ballast.write(b"\0" * piece) == piece:
                    pass
        stored_since, answer = fill(sluice, size)
        assert_no_room(answer)
    (small_disk / "ballast").unlink()
    scripted_store.start()
    last = wait_room(sluice)
    assert sluice.stop() == 0
    assert_exactly_once([*stored, *stored_since, last], scripted_store.bucket().records("usage/"))


def test_limit_of_the_size_of_files_is_no_death(server, embedded, tmp_path):
    """ulimit -f: a write beyond it is an error like a full disk, and no signal ends the process."""
    folder = tmp_path / "limited"
    limited = ["prlimit", "--fsize=300000", program(), "-c", folder / "sluice.conf"]
    sluice = server(folder=folder, streams=embedded.streams, command=[str(part) for part in limited], main="worker_processes 1;")
    pids = sluice.children("worker")
    assert sluice.put("/usage", b"x" * 1000).status_code == 204
    answer = sluice.put("/usage", b"x" * 400_000)
    assert_no_room(answer)
    wait_room(sluice)
    assert sluice.children("worker") == pids
    assert sorted(embedded.usage.wait_records(2)) == [b"room again", b"x" * 1000]


def test_a_disk_full_of_what_is_not_packed_yet_is_packed_in_parts(server, scripted_store, small_disk):
    """Everything waits for one bundle, and there is no room for the gzip of it all: smaller ones make room for the rest."""
    streams = {"usage": USAGE.replace("50ms", "10m")}
    conf = native(0, small_disk / "state", store=scripted_store, bucket="scripted", streams=streams).replace("127.0.0.1:0;", "127.0.0.1:{port};")
    sluice = server(conf=conf)
    sluice.state_dir = small_disk / "state"
    stored, answer = fill(sluice, 300_000)
    assert_no_room(answer)
    assert scripted_store.seen(key="^usage/2") == []
    assert sluice.stop() == 0
    assert_exactly_once(stored, scripted_store.bucket().records("usage/"))
    assert sluice.data_files() == []
