"""The order of system calls, as strace sees them: what would be lost if the power went between any two of them. Crashes of processes cannot
show that, since the page cache outlives them."""

import re
import threading

import pytest

from lib import raw, trace
from lib.account import Account
from lib.objects import Object
from lib.store import truthful

STREAMS = {
    "usage": "sink s3 s bucket={bucket} prefix=usage/; bundle_interval 100ms; "
    "retry initial=20ms max_interval=100ms; breaker failures=1000 open=50ms;",
    "specimen": "sink s3 s bucket={bucket} prefix=specimen/; mode object; "
    "retry initial=20ms max_interval=100ms; breaker failures=1000 open=50ms;",
}
KINDS = [("/usage", 60), ("/usage", 500), ("/usage", 100000), ("/specimen?uri=/a.png", 3000), ("/usage", 80)]


class Talk(threading.Thread):
    """One connection and what was answered on it: (record, status) in order."""

    def __init__(self, sluice, account, name):
        super().__init__()
        self.sluice, self.account, self.talker = sluice, account, name
        self.answers, self.port = [], None

    def run(self):
        with raw.connect(self.sluice) as line:
            self.port = line.socket.getsockname()[1]
            for n, (path, length) in enumerate(KINDS * 2):
                name = b"%s.1.%d" % (self.talker, n)
                line.send(raw.put(path, self.account.send(name, length)))
                self.answers.append((name, line.answer().status))
                if self.answers[-1][1] == 204:
                    self.account.promise(name)


class Traced:
    """A server that ran under strace from start to end, what it was told and what it did."""

    def __init__(self, sluice, store, output):
        self.account = Account()
        self.talks = [Talk(sluice, self.account, b"t%d" % n) for n in range(3)]
        for talk in self.talks:
            talk.start()
        for talk in self.talks:
            talk.join()
        assert sluice.stop() == 0
        self.sluice, self.store = sluice, store
        self.calls = trace.read(output)
        self.state = str(sluice.state_dir)
        self.disk = trace.Disk(self.calls, self.state)

    def answers_204(self, talk):
        """The calls that sent this connection's 204s, in order."""
        sends = [call for call in self.calls if call.name in ("sendmsg", "sendto") and call.peers == (self.sluice.port, talk.port)]
        return [call for call in sends for _ in range(call.args.count("HTTP/1.1 204"))]

    def puts(self, key):
        """(call, key, bundle) of every PUT of data that began to be sent."""
        for call in self.calls:
            found = call.name in ("sendmsg", "sendto") and re.search(r'"PUT /scripted/(\S+) HTTP', call.args)
            if found and re.match(key, found.group(1)) and ".sluice-probe" not in found.group(1):
                yield call, found.group(1), re.search(r"x-amz-meta-bundle: ([0-9a-f]{32})", call.args).group(1)


@pytest.fixture
def traced(server, scripted_store, tmp_path):
    def run(env=None):
        output = tmp_path / "trace"
        sluice = server(
            store=scripted_store, bucket="scripted", streams=STREAMS, main="worker_processes 1; worker_shutdown_timeout 60s;",
            env=env or {}, wrapper=trace.wrapper(output),
        )
        return Traced(sluice, scripted_store, output)

    return run


# ---- what must hold


def check_answers(run):
    """A 204 is sent when the record, the header before it, and the name of its file are on disk."""
    for talk in run.talks:
        stored = [name for name, status in talk.answers if status == 204]
        sends = run.answers_204(talk)
        assert len(sends) == len(stored)
        for name, send in zip(stored, sends):
            file, write = run.disk.holding(name.decode() + " ")
            header = next(one for one in file.writes if "SLUISEG1" in one.args)
            assert run.disk.content_durable(file, [write, header], send.began), f"{name}: not synced before its 204"
            made = [(call, path) for call, path in file.names if not path.endswith(".part") and call.ended < send.began]
            assert made and run.disk.name_durable(*made[0], send.began), f"{name}: its file had no durable name before its 204"


def check_writes(run):
    """No write to an open segment but after a sync of the one before: a segment whose sync failed is not touched again."""
    for file in run.disk.files:
        if not file.names[0][1].endswith(".open"):
            continue
        for before, after in zip(file.writes, file.writes[1:]):
            assert run.disk.content_durable(file, [before], after.began), f"{file.names}: {after.args[-60:]} after an unsynced write"


def lists(run, bundle):
    """(call that gave the list its name, text) of each version of a bundle's list, in order."""
    found = []
    for call, path, file in run.disk.named(rf"/aggregation/{bundle}\.list$"):
        found.append((call, path, file, "".join(write.args for write in file.writes)))
    return found


