"""A server that is to fail at a certain place, with everything a client does to it, and the account of that. Used by the tests of crash points
and of failing file calls."""

import collections
import time

from lib import raw
from lib.account import Account
from lib.wait import wait_until

COMMON = "retry initial=20ms max_interval=100ms; breaker failures=1000 open=50ms;"
MAIN = "worker_processes 1; worker_shutdown_timeout 60s;"


def streams(interval="50ms"):
    return {
        "usage": f"sink s3 s bucket={{bucket}} prefix=usage/; bundle_interval {interval}; {COMMON}",
        "specimen": f"sink s3 s bucket={{bucket}} prefix=specimen/; mode object; {COMMON}",
    }


def plan(flag, point, role, nth=1):
    """The environment of a server of which one process of that role dies once, at its nth passage."""
    return {"SLUICE_CRASH": f"{point}:{nth}", "SLUICE_TEST_ROLE": role, "SLUICE_CRASH_ONCE": str(flag)}


class Scene:
    """A server, an account of what it was sent, and the flag that shows that it died as planned."""

    def __init__(self, sluice, flag, bucket, parts=None):
        self.sluice, self.flag, self.bucket, self.parts = sluice, flag, bucket, parts
        self.account = Account()
        self.answers = collections.Counter()  # by status; None: the connection ended
        self._rounds = 0

    def put(self, name, length, path, keyed):
        """One PUT, on a connection of its own. With a key it is repeated until the answer is 204."""
        body, key = self.account.send(name, length), {"Idempotency_Key": name.decode()} if keyed else {}
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with raw.connect(self.sluice) as line:
                    line.send(raw.put(path, body, **key))
                    answer = line.answer().status
            except (OSError, AssertionError):
                answer = None
            self.answers[answer] += 1
            if answer == 204:
                return self.account.promise(name)
            if not keyed:
                return None
            time.sleep(0.02)
        raise AssertionError(f"{name} with its key is never answered 204:\n{self.sluice.tail()}")

    def pipeline(self, prefix):
        """Some requests in one write, so that one commit covers several records."""
        names = [b"%s.0.%d" % (prefix, n) for n in range(5)]
        try:
            with raw.connect(self.sluice) as line:
                line.send(*(raw.put(body=self.account.send(name, 100)) for name in names))
                for name in names:
                    answer = line.answer().status
                    self.answers[answer] += 1
                    if answer == 204:
                        self.account.promise(name)
        except (OSError, AssertionError):
            self.answers[None] += 1

    def work(self):
        """One round of everything a client does."""
        self._rounds += 1
        r = b"%d" % self._rounds
        self.pipeline(b"piped" + r)
        for kind, length, path in [
            (b"small", 20, "/usage"),
            (b"long", 100000, "/usage"),
            (b"specimen", 30000, f"/specimen?uri=/s{self._rounds}.png"),
        ]:
            self.put(kind + r + b".0.0", length, path, keyed=False)
            self.put(b"keyed-" + kind + r + b".0.0", length, path + ("k" if "?" in path else ""), keyed=True)

    def wait_crash(self):
        wait_until(self.flag.exists, lambda: f"{self.flag} is made by who dies\n{self.sluice.tail()}")

    def work_until_crash(self):
        """Rounds until somebody died; some points are only passed at a second bundle."""
        deadline = time.monotonic() + 30
        while not self.flag.exists():
            assert time.monotonic() < deadline, f"nobody passed the point:\n{self.sluice.tail()}"
            self.work()
            time.sleep(0.02)

    def restart(self):
        self.sluice.kill_all()
        self.sluice.start()

    def conclude(self):
        """All is shipped, the server ends well, and the account is right."""
        assert self.sluice.stop() == 0, self.sluice.tail()
        assert self.sluice.data_files() == []
        self.account.check_bucket(self.bucket)
