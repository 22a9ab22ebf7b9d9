"""The crash loop: kill -9 of a worker, the shipper, the janitor, the master or all of them at random moments under load, with bundles packed, sent and
removed all the time. Afterwards everything that was answered 204 is in the store, and nothing is there twice.

CRASH_KILLS says how many kills (ci/crash runs thousands), CRASH_SEED repeats a run's choices (though never its timing)."""

import os
import random
import threading

import pytest

from lib.account import Account, Client
from lib.killer import Killer
from lib.server import alive
from lib.store import cut_short, reset, slow, status, truthful
from lib.wait import wait_until

KILLS = int(os.environ.get("CRASH_KILLS") or 200)
SEED = os.environ.get("CRASH_SEED") or str(random.SystemRandom().randrange(10**6))


def streams(life):
    """Each life of a master has a prefix of its own: the n-th bundle of an hour asks for n keys."""
    common = "retry initial=20ms max_interval=200ms; breaker failures=1000 open=50ms; deliver_timeout 1s;"
    return {
        "usage": f"sink s3 s bucket={{bucket}} prefix=usage/{life}/; bundle_interval 250ms; bundle_size 1m; {common}",
        "specimen": f"sink s3 s bucket={{bucket}} prefix=specimen/; mode object; {common}",
    }


def clients(account, port, seed):
    kinds = [
        ("small", {"batch": 1}),
        ("piped", {"batch": 16}),
        ("keyed", {"batch": 4, "keyed": True}),
        ("long", {"lengths": (66000, 400000), "pause": 0.05}),
        ("mixed", {"lengths": (20, 70000), "pause": 0.01}),
        ("keyed-long", {"lengths": (66000, 100000), "keyed": True, "pause": 0.05}),
        ("specimen", {"path": "/specimen?uri=/s/{name}.bin", "lengths": (20, 200000), "pause": 0.1}),
    ]
    return [Client(account, port, name, seed=seed, **options) for name, options in kinds]


def crash(server, store, bucket, kills, seed):
    print(f"CRASH_SEED={seed} CRASH_KILLS={kills}")
    account = Account()
    killer = Killer(server, random.Random(seed), streams, store=store, bucket=bucket)
    sluice = killer.sluice
    running = clients(account, sluice.port, seed)
    for client in running:
        client.start()
    killer.run(kills)
    wait_until(lambda: all(map(alive, [sluice.pid])), "the last master is alive")
    sluice.wait_ready()
    for client in running:
        client.stop()
    print(killer.kills, len(account.sent), "sent", len(account.promised), "promised")
    return account, sluice, running


def conclude(account, sluice, running, bucket, kills):
    assert sluice.stop(timeout=150) == 0, sluice.tail()
    account.check_bucket(bucket)
    assert sluice.data_files() == []
    assert len(account.promised) > kills
    for client in running:
        assert client.answers[204] > 0, f"nothing of {client.name} was ever stored: {client.answers}"


@pytest.mark.crash
@pytest.mark.timeout(max(300, 2 * KILLS))
def test_nothing_is_lost_or_doubled(server, minio, bucket):
    kills = KILLS - KILLS // 4
    conclude(*crash(server, minio, bucket, kills, f"{SEED}/real"), bucket, kills)


class Moods:
    """A store that carries requests out or not, and says so or not, early or late: whatever a network makes of it."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.under_way = 0
        self.puts = [truthful, reset(), reset(after=True), status(503, "SlowDown"), status(500, after=True), cut_short()]
        self.puts += [slow(0.3), slow(1.5), status(409, "ConditionalRequestConflict")]
        self.heads = [truthful, reset(), status(503, "SlowDown")]

    def __call__(self, exchange):
        choices, truth = (self.puts, 10) if exchange.request.method == "PUT" else (self.heads, 8)
        with self._lock:
            self.under_way += 1
            mood = self._random.choices(choices, weights=[truth] + [1] * (len(choices) - 1))[0]
        try:
            mood(exchange)
        finally:
            with self._lock:
                self.under_way -= 1


@pytest.mark.crash
@pytest.mark.sanitize
@pytest.mark.timeout(max(300, 2 * KILLS))
def test_nothing_is_lost_or_doubled_with_a_store_that_drops_answers(server, scripted_store):
    """Also requests that are carried out after their sender was killed."""
    kills, bucket = max(KILLS // 4, 1), scripted_store.bucket()
    moods = Moods(SEED)
    for method in ("PUT", "HEAD"):
        scripted_store.script(moods, method=method, times=None)
    outcome = crash(server, scripted_store, bucket, kills, f"{SEED}/moods")
    scripted_store.clear_script()
    scripted_store.release()
    wait_until(lambda: moods.under_way == 0, "no request is under way at the store")
    conclude(*outcome, bucket, kills)


def test_the_account_tells_what_was_lost_doubled_damaged_or_moved():
    account = Account()
    bodies = [account.send(b"c.1.%d" % n, 30) for n in range(3)]
    account.promise(b"c.1.1")
    account.check(bodies)
    account.check([bodies[1]])
    account.check_order(bodies)
    for found in ([], bodies[:1], [bodies[1]] * 2, [*bodies, b"d.1.0 d.1.0"], [bodies[1], bodies[0][:-1]]):
        with pytest.raises(AssertionError):
            account.check(found)
    with pytest.raises(AssertionError):
        account.check_order(bodies[::-1])
