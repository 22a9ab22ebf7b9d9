"""HTTP by hand, for what a proper client would not send: bytes out, answers in.

    with raw.connect(sluice) as line:
        line.send(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        assert line.answer().status == 200"""

import socket
from dataclasses import dataclass

from lib.wait import PATIENCE


@dataclass
class Answer:
    """One answer as it came. Header names are lower case; lines are all of the head's, as they stood."""

    status: int
    headers: dict
    body: bytes
    lines: list


class Line:
    """One connection. Every read has a time-out; its end shows as an AssertionError, which names what came until then."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(PATIENCE)
        self._held = b""

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.socket.close()

    def send(self, *parts):
        for part in parts:
            self.socket.sendall(part.encode() if isinstance(part, str) else part)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _more(self):
        try:
            got = self.socket.recv(65536)
        except TimeoutError:
            raise AssertionError(f"no more came after {self._held!r}") from None
        self._held += got
        return bool(got)

    def _until(self, mark):
        while mark not in self._held:
            assert self._more(), f"the connection ended after {self._held!r}"
        part, _, self._held = self._held.partition(mark)
        return part

    def _exactly(self, n):
        while len(self._held) < n:
            assert self._more(), f"the connection ended {n - len(self._held)} bytes early"
        part, self._held = self._held[:n], self._held[n:]
        return part

    def _chunks(self):
        body = b""
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        assert self._until(b"\r\n") == b"", "trailers"
        return body

    def answer(self, method="GET"):
        """The next answer. method: of the request, since a HEAD's has no body."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        status = int(status)
        if method == "HEAD" or status < 200 or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        else:
            body = self._exactly(int(headers["content-length"]))
        return Answer(status, headers, body, lines)

    def rest(self):
        """All that comes until the connection ends; a reset is an end, too."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        part, self._held = self._held, b""
        return part

    def is_closed(self):
        """Whether the connection ends now, with nothing more said."""
        return self.rest() == b""


def connect(server, port=None, host="127.0.0.1"):
    return Line(socket.create_connection((host, port or server.port), timeout=PATIENCE))


def put(path="/usage", body=b"x", user="user", version="HTTP/1.1", **headers):
    """The bytes of a PUT. Header names are written with _ for -; Content_Length=None leaves the length out."""
    fields = {"Host": "x", "USER_TOKEN": user, "Content-Length": str(len(body))}
    for name, value in headers.items():
        fields[name.replace("_", "-")] = value
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"PUT {path} {version}", *lines, "", ""]).encode("latin-1") + body
