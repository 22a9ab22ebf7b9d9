"""Access logs: nginx's lines, whole and complete whatever happens around them."""

import json
import os
import re
import shlex
import signal
import threading

import psutil
import pytest

from lib import raw
from lib.ports import free_port
from lib.wait import wait_until

# What differs from server to server, or from request to request, is not compared.
FORMATS = {
    "combined": None,
    "parts": r"""'$remote_addr|$remote_user|$request|$status|$request_method|$request_uri|$uri|$args|$is_args|$arg_a|$server_protocol|'
                 '$scheme|$https|$host|$http_host|$server_name|$content_length|$content_type|$http_x_two|$cookie_c|$connection_requests|$request_completion|$pipe'""",
    "sent": "'$status $sent_http_content_type $sent_http_x_own $sent_http_location [$upstream_addr] [$http_none] $body_bytes_sent'",
    "j": """escape=json '{"request":"$request","agent":"$http_user_agent","none":"$http_none","two":"$http_x_two","args":"$args"}'""",
    "n": "escape=none '$request <$http_user_agent> <$http_none>'",
}

SERVER = """
server {{ listen 127.0.0.1:{port}; server_name first.example second.example; {logs}
    location /text {{ add_header X-Own "it is"; return 200 "some text"; }}
    location /gone {{ return 410 "gone"; }}
    location /moved {{ return 301 http://elsewhere.example/; }}
    location /empty {{ return 204; }}
    location /quiet {{ access_log off; return 200; }}
    location /own {{ access_log {folder}/own combined; return 200; }}
}}
"""

REQUESTS = [
    "GET /text?a=1&b HTTP/1.1\r\nHost: first.example\r\n\r\n",
    "GET /text?a=%41\" HTTP/1.1\r\nHost: Second.Example:99\r\nUser-Agent: a \"quoted\" \\ one\r\nReferer: http://x/?y\r\n\r\n",
    "GET /text HTTP/1.0\r\n\r\n",
    "GET /empty HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nCookie: a=b; c=d\r\n\r\n",
    "GET /gone HTTP/1.1\r\nHost: h\r\nUser-Agent: caf\xe9 \t \xc3\xa9\r\n\r\n",
    "GET /text?\xff\xfe HTTP/1.1\r\nHost: h\r\nX-Two: a \xff b\r\n\r\n",
    "HEAD /text HTTP/1.1\r\nHost: h\r\n\r\n",
    "DELETE /empty HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc",
    "GET /quiet HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /own HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /text HTTP/1.1\r\nHost: h\r\nUser-Agent: last\r\n\r\n",
]


def directives(folder):
    formats = "".join(f"log_format {name} {text};\n" for name, text in FORMATS.items() if text)
    logs = "".join(f"access_log {folder}/{name} {name};" for name in FORMATS)
    return formats, logs


def comparable(name, line):
    # Lines of JSON are made valid where nginx leaves bytes as they are; the day and time differ.
    if name == "j":
        line = line.decode(errors="replace").encode()
    return re.sub(rb"\[\d\d/\w\w\w/\d{4}:\d\d:\d\d:\d\d ([+-]\d{4})\]", rb"[TIME \1]", line)


def lines_of(path, count=1):
    return wait_until(lambda: path.exists() and len(found := path.read_bytes().splitlines()) >= count and found, lambda: f"{count} lines in {path}")


