"""sluicectl spool: what waits on disk, with a server or without; whole, damaged, torn, or not ours at all."""

import gzip
import json
import os
import pty
import re
import subprocess

import pytest

from lib.admin import ctl, run
from lib.ports import free_port
from lib.server import program
from lib.wait import wait_until

# Nothing leaves: one stream's bundles are not closed, the other's store is away.
AWAY = "retry initial=20ms max_interval=100ms; breaker failures=1000 open=50ms;"


@pytest.fixture
def sluice(server, scripted_store, tmp_path):
    port = free_port()
    http = f"store away {{ endpoint http://127.0.0.1:{port}; credentials keys ID SECRET; bucket_style path; }}"
    return server(
        store=scripted_store, http=http,
        streams={
            "usage": f"sink dir {tmp_path}/out; bundle_interval 1h;",
            "packed": f"sink s3 away bucket=b; bundle_interval 50ms; {AWAY}",
        },
    )


def files(done):
    return {entry["file"]: entry for entry in json.loads(done.stdout)["files"]}


def ls(sluice, *args):
    done = ctl(sluice, "spool", "ls", "--json", *args)
    assert (done.returncode, done.stderr) == (0, ""), done
    return files(done)


def one(sluice, pattern, *args):
    """The one file whose name fits."""
    found = [entry for name, entry in ls(sluice, *args).items() if re.fullmatch(pattern, name)]
    assert len(found) == 1, found
    return found[0]


def verify(sluice, *args):
    done = ctl(sluice, "spool", "verify", "--json", *args)
    document = json.loads(done.stdout)
    assert done.returncode == (1 if document["damaged"] else 0), done
    return {entry["file"]: entry for entry in document["files"]}


def fill(sluice, count=3):
    for n in range(count):
        assert sluice.put("/usage", f"record {n}".encode(), user=f"u{n}").status_code == 204


@pytest.mark.sanitize
def test_live_and_dead(sluice):
    fill(sluice)
    sluice.put("/packed", b'{"n":1}')
    wait_until(lambda: [name for name in ls(sluice, "packed") if name.endswith(".gz")], "a bundle waits for the store")
    for alive in (True, False):
        if not alive:
            sluice.kill_all()
        entry = next(entry for name, entry in ls(sluice, "usage").items() if entry["records"])
        assert (entry["kind"], entry["stage"], entry["records"]) == ("segment", "open", 3)
        bundle = one(sluice, r"packed/uploading/.*\.gz", "packed")
        assert (bundle["kind"], bundle["stage"], bundle["records"]) == ("bundle", "leaving", 1)
        assert one(sluice, r"packed/aggregation/.*\.list")["kind"] == "list"
        assert all(entry["state"] in ("good", "unfinished", "unchecked") for entry in verify(sluice).values())
        done = ctl(sluice, "spool", "cat", "usage")
        assert (done.returncode, sorted(done.stdout.splitlines())) == (0, ["record 0", "record 1", "record 2"]), done
        assert ctl(sluice, "spool", "cat", "packed").stdout == '{"n":1}\n'
    done = ctl(sluice, "spool", "ls")
    assert re.match(r"FILE +KIND +STAGE +RECORDS +SIZE +AGE\n", done.stdout), done.stdout
    assert re.search(r"^packed/uploading/\w+\.gz +bundle +leaving +1 +\d+ B +", done.stdout, re.M), done.stdout
    assert re.search(r"^\d+ files, 4 records, ", done.stdout, re.M), done.stdout
    done = ctl(sluice, "spool", "verify")
    assert done.returncode == 0 and re.search(r"; none damaged\n$", done.stdout), done.stdout


def test_documents(sluice):
    fill(sluice)
    sluice.put("/usage", b"\xff\x00", headers={"Content-Type": "application/x"})
    sluice.kill_all()
    records = json.loads(ctl(sluice, "spool", "cat", "usage", "--json").stdout)["records"]
    by_user = {record["user"]: record for record in records}
    assert by_user["u1"]["text"] == "record 1" and by_user["u1"]["size"] == 8
    assert by_user["user"]["base64"] == "/wA=" and not by_user["user"]["truncated"]
    assert re.fullmatch(r"[0-9a-f]{32}", by_user["u1"]["id"]) and by_user["u1"]["time"].endswith("Z")
    assert len({record["id"] for record in records}) == 4


