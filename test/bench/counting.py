"""What counting, limiting and showing cost a request."""

import contextlib
import re
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

from common import BUILD, ROUNDS, SECONDS, TOP, Nginx, Sluice, body_file, cpu, interleaved, micro, report, wrk, wrk_script

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


MEASUREMENTS = {"zone": zone, "gate": gate, "limits": limits, "vts": vts, "scrape": scrape}
