"""The janitor: kept like the others, and missed by nobody while it is gone."""

import os
import re
import signal

import pytest

from lib import raw
from lib.wait import wait_until


@pytest.mark.sanitize
def test_killed_janitor_is_replaced_and_its_jobs_go_on(server, embedded):
    """The job seen here is the look at heartbeats."""
    sluice = server(streams=embedded.streams)
    [first] = sluice.children("janitor")
    [stuck, _] = sluice.children("worker")
    os.kill(stuck, signal.SIGSTOP)
    try:
        os.kill(first, signal.SIGKILL)
        sluice.wait_log(r"child died role=janitor .*signal=9")
        second = sluice.wait_child("janitor", but=[first])
        sluice.wait_log(f"janitor: process does not respond role=worker pid={stuck} ")
    finally:
        os.kill(stuck, signal.SIGCONT)
    sluice.wait_log(f"janitor: process goes on role=worker pid={stuck} ")
    assert sluice.children("janitor") == [second]
    assert len(sluice.wait_log("does not respond")) == 1
    assert sluice.stop() == 0


def test_a_janitor_that_keeps_dying_costs_nobody_anything(server, embedded):
    sluice = server(streams=embedded.streams)
    seen = set()
    for n in range(3):
        janitor = sluice.wait_child("janitor", but=seen)
        seen.add(janitor)
        os.kill(janitor, signal.SIGKILL)
        assert sluice.put("/usage", b"%d" % n).status_code == 204
    sluice.wait_log("child died role=janitor", count=3)
    assert sluice.stop() == 0
    assert sorted(embedded.usage.records()) == [b"0", b"1", b"2"]


@pytest.mark.sanitize
def test_janitor_ends_after_the_workers_and_at_a_reload(server, embedded):
    sluice = server(streams=embedded.streams, main="error_log stderr debug;", env={"SLUICE_DELAY_MS": "300"})
    old = sluice.children("janitor")
    sluice.reload()
    sluice.wait_child("janitor", but=old)
    sluice.wait_log("child ended role=worker", count=2)
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"last"))
        wait_until(lambda: any("usage/" in name for name in sluice.data_files()), sluice.tail)
        sluice.send_signal(signal.SIGTERM)
        assert line.answer().status == 204
    assert sluice.wait_exit() == 0
    ended = re.findall(r"child ended role=(\w+)", sluice.log().partition("shutdown start")[2])
    assert ended.count("worker") == 2 and sorted(ended[2:]) == ["janitor", "shipper"]


def test_a_janitor_that_hangs_holds_up_a_stop_no_longer_than_its_time_out(server, embedded):
    sluice = server(streams=embedded.streams, main="worker_shutdown_timeout 2s;")
    [janitor] = sluice.children("janitor")
    os.kill(janitor, signal.SIGSTOP)
    assert sluice.put("/usage", b"x").status_code == 204
    assert sluice.stop() == 0
    assert re.search(f"child died role=janitor pid={janitor} .*signal=9", sluice.log())
    assert embedded.usage.records() == [b"x"]