def test_large_records(sluice):
    """Longer than what a reader holds, and with its line end at odd places."""
    bodies = [b"x" * 200_000, b"y\n" * 70_000, b"z" * 65536 + b"\n"]
    for body in bodies:
        assert sluice.put("/usage", body).status_code == 204
    sluice.kill_all()
    done = ctl(sluice, "spool", "cat", "usage")
    assert sorted(done.stdout.splitlines()) == sorted(b"".join(b if b.endswith(b"\n") else b + b"\n" for b in bodies).decode().splitlines())
    texts = {record["text"] for record in json.loads(ctl(sluice, "spool", "cat", "usage", "--json").stdout)["records"]}
    assert texts == {body.decode() for body in bodies}


def segment_of(sluice):
    """A sealed segment with its records, as a path: what kill -9 left open is sealed as recovery would."""
    path = next(path for path in (sluice.state_dir / "usage").glob("*.open") if b"record" in path.read_bytes())
    data = path.read_bytes().rstrip(b"\0")
    sealed = path.with_suffix("")
    sealed.write_bytes(data)
    path.unlink()
    return sealed


@pytest.mark.sanitize
def test_damage(server, tmp_path):
    out = tmp_path / "out"
    sluice = server(streams={"usage": f"sink dir {out}; bundle_interval 1h;"}, main="worker_processes 1;")
    fill(sluice, 20)
    sluice.kill_all()
    path = segment_of(sluice)
    whole = path.read_bytes()
    name = f"usage/{path.name}"
    assert (verify(sluice)[name]["state"], ls(sluice)[name]["records"], ls(sluice)[name]["stage"]) == ("good", 20, "sealed")

    at = whole.index(b"record 7")
    path.write_bytes(whole[:at] + b"R" + whole[at + 1:])
    entry = verify(sluice, "usage")[name]
    assert (entry["state"], entry["records"]) == ("damaged", 19)
    assert entry["damaged_at"] < at < entry["damaged_at"] + entry["damaged_bytes"]
    done = ctl(sluice, "spool", "cat", "usage")
    assert done.returncode == 1 and "damaged bytes passed over" in done.stderr
    assert "record 6\nrecord 8\n" in done.stdout
    done = ctl(sluice, "spool", "verify", "usage")
    assert done.returncode == 1 and re.search(r" damaged: \d+ bytes at \d+\n", done.stdout) and "; 1 damaged\n" in done.stdout

    path.write_bytes(whole[:-3])  # cut: a sealed one ends with a record
    entry = verify(sluice, str(path))[name]
    assert (entry["state"], entry["records"]) == ("damaged", 19)
    path.write_bytes(whole)
    torn = path.with_name(path.name + ".open")  # the same is no damage where its writer died
    torn.write_bytes(whole[:-3])
    assert verify(sluice, str(torn))[f"{name}.open"]["state"] == "unfinished"
    torn.unlink()

    for junk in (b"", b"SLUISEG1", b"\xff" * 5000, whole[:63], b"SLUISEG1" + b"\xff" * 100):
        path.write_bytes(junk)
        assert verify(sluice, "usage")[name]["state"] == "damaged", junk
        assert ctl(sluice, "spool", "cat", "usage").returncode == 1


