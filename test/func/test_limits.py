"""Rate limits: what is let through, what clients are told, what survives whom, and nginx's limits held against nginx."""

import concurrent.futures
import http.client
import json
import os
import select
import signal
import socket
import threading
import time

import http_sfv
import pytest

from lib import raw
from lib.admin import api, ctl, new_key
from lib.metrics import scrape
from lib.ports import free_port
from lib.wait import PATIENCE, wait_until

OK = 'return 200 "ok";'


def ask(sluice, path="/", source=None, port=None, method="GET", **headers):
    """One request on a connection of its own, from an address of the loopback network."""
    line = raw.Line(socket.create_connection(("127.0.0.1", port or sluice.port), PATIENCE, (source, 0) if source else None))
    named = {name if name == "USER_TOKEN" else name.replace("_", "-"): value for name, value in headers.items()}
    fields = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    with line:
        line.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n".encode("latin-1"))
        return line.answer(method)


def statuses(sluice, n, path="/", **options):
    return [ask(sluice, path, **options).status for _ in range(n)]


def burst(port, n, path="/"):
    """n requests on one connection, sent at once; their answers."""
    with raw.Line(socket.create_connection(("127.0.0.1", port), PATIENCE)) as line:
        line.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" * n)
        return [line.answer() for _ in range(n)]


class Upload:
    """A request in flight: its body does not come."""

    def __init__(self, sluice, path="/usage", source=None):
        self.socket = socket.create_connection(("127.0.0.1", sluice.port), PATIENCE, (source, 0) if source else None)
        self.line = raw.Line(self.socket)
        self.line.send(f"PUT {path} HTTP/1.1\r\nHost: x\r\nUSER_TOKEN: u\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")

    def answer(self):
        """Of the head: 100 if it is let in."""
        return self.line.answer().status

    def finish(self):
        self.line.send(b"12345")
        status = self.line.answer().status
        self.socket.close()
        return status

    def leave(self):
        self.socket.close()


# ---- policies


