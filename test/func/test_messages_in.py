"""Taking in records that are delivered one by one: what is kept beside them, ids that clients are told, limits, what is refused."""

import gzip
import json
import re
import subprocess
import threading

import pytest
import requests

from lib import config, raw
from lib.ports import free_port
from lib.scripted import status
from lib.segments import records_in
from lib.server import program
from lib.wait import PATIENCE, wait_until

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def taking(server):
    """A server whose stream `jobs` has a destination that is away, so that what it takes in stays. ingest: rest of the location's line."""

    def start(ingest="", stream="", main=""):
        nobody = f"http://127.0.0.1:{free_port()}/"
        blocks = f"stream jobs {{ sink http {nobody}; retry max=unlimited; {stream} }}"
        return server(streams={}, main=main, http=blocks, server=f"location = /jobs {{ ingest jobs {ingest}; }}")

    return start


def put(sluice, body, **headers):
    return sluice.session.put(
        sluice.url + "/jobs", data=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def kept(sluice):
    return records_in(sluice.state_dir / "jobs")


# ---- what is kept


@pytest.mark.sanitize
def test_what_delivery_needs_is_kept_beside_the_record(taking):
    sluice = taking()
    assert put(sluice, b"plain", Content_Type="text/x-job; a=1", traceparent=TRACE).status_code == 204
    assert put(sluice, gzip.compress(b"packed"), Content_Encoding="gzip", Content_Type="text/plain").status_code == 204
    assert put(sluice, b"coded", Content_Encoding="br").status_code == 204
    assert sluice.session.post(sluice.url + "/jobs", data=b"posted").status_code == 204
    assert put(sluice, b"L" * 70_000, Content_Type="text/long").status_code == 204
    assert put(sluice, b"").status_code == 204
    found = {body: record.attrs for body, record in kept(sluice).items()}
    assert found[b"plain"] == {"method": "PUT", "type": "text/x-job; a=1", "trace": TRACE}
    made = [attrs.pop("trace") for body, attrs in found.items() if body != b"plain"]
    assert found[b"packed"] == {"method": "PUT", "type": "text/plain"}
    assert found[b"coded"] == {"method": "PUT", "encoding": "br"}
    assert found[b"posted"] == {"method": "POST"}
    assert found[b"L" * 70_000] == {"method": "PUT", "type": "text/long"}
    assert found[b""] == {"method": "PUT"}  # a request without a body is one all the same
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace) for trace in made)
    assert len({trace[3:35] for trace in made}) == len(made) == 5


@pytest.mark.parametrize("trace", ["00-" + "0" * 32 + "-00f067aa0ba902b7-01", "garbage", TRACE + "-more", TRACE.upper()])
def test_malformed_trace_is_not_passed_on(taking, trace):
    sluice = taking("""status=202 body='{"trace":"$trace_id"}'""")
    told = put(sluice, b"x", traceparent=trace).json()["trace"]
    assert re.fullmatch("[0-9a-f]{32}", told) and told not in trace.lower()
    assert kept(sluice)[b"x"].attrs["trace"][3:35] == told


def test_later_version_of_a_trace_is_kept_as_far_as_it_is_known(taking):
    sluice = taking()
    assert put(sluice, b"x", traceparent="cc" + TRACE[2:] + "-what-comes-next").status_code == 204
    assert kept(sluice)[b"x"].attrs["trace"] == "cc" + TRACE[2:]


# ---- ids


@pytest.mark.sanitize
def test_clients_are_told_the_id_of_their_record(taking):
    sluice = taking("""status=202 body='{"id":"$record_id","trace_id":"$trace_id","request":"$request_id"}'""")
    bodies = [b"one", b"two", b"3" * 70_000, b"four"]
    answers = [put(sluice, body, traceparent=TRACE, X_Request_Id=f"r{len(body)}") for body in bodies]
    found = kept(sluice)
    for body, answer in zip(bodies, answers):
        assert answer.status_code == 202 and answer.headers["Content-Type"] == "application/json"
        assert answer.json() == {"id": found[body].id, "trace_id": TRACE[3:35], "request": f"r{len(body)}"}
    assert len({record.id for record in found.values()}) == len(bodies)


