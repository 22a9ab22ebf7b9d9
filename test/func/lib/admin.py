"""What operators use: the admin socket of a server, and sluicectl.

    api(sluice, "/api/status").json
    done = ctl(sluice, "streams", "--json")
    key = new_key(tmp_path / "keys", "alice", "--role=admin")"""

import http.client
import json
import os
import socket
import subprocess
from dataclasses import dataclass

from lib.server import program
from lib.wait import PATIENCE


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.text)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class Bytes:
    status: int
    body: bytes


def fetch(sluice, path):
    """GET over the admin socket of what is no text."""
    connection = _UnixConnection(sluice.state_dir / "admin.sock")
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return Bytes(answer.status, answer.read())
    finally:
        connection.close()


def api(sluice, path, method="GET", body=None):
    """One request over the admin socket."""
    connection = _UnixConnection(sluice.state_dir / "admin.sock")
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def run(*args, stdin=None, env=None):
    """sluicectl; returns a subprocess.CompletedProcess with texts."""
    return subprocess.run(
        [str(program("sluicectl")), *map(str, args)],
        input=stdin if stdin is not None else "",
        capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **(env or {})},
    )


def ctl(sluice, *args, **options):
    """sluicectl on the server's admin socket."""
    return run("-s", sluice.state_dir / "admin.sock", *args, **options)


def new_key(path, name, *args):
    """A fresh key in that file."""
    done = run("keys", "new", name, f"--file={path}", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
