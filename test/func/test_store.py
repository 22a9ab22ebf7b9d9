"""Data out to an S3 store: a real one over http and https, and one that is slow, failing, lying or set up wrongly. Whatever it does,
each record arrives once."""

import hashlib
import re

import pytest

from lib import raw
from lib.config import store_block
from lib.minio import Minio
from lib.objects import Object, assert_exactly_once
from lib.store import ScriptedStore, cut_short, error_document, garbage, hang, lie, reset, slow, status, truthful
from lib.wait import wait_until

# Short waits, so that a test of retries takes no time.
RETRY = "initial=20ms max_interval=100ms"
BREAKER = "failures=1000 open=50ms"


def streams(extra="", interval="100ms", retry=RETRY, breaker=BREAKER):
    common = f"retry {retry}; breaker {breaker}; {extra}"
    return {
        "usage": f"sink s3 s bucket={{bucket}} prefix=usage/; bundle_interval {interval}; {common}",
        "specimen": f"sink s3 s bucket={{bucket}} prefix=specimen/; mode object; {common}",
    }


@pytest.fixture
def shop(server, scripted_store):
    """Starts a server that delivers into the scripted store. shop(…) takes what streams() takes; main= goes to the server."""

    def start(extra="", main="", **parts):
        sluice = server(store=scripted_store, bucket="scripted", streams=streams(extra, **parts), main=main)
        sluice.bucket = scripted_store.bucket()
        return sluice

    return start


def feed(sluice, count=10, name="r"):
    """Records in one go; most often, but not always, they end in one bundle."""
    sent = [f"{name}-{n}".encode() for n in range(count)]
    with raw.connect(sluice) as line:
        line.send(b"".join(raw.put(body=body) for body in sent))
        assert [line.answer().status for _ in sent] == [204] * count
    return sent


def keys_of_bundles(requests):
    """The keys that each bundle was tried under, in order, by its id."""
    found = {}
    for request in requests:
        keys = found.setdefault(request.headers["x-amz-meta-bundle"], [])
        if request.key not in keys:
            keys.append(request.key)
    return found


def assert_nothing_left(sluice):
    wait_until(lambda: sluice.data_files() == [], lambda: f"nothing waits: {sluice.data_files()}\n{sluice.tail()}")


# ---- a real store


@pytest.mark.sanitize
@pytest.mark.parametrize("kind", ["minio", "minio_tls"])
def test_everything_arrives_in_a_real_store(server, request, kind):
    store = request.getfixturevalue(kind)
    bucket = store.bucket()
    sluice = server(store=store, bucket=bucket, streams=streams())
    sent = feed(sluice, 30)
    long = b"L" * (5 << 20)
    assert sluice.put("/usage", long).status_code == 204
    assert sluice.put("/specimen?uri=https://example.org/s.png", long).status_code == 204
    assert_exactly_once([*sent, long], bucket.wait_records(31, "usage/"))
    [key] = bucket.wait_keys(1, "specimen/")
    assert bucket.get(key).body == long
    for found in bucket.objects("usage/"):
        assert found.content_type == "application/gzip"
        assert re.fullmatch("[0-9a-f]{32}", found.metadata["bundle"])
    assert_nothing_left(sluice)
    assert sluice.stop() == 0
    sluice.wait_log("store honours conditional writes")


def test_a_real_store_that_stalls_and_then_takes_every_request_late(server, tmp_path_factory):
    """Attempts that were given up are carried out after all, beside the one that is heard: each record is there once."""
    store = Minio(tmp_path_factory.mktemp("minio-stalled"))
    try:
        bucket = store.bucket()
        sluice = server(store=store, bucket=bucket, streams=streams("deliver_timeout 200ms;"))
        sent = feed(sluice, 5, "before")
        bucket.wait_records(5, "usage/")
        store.pause()
        sent += feed(sluice, 5, "meanwhile")
        sluice.wait_log("upload failed", count=3)
        assert sluice.get("/health").status_code == 200
        store.resume()
        assert_exactly_once(sent, bucket.wait_records(10, "usage/"))
        assert sluice.stop() == 0
        assert_exactly_once(sent, bucket.records("usage/"))
    finally:
        store.resume()
        store.stop()


