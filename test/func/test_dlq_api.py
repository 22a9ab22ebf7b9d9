"""Dead letters over HTTP: every endpoint, every filter, and what is refused; who may; and a shipper that is away."""

import base64
import gzip
import json
import os
import signal
import urllib.parse

import pytest

from lib.admin import api, new_key
from lib.letters import RETRY, Letters, listed, one, stats, total, wait_status
from lib.store import status
from lib.wait import wait_until

NOBODY = "0" * 31 + "1"


@pytest.fixture
def letters(server):
    made = Letters(server)
    yield made
    made.service.stop()


def post(sluice, body, path="/api/dlq/reprocess", method="POST"):
    return api(sluice, path, method, body if isinstance(body, (bytes, str)) else json.dumps(body))


def discard(sluice, body):
    return post(sluice, body, "/api/dlq/discard", "DELETE")


def ids(answer):
    return [m["id"] for m in answer["messages"]]


# ---- shown


@pytest.mark.sanitize
def test_one_as_it_is_shown(letters):
    sluice = letters.start()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    [id] = letters.make(sluice, "jobs", 400, 1, '{"a": "ü', user="ann", headers={"Content-Type": "application/json", "traceparent": trace})
    [m] = listed(sluice)["messages"]
    assert m["id"] == id and m["stream"] == "jobs" and m["original_subject"] == "dlq.jobs" and m["kind"] == "message"
    assert (m["status"], m["error_type"], m["error_status"]) == ("pending", "permanent", 400) and "400" in m["error_message"]
    assert (m["retry_count"], m["attempts"], m["reprocess_count"]) == (0, 1, 0)
    assert (m["method"], m["user"], m["content_type"], m["trace_id"]) == ("PUT", "ann", "application/json", trace[3:35])
    assert m["size"] == len('400 {"a": "ü0'.encode()) and m["records"] == 1 and m["key"] is None
    assert m["original_created_at"] <= m["dlq_created_at"] and m["last_retry_at"] is not None
    assert m["next_retry_at"] is m["resolved_at"] is m["resolved_by"] is m["reason"] is m["job"] is None
    assert m["original_message_id"] == letters.service.requests[0].headers["idempotency-key"]
    whole = one(sluice, id)
    assert {name: whole[name] for name in m} == m
    assert whole["payload"] == '400 {"a": "ü0' and not whole["payload_json"] and not whole["payload_truncated"]
    assert whole["traceparent"] == trace and whole["destination"].startswith("http:")
    sent = letters.service.requests[0].headers
    assert {name.lower(): value for name, value in whole["headers"].items()} == {
        "content-type": "application/json", "idempotency-key": m["original_message_id"], "traceparent": trace, "x-sluice-stream": "jobs",
        "x-sluice-attempt": "2", "x-sluice-received": sent["x-sluice-received"], "x-sluice-user": "ann"}
    assert [e["event"] for e in whole["history"]] == ["attempt", "dead"] and whole["history"][0]["status"] == 400
    # One that was tried again first.
    [id] = letters.make(sluice, "mail", 503, 1)
    whole = one(sluice, id)
    assert (whole["error_type"], whole["error_status"], whole["retry_count"], whole["attempts"]) == ("transient", 503, 1, 2)


def test_what_the_configuration_adds_may_be_secret(letters):
    sluice = letters.start(streams={"jobs": f'sink http {letters.service.endpoint}/jobs "header=Authorization: Bearer s3cret"; {RETRY}', "mail": f"sink http {letters.service.endpoint}/mail;"})
    [id] = letters.make(sluice, "jobs", 400, 1)
    assert letters.service.requests[0].headers["authorization"] == "Bearer s3cret"
    assert one(sluice, id)["headers"]["Authorization"] == "***" and "s3cret" not in api(sluice, f"/api/dlq/messages/{id}").text