def test_the_61st_of_60_a_minute_is_refused(server):
    sluice = server(main="worker_processes 1;", http="limit_policy p { per_ip 60r/m; }", server=f"location = /prime-check {{ limit p; {OK} }}")
    began = time.monotonic()
    answers = burst(sluice.port, 62, "/prime-check")
    given_back = int(time.monotonic() - began)  # one a second; none on any but a crawling machine
    passed = [a for a in answers if a.status == 200]
    refused = [a for a in answers if a.status == 429]
    assert 60 <= len(passed) <= 60 + given_back and len(passed) + len(refused) == 62
    assert [int(a.headers["x-ratelimit-remaining"]) for a in passed[:60]][:3] == [59, 58, 57]
    for answer in answers:
        assert answer.headers["x-ratelimit-limit"] == "60"
        assert answer.headers["x-ratelimit-policy"] == "per-ip"
        assert 0 <= int(answer.headers["x-ratelimit-reset"]) - time.time() <= 61
    if refused:
        last = refused[-1]
        assert last.body == b"Rate limit exceeded\n" and last.headers["content-type"] == "text/plain"
        assert last.headers["retry-after"] == "1" and last.headers["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize("window", ["", "window=sliding"])
def test_who_waits_as_told_passes(server, window):
    sluice = server(http=f"limit_policy p {{ per_ip 2r/s {window}; }}", server=f"location / {{ limit p; {OK} }}")
    for _ in range(2):
        refused = wait_until(lambda: next((a for a in (ask(sluice) for _ in range(3)) if a.status == 429), None), "a refusal")
        time.sleep(int(refused.headers["retry-after"]))
        assert ask(sluice).status == 200


def test_burst_and_sustained(server):
    sluice = server(
        http="""limit_policy five { per_ip 60r/h burst=5; } limit_policy more { per_ip 10r/h burst=1.5x; }
                limit_policy two { per_ip 10r/s burst=100; per_ip 7r/d; }""",
        server="".join(f"location = /{name} {{ limit {name}; {OK} }}" for name in ("five", "more", "two")),
    )
    assert statuses(sluice, 8, "/five").count(200) == 5
    assert statuses(sluice, 20, "/more").count(200) == 15
    assert statuses(sluice, 9, "/two").count(200) == 7
    assert ask(sluice, "/two").headers["x-ratelimit-policy"] == "per-ip-2"


def test_users_and_all_together(server):
    sluice = server(
        http="limit_policy p { per_user 3r/h; global 5r/h; }",
        server=f"location / {{ auth user_token; limit p; limit_headers both; {OK} }}",
    )
    a = [ask(sluice, USER_TOKEN="a") for _ in range(4)]
    assert [x.status for x in a] == [200, 200, 200, 429]
    assert a[3].headers["x-ratelimit-policy"] == "per-user" and int(a[3].headers["retry-after"]) > 1000
    # What one limit refused was not charged to the other.
    b = [ask(sluice, USER_TOKEN="b") for _ in range(3)]
    assert [x.status for x in b] == [200, 200, 429]
    assert b[2].headers["x-ratelimit-policy"] == "global"
    assert b[0].headers["x-ratelimit-remaining"] == "1" and b[0].headers["x-ratelimit-policy"] == "global"
    # The limit by user is asked once auth knows the user: who is nobody is told so, and costs nobody.
    assert ask(sluice).status == 401


def test_by_address_comes_before_auth(server):
    sluice = server(http="limit_policy p { per_ip 2r/h; per_user 1r/h; }", server=f"location / {{ auth user_token; limit p; {OK} }}")
    assert [a.status for a in (ask(sluice), ask(sluice), ask(sluice))] == [401, 401, 429]
    assert ask(sluice, source="127.0.0.2").headers["x-ratelimit-remaining"] == "1"
    # The tightest of all that were asked is shown, once.
    answer = ask(sluice, source="127.0.0.3", USER_TOKEN="u")
    assert answer.headers["x-ratelimit-policy"] == "per-user"
    assert sum(line.lower().startswith("x-ratelimit-limit") for line in answer.lines) == 1


def test_api_keys(server, tmp_path):
    user = new_key(tmp_path / "keys", "reader", "--role=user")
    service = new_key(tmp_path / "keys", "cron", "--role=service")
    token = new_key(tmp_path / "tokens", "friend")
    sluice = server(
        env={"ADMIN_API_KEYS": "first-admin, second-admin"},
        http=f"""auth_keys {tmp_path}/keys;
            limit_policy keyed {{ per_key 2r/h; }}
            limit_policy p {{ per_ip 1r/h; bypass 127.0.0.9 127.0.1.0/24; bypass_tokens {tmp_path}/tokens; }}""",
        server=f"location = /keyed {{ auth api_key bearer; limit keyed; {OK} }} location = /p {{ limit p; {OK} }}",
    )
    assert [ask(sluice, "/keyed", X_API_Key=user).status for _ in range(3)] == [200, 200, 429]
    assert ask(sluice, "/keyed", X_API_Key=user).headers["x-ratelimit-policy"] == "per-key"
    assert [ask(sluice, "/keyed", X_API_Key=service).status for _ in range(5)] == [200] * 5
    assert statuses(sluice, 3, "/p") == [200, 429, 429]
    for headers in ({"X_API_Key": service}, {"Authorization": f"Bearer {service}"}, {"X_API_Key": "second-admin"}, {"X_API_Key": token}):
        answer = ask(sluice, "/p", **headers)
        assert answer.status == 200 and answer.headers["x-ratelimit-policy"] == "bypass", headers
    for headers in ({"X_API_Key": user}, {"X_API_Key": "second"}, {"X_API_Key": ""}, {"X_API_Key": "x" * 4000}):
        assert ask(sluice, "/p", **headers).status == 429, headers
    for source in ("127.0.0.9", "127.0.1.77"):
        assert statuses(sluice, 4, "/p", source=source) == [200] * 4


def test_punished(server):
    sluice = server(http="limit_policy p { per_ip 100r/s burst=2; penalty after=3 for=1h; }", server=f"location / {{ limit p; {OK} }}")
    refused = wait_until(lambda: next((a for a in burst(sluice.port, 30) if int(a.headers.get("retry-after", 0)) > 3000), None), "a punishment")
    assert refused.status == 429
    time.sleep(0.1)  # the bucket is full again, and that is no help
    assert ask(sluice).status == 429
    assert ask(sluice, source="127.0.0.2").status == 200
    assert limits(sluice)["top"][0]["retry_after"] > 3000
    assert api(sluice, "/api/limits?pattern=ratelimit:/:127.0.0.1", "DELETE").status == 200
    assert ask(sluice).status == 200


def limits(sluice):
    answer = api(sluice, "/api/limits")
    assert answer.status == 200, answer.text
    return answer.json


def test_spoofed_addresses_count_for_nothing(server):
    untrusting = server(http="limit_policy p { per_ip 2r/h; }", server=f"location / {{ limit p; {OK} }}")
    assert [ask(untrusting, X_Forwarded_For=f"10.0.0.{i}", X_Real_IP=f"10.0.0.{i}").status for i in range(4)] == [200, 200, 429, 429]
    trusting = server(
        http="limit_policy p { per_ip 2r/h; } set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;",
        server=f"location / {{ limit p; {OK} }}",
    )
    assert [ask(trusting, X_Forwarded_For="10.0.0.1").status for _ in range(3)] == [200, 200, 429]
    assert ask(trusting, X_Forwarded_For="10.0.0.2").status == 200
    assert [ask(trusting, source="127.0.0.5", X_Forwarded_For=f"10.0.1.{i}").status for i in range(3)] == [200, 200, 429]
    # IPv6 clients are told apart by their /64.
    assert [ask(trusting, X_Forwarded_For=f"2001:db8::{i:x}").status for i in range(1, 4)] == [200, 200, 429]
    assert ask(trusting, X_Forwarded_For="2001:db8:0:1::1").status == 200
    # An IPv4 address in IPv6 clothes is that IPv4 address.
    assert ask(trusting, X_Forwarded_For="::ffff:10.0.0.1").status == 429
    assert "ratelimit:/:2001:db8::/64" in [t["key"] for t in limits(trusting)["top"]]


def test_default_of_the_environment(server):
    block = {"http": "limit_policy p { }", "server": f"location / {{ limit p; {OK} }}"}
    assert ask(server(**block)).headers["x-ratelimit-limit"] == "100"
    sluice = server(env={"RATE_LIMIT_DEFAULT_LIMIT": "3", "RATE_LIMIT_WINDOW_SECONDS": "3600"}, **block)
    assert statuses(sluice, 5) == [200, 200, 200, 429, 429]
    assert 1100 <= int(ask(sluice).headers["retry-after"]) <= 1200
    broken = server(wait=False, env={"RATE_LIMIT_DEFAULT_LIMIT": "many"}, **block)
    assert broken.wait_exit() == 1 and "RATE_LIMIT_DEFAULT_LIMIT=many in the environment" in broken.log()


def test_mistakes_are_named(server):
    for text, complaint in {
        "limit_policy p { per_ip 60; }": 'invalid rate "60"',
        "limit_policy p { per_ip 0r/s; }": 'invalid rate "0r/s"',
        "limit_policy p { per_ip 18446744073709551616r/s; }": "invalid rate",
        "limit_policy p { per_ip 2000000000r/s; }": "invalid rate",
        "limit_policy p { per_ip 1r/s burst=0; }": 'invalid parameter "burst=0"',
        "limit_policy p { per_ip 99999999r/d window=sliding; }": "out of range",
        "limit_policy p { bypass 300.1.1.1; }": "is no network",
        "limit_policy p { penalty after=0 for=1m; }": "penalty takes after=N",
        "limit_policy p { adaptive on min=2; }": "adaptive takes on or off",
        "limit_policy p { } limit_policy p { }": 'duplicate limit_policy "p"',
        "limit nobody;": 'unknown policy "nobody"',
        "limit_zone_size 1k;": "out of range, allowed: 2m to",
        "limit_req_zone $x zone=a:10m rate=1r/s;": 'unknown variable "$x"',
        "limit_req_zone $uri zone=a:1k rate=1r/s;": 'zone "a" is too small',
        "limit_req zone=none;": 'zero size shared memory zone "none"',
        "".join(f"limit_req_zone $uri zone=z{i}:1m rate=1r/s; limit_req zone=z{i};" for i in range(17)): 'zone "z16" is one too many',
        "limit_conn none 1;": 'zero size shared memory zone "none"',
    }.items():
        sluice = server(wait=False, http=text)
        assert sluice.wait_exit() == 1 and complaint in sluice.log(), (text, sluice.log())


# ---- processes


def test_workers_share_and_nothing_is_lost(server, embedded):
    """Several workers let through as many as one; a reload, killed workers and a restart change nothing of it."""
    sluice = server(
        main="worker_processes 4;", streams=embedded.streams,
        http="limit_policy p { per_ip 50r/d; global 1000r/d window=sliding; }", server=f"location / {{ limit p; {OK} }}",
    )
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ask(sluice).status, range(100)))
    assert found.count(200) == 50 and found.count(429) == 50

    sluice.reload()
    sluice.wait_log("configuration reloaded")
    assert statuses(sluice, 8) == [429] * 8

    workers = sluice.children("worker")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(sluice.children("worker")) - set(workers)) == 4, "new workers")
    assert statuses(sluice, 8) == [429] * 8

    assert sluice.stop() == 0
    sluice.start()
    assert statuses(sluice, 8) == [429] * 8
    assert ask(sluice, source="127.0.0.2").status == 200

    sluice.kill_all()
    sluice.start()
    assert statuses(sluice, 8) == [429] * 8


