"""Looking into a bucket: what a consumer of the data would see."""

import collections
import gzip
from dataclasses import dataclass

import boto3
import botocore.client

from lib.wait import PATIENCE, wait_until

ACCESS_KEY, SECRET_KEY, REGION = "sluice-tests", "sluice-tests-secret", "us-east-1"


def client(endpoint, ca_file=None):
    """A boto3 client for a store of the tests."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        verify=str(ca_file) if ca_file else None,
        config=botocore.client.Config(
            s3={"addressing_style": "path"},
            retries={"max_attempts": 3},
            connect_timeout=5,
            read_timeout=20,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@dataclass
class Object:
    """One object as the store has it. Names of metadata are lower case, without x-amz-meta-."""

    key: str
    body: bytes
    metadata: dict
    content_type: str

    def data(self):
        """The body, unpacked; a damaged or cut gzip raises."""
        return gzip.decompress(self.body)

    def records(self):
        """The lines of a bundle, without their newlines. A last line without one is a defect."""
        data = self.data()
        assert data.endswith(b"\n"), f"{self.key}: the last record has no newline"
        return data[:-1].split(b"\n")


class Bucket:
    """What tests ask of a bucket; where the objects are is the subclass's business: `name`, `keys`, `get`."""

    name = ""

    def keys(self, prefix=""):
        """All keys below the prefix, sorted; without the server's probe object."""
        return sorted(key for key in self._all_keys(prefix) if not key.endswith(".sluice-probe"))

    def get(self, key):
        """The Object under a key."""
        raise NotImplementedError

    def _all_keys(self, prefix):
        raise NotImplementedError

    def objects(self, prefix=""):
        return [self.get(key) for key in self.keys(prefix)]

    def records(self, prefix=""):
        """Every record of every bundle below the prefix: within a bundle in its order, bundles by key."""
        return [record for found in self.objects(prefix) for record in found.records()]

    def wait_keys(self, count, prefix="", timeout=PATIENCE):
        """Waits until at least `count` objects are there; returns the keys."""
        return wait_until(
            lambda: len(keys := self.keys(prefix)) >= count and keys,
            lambda: f"{count} objects below '{prefix}' in {self.name}: {self.keys(prefix)}",
            timeout,
        )

    def wait_records(self, count, prefix="", timeout=PATIENCE):
        """Waits until at least `count` records are there; returns all of them."""
        seen = {}  # objects do not change: each is read once

        def all_there():
            for key in self.keys(prefix):
                if key not in seen:
                    seen[key] = self.get(key).records()
            records = [record for key in sorted(seen) for record in seen[key]]
            return len(records) >= count and records

        return wait_until(
            all_there,
            lambda: f"{count} records below '{prefix}' in {self.name}: {sum(map(len, seen.values()))} in {sorted(seen)}",
            timeout,
        )


class RealBucket(Bucket):
    """A bucket of a real store, read with boto3."""

    def __init__(self, s3, name):
        self.s3 = s3
        self.name = name

    def _all_keys(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def get(self, key):
        answer = self.s3.get_object(Bucket=self.name, Key=key)
        return Object(key, answer["Body"].read(), answer["Metadata"], answer["ContentType"])


def assert_exactly_once(sent, found):
    """Every record of `sent` is in `found`, once, and nothing else is: the promise of the server. In any order."""
    sent_count, found_count = collections.Counter(sent), collections.Counter(found)
    lost, extra = sent_count - found_count, found_count - sent_count
    doubled = [record for record in extra if record in sent_count]
    assert not lost and not extra, (
        f"{sum(lost.values())} lost, {len(doubled)} doubled, {len(extra) - len(doubled)} never sent; "
        f"lost {list(lost)[:5]}, doubled {doubled[:5]}, strange {[r for r in extra if r not in sent_count][:5]}"
    )
