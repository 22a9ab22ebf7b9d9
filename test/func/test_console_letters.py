"""Dead letters in the console: found, looked into, sent again and discarded by clicks and by keys alone; what comes of it in the API, at the worker and on
disk."""

import gzip
import json
import re

import pytest

from lib.admin import api, new_key
from lib.console import Console
from lib.scripted import status
from lib.wait import wait_until

# What is refused once is a dead letter, so that tests need not wait.
QUICK = "mode message; retry max=0; breaker failures=100000 open=50ms; concurrency 8;"
BODY = b'{"number":12345678901234567890,"tags":["<script>",{}],"note":"\\u202e"}'


@pytest.fixture
def key(tmp_path):
    return new_key(tmp_path / "keys", "alice", "--role=admin")


@pytest.fixture
def sluice(server, worker, key, tmp_path):
    return server(
        streams={"jobs": f"sink http {worker.endpoint}/work; {QUICK}"},
        server=f"auth_keys {tmp_path}/keys; location /console/ {{ console; }} location /dlq/dashboard {{ console; }}",
    )


@pytest.fixture
def console(watch, key):
    def enter(sluice, path="/dlq/dashboard", **options):
        c = watch(Letters, **options)
        c.enter(sluice, path, key)
        return c

    return enter


class Letters(Console):
    @property
    def rows(self):
        return self.page.get_by_role("grid", name="Dead letters").locator("tbody tr")

    @property
    def dialog(self):
        return self.page.get_by_role("dialog")

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def wait_rows(self, n):
        self.wait("n => document.querySelectorAll('[role=grid] tbody tr').length === n", n)

    def choose(self, *texts):
        for text in texts:
            self.rows.filter(has_text=text).get_by_role("checkbox").check()

    def answer(self, verb, count, reason, operator=""):
        """Answers the question: the count that it tells must be this one."""
        go = self.dialog.get_by_role("button", name=re.compile(f"^{verb} {count}( again)?$"))
        go.wait_for()
        self.dialog.get_by_label("Operator").fill(operator)
        self.dialog.get_by_label("Reason").fill(reason)
        go.click()


def letters(sluice, **query):
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return api(sluice, f"/api/dlq/messages?per_page=500&{text}").json["messages"]


def wait_letters(sluice, n, **query):
    return wait_until(lambda: len(found := letters(sluice, **query)) == n and found, lambda: f"{n} letters of {query}: {letters(sluice)}"[:2000])


def make_dead(sluice, worker, n, body=BODY):
    """n letters of users u0, u1, …, refused by the worker, which takes everything from then on."""
    worker.script(status(400, b"no such number"), method="POST", times=None)
    for i in range(n):
        answer = sluice.session.post(sluice.url + "/jobs", data=body, headers={"USER_TOKEN": f"u{i}.", "Content-Type": "application/json"})
        assert answer.status_code == 204
    wait_letters(sluice, n, status="pending")
    worker.clear_script()


def on_disk(sluice):
    return b"".join(path.read_bytes() for path in sorted((sluice.state_dir / "dlq").rglob("*")) if path.is_file())


