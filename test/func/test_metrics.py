"""/metrics: what it shows is right, whatever dies meanwhile, and every reader of the format accepts it."""

import concurrent.futures
import ipaddress
import os
import re
import signal
import socket
import subprocess
import threading

import psutil
import pytest
import requests

from lib.metrics import Page, assert_never_down, promtool, scrape, wait_metric
from lib.ports import free_port
from lib.server import TOP, program
from lib.store import status
from lib.wait import wait_until

LOCATIONS = """
        location = /metrics { metrics; }
        location = /ok { return 200 "ok"; }
        location = /gone { return 410; }
        location = /broken { return 500; }"""


@pytest.fixture
def counting(server, embedded):
    def start(**options):
        options.setdefault("server", LOCATIONS)
        return server(streams=options.pop("streams", embedded.streams), **options)

    return start


def raw(sluice, text):
    """Sends bytes as they are; what came back until the end."""
    with socket.create_connection(("127.0.0.1", sluice.port), timeout=20) as s:
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    return answer


# ---- the page


def test_the_page_has_its_headers(counting):
    sluice = counting()
    answer = sluice.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"


def test_head_is_answered_and_other_methods_are_not(counting):
    sluice = counting()
    head = sluice.session.head(sluice.url + "/metrics", timeout=20)
    assert head.status_code == 200 and not head.content
    assert head.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for method in ("POST", "PUT", "DELETE"):
        answer = sluice.session.request(method, sluice.url + "/metrics", timeout=20)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_promtool_and_the_strict_parser_accept_it(counting):
    sluice = counting()
    for path in ("/ok", "/gone", "/broken"):
        sluice.get(path)
    sluice.put("/usage", b'{"a":1}')
    page = scrape(sluice)
    promtool("check", "metrics", text=page.text)
    assert page.type("http_requests_total") == "counter"
    assert page.type("http_request_duration_seconds") == "histogram"
    assert page.type("message_queue_length") == "gauge"
    assert page.value("sluice_build_info") == 1
    assert page.value("dlq_message_count") == 0


def test_every_family_is_in_the_reference(counting):
    page = scrape(counting())
    printed = subprocess.run([program(), "--reference-markdown"], capture_output=True, text=True, timeout=20).stdout
    listed = set(re.findall(r"^\| ([\w\\]+)(?:\{.*?\})? \| (?:counter|gauge|histogram) \|", printed, re.M))
    shown = set(re.findall(r"^# TYPE (\S+)", page.text, re.M))
    assert shown and shown <= {name.replace("\\", "") for name in listed}


def test_an_old_client_gets_it_whole(counting):
    sluice = counting()
    answer = raw(sluice, b"GET /metrics HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert Page(body.decode()).value("sluice_build_info") == 1


def test_the_allow_list_keeps_others_out(counting):
    sluice = counting(server="""
        location = /metrics { allow 10.100.0.0/16; deny all; metrics; }
        location = /open { allow 127.0.0.1; deny all; metrics; }""")
    assert sluice.get("/metrics").status_code == 403
    assert scrape(sluice, "/open").value("nginx_http_requests_total", status="403") == 1


def test_the_shipped_configuration_has_a_listener_for_it(server):
    """On loopback and on the networks of containers, with a health of its own."""
    shipped = (TOP / "conf/sluice.conf").read_text()
    assert "listen 9145;" in shipped
    port = free_port()
    text = shipped.replace("listen 8080;", "listen 127.0.0.1:{port};").replace("listen 9145;", f"listen {port};")
    sluice = server(conf=text.replace("/var/lib/sluice", "{state_dir}"))
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20)
    assert Page(answer.text).value("sluice_build_info") == 1
    health = requests.get(f"http://127.0.0.1:{port}/health", timeout=20)
    assert (health.status_code, health.json()["status"]) == (200, "healthy")
    assert health.headers["X-Content-Type-Options"] == "nosniff" and health.headers["X-Frame-Options"] == "DENY"
    assert scrape(sluice).value("sluice_scrapes_total") == 2
    allowed = [ipaddress.ip_network(net) for net in re.findall(r"allow ([\d./]+);", shipped)]
    own = [a.address for of in psutil.net_if_addrs().values() for a in of if a.family == socket.AF_INET]
    for address in own:
        known = any(ipaddress.ip_address(address) in net for net in allowed)
        answer = requests.get(f"http://{address}:{port}/metrics", timeout=20)
        assert answer.status_code == (200 if known else 403), address


# ---- requests


