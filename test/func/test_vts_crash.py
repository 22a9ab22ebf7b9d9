"""Counters under kill -9 of random workers: what clients saw completed is counted; what is counted was completed, or in flight at a kill.
No reading is below an earlier one, and no connection stays in the gauges.

VTS_KILLS says how many kills, CRASH_SEED repeats a run's choices (though never its timing)."""

import os
import random
import signal
import socket
import threading

from lib.metrics import Page
from lib.vts import ZONE, strict
from lib.wait import wait_until

KILLS = int(os.environ.get("VTS_KILLS") or 20)
SEED = os.environ.get("CRASH_SEED") or str(random.SystemRandom().randrange(10**6))
CLIENTS = 8
V = "vhost_traffic_status"


class Client(threading.Thread):
    """Requests on one connection after another. completed: answers that came whole; lost: requests whose answer did not."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.port, self.number = port, number
        self.completed = self.lost = 0
        self.ending = threading.Event()

    def run(self):
        while not self.ending.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), 30) as line:
                    self.talk(line)
            except OSError:
                pass

    def talk(self, line):
        request = b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Key: key-%d\r\n\r\n" % self.number
        for _ in range(200):
            if self.ending.is_set():
                return
            try:
                line.sendall(request)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    got = line.recv(4096)
                    if not got:
                        raise ConnectionError
                    answer += got
            except OSError:
                self.lost += 1
                raise
            assert answer.startswith(b"HTTP/1.1 204"), answer
            self.completed += 1


class Reader(threading.Thread):
    """Reads all counters over and over; a worker that dies under it is asked again. below: readings below an earlier one."""

    def __init__(self, sluice):
        super().__init__(daemon=True)
        self.sluice, self.readings, self.below, self.last = sluice, 0, [], {}
        self.ending = threading.Event()

    def run(self):
        while not self.ending.is_set():
            try:
                self.look()
            except OSError:  # those of requests are, too
                self.sluice.session.close()

    def look(self):
        found = {}
        walk(strict(self.sluice.get("/status/format/json").text), (), found)
        page = Page(self.sluice.get("/metrics").text).counters()
        found |= {key: value for key, value in page.items() if not key[0].startswith("process_")}  # of one process' life
        self.below += [(name, self.last[name], value) for name, value in found.items() if value < self.last.get(name, value)]
        self.last.update(found)
        self.readings += 1


def walk(node, path, found):
    """The numbers of the zones that only grow."""
    for name, value in node.items():
        if isinstance(value, dict) and name not in ("connections", "sharedZones", "requestMsecs"):
            walk(value, (*path, name), found)
        elif isinstance(value, int) and path and name not in ("requestMsec", "maxIntegerSize"):
            found[(*path, name)] = value
        elif name == "counters":
            found.update({(*path, name, i): n for i, n in enumerate(value)})


def zones(sluice):
    found = strict(sluice.get("/status/format/json").text)
    return found, found["serverZones"]["a.test"]


def test_kills_of_workers(server):
    print(f"CRASH_SEED={SEED}")
    rng = random.Random(SEED)
    sluice = server(
        http=f"{ZONE} {V}_filter_by_set_key $http_x_key keys; {V}_histogram_buckets 0.001 0.01 10;",
        server="server_name a.test; location / { return 204; } location /status { vts_status; } "
        f"location /metrics {{ {V} off; metrics; }}",
        main="worker_processes 6;",
    )
    clients = [Client(sluice.port, i) for i in range(CLIENTS)]
    reader = Reader(sluice)
    for thread in (*clients, reader):
        thread.start()
    wait_until(lambda: all(c.completed > 10 for c in clients) and reader.readings, "all clients are at work")
    for _ in range(KILLS):
        before = sum(c.completed for c in clients)
        # One that dies early comes back later each time: there are others.
        victim = rng.choice(wait_until(lambda: len(found := sluice.children("worker")) > 1 and found, "two workers"))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in sluice.children("worker"), "the victim is buried")
        more = rng.randrange(10, 300)
        wait_until(lambda: sum(c.completed for c in clients) > before + more, lambda: f"requests are answered:\n{sluice.tail()}")
    for thread in (*clients, reader):
        thread.ending.set()
    for thread in (*clients, reader):
        thread.join()

    completed, lost = sum(c.completed for c in clients), sum(c.lost for c in clients)
    found, zone = zones(sluice)
    print(f"{KILLS} kills, {completed} completed, {lost} in flight, {zone['requestCounter']} counted, {reader.readings} readings")
    assert completed <= zone["requestCounter"] <= completed + lost
    assert completed <= sum(zone["requestBuckets"]["counters"][-1:]) <= completed + lost
    for client in clients:
        counted = found["filterZones"]["keys"][f"key-{client.number}"]["requestCounter"]
        assert client.completed <= counted <= client.completed + client.lost
    assert lost <= KILLS * CLIENTS
    assert not reader.below, reader.below[:5]
    assert reader.readings > 1

    def connections():
        sluice.session.close()
        return zones(sluice)[0]["connections"]

    wait_until(lambda: (c := connections())["active"] == 1 and c["waiting"] == 0, lambda: f"no connection is left over: {connections()}")
    sluice.kill_all()
    sluice.start()
    assert zones(sluice)[1]["requestCounter"] == zone["requestCounter"]