@pytest.mark.sanitize
def test_sent_again(sluice, worker, console):
    make_dead(sluice, worker, 3)
    c = console(sluice)
    c.page.get_by_role("heading", name="Dead letters", level=1).wait_for()
    c.wait_rows(3)
    assert c.rows.first.locator("td.error").inner_text().startswith("400 ")
    c.choose("u0.", "u2.")
    c.button("Send again…").click()
    c.dialog.get_by_text("2 dead letters fit: 2 will be sent again.").wait_for()
    c.dialog.get_by_label("Reason").fill(" ")
    c.dialog.get_by_role("button", name="Send 2 again").click()
    c.dialog.get_by_text("A reason is needed").wait_for()
    assert not worker.accepted
    c.answer("Send", 2, "the worker knows <b>it</b> now", "kim")
    c.notice("2 dead letters on the way again.")
    worker.wait_accepted(2)
    resolved = wait_letters(sluice, 2, status="resolved")
    assert {m["user"] for m in resolved} == {"u0.", "u2."} and {m["reason"] for m in resolved} == {"the worker knows <b>it</b> now"}
    assert {m["resolved_by"] for m in resolved} == {"alice (kim)"}
    c.row("Jobs", "2 of 2 delivered").wait_for()
    c.rows.filter(has_text="resolved").nth(1).wait_for()
    c.go("Overview")
    c.row("Recent deliveries", "jobs").filter(has_text="no such number").or_(c.row("Recent deliveries", "jobs").filter(has_text="400")).first.wait_for()
    # On disk, too: whatever dies now.
    assert b"the worker knows <b>it</b> now" in on_disk(sluice) and b"alice (kim)" in on_disk(sluice)
    sluice.kill_all()
    sluice.start()
    assert {m["user"]: m["status"] for m in letters(sluice)} == {"u0.": "resolved", "u1.": "pending", "u2.": "resolved"}
    c.assert_clean()


def test_all_that_fit_are_discarded(sluice, worker, console):
    make_dead(sluice, worker, 28)
    c = console(sluice)
    c.page.get_by_label("Letters a page").select_option("25")
    c.wait_rows(25)
    assert "1–25 of 28" in c.page.get_by_role("navigation", name="Pages of letters").inner_text()
    c.button("Next").click()
    c.wait_rows(3)
    c.button("Previous").click()
    c.wait_rows(25)
    c.page.get_by_label("Search").fill("U1")  # u1., u10. to u19.
    c.wait_rows(11)
    c.page.get_by_label("Choose all on this page").check()
    assert c.page.locator(".chosen").inner_text() == "11 chosen"
    c.button("Clear").click()
    c.wait_rows(25)
    assert c.page.locator(".chosen").inner_text().startswith("Choose letters"), "another filter is another choice"
    c.page.get_by_label("Choose all on this page").check()
    c.button("Choose all 28 that fit").click()
    c.button("Discard…").click()
    c.answer("Discard", 28, "nobody wants these")
    c.notice("28 dead letters discarded.")
    assert len(wait_letters(sluice, 28, status="discarded")) == 28
    assert b"nobody wants these" in on_disk(sluice)
    c.rows.filter(has_text="discarded").nth(24).wait_for()
    c.page.get_by_role("button", name=re.compile("^pending")).click()
    c.page.get_by_text("No dead letter fits.").wait_for()
    c.page.reload()
    c.log_in(c.key)
    c.page.get_by_text("No dead letter fits.").wait_for()  # the filter is in the address
    c.page.get_by_label("State", exact=True).select_option("discarded")
    c.wait_rows(25)
    c.page.get_by_label("Error type").select_option("poison")
    c.page.get_by_text("No dead letter fits.").wait_for()
    c.page.get_by_label("Error type").select_option("permanent")
    c.page.get_by_label("Came", exact=True).select_option("last hour")
    c.wait_rows(25)
    hours = c.page.get_by_role("img", name=re.compile("^Came in, by the hour"))
    assert hours.get_attribute("aria-label").endswith("in 24 hours: transient 0, permanent 28, poison 0")
    hours.press("ArrowLeft")
    hours.press("Enter")
    c.wait("() => location.hash.includes('after=') && location.hash.includes('before=')")
    assert c.page.get_by_label("From").input_value()
    assert not worker.accepted
    c.assert_clean()