def test_lines_as_nginx_writes_them(server, nginx, tmp_path):
    """Byte for byte, hostile requests included."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir(), theirs.mkdir()
    port = free_port()
    formats, logs = directives(theirs)
    nginx(port, formats + SERVER.format(port=port, logs=logs, folder=theirs))
    formats, logs = directives(ours)
    sluice = server(conf="state_dir {state_dir}; worker_processes 1; events { } http {" + formats + SERVER.format(port="{port}", logs=logs, folder=ours) + "}")
    for request in REQUESTS:
        for at in (port, sluice.port):
            with raw.connect(None, at) as line:
                line.send(request.encode("latin-1"))
                line.answer(method=request.split(" ")[0])
    for name in [*FORMATS, "own"]:
        count = 1 if name == "own" else len(REQUESTS) - 2
        mine, others = (lines_of(folder / name, count) for folder in (ours, theirs))
        if name in ("combined", "sent"):  # their pages for people differ from ours in length and form
            mine, others = ([line for line in lines if b" 301 " not in line] for lines in (mine, others))
        assert [comparable(name, line) for line in mine] == [comparable(name, line) for line in others], name
    assert "request done" not in sluice.log()


def test_own_formats(server, tmp_path):
    """json and logfmt: for each line a document, a list of fields, whatever the client sends."""
    sluice = server(http=f"access_log {tmp_path}/json json; access_log {tmp_path}/logfmt logfmt;", main="worker_processes 1;")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with raw.connect(sluice) as line:
        line.send(f"GET /health?x=\"\\ HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-1\r\ntraceparent: {trace}\r\n\r\n")
        assert line.answer().status == 200
        line.send(b"GET /none?\xff\xc2\x85 HTTP/1.1\r\nHost: x\r\nUser-Agent: \xe2\x82 a=b status=200\r\n\r\n")
        assert line.answer().status == 404
    documents = [json.loads(line) for line in lines_of(tmp_path / "json", 2)]
    first, second = documents
    expected = {"method": "GET", "uri": '/health?x="\\', "status": 200, "remote_ip": "127.0.0.1", "request_id": "id-1", "traceparent": trace, "user": ""}
    assert {name: first[name] for name in expected} == expected
    assert first["bytes_in"] > 50 and first["bytes_out"] > 100 and 0 < first["latency_ms"] < 30_000
    assert second["uri"] == "/none?\ufffd\u0085" and second["user_agent"] == "\ufffd\ufffd a=b status=200"
    fields = [dict(word.split("=", 1) for word in shlex.split(line.decode())) for line in lines_of(tmp_path / "logfmt", 2)]
    assert fields[0]["request_id"] == "id-1" and fields[0]["status"] == "200" and fields[0]["user"] == "-"
    assert fields[1]["status"] == "404" and fields[1]["user_agent"].endswith("a=b status=200")


def test_where_lines_go(server, tmp_path):
    """Several files a block; a block's own take the place of those around it; off; if=; and without any, the server's own log."""
    sluice = server(main="worker_processes 1;", http="log_format u $uri;", server=f"""
        location /both {{ access_log {tmp_path}/a u; access_log {tmp_path}/b u; return 200;
            location /both/inner {{ return 200; }} location /both/own {{ access_log {tmp_path}/c u; return 200; }} location /both/off {{ access_log off; return 200; }} }}
        location /if {{ access_log {tmp_path}/if u if=$arg_log; return 200; }}
        location /plain {{ return 200; }}""")
    for path in ("/both", "/both/inner", "/both/own", "/both/off", "/if", "/if?log=0", "/if?log=", "/if?log=1", "/plain"):
        assert sluice.get(path).status_code == 200
    sluice.wait_log("request done .*uri=/plain")
    assert sluice.stop() == 0
    read = {name: (tmp_path / name).read_text().split() for name in ("a", "b", "c", "if")}
    assert read == {"a": ["/both", "/both/inner"], "b": ["/both", "/both/inner"], "c": ["/both/own"], "if": ["/if"]}
    assert "uri=/both" not in sluice.log() and "uri=/if" not in sluice.log()


def test_refused_heads_have_a_line(server, tmp_path):
    sluice = server(http=f"access_log {tmp_path}/log;", main="worker_processes 1;")
    with raw.connect(sluice) as line:
        line.send(b"nonsense\r\n\r\n")
        assert line.answer().status == 400
    [text] = lines_of(tmp_path / "log")
    assert re.match(rb'127\.0\.0\.1 - - \[.*\] "-" 400 \d+ "-" "-"$', text)


class Load:
    """Requests with numbers, by some clients at once, until told to stop."""

    def __init__(self, port, clients=4):
        self.port, self.sent, self.over = port, [0] * clients, threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, client):
        while not self.over.is_set():
            with raw.connect(None, self.port) as line:
                for _ in range(50):
                    number = self.sent[client]
                    line.send(f"GET /text?{client}-{number} HTTP/1.1\r\nHost: x\r\nUser-Agent: {'x' * (number % 300)}\r\n\r\n")
                    answer = line.answer()
                    assert answer.status == 200
                    self.sent[client] += 1
                    if answer.headers.get("connection") == "close":
                        break

    def wait(self, more):
        goal = sum(self.sent) + more
        wait_until(lambda: sum(self.sent) >= goal, lambda: f"{goal} requests: {self.sent}")

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("options", ["", "buffer=4k flush=50ms"])
def test_no_line_is_lost_or_torn(server, tmp_path, options):
    """Two workers, files moved away and reopened under load, a reload, a stop: each request is one whole line in one of the files."""
    log = tmp_path / "log"
    format = "log_format f '$args $status $http_user_agent';"
    sluice = server(main="worker_processes 2;", http=f"{format} access_log {log} f {options};", server="location /text { return 200; }")
    load = Load(sluice.port)
    for turn in range(3):
        load.wait(400)
        os.rename(log, tmp_path / f"log.{turn}")
        sluice.send_signal(signal.SIGUSR1)
        wait_until(log.exists, "the log is there again")
    sluice.reload()
    sluice.wait_log("configuration reloaded")
    load.wait(400)
    load.stop()
    assert sluice.stop() == 0
    parts = [path.read_bytes() for path in tmp_path.glob("log*")]
    assert len(parts) == 4 and all(part.endswith(b"\n") for part in parts if part)
    seen = set()
    for text in b"".join(parts).decode().splitlines():
        match = re.fullmatch(r"(\d+)-(\d+) 200 (x*|-)", text)
        assert match, text
        client, number = int(match[1]), int(match[2])
        assert len(match[3].strip("-")) == number % 300
        assert (client, number) not in seen
        seen.add((client, number))
    assert seen == {(client, number) for client, sent in enumerate(load.sent) for number in range(sent)}


def test_a_file_of_the_user(server, tmp_path):
    """As root with `user`: made by the master, the user's, written by workers, also after it was moved away."""
    if os.geteuid() != 0:
        pytest.fail("this test needs to run as root, as ci/check does")
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o755)
    for parent in list(tmp_path.parents)[:3] + [tmp_path]:
        parent.chmod(parent.stat().st_mode | 0o711)
    sluice = server(main="user 65534:65534; worker_processes 1;", http=f"access_log {folder}/log;", server="location /text { return 200; }")
    assert sluice.get("/text").status_code == 200
    lines_of(folder / "log")
    stat = (folder / "log").stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o777) == (65534, 65534, 0o640)
    os.rename(folder / "log", folder / "old")
    sluice.send_signal(signal.SIGUSR1)
    wait_until((folder / "log").exists, "the log is there again")

    def arrives():
        assert sluice.get("/text").status_code == 200
        return (folder / "log").read_bytes()

    wait_until(arrives, sluice.tail)


