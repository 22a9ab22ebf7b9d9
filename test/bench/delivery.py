"""Delivery: records sent on to a worker, dead letters sent again, and destinations that are away.

BENCH_RECORDS: of one round (default 60,000); BENCH_AWAY: seconds for which the store is away (default 60)."""

import contextlib
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from common import BUILD, MIB, TOP, Sluice, accepts, body_file, cpu, free_port, interleaved, pss, report, wait_for

RECORDS = int(os.environ.get("BENCH_RECORDS", "60000"))
AWAY = int(os.environ.get("BENCH_AWAY", "60"))
CONNECTIONS = 64  # of the producers
CONCURRENCY = 16
STEP = 0.01  # between two looks at how far it is


def tool(name):
    program = BUILD / "test/bench" / name
    subprocess.run(["make", "-s", f"B={BUILD.relative_to(TOP)}", str(program.relative_to(TOP))], cwd=TOP, check=True)
    return str(program)


class Kept:
    """Requests over one kept connection, so that looking on costs little."""

    def __init__(self, port=None, path=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port or 80, timeout=60)
        if path:
            self.connection.sock = socket.socket(socket.AF_UNIX)
            self.connection.sock.connect(str(path))

    def ask(self, target, method="GET", body=None):
        self.connection.request(method, target, json.dumps(body) if body else None)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        assert answer.status < 300, f"{method} {target}: {answer.status} {text}"
        return text


class Worker:
    """test/bench/answer.c: the destination, which does nothing but count."""

    def __enter__(self):
        self.port = free_port()
        self.process = subprocess.Popen([tool("answer"), str(self.port)])
        wait_for(lambda: accepts(self.port), what="the worker accepts")
        self.kept = Kept(self.port)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def count(self):
        """Requests so far."""
        return int(self.kept.ask("/count").split()[0])

    def counts(self):
        """Of them those to /0 to /9."""
        return [int(n) for n in self.kept.ask("/count").split()[1:]]

    def answer_with(self, status):
        self.kept.ask(f"/status/{status}")


class Redis:
    """Streams that are on disk before they are acknowledged."""

    def __init__(self, folder):
        self.folder = folder
        self.streams = 0

    def __enter__(self):
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: run ci/install-deps bench"
        self.folder.mkdir()
        self.port = free_port()
        options = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"]
        self.process = subprocess.Popen([program, "--port", str(self.port), "--dir", self.folder, "--loglevel", "warning", *options], stdout=subprocess.DEVNULL)
        wait_for(lambda: accepts(self.port), what="redis accepts")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)

    def command(self, *words):
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.sendall(" ".join(words).encode() + b"\r\n")
            answer = s.recv(4096)
        assert not answer.startswith(b"-"), answer
        return answer

    def new_stream(self):
        self.streams += 1
        name = f"s{self.streams}"
        self.command("XGROUP", "CREATE", name, "g", "$", "MKSTREAM")
        return name


def feed(kind, port, records, body, *paths, connections=CONNECTIONS):
    subprocess.run([tool("feed"), kind, str(port), str(connections), str(records), body, *paths], check=True, stdout=subprocess.DEVNULL)


def wait_until(condition, what, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} not within {seconds} s"
        time.sleep(STEP)


def waiting(kept, *streams):
    """Records of these streams that are not delivered yet."""
    text = kept.ask("/metrics")
    lengths = {name: float(n) for name, n in re.findall(r'^message_queue_length\{queue_name="([^"]+)"\} (\S+)$', text, re.M)}
    return sum(lengths[name] for name in streams)


METRICS = "location = /metrics { metrics; }"


def messages(folder, worker, **options):
    """A server whose stream `usage` goes to the worker."""
    options["server"] = f"{METRICS} location = /in {{ ingest usage; }} {options.get('server', '')}"
    return Sluice(folder, sink=f"http http://127.0.0.1:{worker.port}/0", stream=f"concurrency {CONCURRENCY};", **options)


