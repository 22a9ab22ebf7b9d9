"""sluicectl: tables, documents, exit statuses, help; keys; the analysis of logs, however hostile."""

import json
import os
import re
import socket
import subprocess
import threading

import psutil
import pytest

from lib.admin import ctl, new_key, run
from lib.ports import free_port
from lib.server import TOP, program
from lib.wait import wait_until

COMMANDS = ("status", "streams", "workers", "health", "limits list", "limits reset", "keys new", "keys list", "keys revoke", "logs", "help")


@pytest.fixture
def sluice(server, embedded):
    return server(streams=embedded.streams)


# ---- commands


@pytest.mark.sanitize
def test_tables(sluice):
    sluice.put("/usage", b"x")
    expected = {
        "status": r"sluice +\d+\.\d+\.\d+, up .*\n(.*\n)*processes +\d+ running, 0 stuck, 0 missing; workers 2 of 2\n",
        "streams": r"STREAM +STATUS +SPOOL.*\nusage +\w+ .*\nerror .*\nspecimen ",
        "workers": r"ROLE +SLOT +PID +STATUS.*\nmaster +0 +\d+ +running",
        "health": r"healthy\n",
    }
    for command, pattern in expected.items():
        done = ctl(sluice, command)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert re.match(pattern, done.stdout), done.stdout


def test_documents(sluice):
    for command, member in {"status": "version", "streams": "streams", "workers": "workers", "health": "components"}.items():
        for args in ([command, "--json"], ["--json", command]):
            done = ctl(sluice, *args)
            assert done.returncode == 0 and member in json.loads(done.stdout)


@pytest.mark.sanitize
def test_limits(server, embedded):
    sluice = server(streams=embedded.streams, http="limit_policy api { per_ip 1r/h; } limit api;")
    assert [sluice.get("/health").status_code for _ in range(2)] == [200, 429]
    done = ctl(sluice, "limits", "list")
    assert done.returncode == 0 and re.search(r"^api +per-ip +1 +1h00m +1 +bucket", done.stdout, re.M), done.stdout
    key = re.search(r"^(ratelimit:\S+:127\.0\.0\.1) ", done.stdout, re.M)[1]
    assert json.loads(ctl(sluice, "limits", "list", "--json", "--top=0").stdout)["top"] == []
    done = ctl(sluice, "limits", "reset", key)
    assert (done.returncode, done.stdout) == (0, "reset; 1 of the clients listed fit\n")
    assert sluice.get("/health").status_code == 200
    assert ctl(sluice, "limits", "reset", "ratelimit:*").returncode == 0
    assert sluice.get("/health").status_code == 200
    done = ctl(sluice, "limits", "reset", "everything & more")
    assert done.returncode == 1 and "pattern" in done.stderr


def test_exit_statuses(sluice, tmp_path):
    for args in ([], ["nothing"], ["status", "x"], ["--wrong", "status"], ["keys"], ["keys", "lose"], ["-x"], ["logs", "--slow=0", "f"],
                 ["logs", "--slow", "--errors", "f"], ["keys", "new", "a/b"], ["keys", "new", "a", "--role=root"], ["keys", "new", "a", "--expires=never"],
                 ["keys", "new", "a", "--expires=2000-01-01T00:00:00Z"], ["-u", "ftp://x", "status"], ["keys", "new", "a", "--file"]):
        done = ctl(sluice, *args)
        assert done.returncode == 2 and done.stderr.strip() and not done.stdout, (args, done)
    done = run("-s", tmp_path / "none.sock", "status")
    assert done.returncode == 3 and "not reachable" in done.stderr
    assert run("-s", tmp_path / ("x" * 120), "status").returncode == 3
    # For a container, what cannot be reached is not healthy.
    assert run("-s", tmp_path / "none.sock", "health").returncode == 1
    assert run("keys", "list", f"--file={tmp_path}/none").returncode == 1


def test_over_http(server, embedded, tmp_path):
    keys = tmp_path / "keys"
    secret = new_key(keys, "alice", "--role=admin", "--expires=1h")
    (tmp_path / "secret").write_text(secret + "\n")
    sluice = server(streams=embedded.streams, server=f"location /deep/api/ {{ auth_keys {keys}; admin_api; }}")
    url = ("-u", sluice.url + "/deep/")
    assert run(*url, "status", env={"SLUICE_API_KEY": secret}).returncode == 0
    assert run(*url, "-k", tmp_path / "secret", "status").returncode == 0
    done = run(*url, "status")
    assert (done.returncode, done.stderr) == (1, "sluicectl: the server answers 401: Missing X-API-Key header or Authorization header\n")
    assert run(*url, "status", env={"SLUICE_API_KEY": "sk_wrong"}).returncode == 1
    assert run("-u", sluice.url, "health").returncode == 0


