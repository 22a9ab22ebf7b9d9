"""Health: 503 only when a record could not be accepted; the verbose form names what else is wrong."""

import os
import signal

import pytest

from lib.admin import api, ctl
from lib.wait import wait_until

BUNDLES = "sink s3 s bucket={bucket} prefix=usage/; bundle_interval 50ms; retry initial=20ms max_interval=50ms;"


def verbose(sluice):
    answer = sluice.get("/health?verbose=1")
    return answer.status_code, answer.json()


def wait_degraded(sluice, reason):
    def degraded():
        status, health = verbose(sluice)
        assert status == 200, health
        return health["status"] == "degraded" and any(reason in text for text in health["reasons"]) and health

    return wait_until(degraded, lambda: f"degraded for '{reason}': {verbose(sluice)}")


def wait_healthy(sluice):
    wait_until(lambda: verbose(sluice)[1]["status"] == "healthy", lambda: f"it is healthy again: {verbose(sluice)}")


@pytest.mark.sanitize
def test_healthy(server, embedded):
    sluice = server(streams=embedded.streams)
    answer = sluice.get("/health")
    assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (200, '{"status":"healthy"}\n', "application/json")
    status, health = wait_until(lambda: (v := verbose(sluice)) and all(d["status"] == "ok" for d in v[1]["components"]["destinations"]) and v, "the shipper has spoken")
    assert (status, health["status"], health["reasons"]) == (200, "healthy", [])
    components = health["components"]
    assert {p["role"] for p in components["processes"]} >= {"master", "shipper", "worker"}
    assert [s["stream"] for s in components["spools"]] == [d["stream"] for d in components["destinations"]] == ["usage", "error", "specimen"]
    assert all(s["status"] == "ok" and s["free_bytes"] > 0 and s["limit_bytes"] == 10 << 30 for s in components["spools"])
    assert all(d["breaker"] == "closed" and d["last_error"] is None for d in components["destinations"])
    zone = components["zone"]
    assert (zone["name"], zone["status"], zone["dropped"], zone["set_aside"]) == ("main", "ok", 0, 0) and 0 < zone["used_bytes"] < zone["size_bytes"]
    assert components["limits"] == {"status": "off"}
    done = ctl(sluice, "health")
    assert (done.returncode, done.stdout) == (0, "healthy\n")


def test_brief_never_shows_components(server, embedded):
    sluice = server(streams=embedded.streams, server="location = /up { health brief; }")
    assert sluice.get("/up?verbose=1").text == '{"status":"healthy"}\n'


def test_processes_that_hang_are_degraded(server, embedded):
    """A shipper, a janitor and a worker at once; who is left answers 200 and names them."""
    sluice = server(streams=embedded.streams, main="worker_processes 2;")
    wait_healthy(sluice)
    sluice.session.close()
    hanging = {role: sluice.children(role)[0] for role in ("shipper", "janitor", "worker")}
    for pid in hanging.values():
        os.kill(pid, signal.SIGSTOP)
    try:
        health = wait_until(lambda: _degraded_by_whoever_answers(sluice, hanging), "all three show as stuck", timeout=60)
        assert "workers: 1 of 2 running" in health["reasons"]
        assert all(p["heartbeat_age_seconds"] > 4 for p in health["components"]["processes"] if p["status"] == "stuck")
    finally:
        for pid in hanging.values():
            os.kill(pid, signal.SIGCONT)
    wait_healthy(sluice)


def _degraded_by_whoever_answers(sluice, hanging):
    """The verbose form, once it shows those roles as stuck; None if a worker that hangs took the connection."""
    try:
        answer = sluice.session.get(sluice.url + "/health?verbose=1", timeout=1, headers={"Connection": "close"})
    except OSError:
        return None
    assert answer.status_code == 200, answer.text
    health = answer.json()
    stuck = {p["role"] for p in health["components"]["processes"] if p["status"] == "stuck"}
    return stuck == set(hanging) and health["status"] == "degraded" and health


def test_a_dead_shipper_is_degraded(server, embedded):
    """One that cannot even start: it is tried again and again, and records are taken meanwhile."""
    sluice = server(wait=False, streams=embedded.streams, env={"SLUICE_FAIL": "open:1+:EIO", "SLUICE_TEST_ROLE": "shipper"})
    wait_until(lambda: _accepts(sluice), "it accepts")
    wait_degraded(sluice, "shipper: not running")
    assert sluice.put("/usage", b"x").status_code == 204
    sluice.reap()


def _accepts(sluice):
    try:
        return sluice.get("/health").status_code == 200
    except OSError:
        return False


def test_a_store_that_is_away_is_degraded(server, scripted_store):
    scripted_store.stop()
    sluice = server(store=scripted_store, bucket="scripted", streams={"usage": BUNDLES + "breaker failures=2 open=100ms;"})
    sluice.put("/usage", b"x")
    health = wait_degraded(sluice, "usage: destination away: connect to")
    [destination] = health["components"]["destinations"]
    assert destination["breaker"] in ("open", "half_open") and "refused" in destination["last_error"]
    assert ctl(sluice, "health").returncode == 0
    scripted_store.start()
    wait_healthy(sluice)


def test_a_full_spool_is_unhealthy(server, embedded):
    """The shipper is stopped, or it would make room again."""
    sluice = server(streams={"usage": embedded.streams["usage"] + " spool_size 1m;"})
    os.kill(sluice.children("shipper")[0], signal.SIGSTOP)
    while sluice.put("/usage", os.urandom(100_000)).status_code == 204:
        pass
    while sluice.put("/usage", os.urandom(1000)).status_code == 204:
        pass
    status, health = verbose(sluice)
    assert (status, health["status"]) == (503, "unhealthy") and "usage: no spool space" in health["reasons"]
    [spool] = health["components"]["spools"]
    assert (spool["status"], spool["limit_bytes"]) == ("full", 1 << 20)
    brief = sluice.get("/health")
    assert (brief.status_code, brief.json()) == (503, {"status": "unhealthy", "reasons": ["usage: no spool space"]})
    assert api(sluice, "/health").status == 503
    done = ctl(sluice, "health")
    assert done.returncode == 1 and "no spool space" in done.stdout
    assert api(sluice, "/api/streams").json["streams"][0]["status"] == "full" and api(sluice, "/api/status").json["streams"]["full"] == 1
    sluice.reap()


def test_a_zone_that_was_set_aside_is_counted(server, embedded):
    sluice = server(streams=embedded.streams)
    assert sluice.stop() == 0
    (sluice.state_dir / "zone").write_bytes(b"not a zone" * 1000)
    sluice.start()
    assert verbose(sluice)[1]["components"]["zone"]["set_aside"] == 1
