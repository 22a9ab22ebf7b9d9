"""The server's own log: the lines operators rely on, with their fields, in both forms, and nothing that a client could forge."""

import datetime
import json
import re
import shlex

import pytest

from lib import raw
from lib.store import status
from lib.wait import wait_until

LINE = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (debug|info|warn|error) ([a-z0-9]+): (.+)$")
KEEP = "retry initial=20ms max_interval=100ms; breaker failures=1000 open=50ms;"


def parse(line):
    """(level, area, message, fields) of a logfmt line."""
    match = LINE.match(line)
    assert match, line
    datetime.datetime.fromisoformat(match[1])
    message, fields = [], {}
    for word in shlex.split(match[4]):
        name, equals, value = word.partition("=")
        if equals and re.fullmatch("[a-z_0-9]+", name):
            fields[name] = value
        else:
            assert not fields, f"a word without a name: {line}"
            message.append(word)
    return match[2], match[3], " ".join(message), fields


@pytest.fixture
def sluice(server, embedded):
    return server(streams=embedded.streams)


def request_line(sluice, request_id):
    [line] = sluice.wait_log(rf"request_id=\"?{re.escape(request_id)}\b")
    return parse(line)


def test_request_done(sluice):
    body = b"12345"
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sluice.put("/usage?a=b", body, user="carol", headers={"X-Request-Id": "good-1", "traceparent": trace})
    level, area, message, fields = request_line(sluice, "good-1")
    assert (level, area, message) == ("info", "http", "request done")
    expected = {"method": "PUT", "uri": "/usage?a=b", "status": "204", "remote_ip": "127.0.0.1", "request_id": "good-1", "user": "carol", "traceparent": trace}
    assert {name: fields[name] for name in expected} == expected
    assert 0 < float(fields["latency_ms"]) < 30_000 and int(fields["bytes_in"]) >= 5


def test_request_done_as_json(server, embedded):
    """The same fields, a document a line."""
    sluice = server(streams=embedded.streams, main="log_style json;")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sluice.put('/usage?"=\\', b"12345", user="carol", headers={"X-Request-Id": "good-2", "traceparent": trace})
    [line] = sluice.wait_log('"request_id":"good-2"')
    fields = json.loads(line)
    expected = {"level": "info", "area": "http", "message": "request done", "method": "PUT", "status": 204, "remote_ip": "127.0.0.1", "user": "carol", "traceparent": trace}
    assert {name: fields[name] for name in expected} == expected


@pytest.mark.parametrize(
    "method, path, user, status_", [("PUT", "/usage", None, 401), ("PUT", "/specimen", "u", 400), ("GET", "/usage", "u", 405), ("PUT", "/none", "u", 404)]
)
def test_request_error(sluice, method, path, user, status_):
    headers = {"X-Request-Id": "bad-1"} | ({"USER_TOKEN": user} if user else {})
    sluice.session.request(method, sluice.url + path, headers=headers)
    level, area, message, fields = request_line(sluice, "bad-1")
    assert (level, area, message) == ("error", "http", "request error")
    assert (fields["method"], fields["uri"], fields["status"]) == (method, path, str(status_))


def test_access_log_off(server, embedded):
    sluice = server(streams=embedded.streams, server="location /quiet { access_log off; return 200; } location /loud { return 200; }")
    for path in ("/quiet", "/loud"):
        assert sluice.get(path).status_code == 200
    sluice.wait_log("uri=/loud")
    assert "uri=/quiet" not in sluice.log()


def test_lines_of_deliveries(server, scripted_store):
    """Sent and failed, for a bundle and for a specimen, with bucket, key, size and number of files."""
    scripted_store.script(status(500), key="^usage/2")
    scripted_store.script(status(500), key="^specimen/u")
    streams = {"usage": f"sink s3 s bucket={{bucket}} prefix=usage/; bundle_interval 50ms; {KEEP}",
               "specimen": f"sink s3 s bucket={{bucket}} prefix=specimen/; mode object; {KEEP}"}
    sluice = server(store=scripted_store, bucket="scripted", streams=streams)
    assert sluice.put("/usage", b"x").status_code == 204
    assert sluice.put("/specimen?uri=s.png", b"picture", user="u").status_code == 204
    sent = {stream: parse(sluice.wait_log(f"info ship: {what} sent .*stream={stream}|info ship: {what} sent stream={stream}")[0])
            for stream, what in (("usage", "bundle"), ("specimen", "object"))}
    bucket = scripted_store.bucket()
    for stream, (_, _, _, fields) in sent.items():
        assert fields["destination"] == "s3:s/scripted"
        [key] = bucket.keys(stream + "/")
        assert (fields["key"], int(fields["size"])) == (key, len(bucket.get(key).body))
        level, _, message, failed = parse(sluice.wait_log(f"upload failed stream={stream}")[0])
        assert level == "error" and failed["destination"] == "s3:s/scripted" and "500 InternalError" in failed["why"]
        assert int(failed["attempt"]) >= 1 and float(failed["retry_in_ms"]) > 0
    assert sent["usage"][3]["files"] == "1" and sent["specimen"][3]["uri"] == "s.png"
    assert sluice.stop() == 0
    assert parse(sluice.wait_log("shutdown start")[0])[:2] == ("info", "master")
    sluice.wait_log("shutdown complete status=0")


