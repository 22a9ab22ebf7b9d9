"""An S3 store that does what the test says: slow, failing, resetting, hanging, lying. What no test tells it otherwise it does
truthfully: keeps objects with their metadata, refuses a second PUT under `If-None-Match: *`, answers HEAD, GET and DELETE.

    store.script(status(503, "SlowDown"), times=3)      the next three PUTs fail, then all is well
    store.script(reset(after=True))                     stored, but the client never hears of it
    store.script(hang(), method="HEAD")                 the next HEAD gets no answer until release() or stop()

A behaviour is a function of the Exchange; tests may write their own."""

import collections
import datetime
import email.utils
import hashlib
import re
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib.objects import ACCESS_KEY, REGION, SECRET_KEY, Bucket, Object
from lib.ports import free_port
from lib.wait import PATIENCE, wait_until


# ---- behaviours


def truthful(exchange):
    """What an S3 store does."""
    exchange.answer(*exchange.store.apply(exchange.request))


def status(code, s3_code="InternalError", after=False, headers=None):
    """An error answer. With after=True the request was carried out all the same: the outcome is not what the client hears."""

    def behave(exchange):
        if after:
            exchange.store.apply(exchange.request)
        exchange.answer(code, headers or {}, error_document(s3_code))

    return behave


def slow(seconds, then=truthful):
    """Waits before it goes on as `then` does."""

    def behave(exchange):
        exchange.store.released.wait(seconds)
        then(exchange)

    return behave


def reset(after=False):
    """Resets the connection instead of answering; with after=True once the request was carried out."""

    def behave(exchange):
        if after:
            exchange.store.apply(exchange.request)
        exchange.reset()

    return behave


def hang(after=False):
    """Does not answer until store.release() or store.stop(), then resets; with after=True the request was carried out at once."""

    def behave(exchange):
        if after:
            exchange.store.apply(exchange.request)
        exchange.store.released.wait()
        exchange.reset()

    return behave


def cut_short():
    """Starts an answer and closes the connection in the middle of it, having carried the request out."""

    def behave(exchange):
        exchange.store.apply(exchange.request)
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Le")

    return behave


def garbage():
    """Answers with what is not HTTP, having stored nothing."""
    return lambda exchange: exchange.raw(b"\x00\x01 this is no HTTP\r\n\r\n")


def lie(exchange):
    """Says 200 and has stored nothing."""
    exchange.answer(200, {"ETag": '"00000000000000000000000000000000"'}, b"")


def error_document(code):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>as the test says</Message></Error>'.encode()


# ---- requests


@dataclass
class Request:
    """One request as it arrived. Header names are lower case; the key is decoded."""

    method: str
    bucket: str
    key: str
    query: str
    headers: dict
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass
class Rule:
    behaviour: object
    method: str
    key: re.Pattern
    left: float

    def matches(self, request):
        return self.left > 0 and request.method == self.method and self.key.search(request.key)


