"""The zone file: what was counted outlives restarts, crashes and changes of the configuration; a file that is not what it should be is set aside
with a clear message, and the server starts."""

import os
import signal

import pytest

from lib.metrics import assert_never_down, scrape
from lib.wait import wait_until

LOCATIONS = "location = /metrics { metrics; } location = /ok { return 200; }"
OK = {"method": "GET", "status": "200"}


@pytest.fixture
def counting(server):
    def start(**options):
        return server(server=LOCATIONS, **options)

    return start


def ask(sluice, times):
    """Requests, each on a connection of its own, so that all workers get some."""
    for _ in range(times):
        assert sluice.get("/ok", headers={"Connection": "close"}).status_code == 200


def counted(sluice):
    """How many requests for /ok; scrapes are left out."""
    return scrape(sluice).sum("http_requests_total", **OK)


def restart(sluice, how="stop", **parts):
    if how == "stop":
        sluice.stop()
    else:
        sluice.kill_all()
        sluice.session.close()
    sluice.configure(server=LOCATIONS, **parts)
    sluice.start()


def test_counts_outlive_restarts_with_other_workers_and_sizes(counting):
    sluice = counting(main="worker_processes 3;", http="vts_zone main 2m;")
    expected = 0
    for workers, size, how in ((3, "2m", "stop"), (1, "2m", "kill"), (5, "1m", "stop"), (2, "20m", "kill")):
        restart(sluice, how, main=f"worker_processes {workers};", http=f"vts_zone main {size};")
        assert counted(sluice) == expected
        ask(sluice, 20)
        expected += 20
    zone = sluice.state_dir / "zone"
    assert zone.stat().st_mode & 0o777 == 0o640
    assert zone.stat().st_size > 20 << 20
    assert not (sluice.state_dir / "zone.bad").exists()


def test_counts_outlive_the_death_of_everyone_in_turn(counting):
    sluice = counting()
    ask(sluice, 10)
    before = scrape(sluice)
    for role in ("worker", "shipper", "janitor", "worker"):
        for pid in sluice.children(role):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: pid not in sluice.children(role), f"{role} {pid} is buried")
        sluice.wait_ready()
        page = scrape(sluice)
        assert_never_down(before, page)
        before = page
    sluice.reload()
    sluice.wait_log("configuration reloaded")
    sluice.kill()
    sluice.session.close()
    sluice.start()
    assert_never_down(before, page)
    assert counted(sluice) == 10


def test_gauges_begin_anew(counting):
    sluice = counting()
    ask(sluice, 1)
    sluice.kill_all()  # with the session's connection open
    sluice.session.close()
    sluice.start()
    page = scrape(sluice)
    assert page.sum("nginx_vts_connections", state="active") <= 1


def truncate(path):
    os.truncate(path, 5000)


def tear(path):
    """Both copies of the header."""
    with open(path, "r+b") as file:
        for copy in (0, 4096):
            file.seek(copy + 100)
            file.write(b"\xff" * 50)


def another_version(path):
    with open(path, "r+b") as file:
        for copy in (0, 4096):
            file.seek(copy + 8)
            file.write(b"\x63")


def foreign(path):
    path.write_bytes(b"#!/bin/sh\necho not yours\n" * 1000)


def link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


SPOILED = {truncate: "truncated", tear: "torn", another_version: "of another version", foreign: "not a zone", link: "symbolic links"}


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_sets_aside_what_it_cannot_use(counting, spoil):
    sluice = counting()
    ask(sluice, 3)
    sluice.stop()
    zone = sluice.state_dir / "zone"
    spoil(zone)
    spoiled = zone.read_bytes()
    for _ in range(2):
        sluice.start()
        lines = sluice.wait_log("zone: the zone file cannot be used and was set aside")
        assert len(lines) == 1 and SPOILED[spoil] in lines[0].lower() and str(zone) in lines[0], lines
        page = scrape(sluice)
        assert page.value("sluice_zone_set_aside_total") == 1
        sluice.stop()
    assert (sluice.state_dir / "zone.bad").read_bytes() == spoiled
    sluice.start()
    assert counted(sluice) == 0