def test_hostile_names(server):
    """Names of users and keys that mean something to somebody: each is itself and no other, and what is shown of them is JSON."""
    sluice = server(
        http="limit_policy p { per_user 1r/h; } limit_req_zone $arg_k zone=k:1m rate=1r/m;",
        server=f"location = /u {{ auth user_token; limit p; {OK} }} location = /k {{ limit_req zone=k; {OK} }}",
    )
    names = ["a", "a*", "*", "user:a", "ratelimit:u:user:a", '"', "\\", "<img src=x>", "a" * 256, "a" * 255, "é", "%00", "../..", "a b"]
    for name in names:
        assert ask(sluice, "/u", USER_TOKEN=name.encode().decode("latin-1")).status == 200, name
        assert ask(sluice, "/u", USER_TOKEN=name.encode().decode("latin-1")).status == 429, name
    keys = {t["key"] for t in limits(sluice)["top"]}
    assert {"ratelimit:u:user:*", 'ratelimit:u:user:"', "ratelimit:u:user:é"} <= keys
    # '*' in an operator's pattern stands for anything; without one a key is itself.
    assert api(sluice, "/api/limits?pattern=ratelimit:u:user:a", "DELETE").status == 200
    assert ask(sluice, "/u", USER_TOKEN="a").status == 200
    assert ask(sluice, "/u", USER_TOKEN="a*").status == 429
    assert api(sluice, "/api/limits?pattern=ratelimit:*:user:a*", "DELETE").status == 200
    for name, status in {"a": 200, "a*": 200, "a" * 256: 200, "*": 429}.items():
        assert ask(sluice, "/u", USER_TOKEN=name).status == status, name
    for key in ("x", "x" * 6000, "%00", "x%20", "*"):
        assert [ask(sluice, "/k?k=" + key).status for _ in range(2)] == [200, 503], key
    assert [ask(sluice, "/k?k=").status for _ in range(3)] == [200] * 3
    assert [ask(sluice, "/k").status for _ in range(3)] == [200] * 3