def test_what_a_server_says_does_not_drive_the_terminal(server):
    sluice = server(server=r"""location = /api/status { return 500 '{"error":"\u001b[2Jgone"}'; }""")
    done = run("-u", sluice.url, "status")
    assert (done.returncode, done.stderr) == (1, "sluicectl: the server answers 500: \\x1b[2Jgone\n")


def test_over_https(server, embedded, authority, tmp_path):
    keys = tmp_path / "keys"
    secret = new_key(keys, "alice", "--role=admin")
    certificate, key = authority.issue("127.0.0.1")
    tls = free_port()
    sluice = server(
        streams=embedded.streams,
        server=f"listen 127.0.0.1:{tls} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; location /api/ {{ auth_keys {keys}; admin_api; }}",
    )
    done = run("-u", f"https://127.0.0.1:{tls}", f"--ca-file={authority.ca_file}", "status", env={"SLUICE_API_KEY": secret})
    assert done.returncode == 0, done.stderr
    done = run("-u", f"https://127.0.0.1:{tls}", "status", env={"SLUICE_API_KEY": secret})
    assert done.returncode in (2, 3) and not done.stdout
    sluice.stop()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"SSH-2.0\r\n", b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\n\x1b[2J"])
def test_strange_servers(tmp_path, answer):
    """What is no admin API is told, and no byte of it obeyed by the terminal."""
    path = str(tmp_path / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(4)

    def serve():
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(answer)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    done = run("-s", path, "status")
    thread.join()
    listener.close()
    assert done.returncode in (1, 3) and done.stderr and "\x1b" not in done.stdout + done.stderr


def test_help_and_manual():
    done = run("help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"  {name}" in done.stdout
        assert run("help", *name.split()).stdout.startswith(f"usage: sluicectl {name}")
    assert run("help", "keys").stdout.count("usage: ") == 3
    assert run("help", "nothing").returncode == 2
    assert re.match(r"sluicectl \d+\.\d+\.\d+\n", run("-V").stdout)
    assert run("-h").stdout == done.stdout
    manual = subprocess.run(["sh", "-c", f"cd {TOP} && ci/man {program().parent.relative_to(TOP)} sluicectl"], capture_output=True, text=True)
    assert manual.returncode == 0, manual.stderr
    assert all(f'.It Ic "{name}"' in manual.stdout for name in COMMANDS) and "@" not in manual.stdout.replace("time_iso8601", "")


# ---- keys


def test_keys(tmp_path):
    keys = tmp_path / "keys"
    secret = new_key(keys, "alice", "--role", "admin", "--expires", "90d")
    assert re.fullmatch(r"sk_[0-9A-Za-z]{32}", secret)
    done = run("keys", "new", "bob", f"--file={keys}", "--json")
    bob = json.loads(done.stdout)
    assert (bob["name"], bob["role"], bob["expires"]) == ("bob", "user", None) and bob["key"].startswith("sk_")
    assert secret not in keys.read_text() and bob["key"] not in keys.read_text()
    done = run("keys", "new", "alice", f"--file={keys}")
    assert (done.returncode, done.stdout) == (1, "") and "has a key of the name alice" in done.stderr
    listed = run("keys", "list", f"--file={keys}").stdout.splitlines()
    assert listed[0].split() == ["NAME", "ROLE", "EXPIRES", "CREATED", "STATUS"]
    assert [line.split()[:2] + line.split()[-1:] for line in listed[1:]] == [["alice", "admin", "valid"], ["bob", "user", "valid"]]
    assert run("keys", "revoke", "alice", f"--file={keys}").returncode == 0
    assert run("keys", "revoke", "alice", f"--file={keys}").returncode == 1
    assert [line.split()[0] for line in run("keys", "list", f"--file={keys}").stdout.splitlines()] == ["NAME", "bob"]


def test_a_bad_keys_file_is_told_line_by_line(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("one\n\n# fine\ntwo\n")
    done = run("keys", "list", f"--file={keys}")
    assert done.returncode == 1
    assert [re.match(r"sluicectl: \S+/keys:(\d+): too few fields", line)[1] for line in done.stderr.splitlines()] == ["1", "4"]


# ---- logs


def line(n, status=200, latency="1.000", extra=""):
    level, what = ("error", "request error") if status >= 400 else ("info", "request done")
    return f"2026-11-22T01:02:03.{n % 1000:03}Z {level} http: {what} method=GET uri=/r{n} status={status} latency_ms={latency} remote_ip=::1 request_id=i{n}{extra}\n"


def test_own_log(server, embedded, tmp_path):
    log = tmp_path / "own.log"
    sluice = server(streams=embedded.streams, main=f"error_log {log} info;")
    for n in range(5):
        assert sluice.get(f"/missing{n}").status_code == 404
    sluice.put("/usage", b"x")
    wait_until(lambda: "missing4" in log.read_text() and "uri=/usage" in log.read_text(), "the lines are written")
    done = ctl(sluice, "logs", "--errors", "3")
    assert done.returncode == 0, done.stderr
    assert [re.search(r"uri=/missing(\d)", text)[1] for text in done.stdout.splitlines()] == ["2", "3", "4"]
    done = ctl(sluice, "logs", "--slow", "--json")
    slow = json.loads(done.stdout)["slow"]
    assert len(slow) == 6 and sorted((s["latency_ms"] for s in slow), reverse=True) == [s["latency_ms"] for s in slow]
    assert {s["uri"] for s in slow} == {"/usage", *(f"/missing{n}" for n in range(5))}


def test_log_on_standard_error_has_to_be_named(sluice):
    done = ctl(sluice, "logs")
    assert done.returncode == 1 and "standard error" in done.stderr
    sluice.get("/missing")
    sluice.wait_log("uri=/missing")
    assert "uri=/missing" in ctl(sluice, "logs", sluice.log_file).stdout


@pytest.mark.sanitize
def test_slowest_and_last():
    text = "".join(line(n, 500 if n % 10 == 0 else 200, f"{n % 37}.{n:03}") for n in range(1000))
    slow = json.loads(run("logs", "-", "--slow=5", "--json", stdin=text).stdout)
    assert slow["lines"] == 1000 and slow["unreadable"] == 0
    best = sorted(range(1000), key=lambda n: -float(f"{n % 37}.{n:03}"))[:5]
    assert [s["request_id"] for s in slow["slow"]] == [f"i{n}" for n in best]
    errors = json.loads(run("logs", "-", "--errors=7", "--json", stdin=text).stdout)["errors"]
    assert [e["request_id"] for e in errors] == [f"i{n}" for n in range(930, 1000, 10)]
    assert run("logs", "-", "--errors", stdin=text).stdout.count("\n") == 20


def test_access_logs():
    text = (
        '10.0.0.1 - - [22/Nov/2026:01:02:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "ua" rt=0.250\n'
        '10.0.0.2 - bob [22/Nov/2026:01:02:04 +0000] "PUT /b HTTP/1.1" 503 1 "-" "ua" rt=0.500\n'
        '{"time_iso8601":"2026-11-22T01:02:05+00:00","request":"GET /c HTTP/1.1","status":"404","request_time":"0.750"}\n'
    )
    done = run("logs", "-", "--slow", stdin=text)
    assert [row.split()[-4] for row in done.stdout.splitlines()[1:]] == ["GET", "PUT", "GET"] and done.stdout.index("/c") < done.stdout.index("/b") < done.stdout.index("/a")
    errors = json.loads(run("logs", "-", "--json", stdin=text).stdout)["errors"]
    assert [(e["method"], e["uri"], e["status"]) for e in errors] == [("PUT", "/b", 503), ("GET", "/c", 404)]


def test_nothing_to_show():
    for args, said in ((["--slow"], "none of 1 lines tells of how long a request took"), (["--errors"], "none of 1 lines tells of an error")):
        done = run("logs", "-", *args, stdin="2026-11-22T01:02:03.456Z info master: started\n")
        assert done.returncode == 0 and said in done.stderr
    done = run("logs", "-", stdin="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.sanitize
def test_hostile_log(tmp_path):
    """Torn, endless, binary, forged: counted and passed over; what is shown is harmless."""
    log = tmp_path / "log"
    good = line(1, 500, extra=' agent="\\x1b[31m forged\\x0a"')
    with open(log, "wb") as file:
        file.write(line(0, 500)[30:].encode())  # the rest of a line that was rotated away
        file.write(os.urandom(100_000).replace(b"\n", b"") + b"\n")
        file.write(b"x" * 5_000_000 + b"\n")
        file.write(good.encode())
        file.write(b"\n\n\x00\x00\n")
        file.write(line(2, 500)[:-1].encode() + b"\x1b]0;owned\x07\n")
        file.write(b'{"level":"error","time":"' + b"[" * 10_000 + b"\n")
        file.write(line(3, 500)[:40].encode())  # in the writing
    done = run("logs", log, "--errors")
    assert done.returncode == 0
    assert [re.search(r"request_id=(i\d)", text)[1] for text in done.stdout.splitlines() if "request_id" in text] == ["i1", "i2"]
    assert "\x1b" not in done.stdout and "\\x1b]0;owned\\x07" in done.stdout
    assert "lines were not understood" in done.stderr
    json.loads(run("logs", log, "--errors", "--json").stdout)


@pytest.mark.plain
@pytest.mark.parametrize("kind", ["--errors", "--slow"])
def test_a_big_log_takes_little_memory(kind):
    """What is kept are the lines to be shown, not the file."""
    block = "".join(line(n, 500, "5.000", extra=" pad=" + "x" * 800) for n in range(1000)).encode()
    process = subprocess.Popen([str(program("sluicectl")), "logs", "-", kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for _ in range(32):
        process.stdin.write(block)
    process.stdin.flush()
    assert psutil.Process(process.pid).memory_info().rss < 16 * len(block)
    out, _ = process.communicate()
    assert process.returncode == 0 and out.count(b"\n") >= 20
