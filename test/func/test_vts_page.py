"""The page of the traffic statistics in a real browser: what it shows, that names stay text, that it keeps to its policy, that many zones do not hang it."""

import functools
import re
import time

import pytest

from lib import vts
from lib.browser import Watched
from lib.vts import hit, hit_each

CONF = vts.ZONE + """
    vhost_traffic_status_filter_by_set_key $http_x_key keys;
    vhost_traffic_status_filter_by_set_key $http_x_country country::name;
    vhost_traffic_status_filter_by_set_key $http_x_zone;
"""
LOCATIONS = """
    server_name a.test;
    location / { return 200 ok; }
    location /status { vts_status; }
    location /page { vhost_traffic_status_display html; }
    location /page/ { vhost_traffic_status_display html; }
"""
IMAGE = "<img src=x onerror=\"document.title='broken'\">"


class StatusPage(Watched):
    def open(self, url):
        answer = self.page.goto(url)
        self.page.wait_for_selector("#live[data-state=good]")
        return answer

    def row(self, title, name):
        return self.section(title).locator("tr").filter(has=self.page.locator("th", has_text=re.compile(f"^{re.escape(name)}$")))

    def cells(self, title, name):
        return self.row(title, name).locator("td").all_inner_texts()

    def heads(self, title):
        return self.section(title).locator("thead").first.locator("tr.names th").all_inner_texts()


@pytest.fixture
def watch(watch):
    return functools.partial(watch, StatusPage)


@pytest.fixture
def sluice(server):
    return server(http=CONF, server=LOCATIONS)


ZONE_HEADS = [
    "Zone", "Total", "Req/s", "Time", "1xx", "2xx", "3xx", "4xx", "5xx", "Total", "Sent", "Rcvd", "Sent/s", "Rcvd/s",
    "Miss", "Bypass", "Expired", "Stale", "Updating", "Revalidated", "Hit", "Scarce", "Total",
]  # fmt: skip