def test_one_letter(sluice, worker, console):
    make_dead(sluice, worker, 1)
    [letter] = letters(sluice)
    c = console(sluice, accept_downloads=True)
    c.page.get_by_label("Search").fill(letter["id"])
    c.wait("() => location.hash.includes('q=')")
    c.rows.first.locator("td.error").click()
    c.page.get_by_role("heading", name=letter["id"]).wait_for()
    payload = c.section("Payload").locator("pre")
    assert payload.inner_text().splitlines() == [
        "{", '  "number": 12345678901234567890,', '  "tags": [', '    "<script>",', "    {}", "  ],", '  "note": "\\u202e"', "}",
    ]  # fmt: skip
    c.button("Hex").click()
    assert payload.inner_text().startswith("000000  7b 22 6e 75 6d")
    shown = c.section("Headers as they are sent").inner_text()
    assert "application/json" in shown and letter["original_message_id"] in shown
    assert letter["trace_id"] in c.section("About it").inner_text()
    assert "Became a dead letter" in c.section("What happened").inner_text()
    with c.page.expect_download() as download:
        c.button("Download payload").click()
    assert download.value.path().read_bytes() == BODY
    c.button("Discard…").click()
    c.answer("Discard", 1, "a mistake", "kim")
    c.section("What happened").get_by_text("“a mistake”").wait_for()
    c.page.locator(".pills", has_text="discarded").wait_for()
    # What was decided is decided, unless somebody insists.
    c.button("Send again…").click()
    c.dialog.get_by_text("it is resolved or discarded already").wait_for()
    assert c.dialog.get_by_role("button", name=re.compile("^Send")).is_disabled()
    c.dialog.get_by_label("Force").check()
    c.answer("Send", 1, "no, it was right")
    c.section("What happened").get_by_text("Delivered", exact=True).wait_for()
    assert worker.wait_accepted(1)[0].body == BODY
    c.page.get_by_role("link", name="Dead letters").last.click()
    c.wait_rows(1)
    assert c.page.get_by_label("Search").input_value() == letter["id"]
    c.page.goto(f"{sluice.url}/console/#/dead-letters/{'0' * 32}")
    c.log_in(c.key)
    c.page.get_by_text("There is no dead letter of this id").wait_for()
    c.assert_clean()


def test_a_slow_job_is_cancelled(sluice, worker, console):
    make_dead(sluice, worker, 5)
    c = console(sluice)
    c.wait_rows(5)
    c.page.get_by_label("Choose all on this page").check()
    c.button("Send again…").click()
    c.dialog.get_by_text("Pace").click()
    c.dialog.get_by_label("Begin").select_option("in an hour")
    c.dialog.get_by_label("At most, a second").fill("2")
    c.answer("Send", 5, "slowly")
    c.row("Jobs", "0 of 5 delivered").filter(has_text="2 a second").wait_for()
    wait_letters(sluice, 5, status="reprocessing")
    c.row("Jobs", "slowly").get_by_role("link").click()
    c.page.get_by_text("of the job").wait_for()
    c.wait_rows(5)
    c.button("Cancel…").click()
    c.dialog.get_by_label("Reason").fill("on second thoughts")
    c.dialog.get_by_role("button", name="Cancel the job").click()
    c.notice("5 letters pending again")
    wait_letters(sluice, 5, status="pending")
    assert api(sluice, "/api/dlq/jobs").json["jobs"][0]["state"] == "cancelled" and not worker.accepted
    assert b"on second thoughts" in on_disk(sluice)
    c.row("Jobs", "5 cancelled").wait_for()
    c.assert_clean()


