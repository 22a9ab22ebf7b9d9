"""sink http: records sent on to a service as the requests they came in, what each of its answers leads to, and what a hostile one can do."""

import socket
import socketserver
import threading
import time

import pytest

from lib.admin import api
from lib.metrics import scrape, wait_metric
from lib.scripted import cut_short, garbage, hang, slow, status
from lib.wait import wait_until
from lib.worker import ScriptedWorker

QUICK = "retry initial=10ms max_interval=20ms; breaker failures=1000 open=100ms;"
METRICS = "location = /metrics { metrics; }"


@pytest.fixture
def worker():
    running = ScriptedWorker()
    yield running
    running.stop()


def stream_to(url, options="", rest=QUICK):
    return {"jobs": f"sink http {url} {options}; {rest}"}


def sluice_to(server, worker, options="", rest=QUICK, **parts):
    """A server with one stream that goes to the worker's /take."""
    return server(streams=stream_to(f"{worker.endpoint}/take", options, rest), server=METRICS, **parts)


def send(sluice, *bodies, **options):
    for body in bodies:
        assert sluice.put("/jobs", body, **options).status_code == 204


def letters(sluice, count=1):
    """The dead letters, newest first, once there are that many."""
    found = []

    def there():
        found[:] = api(sluice, "/api/dlq/messages").json["messages"]
        return len(found) >= count and found

    return wait_until(there, lambda: f"{count} dead letters, there are {found}\n{sluice.tail()}")


def wait_idle(sluice):
    return wait_metric(sluice, "message_queue_length", lambda n: n == 0, queue_name="jobs")


# ---- the request


@pytest.mark.sanitize
def test_as_it_was_received(server, worker):
    sluice = sluice_to(server, worker)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"Content-Type": 'application/json; v="1"', "traceparent": trace, "USER_TOKEN": "ann"}
    answer = sluice.session.post(sluice.url + "/jobs", data=b'{"n":17}', headers=headers)
    assert answer.status_code == 204
    request = worker.wait_accepted(1)[0]
    assert (request.method, request.path, request.body) == ("POST", "/take", b'{"n":17}')
    assert request.headers["content-type"] == 'application/json; v="1"'
    assert request.headers["host"] == f"127.0.0.1:{worker.port}"
    assert request.headers["x-sluice-stream"] == "jobs"
    assert request.headers["x-sluice-user"] == "ann"
    assert request.headers["x-sluice-attempt"] == "1"
    assert request.headers["x-sluice-received"][:2] == "20" and request.headers["x-sluice-received"][-1] == "Z"
    assert len(request.headers["idempotency-key"]) == 32
    sent = request.headers["traceparent"].split("-")
    assert (sent[:2], sent[3]) == (trace.split("-")[:2], "01") and sent[2] != trace.split("-")[2]
    wait_idle(sluice)


def test_any_bytes_any_length(server, worker):
    sluice = sluice_to(server, worker)
    bodies = [b"", bytes(range(256)), b"x" * 65_536, b"\r\n\r\n" * 20_000, bytes(range(256)) * 20_000]
    send(sluice, *bodies)
    requests = worker.wait_accepted(len(bodies))
    wait_idle(sluice)
    assert sorted(r.body for r in requests) == sorted(bodies)
    assert {r.method for r in requests} == {"PUT"}


def test_users_never_break_the_header(server, worker):
    sluice = sluice_to(server, worker, "user_header=X-User method=POST")
    for user in ("a b", "50%", "café".encode(), 'quo"te\\'):
        send(sluice, b"1", user=user)
    requests = worker.wait_accepted(4)
    assert {r.headers["x-user"] for r in requests} == {"a%20b", "50%25", "caf%C3%A9", 'quo"te\\'}
    assert {r.method for r in requests} == {"POST"}
    assert all("x-sluice-user" not in r.headers for r in requests)


