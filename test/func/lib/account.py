"""Keeping account of what clients sent and what they were promised, through crashes.

A record is known by its name, `<client>.<connection>.<n>`, which its body repeats up to the record's length, so that a damaged one is
recognised. Account.check() is the promise of the server: what was answered 204 is there, nothing is there twice, nothing that nobody
sent, and within a bundle the records of one connection are in order."""

import collections
import itertools
import random
import threading

from lib import raw


def record(name, length):
    """The body of the record of that name."""
    text = name + b" "
    return (text * (length // len(text) + 1))[: max(length, len(text))]


def name_of(body):
    return body.split(b" ", 1)[0]


class Account:
    def __init__(self):
        self.sent = {}  # name -> length
        self.promised = set()
        self.repeated = set()  # sent more than once, maybe over several connections: in no order
        self._lock = threading.Lock()

    def send(self, name, length):
        """Notes the record as sent; returns its body."""
        with self._lock:
            self.sent[name] = length
        return record(name, length)

    def promise(self, name):
        with self._lock:
            self.promised.add(name)

    def check(self, found):
        """Against all that is in the store."""
        counts = collections.Counter(map(name_of, found))
        doubled = sorted(name for name, count in counts.items() if count > 1)
        lost = sorted(self.promised - counts.keys())
        strange = [body[:80] for body in found if record(name_of(body), self.sent.get(name_of(body), 0)) != body]
        assert not lost and not doubled and not strange, (
            f"of {len(self.sent)} sent, {len(self.promised)} promised, {len(found)} found: "
            f"{len(lost)} lost {lost[:5]}, {len(doubled)} doubled {doubled[:5]}, {len(strange)} damaged or never sent {strange[:5]}"
        )

    def check_order(self, bundle):
        """Of the records of one bundle, in its order."""
        last = {}
        for body in bundle:
            if name_of(body) in self.repeated:
                continue
            client, connection, number = name_of(body).rsplit(b".", 2)
            before = last.get((client, connection), -1)
            assert int(number) > before, f"{name_of(body)} comes after number {before}"
            last[client, connection] = int(number)

    def check_bucket(self, bucket, bundles=("usage/",), objects=("specimen/",)):
        """Of a bucket below these prefixes; reads every object, which proves every gzip whole."""
        found = []
        for prefix in bundles:
            for one in bucket.objects(prefix):
                inside = one.records()
                self.check_order(inside)
                found += inside
        for prefix in objects:
            found += [one.body for one in bucket.objects(prefix)]
        self.check(found)


class Client(threading.Thread):
    """Sends records of its own, one connection after another, until stopped: as fast as it is answered, at most `batch` at a time without
    waiting for an answer. keyed: every request has an Idempotency-Key and is repeated until it is answered 204."""

    def __init__(self, account, port, name, path="/usage", lengths=(20, 2000), batch=1, pause=0.0, keyed=False, seed=0):
        super().__init__(daemon=True)
        self.account, self.port = account, port
        self.client_name, self.path, self.lengths = name.encode(), path, lengths
        self.batch, self.pause, self.keyed = batch, pause, keyed
        self.answers = collections.Counter()
        self._random = random.Random(f"{seed}/{name}")
        self._pending = collections.OrderedDict()  # keyed requests without a 204 yet
        self._over = threading.Event()
        self._connection = 0

    def stop(self):
        self._over.set()
        self.join(60)
        assert not self.is_alive(), f"client {self.client_name} is stuck"

    def run(self):
        while not self._over.is_set():
            self._connection += 1
            try:
                with raw.connect(self) as line:
                    self._talk(line)
            except (OSError, AssertionError):  # killed under us: refused, reset or ended in the middle
                self._over.wait(0.02)

    def _talk(self, line):
        numbers = itertools.count()
        while not self._over.is_set():
            names = list(self._pending)[: self.batch]
            self.account.repeated.update(names)
            for _ in range(self._random.randint(1, self.batch) - len(names)):
                name = b"%s.%d.%d" % (self.client_name, self._connection, next(numbers))
                self.account.send(name, self._random.randint(*self.lengths))
                names.append(name)
                if self.keyed:
                    self._pending[name] = True
            for name in names:
                self._send(line, name)
            for name in names:
                self._hear(line.answer().status, name)
            if self.pause:
                self._over.wait(self.pause)

    def _send(self, line, name):
        path = self.path.replace("{name}", name.decode())
        key = {"Idempotency_Key": name.decode()} if self.keyed else {}
        line.send(raw.put(path, record(name, self.account.sent[name]), **key))

    def _hear(self, status, name):
        self.answers[status] += 1
        if status == 204:
            self.account.promise(name)
            self._pending.pop(name, None)