@pytest.mark.sanitize
def test_repeated_put_is_told_the_same_id(taking):
    sluice = taking("""status=200 body='{"id":"$record_id"}'""")
    wait_until(lambda: put(sluice, b"first", Idempotency_Key="k").status_code == 200, "earlier keys are known")
    told = {put(sluice, b"first", Idempotency_Key="k", Connection="close").json()["id"] for _ in range(6)}
    other = put(sluice, b"other", Idempotency_Key="l").json()["id"]
    found = kept(sluice)
    assert sorted(found) == [b"first", b"other"]
    assert told == {found[b"first"].attrs["idem"]} and other == found[b"other"].attrs["idem"] != told
    sluice.kill_all()
    sluice.start()
    wait_until(lambda: put(sluice, b"first", Idempotency_Key="k").status_code == 200, "earlier keys are known")
    assert put(sluice, b"first", Idempotency_Key="k").json()["id"] in told


# ---- the answer is JSON


# The quotes within a name are escaped for JSON, and the backslash of that for the configuration.
ANSWER = (
    r"""'{"text":"$arg_x, ${arg_x}","bare":$arg_x,"number":"$json_number","same":$json_number,"deep":$json_deep,"""
    r""""none":$json_none,"of\\"text":"$json_none"}'"""
)


@pytest.mark.sanitize
@pytest.mark.parametrize(
    "x, bare",
    [("17", 17), ("a", "a"), ("true", True), ('"],"b":[', '"],"b":['), ("\\", "\\"), ("1,2", "1,2"), ("{}", {}), ("\x01\u00e4", "\x01\u00e4")],
    ids=["number", "word", "true", "quotes", "backslash", "list", "object", "control"],
)
def test_answer_stays_json_whatever_a_variable_holds(taking, x, bare):
    sluice = taking(f"status=200 body={ANSWER}")
    body = json.dumps({"number": "6\u00e9\"\n", "deep": {"er": [1]}})
    answer = sluice.session.post(sluice.url + "/jobs", params={"x": x}, data=body)
    raw_x = answer.request.url.split("x=")[1]
    found = answer.json()
    assert found["same"] == found["number"] == "6\u00e9\"\n"
    assert (found["deep"], found["none"], found['of"text']) == ({"er": [1]}, None, "")
    if raw_x == x:  # $arg_x is as it stands in the URL
        assert (found["text"], found["bare"]) == (f"{x}, {x}", bare)
    else:
        assert found["text"] == f"{raw_x}, {raw_x}"


@pytest.mark.parametrize("body", [b"not json", b"[1]", b'{"number":1', b"x" * 70_000, b""], ids=["text", "array", "torn", "long", "empty"])
def test_member_of_what_is_no_object_is_missing(taking, body):
    sluice = taking("""status=200 body='{"n":$json_number,"id":"$record_id"}'""")
    answer = put(sluice, body)
    assert answer.status_code == 200 and answer.json() == {"n": None, "id": kept(sluice)[body].id}