def test_the_sum_over_statuses_is_the_total(counting):
    sluice = counting()
    for path, times in (("/ok", 7), ("/gone", 5), ("/broken", 3), ("/missing", 2)):
        for _ in range(times):
            sluice.get(path)
    for _ in range(4):
        assert sluice.put("/usage", b'{"a":1}').status_code == 204
    page = scrape(sluice)
    for status, times in ((200, 7), (410, 5), (500, 3), (404, 2), (204, 4)):
        assert page.value("nginx_http_requests_total", status=str(status)) == times
    assert page.value("http_requests_total", method="GET", status="500") == 3
    assert page.value("http_requests_total", method="PUT", status="204") == 4
    total = page.sum("http_requests_total")
    assert total == 7 + 5 + 3 + 2 + 4
    assert page.sum("nginx_http_requests_total") == total
    for name in ("http_request_duration_seconds", "nginx_http_request_duration_seconds"):
        assert page.value(name + "_count") == total


def test_scrapes_are_not_among_the_requests(counting):
    sluice = counting()
    for n in range(3):
        page = scrape(sluice)
        assert page.sum("http_requests_total") == page.value("http_request_duration_seconds_count") == 0
        assert page.value("sluice_scrapes_total") == n + 1


def test_failures_are_there_before_the_first(counting):
    """Or the first burst of them would be no increase."""
    page = scrape(counting())
    assert page.value("nginx_http_requests_total", status="503") == 0
    assert page.value("http_requests_total", method="PUT", status="503") == 0


def test_latency_falls_into_its_bucket(counting):
    sluice = counting(env={"SLUICE_DELAY_MS": "60"})
    sluice.get("/ok")
    page = scrape(sluice)
    bucket = "http_request_duration_seconds_bucket"
    assert [s.labels["le"] for s in page.find(bucket)] == [
        "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    assert page.value(bucket, le="0.05") == 0
    assert page.value(bucket, le="+Inf") == 1
    assert page.value("http_request_duration_seconds_sum") >= 0.06


def test_hostile_methods_and_hosts_make_no_series(counting):
    sluice = counting()
    for name in (b"BREW", b"X" * 60, b"GET\"}", b"{a=", b"get"):
        raw(sluice, name + b" /ok HTTP/1.1\r\nHost: evil\"} 1\r\nConnection: close\r\n\r\n")
    page = scrape(sluice)
    assert {s.labels["method"] for s in page.find("http_requests_total")} <= {"GET", "PUT", "POST", "other"}
    assert page.sum("http_requests_total") == 5
    assert "evil" not in page.text


# ---- connections


def test_connections_rise_and_fall(counting):
    sluice = counting(main="worker_processes 1;")

    def open_now(page):
        return page.sum("sluice_http_connections")

    before = scrape(sluice)
    opened = [socket.create_connection(("127.0.0.1", sluice.port)) for _ in range(10)]
    page = wait_metric(sluice, "sluice_http_connections", lambda n: n >= open_now(before) + 10)
    accepted = "sluice_http_connections_accepted_total"
    assert page.value(accepted) >= before.value(accepted) + 10
    assert page.value("sluice_http_connections_handled_total") == page.value(accepted)
    opened[0].sendall(b"PUT /usage HTTP/1.1\r\nHost: a\r\nUSER_TOKEN: u\r\nContent-Length: 5\r\n\r\nab")
    wait_metric(sluice, "sluice_http_connections", lambda n: n >= 2, state="writing")
    for connection in opened:
        connection.close()
    wait_metric(sluice, "sluice_http_connections", lambda n: n <= open_now(before))


def test_connections_of_a_killed_worker_are_forgotten(counting):
    sluice = counting(main="worker_processes 1;")
    opened = [socket.create_connection(("127.0.0.1", sluice.port)) for _ in range(10)]
    wait_metric(sluice, "sluice_http_connections", lambda n: n >= 10)
    [worker] = sluice.children("worker")
    os.kill(worker, signal.SIGKILL)
    sluice.wait_child("worker", but=[worker])
    sluice.session.close()
    wait_metric(sluice, "sluice_http_connections", lambda n: n <= 2)
    opened += [socket.create_connection(("127.0.0.1", sluice.port)) for _ in range(10)]
    wait_metric(sluice, "sluice_http_connections", lambda n: n >= 10)
    sluice.kill_all()
    sluice.start()
    wait_metric(sluice, "sluice_http_connections", lambda n: n <= 2)
    for connection in opened:
        connection.close()


# ---- nothing goes backwards


def test_counters_survive_reload_death_and_restart(counting):
    sluice = counting()
    for _ in range(20):
        sluice.get("/ok")
        sluice.put("/usage", b'{"a":1}')
    pages = [scrape(sluice)]
    stored = "sluice_ingest_records_total"
    assert pages[0].value(stored, stream="usage") == 20

    sluice.reload()
    sluice.wait_log("configuration reloaded")
    sluice.session.close()
    pages.append(scrape(sluice))
    workers = sluice.children("worker")
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(set(sluice.children("worker")) - set(workers)) == 2, "two new workers")
    sluice.session.close()
    pages.append(scrape(sluice))
    shipper = sluice.children("shipper")[0]
    os.kill(shipper, signal.SIGKILL)
    sluice.wait_child("shipper", but=[shipper])
    pages.append(scrape(sluice))
    assert sluice.stop() == 0
    sluice.start()
    pages.append(scrape(sluice))
    sluice.kill_all()
    sluice.start()
    pages.append(scrape(sluice))

    for before, after in zip(pages, pages[1:]):
        # Of the processes, each life counts its own time.
        before.families.pop("process_cpu_seconds", None)
        assert_never_down(before, after)
    assert pages[-1].value("nginx_http_requests_total", status="200") >= 20
    assert pages[-1].value(stored, stream="usage") == 20
    assert pages[-1].value("sluice_worker_restarts_total", role="worker") >= 2
    assert pages[-1].value("sluice_worker_restarts_total", role="shipper") >= 1