def test_a_damaged_inside_loses_no_more_than_itself(counting):
    sluice = counting()
    ask(sluice, 3)
    sluice.stop()
    zone = sluice.state_dir / "zone"
    content = zone.read_bytes()
    # Every label's value of the requests' series is spoiled, wherever it is; the rest stays.
    assert content.count(b"GET\x00200") >= 1
    zone.write_bytes(content.replace(b"GET\x00200", b"GOT\x00200"))
    sluice.start()
    sluice.wait_log("zone: counters of an earlier start taken over .*damaged=[1-9]")
    page = scrape(sluice)
    assert not page.find("http_requests_total", method="GOT")
    assert page.value("sluice_zone_damaged_total") >= 1
    assert page.sum("http_request_duration_seconds_count") >= 3


@pytest.mark.parametrize("call", ("allocate", "pwrite", "rename"))
def test_without_room_for_a_file_it_works_in_memory(counting, call):
    sluice = counting()
    ask(sluice, 5)
    sluice.stop()
    sluice.env |= {"SLUICE_TEST_ROLE": "master", "SLUICE_FAIL": f"{call}:1:ENOSPC"}
    sluice.start()
    sluice.wait_log("zone: no zone file: counters and limits work, but will not outlive the server .*No space")
    page = scrape(sluice)
    assert page.value("http_requests_total", **OK) == 5
    assert page.value("sluice_zone_fallbacks_total") == 1
    ask(sluice, 5)
    assert counted(sluice) == 10
    assert not (sluice.state_dir / "zone.tmp").exists()
    sluice.stop()
    sluice.env.pop("SLUICE_FAIL")
    sluice.start()
    assert counted(sluice) == 5


@pytest.mark.parametrize("call", ("allocate:1", "allocate:3", "pwrite:1", "pwrite:2", "rename:1"))
def test_a_kill_at_any_step_of_the_start_loses_nothing(counting, call):
    sluice = counting()
    ask(sluice, 5)
    sluice.stop()
    sluice.env |= {"SLUICE_TEST_ROLE": "master", "SLUICE_CRASH": f"@{call}"}
    sluice.start(wait=False)
    assert sluice.process.wait(30) == -signal.SIGKILL
    del sluice.env["SLUICE_CRASH"]
    sluice.start()
    assert counted(sluice) == 5
    assert not (sluice.state_dir / "zone.tmp").exists()


def test_a_flood_of_names_is_bounded_and_counted(counting):
    flood = "vts_zone main 1m; vhost_traffic_status_filter_by_set_key $arg_key keys;"
    sluice = counting(http=flood)
    sizes = set()
    for i in range(800):
        sluice.get(f"/ok?key={i}{250 * 'x'}")
        if i % 200 == 199:
            sizes.add(scrape(sluice).value("sluice_zone_size_bytes"))
    page = scrape(sluice)
    assert sizes == {page.value("sluice_zone_size_bytes")} == {1 << 20}
    assert page.value("sluice_zone_used_bytes") <= 1 << 20
    assert page.sum("sluice_zone_dropped_total") > 0
    assert page.value("http_requests_total", **OK) == 800


def test_too_small_a_zone_is_refused(check_conf):
    status, said = check_conf("http { vts_zone main 512k; }")
    assert status == 1 and 'vts_zone "main": 512k is too small, minimum 1m' in said
    status, said = check_conf("http { vhost_traffic_status_zone shared:x:16k; }")
    assert status == 1 and 'vhost_traffic_status_zone "x": 16k is too small, minimum 32k' in said


def test_another_size_waits_for_a_restart(counting):
    sluice = counting(http="vts_zone main 2m;")
    ask(sluice, 2)
    sluice.configure(server=LOCATIONS, http="vts_zone main 3m;")
    sluice.reload()
    sluice.wait_log("vts_zone.*restart")
    sluice.wait_log("configuration reloaded")
    assert scrape(sluice).value("sluice_zone_size_bytes") == 2 << 20
