"""The static binary where there is nothing else: no libc, no /etc, no /dev, no time zones, no certificates but the one it is given."""

import os
import shutil

import pytest

from lib.dns import NameServer
from lib.objects import assert_exactly_once
from lib.server import TOP
from lib.store import ScriptedStore


@pytest.fixture
def names():
    server = NameServer({"store.example": "127.0.0.1"})
    yield server
    server.stop()


@pytest.fixture
def tls_store(authority):
    store = ScriptedStore(authority, names=("store.example",))
    yield store
    store.stop()


def test_ships_over_https_from_an_empty_root(server, built_tree, tmp_path, authority, names, tls_store):
    """In a root folder with the binary, its configuration, a CA file and a state folder: the store's name is resolved by the
    name server that `resolver` gives, its certificate is checked against that name, and the data arrives."""
    root = tmp_path / "root"
    (root / "state").mkdir(parents=True)
    shutil.copy(TOP / built_tree("static", "--static") / "sluice", root / "sluice")
    shutil.copy(authority.ca_file, root / "ca.pem")
    chroot = ["chroot", str(root)] if os.geteuid() == 0 else ["unshare", "-r", "chroot", str(root)]

    sluice = server(
        folder=root,
        command=[*chroot, "/sluice", "-c", "/sluice.conf"],
        conf=f"""
        state_dir /state;
        user 10001:10001;
        worker_processes 1;
        events {{ }}
        http {{
            resolver 127.0.0.1:{names.port};
            store s {{
                endpoint https://store.example:{tls_store.port};
                region us-east-1;
                credentials keys {tls_store.access_key} {tls_store.secret_key};
                bucket_style path;
                ca_file /ca.pem;
            }}
            stream usage {{ sink s3 s bucket=scripted prefix=usage/; bundle_interval 1s; }}
            server {{ listen 127.0.0.1:{{port}}; location = /usage {{ auth user_token; ingest usage; }} }}
        }}
        """,
    )
    sent = [b'{"n":%d}' % n for n in range(20)]
    for record in sent:
        assert sluice.put("/usage", record).status_code == 204
    assert_exactly_once(sent, tls_store.bucket().wait_records(len(sent)))
    assert "store.example" in names.asked
    assert sluice.stop() == 0
    assert sorted(path.name for path in root.iterdir()) == ["ca.pem", "log", "sluice", "sluice.conf", "state"]
