"""Free TCP ports. They lie below the range that the kernel gives to outgoing connections, and each test process has a share
of its own, so what is free when asked for is still free when the server binds it."""

import os
import socket

FIRST, SHARE, SHARES = 12000, 640, 32

_next = 0


def _share():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    # Another run of the tests on this machine starts elsewhere in the share.
    return FIRST + (int(worker) % SHARES) * SHARE, os.getppid() * 7


def free_port():
    """A port on 127.0.0.1 that nothing listens on; the same one is not given again soon."""
    global _next
    first, start = _share()
    for _ in range(SHARE):
        port = first + (start + _next) % SHARE
        _next += 1
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def accepts(port, host="127.0.0.1"):
    """Whether something listens on the port."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