def test_payloads(letters):
    """Text, JSON, bytes, long ones; whole ones as a file."""
    sluice = letters.start()
    bodies = [b'400', b"400 \xff\xfe", b"400" + b"\xc3\xbc" * 40000, b"400" + os.urandom(3_000_000)]
    for i, body in enumerate(bodies):
        assert sluice.put("/jobs", body).status_code == 204
        wait_until(lambda: total(sluice) == i + 1, "it is a dead letter")
    found = [one(sluice, id) for id in reversed(ids(listed(sluice)))]
    assert (found[0]["payload"], found[0]["payload_json"]) == ("400", True)
    assert base64.b64decode(found[1]["payload_base64"]) == bodies[1] and "payload" not in found[1]
    # What is cut is not cut within a character.
    assert found[2]["payload_truncated"] and bodies[2].startswith(found[2]["payload"].encode()) and len(found[2]["payload"].encode()) in (65535, 65536)
    assert found[3]["payload_truncated"] and base64.b64decode(found[3]["payload_base64"]) == bodies[3][:65536]
    for m, body in zip(found, bodies):
        answer = api(sluice, f"/api/dlq/payload/{m['id']}")
        assert answer.status == 200 and answer.body == body
        assert answer.headers["content-type"] == "application/octet-stream" and answer.headers["content-disposition"].startswith("attachment")
    assert api(sluice, f"/api/dlq/payload/{found[3]['id']}", "HEAD").headers["content-length"] == str(len(bodies[3]))
    answer = api(sluice, f"/api/dlq/records/{found[0]['id']}")
    assert answer.status == 400 and "no bundle" in answer.json["error"]


def test_a_bundle_and_its_records(server, scripted_store):
    """What could not be put into a store shows its records, page by page."""
    scripted_store.script(status(500), times=None)
    streams = {"usage": "sink s3 s bucket={bucket} prefix=u/; bundle_interval 50ms; retry max=1 initial=10ms max_interval=20ms; breaker failures=1000 open=50ms;"}
    sluice = server(store=scripted_store, bucket="scripted", streams=streams)
    bodies = [b"{}", b"\xff\xfe", b"x" * 100_000, "ü".encode()]
    for body in bodies:
        assert sluice.put("/usage", body).status_code == 204
    wait_until(lambda: sum(m["records"] for m in listed(sluice)["messages"]) == len(bodies), lambda: f"all are dead letters: {listed(sluice)}\n{sluice.tail()}")
    found = []
    for m in reversed(listed(sluice)["messages"]):
        assert (m["kind"], m["stream"], m["error_type"], m["error_status"]) == ("bundle", "usage", "transient", 500) and m["key"].startswith("u/")
        whole = one(sluice, m["id"])
        assert whole["payload"] is None and whole["headers"] == {} and whole["destination"] == "s3:s/scripted"
        lines = gzip.decompress(api(sluice, f"/api/dlq/payload/{m['id']}").body).split(b"\n")
        for page in range(1, m["records"] + 1):
            answer = api(sluice, f"/api/dlq/records/{m['id']}?page={page}&per_page=1").json
            assert (answer["total"], answer["page"], answer["per_page"]) == (m["records"], page, 1)
            [record] = answer["records"]
            assert record["number"] == page - 1 and record["size"] == len(lines[page - 1])
            found.append((record, lines[page - 1]))
        assert api(sluice, f"/api/dlq/records/{m['id']}?page={m['records'] + 1}&per_page=1").json["records"] == []
        assert api(sluice, f"/api/dlq/records/{m['id']}?per_page=101").status == 400
    assert sorted(line for _, line in found) == sorted(bodies)
    for record, line in found:
        shown = base64.b64decode(record["base64"]) if "base64" in record else record["text"].encode()
        assert shown == line[:65536] and record["truncated"] == (len(line) > 65536)
    # Sent again, they arrive.
    scripted_store.clear_script()
    made = ids(listed(sluice))
    assert post(sluice, {"message_ids": made}).json["accepted"] == len(made)
    wait_status(sluice, made, "resolved")