def test_a_loaded_server_is_scraped(counting):
    """Pages taken while others write, and while workers die: each is well-formed, none goes back, and what clients saw is counted."""
    sluice = counting()
    answered, lock, over = [0], threading.Lock(), threading.Event()

    def load():
        with requests.Session() as session:
            while not over.is_set():
                try:
                    done = session.get(sluice.url + "/ok", timeout=20).status_code == 200
                except requests.RequestException:
                    continue
                with lock:
                    answered[0] += done

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for _ in range(4):
            pool.submit(load)
        try:
            pages, n = [], 0
            for i in range(30):
                if i % 10 == 5:
                    os.kill(sluice.children("worker")[0], signal.SIGKILL)
                try:
                    pages.append(scrape(sluice))
                except requests.RequestException:
                    n += 1
            assert n <= 6
        finally:
            over.set()
    for before, after in zip(pages, pages[1:]):
        before.families.pop("process_cpu_seconds", None)
        assert_never_down(before, after)
    sluice.session.close()
    last = scrape(sluice)
    counted = last.value("http_requests_total", method="GET", status="200")
    # A worker that dies may have counted an answer, of four clients, that nobody received.
    assert answered[0] <= counted <= answered[0] + 3 * 4


# ---- processes


def test_processes_give_signs_of_life(counting):
    sluice = counting()
    page = scrape(sluice)
    roles = [s.labels["role"] for s in page.find("sluice_process_up")]
    assert sorted(roles) == ["janitor", "master", "shipper", "worker", "worker"]
    assert page.sum("sluice_process_up") == 5
    assert page.value("sluice_workers") == page.value("sluice_workers_wanted") == 2
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_virtual_memory_bytes"):
        values = [s.value for s in page.find(name)]
        assert len(values) == 5 and min(values) > 0, name
    assert len(page.find("process_cpu_seconds_total")) == 5


def test_a_stuck_process_is_down(counting):
    sluice = counting()
    [shipper] = sluice.children("shipper")
    os.kill(shipper, signal.SIGSTOP)
    try:
        wait_metric(sluice, "sluice_process_up", lambda n: n == 0, role="shipper")
    finally:
        os.kill(shipper, signal.SIGCONT)
    wait_metric(sluice, "sluice_process_up", lambda n: n == 1, role="shipper")


# ---- streams


def test_what_a_stream_takes_in(counting, tmp_path):
    sluice = counting(streams={"usage": f"sink dir {tmp_path}/out; validate json;"})
    for i in range(3):
        assert sluice.put("/usage", b'{"a":%d}' % i).status_code == 204
    assert sluice.put("/usage", b'{"a"').status_code == 400
    assert sluice.put("/usage", b"{}", user=None).status_code == 401
    page = scrape(sluice)
    assert page.value("sluice_ingest_records_total", stream="usage") == 3
    assert page.value("sluice_ingest_bytes_total", stream="usage") == 3 * 7
    rejected = "sluice_ingest_rejected_total"
    assert page.value(rejected, stream="usage", reason="invalid") == 1
    assert page.value(rejected, stream="usage", reason="denied") == 1
    assert page.sum(rejected) == 2
    assert page.value("sluice_commit_duration_seconds_count", stream="usage") >= 1
    assert page.value("sluice_commit_batch_records_sum", stream="usage") == 3


