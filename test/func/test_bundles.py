"""Bundles: what is joined with what, under which key, in which order, with which bytes."""

import datetime
import gzip
import json
import os
import re
import socket
import time

import pytest

from lib import raw
from lib.folder import Embedded
from lib.objects import assert_exactly_once
from lib.wait import wait_until

HOST = re.sub("[^A-Za-z0-9_]", "-", socket.gethostname()) or "unknown"


def joined(server, tmp_path, bodies, extra="", **options):
    """What the bundle of these bodies, sent one after the other over one connection, holds."""
    embedded = Embedded(tmp_path / "out", bundles=f"bundle_interval 10m; {extra}")
    sluice = server(streams=embedded.streams, **options)
    with raw.connect(sluice) as line:
        for body in bodies:
            line.send(raw.put(body=body))
            assert line.answer().status == 204
    assert sluice.stop() == 0
    [found] = embedded.usage.objects()
    return found.data()


# ---- bytes


@pytest.mark.parametrize(
    "bodies, expected",
    [
        ([b"a", b"b"], b"a\nb\n"),
        ([b"a\n", b"b"], b"a\nb\n"),
        ([b"a\n\n", b"b"], b"a\n\nb\n"),
        ([b"a\r\n", b"b\r"], b"a\r\nb\r\n"),
        ([b"a\nb", b"c"], b"a\nb\nc\n"),
        ([b"", b"a", b"", b"b", b""], b"a\nb\n"),
        ([b"\n"], b"\n"),
        ([b"\0", b"\xff"], b"\0\n\xff\n"),
        ([b"x" * 70_000, b"y", b"z" * 70_000 + b"\n", b"w"], b"x" * 70_000 + b"\ny\n" + b"z" * 70_000 + b"\nw\n"),
    ],
    ids=["plain", "newline", "two-newlines", "crlf", "inside", "empty", "only-newline", "binary", "long-between-short"],
)
def test_a_newline_is_added_only_where_none_is(server, tmp_path, bodies, expected):
    assert joined(server, tmp_path, bodies) == expected


def test_order_of_a_connection_is_kept(server, tmp_path):
    bodies = [b"%05d" % n for n in range(500)]
    assert joined(server, tmp_path, bodies, main="worker_processes 2;") == b"".join(body + b"\n" for body in bodies)


@pytest.mark.sanitize
def test_segments_of_several_workers_merge_by_time(server, tmp_path):
    """Whole requests, each on a new connection, so that any worker may take it: the bundle still has them in order."""
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 10m;")
    sluice = server(streams=embedded.streams, main="worker_processes 4;")
    sent = [b"%05d" % n for n in range(120)]
    for body in sent:
        with raw.connect(sluice) as line:
            line.send(raw.put(body=body))
            assert line.answer().status == 204
    assert sluice.stop() == 0
    [found] = embedded.usage.objects()
    assert found.records() == sent


def test_long_bodies_are_merged_by_time_too(server, tmp_path):
    bodies = [bytes([65 + n]) * (80_000 if n % 2 else 10) for n in range(20)]
    assert joined(server, tmp_path, bodies) == b"".join(body + b"\n" for body in bodies)


@pytest.mark.parametrize("level", ["auto", "1", "9"])
def test_any_gunzip_reads_it_in_one_piece(server, tmp_path, level):
    body = os.urandom(20_000).hex().encode()
    data = joined(server, tmp_path, [body] * 40, extra=f"gzip_level {level};")
    assert data == (body + b"\n") * 40


# ---- validate json


VALID = [
    (b'{"a": 1}', b'{"a": 1}'),
    (b'{\n  "a": [1,\r\n2]\n}\n', b'{  "a": [1,2]}'),
    (b'"text\\n with \\u00e9"', b'"text\\n with \\u00e9"'),
    (b"  [ ] \n\n", b"  [ ] "),
    (b"-1.5e+3", b"-1.5e+3"),
    ('{"é":"日本"}'.encode(), '{"é":"日本"}'.encode()),
]


@pytest.mark.parametrize("length", [0, 70_000], ids=["short", "long"])
def test_validate_json_joins_the_lines_of_a_text(server, tmp_path, length):
    pad = b'"%s"' % (b"p" * length)
    bodies = [b"[%s,%s]" % (body, pad) for body, _ in VALID]
    data = joined(server, tmp_path, bodies, extra="validate json;")
    lines = data.splitlines()
    assert len(lines) == len(bodies)
    for line, body, (_, expected) in zip(lines, bodies, VALID):
        assert json.loads(line) == json.loads(body)
        assert line.replace(b" ", b"") == (b"[%s,%s]" % (expected, pad)).replace(b" ", b"")