def test_fixed_headers_and_a_unix_socket(server, worker, tmp_path):
    """The worker listens on TCP: a relay stands in for the socket file."""
    path = str(tmp_path / "w.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=relay, args=(listener, worker.port), daemon=True).start()
    options = '"header=Authorization: Bearer s3cret"'
    sluice = server(streams=stream_to(f"http://unix:{path}:/take?from=sluice", options), server=METRICS)
    send(sluice, b"over a socket")
    request = worker.wait_accepted(1)[0]
    assert (request.body, request.path, request.query) == (b"over a socket", "/take", "from=sluice")
    assert request.headers["authorization"] == "Bearer s3cret"
    assert request.headers["host"] == "localhost"
    listener.close()


def relay(listener, port):
    """Passes bytes between each connection and the port, until the listener is closed."""

    def pump(source, sink):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    while True:
        try:
            inner, _ = listener.accept()
        except OSError:
            return
        outer = socket.create_connection(("127.0.0.1", port))
        for pair in ((inner, outer), (outer, inner)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


# ---- classes


@pytest.mark.sanitize
def test_transient_answers_are_tried_again(server, worker):
    codes = [408, 409, 425, 429, 500, 502, 503, 504, 599]
    sluice = sluice_to(server, worker, rest="retry max=20 initial=10ms max_interval=20ms; breaker failures=1000 open=100ms;")
    worker.script(*map(status, codes), method="PUT")
    send(sluice, b"try me")
    worker.wait_accepted(1)
    tries = worker.seen("PUT")
    assert [r.headers["x-sluice-attempt"] for r in tries] == [str(i + 1) for i in range(len(codes) + 1)]
    assert len({r.headers["idempotency-key"] for r in tries}) == 1
    assert len({r.headers["traceparent"].split("-")[1] for r in tries}) == 1
    assert len({r.headers["traceparent"].split("-")[2] for r in tries}) == len(tries)
    assert wait_idle(sluice).value("dlq_message_count") == 0


def test_retries_end_in_a_dead_letter(server, worker):
    sluice = sluice_to(server, worker, rest="retry max=2 initial=10ms; breaker failures=1000 open=100ms;")
    worker.script(status(503, b"\n  disk full\x1b[31m\nmore"), method="PUT", times=3)
    send(sluice, b"lost cause")
    letter = letters(sluice)[0]
    assert letter["error_type"] == "transient" and letter["attempts"] == 3 and letter["error_status"] == 503
    assert letter["error_message"] == "503 Service Unavailable: disk full\\x1b[31m"
    assert letter["original_subject"] == "dlq.jobs"
    send(sluice, b"another")
    assert worker.wait_accepted(1)[0].body == b"another"


def test_permanent_answers_are_dead_letters_at_once(server, worker):
    codes = [400, 405, 410, 413, 415, 422, 451]
    sluice = sluice_to(server, worker)
    worker.script(*(status(code, b"not this one") for code in codes), method="PUT")
    send(sluice, *[b"%d" % i for i in range(len(codes) + 1)])
    found = letters(sluice, len(codes))
    assert sorted(m["error_status"] for m in found) == codes
    assert {(m["error_type"], m["attempts"]) for m in found} == {("permanent", 1)}
    assert all(m["error_message"].endswith(": not this one") for m in found)
    worker.wait_accepted(1)
    assert wait_idle(sluice).value("dlq_message_count") == len(codes) and len(worker.requests) == len(codes) + 1


def test_held_answers_hold_the_stream(server, worker):
    """Nothing is counted, nothing becomes a dead letter, and all is delivered once the worker is put right. A redirect is not followed."""
    sluice = sluice_to(server, worker, rest="retry max=0 initial=10ms; breaker failures=1000 open=20ms;")
    answers = [status(code, headers={"Location": "/elsewhere"}) for code in (401, 403, 404, 407, 301, 302, 307)]
    worker.script(*answers, method="PUT")
    send(sluice, b"one", b"two")
    requests = worker.wait_accepted(2)
    page = wait_idle(sluice)
    assert page.sum("sluice_delivery_attempts_total", stream="jobs", result="held") >= len(answers)
    assert page.value("dlq_message_count") == 0
    assert {r.path for r in worker.requests} == {"/take"} and len(worker.requests) == len(answers) + 2
    assert {r.headers["x-sluice-attempt"] for r in requests} == {"1"}


def test_the_operator_decides_otherwise(server, worker):
    sluice = sluice_to(server, worker, rest=QUICK + "classify 404 permanent; classify 500-599 poison; classify 418 done;")
    worker.script(status(404), status(501), status(418), method="PUT")
    send(sluice, b"a", b"b", b"c", b"d")
    found = letters(sluice, 2)
    assert sorted((m["error_type"], m["error_status"]) for m in found) == [("permanent", 404), ("poison", 501)]
    assert len(worker.wait_accepted(1)) == 1
    wait_idle(sluice)
    assert len(worker.requests) == 4


def test_retry_after_is_honoured(server, worker):
    sluice = sluice_to(server, worker)
    worker.script(status(503, headers={"Retry-After": "1"}), method="PUT")
    send(sluice, b"later")
    worker.wait_accepted(1)
    first, second = worker.seen("PUT")
    assert second.at - first.at >= 0.99


def test_a_service_that_is_not_there(server, worker):
    sluice = sluice_to(server, worker, rest="retry max=1000 initial=10ms max_interval=20ms; breaker failures=3 open=50ms;")
    worker.stop()
    send(sluice, b"waits")
    sluice.wait_log(f"connect to 127.0.0.1:{worker.port}: connection refused")
    worker.start()
    assert worker.wait_accepted(1)[0].body == b"waits"


# ---- what can happen to an answer


def test_a_slow_answer_counts_as_none(server, worker):
    sluice = sluice_to(server, worker, rest=QUICK + "deliver_timeout 200ms;")
    worker.script(hang(), slow(0.01), method="PUT")
    send(sluice, b"slow")
    worker.wait_accepted(1)
    assert [r.headers["x-sluice-attempt"] for r in worker.seen("PUT")] == ["1", "2"]


def test_half_an_answer_counts_as_none(server, worker):
    sluice = sluice_to(server, worker)
    worker.script(cut_short(), method="PUT")
    send(sluice, b"cut")
    first, second = worker.wait_accepted(2)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    wait_idle(sluice)


def endless_head(exchange):
    exchange.raw(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 1000 + b"\r\n")
    try:
        while True:
            exchange.raw(b"X-Filler: " + b"x" * 1000 + b"\r\n")
    except OSError:
        pass


def endless_body(exchange):
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    try:
        while True:
            exchange.raw(b"x" * 65536)
    except OSError:
        pass


def endless_chunks(exchange):
    exchange.raw(b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        while True:
            exchange.raw(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    except OSError:
        pass


def smuggled(exchange):
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


@pytest.mark.sanitize
def test_hostile_answers_are_failures(server, worker):
    hostile = [endless_head, endless_chunks, smuggled, garbage()]
    sluice = sluice_to(server, worker, rest="retry max=20 initial=10ms max_interval=20ms; breaker failures=1000 open=100ms;")
    shipper = sluice.children("shipper")
    worker.script(*hostile, method="PUT")
    send(sluice, b"tough")
    worker.wait_accepted(1)
    wait_idle(sluice)
    assert sluice.children("shipper") == shipper
    assert len(worker.seen("PUT")) == len(hostile) + 1


def test_an_endless_body_is_not_read_to_its_end(server, worker):
    """The status came, and so much of the body: that is an answer. The connection is given up."""
    sluice = sluice_to(server, worker)
    worker.script(endless_body, method="PUT")
    send(sluice, b"first", b"second")
    wait_until(lambda: len(worker.seen("PUT")) == 2, "both are sent")
    wait_idle(sluice)
    assert len(worker.seen("PUT")) == 2


# ---- connections


class Moody(socketserver.ThreadingTCPServer):
    """Answers on kept connections, each of which it closes after two requests, or while nobody asks: the client must not mind."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        self.keys, self.lock = [], threading.Lock()
        super().__init__(("127.0.0.1", 0), MoodyHandler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


class MoodyHandler(socketserver.StreamRequestHandler):
    def handle(self):
        self.connection.settimeout(0.05)
        for _ in range(2):
            try:
                head = {}
                line = self.rfile.readline()
                while (line := self.rfile.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b": ")
                    head[name] = value.strip()
                if b"Content-Length" not in head:
                    return
                self.rfile.read(int(head[b"Content-Length"]))
            except TimeoutError:
                return
            with self.server.lock:
                self.server.keys.append(head[b"Idempotency-Key"])
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_a_peer_that_closes_idle_connections(server):
    peer = Moody()
    sluice = server(streams=stream_to(f"http://127.0.0.1:{peer.port}"), server=METRICS)
    for i in range(6):
        send(sluice, *[b"%d" % n for n in range(5)])
        wait_until(lambda: len(set(peer.keys)) == 5 * (i + 1), lambda: f"{5 * (i + 1)} delivered, there are {len(set(peer.keys))}")
        time.sleep(0.07)  # for the peer to close what is idle
    page = wait_idle(sluice)
    assert page.sum("sluice_delivery_attempts_total", stream="jobs", result="dead") == 0
    peer.shutdown()
    peer.server_close()


def test_https(server, authority):
    worker = ScriptedWorker(authority)
    sluice = sluice_to(server, worker, f"ca_file={authority.ca_file}")
    send(sluice, b"secret" * 10_000)
    assert worker.wait_accepted(1)[0].body == b"secret" * 10_000
    wait_idle(sluice)
    worker.stop()


def test_https_of_somebody_else(server, authority, tmp_path):
    """A certificate for another name holds the stream: it is the set-up that is wrong, not the message."""
    worker = ScriptedWorker(authority, names=("elsewhere.example",))
    sluice = sluice_to(server, worker, f"ca_file={authority.ca_file}", rest="retry max=0; breaker failures=1000 open=50ms;")
    send(sluice, b"secret")
    sluice.wait_log("TLS with 127.0.0.1")
    wait_metric(sluice, "sluice_delivery_attempts_total", lambda n: n >= 1, stream="jobs", result="held")
    assert worker.requests == []
    assert scrape(sluice).value("dlq_message_count") == 0
    worker.stop()


def test_concurrency_is_bounded(server, worker):
    sluice = sluice_to(server, worker, rest=QUICK + "concurrency 3;")
    worker.script(slow(30), method="PUT", times=3)
    send(sluice, *[b"%d" % i for i in range(9)])
    worker.wait_seen(3, "PUT")
    assert len(worker.requests) == 3
    worker.release()
    worker.wait_accepted(9)
    wait_idle(sluice)
    assert scrape(sluice).sum("sluice_breaker_state", destination=f"{worker.endpoint}/take") == 0
