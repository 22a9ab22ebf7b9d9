"""Specimens: one object each, at once, under a key that tells user, day and URI."""

import concurrent.futures
import os
import re
import urllib.parse

import pytest

from lib.objects import Object
from lib.store import ScriptedStore, reset, status, truthful
from lib.wait import wait_until

STREAM = "sink s3 s bucket={bucket} prefix=sp/; mode object; retry initial=20ms max_interval=100ms; breaker failures=1000 open=50ms;"


@pytest.fixture
def sluice(server, minio, bucket):
    return server(store=minio, bucket=bucket, streams={"specimen": STREAM})


@pytest.fixture
def scripted(server, scripted_store):
    return server(store=scripted_store, bucket="scripted", streams={"specimen": STREAM})


def put(sluice, uri, body=b"picture", user="user", **options):
    """Percent-encodes the URI as a careful client does."""
    answer = sluice.put("/specimen?uri=" + urllib.parse.quote(uri, safe=""), body, user=user, **options)
    assert answer.status_code == 204, answer.text


URIS = {
    "https://example.org/a/b/shot.png": ("shot", ".png"),
    "https://example.org/shot.PNG?x=1.gif#f": ("shot", ".PNG"),
    "shot": ("shot", ""),
    "https://example.org/": ("index", ""),
    "https://example.org": ("index", ""),
    "a b:c?d&e=f%g#h": None,
    "https://example.org/screenshot": ("screenshot", ".png"),
    "https://example.org/screenshots/1": ("1", ".png"),
    "archive.tar.gz": ("archive.tar", ".gz"),
    ".hidden": None,
    "https://example.org/日本語.json": ("日本語", ".json"),
    "..": None,
    "../../etc/passwd": ("passwd", ""),
    "a\r\nx-amz-acl: public-read": None,
    "https://example.org/" + "l" * 3000 + ".txt": ("l" * 160, ".txt"),
}


@pytest.mark.parametrize("uri", URIS, ids=range(len(URIS)))
def test_key_and_uri(sluice, bucket, uri):
    """The key is <prefix><user>/YYYY/MM/DD/<uri part>.<timestamp><ext>; the metadata gives the URI back, whatever is in it."""
    put(sluice, uri, b"picture " + uri.encode())
    keys = wait_until(lambda: [key for key in bucket.keys("sp/") if not key.endswith(".uri")], sluice.tail)
    [key] = keys
    match = re.fullmatch(r"sp/user/(\d{4}/\d\d/\d\d)/([^/]+?)\.(\d{19})((?:\.[A-Za-z0-9]+)?)", key)
    assert match, key
    if URIS[uri]:
        assert (match[2], match[4]) == URIS[uri]
    assert not re.search(r"[\x00-\x20:?&=%#\\]", match[2]) and not match[2].startswith(".")
    found = bucket.get(key)
    assert found.body == b"picture " + uri.encode()
    encoded = found.metadata["uri"]
    if "uri-rest" in found.metadata:
        companion = bucket.get(key + found.metadata["uri-rest"])
        assert companion.body == uri.encode() and uri.encode().startswith(urllib.parse.unquote_to_bytes(encoded))
    else:
        assert urllib.parse.unquote_to_bytes(encoded) == uri.encode()


@pytest.mark.parametrize(
    "ext, kind",
    [("png", "image/png"), ("jpg", "image/jpeg"), ("jpeg", "image/jpeg"), ("gif", "image/gif"), ("json", "application/json"),
     ("log", "text/plain"), ("txt", "text/plain"), ("html", "text/html"), ("xml", "application/xml"), ("PNG", "image/png"),
     ("bin", "application/octet-stream"), ("", "application/octet-stream")],
)
def test_content_type_comes_from_the_extension(scripted, scripted_store, ext, kind):
    put(scripted, f"file.{ext}" if ext else "file")
    [key] = scripted_store.bucket().wait_keys(1, "sp/")
    assert scripted_store.bucket().get(key).content_type == kind


