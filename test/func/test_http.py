"""HTTP/1.1 as attackers, broken clients and proxies speak it: framing, limits, time-outs, connections, listeners, routing."""

import gzip
import os
import socket
import ssl
import subprocess
import time
import zlib

import pytest
import requests

from lib import raw
from lib.folder import Embedded
from lib.ports import free_port
from lib.wait import wait_until


@pytest.fixture
def sluice(server, embedded):
    return server(streams=embedded.streams)


# ---- framing: one reading, or none


HEAD = "PUT /usage HTTP/1.1\r\nHost: x\r\nUSER_TOKEN: u\r\n"

BAD_HEADS = {
    "two lengths": HEAD + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunked": HEAD + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked and length": HEAD + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    "length list": HEAD + "Content-Length: 1, 2\r\n\r\n",
    "negative length": HEAD + "Content-Length: -1\r\n\r\n",
    "signed length": HEAD + "Content-Length: +1\r\n\r\n",
    "hex length": HEAD + "Content-Length: 0x1\r\n\r\n",
    "huge length": HEAD + "Content-Length: 99999999999999999999\r\n\r\n",
    "empty length": HEAD + "Content-Length:\r\n\r\n",
    "chunked twice": HEAD + "Transfer-Encoding: chunked, chunked\r\n\r\n",
    "chunked not last": HEAD + "Transfer-Encoding: chunked, gzip\r\n\r\n",
    "two hosts": HEAD + "Host: y\r\n\r\n",
    "space before colon": HEAD + "Content-Length : 1\r\n\r\n",
    "folded line": HEAD + "X-A: b\r\n c\r\n\r\n",
    "nul in value": HEAD + "X-A: b\0c\r\n\r\n",
    "bare CR in value": HEAD + "X-A: b\rc\r\n\r\n",
    "no name": HEAD + ": b\r\n\r\n",
    "control in target": "PUT /us\x01age HTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces": "PUT  /usage HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": "PUT /usage\r\nHost: x\r\n\r\n",
    "chunked in 1.0": "PUT /usage HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "no host": "PUT /usage HTTP/1.1\r\nUSER_TOKEN: u\r\n\r\n",
    "host with path": "PUT /usage HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "not HTTP": "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}


@pytest.mark.sanitize
@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS)
def test_ambiguous_heads_are_refused_and_the_connection_ends(sluice, embedded, head):
    """What follows such a head is never read as a request of its own."""
    with raw.connect(sluice) as line:
        line.send(head, "1", raw.put(body=b"smuggled"))
        answer = line.answer()
        assert (answer.status, answer.body) == (400, b'{"message":"Bad Request"}\n')
        assert answer.headers["connection"] == "close"
        assert line.is_closed()
    assert sluice.put("/usage", b"honest").status_code == 204
    assert embedded.usage.wait_records(1) == [b"honest"]


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "identity"])
def test_unknown_transfer_coding_501(sluice, coding):
    with raw.connect(sluice) as line:
        line.send(HEAD, f"Transfer-Encoding: {coding}\r\n\r\n", "0\r\n\r\n")
        assert line.answer().status == 501
        assert line.is_closed()


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"])
def test_other_versions_505(sluice, version):
    with raw.connect(sluice) as line:
        line.send(f"GET /health {version}\r\nHost: x\r\n\r\n")
        assert line.answer().status == 505
        assert line.is_closed()


BAD_CHUNKS = {
    "no size": "\r\nx\r\n0\r\n\r\n",
    "no hex": "g\r\nx\r\n0\r\n\r\n",
    "minus": "-1\r\nx\r\n0\r\n\r\n",
    "0x": "0x1\r\nx\r\n0\r\n\r\n",
    "space first": " 1\r\nx\r\n0\r\n\r\n",
    "space behind": "1 \r\nx\r\n0\r\n\r\n",
    "too large": "fffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "no CR LF after data": "1\r\nxx\r\n0\r\n\r\n",
    "bare LF": "1\nx\n0\n\n",
    "bare CR": "1\rx\r0\r\r",
}