def test_filters_and_pages(letters):
    sluice = letters.start()
    jobs = letters.make(sluice, "jobs", 400, 3, "apple", user="ann")
    middle = one(sluice, jobs[0])["dlq_created_at"]
    mail = letters.make(sluice, "mail", 503, 2, "pear", user="Bob")
    assert ids(listed(sluice)) == mail + jobs  # newest first
    assert ids(listed(sluice, stream="jobs")) == jobs and ids(listed(sluice, stream="none")) == []
    assert ids(listed(sluice, error_type="transient")) == mail and ids(listed(sluice, error_type="poison")) == []
    assert ids(listed(sluice, status="pending")) == mail + jobs and ids(listed(sluice, status="resolved")) == []
    assert ids(listed(sluice, q="503")) == mail and ids(listed(sluice, q="bOB")) == mail and ids(listed(sluice, q=jobs[1][5:])) == [jobs[1]]
    assert ids(listed(sluice, q="a%_*\\(['\"")) == []
    assert set(ids(listed(sluice, after=middle))) >= set(mail) and jobs[2] in ids(listed(sluice, before=one(sluice, mail[1])["dlq_created_at"]))
    assert ids(listed(sluice, before=1000)) == [] and len(ids(listed(sluice, after=1000))) == 5
    assert ids(listed(sluice, stream="mail", error_type="transient", status="pending", q="50", after=1)) == mail
    first, third = listed(sluice, per_page=2), listed(sluice, per_page=2, page=3)
    assert (first["total"], first["page"], first["per_page"], ids(first)) == (5, 1, 2, (mail + jobs)[:2])
    assert ids(third) == jobs[2:] and third["total"] == 5
    assert ids(listed(sluice, page=4, per_page=2)) == [] and ids(listed(sluice, page=1000000000, per_page=500)) == []


def test_bad_queries(letters):
    sluice = letters.start()
    for query in ("page=0", "page=-1", "page=x", "page=99999999999999999999", "per_page=0", "per_page=501", "status=lost", "error_type=x",
                  "after=yesterday", "before=2026-13-01T00:00:00Z", "job=1", "q=%zz", "q=%ff", "q=" + "x" * 201, "stream=" + "x" * 65):
        answer = api(sluice, f"/api/dlq/messages?{query}")
        assert answer.status == 400 and answer.json["error"].startswith(query.partition("=")[0] + ": "), answer.text
    for path in ("messages/1", "messages/" + "g" * 32, "payload/1", "records/1"):
        answer = api(sluice, f"/api/dlq/{path}")
        assert answer.status == 400 and answer.json["error"].startswith("id: "), answer.text
    for path in ("messages", "payload", "records"):
        assert api(sluice, f"/api/dlq/{path}/{NOBODY}").status == 404
    for path in ("hours=0", "hours=x", "hours=9000"):
        assert api(sluice, f"/api/dlq/stats?{path}").status == 400
    assert api(sluice, "/api/dlq/messages", "PUT").status == 405 and api(sluice, "/api/dlq/nothing").status == 404
    assert "/api/dlq/reprocess" in {e["path"] for e in api(sluice, "/api/").json["endpoints"]}


# ---- decided


@pytest.mark.sanitize
def test_reprocess(letters):
    sluice = letters.start()
    made = letters.make(sluice, "jobs", 400, 3)
    letters.service.well = True
    answer = post(sluice, {"message_ids": made[:2], "operator": "ann", "reason": "fixed"})
    assert answer.status == 202 and (answer.json["matched"], answer.json["accepted"], answer.json["skipped_count"]) == (2, 2, 0)
    wait_status(sluice, made[:2], "resolved")
    m = one(sluice, made[0])
    assert (m["resolved_by"], m["reason"], m["reprocess_count"], m["attempts"]) == ("ann", "fixed", 1, 2) and m["resolved_at"]
    assert m["job"] == answer.json["job"] and ids(listed(sluice, job=m["job"])) == made[:2]
    assert [e["event"] for e in m["history"]] == ["attempt", "dead", "reprocess", "attempt", "resolved"]
    # The entry keeps the status of its last error; how long the attempt took that is known by its time only is not made up.
    assert (m["error_status"], m["history"][3]["status"]) == (400, 200)
    assert m["history"][0]["duration_ms"] is None and m["history"][3]["duration_ms"] > 0
    assert m["history"][2]["operator"] == "ann" and m["history"][2]["reason"] == "fixed"
    assert [r.headers["idempotency-key"] for r in letters.service.accepted if r.headers["idempotency-key"] == m["original_message_id"]] == [m["original_message_id"]]
    assert one(sluice, made[2])["status"] == "pending"
    # What was resolved is sent again only with force.
    answer = post(sluice, {"message_ids": made[:1]})
    assert answer.status == 409 and answer.json["skipped"][0]["id"] == made[0] and answer.json["error"]
    assert post(sluice, {"message_ids": made[:1], "force": True}).status == 202
    wait_until(lambda: one(sluice, made[0])["reprocess_count"] == 2 and one(sluice, made[0])["status"] == "resolved", "it was sent again")