def test_two_servers_of_one_name_into_one_bucket(server, minio, bucket):
    """Same host name, same hour, same keys wanted: neither overwrites the other's objects."""
    servers = [server(store=minio, bucket=bucket, streams=streams(interval="30ms")) for _ in range(2)]
    sent = []
    for round_ in range(6):
        for n, sluice in enumerate(servers):
            sent += feed(sluice, 3, f"{n}-{round_}")
    assert_exactly_once(sent, bucket.wait_records(len(sent), "usage/"))
    for sluice in servers:
        assert sluice.stop() == 0
    assert_exactly_once(sent, bucket.records("usage/"))


def test_a_server_that_lost_its_disk_within_the_hour(server, minio, bucket, tmp_path):
    sluice = server(store=minio, bucket=bucket, streams=streams(), folder=tmp_path / "same")
    sent = feed(sluice, 5, "old")
    bucket.wait_records(5, "usage/")
    assert sluice.stop() == 0
    sluice.state_dir.rename(tmp_path / "lost")
    sluice.start()
    sent += feed(sluice, 5, "new")
    assert_exactly_once(sent, bucket.wait_records(10, "usage/"))
    first, *later = sorted((key.count("."), key) for key in bucket.keys("usage/"))
    assert first[0] == 3 and later and all(dots == 4 for dots, _ in later)


# ---- failures that pass


@pytest.mark.sanitize
@pytest.mark.parametrize(
    "behaviour",
    [
        status(500), status(500, after=True), status(502, ""), status(503, "SlowDown"), status(503, "SlowDown", after=True),
        status(504, ""), status(429, "TooManyRequests"), status(408, "RequestTimeout"), status(409, "OperationAborted"),
        status(400, "RequestTimeout"), reset(), reset(after=True), cut_short(), garbage(), slow(0.3), slow(0.3, status(500, after=True)),
    ],
    ids=["500", "500-stored", "502", "503", "503-stored", "504", "429", "408", "409", "400-timeout", "reset", "reset-stored", "cut",
         "garbage", "slow", "slow-500-stored"],
)
def test_failures_are_tried_again_until_confirmed(shop, scripted_store, behaviour):
    scripted_store.script(behaviour, key="^usage/2", times=3)
    scripted_store.script(behaviour, key="^specimen/u", times=2)
    sluice = shop()
    sent = feed(sluice)
    assert sluice.put("/specimen?uri=s.png", b"picture", user="u").status_code == 204
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))
    [key] = sluice.bucket.wait_keys(1, "specimen/")
    assert sluice.bucket.get(key).body == b"picture"
    assert_nothing_left(sluice)
    assert sluice.stop() == 0
    assert_exactly_once(sent, sluice.bucket.records("usage/"))
    assert len(sluice.bucket.keys("specimen/")) == 1
    tries = scripted_store.seen(key="^usage/2")
    assert all(request.body == tries[0].body for request in tries if request.headers["x-amz-meta-bundle"] == tries[0].headers["x-amz-meta-bundle"])
    assert all(request.headers["if-none-match"] == "*" for request in tries)


def test_a_store_that_hangs_is_given_up_at_the_deadline(shop, scripted_store):
    scripted_store.script(hang(), hang(after=True), key="^usage/2")
    sluice = shop("deliver_timeout 300ms;")
    sent = feed(sluice)
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))
    assert_nothing_left(sluice)
    assert all(len(keys) == 1 for keys in keys_of_bundles(scripted_store.seen(key="^usage/2")).values())
    sluice.wait_log(r"upload failed .*stream=usage", count=2)


def test_retry_after_is_obeyed(shop, scripted_store):
    scripted_store.script(status(503, "SlowDown", headers={"Retry-After": "1"}), key="^usage/2")
    sluice = shop()
    feed(sluice)
    first, second = scripted_store.wait_seen(2, key="^usage/2")[:2]
    assert second.at - first.at >= 0.95
    assert sluice.bucket.wait_records(10, "usage/")


def test_waits_grow_and_are_spread(shop, scripted_store):
    scripted_store.script(status(500), key="^usage/2", times=5)
    sluice = shop(retry="initial=50ms max_interval=200ms multiplier=2")
    feed(sluice)
    seen = scripted_store.wait_seen(6, key="^usage/2")
    gaps = [later.at - earlier.at for earlier, later in zip(seen, seen[1:])]
    for gap, least in zip(gaps, (0.05, 0.1, 0.2, 0.2, 0.2)):
        assert gap >= least - 0.005, gaps


