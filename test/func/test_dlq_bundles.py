"""Bundles and objects as dead letters: given up after so many attempts, looked into, sent again under their own key, discarded; damaged ones as poison."""

import json
import os
import signal

import pytest

from lib.admin import api
from lib.letters import listed, one, stats, wait_status
from lib.store import status
from lib.wait import wait_until

RETRY = "retry max=1 initial=20ms max_interval=50ms jitter=off; breaker failures=100000 open=50ms;"
STREAMS = {
    "usage": f"sink s3 s bucket={{bucket}} prefix=usage/; bundle_interval 100ms; {RETRY}",
    "specimen": f"sink s3 s bucket={{bucket}} prefix=specimen/; mode object; {RETRY}",
}


@pytest.fixture
def shop(server, scripted_store):
    sluice = server(store=scripted_store, bucket="scripted", streams=STREAMS, server="location = /metrics { metrics; }")
    sluice.bucket = scripted_store.bucket()
    return sluice


def put(sluice, stream, *bodies):
    for body in bodies:
        path = f"/{stream}?uri=http%3A%2F%2Fh%2Fshot.png" if stream == "specimen" else f"/{stream}"
        assert sluice.put(path, body).status_code == 204


def wait_letters(sluice, count, **query):
    return wait_until(
        lambda: (found := listed(sluice, **query)["messages"]) and len(found) == count and found,
        lambda: f"{count} dead letters: {listed(sluice)}\n{sluice.tail()}",
    )


def decide(sluice, method, path, ids, **more):
    answer = api(sluice, path, method, json.dumps({"message_ids": ids, "operator": "ann", "reason": "mended", **more}))
    assert answer.status in (200, 202), answer.text
    return answer.json


def reprocess(sluice, ids, **more):
    return decide(sluice, "POST", "/api/dlq/reprocess", ids, **more)


def records(sluice, id, **query):
    answer = api(sluice, f"/api/dlq/records/{id}?" + "&".join(f"{k}={v}" for k, v in query.items()))
    assert answer.status == 200, answer.text
    return answer.json


@pytest.mark.sanitize
@pytest.mark.parametrize("stream", ["usage", "specimen"])
def test_given_up_sent_again_and_found_once(shop, scripted_store, stream):
    # The last attempt does land, and nobody hears of it.
    scripted_store.script(status(503, "SlowDown"), status(503, "SlowDown", after=True))
    put(shop, stream, b"one")
    [m] = wait_letters(shop, 1)
    assert (m["kind"], m["status"], m["error_type"]) == ("bundle" if stream == "usage" else "object", "pending", "transient")
    assert (m["attempts"], m["retry_count"], m["error_status"]) == (2, 1, 503) and "SlowDown" in m["error_message"]
    assert m["stream"] == stream and m["original_subject"] == f"dlq.{stream}" and m["key"].startswith(f"{stream}/")
    [key] = shop.bucket.keys(f"{stream}/")
    assert reprocess(shop, [m["id"]])["accepted"] == 1
    wait_status(shop, [m["id"]], "resolved")
    # It was recognised by its id: the same object, once.
    assert shop.bucket.keys(f"{stream}/") == [key] == [m["key"]]
    whole = one(shop, m["id"])
    assert [e["event"] for e in whole["history"]] == ["attempt", "attempt", "dead", "reprocess", "attempt", "resolved"]
    assert shop.stop() == 0


def test_fails_again_and_comes_back(shop, scripted_store):
    scripted_store.script(status(503, "SlowDown"), times=4)
    put(shop, "usage", b"one")
    [m] = wait_letters(shop, 1)
    reprocess(shop, [m["id"]])
    wait_until(lambda: one(shop, m["id"])["reprocess_count"] == 1 and one(shop, m["id"])["status"] == "pending", "it came back")
    assert one(shop, m["id"])["attempts"] == 4
    assert not shop.bucket.keys("usage/")
    reprocess(shop, [m["id"]])
    wait_status(shop, [m["id"]], "resolved")
    assert [r for key in shop.bucket.keys("usage/") for r in shop.bucket.get(key).records()] == [b"one"]


