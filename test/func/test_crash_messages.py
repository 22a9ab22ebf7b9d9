"""The crash loop of single messages and dead letters: kill -9 of any process at random moments while messages are taken in, delivered, tried again, given
up, sent again by an operator and by rules, and discarded, to services that refuse, fail and drop answers at random.

Afterwards every record that was answered 204 was delivered, or is among the letters that the operator discarded; a message always comes
with the same id; no letter is there twice; a resolved one was delivered; nobody discarded what nobody asked to. Bundles, which go to an object store, are
there exactly once. CRASH_KILLS and CRASH_SEED as in test_crash.py."""

import collections
import gzip
import json
import os
import random
import threading
import time

import pytest

from lib.account import Account, Client, name_of, record
from lib.admin import api, fetch
from lib.killer import Killer
from lib.scripted import cut_short, reset, slow, status, truthful
from lib.server import alive
from lib.wait import wait_until

KILLS = int(os.environ.get("CRASH_KILLS") or 60)
SEED = os.environ.get("CRASH_SEED") or str(random.SystemRandom().randrange(10**6))
STEADY = "retry max={max} initial=20ms max_interval=100ms; breaker failures=1000 open=50ms; deliver_timeout 1s;"
RULES = "dlq { max_messages 1000000; rule '^500' wait=1s max=2; }"


class Moods:
    """What a service may do to a request: carry it out or not, and say so or not."""

    def __init__(self, seed, refusals):
        self._random, self._lock = random.Random(seed), threading.Lock()
        self.choices = [truthful, reset(), reset(after=True), status(503), status(500, after=True), cut_short(), slow(0.2), *refusals]
        self.weights = [12] + [1] * (len(self.choices) - 1)

    def __call__(self, exchange):
        with self._lock:
            mood = self._random.choices(self.choices, weights=self.weights)[0]
        mood(exchange)


class Operator(threading.Thread):
    """Looks through the dead letters all the time and decides on some. Whatever it asked for may have happened, whether or not it heard of it."""

    def __init__(self, sluice, seed):
        super().__init__(daemon=True)
        self.sluice, self.discarded, self.done = sluice, set(), collections.Counter()
        self._random, self._over = random.Random(seed), threading.Event()

    def stop(self):
        self._over.set()
        self.join(60)
        assert not self.is_alive()

    def run(self):
        while not self._over.wait(0.05):
            try:
                self._decide()
            except (OSError, ValueError, EOFError):  # killed under us
                pass

    def _decide(self):
        page = self._random.randint(1, 3)
        found = api(self.sluice, f"/api/dlq/messages?status=pending&per_page=50&page={page}")
        if found.status != 200:
            return
        ids = [m["id"] for m in found.json["messages"] if self._random.random() < 0.5]
        if not ids:
            return
        if self._random.random() < 0.7:
            self._ask("POST", "/api/dlq/reprocess", ids)
        else:
            self.discarded.update(ids[:3])
            self._ask("DELETE", "/api/dlq/discard", ids[:3])

    def _ask(self, method, path, ids):
        body = {"message_ids": ids, "operator": "crash", "reason": "the loop"}
        self.done[method, api(self.sluice, path, method, json.dumps(body)).status] += 1


def streams(worker):
    def of(life):
        return {
            "jobs": f"sink http {worker.endpoint}/jobs; concurrency 8; {STEADY.format(max=2)}",
            "ordered": f"sink http {worker.endpoint}/ordered; concurrency 4; order_by user; {STEADY.format(max=1)}",
            "usage": f"sink s3 s bucket={{bucket}} prefix=usage/{life}/; bundle_interval 250ms; {STEADY.format(max=1)}",
        }

    return of


def every_letter(sluice):
    letters, page = [], 1
    while True:
        found = api(sluice, f"/api/dlq/messages?per_page=500&page={page}")
        assert found.status == 200, found.text
        letters += found.json["messages"]
        if len(letters) >= found.json["total"]:
            return letters
        page += 1


def waiting(sluice):
    """The streams in which something waits for delivery."""
    streams = api(sluice, "/api/streams").json["streams"]
    return [s for s in streams if s["waiting_records"] or s["retrying"] or (s["mode"] != "message" and s["waiting_files"])]


def send_all_again(sluice):
    """Until no letter waits for anybody: the services are well by now."""

    def settled():
        found = api(sluice, "/api/dlq/stats")
        if found.status == 503:  # a new shipper is not there yet
            return False
        assert found.status == 200, found.text
        counts = found.json["status"]
        if counts["pending"]:
            api(sluice, "/api/dlq/reprocess", "POST", json.dumps({"filter": {"status": "pending"}, "force": True, "reason": "all is well"}))
        return not counts["pending"] and not counts["reprocessing"]

    wait_until(settled, "no letter waits", timeout=120)