@pytest.mark.sanitize
@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_broken_chunks_400(sluice, embedded, chunks):
    with raw.connect(sluice) as line:
        line.send(HEAD, "Transfer-Encoding: chunked\r\n\r\n", chunks, raw.put(body=b"smuggled"))
        answer = line.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert line.is_closed()
    assert sluice.put("/usage", b"honest").status_code == 204
    assert embedded.usage.wait_records(1) == [b"honest"]


def test_chunk_extensions_and_trailers_are_no_data(sluice, embedded):
    with raw.connect(sluice) as line:
        line.send(HEAD, "Transfer-Encoding: chunked\r\n\r\n", '3;a="b;c"\r\none\r\n3;c\r\ntwo\r\n0;x\r\nX-T: 1\r\n\r\n')
        assert line.answer().status == 204
        line.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.answer().status == 200
    assert embedded.usage.wait_records(1) == [b"onetwo"]


@pytest.mark.sanitize
def test_head_and_body_in_single_bytes(sluice, embedded):
    data = raw.put(body=b"slow and steady") + HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with raw.connect(sluice) as line:
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            line.send(data[at : at + 1])
        assert [line.answer().status, line.answer().status] == [204, 204]
    assert sorted(embedded.usage.wait_records(2)) == [b"abc", b"slow and steady"]


# ---- connections


@pytest.mark.sanitize
def test_pipelined_requests_are_answered_in_order_and_stored_in_order(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 10m;")
    sluice = server(streams=embedded.streams)
    sent = [b"%04d" % n for n in range(200)]
    with raw.connect(sluice) as line:
        line.send(b"".join(raw.put(body=body, X_Request_Id=f"id-{body.decode()}") for body in sent))
        answers = [line.answer() for _ in sent]
    assert [answer.status for answer in answers] == [204] * 200
    assert [answer.headers["x-request-id"] for answer in answers] == [f"id-{body.decode()}" for body in sent]
    assert sluice.stop() == 0
    [found] = embedded.usage.objects()
    assert found.records() == sent


def test_keep_alive_and_close(sluice):
    with raw.connect(sluice) as line:
        for _ in range(3):
            line.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert "connection" not in line.answer().headers
        line.send("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert line.answer().headers["connection"] == "close"
        assert line.is_closed()
    with raw.connect(sluice) as line:
        line.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert line.answer().headers["connection"] == "keep-alive"
        line.send("GET /health HTTP/1.0\r\n\r\n")
        assert line.answer().headers["connection"] == "close"
        assert line.is_closed()


def test_keepalive_requests_are_counted(server, embedded):
    sluice = server(streams=embedded.streams, http="keepalive_requests 2;")
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"1"), raw.put(body=b"2"), raw.put(body=b"3"))
        assert "connection" not in line.answer().headers
        assert line.answer().headers["connection"] == "close"
        assert line.is_closed()
    assert embedded.usage.wait_records(2) == [b"1", b"2"]


def test_client_that_half_closes_still_gets_its_answer(sluice, embedded):
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"last words"))
        line.half_close()
        assert line.answer().status == 204
        assert line.is_closed()
    assert embedded.usage.wait_records(1) == [b"last words"]


def test_expect_100_continue(sluice, embedded):
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"", Content_Length="5", Expect="100-continue"))
        assert line.answer().status == 100
        line.send("hello")
        assert line.answer().status == 204
        line.send(raw.put(body=b"", user=None, Content_Length="5", Expect="100-continue"))
        refused = line.answer()
        assert refused.status == 401  # at once: no body was asked for
        line.send(raw.put(body=b"x", Expect="miracles")) if refused.headers.get("connection") != "close" else None
    assert embedded.usage.wait_records(1) == [b"hello"]
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"", Content_Length="0", Expect="miracles"))
        assert line.answer().status == 417


