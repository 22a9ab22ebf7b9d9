"""The console in a real browser: who may come in, what the overview and the limits show, that it keeps to its policy, to its own server and to a phone's
width, and what it says while the server is away."""

import json
import re

import pytest

from lib.admin import api, new_key
from lib.console import Console
from lib.ports import free_port
from lib.wait import wait_until

PHONE = {"width": 360, "height": 740}
# What sticks out on the right, where the page itself would have to be scrolled for it.
TOO_WIDE = """width => document.documentElement.scrollWidth <= width ? [] :
    [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 1).map((e) => `${e.tagName}.${e.getAttribute("class")}`)"""
LIMITS = "limit_policy api { per_ip 5r/h; }"


@pytest.fixture
def keys(tmp_path):
    """(an admin's key, a service's key), of the file that the configuration names."""
    path = tmp_path / "keys"
    return new_key(path, "alice", "--role=admin"), new_key(path, "machine", "--role=service")


def locations(tmp_path):
    return f"""
        auth_keys {tmp_path}/keys;
        location /console/ {{ console; }}
        location /dlq/dashboard {{ console; }}
        location /limited {{ limit api; return 200 ok; }}
    """


@pytest.fixture
def sluice(server, embedded, keys, tmp_path):
    return server(streams=embedded.streams, http=LIMITS, server=locations(tmp_path))


@pytest.fixture
def console(watch):
    return lambda **options: watch(Console, **options)


# ---- the location


def test_files_and_api(sluice, keys):
    page = sluice.get("/console/")
    assert page.headers["Content-Type"].startswith("text/html") and "@BASE@" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert (page.headers["Referrer-Policy"], page.headers["X-Content-Type-Options"]) == ("no-referrer", "nosniff")
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page.text), "nothing inline"
    script = sluice.get("/console/main.js")
    assert script.headers["Content-Type"].startswith("text/javascript") and script.headers["X-Content-Type-Options"] == "nosniff"
    assert sluice.get("/console/main.js", headers={"If-None-Match": script.headers["ETag"]}).status_code == 304
    assert sluice.get("/dlq/dashboard/main.js").text == script.text
    assert sluice.get("/console/no.js").status_code == sluice.get("/console/console.html").status_code == 404
    assert sluice.session.post(sluice.url + "/console/").status_code == 405
    answers = [sluice.get("/console/api/status", headers=h) for h in ({}, {"X-API-Key": keys[1]}, {"X-API-Key": keys[0]})]
    assert [a.status_code for a in answers] == [401, 403, 200]
    assert not [r for r in api(sluice, "/api/traffic").json["requests"] if r["count"] > 0], "who looks is not counted"


@pytest.mark.parametrize("location", ["= /console", "~ /console"])
def test_needs_a_folder(check_conf, location):
    status, messages = check_conf(f"http {{ server {{ listen 127.0.0.1:1; location {location} {{ console; }} }} }}")
    assert status == 1 and "needs a location by prefix" in messages


def test_without_keys_a_warning(check_conf):
    status, messages = check_conf("http { server { listen 127.0.0.1:1; location /console/ { console; } } }")
    assert status == 0 and "nobody can log in" in messages


# ---- in and out


def test_log_in(sluice, keys, console):
    admin, service = keys
    c = console()
    c.enter(sluice)
    problem = c.page.locator(".problem")
    for key, words in (("sk_wrong", "Invalid API key"), (service, "role is too low"), ("nicht möglich", "Invalid API key")):
        c.log_in(key)
        problem.filter(has_text=words).wait_for()
        assert c.page.locator("nav").count() == 0 or not c.page.locator("nav").first.is_visible()
    c.log_in(admin)
    c.page.get_by_role("heading", name="Overview", level=1).wait_for()
    c.page.reload()
    c.page.wait_for_selector("form.login")  # it was in memory only
    assert c.page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0
    c.log_in(admin, keep=True)
    c.page.wait_for_selector(".live[data-state=good]")
    c.page.reload()
    c.page.wait_for_selector(".live[data-state=good]")
    c.page.get_by_role("button", name="Log out").click()
    c.page.wait_for_selector("form.login")
    c.page.reload()
    c.page.wait_for_selector("form.login")
    assert c.page.evaluate("sessionStorage.length") == 0
    assert not [url for url in c.asked if admin in url]
    c.assert_clean()


def test_a_key_that_is_revoked(sluice, keys, console, tmp_path):
    c = console()
    c.enter(sluice, key=keys[0])
    (tmp_path / "keys").write_text("")
    c.page.locator(".problem", has_text="Invalid API key").wait_for()
    c.assert_clean()