def test_reprocess_what_still_fails(letters):
    sluice = letters.start()
    [id] = letters.make(sluice, "jobs", 503, 1)
    assert post(sluice, {"message_ids": [id]}).status == 202
    wait_until(lambda: one(sluice, id)["status"] == "pending" and one(sluice, id)["attempts"] == 4, lambda: f"it came back: {one(sluice, id)}")
    assert [e["event"] for e in one(sluice, id)["history"]][-4:] == ["reprocess", "attempt", "attempt", "returned"]


def test_reprocess_by_filter_dry_run_and_pace(letters):
    sluice = letters.start()
    jobs, mail = letters.make(sluice, "jobs", 400, 4), letters.make(sluice, "mail", 503, 2)
    letters.service.well = True
    answer = post(sluice, {"filter": {"stream": "jobs"}, "dry_run": True})
    assert answer.status == 202 and answer.json == {"job": None, "matched": 4, "accepted": 4, "skipped": [], "skipped_count": 0, "dry_run": True}
    assert stats(sluice)["status"]["pending"] == 6
    answer = post(sluice, {"filter": {"stream": "none"}})
    assert answer.status == 202 and (answer.json["job"], answer.json["matched"]) == (None, 0)
    answer = post(sluice, {"filter": {"stream": "jobs", "error_type": "permanent", "q": "400"}, "batch": 2, "delay": "10ms", "rate": 1000})
    assert (answer.status, answer.json["accepted"]) == (202, 4)
    wait_status(sluice, jobs, "resolved")
    [job] = api(sluice, "/api/dlq/jobs").json["jobs"]
    assert (job["id"], job["total"], job["batch"], job["delay_ms"], job["rate"], job["operator"]) == (answer.json["job"], 4, 2, 10, 1000, "local")
    wait_until(lambda: api(sluice, "/api/dlq/jobs").json["jobs"][0]["state"] == "done", "the job is done")
    assert api(sluice, "/api/dlq/jobs").json["jobs"][0]["delivered"] == 4
    # Later: it waits, and can be taken back.
    answer = post(sluice, {"message_ids": mail, "override_delay": 3600 * 10**9, "operator": "ann"})
    assert answer.status == 202
    m = one(sluice, mail[0])
    assert m["status"] == "reprocessing" and m["next_retry_at"] > m["dlq_created_at"]
    again = post(sluice, {"message_ids": mail})
    assert again.status == 409 and again.json["skipped_count"] == 2, again.text
    mixed = post(sluice, {"message_ids": [mail[0], NOBODY, jobs[0]], "force": False})
    assert mixed.status == 409 and [s["id"] for s in mixed.json["skipped"]] == [mail[0], NOBODY, jobs[0]]
    job = f"/api/dlq/jobs/{answer.json['job']}"
    cancelled = api(sluice, job, "DELETE", json.dumps({"operator": "bob", "reason": "not now"}))
    assert (cancelled.status, cancelled.json) == (200, {"job": answer.json["job"], "cancelled": 2})
    m = one(sluice, mail[0])
    assert m["status"] == "pending" and m["history"][-1]["event"] == "cancelled" and m["history"][-1]["operator"] == "bob"
    assert api(sluice, job, "DELETE").status == 409
    assert api(sluice, f"/api/dlq/jobs/{NOBODY}", "DELETE").status == 404


