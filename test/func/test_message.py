"""Delivery of single records to a service: retries, what cannot be delivered, the breaker, order, restarts and kills, stopping with work left."""

import json
import os
import signal
import time

import psutil
import pytest

from lib.admin import api
from lib.metrics import scrape
from lib.scripted import garbage, hang, slow, status, truthful
from lib.wait import PATIENCE, wait_until
from lib.worker import ScriptedWorker

# Retries come fast, and a few failures do not open the breaker.
FAST = "retry initial=20ms max_interval=200ms jitter=off; breaker failures=1000 open=100ms;"


@pytest.fixture
def worker():
    one = ScriptedWorker()
    yield one
    one.stop()


@pytest.fixture
def queue(server, worker):
    """A server whose stream `jobs` goes to the worker. directives: of the stream."""

    def start(directives=FAST, workers=2, shutdown="30s", **options):
        return server(
            streams={},
            main=f"worker_processes {workers}; worker_shutdown_timeout {shutdown};",
            http=f"stream jobs {{ sink http {worker.endpoint}/do; {directives} }}",
            server="""
                location = /jobs { auth user_token; ingest jobs status=202 body='{"id":"$record_id"}'; }
                location = /metrics { metrics; }""",
            **options,
        )

    return start


def post(sluice, body, user="u", **headers):
    """The id of a record that was taken in."""
    body = body if isinstance(body, bytes) else str(body).encode()
    headers = {"USER_TOKEN": user, **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = sluice.session.post(sluice.url + "/jobs", data=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def ids(requests):
    return [request.headers["idempotency-key"] for request in requests]


def texts(requests):
    return [request.body.decode() for request in requests]


def attempts(requests):
    return [int(request.headers["x-sluice-attempt"]) for request in requests]


def wait_dead(sluice, count=1, type="transient"):
    return wait_until(
        lambda: (page := scrape(sluice)).value("sluice_delivery_dead_letters_total", stream="jobs", type=type) >= count and page,
        lambda: f"{count} {type} dead letters\n{sluice.tail()}",
    )


def waiting(sluice):
    return scrape(sluice).value("message_queue_length", queue_name="jobs")


def wait_empty(sluice):
    wait_until(lambda: waiting(sluice) == 0, lambda: f"nothing waits, but {waiting(sluice)}\n{sluice.tail()}")


def breaker(sluice):
    return scrape(sluice).value("sluice_breaker_state", stream="jobs")


def kill_shipper(sluice):
    [pid] = sluice.children("shipper")
    os.kill(pid, signal.SIGKILL)
    return sluice.wait_child("shipper", but=[pid])


# ---- delivered


@pytest.mark.sanitize
def test_each_record_arrives_once_under_the_id_that_its_client_was_told(queue, worker):
    sluice = queue()
    told = {post(sluice, f"record {i}"): f"record {i}" for i in range(200)}
    arrived = worker.wait_accepted(200)
    assert dict(zip(ids(arrived), texts(arrived))) == told and len(told) == 200
    wait_empty(sluice)
    # Workers have files open still, but all that is in them is done.
    assert list((sluice.state_dir / "jobs").glob("*.open"))
    wait_until(lambda: api(sluice, "/api/streams").json["streams"][0]["waiting_files"] == 0, "no file waits")
    assert sluice.stop() == 0
    assert len(worker.requests) == 200
    assert not [name for name in sluice.data_files() if not name.startswith(("jobs/journal/", "dlq/"))]


@pytest.mark.parametrize("length", [0, 1, 65_400, 65_536, 65_537, 400_000])
def test_bodies_of_any_length_arrive_whole(queue, worker, length):
    sluice = queue()
    worker.script(status(503), times=1)  # the second time they are read again
    post(sluice, os.urandom(length))
    [first, second] = worker.wait_seen(2)
    assert first.body == second.body and len(first.body) == length and attempts([first, second]) == [1, 2]
    assert ids([first]) == ids([second])
    assert sluice.stop() == 0


def test_records_of_a_reload_are_neither_lost_nor_sent_twice(queue, worker):
    sluice = queue(directives=FAST + "concurrency 8;")
    worker.script(slow(0.05), times=None)
    told = [post(sluice, i) for i in range(30)]
    sluice.reload()
    told += [post(sluice, i) for i in range(30, 60)]
    worker.wait_accepted(60)
    assert sluice.stop() == 0
    assert sorted(ids(worker.requests)) == sorted(told)


def test_an_attempt_that_takes_long_holds_up_no_other_retry(queue, worker):
    """Two are to be tried again, one after the other, and nothing else happens: the second try of the first hangs, that of the other does not wait for it."""

    def moody(exchange):
        attempt = exchange.request.headers["x-sluice-attempt"]
        first = exchange.request.body == b"first"
        (status(503) if attempt == "1" else hang() if first and attempt == "2" else truthful)(exchange)

    sluice = queue(directives="concurrency 4; deliver_timeout 1h; retry initial=500ms jitter=off; breaker failures=1000;")
    worker.script(moody, times=None)
    post(sluice, "first")
    post(sluice, "second")
    assert texts(worker.wait_accepted(1)) == ["second"]
    worker.release()
    assert set(texts(worker.wait_accepted(2))) == {"first", "second"}


def test_so_many_at_once_and_no_more(queue, worker):
    sluice = queue(directives=FAST + "concurrency 3;")
    worker.script(hang(), times=3)
    told = [post(sluice, i) for i in range(9)]
    worker.wait_seen(3)
    assert scrape(sluice).value("message_queue_length", queue_name="jobs") == 9
    assert len(worker.requests) == 3
    worker.release()
    worker.wait_accepted(9)
    assert set(ids(worker.accepted)) == set(told)


# ---- retries and dead letters


@pytest.mark.sanitize
def test_failed_attempts_are_made_again_after_growing_waits(queue, worker):
    sluice = queue(directives="retry initial=100ms jitter=on; breaker failures=1000;")
    worker.script(status(500), garbage(), status(503))
    post(sluice, "x")
    worker.wait_accepted(1)
    tries = worker.seen()
    assert attempts(tries) == [1, 2, 3, 4] and len(set(ids(tries))) == 1
    waits = [after.at - before.at for before, after in zip(tries, tries[1:])]
    assert all(wait >= least for wait, least in zip(waits, [0.1, 0.2, 0.4]))
    page = scrape(sluice)
    assert page.value("sluice_delivery_retries_total", stream="jobs") == 3
    assert page.value("sluice_delivery_attempts_total", stream="jobs", result="again") == 3
    assert page.value("sluice_delivery_attempts_total", stream="jobs", result="confirmed") == 1


def test_three_retries_and_then_a_dead_letter_with_its_error(queue, worker):
    sluice = queue()
    worker.script(status(500, b"no such table"), times=None)
    id = post(sluice, "x", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    wait_dead(sluice)
    assert attempts(worker.requests) == [1, 2, 3, 4]
    [line] = sluice.wait_log("dead letter")
    assert id in line and "no such table" in line and "attempts=4" in line and "4bf92f3577b34da6a3ce929d0e0e4736" in line
    worker.clear_script()
    post(sluice, "y")
    worker.wait_accepted(1)
    wait_empty(sluice)
    assert sluice.stop() == 0


def test_what_is_refused_is_a_dead_letter_at_once_and_blocks_nobody(queue, worker):
    sluice = queue(directives=FAST + "concurrency 1;")
    worker.script(status(422, b"a number is wanted"), times=1)
    post(sluice, "bad")
    post(sluice, "good")
    worker.wait_accepted(1)
    wait_dead(sluice, type="permanent")
    assert texts(worker.requests) == ["bad", "good"]
    assert breaker(sluice) == 0


def test_older_than_max_age_is_not_tried_again(queue, worker):
    sluice = queue(directives="retry max=unlimited initial=300ms; breaker failures=1000; max_age 1s;")
    worker.script(status(500, b"broken"), times=None)
    post(sluice, "x")
    wait_dead(sluice)
    assert 2 <= len(worker.requests) <= 5
    assert "broken" in sluice.wait_log("dead letter")[0]


def test_destination_is_left_alone_for_as_long_as_it_asks(queue, worker):
    sluice = queue()
    worker.script(status(429, headers={"Retry-After": "1"}))
    post(sluice, "first")
    [asked] = worker.wait_seen(1)
    time.sleep(0.1)  # by then the answer has been read
    post(sluice, "second")
    worker.wait_accepted(2)
    assert all(request.at - asked.at >= 1 for request in worker.accepted)


# ---- the breaker


@pytest.mark.sanitize
def test_while_the_destination_is_away_nothing_is_consumed(queue, worker):
    sluice = queue(directives="retry initial=20ms; breaker failures=3 open=150ms; concurrency 1;")
    post(sluice, "before")
    worker.wait_accepted(1)
    worker.stop()
    told = [post(sluice, i) for i in range(30)]
    wait_until(lambda: breaker(sluice) != 0, "the breaker is open")
    # Probes fail, again and again, and are not counted against anybody.
    probes = "sluice_delivery_attempts_total"
    wait_until(lambda: scrape(sluice).value(probes, stream="jobs", result="again") >= 10, "some probes")
    page = scrape(sluice)
    assert page.value("message_queue_length", queue_name="jobs") == 30
    assert page.value("sluice_delivery_retries_total", stream="jobs") <= 3
    worker.start()
    worker.wait_accepted(31)
    wait_until(lambda: breaker(sluice) == 0, "the breaker is closed")
    wait_empty(sluice)
    assert set(told) <= set(ids(worker.accepted)) and len(worker.accepted) == 31
    assert scrape(sluice).sum("sluice_delivery_dead_letters_total") == 0
    assert sluice.stop() == 0


def test_outage_behind_a_proxy_fills_no_dead_letters(queue, worker):
    sluice = queue(directives="retry initial=10ms; breaker failures=2 open=20ms;")
    worker.script(status(503), times=40)
    for i in range(3):
        post(sluice, i)
    worker.wait_accepted(3)
    assert scrape(sluice).sum("sluice_delivery_dead_letters_total") == 0
    assert max(attempts(worker.accepted)) <= 3


@pytest.mark.parametrize("code", [401, 404, 407])
def test_wrong_set_up_holds_what_waits_and_counts_nothing(queue, worker, code):
    sluice = queue(directives="retry max=0 initial=10ms; breaker failures=5 open=50ms;")
    worker.script(status(code), times=6)
    told = [post(sluice, i) for i in range(3)]
    sluice.wait_log("destination refuses us: messages are held")
    worker.wait_accepted(3)
    assert set(ids(worker.accepted)) == set(told) and set(attempts(worker.requests)) == {1}
    wait_until(lambda: breaker(sluice) == 0, "the breaker is closed")
    page = scrape(sluice)
    assert page.value("sluice_delivery_attempts_total", stream="jobs", result="held") == 6
    assert page.sum("sluice_delivery_dead_letters_total") == 0


# ---- order


@pytest.mark.sanitize
def test_records_of_a_user_keep_their_order_and_hold_up_no_other(queue, worker):
    sluice = queue(directives="order_by user; concurrency 8; retry initial=300ms; breaker failures=1000;", workers=2)
    worker.script(status(500), key="", times=1)
    for i in range(40):
        for user in ("ann", "bob"):
            sluice.session.close()  # whichever worker takes it
            post(sluice, f"{user} {i}", user=user)
    arrived = texts(worker.wait_accepted(80))
    for user in ("ann", "bob"):
        assert [t for t in arrived if t.startswith(user)] == [f"{user} {i}" for i in range(40)]
    failed = texts(worker.requests)[0].split()[0]
    other = {"ann": "bob", "bob": "ann"}[failed]
    assert arrived.index(f"{other} 1") < arrived.index(f"{failed} 0")


def test_order_by_a_member_of_the_body(queue, worker):
    sluice = queue(directives=FAST + "order_by json:to.account; concurrency 16;")
    worker.script(status(503), status(503), status(503))
    for i in range(60):
        post(sluice, f'{{"n": {i}, "to": {{"account": {i % 4}}}}}')
    arrived = [eval(t) for t in texts(worker.wait_accepted(60))]
    for account in range(4):
        assert [r["n"] for r in arrived if r["to"]["account"] == account] == list(range(account, 60, 4))


# ---- restarts, kills, stops


def test_restart_does_not_forget_attempts(queue, worker):
    sluice = queue(directives="retry initial=200ms max_interval=200ms jitter=off; breaker failures=1000;", shutdown="200ms")
    worker.script(status(500), times=None)
    id = post(sluice, "x")
    worker.wait_seen(2)
    assert sluice.stop() == 3
    sluice.start()
    wait_dead(sluice)
    assert attempts(worker.requests) == [1, 2, 3, 4] and set(ids(worker.requests)) == {id}


def test_killed_shipper_sends_again_what_was_on_its_way_and_little_more(queue, worker):
    sluice = queue(directives=FAST + "concurrency 4;")
    worker.script(slow(0.01), times=None)
    told, kills = [], 0
    for i in range(120):
        told.append(post(sluice, i))
        if i % 40 == 30:
            kill_shipper(sluice)
            kills += 1
    wait_until(lambda: set(ids(worker.accepted)) == set(told), lambda: f"all arrive: {len(worker.accepted)}\n{sluice.tail()}")
    wait_empty(sluice)
    assert sluice.stop() == 0
    # Besides those on their way, what was done in the instant before, of which nothing had been written down.
    assert len(worker.accepted) - len(told) <= kills * 60


def test_power_cut_in_the_middle(queue, worker):
    sluice = queue(directives=FAST + "concurrency 2;")
    worker.script(slow(0.02), times=None)
    told = [post(sluice, i) for i in range(40)]
    worker.wait_accepted(10)
    sluice.kill_all()
    sluice.start()
    wait_until(lambda: set(ids(worker.accepted)) == set(told), lambda: f"all arrive: {len(worker.accepted)}\n{sluice.tail()}")
    assert {r.headers["idempotency-key"]: r.body for r in worker.accepted} == {id: b"%d" % i for i, id in enumerate(told)}
    wait_empty(sluice)
    assert sluice.stop() == 0


def test_killed_worker_process_costs_nothing(queue, worker):
    sluice = queue(workers=1)
    told = [post(sluice, i) for i in range(5)]
    [pid] = sluice.children("worker")
    os.kill(pid, signal.SIGKILL)
    sluice.wait_child("worker", but=[pid])
    sluice.session.close()
    wait_until(lambda: sluice.get("/health").status_code == 200, "the new one answers")
    told += [post(sluice, i) for i in range(5, 10)]
    worker.wait_accepted(10)
    assert sorted(ids(worker.requests)) == sorted(told)
    wait_empty(sluice)


def test_stop_finishes_what_waits(queue, worker):
    sluice = queue(directives=FAST + "concurrency 4;")
    worker.script(slow(0.02), times=None)
    told = [post(sluice, i) for i in range(60)]
    assert sluice.stop() == 0
    assert sorted(ids(worker.accepted)) == sorted(told) == sorted(ids(worker.requests))


def test_stop_with_work_left_says_so_and_a_start_takes_it_up(queue, worker):
    sluice = queue(directives=FAST + "concurrency 2; deliver_timeout 60s;", shutdown="500ms")
    worker.script(hang(), times=2)
    told = [post(sluice, i) for i in range(6)]
    worker.wait_seen(2)
    assert sluice.stop() == 3
    assert "stopped with data still waiting on disk" in sluice.log()
    sluice.start()
    worker.wait_accepted(6)
    assert set(ids(worker.accepted)) == set(told)
    assert set(attempts(worker.requests)) == {1}  # cut short by us: not counted
    assert sluice.stop() == 0


# ---- the spool


def test_damaged_record_costs_itself_only(queue, worker):
    sluice = queue(directives="breaker failures=1 open=50ms;", shutdown="200ms", workers=1)
    worker.stop()
    told = [post(sluice, f"record {i}") for i in range(9)]
    assert sluice.stop() == 3
    [segment] = [path for path in (sluice.state_dir / "jobs").iterdir() if path.is_file()]
    data = bytearray(segment.read_bytes())
    data[data.index(b"record 4")] ^= 1
    segment.write_bytes(data)
    worker.start()
    sluice.start()
    worker.wait_accepted(8)
    wait_dead(sluice, type="poison")
    assert set(ids(worker.accepted)) == set(told) - {told[4]}
    wait_until(lambda: (sluice.state_dir / "jobs/corrupt" / segment.name).exists(), "it is kept")
    assert scrape(sluice).value("sluice_spool_damaged_bytes_total", stream="jobs") > 0
    assert sluice.stop() == 0


def test_long_backlog_is_not_held_in_memory(queue, worker):
    sluice = queue(directives="breaker failures=1 open=200ms; concurrency 2; spool_size 1g;")
    post(sluice, "first")
    worker.wait_accepted(1)
    before = psutil.Process(sluice.children("shipper")[0]).memory_full_info().pss
    worker.stop()
    body = b"b" * 60_000
    told = [post(sluice, body) for _ in range(300)]
    wait_until(lambda: breaker(sluice) != 0, "the breaker is open")
    after = psutil.Process(sluice.children("shipper")[0]).memory_full_info().pss
    assert after - before < 12 << 20
    worker.start()
    worker.wait_accepted(301)
    assert sorted(ids(worker.accepted[1:])) == sorted(told)
    wait_empty(sluice)
    assert sluice.stop() == 0


# ---- what operators do


def letters(sluice, count):
    """The dead letters, once there are so many."""
    return wait_until(
        lambda: (found := api(sluice, "/api/dlq/messages").json)["total"] == count and found["messages"],
        lambda: f"{count} dead letters\n{sluice.tail()}",
    )


@pytest.mark.sanitize
def test_dead_letters_are_sent_again_as_they_came(queue, worker):
    sluice = queue()
    sent = {os.urandom(30): "text/x-job", os.urandom(400_000): "image/png"}
    worker.script(status(422), times=2)
    told = {post(sluice, body, user="ann", Content_Type=type): body for body, type in sent.items()}
    found = letters(sluice, 2)
    assert {m["original_message_id"] for m in found} == set(told) and {m["status"] for m in found} == {"pending"}
    wait_empty(sluice)
    wish = {"message_ids": [m["id"] for m in found], "operator": "ann", "reason": "mended"}
    assert api(sluice, "/api/dlq/reprocess", "POST", json.dumps(wish).encode()).status == 202
    arrived = worker.wait_accepted(2)
    assert {r.headers["idempotency-key"]: r.body for r in arrived} == told
    assert {r.body: r.headers["content-type"] for r in arrived} == sent and attempts(arrived) == [2, 2]
    wait_until(lambda: {m["status"] for m in letters(sluice, 2)} == {"resolved"}, "both are resolved")
    assert sluice.stop() == 0


def test_letter_that_fails_again_is_a_letter_again(queue, worker):
    sluice = queue()
    worker.script(status(500), times=8)
    post(sluice, "x")
    [letter] = letters(sluice, 1)
    assert (letter["error_type"], letter["attempts"], letter["retry_count"]) == ("transient", 4, 3)
    assert api(sluice, "/api/dlq/reprocess", "POST", json.dumps({"message_ids": [letter["id"]], "reason": "try"}).encode()).status == 202
    worker.wait_seen(8)
    again = wait_until(lambda: (m := letters(sluice, 1)[0])["status"] == "pending" and m, "it is pending again")
    assert (again["attempts"], again["reprocess_count"]) == (8, 1)
    assert attempts(worker.requests) == list(range(1, 9))


def test_log_of_deliveries(queue, worker):
    sluice = queue()
    worker.script(status(503, b"busy"), times=1)
    id = post(sluice, "x", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    worker.wait_accepted(1)
    wait_empty(sluice)
    rows = api(sluice, f"/api/deliveries?stream=jobs&message_id={id}").json["deliveries"]
    assert [(r["status"], r["attempt"]) for r in rows] == [("success", 2), ("retry", 1)]
    assert rows[1]["error_status"] == 503 and "busy" in rows[1]["error_message"]
    assert {r["trace_id"] for r in rows} == {"4bf92f3577b34da6a3ce929d0e0e4736"} and {r["message_id"] for r in rows} == {id}


def test_purge_drops_what_waits_on_record(queue, worker):
    sluice = queue(directives="breaker failures=1 open=100ms; retry initial=20ms; concurrency 1;")
    worker.stop()
    told = [post(sluice, i) for i in range(50)]
    wait_until(lambda: breaker(sluice) != 0, "the breaker is open")
    wish = {"stream": "jobs", "operator": "ann", "reason": "test data"}
    purged = api(sluice, "/api/spool/purge", "POST", json.dumps(wish).encode()).json["purged"]
    assert purged >= 49
    worker.start()
    new = post(sluice, "new")
    wait_until(lambda: new in ids(worker.accepted), "the new one arrives")
    wait_empty(sluice)
    assert len(worker.accepted) == 51 - purged
    rows = api(sluice, "/api/deliveries?stream=jobs&status=purged&limit=100").json["deliveries"]
    assert len(rows) == purged and {r["message_id"] for r in rows} <= set(told)
    assert all("ann" in r["error_message"] and "test data" in r["error_message"] for r in rows)
    assert sluice.stop() == 0