def test_damaged_bundle(sluice):
    for n in range(5):
        sluice.put("/packed", f"line {n} ".encode() * 2000)
    wait_until(lambda: sum(entry["records"] or 0 for entry in ls(sluice, "packed").values() if entry["kind"] == "bundle") == 5, "all are packed")
    sluice.kill_all()
    name, entry = next((n, e) for n, e in ls(sluice, "packed").items() if e["kind"] == "bundle")
    path = sluice.state_dir / name
    whole = path.read_bytes()
    assert verify(sluice, "packed")[name]["state"] == "good"
    records = json.loads(ctl(sluice, "spool", "cat", str(path), "--json").stdout)["records"]
    assert len(records) == entry["records"] == len(gzip.decompress(whole).splitlines())
    for data in (whole[:-1], whole[:-8] + b"\0" * 8, whole + b"x", whole[:40]):
        path.write_bytes(data)
        assert verify(sluice, "packed")[name]["state"] == "damaged"
        done = ctl(sluice, "spool", "cat", str(path))
        assert done.returncode == 1 and "it is damaged, or cut" in done.stderr


@pytest.mark.parametrize("size", [65536, 131072])
def test_gzip_of_the_size_of_a_read(tmp_path, size):
    """Its last byte is the last one of a piece that is read."""
    member = gzip.compress(b"", mtime=0)
    filler = os.urandom(size - 1000)
    for extra in range(2000):
        data = gzip.compress(filler[: size - 1000 - extra], mtime=0)
        left = size - len(data)
        if left >= 0 and left % len(member) == 0:
            break
    data += member * (left // len(member))
    assert len(data) == size
    (tmp_path / "b.gz").write_bytes(data)
    assert verify_path(tmp_path / "b.gz")["state"] == "good"


def verify_path(path):
    done = run("spool", "verify", "--json", path)
    return json.loads(done.stdout)["files"][0]


def test_hostile_folder(tmp_path):
    """Links, pipes, names that move the cursor, folders without end: none of it hangs, or reaches the terminal."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "loop").symlink_to(folder)
    (folder / "elsewhere").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    deep = folder
    for _ in range(20):
        deep = deep / "d"
        deep.mkdir()
        (deep / "file").write_text("x")
    (folder / "\x1b[2Jname").write_text("x")
    (folder / os.fsdecode(b"\xff")).write_text("x")
    (folder / "secret").write_text("x")
    os.chmod(folder / "secret", 0)
    done = run("spool", "ls", folder)
    assert done.returncode == 0 and "\\x1b[2Jname" in done.stdout and "\x1b" not in done.stdout
    assert "passwd" not in done.stdout
    done = run("spool", "verify", "--json", folder)
    names = [entry["file"] for entry in json.loads(done.stdout)["files"]]
    assert len(names) < 10
    assert run("spool", "cat", folder).stdout == ""


def test_terminal(sluice):
    """To a terminal go no control characters but line ends."""
    sluice.put("/usage", b"a\x1b]0;title\x07\nb")
    sluice.kill_all()
    assert "\x1b]0;title\x07\n" in ctl(sluice, "spool", "cat", "usage").stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen([program("sluicectl"), "-s", sluice.state_dir / "admin.sock", "spool", "cat", "usage"], stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        assert process.wait(30) == 0
        assert os.read(ours, 4096) == b"a\\x1b]0;title\\x07\r\nb\r\n"
    os.close(ours)


@pytest.fixture
def jobs(server):
    """A stream of messages whose service is away: what comes in waits. `sent` is one whose every record becomes a dead letter."""
    away = f"sink http http://127.0.0.1:{free_port()}/;"
    return server(streams={
        "jobs": f"{away} retry max=unlimited initial=20ms max_interval=50ms; breaker failures=1 open=30s;",
        "sent": f"{away} retry max=0 initial=20ms; breaker failures=1000 open=50ms;",
    })


@pytest.mark.sanitize
def test_purge(jobs):
    for n in range(5):
        assert jobs.put("/jobs", b"%d" % n).status_code == 204
    done = ctl(jobs, "spool", "purge", "jobs")
    assert done.returncode == 2 and "--reason TEXT is needed" in done.stderr
    for stream, message in {"nosuch": "there is no such stream", "": "the name of a stream is needed"}.items():
        done = ctl(jobs, "spool", "purge", stream, "--reason=x")
        assert done.returncode == 1 and message in done.stderr, done
    gone = []

    def purge():
        done = ctl(jobs, "spool", "purge", "jobs", "--reason=sent by hand", "--operator", "olga", "--json")
        assert done.returncode == 0, done
        gone.append(json.loads(done.stdout)["purged"])
        return sum(gone) == 5  # one may be on its way

    wait_until(purge, lambda: f"all five are purged: {gone}")
    assert ctl(jobs, "spool", "purge", "jobs", "--reason=again").stdout == "0 purged\n"
    found = [d for d in json.loads(ctl(jobs, "deliveries", "jobs", "--json").stdout)["deliveries"] if d["status"] == "purged"]
    assert len(found) == 5 and all("olga" in d["error_message"] and "sent by hand" in d["error_message"] for d in found)
    assert jobs.wait_log("message: purged stream=jobs .*operator=olga")
    wait_until(lambda: not [e for e in ls(jobs, "jobs").values() if e["kind"] == "segment" and e["stage"] == "sealed"], "no segment is left sealed")
    jobs.kill_all()
    jobs.start()

    def purged_again():
        done = ctl(jobs, "spool", "purge", "jobs", "--reason=again")
        assert done.returncode == 0 or "is not open now" in done.stderr, done
        return done.stdout

    assert wait_until(purged_again, "the shipper has opened the stream") == "0 purged\n"


@pytest.mark.sanitize
def test_journals_and_dead_letters(jobs):
    """Their files are looked at like the rest: counted, held against their checksums, and damage is told from the rubbish that a crash leaves."""
    for n in range(4):
        jobs.put("/sent", b"%d" % n)
    wait_until(lambda: json.loads(ctl(jobs, "dlq", "list", "--json").stdout)["total"] == 4, "all are dead letters")
    wait_until(lambda: sum(e["records"] for e in ls(jobs, "sent").values() if e["kind"] == "journal") == 4, "the journal has them")
    assert sum(e["records"] for e in ls(jobs, "dlq").values() if e["kind"] == "letters") == 4
    jobs.kill_all()
    assert {e["state"] for e in verify(jobs).values()} <= {"good", "unfinished", "unchecked"}
    for kind, stream in (("journal", "sent"), ("letters", "dlq")):
        name, entry = next((n, e) for n, e in verify(jobs, stream).items() if e["kind"] == kind and e["records"] == 4)
        path = jobs.state_dir / name
        whole = path.read_bytes()
        at = whole.index(b"refused")  # of the first one's error
        path.write_bytes(whole[:at] + b"R" + whole[at + 1:])
        broken = verify(jobs, stream)[name]
        assert broken["state"] == "damaged" and broken["damaged_at"] < at < broken["damaged_at"] + broken["damaged_bytes"]
        end = len(whole.rstrip(b"\0"))
        path.write_bytes(whole[:end] + b"\xff" * 64)  # behind its end
        assert verify(jobs, stream)[name]["state"] == "unfinished"
        path.write_bytes(b"\xff" * 3 + whole[3:])
        assert verify(jobs, stream)[name]["state"] in ("damaged", "unchecked")
        path.write_bytes(whole[:9] + b"\xff" * 3 + whole[12:])
        assert verify(jobs, stream)[name]["state"] == "damaged"
        path.write_bytes(whole)


def test_refusals(sluice, tmp_path):
    cases = {
        ("ls", "nosuch"): (1, "has no stream \"nosuch\""),
        ("ls", "/no/such"): (1, "/no/such: No such file or directory"),
        ("cat", "nosuch"): (1, "has no stream"),
        ("cat",): (2, "usage: sluicectl spool cat PATH|STREAM"),
        ("ls", "a", "b"): (2, "usage"),
        ("ls", "--x"): (2, "unknown option"),
    }
    for args, (status, message) in cases.items():
        done = ctl(sluice, "spool", *args)
        assert done.returncode == status and message in done.stderr, done
    (tmp_path / "notes").write_text("no records")
    done = run("spool", "cat", tmp_path / "notes")
    assert done.returncode == 1 and done.stderr.endswith("notes: no file of records\n")
    assert verify_path(tmp_path / "notes")["state"] == "unchecked"