def test_files_do_not_pile_up(server, tmp_path):
    """After reloads and a reopening, nobody holds a file that was moved away: its room on disk can be had back."""
    log = tmp_path / "log"
    sluice = server(main="worker_processes 1;", http=f"access_log {log};", server="location /text { return 200; }")
    for turn in range(2):
        old = sluice.children("worker")
        sluice.reload()
        wait_until(lambda: sluice.children("worker") and not set(old) & set(sluice.children("worker")), sluice.tail)
    os.rename(log, tmp_path / "moved")
    sluice.send_signal(signal.SIGUSR1)

    def held():
        processes = [sluice.pid, *(pid for pids in sluice.children().values() for pid in pids)]
        return [pid for pid in processes if str(tmp_path / "moved") in (file.path for file in psutil.Process(pid).open_files())]

    wait_until(lambda: log.exists() and not held(), held)


def test_a_full_disk_stops_nobody(server, tmp_path):
    """/dev/full: requests are answered, lines are counted as lost and told of once in a while."""
    sluice = server(main="worker_processes 1;", http="access_log /dev/full;", server="location /text { return 200; }")
    for _ in range(20):
        assert sluice.get("/text").status_code == 200
    [line] = sluice.wait_log("lines of an access log are lost path=/dev/full")
    assert "No space left on device" in line
    assert sluice.stop() == 0


@pytest.mark.parametrize("text, message", [
    ("access_log syslog:server=10.0.0.1;", "syslog is not spoken"),
    ("access_log /x/$host.log;", "a path has no variables here"),
    ("access_log /x combined gzip;", "not packed"),
    ("access_log /x combined colour=red;", 'invalid parameter "colour=red"'),
    ("access_log /x combined buffer=0;", "a size up to 16m"),
    ("access_log /x combined flush=1s;", "flush= is for a buffer="),
    ("access_log /x nothing;", 'unknown log format "nothing"'),
    ("access_log /x; location / { access_log /x combined buffer=1k; }", "a file has one"),
    ("access_log /x combined if=$nonsuch;", "unknown variable"),
])
def test_refused_access_logs(check_conf, text, message):
    status, output = check_conf(f"http {{ server {{ listen 127.0.0.1:1; {text} }} }}")
    assert status == 1 and message in output


@pytest.mark.parametrize("text, message", [
    ("log_format a '$reqest';", 'did you mean "$request"'),
    ("log_format a x; log_format a y;", "is there already"),
    ("log_format combined x;", "is there already"),
    ("log_format a escape=html x;", "unknown escape"),
    ("log_format a escape=json;", "has no text"),
])
def test_refused_formats(check_conf, text, message):
    status, output = check_conf(f"http {{ {text} server {{ listen 127.0.0.1:1; }} }}")
    assert status == 1 and message in output


def test_a_log_that_cannot_be_opened_stops_the_start(server, tmp_path):
    sluice = server(wait=False, http="access_log /nonexistent/folder/log;")
    assert sluice.wait_exit() == 2
    sluice.wait_log("cannot open an access log path=/nonexistent/folder/log")