def test_breaker_stops_trying_for_a_while(shop, scripted_store):
    scripted_store.script(status(500), key="^usage/2", times=3)
    sluice = shop(retry="initial=1ms max_interval=1ms", breaker="failures=3 open=700ms")
    sent = feed(sluice)
    seen = scripted_store.wait_seen(4, key="^usage/2")
    assert seen[3].at - seen[2].at >= 0.65
    assert sluice.get("/health").status_code == 200
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))


# ---- a key that is taken


def put_object(store, key, body, **metadata):
    store.objects["scripted", key] = Object(key, body, metadata, "text/plain")


def test_412_with_our_own_id_is_a_confirmation(shop, scripted_store):
    scripted_store.script(reset(after=True), key="^usage/2")
    sluice = shop()
    feed(sluice)
    sluice.wait_log("bundle sent stream=usage")
    assert len(sluice.bucket.keys("usage/")) == 1
    first, again = scripted_store.seen(key="^usage/2")[:2]
    assert (first.key, first.body, first.headers["x-amz-meta-bundle"]) == (again.key, again.body, again.headers["x-amz-meta-bundle"])
    assert [request.key for request in scripted_store.seen("HEAD", "^usage/2")] == [first.key]
    assert_nothing_left(sluice)


@pytest.mark.sanitize
@pytest.mark.parametrize("metadata", [{"bundle": "0" * 32}, {}], ids=["other", "none"])
def test_412_with_another_id_goes_on_to_the_next_number(shop, scripted_store, metadata):
    def take(exchange):
        put_object(scripted_store, exchange.request.key, b"theirs", **metadata)
        truthful(exchange)

    scripted_store.script(take, key="^usage/2", times=2)
    scripted_store.script(take, key="^specimen/u")
    sluice = shop()
    sent = feed(sluice)
    assert sluice.put("/specimen?uri=s.png", b"picture", user="u").status_code == 204
    keys = sluice.bucket.wait_keys(3, "usage/")
    base = min(keys, key=len).removesuffix(".jsonl.gz")
    assert set(keys) == {f"{base}.jsonl.gz", f"{base}.1.jsonl.gz", f"{base}.2.jsonl.gz"}
    assert [sluice.bucket.get(f"{base}{part}.jsonl.gz").body for part in ("", ".1")] == [b"theirs"] * 2
    assert_exactly_once(sent, sluice.bucket.get(f"{base}.2.jsonl.gz").records())
    theirs, ours = sorted(sluice.bucket.wait_keys(2, "specimen/"), key=len)
    assert ours == theirs.removesuffix(".png") + ".1.png"
    assert (sluice.bucket.get(theirs).body, sluice.bucket.get(ours).body) == (b"theirs", b"picture")
    assert_nothing_left(sluice)


def test_412_and_then_404_tries_the_same_key_again(shop, scripted_store):
    scripted_store.script(status(412, "PreconditionFailed"), key="^usage/2")
    sluice = shop()
    sent = feed(sluice)
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))
    assert_nothing_left(sluice)
    [refused, *_] = scripted_store.seen(key="^usage/2")
    tried = [request.key for request in scripted_store.seen(key="^usage/2") if request.body == refused.body]
    assert tried[:2] == [refused.key] * 2


@pytest.mark.parametrize("answer", [status(500), status(403, ""), reset(), hang()], ids=["500", "403", "reset", "hang"])
def test_412_and_then_an_error_neither_confirms_nor_moves_on(shop, scripted_store, answer):
    scripted_store.script(reset(after=True), key="^usage/2")
    scripted_store.script(answer, method="HEAD", key="^usage/2", times=2)
    sluice = shop("deliver_timeout 300ms;")
    sent = feed(sluice)
    sluice.wait_log("bundle sent stream=usage")
    assert_exactly_once(sent, sluice.bucket.records("usage/"))
    [first, *_] = scripted_store.seen(key="^usage/2")
    assert keys_of_bundles(scripted_store.seen(key="^usage/2"))[first.headers["x-amz-meta-bundle"]] == [first.key]
    assert len(scripted_store.seen("HEAD", "^usage/2")) >= 3