def test_head_has_no_body(sluice):
    with raw.connect(sluice) as line:
        line.send("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /none HTTP/1.1\r\nHost: x\r\n\r\n")
        line.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        first, second = line.answer("HEAD"), line.answer("HEAD")
        assert (first.status, first.headers["content-length"]) == (200, "21")
        assert (second.status, second.headers["content-length"]) == (404, "24")
        assert line.answer().body == b'{"status":"healthy"}\n'


# ---- limits


def test_413_before_the_body_is_sent(server, embedded):
    sluice = server(streams=embedded.streams, server="client_max_body_size 1k;")
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"", Content_Length="1025"))
        answer = line.answer()
        assert (answer.status, answer.body) == (413, b'{"message":"Content Too Large"}\n')
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"", Content_Length="1025", Expect="100-continue"))
        assert line.answer().status == 413
    assert sluice.put("/usage", b"x" * 1024).status_code == 204
    assert embedded.usage.wait_records(1) == [b"x" * 1024]


@pytest.mark.parametrize("path", ["/usage", "/specimen?uri=a"])
def test_413_once_a_chunked_body_is_too_long(server, embedded, path):
    sluice = server(streams=embedded.streams, server="client_max_body_size 100k;")
    piece = b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000)
    with raw.connect(sluice) as line:
        line.send(raw.put(path, b"", Content_Length=None, Transfer_Encoding="chunked"), piece, piece, piece)
        assert line.answer().status == 413
    assert sluice.put(path, b"x" * 1000).status_code == 204
    [key] = embedded["usage" if path == "/usage" else "specimen"].wait_keys(1)
    assert sluice.stop() == 0
    assert len(embedded.usage.keys() + embedded.specimen.keys()) == 1


def test_413_arrives_although_the_client_is_still_sending(server, embedded):
    """The answer must not be lost to a reset: the connection lingers while the body comes in."""
    sluice = server(streams=embedded.streams, server="client_max_body_size 1k;")
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"x" * (8 << 20)))
        assert line.answer().status == 413


def test_ingest_takes_64_mib_by_default(sluice):
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"", Content_Length=str((64 << 20) + 1)))
        assert line.answer().status == 413
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"", Content_Length=str(64 << 20), Expect="100-continue"))
        assert line.answer().status == 100