def test_sections_and_columns(sluice, watch):
    hit(sluice, times=3, X_Key="k", X_Country="KR")
    w = watch()
    answer = w.open(sluice.url + "/status/format/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert w.page.title() == "nginx vhost traffic status monitor"
    assert w.page.inner_text("h1") == "Nginx Vhost Traffic Status"
    assert w.page.locator("section:visible > h2").all_inner_texts() == ["Server main", "Server zones", "Filters"]
    main = w.section("Server main").locator("dt").all_inner_texts()
    assert [name for name in main if name] == [
        "Host", "Version", "Uptime", "active", "accepted", "reading", "handled", "writing", "waiting", "Total", "Req/s",
        "name", "maxSize", "usedSize", "usedNode",
    ]  # fmt: skip
    assert w.section("Server main").get_by_text("10.0 MiB").count() == 1
    assert w.heads("Server zones") == w.heads("Filters") == ZONE_HEADS
    assert w.cells("Server zones", "a.test")[:1] + w.cells("Server zones", "a.test")[3:9] == ["3", "0", "3", "0", "0", "0", "3"]
    assert w.cells("Server zones", "*")[0] == "3"
    assert w.section("Filters").locator("h3").all_inner_texts() == ["keys", "country::name"]
    assert w.row("Filters", "\U0001f1f0\U0001f1f7 KR").count() == 1, "a country's flag"
    assert not w.complaints and all(url.startswith(sluice.url + "/status/") for url in w.asked)


def test_names_are_text(sluice, watch):
    hit(sluice, X_Key=IMAGE, X_Zone=IMAGE)
    hit(sluice, X_Key="__proto__", X_Zone="constructor")
    w = watch()
    w.open(sluice.url + "/status/format/html")
    for section in ("Server zones", "Filters"):
        assert w.row(section, IMAGE).count() == 1
    assert w.cells("Filters", "__proto__")[0] == w.cells("Server zones", "constructor")[0] == "1"
    w.wait("() => document.querySelector('tbody td:nth-of-type(2)').textContent !== 'n/a'")
    assert w.page.locator("main img, main script, main iframe").count() == 0
    assert w.page.title() != "broken" and not w.complaints


def test_the_policy_holds(sluice, watch):
    """That the console tells of violations is what the other tests rely on."""
    w = watch()
    w.open(sluice.url + "/status/format/html")
    w.page.evaluate("() => { const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s); }")
    w.wait("() => true")
    assert any("Content Security Policy" in text for text in w.complaints) and w.page.title() != "1"


def test_rates_move(sluice, watch):
    w = watch()
    hit(sluice, times=5)
    polls = []
    w.page.route("**/format/json", lambda route: polls.append(route) or (len(polls) == 1 and route.continue_()))
    w.open(sluice.url + "/status/format/html")
    assert w.cells("Server zones", "a.test")[1] == "n/a", "there is nothing to compare with yet"
    w.page.unroute("**/format/json")
    for held in polls[1:]:
        held.continue_()
    w.wait("() => document.querySelector('tbody td:nth-of-type(2)').textContent === '0'")
    hit(sluice, times=50)
    w.wait("() => /^[1-9]/.test(document.querySelector('tbody td:nth-of-type(2)').textContent)")
    assert w.cells("Server zones", "a.test")[0] == "55"
    assert sluice.session.post(sluice.url + "/status/control?cmd=reset&group=*").status_code == 200
    w.wait("() => document.querySelector('tbody td:nth-of-type(1)').textContent === '0'")
    assert not w.complaints


def test_refresh_json_and_errors(sluice, watch):
    w = watch()
    w.open(sluice.url + "/status/format/html")
    assert w.page.locator("#refresh option").all_inner_texts() == [f"{n} s" for n in range(1, 9)]
    assert w.page.input_value("#refresh") == "1"
    w.page.select_option("#refresh", "8")
    before = len(w.asked)
    start = time.monotonic()
    w.page.wait_for_timeout(2500)
    polls = len(w.asked) - before
    assert polls <= 1 + (time.monotonic() - start) / 8 + 1, f"{polls} polls"
    w.page.select_option("#refresh", "1")
    with w.page.expect_request(lambda request: request.url.endswith("/format/json")):
        pass
    assert w.page.evaluate("document.getElementById('json').href") == sluice.url + "/status/format/json"
    sluice.stop()
    w.wait("() => document.getElementById('live').dataset.state === 'bad'")
    sluice.start()
    w.wait("() => document.getElementById('live').dataset.state === 'good'")


@pytest.mark.parametrize("path", ["/page", "/page/", "/page/format/html", "/page/anything", "/status/format/HTML"])
def test_the_page_finds_its_files(sluice, watch, path):
    w = watch()
    w.open(sluice.url + path)
    assert not w.complaints


def test_ten_thousand_zones(sluice, watch):
    sluice.configure(http=CONF.replace("10m", "100m"), server=LOCATIONS)
    assert sluice.stop() == 0
    sluice.start()
    hit_each(sluice, b"X-Zone", [b"zone-%05d.test" % n for n in range(10000)])
    w = watch(viewport={"width": 390, "height": 844})
    w.open(sluice.url + "/status/format/html")
    servers = w.section("Server zones")
    assert servers.locator("tbody tr").count() == 50
    assert "of 10,001" in servers.inner_text()
    servers.get_by_role("button", name="Next").click()
    assert "51–100 of" in servers.inner_text()
    servers.get_by_role("searchbox").fill("zone-07777")
    w.wait("() => document.querySelectorAll('section[aria-label=\"Server zones\"] tbody tr').length === 1")
    assert w.cells("Server zones", "zone-07777.test")[0] == "1" and w.cells("Server zones", "*")[0] == "20,000"
    servers.get_by_role("searchbox").fill("")
    servers.get_by_role("button", name="Zone", exact=True).press("Enter")
    assert servers.locator("tbody th").first.inner_text() == "a.test"
    servers.get_by_role("button", name="Req/s").press("Enter")
    w.wait("() => document.querySelector('[aria-sort=descending]')")
    assert not w.complaints


def test_fits_a_phone(sluice, watch):
    hit(sluice, X_Key="k")
    w = watch(viewport={"width": 390, "height": 844})
    w.open(sluice.url + "/status/format/html")
    assert w.page.evaluate("document.documentElement.scrollWidth") == 390, "only tables scroll sideways"
    scroll = w.section("Server zones").locator(".scroll")
    assert scroll.evaluate("e => e.scrollWidth > e.clientWidth && e.tabIndex === 0")