# ---- held: the store refuses us


@pytest.mark.parametrize(
    "answer, said",
    [
        (status(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-north-1"}), "region eu-north-1"),
        (status(401, "Unauthorized"), "401"),
        (status(403, "AccessDenied"), "403 AccessDenied"),
        (status(403, "InvalidAccessKeyId"), "InvalidAccessKeyId"),
        (status(404, "NoSuchBucket"), "NoSuchBucket"),
        (status(400, "InvalidRequest"), "400 InvalidRequest"),
        (status(400, "ExpiredToken"), "ExpiredToken"),
    ],
    ids=["301", "401", "403", "403-key", "404", "400", "expired"],
)
def test_refusals_hold_the_data_until_somebody_helps(shop, scripted_store, answer, said):
    scripted_store.script(answer, key="^usage/2", times=None)
    sluice = shop(breaker="failures=1 open=100ms")
    sent = feed(sluice)
    [line, *_] = sluice.wait_log("destination refuses us: data is held")
    assert said in line and "s3:s/scripted" in line
    assert sluice.get("/health").status_code == 200
    assert len(sluice.data_files()) > 0
    scripted_store.clear_script()
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))
    sluice.wait_log("destination answers again")
    assert_nothing_left(sluice)


@pytest.mark.parametrize("offset", [3600, -3600])
def test_a_store_whose_clock_differs_is_followed_or_held(shop, scripted_store, offset):
    """RequestTimeTooSkewed: the store's Date tells its time, and nothing is lost or doubled either way."""
    scripted_store.clock_offset = offset
    sluice = shop(breaker="failures=1 open=100ms")
    sent = feed(sluice)
    sluice.wait_log("RequestTimeTooSkewed|clock|bundle sent")
    scripted_store.clock_offset = 0.0
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))
    assert_nothing_left(sluice)


# ---- stores that cannot be trusted


def test_verify_finds_out_a_store_that_lies(shop, scripted_store):
    scripted_store.script(lie, key="^usage/2", times=3)
    scripted_store.script(lie, key="^specimen/u", times=2)
    sluice = shop("verify on;")
    sent = feed(sluice)
    assert sluice.put("/specimen?uri=s.png", b"picture", user="u").status_code == 204
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))
    [key] = sluice.bucket.wait_keys(1, "specimen/")
    assert sluice.bucket.get(key).body == b"picture"
    assert_nothing_left(sluice)
    sluice.wait_log("the store said 200, but HEAD says 404")


def test_without_verify_a_200_is_believed(shop, scripted_store):
    """What `verify` is for: the same lie without it, which no promise covers."""
    scripted_store.script(lie, key="^usage/2")
    sluice = shop()
    feed(sluice)
    sluice.wait_log("bundle sent stream=usage")
    assert scripted_store.seen("HEAD", "^usage/2") == [] and sluice.bucket.keys("usage/") == []


def test_store_without_conditional_writes_gets_keys_with_the_id(shop, scripted_store):
    scripted_store.honours_conditions = False
    scripted_store.script(reset(after=True), key="^usage/2")
    sluice = shop()
    sent = feed(sluice)
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))
    assert_nothing_left(sluice)
    for found in sluice.bucket.objects("usage/"):
        assert found.metadata["bundle"] in found.key
    sluice.wait_log("store does not honour conditional writes")
    assert sluice.put("/specimen?uri=s.png", b"picture", user="u").status_code == 204
    [key] = sluice.bucket.wait_keys(1, "specimen/")
    assert sluice.bucket.get(key).body == b"picture"


# ---- requests and credentials