def test_unusable(server):
    """No memory for the limits: said, counted, and decided by limit_fallback."""
    sluice = server(
        http="limit_zone_size 1000000g; limit_policy p { per_ip 1r/h; } limit_req_zone $remote_addr zone=z:1m rate=1r/h;",
        server=f"""location = /open {{ limit p; {OK} }}
            location = /closed {{ limit p; limit_fallback closed; {OK} }}
            location = /req {{ limit_req zone=z; limit_fallback closed; {OK} }}
            location = /metrics {{ metrics; }}""",
    )
    assert statuses(sluice, 3, "/open") == [200] * 3
    closed = ask(sluice, "/closed")
    assert closed.status == 503 and closed.headers["retry-after"] == "1" and json.loads(closed.body)["message"]
    assert ask(sluice, "/req").status == 503
    assert "no memory for rate limits" in sluice.log() and "rate limits cannot be checked" in sluice.log()
    page = scrape(sluice)
    assert page.value("sluice_limit_fallback_total", fallback="open") == 3
    assert page.value("sluice_limit_fallback_total", fallback="closed") == 2
    assert limits(sluice)["store"]["state"] == "unusable"


# ---- what is told


def test_ietf_fields(server):
    sluice = server(
        http="limit_policy api { per_ip 60r/m; global 10r/s burst=5; }",
        server=f"location / {{ limit api; limit_headers ietf; {OK} }} location = /x {{ limit api; {OK} }}",
    )
    answer = ask(sluice)
    policy, limit = http_sfv.List(), http_sfv.List()
    policy.parse(answer.headers["ratelimit-policy"].encode())
    limit.parse(answer.headers["ratelimit"].encode())
    assert [(item.value, dict(item.params)) for item in policy] == [("api/per-ip", {"q": 60, "w": 60}), ("api/global", {"q": 5, "w": 1})]
    assert [item.value for item in limit] == ["api/per-ip", "api/global"]
    assert limit[0].params["r"] == 59 and limit[0].params["t"] == 1
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    assert "ratelimit" not in ask(sluice, "/x").headers