@pytest.mark.parametrize(
    "body, message",
    [
        ("""'{"a":$record_id'""", '"body=" is not JSON: it ends too early'),
        ("""'{"a":"$record_id}'""", '"body=" is not JSON: it ends too early'),
        ("""'id $record_id'""", '"body=" is not JSON, from here on: id null'),
        ("""'{"a":"$no_such"}'""", 'unknown variable "$no_such"'),
        ("""'{"a":"$"}'""", "invalid variable name"),
    ],
)
def test_answer_that_would_not_be_json_is_refused(tmp_path, body, message):
    conf = tmp_path / "sluice.conf"
    ingest = f"location = /jobs {{ ingest jobs body={body}; }}"
    conf.write_text(config.native(free_port(), tmp_path, http="stream jobs { sink http http://127.0.0.1:1/; }", server=ingest))
    done = subprocess.run([program(), "-t", "-c", conf], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and message in done.stderr


# ---- limits


@pytest.mark.sanitize
def test_no_more_than_max_messages_wait(taking):
    sluice = taking(stream="max_messages 4;")
    assert [put(sluice, b"%d" % i, Connection="close").status_code for i in range(4)] == [204] * 4
    refused = put(sluice, b"too many")
    assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
    assert refused.json() == {"message": 'Stream "jobs" is full: max_messages 4'}
    with raw.connect(sluice) as line:  # refused before its body is taken
        line.send("PUT /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert line.answer().status == 503
    assert sorted(kept(sluice)) == [b"0", b"1", b"2", b"3"]
    assert sluice.get("/health").status_code == 200  # it is the stream that is full, not the disk
    sluice.kill_all()
    sluice.start()
    # What an earlier life left counts, too, once the shipper has seen it.
    wait_until(lambda: put(sluice, b"").status_code == 503, "the limit holds after a restart")


@pytest.mark.sanitize
def test_who_was_refused_is_taken_once_others_are_delivered(server, worker):
    worker.script(status(503), method="PUT", times=8)
    stream = "max_messages 2; retry max=unlimited initial=100ms multiplier=1 jitter=off; breaker failures=1000 open=10ms;"
    sluice = server(
        streams={}, http=f"stream jobs {{ sink http {worker.endpoint}/; {stream} }}", server="location = /jobs { ingest jobs; }"
    )
    assert [put(sluice, b"%d" % i).status_code for i in range(3)] == [204, 204, 503]
    wait_until(lambda: put(sluice, b"late").status_code == 204, "there is room again")
    assert sorted(request.body for request in worker.wait_accepted(3)) == [b"0", b"1", b"late"]


# ---- validate


PRIME = r"""validate json match '^\{ *"number" *: *"[0-9]{1,30}" *\}$';"""


@pytest.mark.sanitize
def test_body_that_does_not_match_is_refused_before_it_is_stored(taking):
    sluice = taking(stream=PRIME)
    for good in (b'{"number":"17"}', b'{ "number" :\r\n"0" }', b'{"number":"%s"}' % (b"9" * 30)):
        assert put(sluice, good).status_code == 204, good
    for bad in (b'{"number":""}', b'{"number":"%s"}' % (b"9" * 31), b'{"number":"1x"}', b'{"number":17}', b'["17"]', b'{"number":"1"} '):
        answer = put(sluice, bad)
        assert (answer.status_code, answer.json()) == (400, {"message": "Body does not match"}), bad
    assert put(sluice, b'{"number":"1"').json()["message"].startswith("Invalid JSON")
    too_long = b'{"number":"1"%s}' % (b" " * 66_000)
    assert (put(sluice, too_long).status_code, put(sluice, too_long).json()["message"]) == (400, "Body does not match")
    assert len(kept(sluice)) == 3


def test_match_alone_takes_any_bytes_that_match(taking):
    sluice = taking(stream="validate match '^[0-9]{1,5}$';")
    assert [put(sluice, body).status_code for body in (b"1", b"12345", b"123456", b"", b"1\n", b"\x001", b"[1")] == [204, 204] + [400] * 5
    assert sorted(kept(sluice)) == [b"1", b"12345"]


def test_expensive_expression_holds_up_nobody_else(taking):
    sluice = taking(stream="validate match '(a?){250}(a?){250}b';", main="worker_processes 1;")
    answers = []

    def send():
        answers.append(requests.put(sluice.url + "/jobs", data=b"a" * 65_000, timeout=PATIENCE).status_code)

    sender = threading.Thread(target=send)
    sender.start()
    # Others are served while it is looked for: many, not those few that may have been ahead of it.
    served = 0
    while sender.is_alive() and served < 50:
        assert sluice.session.get(sluice.url + "/nothing").status_code == 404
        served += not answers
    sender.join()
    assert served == 50 and answers == [400]
    assert requests.put(sluice.url + "/jobs", data=b"a" * 65_000 + b"b", timeout=PATIENCE).status_code == 204