def test_by_keys_alone(sluice, worker, key, watch):
    make_dead(sluice, worker, 4)
    c = watch(Letters, reduced_motion="reduce")
    c.enter(sluice, "/console/")
    focus = "document.activeElement.textContent"
    press = c.page.keyboard.press

    def tab_to(text, by="Tab"):
        for _ in range(60):
            if c.page.evaluate(focus).strip().startswith(text):
                return
            press(by)
        raise AssertionError(f"Tab never comes to {text}")

    c.page.keyboard.type(key)  # the field has the focus
    press("Enter")
    c.page.get_by_role("heading", name="Overview", level=1).wait_for()
    tab_to("Skip to the content", "Shift+Tab")
    press("Enter")
    assert c.page.evaluate("document.activeElement.id") == "main"
    tab_to("Dead letters", "Shift+Tab")
    press("Enter")
    c.wait_rows(4)
    assert c.page.evaluate("document.activeElement.tagName") == "H1", "a page begins with its title"
    for _ in range(40):
        press("Tab")
        if c.page.evaluate("document.activeElement.matches('[role=grid] tbody tr')"):
            break
    press("Space")
    press("ArrowDown")
    press("ArrowDown")
    press("Space")
    press("End")
    assert c.rows.last.evaluate("e => e === document.activeElement")
    assert c.page.locator("tr[aria-selected=true]").count() == 2
    press("Home")
    press("Enter")
    c.section("What happened").wait_for()
    c.page.go_back()
    c.wait_rows(4)
    assert c.page.locator("tr[aria-selected=true]").count() == 2, "what was chosen still is"
    tab_to("Discard…")
    press("Enter")
    c.dialog.get_by_role("button", name="Discard 2").wait_for()
    assert c.page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    for _ in range(8):  # round, and never out
        press("Tab")
        assert c.page.evaluate("document.activeElement.closest('dialog') !== null")
    press("Escape")
    assert c.dialog.count() == 0 and c.page.evaluate(focus) == "Discard…"
    press("Enter")
    c.dialog.get_by_role("button", name="Discard 2").wait_for()
    c.page.keyboard.type("by hand")
    tab_to("Discard 2")
    press("Enter")
    c.notice("2 dead letters discarded.")
    assert len(letters(sluice, status="discarded")) == 2
    c.assert_clean()


def test_a_bundle_shows_its_records(server, scripted_store, key, console, tmp_path):
    sluice = server(
        store=scripted_store, bucket="scripted",
        streams={"usage": "sink s3 s bucket={bucket} prefix=usage/; bundle_interval 1h; retry max=0 initial=20ms;"},
        server=f"auth_keys {tmp_path}/keys; location /dlq/dashboard {{ console; }}",
    )  # fmt: skip
    scripted_store.script(status(503), method="PUT", key="jsonl", times=None)
    for n in range(45):
        assert sluice.put("/usage", b'{"n":%d}' % n if n % 2 else b"\xff\x00%d" % n).status_code == 204
    sluice.configure(store=scripted_store, bucket="scripted",
        streams={"usage": "sink s3 s bucket={bucket} prefix=usage/; bundle_interval 50ms; retry max=0 initial=20ms;"},
        server=f"auth_keys {tmp_path}/keys; location /dlq/dashboard {{ console; }}")  # fmt: skip
    sluice.reload()
    [bundle] = wait_letters(sluice, 1)
    assert (bundle["kind"], bundle["records"]) == ("bundle", 45)
    c = console(sluice, accept_downloads=True)
    c.rows.first.locator("td.error").click()
    records = c.section("Records").locator("li")
    c.section("Records").get_by_text("1–20 of 45").wait_for()
    assert '"n": 1' in records.nth(1).inner_text() and "ff 00" in records.nth(0).inner_text()
    c.button("Next").click()
    c.button("Next").click()
    c.section("Records").get_by_text("41–45 of 45").wait_for()
    assert records.count() == 5
    with c.page.expect_download() as download:
        c.button("Download payload").click()
    assert json.loads(gzip.decompress(download.value.path().read_bytes()).splitlines()[1]) == {"n": 1}
    scripted_store.clear_script()
    c.button("Send again…").click()
    c.answer("Send", 1, "the store takes it now")
    c.page.locator(".pills", has_text="resolved").wait_for()
    assert len(scripted_store.bucket().keys()) == 1
    c.assert_clean()


def test_shipper_away(sluice, console):
    c = console(sluice)
    away = {"error": "the shipper does not answer"}
    c.page.get_by_text("No dead letters. Everything was delivered.").wait_for()
    c.page.route("**/api/dlq/**", lambda route: route.fulfill(status=503, content_type="application/json", body=json.dumps(away)))
    c.page.locator("p.about", has_text=away["error"]).wait_for()
    assert c.page.locator(".banner").is_hidden(), "the server itself is there"
    c.page.unroute("**/api/dlq/**")
    c.page.locator("p.about", has_text="on disk").wait_for()
    c.assert_clean()