def test_records_of_a_bundle(shop, scripted_store):
    scripted_store.script(status(503, "SlowDown"), times=1000, key="usage/2")
    bodies = [json.dumps({"n": n, "text": "ü" * n}).encode() for n in range(40)]
    put(shop, "usage", *bodies)
    wait_until(lambda: sum(m["records"] for m in listed(shop)["messages"]) == 40, lambda: f"all are in letters: {listed(shop)}")
    found = []
    for m in reversed(listed(shop)["messages"]):
        page = records(shop, m["id"], per_page=100)
        assert page["total"] == m["records"] and [r["number"] for r in page["records"]] == list(range(m["records"]))
        found += [r["text"].encode() for r in page["records"]]
        last = records(shop, m["id"], page=page["total"], per_page=1)["records"]
        assert last == page["records"][-1:]
        assert records(shop, m["id"], page=page["total"] + 1, per_page=1)["records"] == []
    assert sorted(found) == sorted(bodies)


def test_discarded(shop, scripted_store):
    scripted_store.script(status(503, "SlowDown"), times=2)
    put(shop, "usage", b"one")
    [m] = wait_letters(shop, 1)
    assert decide(shop, "DELETE", "/api/dlq/discard", [m["id"]])["discarded"] == 1
    answer = api(shop, "/api/dlq/reprocess", "POST", json.dumps({"message_ids": [m["id"]]}))
    assert answer.status == 409
    put(shop, "usage", b"two")
    wait_until(lambda: shop.bucket.keys("usage/"), "a later one is sent")
    assert [r for key in shop.bucket.keys("usage/") for r in shop.bucket.get(key).records()] == [b"two"]
    whole = one(shop, m["id"])
    assert (whole["status"], whole["resolved_by"], whole["reason"]) == ("discarded", "ann", "mended")
    assert shop.stop() == 0


@pytest.mark.sanitize
def test_kills_while_letters_are_made_and_sent_again(shop, scripted_store):
    """kill -9 of the shipper again and again: each record is in the store once, or in one letter; in the end all are in the store."""
    sent = []
    for round in range(3):
        scripted_store.script(status(503, "SlowDown"), times=3)
        bodies = [f"r{round}-{n}".encode() for n in range(3)]
        put(shop, "usage", *bodies)
        sent += bodies
        pending = [m["id"] for m in listed(shop, status="pending")["messages"]]
        if pending:
            reprocess(shop, pending)
        [pid] = shop.children("shipper")
        os.kill(pid, signal.SIGKILL)
        shop.wait_child("shipper", but=[pid])

    def all_there():
        pending = [m["id"] for m in listed(shop, status="pending", per_page=500)["messages"]]
        if pending:
            reprocess(shop, pending)
        found = [r for key in shop.bucket.keys("usage/") for r in shop.bucket.get(key).records()]
        assert len(found) == len(set(found)), found
        return sorted(found) == sorted(sent)

    wait_until(all_there, lambda: f"every record is in the store: {listed(shop)}\n{shop.tail()}")
    assert shop.stop() == 0


def test_damaged_ones_are_poison(shop, server):
    """What cannot be read is shown; it is not sent again by anybody; discarded, it is gone from corrupt/ as well."""
    put(shop, "usage", b"good")
    wait_until(lambda: shop.bucket.keys("usage/"), "it is sent")
    shop.kill_all()
    corrupt = shop.state_dir / "usage" / "corrupt"
    corrupt.mkdir(exist_ok=True)
    (corrupt / "20261122T010203000000000Z.1.7").write_bytes(b"no segment")
    shop.start()
    [m] = wait_letters(shop, 1)
    assert (m["error_type"], m["kind"], m["size"]) == ("poison", "bundle", 10) and "damaged" in m["error_message"]
    assert api(shop, f"/api/dlq/payload/{m['id']}").body == b"no segment"
    answer = api(shop, "/api/dlq/reprocess", "POST", json.dumps({"message_ids": [m["id"]]}))
    assert answer.status == 409 and "force" in answer.json["skipped"][0]["error"]
    reprocess(shop, [m["id"]], force=True)
    wait_until(lambda: one(shop, m["id"])["status"] == "pending" and one(shop, m["id"])["reprocess_count"] == 1, "it came back")
    assert "damaged" in one(shop, m["id"])["error_message"] and one(shop, m["id"])["error_type"] == "poison"
    decide(shop, "DELETE", "/api/dlq/discard", [m["id"]])
    put(shop, "usage", b"more")
    wait_until(lambda: not list(corrupt.iterdir()), "the file is gone")
    assert stats(shop)["status"]["discarded"] == 1
