"""Starting, stopping, reloading, dying: what clients and their data see of it."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

import psutil
import pytest
import requests

from lib import raw
from lib.folder import Embedded
from lib.objects import assert_exactly_once
from lib.ports import free_port
from lib.server import alive, program
from lib.store import hang
from lib.wait import wait_until

HELD = "retry initial=20ms max_interval=50ms; breaker failures=1000 open=50ms;"


class Load:
    """Clients that put records until stopped. `stored` is what was answered 204, `failed` every other outcome."""

    def __init__(self, sluice, clients=4, path="/usage"):
        self.sluice, self.path = sluice, path
        self.stored, self.failed = [], []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, client):
        n = 0
        while not self._over.is_set():
            body = b"%d-%d" % (client, n)
            n += 1
            try:
                answer = requests.put(self.sluice.url + self.path, body, headers={"USER_TOKEN": "u"}, timeout=20)
                (self.stored if answer.status_code == 204 else self.failed).append(body)
            except requests.RequestException as error:
                self.failed.append((body, error))

    def wait(self, more):
        """Until so many more were stored."""
        goal = len(self.stored) + more
        wait_until(lambda: len(self.stored) >= goal, lambda: f"{goal} stored, {len(self.stored)} are:\n{self.sluice.tail()}")

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join(30)


# ---- graceful stop


@pytest.mark.sanitize
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=["TERM", "INT", "QUIT"])
def test_requests_in_flight_at_a_stop_are_answered_and_shipped(server, minio, bucket, number):
    """The origin's own test: answers are delayed, several requests are in flight, the server is told to stop. Nothing is lost,
    nothing is left in the folder, everything is in the store."""
    sluice = server(store=minio, bucket=bucket, env={"SLUICE_DELAY_MS": "700"}, main="error_log stderr debug;")
    lines = [raw.connect(sluice) for _ in range(6)]
    sent = [b"in flight %d" % n for n in range(4)]
    for line, body in zip(lines, sent):
        line.send(raw.put(body=body))
    lines[4].send(raw.put("/specimen?uri=s.png", b"picture"))
    lines[5].send(raw.put("/error", b"only half is", Content_Length="21"))
    sluice.wait_log("ingest: stored", count=5)
    sluice.send_signal(number)
    sluice.wait_log("master: shutdown start")
    lines[5].send(b" sent yet")
    answers = [line.answer() for line in lines]
    assert [answer.status for answer in answers] == [204] * 6
    assert all(answer.headers["connection"] == "close" for answer in answers)
    assert sluice.wait_exit() == 0
    assert sluice.data_files() == []
    assert_exactly_once(sent, bucket.records("usage/"))
    assert bucket.records("error/") == [b"only half is sent yet"]
    assert [found.body for found in bucket.objects("specimen/")] == [b"picture"]


def test_stop_refuses_new_connections_and_closes_idle_ones(server, embedded):
    sluice = server(streams=embedded.streams, env={"SLUICE_DELAY_MS": "500"})
    with raw.connect(sluice) as idle, raw.connect(sluice) as busy:
        idle.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.answer().status == 200
        busy.send(raw.put(body=b"last"))
        wait_until(lambda: any("usage/" in name for name in sluice.data_files()), sluice.tail)
        sluice.send_signal(signal.SIGTERM)
        assert idle.is_closed()
        assert busy.answer().status == 204
        with pytest.raises(OSError):
            with raw.connect(sluice) as line:
                line.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert line.rest() == b""
                raise ConnectionResetError
    assert sluice.wait_exit() == 0
    assert embedded.usage.records() == [b"last"]


def test_stop_under_load_loses_and_doubles_nothing(server, embedded):
    sluice = server(streams=embedded.streams)
    load = Load(sluice)
    load.wait(100)
    assert sluice.stop() == 0
    load.stop()
    assert sluice.data_files() == []
    found = embedded.usage.records()
    assert set(load.stored) <= set(found) and len(found) == len(set(found))


def test_unreachable_store_ends_with_3_and_names_what_waits(server, scripted_store):
    scripted_store.stop()
    sluice = server(store=scripted_store, bucket="scripted", main="worker_shutdown_timeout 500ms;")
    for path in ("/usage", "/error", "/specimen?uri=s.png"):
        assert sluice.put(path, b"kept").status_code == 204
    began = time.monotonic()
    assert sluice.stop() == 3
    assert time.monotonic() - began < 5
    [line] = sluice.wait_log("stopped with data still waiting on disk")
    assert re.search(r"files=[1-9]", line) and str(sluice.state_dir) in line
    assert {name.split("/")[0] for name in sluice.data_files()} == {"usage", "error", "specimen"}
    scripted_store.start()
    sluice.start()
    bucket = scripted_store.bucket()
    assert bucket.wait_records(1, "usage/") == [b"kept"]
    assert bucket.wait_records(1, "error/") == [b"kept"]
    assert bucket.wait_keys(1, "specimen/")


def test_hanging_store_does_not_hold_up_the_end(server, scripted_store):
    scripted_store.script(hang(), key="^usage/2", times=None)
    sluice = server(store=scripted_store, bucket="scripted", main="worker_shutdown_timeout 500ms;")
    assert sluice.put("/usage", b"kept").status_code == 204
    scripted_store.wait_seen(1, key="^usage/2")
    began = time.monotonic()
    assert sluice.stop() == 3
    assert time.monotonic() - began < 6
    assert sluice.data_files() != []


@pytest.mark.sanitize


def test_a_server_without_streams_does_not_wait_for_its_shipper(server):
    sluice = server(main="worker_shutdown_timeout 1h;")
    assert sluice.stop() == 0


def test_second_signal_stops_fast(server, scripted_store):
    scripted_store.script(hang(), key="^usage/2", times=None)
    sluice = server(store=scripted_store, bucket="scripted", main="worker_shutdown_timeout 60s;")
    assert sluice.put("/usage", b"kept").status_code == 204
    scripted_store.wait_seen(1, key="^usage/2")
    sluice.send_signal(signal.SIGTERM)
    sluice.wait_log("shutdown start")
    began = time.monotonic()
    sluice.send_signal(signal.SIGTERM)
    assert sluice.wait_exit() == 3
    assert time.monotonic() - began < 5
    assert sluice.data_files() != []


def test_request_that_outlasts_the_time_out_is_cut(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_shutdown_timeout 300ms;")
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"half", Content_Length="100"))
        line.send(b"x")
        time_before = time.monotonic()
        assert sluice.put("/usage", b"whole").status_code == 204
        status = sluice.stop()
        assert time.monotonic() - time_before < 6
        assert line.is_closed()
    assert status in (0, 3)
    sluice.start()
    assert embedded.usage.wait_records(1) == [b"whole"]


# ---- reload


@pytest.mark.sanitize
def test_reload_under_load_refuses_and_loses_nothing(server, embedded):
    sluice = server(streams=embedded.streams, listen="listen 127.0.0.1:{port} backlog=511;".replace("{port}", "PORT"), wait=False)
    sluice.reap()
    text = sluice.conf_file.read_text().replace("PORT", str(sluice.port))
    sluice.conf_file.write_text(text)
    sluice.start()
    load = Load(sluice, clients=6)
    load.wait(50)
    for n in range(3):
        sluice.conf_file.write_text(text.replace("location = /health", f"location = /v{n} {{ return 200 {n}; }} location = /health"))
        sluice.reload()
        sluice.wait_log(f"configuration reloaded generation={n + 2}")
        wait_until(lambda n=n: sluice.get(f"/v{n}").status_code == 200, sluice.tail)
        load.wait(50)
    load.stop()
    assert load.failed == []
    wait_until(lambda: len(sluice.children("worker")) == 2 and len(sluice.children("shipper")) == 1, sluice.children)
    assert sluice.stop() == 0
    assert_exactly_once(load.stored, embedded.usage.records())


@pytest.mark.sanitize
def test_reload_finishes_requests_in_flight_with_the_old_workers(server, embedded):
    sluice = server(streams=embedded.streams)
    old = sluice.children("worker")
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"first half", Content_Length="21"))
        sluice.put("/usage", b"other")
        sluice.reload()
        sluice.wait_log("configuration reloaded")
        sluice.wait_child("worker", but=old)
        line.send(b", second..."[:11])
        assert line.answer().status == 204
        assert line.is_closed()
    wait_until(lambda: not any(map(alive, old)), sluice.children)
    assert sorted(embedded.usage.wait_records(2)) == [b"first half, second...", b"other"]


@pytest.mark.sanitize
def test_reload_of_a_bad_file_keeps_the_old_one_and_says_why(server, embedded):
    sluice = server(streams=embedded.streams)
    pids = sluice.children()
    good = sluice.conf_file.read_text()
    sluice.conf_file.write_text(good.replace("events { }", "events { }\nnonsense on;"))
    sluice.reload()
    sluice.wait_log("reload failed: the old configuration stays")
    sluice.wait_log(rf"{sluice.conf_file}:\d+: .*nonsense")
    assert sluice.put("/usage", b"still here").status_code == 204
    assert sluice.children() == pids
    sluice.conf_file.write_text(good.replace(str(sluice.state_dir), "/somewhere/else"))
    sluice.reload()
    sluice.wait_log("reload failed", count=2)
    assert sluice.put("/usage", b"and here").status_code == 204
    assert embedded.usage.wait_records(2)


@pytest.mark.sanitize
def test_reload_changes_listens(server, embedded):
    sluice = server(streams=embedded.streams)
    second, text = free_port(), sluice.conf_file.read_text()
    sluice.conf_file.write_text(text.replace(f":{sluice.port};", f":{sluice.port}; listen 127.0.0.1:{second};"))
    sluice.reload()
    sluice.wait_log("configuration reloaded generation=2")
    sluice.conf_file.write_text(text.replace(f":{sluice.port};", f":{second};"))
    answer = requests.put(f"http://127.0.0.1:{second}/usage", b"new port", headers={"USER_TOKEN": "u"}, timeout=20)
    assert answer.status_code == 204
    sluice.reload()
    sluice.wait_log("configuration reloaded generation=3")

    def refused():
        try:
            socket.create_connection(("127.0.0.1", sluice.port), timeout=5).close()
        except ConnectionRefusedError:
            return True

    wait_until(refused, "the old port is closed")
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    sluice.conf_file.write_text(text.replace(f":{sluice.port};", f":{taken.getsockname()[1]};"))
    sluice.reload()
    sluice.wait_log("cannot listen")
    sluice.wait_log("reload failed")
    assert requests.put(f"http://127.0.0.1:{second}/usage", b"stays", headers={"USER_TOKEN": "u"}, timeout=20).status_code == 204
    assert sorted(embedded.usage.wait_records(2)) == [b"new port", b"stays"]
    taken.close()


def test_reload_changes_where_a_stream_goes(server, tmp_path):
    first, second = Embedded(tmp_path / "first"), Embedded(tmp_path / "second")
    sluice = server(streams=first.streams)
    assert sluice.put("/usage", b"one").status_code == 204
    first.usage.wait_records(1)
    sluice.configure(streams=second.streams)
    sluice.reload()
    sluice.wait_log("configuration reloaded")
    wait_until(second.usage.path.exists, "the new destination is open")
    assert sluice.put("/usage", b"two").status_code == 204
    assert second.usage.wait_records(1) == [b"two"] and first.usage.records() == [b"one"]


def test_reload_keeps_what_cannot_be_changed(server, embedded):
    sluice = server(streams=embedded.streams, main="daemon off;")
    sluice.conf_file.write_text(sluice.conf_file.read_text().replace("worker_processes 2;", "worker_processes 1;"))
    sluice.reload()
    sluice.wait_log("configuration reloaded")
    assert sluice.put("/usage", b"x").status_code == 204
    assert embedded.usage.wait_records(1)


# ---- log files


def test_usr1_reopens_the_log(server, embedded, tmp_path):
    log = tmp_path / "own.log"
    sluice = server(streams=embedded.streams, main=f"error_log {log} info; worker_processes 2;")
    assert sluice.put("/usage", b"x", headers={"X-Request-Id": "before"}).status_code == 204
    wait_until(lambda: "before" in log.read_text(), "the line is there")
    log.rename(tmp_path / "old.log")
    sluice.send_signal(signal.SIGUSR1)
    wait_until(log.exists, "a new log")


    def writes_to_it(pid):
        return str(log) in [os.path.realpath(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]

    wait_until(lambda: all(map(writes_to_it, sluice.children("worker"))), "the workers have opened it")
    for n in range(20):  # each on a connection of its own, so that every worker has some
        requests.get(sluice.url + "/health", headers={"X-Request-Id": f"after-{n}"}, timeout=20)
    wait_until(lambda: log.read_text().count("request_id=after-") == 20, "all workers write to the new log")
    assert oct(log.stat().st_mode & 0o777) == "0o640"
    assert "after-" not in (tmp_path / "old.log").read_text()


# ---- deaths


@pytest.mark.sanitize
def test_killed_worker_is_replaced_and_its_records_arrive(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 500ms;")
    sluice = server(streams=embedded.streams)
    load = Load(sluice)
    for _ in range(3):
        load.wait(30)
        victim = sluice.children("worker")[0]
        others = sluice.children("worker")
        os.kill(victim, signal.SIGKILL)
        sluice.wait_child("worker", but=others)
    load.wait(30)
    load.stop()
    sluice.wait_log("child died role=worker .*signal=9", count=3)
    assert sluice.stop() == 0
    found = embedded.usage.records()
    assert set(load.stored) <= set(found) and len(found) == len(set(found))


def test_killed_shipper_is_replaced_and_goes_on(server, scripted_store):
    scripted_store.script(hang(after=True), key="^usage/2")
    sluice = server(store=scripted_store, bucket="scripted", streams={"usage": f"sink s3 s bucket={{bucket}} prefix=usage/; bundle_interval 50ms; {HELD}"})
    sent = [b"%d" % n for n in range(20)]
    for body in sent:
        assert sluice.put("/usage", body).status_code == 204
    scripted_store.wait_seen(1, key="^usage/2")
    [victim] = sluice.children("shipper")
    os.kill(victim, signal.SIGKILL)
    sluice.wait_child("shipper", but=[victim])
    assert_exactly_once(sent, scripted_store.bucket().wait_records(20, "usage/"))
    assert sluice.put("/usage", b"more").status_code == 204
    assert_exactly_once([*sent, b"more"], scripted_store.bucket().wait_records(21, "usage/"))
    assert sluice.stop() == 0


def test_children_end_when_their_master_is_killed_and_a_new_one_takes_over(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 10m;")
    sluice = server(streams=embedded.streams)
    sent = [b"%d" % n for n in range(10)]
    for body in sent:
        assert sluice.put("/usage", body).status_code == 204
    sluice.kill()
    sluice.start()
    assert sluice.put("/usage", b"after").status_code == 204
    assert sluice.stop() == 0
    assert_exactly_once([*sent, b"after"], embedded.usage.records())


@pytest.mark.sanitize
def test_everything_arrives_after_kill_9_of_all(server, minio, bucket):
    streams = {"usage": "sink s3 s bucket={bucket} prefix=usage/; bundle_interval 10m;",
               "specimen": "sink s3 s bucket={bucket} prefix=specimen/; mode object;"}
    sluice = server(store=minio, bucket=bucket, streams=streams)
    sent = [b"%d" % n for n in range(50)]
    for body in sent:
        assert sluice.put("/usage", body).status_code == 204
    assert sluice.put("/specimen?uri=s.png", b"picture").status_code == 204
    sluice.kill_all()
    sluice.start()
    assert sluice.stop() == 0
    assert_exactly_once(sent, bucket.records("usage/"))
    assert [found.body for found in bucket.objects("specimen/")] == [b"picture"]
    assert sluice.data_files() == []


# ---- who runs it, and where


def test_second_server_on_the_same_folder_is_refused(server, embedded):
    sluice = server(streams=embedded.streams)
    conf = sluice.conf_file.read_text().replace(f":{sluice.port};", f":{free_port()};")
    other = sluice.folder / "other.conf"
    other.write_text(conf)
    done = subprocess.run([program(), "-c", other], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "state folder is in use by another server" in done.stderr and f"pid={sluice.pid}" in done.stderr
    assert sluice.put("/usage", b"undisturbed").status_code == 204
    assert embedded.usage.wait_records(1) == [b"undisturbed"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_workers_and_shipper_give_up_root(server, tmp_path):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.owner() == "root" and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    out = tmp_path / "out"
    out.mkdir()
    os.chown(out, 10001, 10002)
    embedded = Embedded(out)
    sluice = server(streams=embedded.streams, main="user 10001:10002;")
    assert sluice.put("/usage", b"x").status_code == 204
    assert sluice.put("/specimen?uri=a", b"y").status_code == 204
    assert embedded.usage.wait_records(1) and embedded.specimen.wait_keys(1)
    for pids in sluice.children().values():
        for pid in pids:
            process = psutil.Process(pid)
            assert set(process.uids()) == {10001} and set(process.gids()) == {10002}
            status = open(f"/proc/{pid}/status").read()
            assert re.search(r"CapEff:\s+0{16}", status) and re.search(r"Groups:\s*(10002)?\s*$", status, re.M)
    for path in [sluice.state_dir, *sluice.state_dir.rglob("*")]:
        if path.is_dir():
            assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (10001, 0o750), path
    sluice.reload()
    sluice.wait_log("configuration reloaded")
    assert sluice.put("/usage", b"z").status_code == 204
    assert len(embedded.usage.wait_records(2)) == 2
    assert sluice.stop() == 0


def test_daemon_detaches_and_writes_its_pid(server, embedded, tmp_path):
    pid_file, log = tmp_path / "d.pid", tmp_path / "d.log"
    sluice = server(streams=embedded.streams, main=f"daemon on; pid {pid_file}; error_log {log} info; worker_processes 1;", wait=False)
    assert sluice.process.wait(30) == 0
    pid = int(pid_file.read_text())  # who waited may use it at once
    try:
        master = psutil.Process(pid)
        assert master.ppid() != os.getpid() and master.terminal() is None and os.getsid(pid) != os.getsid(0)
        assert sluice.put("/usage", b"x").status_code == 204
        assert embedded.usage.wait_records(1) == [b"x"]
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not alive(pid), "the daemon ends")
        assert not pid_file.exists() and "shutdown complete status=0" in log.read_text()
    finally:
        if alive(pid):
            os.killpg(os.getpgid(pid), signal.SIGKILL)


def test_daemon_that_cannot_start_says_so_by_its_exit_status(server, embedded, tmp_path):
    log = tmp_path / "d.log"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sluice = server(
            streams=embedded.streams, main=f"daemon on; error_log {log} info;", wait=False,
            listen=f"listen 127.0.0.1:{taken.getsockname()[1]};",
        )
        assert sluice.process.wait(30) == 2
    assert "cannot listen" in log.read_text()
    assert "could not start" in sluice.log() and str(log) in sluice.log()
    assert not any(sluice.children().values())


def test_delay_mode_delays_every_answer(server, embedded):
    sluice = server(streams=embedded.streams, env={"SLUICE_DELAY_MS": "250"})
    for request in (lambda: sluice.put("/usage", b"x"), lambda: sluice.get("/health"), lambda: sluice.get("/none")):
        began = time.monotonic()
        request()
        assert time.monotonic() - began >= 0.25


def test_a_destination_that_cannot_be_opened_holds_up_its_own_stream_only(server, tmp_path):
    """/proc takes no folders, also from root."""
    sluice = server(
        streams={
            "usage": f"sink dir {tmp_path}/delivered; bundle_interval 1s;",
            "error": "sink dir /proc/sluice; bundle_interval 1s;",
        },
        main="worker_shutdown_timeout 2s;",
    )
    assert sluice.put("/error", b"held").status_code == 204
    assert sluice.put("/usage", b"sent").status_code == 204
    sluice.wait_log("destination cannot be opened.*stream=error")
    sluice.wait_log("bundle sent.*stream=usage")
    assert sluice.stop() == 3
    assert any(name.startswith("error/") for name in sluice.data_files())
    assert not any(name.startswith("usage/") for name in sluice.data_files())