def test_deliveries_and_breakers(counting, scripted_store):
    scripted_store.script(status(500), times=1000)
    sluice = counting(
        store=scripted_store, bucket=scripted_store.bucket(),
        streams={"usage": "sink s3 s bucket={bucket}; bundle_interval 1s; retry initial=50ms max_interval=100ms; breaker failures=3 open=60s;"})
    sluice.put("/usage", b"{}")
    page = wait_metric(sluice, "sluice_breaker_state", lambda n: n == 1)
    attempts = "sluice_delivery_attempts_total"
    assert page.value(attempts, stream="usage", result="again") >= 3
    assert page.value(attempts, stream="usage", result="confirmed") == 0
    assert page.value("sluice_delivery_duration_seconds_count", stream="usage") == page.sum(attempts)
    [state] = page.find("sluice_breaker_state")
    assert state.labels["stream"] == "usage" and state.labels["destination"].startswith("s3:")
    assert page.value("message_queue_length", queue_name="usage") == 1


# ---- what waits

HELD = "sink dir /proc/nowhere; bundle_interval 1s; breaker failures=1 open=1s; retry initial=100ms max_interval=200ms;"


def waiting(sluice, n):
    wait_metric(sluice, "message_queue_length", lambda found: found == n, queue_name="usage")


def test_records_that_wait_are_counted(counting, tmp_path):
    main = "worker_processes 2; worker_shutdown_timeout 1s;"
    sluice = counting(streams={"usage": HELD}, main=main)
    for i in range(25):
        sluice.put("/usage", b'{"n":%d}' % i)
    waiting(sluice, 25)
    sluice.put("/usage", b"x" * 200_000)
    waiting(sluice, 26)
    wait_metric(sluice, "sluice_spool_oldest_seconds", lambda age: age > 0, stream="usage")
    page = scrape(sluice)
    assert page.sum("sluice_spool_bytes", stream="usage") > 0

    # Through a restart, a crash, and the death of everyone in turn.
    assert sluice.stop() == 3
    sluice.start()
    waiting(sluice, 26)
    for i in range(5):
        sluice.put("/usage", b'{"n":%d}' % i)
    sluice.kill_all()
    (sluice.state_dir / "zone").unlink()  # what was counted is forgotten, what is on disk is not
    sluice.start()
    waiting(sluice, 31)
    for i in range(5):
        sluice.put("/usage", b'{"n":%d}' % i)
    for role in ("worker", "shipper"):
        for pid in sluice.children(role):
            os.kill(pid, signal.SIGKILL)
            sluice.wait_child(role, but=[pid])
    sluice.session.close()
    waiting(sluice, 36)

    # The destination is there again.
    sluice.configure(streams={"usage": f"sink dir {tmp_path}/out; bundle_interval 1s;"}, server=LOCATIONS, main=main)
    sluice.reload()
    sluice.wait_log("configuration reloaded")
    sluice.session.close()
    waiting(sluice, 0)


def test_bundles_that_wait_are_counted(counting, scripted_store):
    """Packed ones, whose segments are gone: each says itself how many records it holds."""
    scripted_store.script(status(500), times=1000)
    sluice = counting(
        store=scripted_store, bucket=scripted_store.bucket(),
        streams={"usage": "sink s3 s bucket={bucket}; bundle_interval 1s; breaker failures=1 open=200ms; retry initial=100ms max_interval=200ms;"})
    for i in range(7):
        sluice.put("/usage", b'{"n":%d}\n' % i)
    packed = lambda: [name for name in sluice.data_files() if name.endswith(".gz")]
    wait_until(packed, lambda: f"a bundle: {sluice.data_files()}")
    waiting(sluice, 7)
    sluice.kill_all()
    (sluice.state_dir / "zone").unlink()
    sluice.start()
    waiting(sluice, 7)
    scripted_store.clear_script()
    waiting(sluice, 0)


def test_objects_that_wait_are_counted(counting):
    sluice = counting(streams={"usage": HELD.replace("bundle_interval 1s;", "mode object;")})
    for i in range(3):
        assert sluice.put(f"/usage?uri=http://a/{i}", b"object").status_code == 204
    waiting(sluice, 3)


def test_it_never_waits_less_than_nothing(counting, embedded):
    """While records come and go the number is never negative, and ends at 0."""
    sluice = counting()
    seen = []
    for _ in range(60):
        sluice.put("/usage", b"{}")
        seen.append(scrape(sluice).value("message_queue_length", queue_name="usage"))
    assert 0 < max(seen) <= 60 and min(seen) >= 0
    waiting(sluice, 0)