def test_server_away_and_back(sluice, keys, console):
    c = console()
    c.enter(sluice, key=keys[0])
    sluice.stop()
    c.page.get_by_role("alert").filter(has_text="does not answer").wait_for()
    sluice.start()
    c.notice("answers again")
    c.page.wait_for_selector(".live[data-state=good]")
    assert c.page.locator(".banner").is_hidden()
    c.assert_clean()


def test_behind_a_proxy_that_moves_it(sluice, keys, console, nginx):
    port = free_port()
    nginx(port, http=f"server {{ listen 127.0.0.1:{port}; location /ops/gate/ {{ proxy_pass {sluice.url}/console/; }} }}")
    c = console()
    c.enter(sluice, "/ops/gate/", keys[0], url=f"http://127.0.0.1:{port}")
    c.row("Streams", "usage").wait_for()
    assert all("/ops/gate/" in url for url in c.asked)
    c.assert_clean()


# ---- what it shows


def test_overview(sluice, keys, console):
    c = console()
    c.enter(sluice, key=keys[0])
    requests = c.page.locator(".tile b").first

    def moves():
        assert sluice.put("/usage", b"x").status_code == 204
        return re.search("[1-9]", requests.inner_text())

    wait_until(moves, lambda: f"requests a second are shown: {c.page.inner_text('main')[:300]}")
    c.wait("() => document.querySelector('.chart path.edge').getAttribute('d').length > 0")
    assert c.page.get_by_role("img", name=re.compile("^Requests a second, now: answered ")).count() == 1
    c.row("Streams", "usage").wait_for()
    assert c.page.get_by_role("table", name="Streams").locator("tbody tr").count() == 3
    for process in api(sluice, "/api/workers").json["workers"]:
        row = c.row("Processes", f"{process['role']} slot {process['slot']}")
        row.filter(has_text="running").wait_for()
        assert str(process["pid"]) in row.inner_text().replace(",", "")
    c.page.get_by_role("img", name=re.compile("^Latency")).press("ArrowLeft")
    c.page.locator("figure", has_text="Latency").locator(".needle[visibility=visible]").wait_for(state="attached")
    c.assert_clean()


def test_limits(sluice, keys, console):
    c = console()
    c.enter(sluice, key=keys[0])
    c.go("Limits")
    assert [sluice.get("/limited").status_code for _ in range(7)] == [200] * 5 + [429] * 2
    c.row("Limits by endpoint", "limited").wait_for()
    cells = c.row("Limits by endpoint", "limited").locator("td")
    wait_until(lambda: cells.all_inner_texts()[4:6] == ["5", "2"], lambda: f"hits are shown: {cells.all_inner_texts()}")
    c.page.get_by_role("button", name="Users").click()
    c.page.get_by_text("Nobody yet.").wait_for()
    c.page.get_by_role("button", name="Addresses").click()
    key = "ratelimit:limited:127.0.0.1"
    c.page.get_by_role("button", name=f"Forget {key}").click()
    c.page.get_by_role("dialog").get_by_text("1 client").wait_for()
    c.page.keyboard.press("Escape")
    assert c.page.get_by_role("dialog").count() == 0 and sluice.get("/limited").status_code == 429
    assert c.page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Forget {key}", "the focus is back"
    c.page.get_by_label("Keys", exact=True).fill("ratelimit:limited:*")
    c.page.keyboard.press("Enter")
    c.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    c.notice("Forgotten: ratelimit:limited:*")
    assert sluice.get("/limited").status_code == 200
    c.page.get_by_label("Keys", exact=True).fill("nonsense")
    c.page.keyboard.press("Enter")
    c.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    c.notice("pattern: a key such as")
    c.assert_clean()


def test_colours(sluice, keys, console):
    c = console(color_scheme="dark")
    c.enter(sluice)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = c.page.evaluate(ground)
    c.page.get_by_role("button", name="Light colours").click()
    assert c.page.evaluate(ground) != dark
    c.page.reload()
    assert c.page.evaluate(ground) != dark
    c.page.get_by_role("button", name="Dark colours").click()
    assert c.page.evaluate(ground) == dark
    c.assert_clean()


# ---- hostile strings, in every field of every answer

EVIL = "<img src=x onerror=\"document.title='broken'\"></pre></textarea><script>document.title='broken'</script>" + "\u202egnp.exe\u0000\u001b[31m " + "x" * 10000
TIME = "2026-11-22T01:02:03.456Z"