@pytest.mark.sanitize
def test_discard(letters):
    sluice = letters.start()
    jobs, mail = letters.make(sluice, "jobs", 400, 3), letters.make(sluice, "mail", 503, 2)
    answer = discard(sluice, {"filter": {"error_type": "transient"}, "dry_run": True})
    assert answer.status == 200 and answer.json == {"matched": 2, "discarded": 2, "skipped": [], "skipped_count": 0, "dry_run": True}
    answer = discard(sluice, {"message_ids": [jobs[0], NOBODY], "operator": "ann", "reason": "test data"})
    assert answer.status == 200 and (answer.json["discarded"], answer.json["skipped_count"]) == (1, 1) and answer.json["skipped"][0]["id"] == NOBODY
    m = one(sluice, jobs[0])
    assert (m["status"], m["resolved_by"], m["reason"]) == ("discarded", "ann", "test data") and m["resolved_at"]
    # Twice is refused, and changes nothing.
    answer = discard(sluice, {"message_ids": [jobs[0]], "operator": "bob"})
    assert answer.status == 409 and one(sluice, jobs[0]) == m
    assert discard(sluice, {"message_ids": [NOBODY]}).status == 404
    assert discard(sluice, {"filter": {"stream": "mail"}}).json["discarded"] == 2
    counts = stats(sluice)
    assert counts["status"] == {"pending": 2, "reprocessing": 0, "resolved": 0, "discarded": 3}
    assert {s["stream"]: (s["pending"], s["discarded"]) for s in counts["streams"]} == {"jobs": (2, 1), "mail": (0, 2)}
    assert counts["error_type"] == {"transient": 0, "permanent": 2, "poison": 0} and counts["bytes"] > 0 and counts["oldest_pending_at"]
    assert sum(h["count"] for h in counts["hourly"]) == 5 and {h["subject"] for h in counts["hourly"]} == {"dlq.jobs", "dlq.mail"}
    assert all(h["date_hour"].endswith(":00:00Z") for h in counts["hourly"])
    assert counts["limits"] == {"max_messages": 10000, "retention_seconds": 604800} and counts["dropped"] == {"max_messages": 0, "retention": 0}


def test_bad_decisions(letters):
    sluice = letters.start()
    [id] = letters.make(sluice, "jobs", 400, 1)
    for body, error in (
        (b"", "either message_ids or filter is needed"),
        (b"{", "the body is not JSON"),
        (b"[]", "the body: an object is needed"),
        ({"message_ids": [id], "filter": {}}, "either message_ids or filter is needed"),
        ({"message_ids": []}, "message_ids: at least one id is needed"),
        ({"message_ids": id}, "message_ids: a list of ids is needed"),
        ({"message_ids": [id, 7]}, "message_ids[1]: an id of 32 hexadecimal digits is needed"),
        ({"message_ids": [NOBODY] * 10001}, "message_ids: at most 10000 ids are allowed"),
        ({"filter": {"status": "lost"}}, "filter.status: pending"),
        ({"filter": {"state": "pending"}}, "filter.state: there is no such member"),
        ({"filter": {"after": -1}}, "filter.after: "),
        ({"filter": {"q": "x" * 201}}, "filter.q: at most 200 bytes are allowed"),
        ({"filter": {}, "force": 1}, "force: true or false is allowed"),
        ({"filter": {}, "operator": "x" * 129}, "operator: at most 128 bytes are allowed"),
        ({"filter": {}, "reason": "x" * 501}, "reason: at most 500 bytes are allowed"),
        ({"filter": {}, "surprise": True}, "surprise: there is no such member"),
    ):
        for decide in (post, discard):
            answer = decide(sluice, body)
            assert answer.status == 400 and answer.json["error"].startswith(error), (body, answer.text)
    for body, error in (({"delay": "soon"}, "delay: "), ({"delay": "30"}, "delay: "), ({"override_delay": -5}, "override_delay: "), ({"override_delay": 1.5}, "override_delay: "),
                        ({"batch": -1}, "batch: "), ({"rate": "fast"}, "rate: "), ({"rate": 10**7}, "rate: ")):
        answer = post(sluice, {"filter": {}, **body})
        assert answer.status == 400 and answer.json["error"].startswith(error), answer.text
    assert discard(sluice, {"filter": {}, "rate": 1}).status == 400
    assert post(sluice, {"message_ids": [id], "reason": "x" * 600_000}).status == 413
    assert one(sluice, id)["status"] == "pending" and [e["event"] for e in one(sluice, id)["history"]] == ["attempt", "dead"]


