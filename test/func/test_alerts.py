"""The shipped rules: valid, each fires and resolves on the series it is about, none without traffic; and a real Prometheus that scrapes
the running server sees those fire that the server can bring about."""

import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest
import requests
import yaml

from lib.metrics import promtool
from lib.prometheus import Prometheus
from lib.server import TOP
from lib.wait import PATIENCE

MONITORING = TOP / "conf/monitoring"
FILES = sorted((MONITORING / "alerts").glob("*.yml"))


def rules(hasten=None):
    """All groups, without annotations; hasten: a function over the text of the files."""
    groups = []
    for path in FILES:
        text = path.read_text()
        groups += yaml.safe_load(hasten(text) if hasten else text)["groups"]
    return groups


def test_promtool_accepts_what_is_shipped():
    promtool("check", "rules", *FILES)
    promtool("check", "config", MONITORING / "prometheus.yml")


# ---- each on its own series, by promtool's clock


def bucket(name, slow, times="0+60x30 1800+0x30"):
    """A histogram whose observations lie above `slow` (and below ten seconds) for half an hour, and then stop."""
    return {f'{name}{{le="{slow}"}}': "0+0x60", f'{name}{{le="10"}}': times, f'{name}{{le="+Inf"}}': times}


def mixed(name, bad, good=100):
    """Requests a minute, of two instances and several statuses; after half an hour there are no failures any more."""
    return {
        f'{name}{{status="200",instance="a"}}': f"0+{good}x60",
        f'{name}{{status="204",instance="b"}}': f"0+{good}x60",
        f'{name}{{status="500",instance="a"}}': f"0+{bad}x30 {30 * bad}+0x30",
        f'{name}{{status="503",instance="b"}}': f"0+{bad}x30 {30 * bad}+0x30",
    }


DISK = 'node_filesystem_{}_bytes{{mountpoint="/",fstype="ext4"}}'


def disk(free):
    return {DISK.format("avail"): f"50+0x5 {free}+0x30 50+0x30", DISK.format("size"): "100+0x70"}


# name, severity, series, minutes at which it is: quiet, firing, quiet again; labels beside those of the rule
CASES = [
    ("GatewayDown", "critical", {'up{job="gateway",instance="g:9145"}': "1+0x9 0+0x10 1+0x20"}, 10, 12, 22, {"job": "gateway", "instance": "g:9145"}),
    ("HighErrorRate", "warning", mixed("nginx_http_requests_total", 10), 4, 20, 45, {}),
    ("HighErrorRate", "critical", mixed("http_requests_total", 10), 2, 20, 45, {}),
    ("HighLatency", "warning", bucket("nginx_http_request_duration_seconds_bucket", 1), 4, 20, 45, {}),
    ("HighLatency", "warning", bucket("http_request_duration_seconds_bucket", 2), 4, 20, 45, {}),
    ("NoRequests", "warning", {'nginx_http_requests_total{status="200"}': "0+5x10 50+0x60 60+5x30"}, 20, 50, 90, {}),
    ("HighActiveConnections", "warning", {
        'sluice_http_connections{state="waiting"}': "10+0x5 900+0x20 10+0x30",
        'sluice_http_connections{state="writing"}': "101+0x70"}, 9, 15, 30, {}),
    ("CNIPluginDown", "critical", {'up{job="cni-plugin"}': "1+0x9 0+0x10 1+0x20"}, 10, 12, 22, {"job": "cni-plugin"}),
    ("IPAllocationFailures", "warning", {"flatnet_cni_ip_allocation_failures_total": "0+0x9 1+1x5 6+0x30"}, 9, 14, 30, {}),
    ("GatewayRegistrationFailures", "warning", {"flatnet_cni_gateway_registration_failures_total": "0+0x9 1+1x5 6+0x30"}, 9, 14, 30, {}),
    ("TooManyContainers", "warning", {"flatnet_cni_active_containers": "100+0x9 101+0x20 100+0x20"}, 9, 20, 35, {}),
    ("CNIOperationsSlow", "warning", bucket("flatnet_cni_operation_duration_seconds_bucket", 5), 4, 20, 45, {}),
    ("NodeExporterDown", "warning", {'up{job="node"}': "1+0x9 0+0x10 1+0x20"}, 11, 14, 22, {"job": "node"}),
    ("DiskSpaceWarning", "warning", disk(19), 4, 15, 40, {"mountpoint": "/", "fstype": "ext4"}),
    ("DiskSpaceCritical", "critical", disk(9), 4, 15, 40, {"mountpoint": "/", "fstype": "ext4"}),
    ("HighMemoryUsage", "warning", {
        "node_memory_MemAvailable_bytes": "50+0x5 14+0x30 50+0x30", "node_memory_MemTotal_bytes": "100+0x70"}, 4, 15, 40, {}),
    ("HighCPUUsage", "warning", {
        'node_cpu_seconds_total{mode="idle",instance="n",cpu="0"}': "0+6x30 180+60x40",
        'node_cpu_seconds_total{mode="idle",instance="n",cpu="1"}': "0+12x30 360+60x40"}, 5, 20, 60, {"instance": "n"}),
    ("NetworkErrors", "warning", {
        'node_network_receive_errs_total{device="eth0"}': "0+1x20 20+0x30",
        'node_network_transmit_errs_total{device="eth0"}': "0+0x50"}, 4, 15, 40, {"device": "eth0"}),
    ("WorkerDown", "critical", {'up{job="email-worker"}': "1+0x9 0+0x10 1+0x20"}, 10, 12, 22, {"job": "email-worker"}),
    ("WorkerDown", "critical", {'sluice_process_up{role="worker",slot="3"}': "1+0x9 0+0x10 1+0x20"}, 10, 12, 22, {"role": "worker", "slot": "3"}),
    ("WorkerDown", "critical", {"sluice_workers": "4+0x9 3+0x10 4+0x20", "sluice_workers_wanted": "4+0x50"}, 10, 12, 22, {}),
    ("MessageQueueLong", "critical", {'message_queue_length{queue_name="usage"}': "1000+0x5 1001+0x20 0+0x20"}, 9, 15, 30, {"queue_name": "usage"}),
    ("DLQHighVolume", "warning", {"dlq_message_count": "100+0x5 101+0x20 0+0x20"}, 9, 15, 30, {}),
    ("DLQErrorSpike", "critical", {"dlq_message_count": "0+0x9 0+10x5 50+0x30"}, 9, 14, 30, {}),
    ("DLQBacklog", "warning", {"dlq_message_count": "50+0x5 51+0x20 0+0x20"}, 6, 15, 30, {}),
    ("DestinationAway", "warning", {'sluice_breaker_state{stream="s",destination="d"}': "0+0x5 1+0x20 0+0x20"}, 9, 15, 30, {"stream": "s", "destination": "d"}),
    ("DataNotDelivered", "warning", {'sluice_spool_oldest_seconds{stream="s"}': "0+60x90 0+0x20"}, 60, 70, 95, {"stream": "s"}),
    ("StoreErrors", "critical", {'sluice_ingest_rejected_total{stream="s",reason="unavailable"}': "0+0x9 1+1x5 6+0x30"}, 9, 14, 30,
     {"stream": "s", "reason": "unavailable"}),
    ("ProcessesDie", "warning", {'sluice_worker_restarts_total{role="worker",instance="g"}': "0+0x9 1+1x5 6+0x40"}, 10, 16, 40, {"role": "worker", "instance": "g"}),
    ("ZoneFull", "warning", {'sluice_zone_dropped_total{set="http_requests",instance="g"}': "0+0x9 1+1x5 6+0x40"}, 9, 16, 40,
     {"set": "http_requests", "instance": "g"}),
    ("LimitsNotChecked", "warning", {'sluice_limit_fallback_total{fallback="open",instance="g"}': "0+0x9 1+1x5 6+0x40"}, 9, 16, 40,
     {"fallback": "open", "instance": "g"}),
]