def test_openai_clients_are_told_in_their_form(server):
    sluice = server(http="limit_policy p { per_ip 1r/h; }", server=f"location /v1/ {{ limit p; {OK} }}")
    ask(sluice, "/v1/models")
    answer = ask(sluice, "/v1/models")
    assert answer.status == 429 and int(answer.headers["retry-after"]) > 3500
    error = json.loads(answer.body)["error"]
    assert error["type"] == "rate_limit_exceeded" and error["message"] == "Rate limit exceeded"


def test_what_is_counted(server):
    sluice = server(
        http="limit_policy p { per_ip 3r/h; global 100r/h; } limit_req_zone $uri zone=z:1m rate=1r/h;",
        server=f"""location = /a {{ limit p; {OK} }} location = /b {{ limit p endpoint=shared; {OK} }}
            location = /c {{ limit p endpoint=shared; {OK} }} location = /z {{ limit_req zone=z; {OK} }}
            location = /metrics {{ metrics; }}""",
    )
    statuses(sluice, 5, "/a")
    assert statuses(sluice, 2, "/b") + statuses(sluice, 2, "/c") == [200, 200, 200, 429]
    statuses(sluice, 3, "/z")
    page = scrape(sluice)
    for labels, value in (
        ({"endpoint": "a", "result": "allowed", "policy": "per-ip"}, 3), ({"endpoint": "a", "result": "limited", "policy": "per-ip"}, 2),
        ({"endpoint": "shared", "result": "allowed", "policy": "per-ip"}, 3), ({"endpoint": "shared", "result": "limited", "policy": "per-ip"}, 1),
        ({"endpoint": "a", "result": "allowed", "policy": "global"}, 3),
        ({"endpoint": "z", "result": "allowed", "policy": "limit_req:z"}, 1), ({"endpoint": "z", "result": "limited", "policy": "limit_req:z"}, 2),
    ):
        assert page.value("rate_limit_hits_total", **labels) == value, labels
    assert page.sum("rate_limit_check_duration_seconds_count", endpoint="a") >= 1
    assert page.value("sluice_limit_store_up") == 1
    assert page.value("sluice_limit_top_requests", key="ratelimit:a:127.0.0.1", policy="per-ip") >= 5
    wait_until(lambda: scrape(sluice).sum("sluice_limit_cells") >= 4, "the janitor has counted the cells")
    shown = limits(sluice)
    top = {(t["key"], t["policy"]): t for t in shown["top"]}
    mine = top["ratelimit:a:127.0.0.1", "per-ip"]
    assert (mine["requests"], mine["limited"], mine["limit"], mine["remaining"]) == (5, 2, 3, 0)
    assert shown["store"]["state"] == "ok" and shown["store"]["used"] >= 4
    assert [(line["policy"], line["count"]) for line in shown["policies"][0]["limits"]] == [("per-ip", 3), ("global", 100)]
    listed = ctl(sluice, "limits", "list")
    assert listed.returncode == 0 and "ratelimit:a:127.0.0.1" in listed.stdout
    assert ctl(sluice, "limits", "reset", "ratelimit:a:*").returncode == 0
    assert ask(sluice, "/a").status == 200