def letter(n):
    names = ("stream", "original_subject", "original_message_id", "error_message", "content_type", "method", "user", "key", "trace_id",
             "resolved_by", "reason", "destination", "traceparent", "payload")  # fmt: skip
    history = [{"time": TIME, "event": event, "attempt": 1, "result": EVIL, "error": EVIL, "operator": EVIL, "reason": EVIL} for event in ("attempt", "dead", EVIL)]
    return {name: EVIL for name in names} | {
        "id": f"{n:02x}\"><img src=x onerror=alert(1)>", "kind": "message", "status": "pending", "error_type": "permanent", "error_status": 400,
        "retry_count": 0, "attempts": 1, "reprocess_count": 0, "size": 99, "records": 1, "original_created_at": TIME, "dlq_created_at": TIME,
        "last_retry_at": TIME, "next_retry_at": None, "resolved_at": TIME, "payload_json": False, "payload_truncated": False,
        "headers": {EVIL: EVIL, "__proto__": "x"}, "history": history,
    }  # fmt: skip


def hostile(path):
    """An answer of the API to this path, with nothing but EVIL where text may stand."""
    stream = {"name": EVIL, "mode": EVIL, "sink": EVIL, "status": EVIL, "spool_bytes": 1, "oldest": TIME, "oldest_seconds": 1, "breaker": EVIL, "last_error": EVIL, "waiting_records": 1, "retrying": 1, "dead_letters": {"pending": 1}}
    answers = {
        "streams": {"streams": [stream, stream | {"name": "s", "mode": "message"}]},
        "deliveries": {"deliveries": [{"message_id": EVIL, "stream": EVIL, "status": EVIL, "attempt": 1, "error_message": EVIL, "error_status": 1, "processing_time_ms": 1.0, "created_at": TIME}]},
        "limits": {
            "store": {"state": EVIL, "bytes": 0, "cells": 0, "used": 0, "wide_cells": 0, "wide_used": 0, "evicted": 0, "full": 0},
            "policies": [{"name": EVIL, "limits": [{"policy": EVIL, "limit": 1, "count": 1, "period": 1.0, "window": EVIL}], "penalty": None, "adaptive": False, "scale_percent": 100}],
            "hits": [{"endpoint": EVIL, "policy": EVIL, "result": "allowed", "count": 1}],
            "top": [{"key": EVIL, "policy": EVIL, "recent": 1, "requests": 1, "limited": 1, "limit": 1, "remaining": 0, "retry_after": 1.0, "seen": TIME}],
        },
        "dlq/stats": {
            "status": {"pending": 3}, "streams": [{"stream": EVIL, "pending": 3}], "hourly": [{"date_hour": TIME, "stream": EVIL, "error_type": EVIL, "count": 1}],
            "oldest_pending_at": TIME, "bytes": 1, "limits": {"max_messages": 1, "retention_seconds": 1}, "dropped": {"max_messages": 1, "retention": 1},
        },
        "dlq/messages": {"messages": [letter(n) for n in range(3)], "total": 3, "page": 1, "per_page": 50},
        "dlq/jobs": {"jobs": [{"id": EVIL, "state": "running", "operator": EVIL, "reason": EVIL, "created_at": TIME, "total": 3, "started": 1, "delivered": 1, "failed": 0, "cancelled": 0, "rate": 0, "batch": 0, "delay_ms": 0}]},
        "dlq/rules": {"rules": [{"pattern": EVIL, "stream": EVIL, "error_type": EVIL, "wait_seconds": 1, "max": 1, "batch": 1, "matched": 1, "reprocessed": 1, "last_run_at": TIME}]},
        "dlq/reprocess": {"job": None, "matched": 1, "accepted": 1, "skipped": [{"id": EVIL, "error": EVIL}], "skipped_count": 9, "dry_run": True},
    }  # fmt: skip
    return answers.get(path) or (letter(0) if path.startswith("dlq/messages/") else None)


def answer(route):
    made = hostile(route.request.url.split("/api/")[1].split("?")[0])
    if made is None:
        route.continue_()
    else:
        route.fulfill(status=200, content_type="application/json", body=json.dumps(made))


