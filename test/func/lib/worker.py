"""A service that takes messages over HTTP and does what the test says (lib/scripted.py). Truthfully it answers 200 and keeps what it accepted.

    worker.script(status(503), times=2)              the next two fail
    worker.script(status(400), key="^/jobs")         one to this path is refused
    worker.wait_accepted(10)"""

from lib.scripted import ScriptedServer
from lib.wait import PATIENCE, wait_until


class ScriptedWorker(ScriptedServer):
    """`accepted`: the requests that it carried out, in order."""

    def __init__(self, *args, **options):
        self.accepted = []
        super().__init__(*args, **options)

    def script(self, *behaviours, method="POST", key="", times=1):
        super().script(*behaviours, method=method, key=key, times=times)

    def apply(self, request):
        with self._lock:
            self.accepted.append(request)
        return 200, {}, b"done\n"

    def seen(self, method="POST", key=""):
        return super().seen(method, key)

    def wait_seen(self, count, method="POST", key="", **options):
        return super().wait_seen(count, method, key, **options)

    def wait_accepted(self, count, timeout=PATIENCE):
        """Returns the first that many or more."""
        return wait_until(
            lambda: len(self.accepted) >= count and list(self.accepted),
            lambda: f"{count} accepted, there are {len(self.accepted)} of {len(self.requests)} requests",
            timeout,
        )