NASTY = [
    b"/usage?x=%0a2026-11-22T01:02:03.456Z%20error%20master:%20forged",
    b'/usage?"quoted"=\\back',
    b"/usage?" + "日本".encode(),
    b"/usage?\xff\xfe\xc0\x80",
    b"/usage?status=204 ".strip() + b"&request_id=forged",
    b"/usage?" + b"l" * 5000,
]


@pytest.mark.sanitize
@pytest.mark.parametrize("style", ["logfmt", "json"])
@pytest.mark.parametrize("target", NASTY, ids=range(len(NASTY)))
def test_nobody_forges_a_line(server, embedded, style, target):
    sluice = server(streams=embedded.streams, main=f"log_style {style}; worker_processes 1;")
    with raw.connect(sluice) as line:
        line.send(b"PUT " + target + b" HTTP/1.1\r\nHost: x\r\nUSER_TOKEN: a=b \"c\" \xc2\x85\r\nX-Request-Id: n-1\r\nContent-Length: 0\r\n\r\n")
        line.answer()
    wait_until(lambda: "request" in sluice.log(), sluice.tail)
    assert sluice.get("/health").status_code == 200
    assert sluice.stop() == 0
    log = sluice.log_file.read_bytes()
    text = log.decode("utf-8")  # always valid
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    lines = text.removesuffix("\n").split("\n")
    if style == "json":
        parsed = [json.loads(line) for line in lines]
        assert all({"time", "level"} <= entry.keys() or {"ts", "level"} <= entry.keys() for entry in parsed)
        assert sum(entry.get("status") in (204, 400) and str(entry.get("uri", "")).startswith("/usage") for entry in parsed) <= 1
    else:
        parsed = [parse(line) for line in lines]
        assert not any(area == "master" and "forged" in message for _, area, message, _ in parsed)
    assert text.endswith("\n")


def test_json_lines_have_the_same_fields(server, embedded):
    sluice = server(streams=embedded.streams, main="log_style json;")
    sluice.put("/usage", b"x", headers={"X-Request-Id": "json-1"})
    [line] = sluice.wait_log('"json-1"')
    entry = json.loads(line)
    assert (entry["level"], entry["method"], entry["uri"], entry["status"], entry["request_id"]) == ("info", "PUT", "/usage", 204, "json-1")
    assert entry["remote_ip"] == "127.0.0.1" and isinstance(entry["latency_ms"], (int, float))
    assert sluice.stop() == 0
    for line in sluice.log().splitlines():
        json.loads(line)


@pytest.mark.parametrize("level, seen", [("debug", {"info", "error", "debug"}), ("info", {"info", "error"}), ("error", {"error"})])
def test_levels(server, embedded, level, seen):
    sluice = server(streams=embedded.streams, main=f"error_log stderr {level};")
    assert sluice.put("/usage", b"x").status_code == 204
    assert sluice.get("/none").status_code == 404
    assert embedded.usage.wait_records(1)
    assert sluice.stop() == 0
    assert {parse(line)[0] for line in sluice.log().splitlines()} == seen


def test_secrets_are_not_logged(server, scripted_store):
    scripted_store.script(status(403, "AccessDenied"), key="^usage/2")
    sluice = server(store=scripted_store, bucket="scripted", main="error_log stderr debug;")
    assert sluice.put("/usage", b"the body itself", headers={"Authorization": "Bearer hush"}).status_code == 204
    sluice.wait_log("destination refuses us")
    for secret in (scripted_store.secret_key, "hush", "the body itself", "Signature="):
        assert secret not in sluice.log()