def test_hostile_strings_on_a_phone(sluice, keys, console):
    c = console(viewport=PHONE)
    c.page.route("**/console/api/**", answer)
    c.enter(sluice, key=keys[0])

    def check(*shown):
        for locator in shown:
            locator.first.wait_for()
        assert c.page.locator("img, script:not([src]), iframe, object").count() == 0
        assert "broken" not in c.page.title()
        assert c.page.evaluate(TOO_WIDE, PHONE["width"]) == [], "nothing is wider than the phone"
        assert "\u202e" not in c.page.inner_text("body") and "\u0000" not in c.page.inner_text("body")

    start = "<img src=x onerror="
    check(c.row("Streams", start), c.row("Recent deliveries", start), c.row("Processes", "worker"))
    c.go("Limits")
    check(c.row("Limits by endpoint", start), c.row("Who asks most", start), c.row("Policies", start))
    c.go("Dead letters")
    letters = c.page.get_by_role("grid", name="Dead letters").locator("tbody tr")
    check(letters.filter(has_text=start), c.row("Jobs", start), c.row("Rules", start))
    letters.first.get_by_role("checkbox").check()
    c.page.get_by_role("button", name="Send again…").click()
    check(c.page.get_by_role("dialog").get_by_text("and 8 more"))
    c.page.keyboard.press("Escape")
    letters.first.locator("td.error").click()
    check(c.page.locator(".history li").nth(2), c.section("Payload").locator("pre"), c.section("Headers as they are sent").locator("dt").nth(1))
    for form in ("Hex", "Text"):
        c.page.get_by_role("button", name=form, exact=True).click()
        check(c.section("Payload").locator("pre"))
    c.assert_clean()


# ---- its arithmetic, module by module

MODULES = """async (base) => {
    const [rates, format, payload, route] = await Promise.all(["rates", "format", "payload", "route"].map((name) => import(`${base}${name}.js`)));
    const buckets = (...counts) => counts.map((count, i) => ({ le: [0.1, 0.2, 0.4, null][i], count }));
    const traffic = (s, good, bad, counts) => ({
        time: new Date(s * 1000).toISOString(), requests: [{ status: 204, count: good }, { status: 503, count: bad }], duration: { buckets: buckets(...counts) },
        received_bytes: good, sent_bytes: good, streams: [{ name: "usage", records: good, bytes: good, rejected: 0 }],
    });
    const live = new rates.Rates();
    const points = [traffic(10, 5, 0, [5, 0, 0, 0]), traffic(12, 105, 20, [85, 40, 0, 0]), traffic(12, 105, 20, [85, 40, 0, 0]), traffic(13, 7, 0, [7, 0, 0, 0])].map((t) => live.add(t));
    return {
        quantiles: [rates.quantile(0.5, buckets(10, 10, 0, 0)), rates.quantile(0.75, buckets(10, 10, 0, 0)), rates.quantile(0.99, buckets(0, 0, 0, 5)), rates.quantile(0.5, buckets(0, 0, 0, 0))],
        first: points[0], second: [points[1].good, points[1].server, points[1].p50, points[1].streams.get("usage").records], same: points[2] === points[1], back: points[3],
        kept: live.points.length,
        bytes: [0, 1023, 1024, 1536, 10485760, 104857600].map(format.bytes),
        decimals: [null, 0, 0.001, 0.5, 9.25, 10, 99.94, 1234.5].map(format.decimal),
        durations: [0, 59.9, 60, 3600, 5430, 86400, 90000].map(format.duration),
        visible: format.visible("a\\u202eb\\u0000c\\nd\\u200f\\r"),
        json: ['{"a":[1.50,{"b":[]}],"c":"x\\\\"y"}', '[]', '{"cut":[1,"unfin'].map((text) => payload.formatJson(text).textContent),
        href: route.href(["dead-letters", "a/b?c#d"], { q: "x&y", page: "" }),
    };
}"""


def test_arithmetic(sluice, console):
    c = console()
    c.enter(sluice)
    got = c.page.evaluate(MODULES, sluice.url + "/console/")
    assert got["quantiles"] == [pytest.approx(0.1), pytest.approx(0.15), 0.4, None]
    assert got["first"] is None and got["second"] == [50, 10, pytest.approx(0.075), 50]
    assert (got["same"], got["back"], got["kept"]) == (True, None, 0)
    assert got["bytes"] == ["0 B", "1,023 B", "1.0 KiB", "1.5 KiB", "10.0 MiB", "100 MiB"]
    assert got["decimals"] == ["–", "0", "<0.01", "0.5", "9.25", "10.0", "99.9", "1,235"]
    assert got["durations"] == ["0 s", "59 s", "1 min", "1 h", "1 h 30 min", "1 d", "1 d 1 h"]
    assert got["visible"] == "a\\u202eb\\u0000c\nd\\u200f"
    assert got["json"] == [
        '{\n  "a": [\n    1.50,\n    {\n      "b": []\n    }\n  ],\n  "c": "x\\"y"\n}', "[]", '{\n  "cut": [\n    1,\n    "unfin',
    ]  # fmt: skip
    assert got["href"] == "#/dead-letters/a%2Fb%3Fc%23d?q=x%26y"
    c.assert_clean()
