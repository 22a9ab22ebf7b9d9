"""What `make bench` measures: rates against peers found on the machine, interleaved in one run because machines are noisy, with the server's CPU a
request beside each rate; memory; and times. Prints a Markdown table of what was measured against what must be reached.

bench.py [NAME...]: only these measurements (see MEASUREMENTS at the end). BENCH_SECONDS: of one round (default 5); BENCH_ROUNDS (default 5);
BENCH_STEADY: seconds of the steady run (default 300). Everything runs on this machine, on loopback, and ends by itself."""

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get("SLUICE_BUILD", "build/bench")
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
STEADY = int(os.environ.get("BENCH_STEADY", "300"))
MIB = 1 << 20
rows = []


def report(what, target, value, reached, more=""):
    rows.append((what, target, value, "yes" if reached else "**no**", more))
    print(f"  {what}: {value} (must be {target}){'' if reached else '  NOT REACHED'}  {more}", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds=60, what="condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} not within {seconds} s"
        time.sleep(0.005)


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def pss(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu(pids):
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Sluice:
    """A server of the production build, in a folder of its own."""

    def __init__(self, folder, stream="bundle_interval 1h; bundle_size 4g;", main="worker_processes 1;", sink=None, mode="", http="", server=""):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.delivered = self.folder / "delivered"
        self.conf = self.folder / "sluice.conf"
        self.conf.write_text(f"""state_dir {self.folder}/state; {main}
error_log stderr warn;
http {{
    access_log off; keepalive_requests 1000000000; {http}
    stream usage {{ sink {sink or f"dir {self.delivered}"}; {stream} spool_size 64g; }}
    stream large {{ sink dir {self.delivered}; bundle_interval 1h; bundle_size 4g; spool_size 64g; }}
    server {{
        listen 127.0.0.1:{self.port};
        location = /usage {{ auth user_token; ingest usage; }}
        location = /large {{ auth user_token; ingest large; }}
        location = /health {{ health; }}
        {server}
    }}
}}
""")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([BUILD / "sluice", "-c", self.conf], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(lambda: accepts(self.port) and self.pids("worker") and self.pids("shipper"), what="the server accepts")

    def pids(self, role=None):
        master = psutil.Process(self.process.pid)
        children = [p for p in master.children() if role is None or role in " ".join(p.cmdline())]
        return [p.pid for p in children] + ([master.pid] if role is None else [])

    def kill(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Nginx:
    """One worker that answers 204 and stores nothing, or what `http` and `location` say."""

    def __init__(self, folder, http="", location="return 204;"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.conf = self.folder / "nginx.conf"
        self.conf.write_text(f"""worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; {http}
  server {{ listen 127.0.0.1:{self.port}; location / {{ {location} }} }} }}
""")

    def __enter__(self):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([program, "-c", self.conf, "-p", self.folder], stderr=subprocess.DEVNULL)
        wait_for(lambda: accepts(self.port), what="nginx accepts")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def pids(self, role=None):
        return [p.pid for p in psutil.Process(self.process.pid).children()]


def body_file(folder):
    """1 KiB of JSON as a reporting client sends it."""
    record = {"event": "page_view", "url": "https://example.com/articles/2026/11/22/some-title", "ua": "Mozilla/5.0", "timing": {"ttfb": 123, "load": 4567}}
    record["pad"] = "x" * (1024 - len(json.dumps(record | {"pad": ""}, separators=(",", ":"))))
    path = folder / "body.json"
    path.write_text(json.dumps(record, separators=(",", ":")))
    assert path.stat().st_size == 1024
    return path


def wrk_script(folder):
    path = folder / "put.lua"
    path.write_text(f"""wrk.method = "PUT"
wrk.headers["USER_TOKEN"] = "bench"
wrk.headers["Content-Type"] = "application/json"
local f = io.open("{body_file(folder)}", "rb")
wrk.body = f:read("*a")
f:close()
""")
    return path


def wrk(server, connections, script=None, seconds=None, path="/usage"):
    """Requests a second, and the server's CPU microseconds a request."""
    pids = server.pids("worker") if isinstance(server, Sluice) else server.pids()
    before = cpu(pids)
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds or SECONDS}", *(["-s", script] if script else []), f"http://127.0.0.1:{server.port}{path}"],
        capture_output=True, text=True, check=True,
    ).stdout
    used = cpu(pids) - before
    assert "Non-2xx" not in out, out
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), used / requests * 1e6


def interleaved(first, second, rounds=None):
    """Each in turn; the medians, and the median of the ratios of each pair."""
    a, b = [], []
    for i in range(rounds or ROUNDS):
        for measure, into in ((first, a), (second, b)) if i % 2 == 0 else ((second, b), (first, a)):
            into.append(measure())
    ratio = statistics.median(x[0] / y[0] for x, y in zip(a, b))
    middle = lambda list_, k: statistics.median(x[k] for x in list_)
    return ratio, [middle(a, 0), middle(b, 0)], [middle(a, 1), middle(b, 1)]


# ---- rates

def puts(folder):
    script = wrk_script(folder)
    for connections, target in ((256, 0.95), (64, 0.7)):
        with Sluice(folder / f"puts{connections}") as sluice, Nginx(folder / f"nginx{connections}") as nginx:
            wrk(sluice, connections, script, 1)
            wrk(nginx, connections, script, 1)
            ratio, rates, micros = interleaved(lambda: wrk(sluice, connections, script), lambda: wrk(nginx, connections, script))
        report(
            f"durable PUTs a second, 1 KiB, {connections} connections, against nginx storing nothing", f">= {target}", f"{ratio:.2f}", ratio >= target,
            f"{rates[0]:.0f} to {rates[1]:.0f} a second; {micros[0]:.1f} to {micros[1]:.1f} us of CPU a request",
        )


def uploads(folder):
    size, count = 10 * MIB, 64
    source = folder / "ten"
    source.write_bytes(os.urandom(size))
    peak = 0

    with Sluice(folder / "uploads") as sluice:
        worker = sluice.pids("worker")[0]
        ready = threading.Barrier(count + 1)
        os.kill(sluice.pids("shipper")[0], signal.SIGSTOP)  # dd packs nothing either

        def watch(finished):
            nonlocal peak
            while not finished():
                peak = max(peak, pss(worker))
                time.sleep(0.01)

        def upload(answers):
            with open(source, "rb") as f, socket.create_connection(("127.0.0.1", sluice.port)) as s:
                ready.wait()
                s.sendall(b"PUT /large HTTP/1.1\r\nHost: b\r\nUSER_TOKEN: b\r\nContent-Length: %d\r\n\r\n" % size)
                s.sendfile(f)
                answers.append(s.recv(4096)[:12])

        def put():
            answers = []
            threads = [threading.Thread(target=upload, args=(answers,)) for _ in range(count)]
            for t in threads:
                t.start()
            ready.wait()
            began = time.monotonic()
            watch(lambda: len(answers) == count)
            took = time.monotonic() - began
            for t in threads:
                t.join()
            assert answers == [b"HTTP/1.1 204"] * count, answers
            return count * size / took / MIB, 0.0

        def dd():
            target = folder / "dd"
            target.mkdir(exist_ok=True)
            began = time.monotonic()
            running = [subprocess.Popen(["dd", f"if={source}", f"of={target}/{i}", "bs=1M", "count=10", "conv=fdatasync"], stderr=subprocess.DEVNULL) for i in range(count)]
            assert all(p.wait() == 0 for p in running)
            took = time.monotonic() - began
            shutil.rmtree(target)
            return count * size / took / MIB, 0.0

        put()
        ratio, rates, _ = interleaved(put, dd)
        os.kill(sluice.pids("shipper")[0], signal.SIGCONT)
    report("64 uploads of 10 MiB at once, bytes a second, against 64 dd conv=fdatasync", ">= 0.7", f"{ratio:.2f}", ratio >= 0.7, f"{rates[0]:.0f} to {rates[1]:.0f} MiB/s")
    report("memory (PSS) of the worker during that", "< 16 MiB", f"{peak / MIB:.1f} MiB", peak < 16 * MIB)


def shipping(folder):
    """The shipper's bundling and sending of a backlog, against gzip of the same records at the same level."""
    lines = []
    for i in range(200_000):
        lines.append(json.dumps({"event": "page_view", "n": i, "url": f"https://example.com/{i * 7919 % 100003}/page", "ua": "Mozilla/5.0 (X11; Linux x86_64)", "timing": {"ttfb": i * 31 % 997, "load": i * 17 % 9973}, "session": f"{i * 2654435761 % 2**32:08x}"}))
    text = ("\n".join(lines) + "\n").encode()
    plain = folder / "plain.jsonl"
    plain.write_bytes(text * 8)
    size = plain.stat().st_size
    for level in (6, 1):
        with Sluice(folder / f"ship{level}", stream=f"bundle_interval 1h; bundle_size 64m; gzip_level {level};", main="worker_processes 1; worker_shutdown_timeout 10m;") as sluice:
            fill(sluice, text, size)
            sluice.kill()
            sluice.conf.write_text(sluice.conf.read_text().replace("bundle_interval 1h", "bundle_interval 1s"))
            spool = folder / f"ship{level}" / "state"
            pristine = folder / f"pristine{level}"
            shutil.copytree(spool, pristine)

            def ship():
                shutil.rmtree(spool)
                shutil.rmtree(sluice.delivered, ignore_errors=True)
                shutil.copytree(pristine, spool)
                os.sync()
                began = time.monotonic()
                sluice.start()
                wait_for(lambda: not any((spool / "usage").rglob("*Z.*")) and not any((spool / "usage").rglob("*.gz")), 300, "the backlog is delivered")
                took = time.monotonic() - began
                sluice.kill()
                return size / took / 1e6, 0.0

            def peer():
                began = time.monotonic()
                with open(folder / "plain.gz", "wb") as out:
                    subprocess.run(["gzip", f"-{level}", "-c", plain], stdout=out, check=True)
                return size / (time.monotonic() - began) / 1e6, 0.0

            ratio, rates, _ = interleaved(ship, peer, 3)
            records = sum(gzip.open(p).read().count(b"\n") for p in sluice.delivered.rglob("*.gz"))
            assert records == text.count(b"\n") * 8, f"{records} records delivered"
            shutil.rmtree(pristine)
        report(f"shipper: bytes of JSON bundled and sent a second, level {level}, against gzip -{level}", ">= 0.9", f"{ratio:.2f}", ratio >= 0.9, f"{rates[0]:.0f} to {rates[1]:.0f} MB/s")


def fill(sluice, text, size):
    """PUTs text again and again, in bodies of 200 lines, until size bytes are in; the shipper stays stopped."""
    lines = text.splitlines(keepends=True)
    shipper = sluice.pids("shipper")[0]
    os.kill(shipper, signal.SIGSTOP)  # what is to be a backlog must not be shipped
    with socket.create_connection(("127.0.0.1", sluice.port)) as s:
        answers = s.makefile("rb")
        sent = waiting = 0
        while sent < size:
            for i in range(0, len(lines), 200):
                body = b"".join(lines[i:i + 200])
                s.sendall(b"PUT /usage HTTP/1.1\r\nHost: b\r\nUSER_TOKEN: b\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                sent += len(body)
                waiting += 1
                if waiting == 16:
                    read_answers(answers, waiting)
                    waiting = 0
        read_answers(answers, waiting)


def read_answers(answers, n):
    for _ in range(n):
        status = answers.readline()
        assert b" 204 " in status, status
        while answers.readline() not in (b"\r\n", b""):
            pass


# ---- steadiness

def steady(folder):
    script = wrk_script(folder)
    with Sluice(folder / "probe") as sluice:
        wrk(sluice, 256, script, 1)
        full, _ = wrk(sluice, 256, script)
    rate = full / 2
    with Sluice(folder / "steady", stream="bundle_interval 5s; bundle_size 64m;") as sluice:
        command = [BUILD / "test/bench/load", str(sluice.port), "/usage", "256", f"{rate:.0f}", str(STEADY), body_file(folder)]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        state = sluice.folder / "state" / "usage"
        samples = []
        began = time.monotonic()
        while client.poll() is None:
            backlog = 0
            for path in state.rglob("*"):
                with contextlib.suppress(FileNotFoundError):
                    backlog += path.stat().st_blocks * 512 if path.is_file() else 0
            with contextlib.suppress(psutil.Error, FileNotFoundError, ProcessLookupError):
                samples.append((time.monotonic() - began, backlog, sum(map(pss, sluice.pids()))))
            time.sleep(0.5)
        line = client.stdout.read()
        assert client.returncode == 0, line
        stored = int(re.search(r"stored (\d+)", line).group(1))
        sluice.process.send_signal(signal.SIGTERM)
        assert sluice.process.wait(300) == 0, "data was left waiting"
        shipped = 0
        for path in sluice.delivered.rglob("*.gz"):
            with gzip.open(path) as f:
                shipped += sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(MIB), b""))
    minute = STEADY / 5
    mean = lambda k, a, b: statistics.mean(s[k] for s in samples if a <= s[0] < b)
    backlog = [mean(1, minute - 15, minute + 15), mean(1, STEADY - 30, STEADY + 1)]
    memory = [mean(2, minute - 15, minute + 15), mean(2, STEADY - 30, STEADY + 1)]
    report(f"{STEADY} s at half that rate: accepted and shipped", "equal", f"{stored} and {shipped}", stored == shipped, f"{rate:.0f} a second; {line.split('errors')[1].strip()}")
    report("backlog at the end, against one minute in", "flat", f"{backlog[1] / max(backlog[0], 1):.2f}", backlog[1] < 1.5 * backlog[0], f"{backlog[0] / MIB:.0f} and {backlog[1] / MIB:.0f} MiB")
    report("memory (PSS, all processes) at the end, against one minute in", "flat", f"{memory[1] / memory[0]:.2f}", memory[1] < 1.2 * memory[0], f"{memory[0] / MIB:.1f} and {memory[1] / MIB:.1f} MiB")


# ---- memory and start

def memory(folder):
    with Sluice(folder / "rest", main="") as sluice:
        time.sleep(3)
        total = sum(map(pss, sluice.pids()))
        workers = len(sluice.pids("worker"))
    report("server at rest, all processes (PSS)", "< 8 MiB", f"{total / MIB:.1f} MiB", total < 8 * MIB, f"{workers} workers")

    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Sluice(folder / "idle") as sluice:
        request = b"PUT /usage HTTP/1.1\r\nHost: b\r\nUSER_TOKEN: b\r\nContent-Length: 2\r\n\r\n{}"
        connections = []

        def open_connections(n):
            for _ in range(n):
                s = socket.create_connection(("127.0.0.1", sluice.port))
                s.sendall(request)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    answer += s.recv(4096)
                connections.append(s)

        open_connections(100)
        before = sum(map(pss, sluice.pids()))
        open_connections(10_000)
        time.sleep(1)
        grown = sum(map(pss, sluice.pids())) - before
        for s in connections:
            s.close()
    report("10,000 idle keep-alive connections: growth of memory (PSS)", "< 4 MiB", f"{grown / MIB:.1f} MiB", grown < 4 * MIB)


def start(folder):
    """Time to the first accepted request, with a backlog of 1 GiB in segments against an empty state folder."""
    request = b"PUT /usage HTTP/1.1\r\nHost: b\r\nUSER_TOKEN: b\r\nContent-Length: 2\r\n\r\n{}"

    def until_first(sluice):
        with open(sluice.folder / "log", "ab") as log:
            began = time.monotonic()
            sluice.process = subprocess.Popen([BUILD / "sluice", "-c", sluice.conf], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", sluice.port), 5) as s:
                s.sendall(request)
                if b" 204 " in s.recv(4096):
                    break
            time.sleep(0.0005)
        took = time.monotonic() - began
        sluice.kill()
        return took, 0.0

    text = b"".join(b'{"n":%d,"pad":"%s"}\n' % (i, b"x" * 1000) for i in range(10_000))
    with Sluice(folder / "full", stream="bundle_interval 1h; bundle_size 64m;") as full, Sluice(folder / "empty") as empty:
        fill(full, text, 1 << 30)
        full.kill()
        empty.kill()
        pristine = folder / "pristine"
        shutil.copytree(full.folder / "state", pristine)

        def with_backlog():
            shutil.rmtree(full.folder / "state")
            shutil.copytree(pristine, full.folder / "state")
            os.sync()
            return until_first(full)

        def without():
            shutil.rmtree(empty.folder / "state")
            os.sync()
            return until_first(empty)

        ratio, times, _ = interleaved(with_backlog, without)
        backlog = sum(p.stat().st_size for p in pristine.rglob("*") if p.is_file())
    report("start with a backlog of 1 GiB: time to the first accepted request, against an empty folder", "< 2", f"{ratio:.2f}", ratio < 2, f"{times[0] * 1000:.0f} to {times[1] * 1000:.0f} ms; {backlog / MIB:.0f} MiB")


def micro(name):
    """What a micro-benchmark in C prints: {step: nanoseconds}."""
    program = BUILD / "test/bench" / name
    subprocess.run(["make", "-s", f"B={BUILD.relative_to(TOP)}", str(program.relative_to(TOP))], cwd=TOP, check=True)
    return {what: float(ns) for what, ns in re.findall(r"^(.+?) +([0-9.]+) ns$", subprocess.run([program], check=True, capture_output=True, text=True).stdout, re.M)}


ZONE_TARGETS = {"increment": 5, "observation": 15, "get a known key of 21 bytes": 40}


def zone(folder):
    """What counting costs a process, in a zone in a file."""
    steps = micro("bench_zone")
    rest = ", ".join(f"{what} {ns} ns" for what, ns in steps.items() if what not in ZONE_TARGETS)
    for what, target in ZONE_TARGETS.items():
        ns = steps[what]
        report(f"zone: {what}", f"< {target} ns", f"{ns:.1f} ns", ns < target, rest)
        rest = ""


def gate(folder):
    """What lines, address rules and maps cost, and what a request pays with everything on."""
    steps = micro("bench_gate")
    line = steps.pop("a line of combined")
    report("access log: a line of combined", "< 500 ns", f"{line:.0f} ns", line < 500, ", ".join(f"{what} {ns} ns" for what, ns in steps.items()))

    script = wrk_script(folder)
    http = f"""vts_zone main 16m; vhost_traffic_status_filter_by_set_key $request_method methods; vhost_traffic_status_histogram_buckets .005 .01 .05 .1 .5 1 5;
        limit_policy wide {{ per_ip 100000000r/s; }}"""
    with Sluice(folder / "bare") as bare, Sluice(folder / "full", http=http, server=f"limit wide; access_log {folder}/access.log combined;") as full:
        wrk(bare, 64, script, 1)
        wrk(full, 64, script, 1)
        _, _, micros = interleaved(lambda: wrk(full, 64, script), lambda: wrk(bare, 64, script))
    ratio = micros[0] / micros[1]
    report("CPU of a durable PUT with statistics, histograms, access log and a limit, against none of them", "< 1.10", f"{ratio:.2f}", ratio < 1.1,
           f"{micros[0]:.1f} to {micros[1]:.1f} us")


def limits(folder):
    """What a check costs a process, and a limited request, against nginx. There a location's return comes ahead of limit_req, so the answer is
    the smallest one that does not: a GIF of 43 bytes from memory."""
    steps = micro("bench_limit")
    check = float(steps.pop("check_million"))
    report("one limit check among a million keys", "< 150 ns", f"{check:.0f} ns", check < 150, ", ".join(f"{what} {ns} ns" for what, ns in steps.items()))

    zone = "limit_req_zone $binary_remote_addr zone=one:10m rate=100000000r/s;"
    answer = f'return 200 "{"x" * 43}";'
    ours = {
        "limit (X-RateLimit headers)": ("limit_policy p { per_ip 100000000r/s; }", f"limit p; {answer}"),
        "limit_req": (zone, f"limit_req zone=one burst=1000000 nodelay; {answer}"),
    }
    for name, (http, location) in ours.items():
        with Sluice(folder / "limited", http=http, server=f"location / {{ {location} }}") as sluice, \
                Nginx(folder / "nginx-limited", http=zone, location="limit_req zone=one burst=1000000 nodelay; empty_gif;") as nginx:
            wrk(sluice, 64, seconds=1, path="/")
            wrk(nginx, 64, seconds=1, path="/")
            ratio, rates, micros = interleaved(lambda: wrk(sluice, 64, path="/"), lambda: wrk(nginx, 64, path="/"))
        report(f"rate-limited answers a second on one worker, by {name}, against nginx with limit_req", ">= 1.0", f"{ratio:.2f}", ratio >= 1.0,
               f"{rates[0]:.0f} to {rates[1]:.0f} a second; {micros[0]:.1f} to {micros[1]:.1f} us of CPU a request")


ZONES = 10_000


def make_zones(sluice):
    """One request for each of so many hosts, on one connection."""
    answers = 0
    with socket.create_connection(("127.0.0.1", sluice.port)) as s:
        for first in range(0, ZONES, 100):
            s.sendall(b"".join(b"GET /quick HTTP/1.1\r\nHost: host-%05d.example.org\r\n\r\n" % i for i in range(first, first + 100)))
            while answers < first + 100:
                answers += s.recv(1 << 20).count(b"HTTP/1.1 204")


def scrape_once(port, count=True):
    """The page's length in lines; as cheaply as can be where nobody counts."""
    room = bytearray(1 << 20)
    request = b"GET /status/format/prometheus HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(request)
        lines = 0
        while n := s.recv_into(room):
            lines += room.count(b"\n", 0, n) if count else 0
    return lines


def waits(sluice, rate, body, scraped):
    """p99 in microseconds of an open loop at this rate, while somebody scrapes once a second, or not."""
    over = threading.Event()

    def scrape_each_second():
        while not over.wait(1):
            scrape_once(sluice.port, count=False)

    scraper = threading.Thread(target=scrape_each_second)
    if scraped:
        scraper.start()
    out = subprocess.run([BUILD / "test/bench/load", str(sluice.port), "/quick", "64", str(rate), str(SECONDS), body], capture_output=True, text=True, check=True).stdout
    over.set()
    if scraped:
        scraper.join()
    return float(re.search(r"p99_us (\d+)", out).group(1)), 0.0


def scrape(folder):
    """What a scrape of many server zones costs, and what others feel of it."""
    program = BUILD / "test/bench/bench_prom"
    subprocess.run(["make", "-s", f"B={BUILD.relative_to(TOP)}", str(program.relative_to(TOP))], cwd=TOP, check=True)
    out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    ns = float(re.search(r"line: ([\d.]+) ns", out).group(1))
    report("exposition: a line rendered, of 10,000 series with 20 each", "< 150 ns", f"{ns:.0f} ns", ns < 150)
    us = int(re.search(r"stretch: (\d+) us", out).group(1))
    report("exposition: longest stretch that others wait for", "< 1000 us", f"{us} us", us < 1000)

    http = "vts_zone main 256m; vhost_traffic_status_filter_by_host on; vhost_traffic_status_histogram_buckets .005 .01 .05 .1 .5 1 5;"
    server = "location = /quick { return 204; } location /status { vhost_traffic_status_display; vhost_traffic_status_display_format prometheus; }"
    with Sluice(folder / "scrape", http=http, server=server) as sluice:
        make_zones(sluice)
        lines = scrape_once(sluice.port)
        assert lines > 15 * ZONES, lines
        used, rendered = cpu(sluice.pids("worker")), 0
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            rendered += scrape_once(sluice.port)
        ns = (cpu(sluice.pids("worker")) - used) / rendered * 1e9
        report("scrape of 10,000 server zones: CPU a line, sending included", "< 150 ns", f"{ns:.0f} ns", ns < 150, f"{lines} lines")

        body = body_file(folder)
        rate, _ = wrk(sluice, 64, wrk_script(folder), path="/quick")
        rate = int(rate * 0.3)
        ratio, p99, _ = interleaved(lambda: waits(sluice, rate, body, True), lambda: waits(sluice, rate, body, False))
    report("p99 of requests at 30 % of saturation while 10,000 zones are scraped once a second, against none", "< 1.15", f"{ratio:.2f}", ratio < 1.15,
           f"{rate} requests a second; {p99[0]:.0f} to {p99[1]:.0f} us")


V = "vhost_traffic_status"
KEYS = ["$uri uris", "$host hosts", "$request_method methods", "$uri uris::$host", "$host$uri pages", "all everything", "$request_method@$host both", "$uri methods::$request_method", "more everything", "$server_name names"]
FILTERS = "".join(f"{V}_filter_by_set_key {key};" for key in KEYS)
EVERYTHING = f"vts_zone main 64m; {V}_histogram_buckets 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10; {V}_measure_status_codes all;"


def vts(folder):
    """What the traffic statistics cost a request: counting alone, and the server's CPU under load beside a server without them."""
    steps = micro("bench_vts")
    one = steps["one server zone"] - steps["no statistics"]
    key = (steps["and ten filter keys"] - steps["one server zone"]) / 10
    report("vts: counting in one server zone", "< 100 ns", f"{one:.1f} ns", one < 100, ", ".join(f"{what} {ns} ns" for what, ns in steps.items()))
    report("vts: in each further filter key", "< 50 ns", f"{key:.1f} ns", key < 50)
    limited = "limit_policy p { per_ip 1000000000r/s burst=1000000000; }"
    kinds = {
        "off": ("", "return 204;"),
        "zone": ("vts_zone main 64m;", "return 204;"),
        "filters": (f"vts_zone main 64m; {FILTERS}", "return 204;"),
        "all": (f"{EVERYTHING} {limited}", f"limit p; access_log {folder}/vts.log combined; return 204;"),
    }
    found = {name: [] for name in kinds}
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(Sluice(Path(folder) / f"vts-{name}", http=http, server=f"location /quick {{ {location} }}"))
            for name, (http, location) in kinds.items()
        }
        for i in range(ROUNDS):
            for name in sorted(servers, reverse=i % 2 == 1):
                found[name].append(wrk(servers[name], 64, path="/quick")[1])
    cpu_of = {name: statistics.median(values) for name, values in found.items()}
    ratio = lambda name: statistics.median(a / b for a, b in zip(found[name], found["off"]))
    added = ", ".join(f"{name} {cpu_of[name] - cpu_of['off']:+.2f} µs" for name in kinds if name != "off")
    report("vts: CPU a request with all statistics, histograms, access log and a limit", "< 1.10 x", f"{ratio('all'):.3f} x", ratio("all") < 1.10,
           f"without {cpu_of['off']:.2f} µs; added by {added}")


MEASUREMENTS = {"puts": puts, "uploads": uploads, "shipping": shipping, "memory": memory, "start": start, "zone": zone, "gate": gate, "limits": limits, "vts": vts, "scrape": scrape, "steady": steady}


def main(names):
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"bench: unknown {unknown}: one of {', '.join(MEASUREMENTS)}")
    tree = BUILD.relative_to(TOP)
    subprocess.run(["make", "-s", f"B={tree}", "all", f"{tree}/test/bench/load"], cwd=TOP, check=True)
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench-", dir=os.environ.get("BENCH_DIR", BUILD)))
    try:
        for name in names or MEASUREMENTS:
            print(f"{name}:", flush=True)
            MEASUREMENTS[name](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n| what | must be | measured | reached | |\n|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


main(sys.argv[1:])
