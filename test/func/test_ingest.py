"""Data in: what the three PUTs and /health take, answer and store, byte for byte."""

import concurrent.futures
import hashlib
import os
import re
import urllib.parse

import pytest

from lib import raw
from lib.folder import Embedded
from lib.objects import assert_exactly_once
from lib.wait import wait_until

PATHS = ("/usage", "/error", "/specimen?uri=https://example.org/a.png")


@pytest.fixture
def sluice(server, embedded):
    return server(streams=embedded.streams)


# ---- what is stored


@pytest.mark.sanitize
@pytest.mark.parametrize("stream", ["usage", "error"])
@pytest.mark.parametrize(
    "body",
    [b'{"a":1}', b"\x00\xff\r binary \xc3\x28 bytes \x00", b" ", b"0" * 65536, b"1" * 65537],
    ids=["json", "binary", "blank", "longest-in-memory", "shortest-streamed"],
)
def test_body_is_stored_exactly_and_answered_204(sluice, embedded, stream, body):
    answer = sluice.put(f"/{stream}", body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Length" not in answer.headers and "Content-Type" not in answer.headers
    assert embedded[stream].wait_records(1) == [body]


def test_post_is_taken_like_put(sluice, embedded):
    assert sluice.session.post(sluice.url + "/usage", data=b"posted", headers={"USER_TOKEN": "u"}).status_code == 204
    assert embedded.usage.wait_records(1) == [b"posted"]


def test_empty_body_adds_nothing(sluice, embedded):
    assert sluice.put("/usage", b"").status_code == 204
    assert sluice.put("/usage", b"after").status_code == 204
    assert embedded.usage.wait_records(1) == [b"after"]
    sluice.wait_log(r"request done method=PUT uri=/usage status=204", count=2)


@pytest.mark.sanitize
def test_specimen_is_stored_exactly(sluice, embedded):
    body = os.urandom(200_000)
    answer = sluice.put("/specimen?uri=https://example.org/a.png", body)
    assert (answer.status_code, answer.content) == (204, b"")
    [key] = embedded.specimen.wait_keys(1)
    assert embedded.specimen.get(key).body == body


@pytest.mark.sanitize
def test_chunked_body_is_stored_without_its_framing(sluice, embedded):
    parts = [b"one,", b"", b"x" * 70_000, b",two"]
    answer = sluice.put("/usage", (part for part in parts if part))
    assert answer.status_code == 204
    assert embedded.usage.wait_records(1) == [b"".join(parts)]


@pytest.mark.parametrize("mib", [5, 12])
def test_long_bodies_arrive_whole(sluice, embedded, mib):
    body = os.urandom(mib << 20).replace(b"\n", b"-")
    assert sluice.put("/usage", body).status_code == 204
    [found] = embedded.usage.wait_records(1)
    assert hashlib.sha256(found).hexdigest() == hashlib.sha256(body).hexdigest()
    assert sluice.put("/specimen?uri=big.json", body).status_code == 204
    [key] = embedded.specimen.wait_keys(1)
    assert hashlib.sha256(embedded.specimen.get(key).body).digest() == hashlib.sha256(body).digest()


@pytest.mark.plain
def test_memory_does_not_grow_with_the_body(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_processes 1;")
    piece = b"m" * (1 << 20)
    for path in ("/usage", "/specimen?uri=a"):
        assert sluice.put(path, piece).status_code == 204
    before, peak = sluice.memory(), 0

    def body():
        nonlocal peak
        for _ in range(48):
            peak = max(peak, sluice.memory())
            yield piece

    for path in ("/usage", "/specimen?uri=a"):
        assert sluice.put(path, body()).status_code == 204
    assert peak - before < 4 << 20, f"{before >> 10} KiB before, {peak >> 10} KiB at most"


def test_parallel_puts_are_all_stored_under_names_of_their_own(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 10m;", objects="retry initial=10m;")
    sluice = server(streams=embedded.streams)
    sent = [f"{worker}-{n}".encode() * 3 for worker in range(16) for n in range(20)]

    def client(part):
        return [sluice.put("/usage", body, user=body.decode()[:2]).status_code for body in part]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = [status for part in pool.map(client, (sent[i::16] for i in range(16))) for status in part]
    assert answers == [204] * len(sent)
    assert sluice.stop() == 0
    assert_exactly_once(sent, embedded.usage.wait_records(len(sent)))


# ---- who may


@pytest.mark.parametrize("path", PATHS + ("/specimen",))
@pytest.mark.parametrize("user", [None, ""])
def test_without_a_user_401(sluice, path, user):
    answer = sluice.put(path, b"x", user=user)
    assert answer.status_code == 401
    assert answer.content == b'{"message":"USER_TOKEN header is required"}\n'
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("query", ["", "?uri=", "?other=1"])
def test_specimen_without_uri_400(sluice, query):
    answer = sluice.put("/specimen" + query, b"x")
    assert (answer.status_code, answer.content) == (400, b'{"message":"uri parameter is required"}\n')


def test_the_user_is_kept_in_each_record(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 10m;")
    sluice = server(streams=embedded.streams, main="worker_processes 1;")
    for user in ("alice", "böb".encode(), b"a b=c"):
        assert sluice.put("/usage", b"body", user=user).status_code == 204
    [segment] = [name for name in sluice.data_files() if name.startswith("usage/")]
    data = (sluice.state_dir / segment).read_bytes()
    for user in (b"alice", "böb".encode(), b"a b=c"):
        assert data.count(user + b"body") == 1


@pytest.mark.parametrize("user", ["a" * 257, "tab\there", b"\xff\xfe", b"cut\xc3"])
def test_impossible_user_names_are_refused(sluice, embedded, user):
    answer = sluice.put("/specimen?uri=a.png", b"x", user=user)
    assert (answer.status_code, answer.json()) == (400, {"message": "USER_TOKEN is not a valid user name"})
    assert embedded.specimen.keys() == []


@pytest.mark.parametrize("user", ["../../../etc/x", "..", ".", "/abs", "a/b", "a\\b", "-rf", "~", "a" * 256, "é" * 128, "%2e%2e%2f"])
def test_hostile_user_names_stay_in_their_folder(sluice, embedded, tmp_path, user):
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(sluice.folder)}
    assert sluice.put("/specimen?uri=a.png", b"x", user=user.encode()).status_code == 204
    [key] = embedded.specimen.wait_keys(1)
    assert re.fullmatch(r"[^/]+/\d{4}/\d\d/\d\d/a\.\d{19}\.png", key), key
    assert not key.startswith(".") and len(key) <= 1024
    assert urllib.parse.unquote(key.split("/")[0], errors="replace").startswith(user[:20])
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(sluice.folder)}
    assert all(path.is_relative_to(embedded.specimen.path) for path in after - before if path.is_file())


# ---- health, routes, ids


def test_health(sluice):
    answer = sluice.get("/health")
    assert (answer.status_code, answer.content) == (200, b'{"status":"healthy"}\n')
    assert answer.headers["Content-Type"] == "application/json"
    head = sluice.session.head(sluice.url + "/health")
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "21")


@pytest.mark.parametrize("path", ["/", "/usages", "/usage/", "/Usage", "/health/x"])
def test_unknown_path_404(sluice, path):
    answer = sluice.put(path, b"x")
    assert (answer.status_code, answer.content) == (404, b'{"message":"Not Found"}\n')


@pytest.mark.parametrize(
    "method, path, allow",
    [("GET", "/usage", "PUT, POST"), ("DELETE", "/error", "PUT, POST"), ("HEAD", "/usage", "PUT, POST"),
     ("PATCH", "/specimen?uri=a", "PUT, POST"), ("POST", "/health", "GET, HEAD"), ("FOO", "/health", "GET, HEAD")],
)
def test_wrong_method_405_with_allow(sluice, method, path, allow):
    answer = sluice.session.request(method, sluice.url + path, headers={"USER_TOKEN": "u"})
    assert answer.status_code == 405
    assert {word.strip() for word in answer.headers["Allow"].split(",")} == set(allow.split(", "))
    assert answer.content == (b"" if method == "HEAD" else b'{"message":"Method Not Allowed"}\n')


def test_request_id_of_the_client_is_echoed(sluice):
    for path, status in (("/usage", 204), ("/health", 405), ("/none", 404)):
        answer = sluice.put(path, b"x", headers={"X-Request-Id": "abc-123_XYZ.~"})
        assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, "abc-123_XYZ.~")


