"""Taking data in: rates, memory and start against peers.

BENCH_STEADY: seconds of the steady run (default 300)."""

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
import threading
import time

import psutil

from common import BUILD, MIB, Nginx, Sluice, body_file, interleaved, pss, report, wait_for, wrk, wrk_script

STEADY = int(os.environ.get("BENCH_STEADY", "300"))


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


MEASUREMENTS = {"puts": puts, "uploads": uploads, "shipping": shipping, "memory": memory, "start": start, "steady": steady}
