"""The admin API: over its socket for whoever may open that, over TCP with an admin key; what it shows of processes and streams."""

import os
import re
import signal
import stat

import pytest

from lib import config
from lib.admin import api, new_key
from lib.wait import wait_until


@pytest.fixture
def sluice(server, embedded):
    return server(streams=embedded.streams)


def by_role(sluice):
    found = {}
    for process in api(sluice, "/api/workers").json["workers"]:
        found.setdefault(process["role"], []).append(process)
    return found


def test_socket(server, embedded):
    sluice = server(streams=embedded.streams)
    path = sluice.state_dir / "admin.sock"
    assert stat.S_ISSOCK(path.stat().st_mode) and stat.S_IMODE(path.stat().st_mode) == 0o660
    assert api(sluice, "/health").text == '{"status":"healthy"}\n'
    assert api(sluice, "/usage", "PUT", b"x").status == 404  # nothing but what is for operators
    # It outlives a reload, and what is left of it by a crash is replaced.
    sluice.reload()
    wait_until(lambda: api(sluice, "/api/status").json["configuration"] == 2, "the new configuration is in force")
    sluice.kill_all()
    assert path.exists()
    sluice.start()
    assert api(sluice, "/api/status").json["configuration"] == 1
    assert sluice.stop() == 0
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change users")
def test_socket_of_another_user(server, embedded, tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    embedded_dir = tmp_path / "out"
    embedded_dir.mkdir(exist_ok=True)
    os.chown(embedded_dir, 12345, 23456)
    sluice = server(streams=embedded.streams, main="user 12345:23456;")
    found = (sluice.state_dir / "admin.sock").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 23456, 0o660)
    assert api(sluice, "/api/status").status == 200


def test_where_the_socket_is(server, embedded, tmp_path):
    elsewhere = tmp_path / "a.sock"
    sluice = server(streams=embedded.streams, main=f"admin_socket {elsewhere};")
    assert elsewhere.is_socket() and not (sluice.state_dir / "admin.sock").exists()
    # A reload moves it.
    sluice.configure(streams=embedded.streams)
    sluice.reload()
    wait_until(lambda: (sluice.state_dir / "admin.sock").exists() and not elsewhere.exists(), "it is where it is by default")
    assert api(sluice, "/api/status").json["configuration"] == 2
    sluice.stop()
    sluice = server(streams=embedded.streams, main="admin_socket off;")
    assert [path.name for path in sluice.state_dir.glob("*.sock")] == ["shipper.sock"]


def test_with_the_ingest_services_configuration(server, scripted_store, tmp_path):
    folder = tmp_path / "s"
    sluice = server(folder=folder, yml=config.ingest_service(folder / "state", scripted_store, ["scripted"] * 3))
    assert api(sluice, "/api/status").json["streams"]["configured"] == 3


def test_status(sluice):
    sluice.put("/usage", b"x")
    status = api(sluice, "/api/status").json
    assert status["processes"]["workers"] == status["processes"]["workers_wanted"] == 2
    assert (status["processes"]["stuck"], status["processes"]["missing"]) == (0, 0)
    assert status["streams"]["configured"] == 3 and status["streams"]["held"] == 0
    assert 0 < status["uptime_seconds"] < 600 and not status["stopping"]
    assert status["state_dir"] == str(sluice.state_dir)


