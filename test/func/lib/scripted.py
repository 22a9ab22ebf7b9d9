"""An HTTP server that does what the test says: slow, failing, resetting, hanging, lying. What no test tells it otherwise it does truthfully, which is up
to its kind: an S3 store (lib/store.py), a service that takes messages (lib/worker.py).

    peer.script(status(503), times=3)      the next three requests fail, then all is well
    peer.script(reset(after=True))         carried out, but the client never hears of it
    peer.script(hang(), method="HEAD")     the next HEAD gets no answer until release() or stop()

A behaviour is a function of the Exchange; tests may write their own."""

import collections
import email.utils
import re
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib.ports import free_port
from lib.wait import PATIENCE, wait_until


# ---- behaviours


def truthful(exchange):
    """What a server of this kind does."""
    exchange.answer(*exchange.peer.apply(exchange.request))


def status(code, body=b"", after=False, headers=None):
    """An error answer. With after=True the request was carried out all the same: the outcome is not what the client hears."""

    def behave(exchange):
        if after:
            exchange.peer.apply(exchange.request)
        exchange.answer(code, headers or {}, body)

    return behave


def slow(seconds, then=truthful):
    """Waits before it goes on as `then` does."""

    def behave(exchange):
        exchange.peer.released.wait(seconds)
        then(exchange)

    return behave


def reset(after=False):
    """Resets the connection instead of answering; with after=True once the request was carried out."""

    def behave(exchange):
        if after:
            exchange.peer.apply(exchange.request)
        exchange.reset()

    return behave


def hang(after=False):
    """Does not answer until release() or stop(), then resets; with after=True the request was carried out at once."""

    def behave(exchange):
        if after:
            exchange.peer.apply(exchange.request)
        exchange.peer.released.wait()
        exchange.reset()

    return behave


def cut_short():
    """Starts an answer and closes the connection in the middle of it, having carried the request out."""

    def behave(exchange):
        exchange.peer.apply(exchange.request)
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Le")

    return behave


def garbage():
    """Answers with what is not HTTP, having stored nothing."""
    return lambda exchange: exchange.raw(b"\x00\x01 this is no HTTP\r\n\r\n")


# ---- requests


@dataclass
class Request:
    """One request as it arrived. Header names are lower case; the path is decoded."""

    method: str
    path: str
    query: str
    headers: dict
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def key(self):
        return self.path


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

    def __init__(self, peer, handler, request):
        self.peer = peer
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
        return email.utils.formatdate(time.time() + self.server.peer.clock_offset, usegmt=True)

    def _serve(self):
        split = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the sender died over it
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.server.peer.request_class(self.command, urllib.parse.unquote(split.path), split.query, headers, body)
        peer = self.server.peer
        peer.choose(request)(Exchange(peer, self, request))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _serve

    def log_message(self, *args):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, peer):
        self.peer = peer
        self.resets = set()
        self.open = set()
        super().__init__(address, _Handler)

    def get_request(self):
        connection, address = super().get_request()
        if self.peer.tls:
            connection = self.peer.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
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


# ---- the server


class ScriptedServer:
    """`requests` is everything that arrived, in order. A kind of server says in apply() what it does, and what a request's key is, by which tests
    choose among them."""

    request_class = Request

    def __init__(self, authority=None, names=("localhost", "127.0.0.1"), **certificate):
        self.port = free_port()
        self.ca_file = authority.ca_file if authority else None
        self.endpoint = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        self.tls = None
        if authority:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*authority.issue(*names, **certificate))
        self.clock_offset = 0.0  # seconds that this server's clock is ahead
        self.requests = []
        self.released = threading.Event()
        self._rules = collections.deque()
        self._lock = threading.Lock()
        self._server = None
        self.start()

    def start(self):
        """Listens on the same port as before."""
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

    def script(self, *behaviours, method, key="", times=1):
        """The next `times` requests (None: all) of that method whose key matches the expression behave so, behaviour by behaviour."""
        with self._lock:
            for behaviour in behaviours:
                self._rules.append(Rule(behaviour, method, re.compile(key), float("inf") if times is None else times))

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

    def apply(self, request):
        """Carries a request out; returns status, headers, body of the true answer."""
        raise NotImplementedError

    # What tests ask.

    def seen(self, method, key=""):
        """The requests of that method whose key matches, in order of arrival."""
        with self._lock:
            return [request for request in self.requests if request.method == method and re.search(key, request.key)]

    def wait_seen(self, count, method, key="", timeout=PATIENCE):
        return wait_until(
            lambda: len(seen := self.seen(method, key)) >= count and seen,
            lambda: f"{count} {method} requests at the peer: {[(r.method, r.key) for r in self.requests]}",
            timeout,
        )
