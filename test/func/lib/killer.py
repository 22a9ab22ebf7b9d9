"""kill -9 of a server's processes, one or all, at random moments."""

import os
import signal
import time

MAIN = "worker_processes 2; worker_shutdown_timeout 120s;"


class Killer:
    """One server, whose processes it kills one after another. streams: what config.native() takes, asked for at each life of a master."""

    def __init__(self, server, rng, streams, **parts):
        self.rng, self.life, self.streams, self.parts = rng, 0, streams, {"main": MAIN, **parts}
        self.sluice = server(streams=streams(0), **self.parts)
        self.weights = (38, 28, 4, 15, 15)
        self.kills = dict.fromkeys(("worker", "shipper", "janitor", "master", "all"), 0)

    def kill(self):
        """One kill; a child comes back by itself, for a master a new one is started at once, while children of the old one still end."""
        what = self.rng.choices(list(self.kills), weights=self.weights)[0]
        if what in ("worker", "shipper", "janitor"):
            try:
                os.kill(self.rng.choice(self.sluice.children(what)), signal.SIGKILL)
            except (IndexError, ProcessLookupError):  # not there yet, or no longer
                return
        elif what == "all":
            self.sluice.kill_all()
        else:
            self.sluice.send_signal(signal.SIGKILL)
            self.sluice.process.wait()
        self.kills[what] += 1
        if what in ("all", "master"):
            self.life += 1
            self.sluice.configure(streams=self.streams(self.life), **self.parts)
            self.sluice.start(wait=False)

    def run(self, count):
        while sum(self.kills.values()) < count:
            time.sleep(self.rng.choice((0.0, self.rng.random() * 0.2, self.rng.random() * 0.8)))
            assert self.sluice.exit_status() is None, f"it ended by itself:\n{self.sluice.tail()}"
            self.kill()
