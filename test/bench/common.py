"""What the measurements share: the servers they start, the clients they drive, and the table of what was measured against what must be reached.

BENCH_SECONDS: of one round (default 5); BENCH_ROUNDS (default 5)."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import time
from pathlib import Path

import psutil

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get("SLUICE_BUILD", "build/bench")
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
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


def micro(name):
    """What a micro-benchmark in C prints: {step: nanoseconds}."""
    program = BUILD / "test/bench" / name
    subprocess.run(["make", "-s", f"B={BUILD.relative_to(TOP)}", str(program.relative_to(TOP))], cwd=TOP, check=True)
    return {what: float(ns) for what, ns in re.findall(r"^(.+?) +([0-9.]+) ns$", subprocess.run([program], check=True, capture_output=True, text=True).stdout, re.M)}