class Exchange:
    """A request and the ways to answer it."""

    def __init__(self, store, handler, request):
        self.store = store
        self.request = request
        self._handler = handler

    def answer(self, code, headers, body):
        """A whole HTTP answer. The body is left out for HEAD and where HTTP forbids one."""
        handler = self._handler
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        if "Content-Length" not in headers and code != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.request.method != "HEAD" and code not in (204, 304):
            handler.wfile.write(body)

    def raw(self, data):
        """Bytes of the test's own, then the end of the connection."""
        self._handler.wfile.write(data)
        self._handler.close_connection = True

    def reset(self):
        """Ends the connection with RST."""
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.server.resets.add(self._handler.connection)
        self._handler.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def version_string(self):
        return "scripted"

    def date_time_string(self, timestamp=None):
        return email.utils.formatdate(time.time() + self.server.store.clock_offset, usegmt=True)

    def _serve(self):
        split = urllib.parse.urlsplit(self.path)
        bucket, _, key = urllib.parse.unquote(split.path).lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, bucket, key, split.query, headers, body)
        store = self.server.store
        store.choose(request)(Exchange(store, self, request))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _serve

    def log_message(self, *args):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, store):
        self.store = store
        self.resets = set()
        self.open = set()
        super().__init__(address, _Handler)

    def get_request(self):
        connection, address = super().get_request()
        if self.store.tls:
            connection = self.store.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request):
        self.open.discard(request)
        if request in self.resets:
            self.resets.discard(request)
            self.close_request(request)  # without the orderly end that shutdown would send first
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A client that went away is no error here; killed clients are what many tests are about."""


# ---- the store


class ScriptedStore:
    """The store. `objects` maps (bucket, key) to Object; `requests` is everything that arrived, in order."""

    access_key, secret_key, region = ACCESS_KEY, SECRET_KEY, REGION

    def __init__(self, authority=None, names=("localhost", "127.0.0.1"), **certificate):
        self.port = free_port()
        self.ca_file = authority.ca_file if authority else None
        self.endpoint = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        self.tls = None
        if authority:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*authority.issue(*names, **certificate))
        self.honours_conditions = True
        self.clock_offset = 0.0  # seconds that this store's clock is ahead
        self.objects = {}
        self.requests = []
        self.released = threading.Event()
        self._rules = collections.deque()
        self._lock = threading.Lock()
        self._server = None
        self.start()

    def start(self):
        """Listens on the same port as before; what was stored is still there."""
        self.released.clear()
        self._server = _Server(("127.0.0.1", self.port), self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        """Refuses connections from now on and resets the open ones."""
        if not self._server:
            return
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._server = None

    def release(self):
        """Ends every hang and every wait of slow(), now and from now on."""
        self.released.set()

    def script(self, *behaviours, method="PUT", key="", times=1):
        """The next `times` requests (None: all) of that method whose key matches the expression behave so, behaviour by behaviour.
        The server's own probe is left out unless the expression names it."""
        pattern = re.compile(key or r"^(?!.*\.sluice-probe$)")
        with self._lock:
            for behaviour in behaviours:
                self._rules.append(Rule(behaviour, method, pattern, float("inf") if times is None else times))

    def clear_script(self):
        with self._lock:
            self._rules.clear()

    def choose(self, request):
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.matches(request):
                    rule.left -= 1
                    return rule.behaviour
        return truthful

    # What follows is what every S3 store does.

    def apply(self, request):
        """Carries a request out; returns status, headers, body of the true answer."""
        refusal = self._refusal(request)
        if refusal:
            return refusal
        if not request.key:
            return 200, {}, b""
        place = (request.bucket, request.key)
        with self._lock:
            found = self.objects.get(place)
            if request.method == "PUT":
                return self._put(place, found, request)
            if request.method == "DELETE":
                self.objects.pop(place, None)
                return 204, {}, b""
        if not found:
            return 404, {}, error_document("NoSuchKey")
        return 200, self._headers(found), found.body

    def _refusal(self, request):
        claimed = request.headers.get("x-amz-content-sha256", "")
        if re.fullmatch("[0-9a-f]{64}", claimed) and claimed != hashlib.sha256(request.body).hexdigest():
            return 400, {}, error_document("XAmzContentSHA256Mismatch")
        stamp = request.headers.get("x-amz-date")
        if stamp:
            then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
            if abs(then.timestamp() - time.time() - self.clock_offset) > 15 * 60:
                return 403, {}, error_document("RequestTimeTooSkewed")
        return None

    def _put(self, place, found, request):
        if found and self.honours_conditions and request.headers.get("if-none-match") == "*":
            return 412, {}, error_document("PreconditionFailed")
        prefix = "x-amz-meta-"
        metadata = {name[len(prefix) :]: value for name, value in request.headers.items() if name.startswith(prefix)}
        content_type = request.headers.get("content-type", "binary/octet-stream")
        self.objects[place] = Object(request.key, request.body, metadata, content_type)
        return 200, {"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'}, b""

    @staticmethod
    def _headers(found):
        headers = {f"x-amz-meta-{name}": value for name, value in found.metadata.items()}
        etag = f'"{hashlib.md5(found.body).hexdigest()}"'
        return headers | {"Content-Length": str(len(found.body)), "Content-Type": found.content_type, "ETag": etag}

    # What tests ask.

    def seen(self, method="PUT", key=""):
        """The requests of that method whose key matches, without the server's probe, in order of arrival."""
        with self._lock:
            return [
                request
                for request in self.requests
                if request.method == method and re.search(key, request.key) and not request.key.endswith(".sluice-probe")
            ]

    def wait_seen(self, count, method="PUT", key="", timeout=PATIENCE):
        return wait_until(
            lambda: len(seen := self.seen(method, key)) >= count and seen,
            lambda: f"{count} {method} requests at the store: {[(r.method, r.key) for r in self.requests]}",
            timeout,
        )

    def bucket(self):
        return ScriptedBucket(self, "scripted")


class ScriptedBucket(Bucket):
    """A bucket of a scripted store."""

    def __init__(self, store, name):
        self.store = store
        self.name = name

    def _all_keys(self, prefix):
        return [key for bucket, key in list(self.store.objects) if bucket == self.name and key.startswith(prefix)]

    def get(self, key):
        return self.store.objects[self.name, key]