INVALID = [
    (b'{"a":}', 5), (b'{"a":1', 6), (b"", 0), (b"nul", 3), (b"[1,]", 3), (b'{"a":1}x', 7), (b'{"a":1} {"b":2}', 8), (b"\xff", 0),
    (b'"\x01"', 1), (b"01", 1), (b"'a'", 0), (b"[" * 5000, None), (b'"\xc3("', 2), (b'"a\nb"', 2), (b"1\n2", 2),
]


@pytest.mark.sanitize
@pytest.mark.parametrize("body, at", INVALID, ids=range(len(INVALID)))
def test_validate_json_refuses_what_is_no_json(server, tmp_path, body, at):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 50ms; validate json;")
    sluice = server(streams=embedded.streams)
    answer = sluice.put("/usage", body)
    assert answer.status_code == 400
    [found] = re.findall(r"^Invalid JSON at byte (\d+)$", answer.json()["message"])
    assert at is None or abs(int(found) - at) <= 1
    assert sluice.put("/usage", b'{"good":1}').status_code == 204
    assert embedded.usage.wait_records(1) == [b'{"good":1}']


def test_validate_json_of_a_long_body_stores_nothing_of_a_bad_one(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 50ms; validate json;")
    sluice = server(streams=embedded.streams)
    answer = sluice.put("/usage", b'["' + b"x" * 200_000 + b'",]')
    assert (answer.status_code, answer.json()["message"]) in [(400, f"Invalid JSON at byte {200_004 + n}") for n in (0, 1)]
    assert sluice.stop() == 0
    assert embedded.usage.keys() == []


# ---- keys


def hour_now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y/%m/%d/%H %Y%m%d%H").split()


def test_key_has_prefix_hour_and_host(server, minio, bucket):
    """The prefix is taken as it is; nothing is put behind it."""
    stream = f"sink s3 s bucket={bucket.name} prefix=pre-fix; bundle_interval 50ms;"
    before = hour_now()
    sluice = server(store=minio, bucket=bucket, streams={"usage": stream})
    assert sluice.put("/usage", b"x").status_code == 204
    [key] = bucket.wait_keys(1)
    assert key in [f"pre-fix{folder}/{hour}.{HOST}.jsonl.gz" for folder, hour in (before, hour_now())]
    assert bucket.get(key).content_type == "application/gzip"


def test_later_bundles_of_an_hour_are_numbered(server, embedded):
    sluice = server(streams=embedded.streams)
    sent = []
    for n in range(4):
        sent.append(b"round %d" % n)
        assert sluice.put("/usage", sent[-1]).status_code == 204
        embedded.usage.wait_keys(n + 1)
    keys = sorted(embedded.usage.keys(), key=lambda key: (key[:13], len(key), key))
    hours = {key[:13] for key in keys}
    for hour in hours:
        of_hour = [key for key in keys if key.startswith(hour)]
        base = f"{hour}/{hour.replace('/', '')}.{HOST}"
        assert of_hour == [f"{base}{f'.{n}' if n else ''}.jsonl.gz" for n in range(len(of_hour))]
    assert [embedded.usage.get(key).records() for key in keys] == [[body] for body in sent]


def origin_file(sluice, stream, when, body, user="u"):
    """Data of another hour can be had from the origin gateway's files."""
    folder = sluice.state_dir / stream
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{int(when.timestamp() * 1e9)}.77.{user}").write_bytes(body)


def test_data_of_different_hours_go_to_objects_of_their_own(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 50ms;")
    sluice = server(streams=embedded.streams, wait=False, args=["-t"])
    assert sluice.wait_exit() == 0
    sluice.args.remove("-t")
    utc = datetime.timezone.utc
    times = [datetime.datetime(2025, 12, 31, 23, 59, 59, 900_000, utc), datetime.datetime(2026, 1, 1, 0, 0, 0, 0, utc),
             datetime.datetime(2026, 1, 1, 0, 59, 59, 0, utc), datetime.datetime(2024, 2, 29, 12, 0, 0, 0, utc)]
    for n, when in enumerate(times):
        origin_file(sluice, "usage", when, b"%d" % n)
    sluice.start()
    keys = embedded.usage.wait_keys(3)
    assert keys == [f"{folder}/{hour}.{HOST}.jsonl.gz" for folder, hour in
                    (("2024/02/29/12", "2024022912"), ("2025/12/31/23", "2025123123"), ("2026/01/01/00", "2026010100"))]
    assert [embedded.usage.get(key).records() for key in keys] == [[b"3"], [b"0"], [b"1", b"2"]]


# ---- when


def test_interval_closes_a_bundle_and_holds_it_until_then(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 800ms;")
    sluice = server(streams=embedded.streams)
    began = time.monotonic()
    for n in range(5):
        assert sluice.put("/usage", b"%d" % n).status_code == 204
    assert embedded.usage.wait_records(5) and time.monotonic() - began >= 0.75
    assert len(embedded.usage.keys()) == 1


def test_each_stream_has_its_own_interval(server, embedded):
    streams = dict(embedded.streams, error=embedded.streams["error"].replace("50ms", "10m"))
    sluice = server(streams=streams)
    for path in ("/error", "/usage"):
        assert sluice.put(path, path.encode()).status_code == 204
    assert embedded.usage.wait_records(1) == [b"/usage"]
    assert embedded.error.keys() == []
    assert sluice.stop() == 0
    assert embedded.error.records() == [b"/error"]


def test_bundle_size_closes_a_bundle_early(server, tmp_path):
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 10m; bundle_size 64k;")
    sluice = server(streams=embedded.streams, main="worker_processes 1;")
    sent = [b"%05d" % n + b"x" * 1000 for n in range(200)]
    for body in sent:
        assert sluice.put("/usage", body).status_code == 204
    early = wait_until(lambda: len(keys := embedded.usage.keys()) >= 2 and keys, "two bundles before the interval")
    assert all(len(embedded.usage.get(key).data()) <= 2 * 65536 for key in early)
    assert sluice.stop() == 0
    assert_exactly_once(sent, embedded.usage.records())


# ---- stages


def test_leftovers_of_every_stage_are_taken_up_at_start(server, tmp_path):
    """A destination in the way leaves a list and its gz; killed there, it all arrives after the restart, with no new data."""
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 50ms; breaker failures=1000 open=50ms; retry initial=20ms max_interval=50ms;")
    sluice = server(streams=embedded.streams)
    assert sluice.put("/usage", b"first").status_code == 204
    year = embedded.usage.wait_keys(1)[0].split("/")[0]
    (embedded.usage.path / year).rename(tmp_path / "aside")
    (embedded.usage.path / year).write_text("in the way")
    sent = [b"waits-%d" % n for n in range(5)]
    for body in sent:
        assert sluice.put("/usage", body).status_code == 204
    wait_until(lambda: any(re.fullmatch(r"usage/uploading/[0-9a-f]{32}\.gz", name) for name in sluice.data_files()), sluice.data_files)
    sluice.kill_all()
    names = sluice.data_files()
    [gz, *_] = [name for name in names if name.endswith(".gz")]
    assert gz.replace("uploading", "aggregation").replace(".gz", ".list") in names
    uploading = sluice.state_dir / "usage/uploading"
    (uploading / f"{'0' * 32}.part").write_bytes(b"torn")  # a packing that was cut off, and a gz that no list knows
    (uploading / f"{'1' * 32}.gz").write_bytes(gzip.compress(b"unknown\n"))
    (embedded.usage.path / year).unlink()
    sluice.start()
    assert_exactly_once(sent, embedded.usage.wait_records(5))
    wait_until(lambda: sluice.data_files() == [], lambda: f"all stages are empty: {sluice.data_files()}")
    assert_exactly_once(sent, embedded.usage.records())


def test_failing_to_pack_keeps_the_sources(server, tmp_path):
    """No folder to pack into: the sources stay until there is one."""
    embedded = Embedded(tmp_path / "out", bundles="bundle_interval 50ms;")
    sluice = server(streams=embedded.streams)
    assert sluice.put("/usage", b"before").status_code == 204
    assert embedded.usage.wait_records(1)
    uploading = sluice.state_dir / "usage/uploading"
    uploading.rmdir()
    uploading.write_text("in the way")
    assert sluice.put("/usage", b"kept").status_code == 204
    sluice.wait_log("turn failed")
    assert any(name.startswith("usage/aggregation/") or re.match(r"usage/\d{8}T", name) for name in sluice.data_files())
    uploading.unlink()
    uploading.mkdir(0o750)
    assert sorted(embedded.usage.wait_records(2)) == [b"before", b"kept"]
