"""The server among hostile clients and unlucky moments: what stays up, what is cut, and when."""

import os
import pwd
import signal
import socket
import ssl
import subprocess
import time

import psutil
import pytest

from lib import config, raw
from lib.ports import accepts, free_port
from lib.server import program
from lib.wait import wait_until

HALF_A_HEAD = b"PUT /usage HTTP/1.1\r\nHost: x\r\n"


def wait_generation(sluice, number):
    sluice.wait_log(f"configuration reloaded.*generation={number}")


# ---- reload


@pytest.mark.sanitize
def test_reloads_in_a_row_wait_for_slow_clients_and_never_leave_nobody_serving(server, embedded):
    """Each old worker finishes for a client that never does; the slots are soon used up."""
    sluice = server(streams=embedded.streams, main="worker_processes 1; worker_shutdown_timeout 3s;")
    held = []
    for _ in range(10):
        line = raw.connect(sluice)
        line.send(HALF_A_HEAD)
        held.append(line)
        time.sleep(0.05)
        sluice.reload()
        time.sleep(0.15)
        assert sluice.get("/health", headers={"Connection": "close"}, timeout=5).status_code == 200
    sluice.wait_log("reload waits")
    wait_until(lambda: len(sluice.children("worker")) == 1, lambda: f"one worker is left: {sluice.children()}\n{sluice.tail()}", 20)
    assert sluice.get("/health", headers={"Connection": "close"}).status_code == 200
    assert "no slot free" not in sluice.log()
    for line in held:
        line.socket.close()


