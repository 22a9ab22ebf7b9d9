"""The tests' own tools: what the other tests conclude from is shown to be true here."""

import gzip
import os
import signal
import socket
import ssl
import time
import urllib.request

import botocore.exceptions
import pytest

from lib.objects import assert_exactly_once, client
from lib.store import ScriptedStore, cut_short, garbage, hang, lie, reset, slow, status


def error_of(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def put_status(store, key, body=b"x", **headers):
    """A bare PUT; the status, or the exception's class where there is no answer."""
    request = urllib.request.Request(f"{store.endpoint}/scripted/{key}", data=body, method="PUT", headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except Exception as error:  # whatever a broken answer makes of it
        return type(error)


@pytest.mark.parametrize("name", ["minio", "minio_tls"])
def test_minio_honours_conditional_writes(name, request):
    bucket = request.getfixturevalue(name).bucket()
    packed = gzip.compress(b"one\ntwo\n")
    put = bucket.s3.put_object
    put(Bucket=bucket.name, Key="p/a", Body=packed, IfNoneMatch="*", Metadata={"bundle": "7"}, ContentType="application/gzip")
    assert error_of(put, Bucket=bucket.name, Key="p/a", Body=b"other", IfNoneMatch="*") == 412
    found = bucket.get("p/a")
    assert (found.metadata, found.content_type) == ({"bundle": "7"}, "application/gzip")
    assert bucket.wait_records(2) == [b"one", b"two"]
    assert bucket.keys("q/") == []


def test_minio_tls_needs_the_authority(minio_tls):
    with pytest.raises(ssl.SSLCertVerificationError):
        with socket.create_connection(("127.0.0.1", minio_tls.port)) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")


def test_scripted_store_is_truthful_by_itself(scripted_store):
    s3 = client(scripted_store.endpoint)
    bucket = scripted_store.bucket()
    s3.put_object(Bucket=bucket.name, Key="a/b", Body=b"1\n", IfNoneMatch="*", Metadata={"bundle": "7"})
    assert error_of(s3.put_object, Bucket=bucket.name, Key="a/b", Body=b"2", IfNoneMatch="*") == 412
    head = s3.head_object(Bucket=bucket.name, Key="a/b")
    assert (head["Metadata"], head["ContentLength"]) == ({"bundle": "7"}, 2)
    assert error_of(s3.head_object, Bucket=bucket.name, Key="a/c") == 404
    assert bucket.keys() == ["a/b"] and bucket.get("a/b").body == b"1\n"
    s3.delete_object(Bucket=bucket.name, Key="a/b")
    assert bucket.keys() == []
    wrong = {"x-amz-content-sha256": "0" * 64}
    assert put_status(scripted_store, "a", **wrong) == 400
    scripted_store.clock_offset = 3600
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    assert put_status(scripted_store, "a", **{"x-amz-date": stamp}) == 403


@pytest.mark.parametrize(
    "behaviour, heard, stored",
    [
        (status(503, "SlowDown"), 503, False),
        (status(500, after=True), 500, True),
        (slow(0.05), 200, True),
        (lie, 200, False),
        (reset(), ConnectionResetError, False),
        (reset(after=True), ConnectionResetError, True),
        (cut_short(), 200, True),  # urllib is content with the part of the head that came
        (garbage(), None, False),
    ],
)
def test_scripted_store_does_as_told_once(scripted_store, behaviour, heard, stored):
    scripted_store.script(behaviour)
    answer = put_status(scripted_store, "k")
    if heard is None:
        assert isinstance(answer, type), answer
    elif isinstance(heard, type):
        assert answer in (heard, urllib.error.URLError), answer
    else:
        assert answer == heard
    assert bool(scripted_store.bucket().keys()) == stored
    assert put_status(scripted_store, "again") == 200
    assert [request.key for request in scripted_store.wait_seen(2)] == ["k", "again"]


def test_scripted_store_hangs_until_released_and_restarts(scripted_store):
    scripted_store.script(hang(after=True))
    with socket.create_connection(("127.0.0.1", scripted_store.port)) as connection:
        connection.sendall(b"PUT /scripted/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
        scripted_store.wait_seen(1)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        scripted_store.release()
        connection.settimeout(5)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    scripted_store.stop()
    assert put_status(scripted_store, "away") == urllib.error.URLError
    scripted_store.start()
    assert put_status(scripted_store, "back") == 200
    assert scripted_store.bucket().keys() == ["back", "k"]


def test_scripted_store_over_tls(authority):
    store = ScriptedStore(authority)
    try:
        trusting = ssl.create_default_context(cafile=authority.ca_file)
        request = urllib.request.Request(f"{store.endpoint}/scripted/k", data=b"x", method="PUT")
        assert urllib.request.urlopen(request, timeout=5, context=trusting).status == 200
    finally:
        store.stop()


def test_exactly_once_tells_lost_and_doubled():
    assert_exactly_once([b"a", b"b", b"b"], [b"b", b"a", b"b"])
    for found in ([b"a"], [b"a", b"b", b"b"], [b"a", b"b", b"c"]):
        with pytest.raises(AssertionError):
            assert_exactly_once([b"a", b"b"], found)


@pytest.mark.sanitize
def test_server_fixture(server, scripted_store):
    """The whole way once, and what the fixture says about the processes on it."""
    bucket = scripted_store.bucket()
    sluice = server(store=scripted_store, bucket=bucket)
    children = sluice.children()
    assert (len(children["worker"]), len(children["shipper"])) == (2, 1)
    sent = [b'{"n":%d}' % n for n in range(10)]
    assert [sluice.put("/usage", record).status_code for record in sent] == [204] * 10
    assert sluice.put("/specimen?uri=/a/b.png", b"picture").status_code == 204
    assert_exactly_once(sent, bucket.wait_records(10, "usage/"))
    bucket.wait_keys(1, "specimen/")
    old = children["worker"]
    os.kill(old[0], signal.SIGKILL)
    assert sluice.wait_child("worker", but=old)
    assert sluice.memory() > 0
    assert sluice.stop() == 0
    assert sluice.data_files() == []


@pytest.mark.parametrize("kill", ["kill", "kill_all"])
def test_server_fixture_restarts_what_it_killed(server, scripted_store, kill):
    bucket = scripted_store.bucket()
    sluice = server(store=scripted_store, bucket=bucket, streams={"usage": "sink s3 s bucket={bucket}; bundle_interval 1h;"})
    assert sluice.put("/usage", b"kept").status_code == 204
    getattr(sluice, kill)()
    assert sluice.data_files()
    sluice.start()
    assert sluice.stop() == 0
    assert bucket.records() == [b"kept"]
