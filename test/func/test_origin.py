"""Upgrade in place: what the origin gateway left in its folder becomes records, once each."""

import datetime
import gzip
import re
import urllib.parse

import pytest

from lib import config
from lib.folder import Embedded
from lib.objects import assert_exactly_once
from lib.wait import wait_until


@pytest.fixture
def prepared(server, tmp_path):
    """A server that has not started, its folder, and its destination."""
    embedded = Embedded(tmp_path / "out")
    sluice = server(streams=embedded.streams, args=["-t"], wait=False)
    assert sluice.wait_exit() == 0
    sluice.args.remove("-t")
    for name in ("usage/aggregation", "usage/uploading", "error/aggregation", "error/uploading", "specimen/uploading"):
        (sluice.state_dir / name).mkdir(parents=True)
    sluice.embedded = embedded
    return sluice


def leave(sluice, name, body):
    (sluice.state_dir / name).write_bytes(body)


def wait_taken(sluice):
    wait_until(lambda: [name for name in sluice.data_files() if "/aside/" not in name] == [], sluice.tail)


@pytest.mark.sanitize
def test_records_of_every_stage_are_taken_in_with_their_hour(prepared):
    hour = int(datetime.datetime(2025, 6, 1, 7, 30, tzinfo=datetime.timezone.utc).timestamp())
    leave(prepared, f"usage/{hour}000000003.41.carol", b'{"n":3}')
    leave(prepared, f"usage/{hour}000000001.41.alice", b'{"n":1}\n')
    leave(prepared, f"usage/aggregation/{hour}000000002.41.bob.with.dots", b'{"n":2}')
    leave(prepared, f"error/{hour + 3600}000000000.41.u", b"\xffbinary")
    prepared.start()
    [key] = prepared.embedded.usage.wait_keys(1)
    assert key.startswith("2025/06/01/07/2025060107.")
    assert prepared.embedded.usage.get(key).data() == b'{"n":1}\n{"n":2}\n{"n":3}\n'
    [key] = prepared.embedded.error.wait_keys(1)
    assert key.startswith("2025/06/01/08/") and prepared.embedded.error.get(key).data() == b"\xffbinary\n"
    wait_taken(prepared)


@pytest.mark.parametrize("stage", ["", "uploading/"])
@pytest.mark.parametrize("fraction", [".123456", ".1234", ""], ids=["full", "short", "none"])
def test_specimens_are_taken_in(prepared, stage, fraction):
    uri = "https://example.org/a b/shot.png?x=1"
    leave(prepared, f"specimen/{stage}20250601073000{fraction}.41.{urllib.parse.quote_plus(uri)}", b"picture")
    prepared.start()
    [key] = prepared.embedded.specimen.wait_keys(1)
    assert re.fullmatch(r"unknown/2025/06/01/shot\.\d{19}\.png", key)
    found = prepared.embedded.specimen.get(key)
    assert found.body == b"picture" and urllib.parse.unquote(found.metadata["uri"]) == uri
    seconds = int(datetime.datetime(2025, 6, 1, 7, 30, tzinfo=datetime.timezone.utc).timestamp())
    assert key.split(".")[1] == str(seconds) + fraction[1:].ljust(9, "0")
    wait_taken(prepared)


@pytest.mark.parametrize("stage", ["aggregation", "uploading"])
def test_gzip_of_the_origin_is_set_aside(prepared, stage):
    """Its sources are there, too, so to send it would double them; it may be cut off anywhere."""
    leave(prepared, f"usage/{stage}/aggregate_1748763000000000000.gz", gzip.compress(b'{"n":1}\n')[:-5])
    leave(prepared, "usage/aggregation/1748763000000000000.41.u", b'{"n":1}')
    prepared.start()
    assert prepared.embedded.usage.wait_records(1) == [b'{"n":1}']
    prepared.wait_log("set aside a bundle of the origin gateway")
    assert [path.name for path in (prepared.state_dir / "usage/aside").iterdir()] == ["aggregate_1748763000000000000.gz"]
    wait_taken(prepared)
    assert prepared.stop() == 0
    assert prepared.embedded.usage.records() == [b'{"n":1}']


def test_taken_in_once_over_kills_and_restarts(prepared):
    sent = [b"record %d" % n for n in range(60)]
    for n, body in enumerate(sent):
        leave(prepared, f"usage/17487630000000{n:05d}.41.u", body)
    for _ in range(3):
        prepared.start(wait=False)
        wait_until(lambda: "started" in prepared.log() or len(prepared.log()) > 0, prepared.tail)
        prepared.kill_all()
    prepared.start()
    assert_exactly_once(sent, prepared.embedded.usage.wait_records(60))
    wait_taken(prepared)


def test_other_files_are_left_alone(prepared):
    names = ["usage/notes.txt", "usage/123.4.user", "specimen/readme", "usage/1748763000000000000..user"]
    for name in names:
        leave(prepared, name, b"not ours")
    prepared.start()
    assert prepared.put("/usage", b"ours").status_code == 204
    assert prepared.embedded.usage.wait_records(1) == [b"ours"]
    assert prepared.stop() == 0
    assert [name for name in names if (prepared.state_dir / name).read_bytes() == b"not ours"] == names


@pytest.mark.sanitize
def test_whole_folder_under_the_origin_configuration(server, minio, tmp_path):
    """The user's config.yml, started on the user's folder: everything in it arrives in the user's buckets."""
    buckets = [minio.bucket() for _ in range(3)]
    cache = tmp_path / "cache"
    for name in ("usage/aggregation", "error", "specimen/uploading"):
        (cache / name).mkdir(parents=True)
    (cache / "usage/1748763000000000000.41.u").write_bytes(b"one")
    (cache / "usage/aggregation/1748763000000000001.41.u").write_bytes(b"two")
    (cache / "error/1748763000000000000.41.u").write_bytes(b"three")
    (cache / "specimen/uploading/20250601073000.5.41.a.png").write_bytes(b"four")
    text = config.ingest_service(cache, minio, [bucket.name for bucket in buckets], aggregation_usage_interval="100ms",
                                 aggregation_error_interval="100ms")
    sluice = server(yml=text)
    assert buckets[0].wait_records(2) == [b"one", b"two"]
    assert buckets[1].wait_records(1) == [b"three"]
    [key] = buckets[2].wait_keys(1)
    assert buckets[2].get(key).body == b"four" and buckets[2].get(key).metadata["uri"] == "a.png"
    assert sluice.stop() == 0