def test_load_tightens(server, embedded):
    sluice = server(
        main="worker_processes 1;", streams=embedded.streams,
        http="limit_policy p { per_ip 100r/h; adaptive on min=0.25; }", server=f"location / {{ limit p; {OK} }}",
        conf=None,
    )
    sluice.conf_file.write_text(sluice.conf_file.read_text().replace("events { }", "events { worker_connections 20; }"))
    sluice.stop()
    sluice.start()
    wait_until(lambda: ask(sluice).headers["x-ratelimit-limit"] == "100", "the worker is at ease")
    held = [Upload(sluice) for _ in range(18)]
    assert [upload.answer() for upload in held] == [100] * 18
    assert ask(sluice).headers["x-ratelimit-limit"] == "25"
    assert [upload.finish() for upload in held] == [204] * 18
    wait_until(lambda: ask(sluice).headers["x-ratelimit-limit"] == "100", "the worker is at ease again")


# ---- nginx's own, against nginx

ZONES = "limit_req_zone $arg_k zone=slow:1m rate=1r/m; limit_req_zone $arg_k zone=fast:1m rate=5r/s; limit_req_zone $uri zone=uri:1m rate=1r/m;"
REQ = [
    "limit_req zone=slow;",
    "limit_req zone=slow burst=4 nodelay;",
    "limit_req zone=fast burst=2; limit_req_status 429;",
    "limit_req zone=fast burst=4 delay=2;",
    "limit_req zone=slow burst=2 nodelay; limit_req zone=uri burst=5 nodelay;",
    "limit_req zone=slow burst=5 nodelay; limit_req zone=uri burst=2 nodelay;",
    "limit_req zone=slow; limit_req_dry_run on;",
]


def locations(handler):
    return "".join(f"location = /{i} {{ {text} {handler} }}" for i, text in enumerate(REQ))


def together(port, path, n):
    """n requests at once, each on a connection of its own; sorted statuses."""
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return sorted(pool.map(lambda _: ask(None, path, port=port).status, range(n)))


def test_limit_req_as_nginx(server, nginx):
    port = free_port()
    nginx(port, f"{ZONES} server {{ listen 127.0.0.1:{port}; {locations('empty_gif;')} }}")
    sluice = server(main="worker_processes 2;", http=ZONES, server=locations(OK))
    for i in range(len(REQ)):
        if "fast" in REQ[i]:
            # What waits for its turn waits beside what is refused: all at once.
            assert together(sluice.port, f"/{i}?k=a", 9) == together(port, f"/{i}?k=a", 9), REQ[i]
            continue
        for key in ("a", "b", "a", "", "c"):
            ours = [ask(sluice, f"/{i}?k={key}").status for _ in range(5)]
            theirs = [ask(None, f"/{i}?k={key}", port=port).status for _ in range(5)]
            assert ours == theirs, (REQ[i], key)
    assert "limiting requests, dry run" in sluice.log() and "delaying request" in sluice.log()


