"""Dead letters for tests: a service that refuses what it is told to refuse, and a server with two streams to it.

    sluice = letters.start()
    ids = letters.make(sluice, "jobs", 400, 3)     three that the service refused with 400; newest first, as they are listed
    letters.service.well = True                    from now on it takes everything"""

import re
import urllib.parse

from lib.admin import api
from lib.wait import wait_until
from lib.worker import ScriptedWorker

RETRY = "retry max=1 initial=10ms max_interval=20ms jitter=off; breaker failures=100000 open=100ms;"


class Service(ScriptedWorker):
    """Answers with the status that a body begins with, until it is well."""

    well = False

    def apply(self, request):
        status = re.match(rb"[1-5]\d\d", request.body)
        if status and not self.well:
            return int(status.group()), {}, b"no\n"
        return super().apply(request)


class Letters:
    def __init__(self, server):
        self._server = server
        self.service = Service()

    def start(self, server="", http="", streams=None, **options):
        blocks = "".join(
            f"stream {name} {{ {directives} }}"
            for name, directives in (streams or {name: f"sink http {self.service.endpoint}/{name}; {RETRY}" for name in ("jobs", "mail")}).items()
        )
        locations = """
            location = /jobs { auth user_token; ingest jobs; }
            location = /mail { auth user_token; ingest mail; }
            location = /metrics { metrics; }"""
        return self._server(streams={}, http=blocks + http, server=locations + server, **options)

    def make(self, sluice, stream, status, count, text="", **options):
        """The ids of that many new dead letters of the stream, newest first."""
        before = total(sluice)
        for i in range(count):
            answer = sluice.put(f"/{stream}", f"{status} {text}{i}".encode(), **options)
            assert answer.status_code < 300, answer.text
        wait_until(lambda: total(sluice) == before + count, lambda: f"{count} more dead letters than {before}: {stats(sluice)}\n{sluice.tail()}")
        return [m["id"] for m in listed(sluice, per_page=500)["messages"][:count]]


def listed(sluice, **query):
    answer = api(sluice, "/api/dlq/messages?" + urllib.parse.urlencode(query))
    assert answer.status == 200, answer.text
    return answer.json


def one(sluice, id):
    answer = api(sluice, f"/api/dlq/messages/{id}")
    assert answer.status == 200, answer.text
    return answer.json


def stats(sluice):
    return api(sluice, "/api/dlq/stats").json


def total(sluice):
    return sum(stats(sluice)["status"].values())


def wait_status(sluice, ids, status):
    """Until all of them are in that state."""
    wait_until(
        lambda: all(one(sluice, id)["status"] == status for id in ids),
        lambda: f"{status}: {[(id, one(sluice, id)['status'], one(sluice, id)['error_message']) for id in ids]}\n{sluice.tail()}",
    )