def deliver(folder):
    """From the producers' first record until the last one is acknowledged, everything on two cores."""
    body = body_file(folder)

    with Worker() as worker, messages(folder / "deliver", worker) as sluice, Redis(folder / "redis") as redis:
        kept = Kept(sluice.port)

        def ours():
            before, used, began = worker.count(), cpu(sluice.pids()), time.monotonic()
            feed("http", sluice.port, RECORDS, body, "/in")
            wait_until(lambda: worker.count() >= before + RECORDS and waiting(kept, "usage") == 0, "all is delivered")
            took = time.monotonic() - began
            assert worker.count() == before + RECORDS, f"{worker.count() - before} deliveries"
            return RECORDS / took, (cpu(sluice.pids()) - used) / RECORDS * 1e6

        def theirs():
            stream = redis.new_stream()
            before, used, began = worker.count(), cpu([redis.process.pid]), time.monotonic()
            consumer = subprocess.Popen([tool("consume"), str(redis.port), stream, "g", str(worker.port), str(CONCURRENCY), str(RECORDS)])
            feed("redis", redis.port, RECORDS, body, stream)
            _, status, spent = os.wait4(consumer.pid, 0)
            took = time.monotonic() - began
            consumer.returncode = os.waitstatus_to_exitcode(status)
            assert consumer.returncode == 0 and worker.count() == before + RECORDS
            used = cpu([redis.process.pid]) - used + spent.ru_utime + spent.ru_stime
            redis.command("DEL", stream)
            return RECORDS / took, used / RECORDS * 1e6

        ours()
        theirs()
        ratio, rates, micros = interleaved(ours, theirs)
    report(
        f"sink http: deliveries a second, 1 KiB, concurrency {CONCURRENCY}, durable first and acknowledged after, against Redis Streams", ">= 1.0", f"{ratio:.2f}", ratio >= 1.0,
        f"{rates[0]:.0f} to {rates[1]:.0f} a second; {micros[0]:.1f} to {micros[1]:.1f} us of CPU a record (Redis and its consumer)",
    )


# ---- dead letters

LETTERS = 10_000