# Nothing fires on these: no traffic at all; failures below the threshold; dead letters that are resolved.
QUIET = [
    mixed("nginx_http_requests_total", 0, good=0) | mixed("http_requests_total", 0, good=0),
    bucket("nginx_http_request_duration_seconds_bucket", 1, "0+0x60") | bucket("http_request_duration_seconds_bucket", 2, "0+0x60"),
    mixed("nginx_http_requests_total", 5) | mixed("http_requests_total", 5),
    {"dlq_message_count": "50-1x50 0+0x10"},
    {},
]


def alert_test(name, minute, severity=None, labels=None):
    expected = [{"exp_labels": {"severity": severity, **labels}}] if severity else []
    return {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": expected}


def write_tests(folder, tests):
    groups = rules()
    for group in groups:
        for rule in group["rules"]:
            rule.pop("annotations")
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    (folder / "tests.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}))


def input_series(series):
    return [{"series": name, "values": values} for name, values in series.items()]


def together(cases):
    """The cases in few runs of promtool's: those in one are about different alerts and metrics."""
    runs = []
    for case in cases:
        about = {case[0]} | {series for series in case[2] if series.startswith("up{")} | {
            series.split("{")[0] for series in case[2] if not series.startswith("up{")}
        free = next((run for run in runs if not run[0] & about), None)
        if free is None:
            runs.append(free := (set(), []))
        free[0].update(about)
        free[1].append(case)
    return [run for _, run in runs]


def test_each_alert_fires_and_resolves(tmp_path):
    tests = []
    for run in together(CASES):
        checks, series = [], []
        for name, severity, of, quiet, firing, resolved, labels in run:
            series += input_series(of)
            checks += [alert_test(name, quiet), alert_test(name, firing, severity, labels), alert_test(name, resolved)]
        tests.append({"interval": "1m", "input_series": series, "alert_rule_test": checks})
    write_tests(tmp_path, tests)
    promtool("test", "rules", "tests.yml", cwd=tmp_path)


def test_each_alert_has_a_case():
    shipped = {(rule["alert"], rule["labels"]["severity"]) for group in rules() for rule in group["rules"]}
    assert shipped == {case[:2] for case in CASES}


def test_none_fires_for_nothing(tmp_path):
    names = {rule["alert"] for group in rules() for rule in group["rules"]} - {"NoRequests"}
    tests = [
        {"interval": "1m", "input_series": input_series(series),
         "alert_rule_test": [alert_test(name, minute) for name in sorted(names) for minute in (3, 10, 30, 55)]}
        for series in QUIET
    ]
    write_tests(tmp_path, tests)
    promtool("test", "rules", "tests.yml", cwd=tmp_path)


# ---- on the running server


def hasten(text):
    """The same rules for a test's patience: minutes become seconds, and what must hold for a while must hold for a moment."""
    text = re.sub(r"for: \d+m", "for: 400ms", text)
    text = text.replace("oldest_seconds > 3600", "oldest_seconds > 1")
    return re.sub(r"\[\d+m\]", "[3s]", text)


METRICS = """
        location = /metrics { metrics; }
        location = /ok { return 200; }
        location = /broken { return 500; }"""


@pytest.fixture
def watched(server, tmp_path):
    """A server, whose destination cannot be reached, and the Prometheus that scrapes it."""
    (tmp_path / "gone").write_text("no folder")
    sluice = server(streams={"usage": f"sink dir {tmp_path}/gone/out; bundle_interval 1s; breaker failures=1 open=1s; retry initial=100ms max_interval=200ms;"},
                    server=METRICS)
    prometheus = Prometheus(tmp_path / "prometheus", {"gateway": f"127.0.0.1:{sluice.port}"}, rules(hasten))
    try:
        prometheus.wait_scraped()
        yield sluice, prometheus
    finally:
        prometheus.stop()


@contextlib.contextmanager
def meanwhile(fn):
    """fn() again and again, in a thread, until the block ends."""
    over = threading.Event()

    def run():
        while not over.is_set():
            fn()

    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(run)
        try:
            yield
        finally:
            over.set()
        running.result()


def slow_put(sluice, seconds):
    """A request whose body comes so late: its latency is that of a slow service."""
    with socket.create_connection(("127.0.0.1", sluice.port), timeout=PATIENCE) as s:
        s.sendall(b"PUT /usage HTTP/1.1\r\nHost: a\r\nUSER_TOKEN: u\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{")
        time.sleep(seconds)
        s.sendall(b"}")
        assert s.recv(4096).startswith(b"HTTP/1.1 204")


def failures_and_their_end(sluice, prometheus):
    with meanwhile(lambda: [sluice.get("/broken"), sluice.get("/ok"), time.sleep(0.02)]):
        prometheus.wait_fires("HighErrorRate", "warning")
        prometheus.wait_fires("HighErrorRate", "critical")
        prometheus.wait_resolves("NoRequests", "warning")
    prometheus.wait_resolves("HighErrorRate", "warning")
    prometheus.wait_resolves("HighErrorRate", "critical")


def slow_answers(sluice, prometheus):
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(slow_put, sluice, 2.6) for _ in range(6)]:
            done.result()
    prometheus.wait_fires("HighLatency", "warning")
    prometheus.wait_resolves("HighLatency", "warning")


def destination_away(sluice, prometheus, obstacle):
    """It has been so from the start; what slow_answers stored waits."""
    prometheus.wait_fires("DestinationAway", "warning")
    prometheus.wait_fires("DataNotDelivered", "warning")
    obstacle.unlink()
    prometheus.wait_resolves("DestinationAway", "warning")
    prometheus.wait_resolves("DataNotDelivered", "warning")


def test_trouble_is_seen(watched, tmp_path):
    sluice, prometheus = watched
    prometheus.wait_fires("NoRequests", "warning")
    failures_and_their_end(sluice, prometheus)
    slow_answers(sluice, prometheus)
    destination_away(sluice, prometheus, tmp_path / "gone")
    assert prometheus.targets()["gateway"] == ("up", "")


def stuck_worker(sluice, prometheus):
    worker = sluice.children("worker")[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        prometheus.wait_fires("WorkerDown", "critical")
    finally:
        os.kill(worker, signal.SIGCONT)
    prometheus.wait_resolves("WorkerDown", "critical")


def deaths(sluice, prometheus):
    for role in ("worker", "shipper", "janitor"):
        for _ in range(3 if role == "worker" else 1):
            pids = sluice.children(role)
            os.kill(pids[0], signal.SIGKILL)
            sluice.wait_child(role, but=pids)
    prometheus.wait_fires("ProcessesDie", "warning")
    sluice.kill_all()
    prometheus.wait_fires("GatewayDown", "critical")
    sluice.start()
    prometheus.wait_resolves("GatewayDown", "critical")
    prometheus.wait_resolves("ProcessesDie", "warning")


def test_death_is_seen(watched):
    sluice, prometheus = watched
    with requests.Session() as session:
        assert session.get(sluice.url + "/ok", timeout=PATIENCE).status_code == 200
    stuck_worker(sluice, prometheus)
    deaths(sluice, prometheus)
    # What was counted before all died is still counted: to Prometheus no counter was reset.
    assert prometheus.query("sum(resets(nginx_http_requests_total[10m]))")[0][1] == 0
    assert prometheus.query('sum(nginx_http_requests_total{status="200"})')[0][1] >= 1