def test_rules(letters):
    sluice = letters.start(http='dlq { rule "answers? 4.." wait=1h max=2 stream=jobs batch=7; rule never.*this; }')
    rules = api(sluice, "/api/dlq/rules").json["rules"]
    assert [r["pattern"] for r in rules] == ["answers? 4..", "never.*this"]
    assert (rules[0]["stream"], rules[0]["wait_seconds"], rules[0]["max"], rules[0]["batch"], rules[0]["last_run_at"]) == ("jobs", 3600, 2, 7, None)
    assert rules[1]["matched"] == rules[1]["reprocessed"] == 0


# ---- who may


def test_over_tcp_with_an_admin_key(letters, tmp_path):
    keys = tmp_path / "keys"
    secrets = {role: new_key(keys, f"{role}.key", f"--role={role}") for role in ("admin", "service", "user")}
    sluice = letters.start(server=f"location /api/ {{ auth_keys {keys}; admin_api; }}")
    made = letters.make(sluice, "jobs", 400, 2)
    paths = [("GET", "messages"), ("GET", f"messages/{made[0]}"), ("GET", f"payload/{made[0]}"), ("GET", "stats"), ("GET", "jobs"), ("GET", "rules"),
             ("POST", "reprocess"), ("DELETE", "discard"), ("DELETE", f"jobs/{NOBODY}")]
    for method, path in paths:
        url = f"{sluice.url}/api/dlq/{path}"
        assert sluice.session.request(method, url).status_code == 401, path
        for role in ("service", "user"):
            assert sluice.session.request(method, url, headers={"X-API-Key": secrets[role]}).status_code == 403, (role, path)
    assert sluice.get("/api/deliveries?stream=jobs").status_code == 401
    key = {"X-API-Key": secrets["admin"], "X-Sluice-Operator": "root"}
    assert sluice.get("/api/dlq/messages", headers=key).json()["total"] == 2
    # The record has the key's name, and whom it says it is for.
    for id, said, by in ((made[0], {"operator": "ann"}, "admin.key (ann)"), (made[1], {}, "admin.key")):
        answer = sluice.session.delete(f"{sluice.url}/api/dlq/discard", json={"message_ids": [id], **said}, headers=key)
        assert answer.status_code == 200 and one(sluice, id)["resolved_by"] == by


# ---- a shipper that is away


@pytest.mark.sanitize
def test_shipper_that_dies(letters):
    """Its successor answers, and knows what was decided."""
    sluice = letters.start()
    jobs = letters.make(sluice, "jobs", 400, 3)
    job = post(sluice, {"message_ids": jobs[:2], "override_delay": "1h", "operator": "ann", "reason": "later", "rate": 5}).json["job"]
    assert discard(sluice, {"message_ids": jobs[2:]}).status == 200
    for _ in range(2):
        [old] = sluice.children("shipper")
        os.kill(old, signal.SIGKILL)
        sluice.wait_child("shipper", but=[old])
        # Whoever asked while nobody was there has waited.
        [shown] = wait_until(lambda: api(sluice, "/api/dlq/jobs").status == 200 and api(sluice, "/api/dlq/jobs").json["jobs"], "the job is known")
        assert (shown["id"], shown["operator"], shown["reason"], shown["total"], shown["rate"], shown["state"]) == (job, "ann", "later", 2, 5, "running")
        assert [one(sluice, id)["status"] for id in jobs] == ["reprocessing", "reprocessing", "discarded"]
    assert api(sluice, f"/api/dlq/jobs/{job}", "DELETE").json["cancelled"] == 2


def test_shipper_that_does_not_answer(letters):
    """503 in time; what was given up is not done afterwards; everything else goes on."""
    sluice = letters.start()
    jobs = letters.make(sluice, "jobs", 400, 1)
    [shipper] = sluice.children("shipper")
    os.kill(shipper, signal.SIGSTOP)
    try:
        answer = api(sluice, "/api/dlq/messages")
        assert (answer.status, answer.json) == (503, {"error": "the shipper does not answer"}) and int(answer.headers["retry-after"]) > 0
        assert sluice.put("/jobs", b"200").status_code == 204
        [shown] = [p for p in api(sluice, "/api/workers").json["workers"] if p["role"] == "shipper"]
        assert shown["health"] == "unhealthy" and shown["error"]
    finally:
        os.kill(shipper, signal.SIGCONT)
    wait_until(lambda: api(sluice, "/api/dlq/messages").status == 200, "it answers again")
    assert ids(listed(sluice)) == jobs
    sluice.wait_log("admin: the shipper does not answer")