@pytest.mark.parametrize(
    "head, status",
    [
        ("GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ("GET /health HTTP/1.1\r\nHost: x\r\nX-A: " + "a" * 9000 + "\r\n\r\n", 431),
        ("GET /health HTTP/1.1\r\nHost: x\r\n" + "".join(f"X-{n}: {'a' * 100}\r\n" for n in range(500)) + "\r\n", 431),
        ("GET /health HTTP/1.1\r\nHost: x\r\n" + "".join(f"X-{n}: a\r\n" for n in range(50)) + "\r\n", 200),
    ],
    ids=["line", "field", "head", "fine"],
)
def test_size_of_a_head_is_limited(sluice, head, status):
    with raw.connect(sluice) as line:
        line.send(head)
        answer = line.answer()
        assert answer.status == status
        if status != 200:
            assert line.is_closed()


# ---- time-outs


def test_slow_head_times_out(server, embedded):
    sluice = server(streams=embedded.streams, http="client_header_timeout 300ms;")
    with raw.connect(sluice) as line:
        began = time.monotonic()
        line.send("PUT /usage HT")
        answer = line.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert line.is_closed()
        assert 0.25 < time.monotonic() - began < 5
    with raw.connect(sluice) as line:  # dripping does not help
        began = time.monotonic()
        try:
            for byte in b"PUT /usage HTTP/1.1\r\n" * 50:
                line.send(bytes([byte]))
                line.socket.settimeout(0.02)
                try:
                    if line.socket.recv(1):
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        assert time.monotonic() - began < 5


def test_connection_without_a_byte_is_closed(server, embedded):
    sluice = server(streams=embedded.streams, http="client_header_timeout 200ms;")
    with raw.connect(sluice) as line:
        assert line.is_closed()


@pytest.mark.parametrize("path", ["/usage", "/specimen?uri=a"])
def test_slow_body_times_out_and_stores_nothing(server, embedded, path):
    sluice = server(streams=embedded.streams, http="client_body_timeout 200ms;")
    with raw.connect(sluice) as line:
        line.send(raw.put(path, b"x" * 10, Content_Length="11"))
        answer = line.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert line.is_closed()
    assert sluice.stop() == 0
    assert embedded.usage.keys() + embedded.specimen.keys() == []


def test_idle_connection_is_closed(server, embedded):
    sluice = server(streams=embedded.streams, http="keepalive_timeout 200ms;")
    with raw.connect(sluice) as line:
        line.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.answer().status == 200
        assert line.is_closed()


def test_slow_clients_do_not_hold_up_others(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_processes 1;")
    slow = [raw.connect(sluice) for _ in range(200)]
    for n, line in enumerate(slow):
        line.send(raw.put(["/usage", "/specimen?uri=a"][n % 2], b"x" * 100, Content_Length="101"))
    began = time.monotonic()
    for n in range(50):
        assert sluice.put("/usage", b"fast").status_code == 204
    assert time.monotonic() - began < 5
    for line in slow:
        line.send("y")
        assert line.answer().status == 204
        line.socket.close()


# ---- gzip


@pytest.mark.sanitize
def test_gzip_body_of_a_bundle_is_decoded(sluice, embedded):
    body = b'{"n":1}\n' * 50_000
    packed = gzip.compress(body[: len(body) // 2]) + gzip.compress(body[len(body) // 2 :])
    for data in (gzip.compress(b"short"), packed):
        assert sluice.put("/usage", data, headers={"Content-Encoding": "gzip"}).status_code == 204
    embedded.usage.wait_records(50_001)
    assert b"".join(sorted((found.data() for found in embedded.usage.objects()), key=len)) in (b"short\n" + body, body)


def test_gzip_body_of_an_object_is_kept(sluice, embedded):
    packed = gzip.compress(b"picture")
    assert sluice.put("/specimen?uri=a.png", packed, headers={"Content-Encoding": "gzip"}).status_code == 204
    [key] = embedded.specimen.wait_keys(1)
    found = embedded.specimen.get(key)
    assert found.body == packed and found.metadata["content_encoding"] == "gzip"


def broken_gzips():
    good = gzip.compress(os.urandom(2000))
    return {
        "cut": good[:-4],
        "crc": good[:-8] + b"\0\0\0\0" + good[-4:],
        "tail": good + b"tail",
        "no gzip": b"this is no gzip at all",
        "zlib": zlib.compress(b"x"),
        "empty": b"",
    }


@pytest.mark.sanitize
@pytest.mark.parametrize("kind", broken_gzips())
def test_broken_gzip_400(sluice, embedded, kind):
    answer = sluice.put("/usage", broken_gzips()[kind], headers={"Content-Encoding": "gzip"})
    assert answer.status_code == (204 if kind == "empty" else 400)
    assert sluice.stop() == 0
    assert embedded.usage.keys() == []


@pytest.mark.parametrize("limit", ["client_max_body_size 1m;", "client_max_body_size 8m; gunzip_max 1m;"])
@pytest.mark.plain
def test_gzip_bomb_413(server, embedded, limit):
    sluice = server(streams=embedded.streams, server=limit, main="worker_processes 1;")
    bomb = gzip.compress(b"\0" * (4 << 20)) * 100
    assert len(bomb) < 1 << 20
    before = sluice.memory()
    assert sluice.put("/usage", bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
    assert sluice.memory() - before < 8 << 20
    assert sluice.put("/usage", gzip.compress(b"\0" * (1 << 20)), headers={"Content-Encoding": "gzip"}).status_code == 204
    assert embedded.usage.wait_records(1) == [b"\0" * (1 << 20)]


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip"])
def test_other_content_codings_are_stored_as_they_came(sluice, embedded, coding):
    assert sluice.put("/usage", b"\x01\x02", headers={"Content-Encoding": coding}).status_code == 204
    assert embedded.usage.wait_records(1) == [b"\x01\x02"]


# ---- listeners


def test_ipv6(server, embedded):
    port = free_port()
    sluice = server(streams=embedded.streams, listen=f"listen 127.0.0.1:{port}; listen [::1]:{port} ipv6only=on;", wait=False)
    wait_until(lambda: "started" in sluice.log(), sluice.tail)
    answer = requests.put(f"http://[::1]:{port}/usage", b"six", headers={"USER_TOKEN": "u"}, timeout=10)
    assert answer.status_code == 204
    assert embedded.usage.wait_records(1) == [b"six"]
    sluice.wait_log(r"remote_ip=\"?::1")


def test_unix_socket(server, embedded, tmp_path):
    path = tmp_path / "in.sock"
    sluice = server(streams=embedded.streams, listen=f"listen unix:{path}; listen 127.0.0.1:{free_port()};", wait=False)
    wait_until(path.exists, sluice.tail)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    with raw.Line(connection) as line:
        line.send(raw.put(body=b"local"))
        assert line.answer().status == 204
    assert embedded.usage.wait_records(1) == [b"local"]
    assert sluice.stop() == 0
    assert not path.exists()


@pytest.fixture
def tls(server, embedded, authority):
    def start(rsa=False, **options):
        chain, key = authority.issue("localhost", "127.0.0.1", with_rsa=rsa)
        port = free_port()
        listen = f"listen 127.0.0.1:{port}; listen 127.0.0.1:{port + 1} ssl; ssl_certificate {chain}; ssl_certificate_key {key};"
        sluice = server(streams=embedded.streams, listen=listen, wait=False, **options)
        wait_until(lambda: "started" in sluice.log(), sluice.tail)
        sluice.url, sluice.port, sluice.tls_port = f"https://localhost:{port + 1}", port, port + 1
        sluice.session.trust_env, sluice.session.verify = False, str(authority.ca_file)
        return sluice

    return start


@pytest.mark.sanitize
@pytest.mark.parametrize("rsa", [False, True], ids=["ecdsa", "rsa"])
def test_tls_listener_with_requests(tls, embedded, rsa):
    sluice = tls(rsa)
    bodies = [b"short", os.urandom(3 << 20).replace(b"\n", b"-")]
    for body in bodies:
        assert sluice.put("/usage", body).status_code == 204
    assert sorted(embedded.usage.wait_records(2), key=len) == bodies
    assert sluice.get("/health").json() == {"status": "healthy"}


def test_tls_listener_with_curl_and_openssl(tls, embedded, authority):
    sluice = tls()
    curl = ["curl", "-sS", "--cacert", authority.ca_file, "-T-", "-H", "USER_TOKEN: u", "-w", "%{http_code}", sluice.url + "/usage"]
    done = subprocess.run(curl, input=b"from curl", capture_output=True, timeout=30)
    assert done.stdout == b"204", done.stderr
    client = ["openssl", "s_client", "-quiet", "-connect", f"localhost:{sluice.tls_port}", "-CAfile", authority.ca_file, "-verify_return_error"]
    request = raw.put(body=b"from openssl", Connection="close")
    done = subprocess.run(client, input=request, capture_output=True, timeout=30)
    assert done.stdout.startswith(b"HTTP/1.1 204 "), done.stderr
    assert sorted(embedded.usage.wait_records(2)) == [b"from curl", b"from openssl"]


@pytest.mark.sanitize
def test_tls_listener_bears_what_is_no_tls(tls):
    sluice = tls()
    for rubbish in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 1000, b""):
        with raw.connect(sluice, sluice.tls_port) as line:
            line.send(rubbish)
            line.half_close()
            assert b"HTTP" not in line.rest()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_3
    with socket.create_connection(("127.0.0.1", sluice.tls_port)) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)
    assert sluice.get("/health").status_code == 200
    assert sluice.children("worker")


def test_reuseport_spreads_connections(server, embedded):
    port = free_port()
    sluice = server(streams=embedded.streams, listen=f"listen 127.0.0.1:{port} reuseport;", wait=False)
    wait_until(lambda: "started" in sluice.log(), sluice.tail)
    sluice.url = f"http://127.0.0.1:{port}"
    sent = [b"%d" % n for n in range(64)]
    for body in sent:
        assert requests.put(sluice.url + "/usage", body, headers={"USER_TOKEN": "u"}, timeout=10).status_code == 204
    assert sorted(embedded.usage.wait_records(64)) == sorted(sent)
    listening = [line for line in open("/proc/net/tcp") if f":{port:04X} 00000000:0000 0A" in line]
    assert len(listening) == 2


# ---- routing


@pytest.mark.sanitize
def test_routing_by_name_and_path(server):
    sluice = server(
        server="""
            location / { return 200 root; }
            location /pre { return 200 prefix; }
            location ^~ /pre/fixed { return 200 fixed; }
            location ~ \\.(png|jpg)$ { return 200 expression; }
            location ~* ^/CASE { return 200 nocase; }
            location /nested { location ~ x$ { return 200 inner; } return 200 outer; }
        }
        server {
            listen 127.0.0.1:{port};
            server_name exact.example *.wild.example mail.* ~^r[0-9]+\\.example$;
            location / { return 200 $host; }
        """.replace("{port}", "PORT"),
        wait=False,
    )
    sluice.reap()
    sluice.conf_file.write_text(sluice.conf_file.read_text().replace("PORT", str(sluice.port)))
    sluice.start()
    for path, text in {
        "/": "root", "/pre": "prefix", "/prefix": "prefix", "/pre/a.png": "expression", "/pre/fixed/a.png": "fixed",
        "/a.jpg": "expression", "/a.jpgx": "root", "/case": "nocase", "/cAsE/x": "nocase", "/nested": "outer",
        "/nested/x": "inner", "/%2e/pre": "prefix", "//pre//x": "prefix", "/pre/../a": "root", "/a.png?b": "expression",
        "/health": '{"status":"healthy"}\n',
    }.items():
        with raw.connect(sluice) as line:
            line.send(f"GET {path} HTTP/1.1\r\nHost: other.example\r\n\r\n")
            assert line.answer().body.decode() == text, path
    for host, found in {
        "exact.example": True, "EXACT.example:80": True, "a.wild.example": True, "a.b.wild.example": True, "wild.example": False,
        "mail.anything": True, "r12.example": True, "r.example": False, "": False,
    }.items():
        with raw.connect(sluice) as line:
            line.send(f"GET /zzz HTTP/1.1\r\nHost: {host}\r\n\r\n")
            expected = host.lower().partition(":")[0] if found else "root"
            assert line.answer().body.decode() == expected, host


def test_path_cannot_leave_the_root(sluice):
    for target in ("/../x", "/a/../../x", "/%2e%2e/x", "/%", "/%zz", "health", "*"):
        with raw.connect(sluice) as line:
            line.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line.answer().status == 400, target


def test_error_pages_are_html_for_people(sluice):
    answer = sluice.get("/none", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == 404 and answer.headers["Content-Type"].startswith("text/html")
    assert sluice.get("/none", headers={"Accept": "*/*"}).headers["Content-Type"] == "application/json"


def test_underscores_can_be_refused(server, embedded):
    sluice = server(streams=embedded.streams, http="underscores_in_headers off;")
    assert sluice.put("/usage", b"x").status_code == 401