def test_old_workers_of_a_reload_are_bound_by_the_shutdown_timeout(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_processes 1; worker_shutdown_timeout 1s;")
    old = sluice.children("worker")
    with raw.connect(sluice) as line:
        line.send(HALF_A_HEAD)
        sluice.reload()
        wait_until(lambda: not set(old) & set(sluice.children("worker")), "the old worker is gone", 5)
        line.rest()


def test_refused_reload_keeps_no_address_bound(server, embedded):
    """A stream's folder that cannot be made refuses the reload after its addresses were bound; the next one gets them."""
    sluice = server(streams=embedded.streams)
    port = free_port()
    obstacle = sluice.state_dir / "extra"
    obstacle.write_text("in the way")
    sluice.configure(
        streams=embedded.streams | {"extra": f"sink dir {embedded.usage.path.parent}/extra;"},
        listen=f"listen 127.0.0.1:{sluice.port}; listen 127.0.0.1:{port};",
    )
    sluice.reload()
    sluice.wait_log("reload failed")
    assert not accepts(port)
    obstacle.unlink()
    sluice.reload()
    wait_until(lambda: accepts(port), lambda: f"the new address:\n{sluice.tail()}")


def test_more_workers_than_slots_refuse_the_reload(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_processes 1;")
    sluice.configure(streams=embedded.streams, main="worker_processes 64;")
    sluice.reload()
    sluice.wait_log("so many workers need a restart")
    assert sluice.get("/health").status_code == 200
    assert len(sluice.children("worker")) == 1


def test_worker_waiting_for_its_respawn_is_not_started_beside_the_new_ones(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_processes 1;")
    seen = []
    for _ in range(5):  # each death at once makes the next start later
        pid = sluice.wait_child("worker", but=seen)
        seen.append(pid)
        os.kill(pid, signal.SIGKILL)
        sluice.wait_log("child died", count=len(seen))
    sluice.reload()
    wait_generation(sluice, 2)
    time.sleep(4)  # longer than the respawn was put off
    assert len(sluice.children("worker")) == 1, sluice.tail()


def test_fewer_workers_with_reuseport_leave_no_socket_without_a_server(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_processes 4;")
    port = free_port()
    for workers in (4, 1):
        sluice.configure(
            streams=embedded.streams,
            main=f"worker_processes {workers};",
            listen=f"listen 127.0.0.1:{sluice.port}; listen 127.0.0.1:{port} reuseport;",
        )
        old = set(sluice.children("worker"))
        sluice.reload()
        wait_until(lambda: len(now := sluice.children("worker")) == workers and not old & set(now), f"{workers} new workers")
    for _ in range(64):
        with raw.connect(sluice, port=port) as line:
            line.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line.answer().status == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives up root")
def test_log_made_by_root_is_opened_again_by_the_workers(server, embedded, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    for path in [folder, *folder.parents]:
        if path.stat().st_uid == 0 and path != path.parent and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    log = folder / "sluice.log"
    user = pwd.getpwnam("nobody")
    sluice = server(main=f"worker_processes 1; user nobody; error_log {log} info;")
    assert log.stat().st_uid == user.pw_uid
    log.rename(folder / "rotated")
    sluice.send_signal(signal.SIGUSR1)
    wait_until(lambda: log.exists() and log.stat().st_uid == user.pw_uid, "a new log of the user's")
    time.sleep(0.3)
    assert sluice.get("/health").status_code == 200
    wait_until(lambda: "uri=/health" in log.read_text(), lambda: f"the request in the new log: {log.read_text()}")


def test_daemon_finds_its_configuration_again(server, embedded, tmp_path):
    sluice = server(streams=embedded.streams)
    sluice.stop()
    sluice.configure(streams=embedded.streams, main=f"daemon on; pid {tmp_path}/pid; error_log {sluice.folder}/daemon.log info;")
    subprocess.run([program(), "-c", "sluice.conf"], cwd=sluice.folder, check=True)
    wait_until((tmp_path / "pid").exists, "the daemon's pid file")
    pid = int((tmp_path / "pid").read_text())
    try:
        os.kill(pid, signal.SIGHUP)
        log = sluice.folder / "daemon.log"
        wait_until(lambda: "configuration reloaded" in log.read_text(), log.read_text)
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not psutil.pid_exists(pid), "the daemon is gone")


# ---- stop


def test_shipper_that_hangs_does_not_hold_up_the_end(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_shutdown_timeout 1s;")
    os.kill(sluice.children("shipper")[0], signal.SIGSTOP)
    assert sluice.stop(timeout=10) == 3


def test_stop_right_after_a_reload_still_ships(server, embedded):
    sluice = server(streams=embedded.streams)
    assert sluice.put("/usage", b"one").status_code == 204
    sluice.reload()
    sluice.send_signal(signal.SIGTERM)
    assert sluice.wait_exit(30) == 0
    embedded.usage.wait_records(1)


def test_slow_client_does_not_keep_the_state_of_a_dead_master(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_processes 1; worker_shutdown_timeout 2s;")
    with raw.connect(sluice) as line:
        line.send(HALF_A_HEAD)
        time.sleep(0.2)
        sluice.send_signal(signal.SIGKILL)
        sluice.process.wait()
        sluice.start()
        assert sluice.put("/usage", b"x").status_code == 204
        line.rest()


# ---- requests


@pytest.mark.sanitize
def test_trickled_tls_record_wins_no_time(server, embedded, authority):
    """Bytes of a record that make no request must not put off the end of an idle connection."""
    chain, key = authority.issue("localhost")
    port = free_port()
    sluice = server(
        streams=embedded.streams,
        http="client_header_timeout 1s; keepalive_timeout 1s;",
        server=f"listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key};",
    )
    context = ssl.create_default_context(cafile=authority.ca_file)
    for requests in (0, 1):
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as line:
            for _ in range(requests):
                line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert line.recv(65536).startswith(b"HTTP/1.1 200")
            plain = socket.socket(fileno=os.dup(line.fileno()))
            start = time.monotonic()
            try:
                for byte in b"\x17\x03\x03\x40\x00" + bytes(95):
                    plain.send(bytes([byte]))
                    time.sleep(0.1)
            except OSError:
                pass
            assert time.monotonic() - start < 5
            plain.close()


@pytest.mark.sanitize
def test_specimen_whose_attributes_are_too_long_is_refused_not_failed(server, embedded):
    sluice = server(streams=embedded.streams)
    uri = "https://example.org/a.png?" + "a" * 6900
    assert sluice.put(f"/specimen?uri={uri}", b"x").status_code == 204
    assert sluice.put(f"/specimen?uri={uri}", b"x", headers={"Content-Encoding": "e" * 7900}).status_code == 431


def test_health_names_many_streams(server, tmp_path):
    """However many they are: what monitors read stays JSON."""
    names = [f"stream-{n}-{'x' * 50}" for n in range(20)]
    sluice = server(streams={name: f"sink dir {tmp_path}/out/{name}; spool_size 1m; bundle_interval 1h;" for name in names})
    wait_until(lambda: all((tmp_path / "out" / name).exists() for name in names), "the folders")
    (tmp_path / "out").rename(tmp_path / "gone")
    (tmp_path / "out").write_text("nothing can be delivered here")
    for name in names:
        for size in (300_000, 20_000, 1_000, 1):
            while sluice.put(f"/{name}", b"x" * size).status_code == 204:
                pass

    def most_full():
        answer = sluice.get("/health")
        return answer.status_code == 503 and len(answer.json()["reasons"]) > 14

    wait_until(most_full, lambda: sluice.get("/health").text)


def test_out_of_descriptors_idle_clients_go_and_others_are_served(server, embedded):
    """worker_connections beyond what descriptors there are: whoever idles loses to who comes, and nothing is a failure of the server's."""
    more = "worker_processes 1; worker_rlimit_nofile 100; events { worker_connections 1000; }"
    conf = config.native("{port}", "{state_dir}", streams=embedded.streams, main=more)
    sluice = server(conf=conf.replace("\nevents { }", ""))
    held = [raw.connect(sluice) for _ in range(300)]
    try:
        for _ in range(5):
            assert sluice.get("/health", headers={"Connection": "close"}, timeout=5).status_code == 200
    finally:
        for line in held:
            line.socket.close()


def test_out_of_descriptors_uploads_are_told_to_come_again(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_processes 1; worker_rlimit_nofile 150;")
    size, held, seen = 200_000, [], set()
    for _ in range(70):
        line = raw.connect(sluice)
        line.send(raw.put(body=b"x" * size)[: -size // 2])
        held.append(line)
    time.sleep(0.5)
    for line in held:
        try:
            line.send(b"x" * (size // 2))
            seen.add(line.answer().status)
        except (OSError, AssertionError):
            pass  # refused and closed meanwhile
        line.socket.close()
    assert 204 in seen and seen <= {204, 503}, seen
    assert "Too many open files" in sluice.log()
    assert sluice.get("/health").json() == {"status": "healthy"}
    assert sluice.put("/usage", b"x" * size).status_code == 204


def test_expression_nested_without_end_is_refused(server):
    sluice = server(wait=False, server="location ~ " + "(" * 20000 + "a" + ")" * 20000 + " { return 200; }")
    assert sluice.wait_exit() == 1
    assert "nest too deeply" in sluice.log()


def test_stop_while_waiting_for_a_dead_masters_children(server, embedded):
    """They finish for a client that never does; a server that waits for their lock still obeys."""
    sluice = server(streams=embedded.streams, main="worker_processes 1; worker_shutdown_timeout 20s;")
    with raw.connect(sluice) as line:
        line.send(HALF_A_HEAD)
        time.sleep(0.2)
        sluice.send_signal(signal.SIGKILL)
        sluice.process.wait()
        sluice.start(wait=False)
        sluice.wait_log("waiting for the processes of a server that died")
        assert sluice.stop(timeout=5) == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root has other users' files to lose")
@pytest.mark.parametrize("name", ["lock", "idempotency"])
def test_links_in_the_users_folder_do_not_lead_root_astray(server, embedded, tmp_path, name):
    """Who took over a worker could leave a link there for the next start as root."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    sluice = server(streams=embedded.streams)
    sluice.stop()
    (sluice.state_dir / name).unlink(missing_ok=True)
    (sluice.state_dir / name).symlink_to(victim)
    sluice.start(wait=False)
    wait_until(lambda: sluice.exit_status() is not None or "started" in sluice.tail(3), sluice.tail)
    assert victim.read_text() == "precious"
