"""The spool's files as they are on disk (src/spool/segment.h): for tests that look at what is kept beside a record."""

import struct
from pathlib import Path
from typing import NamedTuple

HEADER = struct.Struct("<8sHHI16sqIIQII")
FRAME = struct.Struct("<4sIqQIHHQ")


class Record(NamedTuple):
    segment: str  # its id
    number: int
    user: str
    attrs: dict
    body: bytes

    @property
    def id(self):
        """As clients and destinations know it."""
        return self.attrs.get("idem") or f"{int(self.segment, 16) + self.number:032x}"


def _attrs(data):
    found = {}
    while data:
        name_len, value_len = struct.unpack_from("<HI", data)
        name, value = data[6 : 6 + name_len], data[6 + name_len : 6 + name_len + value_len]
        found[name.decode()] = value.decode()
        data = data[6 + name_len + value_len :]
    return found


def records_of(path):
    """The records of one segment, open or sealed, in their order."""
    data = Path(path).read_bytes()
    if len(data) < HEADER.size or not data.startswith(b"SLUISEG1"):
        return
    segment = HEADER.unpack_from(data)[4].hex()
    at = HEADER.size
    while data[at : at + 4] == b"SLfr":
        _, _, _, body_len, attrs_len, user_len, _, number = FRAME.unpack_from(data, at)
        user = at + FRAME.size
        attrs = user + user_len
        body = attrs + attrs_len
        at = body + body_len
        yield Record(segment, number, data[user:attrs].decode(), _attrs(data[attrs:body]), data[body:at])


def records_in(folder):
    """All records in a stream's folder, by body."""
    paths = [path for path in Path(folder).iterdir() if path.is_file() and path.name[:1].isdigit()]
    return {record.body: record for path in sorted(paths) for record in records_of(path)}