def test_requests_are_signed_over_their_very_bytes(shop, scripted_store):
    sluice = shop()
    feed(sluice)
    [request] = scripted_store.wait_seen(1, key="^usage/2")
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(request.body).hexdigest()
    assert re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=sluice-tests/\d{8}/us-east-1/s3/aws4_request, ?SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]{64}",
        request.headers["authorization"],
    )
    signed = re.search("SignedHeaders=([^,]+)", request.headers["authorization"]).group(1).split(";")
    assert {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-meta-bundle"} <= set(signed)
    assert request.bucket == "scripted" and "x-amz-security-token" not in request.headers


def with_credentials(store, credentials):
    return store_block(store).replace(f"keys {store.access_key} {store.secret_key}", credentials)


def native_with(store, credentials):
    return f"""
    state_dir {{state_dir}};
    worker_processes 1;
    events {{ }}
    http {{
        {with_credentials(store, credentials)}
        stream usage {{ sink s3 s bucket=scripted prefix=usage/; bundle_interval 50ms; retry {RETRY}; breaker {BREAKER}; }}
        server {{ listen 127.0.0.1:{{port}}; location = /usage {{ auth user_token; ingest usage; }} }}
    }}"""


@pytest.mark.parametrize("token", [None, "session-token"])
def test_credentials_from_the_environment(server, scripted_store, token):
    env = {"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "senv"} | ({"AWS_SESSION_TOKEN": token} if token else {})
    sluice = server(conf=native_with(scripted_store, "env"), env=env)
    feed(sluice)
    request = scripted_store.wait_seen(1)[0]
    assert "Credential=AKENV/" in request.headers["authorization"]
    assert request.headers.get("x-amz-security-token") == token
    if token:
        assert "x-amz-security-token" in request.headers["authorization"]


@pytest.mark.sanitize
def test_credentials_from_a_file_with_profile_and_renewed_token(server, scripted_store, tmp_path):
    path = tmp_path / "credentials"

    def write(token):
        path.write_text(
            "[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key = s\n\n"
            f"[ship]\naws_access_key_id = AKSHIP\naws_secret_access_key = s\naws_session_token = {token}\n"
        )

    write("first")

    def expired(exchange):
        old = exchange.request.headers.get("x-amz-security-token") == "first"
        if old:
            write("second")
            exchange.answer(400, {}, error_document("ExpiredToken"))
        else:
            truthful(exchange)

    scripted_store.script(expired, key="^usage/2", times=None)
    sluice = server(conf=native_with(scripted_store, f"file {path} ship"))
    sent = feed(sluice)
    assert_exactly_once(sent, scripted_store.bucket().wait_records(10, "usage/"))
    last = scripted_store.seen(key="^usage/2")[-1]
    assert "Credential=AKSHIP/" in last.headers["authorization"]
    assert last.headers["x-amz-security-token"] == "second"


def test_untrusted_certificate_is_never_talked_to(server, authority, tmp_path):
    store = ScriptedStore(authority, names=("other.example",))
    try:
        sluice = server(store=store, bucket="scripted", streams=streams())
        feed(sluice)
        sluice.wait_log("stream=usage .*(certificate|TLS|name)")
        assert store.requests == []
        assert len(sluice.data_files()) > 0
    finally:
        store.stop()


# ---- bounded work


def test_concurrency_is_bounded(shop, scripted_store):
    scripted_store.script(hang(after=True), key="^specimen/u", times=None)
    sluice = shop("concurrency 3; deliver_timeout 20s;")
    for n in range(12):
        assert sluice.put(f"/specimen?uri={n}.png", b"%d" % n, user="u").status_code == 204
    scripted_store.wait_seen(3, key="^specimen/u")
    assert sluice.put("/usage", b"other streams go on").status_code == 204
    assert sluice.bucket.wait_records(1, "usage/")
    assert len(scripted_store.seen(key="^specimen/u")) == 3
    scripted_store.clear_script()
    scripted_store.release()
    assert len(sluice.bucket.wait_keys(12, "specimen/")) == 12
    assert_nothing_left(sluice)


def test_retries_go_on_across_restarts(shop, scripted_store):
    scripted_store.stop()
    sluice = shop(main="worker_shutdown_timeout 300ms;")
    sent = feed(sluice)
    assert sluice.put("/specimen?uri=s.png", b"picture", user="u").status_code == 204
    sluice.wait_log("upload failed stream=usage")
    assert sluice.stop() == 3
    left = sluice.data_files()
    assert any("usage" in name for name in left) and any("specimen" in name for name in left)
    scripted_store.start()
    sluice.start()
    assert_exactly_once(sent, sluice.bucket.wait_records(10, "usage/"))
    [key] = sluice.bucket.wait_keys(1, "specimen/")
    assert key.startswith("specimen/u/") and sluice.bucket.get(key).body == b"picture"
    assert_nothing_left(sluice)