def test_specimens_do_not_wait_for_an_interval(server, scripted_store):
    sluice = server(store=scripted_store, bucket="scripted", streams={"specimen": STREAM + "bundle_interval 10m;"})
    put(sluice, "a.png")
    assert scripted_store.bucket().wait_keys(1, timeout=10)


def test_one_uri_by_many_users_at_once(sluice, bucket):
    """Each object has its own user's bytes; none is lost, swapped, or under another's name."""
    users = [f"user{n}" for n in range(12)]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda user: put(sluice, "https://example.org/same.png", user.encode(), user), users * 3))
    keys = bucket.wait_keys(36, "sp/")
    assert sorted(key.split("/")[1] for key in keys) == sorted(users * 3)
    for found in bucket.objects("sp/"):
        assert found.body.decode() == found.key.split("/")[1]
        assert found.metadata["uri"] == "https://example.org/same.png"


def test_the_user_is_known_after_a_restart(server, scripted_store):
    scripted_store.stop()
    sluice = server(store=scripted_store, bucket="scripted", streams={"specimen": STREAM}, main="worker_shutdown_timeout 200ms;")
    put(sluice, "https://example.org/a.png", b"A", "alice")
    put(sluice, "https://example.org/b b.json", b"B", "böb".encode())
    before = scripted_store.bucket().keys()
    sluice.kill_all()
    scripted_store.start()
    sluice.start()
    bucket = scripted_store.bucket()
    first, second = sorted(bucket.wait_keys(2, "sp/"), key=lambda key: bucket.get(key).body)
    assert before == [] and first.startswith("sp/alice/") and second.startswith("sp/b%C3%B6b/")
    assert [bucket.get(key).body for key in (first, second)] == [b"A", b"B"]
    assert urllib.parse.unquote(bucket.get(second).metadata["uri"]) == "https://example.org/b b.json"
    assert bucket.get(second).content_type == "application/json"


def test_key_is_fixed_when_the_specimen_arrives(scripted, scripted_store):
    """Retries, also of what was stored unheard, go to the same key with the same id."""
    scripted_store.script(status(500), reset(after=True), reset(), key="^sp/u")
    put(scripted, "a.png")
    wait_until(lambda: scripted.data_files() == [], scripted.tail)
    tries = scripted_store.seen(key="^sp/u")
    assert len(tries) == 4 and len({(request.key, request.headers["x-amz-meta-bundle"], request.body) for request in tries}) == 1
    assert len(scripted_store.bucket().keys("sp/")) == 1


def test_gzip_is_kept_and_said(sluice, bucket):
    body = b"\x1f\x8b" + os.urandom(100)
    put(sluice, "page.html", body, headers={"Content-Encoding": "gzip"})
    [key] = bucket.wait_keys(1, "sp/")
    answer = bucket.s3.get_object(Bucket=bucket.name, Key=key)
    assert (answer["ContentEncoding"], answer["ContentType"]) == ("gzip", "text/html")
    assert answer["Body"].read() == body


def test_empty_specimen_is_an_object_too(sluice, bucket):
    put(sluice, "empty.txt", b"")
    [key] = bucket.wait_keys(1, "sp/")
    assert bucket.get(key).body == b""


@pytest.mark.plain
def test_a_long_specimen_streams_through(server, minio, bucket):
    sluice = server(store=minio, bucket=bucket, streams={"specimen": STREAM}, main="worker_processes 1;")
    put(sluice, "warm.bin", b"x")
    bucket.wait_keys(1, "sp/")
    before = sluice.memory()
    body = os.urandom(24 << 20)
    put(sluice, "long.bin", body)
    long = wait_until(lambda: next((key for key in bucket.keys("sp/") if "/long." in key), None), sluice.tail)
    assert sluice.memory() - before < 6 << 20
    assert bucket.get(long).body == body
    wait_until(lambda: sluice.data_files() == [], sluice.tail)