def check_bundles(run):
    """The order of steps 7 to 12 for each bundle."""
    disk, usage = run.disk, run.state + "/usage"
    folders = {name: f"{usage}/{name}" for name in ("aggregation", "uploading")}
    unlinks = {call.paths[0]: call for call in run.calls if call.name == "unlink" and call.ok}
    bundles = {bundle for _, _, bundle in run.puts("usage/")}
    assert bundles, "no bundle was sent"
    for bundle in bundles:
        versions = lists(run, bundle)
        gz_name, gz_path, gz = disk.named(rf"/uploading/{bundle}\.gz$")[-1]
        sources = re.findall(r"source [0-9a-f]{32} \d+ (\S+?)\\n", versions[0][3])
        assert sources
        for source in sources:  # claimed durably, and kept until the gz is
            claims = disk.named(rf"/aggregation/{re.escape(source)}$")
            assert claims and claims[-1][0].ended < versions[0][0].began
            assert disk.name_durable(*claims[-1][:2], versions[0][0].began), f"{source}: claimed, but not durably, when listed"
            gone = unlinks[f"{folders['aggregation']}/{source}"]
            assert disk.content_durable(gz, gz.writes, gz_name.began), "the gz has its name before its content"
            assert disk.name_durable(gz_name, gz_path, gone.began), f"{source} removed before the gz was durable"
        for call, key, of in run.puts("usage/"):
            if of == bundle:
                name, path, file, text = [one for one in versions if one[0].ended < call.began][-1]
                assert f"key {key}\\n" in text, f"sent under {key}, but listed: {text}"
                assert disk.content_durable(file, file.writes, name.began), "the list has its name before its content"
                assert disk.name_durable(name, path, call.began), f"{key} sent before its list was durable"
                assert disk.name_durable(gz_name, gz_path, call.began), f"{key} sent before its gz was durable"
        last_sent = max(call.began for call, _, of in run.puts("usage/") if of == bundle)
        sent, sent_path, _ = disk.named(rf"/aggregation/{bundle}\.sent$")[-1]
        gz_gone, sent_gone = unlinks[gz_path], unlinks[sent_path]
        assert sent.began > last_sent
        assert disk.name_durable(sent, sent_path, gz_gone.began), "gz removed before .sent was durable"
        assert disk.folder_synced(folders["uploading"], gz_gone.ended, sent_gone.began), ".sent removed before the gz was"


def check_objects(run):
    """An object is sent under its durable name and removed after its 200."""
    for call, key, _ in run.puts("specimen/u"):
        claims = [found for found in run.disk.named(r"/specimen/uploading/[^/]*Z[^/]*$") if found[0].ended < call.began]
        assert any(run.disk.name_durable(name, path, call.began) for name, path, _ in claims), f"{key} sent before it was claimed"


def check_start(run):
    """The folders are synced before the shipper believes and changes them."""
    for folder in ("usage", "usage/aggregation", "usage/uploading", "specimen", "specimen/uploading"):
        path = f"{run.state}/{folder}"
        first = min(
            (call.began for call in run.calls if call.name in ("rename", "unlink") and call.ok
             and any(f"{run.state}/{folder.split('/')[0]}/{sub}/" in one for one in call.paths for sub in ("aggregation", "uploading"))),
            default=None,
        )
        assert first is not None and run.disk.folder_synced(path, -1, first), f"{folder} is not synced first"


def check_all(run):
    check_answers(run)
    check_writes(run)
    check_bundles(run)
    check_objects(run)
    run.account.check_bucket(run.store.bucket(), objects=("specimen/u",))
    assert run.sluice.data_files() == []


# ---- tests


def test_nothing_is_relied_on_before_it_is_durable(traced):
    run = traced()
    assert all(status == 204 for talk in run.talks for _, status in talk.answers)
    check_start(run)
    check_all(run)


def taken(exchange):
    """Another has the key."""
    request = exchange.request
    exchange.peer.objects[request.bucket, request.key] = Object(request.key, b"another's", {"bundle": "0" * 32}, "text/plain")
    truthful(exchange)


def test_the_next_number_is_durable_before_it_is_tried(traced, scripted_store):
    scripted_store.script(taken, key="^usage/2", times=2)
    run = traced()
    for place, found in list(scripted_store.objects.items()):
        if found.body == b"another's":
            del scripted_store.objects[place]
    keys = [key for _, key, _ in run.puts("usage/")]
    assert len(keys) >= 3
    check_all(run)


@pytest.mark.parametrize("call, nth", [("fsync", n) for n in range(1, 21)] + [("close", n) for n in range(12, 42, 3)]
                         + [("rename", n) for n in range(1, 7)] + [("unlink", n) for n in range(1, 6)] + [("pwrite", 1), ("pwrite", 2)])
def test_a_failed_call_of_the_shipper_is_not_relied_on(traced, tmp_path, call, nth):
    """A call that fails is not made, so the trace shows whether it is made up for before what depends on it."""
    flag = tmp_path / "failed"
    run = traced({"SLUICE_FAIL": f"{call}:{nth}:EIO", "SLUICE_TEST_ROLE": "shipper", "SLUICE_CRASH_ONCE": str(flag)})
    assert flag.exists()
    check_all(run)


@pytest.mark.parametrize("call, nth", [("fdatasync", n) for n in range(1, 9)] + [("fsync", n) for n in range(1, 6)] + [("pwrite", 2), ("pwrite", 5)])
def test_a_failed_call_of_a_worker_is_not_relied_on(traced, tmp_path, call, nth):
    flag = tmp_path / "failed"
    run = traced({"SLUICE_FAIL": f"{call}:{nth}:EIO", "SLUICE_TEST_ROLE": "worker", "SLUICE_CRASH_ONCE": str(flag)})
    assert flag.exists()
    assert {status for talk in run.talks for _, status in talk.answers} <= {204, 500, 503}
    check_all(run)