@pytest.mark.parametrize("given", ["", "a" * 129, 'quo"te', "spa ce", "<script>", "semi;colon", "ü".encode()])
def test_request_id_that_is_not_harmless_is_replaced(sluice, given):
    seen = {sluice.put("/usage", b"x", headers={"X-Request-Id": given}).headers["X-Request-Id"] for _ in range(3)}
    assert len(seen) == 3 and all(re.fullmatch("[0-9a-f]{32}", value) for value in seen)


def test_every_answer_has_an_id_of_its_own(sluice):
    answers = [sluice.put("/usage", b"x"), sluice.put("/usage", b"x", user=None), sluice.get("/health"), sluice.get("/no")]
    with raw.connect(sluice) as line:
        line.send("NOT HTTP\r\n\r\n")
        broken = line.answer()
    ids = [answer.headers["X-Request-Id"] for answer in answers] + [broken.headers["x-request-id"]]
    assert broken.status == 400 and len(set(ids)) == 5


# ---- failures


@pytest.mark.sanitize
@pytest.mark.parametrize("path", ["/usage", "/specimen?uri=a.png"])
@pytest.mark.parametrize("sent", [10, 100_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_client_that_leaves_in_mid_body_stores_nothing(sluice, embedded, path, sent, chunked):
    with raw.connect(sluice) as line:
        if chunked:
            line.send(raw.put(path, b"", Content_Length=None, Transfer_Encoding="chunked"))
            line.send(f"{sent:x}\r\n", b"x" * sent, "\r\n")
        else:
            line.send(raw.put(path, b"x" * sent, Content_Length=str(sent + 1)))
        line.half_close()
        line.rest()
    sluice.wait_log(r"request error method=PUT")
    assert sluice.put(path, b"after").status_code == 204
    place = embedded.specimen if "specimen" in path else embedded.usage
    [key] = place.wait_keys(1)
    body = place.get(key).body if "specimen" in path else place.get(key).data()
    assert body.strip() == b"after"
    wait_until(lambda: sluice.stop() == 0, "a clean end")
    assert len(place.keys()) == 1 and sluice.data_files() == []


def test_store_that_fails_answers_500(server, embedded):
    """The stream's folder is gone from under the server: an error of the disk that a test can make as root, too."""
    sluice = server(streams=embedded.streams, main="worker_processes 1;")
    assert sluice.put("/usage", b"before").status_code == 204
    assert embedded.usage.wait_records(1) == [b"before"]
    for path in ("usage", "specimen"):
        (sluice.state_dir / path).rename(sluice.state_dir / f"{path}-away")
        (sluice.state_dir / path).write_text("in the way")
    answers = [sluice.put(path, os.urandom(100_000)) for path in ("/usage", "/specimen?uri=a")]
    answers.append(sluice.put("/usage", b"short"))
    for answer in answers:
        assert (answer.status_code, answer.content) == (500, b'{"message":"Failed to save data"}\n')
    health = sluice.get("/health")
    for path in ("usage", "specimen"):
        (sluice.state_dir / path).unlink()
        (sluice.state_dir / f"{path}-away").rename(sluice.state_dir / path)
    wait_until(lambda: sluice.put("/usage", b"again").status_code == 204, "the stream works again")
    assert b"again" in embedded.usage.wait_records(2)
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert "usage: spool I/O error" in health.json()["reasons"]
    assert sluice.get("/health").json()["status"] == "unhealthy"  # the other stream has not been tried since
    wait_until(lambda: sluice.put("/specimen?uri=a", b"again").status_code == 204, "the other stream works again")
    assert sluice.get("/health").status_code == 200


# ---- repeated requests


def test_idempotency_key_makes_a_repeated_put_one(sluice, embedded):
    """Per stream and user; over other connections and workers, a reload, a restart, and a kill -9."""
    def put(body, key="k-1", path="/usage", user="user"):
        headers = {"USER_TOKEN": user, "Idempotency-Key": key, "Connection": "close"}
        return sluice.session.put(sluice.url + path, data=body, headers=headers).status_code

    wait_until(lambda: put(b"first") == 204, "the keys of earlier lives are known")
    assert [put(b"first") for _ in range(8)] == [204] * 8
    assert [put(b"other key", "k-2"), put(b"other user", user="v"), put(b"other stream", path="/error")] == [204] * 3
    sluice.reload()
    sluice.wait_log("configuration reloaded")
    assert put(b"first") == 204
    sluice.kill_all()
    sluice.start()
    wait_until(lambda: put(b"first") == 204, "the keys of earlier lives are known")
    assert [put(b"first"), put(b"other key", "k-2"), put(b"new", "k-3")] == [204] * 3
    assert sluice.stop() == 0
    assert_exactly_once([b"first", b"other key", b"other user", b"new"], embedded.usage.records())
    assert embedded.error.records() == [b"other stream"]


# ---- the cache folder


def test_file_names_and_permissions(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 10m;")
    old = os.umask(0)
    try:
        sluice = server(streams=embedded.streams)
    finally:
        os.umask(old)
    wait_until(embedded.specimen.path.exists, "the destination is open")
    (embedded.specimen.path / "user").write_text("in the way, so that the specimen waits")
    assert sluice.put("/usage", b"x").status_code == 204
    assert sluice.put("/error", b"x" * 100_000).status_code == 204
    assert sluice.put("/specimen?uri=https://example.org/a b/c.png", b"x").status_code == 204
    names = sluice.data_files()
    assert any(re.fullmatch(r"usage/\d{8}T\d{15}Z\.\d+\.\d+\.open", name) for name in names), names
    assert any(re.fullmatch(r"error/\d{8}T\d{15}Z\.\d+\.\d+", name) for name in names), names
    assert any(re.fullmatch(r"specimen/(uploading/)?\d{8}T\d{15}Z\.\d+\.\d+", name) for name in names), names
    for path in [sluice.state_dir, *sluice.state_dir.rglob("*")]:
        mode = path.stat().st_mode & 0o7777
        if path.is_dir():
            assert mode == 0o750, f"{path}: {mode:o}"
        elif path.is_file():
            assert mode in (0o640, 0o600), f"{path}: {mode:o}"


def test_blank_user_is_none(sluice):
    with raw.connect(sluice) as line:
        line.send(raw.put(user=" \t "))
        assert line.answer().status == 401


def test_uris_up_to_8_kib_are_taken(server, embedded):
    sluice = server(streams=embedded.streams, server="large_client_header_buffers 4 32k;")
    longest = "https://example.org/" + "p/" * 4000 + "\u00e4" * 84 + ".png"
    assert len(longest.encode()) == 8192
    assert sluice.put("/specimen", b"longest", params={"uri": longest}).status_code == 204
    [key] = embedded.specimen.wait_keys(1)
    found = embedded.specimen.get(key)
    assert found.body == b"longest" and urllib.parse.unquote(found.metadata["uri"]) == longest
    answer = sluice.put("/specimen", b"too long", params={"uri": longest + "x"})
    assert (answer.status_code, answer.json()) == (400, {"message": "uri parameter is too long"})


@pytest.mark.parametrize("length, status", [(7000, 204), (9000, 414)])
def test_uris_by_default_are_bounded_by_the_head(sluice, length, status):
    assert sluice.put("/specimen?uri=" + "a" * length, b"x").status_code == status


@pytest.mark.parametrize("uri", ["%", "%4", "a%zz", "%00b"])
def test_malformed_uris(sluice, embedded, uri):
    """Broken percent escapes are refused; a NUL is a byte like any other, and leaves the key all the same."""
    answer = sluice.put("/specimen?uri=" + uri, b"x") if uri == "%00b" else None
    with raw.connect(sluice) as line:
        line.send(raw.put("/specimen?uri=" + uri))
        status = line.answer().status
    if uri == "%00b":
        assert (answer.status_code, status) == (204, 204)
        assert all("\0" not in key for key in embedded.specimen.wait_keys(2))
    else:
        assert status == 400