def records_of(sluice, letter):
    """What a letter holds: the bodies of its records."""
    payload = fetch(sluice, f"/api/dlq/payload/{letter['id']}")
    assert payload.status == 200, payload
    if letter["kind"] == "bundle":
        return gzip.decompress(payload.body).splitlines()
    return [payload.body]


def check_messages(account, worker, kept):
    """kept: the bodies of discarded letters."""
    ids = collections.defaultdict(set)
    for request in worker.accepted:
        name = name_of(request.body)
        assert request.body == record(name, account.sent[name]), f"damaged: {request.body[:80]}"
        ids[name].add(request.headers["idempotency-key"])
    doubled = {name: found for name, found in ids.items() if len(found) > 1}
    assert not doubled, f"a message comes with one id: {list(doubled.items())[:3]}"
    lost = account.promised - ids.keys() - set(map(name_of, kept))
    assert not lost, f"{len(lost)} of {len(account.promised)} lost: {sorted(lost)[:5]}"
    return ids


def check_letters(letters, ids, operator):
    assert len({letter["id"] for letter in letters}) == len(letters)
    messages = [letter["original_message_id"] for letter in letters]
    assert len(set(messages)) == len(messages), "one letter a message"
    delivered = {one for found in ids.values() for one in found}
    for letter in letters:
        assert letter["status"] in ("resolved", "discarded"), letter
        if letter["status"] == "discarded":
            assert letter["id"] in operator.discarded, f"nobody asked for it: {letter}"
        elif letter["kind"] == "message":
            assert letter["original_message_id"] in delivered, f"resolved, and never delivered: {letter}"


@pytest.mark.crash
@pytest.mark.sanitize
@pytest.mark.timeout(max(300, 3 * KILLS))
def test_no_message_and_no_letter_is_lost_or_doubled(server, worker, scripted_store):
    print(f"CRASH_SEED={SEED} CRASH_KILLS={KILLS}")
    worker.script(Moods(SEED, [status(400), status(422, b"no good"), status(500)]), times=None)
    worker.script(Moods(SEED, [status(400), status(500)]), method="PUT", times=None)
    scripted_store.script(Moods(SEED + "/store", [status(503)] * 3), times=None)
    messages, bundled = Account(), Account()
    killer = Killer(server, random.Random(SEED), streams(worker), store=scripted_store, bucket=scripted_store.bucket(), http=RULES)
    killer.weights = (25, 48, 2, 13, 12)
    sluice = killer.sluice
    operator = Operator(sluice, SEED)
    clients = [
        Client(messages, sluice.port, "piped", path="/jobs", batch=4, pause=0.03, seed=SEED),
        Client(messages, sluice.port, "keyed", path="/jobs", batch=2, keyed=True, pause=0.03, seed=SEED),
        Client(messages, sluice.port, "long", path="/jobs", lengths=(66000, 200000), pause=0.2, seed=SEED),
        Client(messages, sluice.port, "ordered", path="/ordered", pause=0.03, seed=SEED),
        Client(bundled, sluice.port, "bundled", path="/usage", batch=4, pause=0.03, seed=SEED),
    ]
    for thread in [*clients, operator]:
        thread.start()
    killer.run(KILLS)
    wait_until(lambda: alive(sluice.pid), "the last master is alive")
    sluice.wait_ready()
    for thread in [*clients, operator]:
        thread.stop()
    for peer in (worker, scripted_store):
        peer.clear_script()
        peer.release()
    send_all_again(sluice)
    wait_until(lambda: not waiting(sluice), lambda: f"all is delivered: {waiting(sluice)}", timeout=120)
    send_all_again(sluice)
    letters = every_letter(sluice)
    kept = {"message": [], "bundle": []}
    for letter in letters:
        if letter["status"] == "discarded":
            kept[letter["kind"]] += records_of(sluice, letter)
    assert sluice.stop(timeout=150) == 0, sluice.tail()
    print(killer.kills, operator.done, len(letters), "letters", len(messages.promised), "promised", len(worker.accepted), "delivered")
    ids = check_messages(messages, worker, kept["message"])
    check_letters(letters, ids, operator)
    found = [body for one in scripted_store.bucket().objects("usage/") for body in one.records()]
    # The store may have taken a bundle whose upload nobody heard the end of, and which was discarded for that.
    there = set(map(name_of, found))
    bundled.check(found + [body for body in kept["bundle"] if name_of(body) not in there])
    assert letters and operator.done, "there was something to decide"
    assert all(client.answers[204] > 0 for client in clients)