def test_limit_req_delays_and_says_so(server):
    told = 'return 200 "$limit_req_status $limit_conn_status";'
    sluice = server(
        main="worker_processes 1;",
        http="limit_req_zone $uri zone=z:1m rate=5r/s; limit_conn_zone $uri zone=c:1m; limit_req_zone $uri zone=slow:1m rate=1r/h;",
        server=f"""location = /z {{ limit_req zone=z burst=2; {told} }} location = /c {{ limit_conn c 1; {told} }}
            location = /dry {{ limit_req zone=slow burst=1; limit_req_dry_run on; {told} }} location = /none {{ {told} }}""",
    )
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda _: ask(sluice, "/z"), range(6)))
    assert time.monotonic() - began >= 0.4  # the third had to wait for two turns
    assert sorted(a.body for a in answers if a.status == 200) == [b"DELAYED ", b"DELAYED ", b"PASSED "]
    refused = [a for a in answers if a.status != 200]
    assert [a.status for a in refused] == [503] * 3 and all(a.headers["retry-after"] == "1" for a in refused)
    assert ask(sluice, "/c").body == b" PASSED"
    assert [ask(sluice, "/dry").body for _ in range(3)] == [b"PASSED ", b"DELAYED_DRY_RUN ", b"REJECTED_DRY_RUN "]
    assert ask(sluice, "/none").body == b" "


def test_limit_conn(server, embedded):
    """Requests in flight, over all workers; killed workers take their counts with them, clients that left do, too."""
    sluice = server(
        main="worker_processes 2;", streams=embedded.streams,
        http="limit_conn_zone $remote_addr zone=c:1m; limit_conn c 3; limit_conn_status 429;",
        server="location = /free { limit_conn_dry_run on; return 200 x; }",
    )

    def uploads(n, source="127.0.0.2"):
        held = [Upload(sluice, source=source) for _ in range(n)]
        return held, [upload.answer() for upload in held]

    held, answers = uploads(3)
    assert answers == [100] * 3
    extra, answers = uploads(3)
    assert answers == [429] * 3
    other, answers = uploads(1, "127.0.0.3")
    assert answers == [100]
    assert ask(sluice, "/free", source="127.0.0.2").status == 200
    assert held[0].finish() == 204
    again, answers = uploads(1)
    assert answers == [100]
    held[1].leave()  # the worker sees it go; then there is room for one more
    wait_until(lambda: let_in(sluice), "the one that left is not counted any more")

    for _ in range(3):
        workers = sluice.children("worker")
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(set(sluice.children("worker")) - set(workers)) == 2, "new workers")
        wait_until(lambda: all_three(uploads), "nothing of the killed ones is counted")


def let_in(sluice):
    upload = Upload(sluice, source="127.0.0.2")
    status = upload.answer()
    upload.leave()
    return status == 100


def all_three(uploads):
    held, answers = uploads(3)
    full, refused = uploads(1) if answers == [100] * 3 else ([], [])
    for upload in held + full:
        upload.leave()
    return refused == [429]


def test_limit_conn_as_nginx(server, nginx, embedded):
    """n slow uploads at once, of which each lets two in."""
    port = free_port()
    nginx(port, f"""limit_conn_zone $arg_k zone=c:1m; server {{ listen 127.0.0.1:{port};
        location / {{ limit_conn c 2; proxy_pass http://127.0.0.1:{port + 0}/never; }} location = /never {{ return 204; }} }}""")
    sluice = server(streams=embedded.streams, http="limit_conn_zone $arg_k zone=c:1m;", server="location / { limit_conn c 2; auth none; ingest usage; }")

    def refused(at, key):
        """Of four uploads whose bodies do not come, two are answered; which, the workers settle among themselves."""
        lines = []
        for _ in range(4):
            line = raw.Line(socket.create_connection(("127.0.0.1", at), PATIENCE))
            line.send(f"PUT /x?k={key} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
            lines.append(line)
        answers = []
        while key and len(answers) < 2:
            ready = select.select([line.socket for line in lines], [], [], PATIENCE)[0]
            assert ready, "no more answers came"
            for line in [line for line in lines if line.socket in ready]:
                answers.append(line.answer().status)
                line.socket.close()
                lines.remove(line)
        for line in lines:
            line.socket.close()
        return answers

    assert refused(sluice.port, "a") == refused(port, "a") == [503, 503]
    assert refused(sluice.port, "") == refused(port, "") == []
    assert refused(sluice.port, "a" * 300) == [503, 503]  # nginx lets whoever sends a long key pass