def test_socket_is_for_our_own_processes(letters):
    sluice = letters.start()
    path = sluice.state_dir / "shipper.sock"
    assert path.is_socket() and path.stat().st_mode & 0o777 == 0o600
    # A crash leaves it; the next start replaces it. A reload keeps it.
    sluice.kill_all()
    assert path.exists()
    sluice.start()
    assert listed(sluice)["total"] == 0
    sluice.reload()
    wait_until(lambda: api(sluice, "/api/status").json["configuration"] == 2, "the new configuration is in force")
    assert listed(sluice)["total"] == 0
    assert sluice.stop() == 0
    assert not path.exists()


# ---- deliveries, purging


def test_deliveries(letters):
    sluice = letters.start()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    letters.make(sluice, "jobs", 503, 1, headers={"traceparent": trace})
    assert sluice.put("/jobs", b"fine").status_code == 204
    letters.service.wait_accepted(1)

    def rows(**query):
        answer = api(sluice, "/api/deliveries?" + urllib.parse.urlencode({"stream": "jobs", **query}))
        assert answer.status == 200, answer.text
        return answer.json["deliveries"]

    wait_until(lambda: len(rows()) >= 3, lambda: f"three rows: {rows()}")
    assert [(d["status"], d["attempt"], d["error_status"]) for d in rows()] == [("success", 1, 200), ("failed", 2, 503), ("retry", 1, 503)]
    failed = rows(status="failed")
    assert failed and all(d["status"] == "failed" and d["trace_id"] == trace[3:35] and d["error_message"] for d in failed)
    of_one = rows(message_id=failed[0]["message_id"])
    assert {d["message_id"] for d in of_one} == {failed[0]["message_id"]} and all(d["subject"] == d["stream"] == "jobs" for d in of_one)
    assert all(d["processing_time_ms"] >= 0 and d["created_at"] for d in rows()) and len(rows(limit=1)) == 1
    assert rows(message_id=NOBODY) == []
    for query, error in (("", "stream: "), ("stream=none", "stream: "), ("stream=jobs&limit=0", "limit: "), ("stream=jobs&limit=501", "limit: "),
                         ("stream=jobs&status=x", "status: "), ("stream=jobs&message_id=1", "message_id: "), ("stream=jobs&after=x", "after: ")):
        answer = api(sluice, f"/api/deliveries?{query}")
        assert answer.status in (400, 404) and answer.json["error"].startswith(error), answer.text


def test_purge(letters):
    sluice = letters.start(streams={"jobs": f"sink http {letters.service.endpoint}/jobs; retry max=3 initial=10m; breaker failures=100000;",
                                    "mail": f"sink http {letters.service.endpoint}/mail; {RETRY}"})
    for i in range(5):
        assert sluice.put("/jobs", f"503 {i}".encode()).status_code == 204
    letters.service.wait_seen(5, method="PUT")

    def purge(**body):
        return api(sluice, "/api/spool/purge", "POST", json.dumps(body))

    for body, status in (({"stream": "jobs"}, 400), ({"reason": "x"}, 400), ({"stream": "none", "reason": "x"}, 404), ({"stream": "jobs", "reason": "x", "all": 1}, 400)):
        assert purge(**body).status == status, body
    answer = wait_until(lambda: (a := purge(stream="jobs", operator="ann", reason="test data")).status == 200 and a.json["purged"] and a, "they are purged")
    assert answer.json == {"stream": "jobs", "purged": 5}
    assert purge(stream="jobs", reason="again").json["purged"] == 0
    rows = api(sluice, "/api/deliveries?stream=jobs&status=purged").json["deliveries"]
    assert len(rows) == 5 and all("test data" in d["error_message"] for d in rows)
    sluice.wait_log('message: purged stream=jobs messages=5 operator=ann reason="test data"')
    wait_until(lambda: api(sluice, "/api/streams").json["streams"][0]["waiting_records"] == 0, "nothing waits")
    assert total(sluice) == 0 and sluice.stop() == 0
