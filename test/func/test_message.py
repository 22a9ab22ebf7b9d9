"""Delivery of single records to a service: retries, what cannot be delivered, the breaker, order, restarts and kills, stopping with work left."""

import json
import os
import re
import signal
import time

import pytest

from lib import raw
from lib.metrics import scrape
from lib.scripted import hang, reset, slow, status
from lib.wait import wait_until
from lib.worker import ScriptedWorker

FAST = "retry max=3 initial=50ms max_interval=200ms jitter=off; breaker failures=1000 open=100ms;"


@pytest.fixture
def worker():
    one = ScriptedWorker()
    yield one
    one.stop()


@pytest.fixture
def queue(server, worker):
    """A server whose stream `jobs` goes to the worker. directives: of the stream, in place of FAST."""

    def start(directives=FAST, url=None, **options):
        options.setdefault("main", "")
        blocks = f"stream jobs {{ sink http {url or worker.endpoint}/do; {directives} }}"
        locations = """
            location = /jobs { auth user_token; ingest jobs status=202 body='{"id":"$record_id"}'; }
            location = /metrics { metrics; }"""
        return server(streams={}, http=blocks, server=locations, **options)

    return start


def put(sluice, body, user="u", **headers):
    """The id of a record that was taken in."""
    answer = sluice.put("/jobs", body, user=user, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def ids(requests):
    return [request.headers["idempotency-key"] for request in requests]


def bodies(requests):
    return [request.body for request in requests]


# ---- delivered


@pytest.mark.sanitize
def test_each_record_arrives_once_under_the_id_that_its_client_was_told(queue, worker):
    sluice = queue()
    told = [put(sluice, f"record {i}".encode()) for i in range(200)]
    arrived = worker.wait_accepted(200)
    assert sorted(ids(arrived)) == sorted(told) and len(set(told)) == 200
    assert {r.headers["idempotency-key"]: r.body for r in arrived} == {id: f"record {i}".encode() for i, id in enumerate(told)}
    assert sluice.stop() == 0
    assert len(worker.requests) == 200