def test_workers(sluice):
    processes = by_role(sluice)
    children = sluice.children()
    assert [p["pid"] for p in processes["master"]] == [sluice.pid]
    assert [p["pid"] for p in processes["shipper"]] == children["shipper"]
    assert {p["pid"] for p in processes["worker"]} == set(children["worker"])
    everybody = [p for group in processes.values() for p in group]
    assert all((p["status"], p["health"], p["error"], p["restarts"]) == ("running", "healthy", None, 0) for p in everybody)
    assert {p["name"] for p in everybody} == {"master", "shipper", "janitor", "worker-0", "worker-1"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", p["last_heartbeat"]) for p in everybody)
    victim = children["worker"][0]
    os.kill(victim, signal.SIGKILL)
    sluice.wait_child("worker", but=children["worker"])

    def restarted():
        workers = by_role(sluice)["worker"]
        return sorted(p["restarts"] for p in workers) == [0, 1] and victim not in [p["pid"] for p in workers]

    wait_until(restarted, lambda: f"one worker was restarted: {by_role(sluice)}")


def test_connections_are_counted(sluice):
    def total():
        return sum(p["connections"] for p in by_role(sluice)["worker"])

    sluice.get("/health")  # kept alive by the session
    wait_until(lambda: total() >= 1, "the connection is seen")
    sluice.session.close()
    wait_until(lambda: total() == 0, "its end is seen")


def test_streams(server, scripted_store):
    scripted_store.stop()
    streams = {"usage": "sink s3 s bucket={bucket} prefix=usage/; bundle_interval 50ms; retry initial=20ms max_interval=50ms; breaker failures=3 open=60s;"}
    sluice = server(store=scripted_store, bucket="scripted", streams=streams)
    sluice.put("/usage", b"waits")

    def away():
        [s] = api(sluice, "/api/streams").json["streams"]
        return s["status"] == "away" and s

    s = wait_until(away, lambda: f"the breaker shows: {api(sluice, '/api/streams').text}")
    assert (s["name"], s["mode"], s["sink"], s["breaker"]) == ("usage", "bundle", "s3:s/scripted", "open")
    assert s["failures"] >= 3 and "refused" in s["last_error"] and s["spool_bytes"] > 0 and s["waiting_records"] == 1
    assert s["attempts"].keys() == {"confirmed", "taken", "again", "held", "permanent", "poison"} and s["attempts"]["confirmed"] == 0
    assert s["dead_letters"] == {"pending": 0, "reprocessing": 0, "resolved": 0, "discarded": 0}
    wait_until(lambda: api(sluice, "/api/streams").json["streams"][0]["oldest_seconds"] > 0, "what waits has an age")
    assert api(sluice, "/api/status").json["streams"]["held"] == 1
    sluice.reap()


def test_traffic(sluice):
    """Counts that only grow; who asks for them is not among them."""

    def requests(method, status):
        found = [r["count"] for r in api(sluice, "/api/traffic").json["requests"] if (r["method"], r["status"]) == (method, status)]
        return sum(found)

    assert [sluice.put("/usage", b"12345").status_code for _ in range(3)] == [204] * 3
    assert sluice.put("/usage", b"x", user=None).status_code == 401
    assert sluice.get("/nowhere").status_code == 404
    assert (requests("PUT", 204), requests("PUT", 401), requests("GET", 404), requests("GET", 503)) == (3, 1, 1, 0)
    traffic = api(sluice, "/api/traffic").json
    buckets = traffic["duration"]["buckets"]
    assert [b["le"] for b in buckets] == [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, None]
    assert sum(b["count"] for b in buckets) == sum(r["count"] for r in traffic["requests"]) == 5
    assert 0 < traffic["duration"]["sum_seconds"] < 60 and traffic["received_bytes"] > 15 < traffic["sent_bytes"]
    assert traffic["connections"]["accepted"] >= traffic["connections"]["handled"] > 0
    usage = next(s for s in traffic["streams"] if s["name"] == "usage")
    assert (usage["records"], usage["bytes"], usage["rejected"]) == (3, 15, 1)
    assert [s["name"] for s in traffic["streams"]] == ["usage", "error", "specimen"]


LIMITS = "limit_policy api { per_ip 2r/h; } limit api;"


def test_limits(server, embedded):
    """They are shown and forgotten; the admin socket itself is not limited."""
    sluice = server(streams=embedded.streams, http=LIMITS)
    assert [sluice.get("/health").status_code for _ in range(3)] == [200, 200, 429]
    limits = api(sluice, "/api/limits").json
    [policy] = limits["policies"]
    assert (policy["name"], limits["store"]["state"]) == ("api", "ok")
    talker = next(t for t in limits["top"] if t["key"].endswith(":127.0.0.1"))
    assert (talker["requests"], talker["limited"], talker["remaining"]) == (3, 1, 0) and talker["retry_after"] > 0
    hits = {(h["policy"], h["result"]): h["count"] for h in limits["hits"] if h["endpoint"] == "health"}
    assert hits == {("per-ip", "allowed"): 2, ("per-ip", "limited"): 1}
    for bad, status in (("", 400), ("?pattern=x", 400), (f"?pattern=ratelimit:{'x' * 300}", 400)):
        answer = api(sluice, f"/api/limits{bad}", "DELETE")
        assert answer.status == status and "pattern" in answer.json["error"]
    assert api(sluice, "/api/limits?top=1001").status == 400
    answer = api(sluice, f"/api/limits?pattern={talker['key']}", "DELETE")
    assert (answer.status, answer.json) == (200, {"pattern": talker["key"], "known": 1})
    assert sluice.get("/health").status_code == 200
    sluice.wait_log(r"limit: rate limits reset pattern=\S+ operator=local known=1")
    assert all(api(sluice, "/health").status == 200 for _ in range(5))


def test_errors(sluice):
    answer = api(sluice, "/api/none")
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})
    answer = api(sluice, "/api/status", "POST")
    assert (answer.status, answer.json, answer.headers["allow"]) == (405, {"error": "Method Not Allowed"}, "GET, HEAD")
    assert {e["path"] for e in api(sluice, "/api/").json["endpoints"]} >= {"/api/status", "/api/workers", "/api/streams"}


@pytest.mark.sanitize
def test_over_tcp_only_with_an_admin_key(server, embedded, tmp_path):
    keys = tmp_path / "keys"
    secrets = {role: new_key(keys, role, f"--role={role}") for role in ("admin", "service", "user")}
    location = f"location /api/ {{ auth_keys {keys}; admin_api; }}"
    sluice = server(streams=embedded.streams, http="auth user_token;", server=location)

    def ask(**headers):
        answer = sluice.get("/api/status", headers=headers)
        return answer.status_code, answer.json()

    assert ask() == (401, {"error": "Missing X-API-Key header or Authorization header"})
    assert ask(USER_TOKEN="admin")[0] == 401
    assert ask(**{"X-API-Key": "sk_wrong"}) == (401, {"error": "Invalid API key"})
    for role in ("service", "user"):
        assert ask(**{"X-API-Key": secrets[role]})[0] == 403
    assert ask(**{"X-API-Key": secrets["admin"]})[0] == 200
    assert ask(Authorization=f"Bearer {secrets['admin']}")[0] == 200


def test_without_admin_api_there_is_nothing_over_tcp(sluice):
    assert sluice.get("/api/status").status_code == 404


def test_what_surrounds_it_does_not_reach_the_socket(server, embedded):
    """Neither auth nor access rules nor the access log of the http block hold on it, and -T does not show it."""
    sluice = server(streams=embedded.streams, http="auth user_token; deny all;")
    for path in ("/api/status", "/health", "/metrics"):
        assert api(sluice, path).status == 200, path
    assert sluice.get("/health").status_code == 403
    sluice.wait_log("uri=/health")
    assert "/api/status" not in sluice.log()