def redrive(folder):
    """Dead letters sent again to a worker that has recovered."""
    body = body_file(folder)

    with Worker() as worker, messages(folder / "redrive", worker, http=f"dlq {{ max_messages {4 * LETTERS}; }}") as sluice:
        admin = Kept(path=folder / "redrive/state/admin.sock")
        status = lambda: json.loads(admin.ask("/api/dlq/stats"))["status"]

        def reprocess(letters, **how):
            worker.answer_with(400)
            done = status()["resolved"]
            feed("http", sluice.port, letters, body, "/in")
            wait_until(lambda: status()["pending"] == letters, "all are dead letters")
            worker.answer_with(200)
            sent = worker.count()
            used, began = cpu(sluice.pids()), time.monotonic()
            order = {"filter": {"stream": "usage", "status": "pending"}, "operator": "bench", "reason": "the worker is well again"}
            accepted = json.loads(admin.ask("/api/dlq/reprocess", "POST", order | how))["accepted"]
            assert accepted == letters, accepted
            wait_until(lambda: worker.count() == sent + letters, "all are sent")  # first the cheaper look
            wait_until(lambda: status()["resolved"] == done + letters, "all are resolved")
            took = time.monotonic() - began
            return letters / took, (cpu(sluice.pids()) - used) / letters * 1e6

        reprocess(1000)
        rates = [reprocess(LETTERS) for _ in range(3)]
        rate, micros = sorted(rates)[1]
        capped, _ = reprocess(LETTERS // 2, rate=2000)
    report(f"reprocessing {LETTERS} dead letters through sink http, entries a second", "> 5000", f"{rate:.0f}", rate > 5000, f"{micros:.1f} us of CPU an entry")
    report("the same with a cap of 2,000 a second", "<= 2100", f"{capped:.0f}", capped <= 2100)


# ---- destinations that are away

STREAMS = 10


@contextlib.contextmanager
def black_hole():
    """A port that takes no connection and refuses none: its backlog is full."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def ten_streams(folder, worker, first_port):
    sinks = "".join(
        f"stream d{i} {{ sink http http://127.0.0.1:{worker.port if i else first_port}/{i}; concurrency 4; }} " for i in range(STREAMS)
    )
    places = "".join(f"location = /d{i} {{ ingest d{i}; }} " for i in range(STREAMS))
    return Sluice(folder, http=sinks, server=places)


def dead_destination(folder):
    """Nine streams of ten, while the tenth's destination cannot be reached, against all ten reachable."""
    body = body_file(folder)
    paths = [f"/d{i}" for i in range(STREAMS)]
    others = range(1, STREAMS)
    share = RECORDS // STREAMS // 6 * 6

    with Worker() as worker, black_hole() as hole:
        def measure(sluice):
            before, used, began = worker.counts(), cpu(sluice.pids()), time.monotonic()
            feed("http", sluice.port, share * STREAMS, body, *paths, connections=6 * STREAMS)
            wait_until(lambda: all(worker.counts()[i] >= before[i] + share for i in others), "nine streams are delivered")
            took, delivered = time.monotonic() - began, share * len(others)
            return delivered / took, (cpu(sluice.pids()) - used) / delivered * 1e6

        with ten_streams(folder / "one-away", worker, hole) as one_away, ten_streams(folder / "all-there", worker, worker.port) as all_there:
            measure(one_away)
            measure(all_there)
            ratio, rates, micros = interleaved(lambda: measure(one_away), lambda: measure(all_there))
            for pid in one_away.pids():  # it would go on trying until it is told to stop for good
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            one_away.process.wait()
    report("one unreachable destination among ten streams: deliveries a second of the other nine, against ten reachable", ">= 0.95", f"{ratio:.2f}", ratio >= 0.95, f"{rates[0]:.0f} to {rates[1]:.0f} a second; {micros[0]:.1f} to {micros[1]:.1f} us of CPU a delivery")


class Store:
    """The functional tests' MinIO."""

    def __init__(self, folder):
        sys.path.insert(0, str(TOP / "test/func"))
        from lib.minio import Minio

        self.minio = Minio(folder / "minio")
        self.bucket = self.minio.bucket()
        self.line = f"store s {{ endpoint {self.minio.endpoint}; region {self.minio.region}; credentials keys {self.minio.access_key} {self.minio.secret_key}; }}"

    def records(self):
        return sum(gzip.decompress(self.bucket.get(key).body).count(b"\n") for key in self.bucket.keys())


def store_away(folder):
    """A store that is away for the whole of a load run, and comes back."""
    body = body_file(folder)
    store = Store(folder)

    with Sluice(folder / "away", http=store.line, sink=f"s3 s bucket={store.bucket.name}", stream="bundle_interval 2s; breaker failures=3 open=1s;", server=METRICS) as sluice:
        kept = Kept(sluice.port)
        shipper = sluice.pids("shipper")[0]

        def watched(condition):
            """The highest memory of the shipper until the condition holds."""
            peak, deadline = pss(shipper), time.monotonic() + 600
            while not condition():
                assert time.monotonic() < deadline, "not all is delivered"
                time.sleep(0.1)
                peak = max(peak, pss(shipper))
            return peak

        def load(seconds):
            command = [tool("load"), str(sluice.port), "/usage", str(CONNECTIONS), "3000", str(seconds), body]
            client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            peak = watched(lambda: client.poll() is not None)
            return int(re.search(r"stored (\d+)", client.stdout.read()).group(1)), peak

        sent, before = load(10)
        before = max(before, watched(lambda: waiting(kept, "usage") == 0))
        store.minio.stop()
        more, peak = load(AWAY)
        sent += more
        began = time.monotonic()
        store.minio.start()
        peak = max(peak, watched(lambda: waiting(kept, "usage") == 0))
        took = time.monotonic() - began
        assert shipper == sluice.pids("shipper")[0], "the shipper died"
        found = store.records()
    store.minio.stop()
    report(f"store away for {AWAY} s of load and back: records accepted and in the store", "equal", f"{sent} and {found}", sent == found, f"all there {took:.1f} s after its return")
    report("memory (PSS) of the shipper, the highest of that, against before", "< 1.2", f"{peak / before:.2f}", peak < 1.2 * before, f"{before / MIB:.1f} and {peak / MIB:.1f} MiB")


def letters(folder):
    """The store of dead letters by itself: lists of ten thousand, and decisions a second, each durable."""
    said = subprocess.run([tool("bench_dlq"), "10000", "64", str(folder / "letters")], check=True, capture_output=True, text=True).stdout
    pages = {what: float(ms) for what, ms in re.findall(r"page 100 of 10000, (.+): ([0-9.]+) ms", said)}
    slowest = max(pages, key=pages.get)
    report("list of page 100 of 10,000 dead letters, with any filter", "< 10 ms", f"{pages[slowest]:.2f} ms ({slowest})", pages[slowest] < 10,
           f"without a filter {pages['all']:.2f} ms")
    rates = {what: float(rate) for what, rate in re.findall(r"(.+), 64 tasks: ([0-9]+) a second", said)}
    slowest = min(rates, key=rates.get)
    report("state changes of dead letters a second, each durable", "> 5,000", f"{rates[slowest]:,.0f} ({slowest})", rates[slowest] > 5000,
           ", ".join(f"{what} {rate:,.0f}" for what, rate in rates.items()))


MEASUREMENTS = {"letters": letters, "deliver": deliver, "redrive": redrive, "dead-destination": dead_destination, "store-away": store_away}
