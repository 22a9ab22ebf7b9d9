"""What the traffic statistics show: JSON, JSONP, both Prometheus dialects, the control API."""

import hashlib
import re
import socket
import subprocess

import pytest
import requests

from lib import raw, vts
from lib.vts import ZONE, get, hit, hit_each, samples, value
from lib.wait import wait_until

ROOT = [
    "hostName", "moduleVersion", "nginxVersion", "loadMsec", "nowMsec", "connections", "sharedZones", "serverZones", "filterZones",
]
CONNECTIONS = ["active", "reading", "writing", "waiting", "accepted", "handled", "requests"]
SHARED = ["name", "maxSize", "usedSize", "usedNode", "freeSize"]
CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"]
CACHE = ["miss", "bypass", "expired", "stale", "updating", "revalidated", "hit", "scarce"]
NODE = [
    "requestCounter", "inBytes", "outBytes", "responses", "requestMsecCounter", "requestMsec", "requestMsecs", "requestBuckets", "overCounts",
]
OVER = ["maxIntegerSize", "requestCounter", "inBytes", "outBytes", *CLASSES, *CACHE, "requestMsecCounter"]
LOCATIONS = """
    server_name a.test;
    location / { return 200 ok; }
    location /missing { return 404; }
    location /status { vts_status; }
    location /display { vhost_traffic_status_display; }
"""
KEYED = ZONE + """
    vhost_traffic_status_filter_by_set_key $http_x_key keys;
    vhost_traffic_status_filter_by_set_key $http_x_zone;
"""


@pytest.fixture
def sluice(server):
    return server(http=KEYED, server=LOCATIONS)


def control(sluice, method="POST", path="/status/control", headers=None, **arguments):
    return sluice.session.request(method, sluice.url + path, params=arguments, headers=headers)


def reply(answer):
    """The reply to a reset or delete: its keys are always the same."""
    made = vts.strict(answer.content.decode())
    assert list(made) == [
        "processingReturn", "processingCommandString", "processingGroupString", "processingZoneString", "processingCounts",
    ]
    return made


# ---- forms


@pytest.mark.parametrize(
    "path, content_type",
    [
        ("/status", "text/plain; version=0.0.4; charset=utf-8"),
        ("/status/format/prometheus", "text/plain; version=0.0.4; charset=utf-8"),
        ("/status/format/PROMETHEUS", "text/plain; version=0.0.4; charset=utf-8"),
        ("/status/format/json", "application/json"),
        ("/status/format/JSON", "application/json"),
        ("/status/format/unknown", "application/json"),
        ("/status/format/jsonp", "application/javascript"),
        ("/status/format/Html", "text/html; charset=utf-8"),
        ("/status/vts.js", "text/javascript; charset=utf-8"),
        ("/status/vts.css", "text/css; charset=utf-8"),
        ("/display", "application/json"),
        ("/display/format/html", "text/html; charset=utf-8"),
        ("/display/control?cmd=status&group=*", "application/json"),
    ],
)
def test_each_form_has_its_type_also_for_head(sluice, path, content_type):
    answers = [requests.request(method, sluice.url + path) for method in ("GET", "HEAD")]
    for answer in answers:
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answers[0].content and not answers[1].content
    names = [{name for name in answer.headers if name not in ("Date", "X-Request-Id")} for answer in answers]
    assert names[0] == names[1]


@pytest.mark.parametrize("path", ["/status", "/status/format/json", "/status/vts.js", "/display", "/display/format/html"])
def test_only_get_and_head(sluice, path):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = requests.request(method, sluice.url + path)
        assert answer.status_code == 405, method
        assert "GET, HEAD" in answer.headers["Allow"]


def test_a_location_may_have_a_default_of_its_own(server):
    sluice = server(
        http=ZONE + "vhost_traffic_status_display_format html; vhost_traffic_status_display_jsonp taken;",
        server="""
            location /a { vhost_traffic_status_display; }
            location /b { vhost_traffic_status_display prometheus; }
            location /c { vts_status; }
            location ~ ^/d { vhost_traffic_status_display json; }
            location /off { vhost_traffic_status off; vhost_traffic_status_display; }
        """,
    )

    def kind(path):
        return requests.get(sluice.url + path).headers["Content-Type"].split(";")[0]

    assert kind("/a") == kind("/a/format/none") == "text/html"
    assert kind("/b") == kind("/b/format/none") == "text/plain"
    assert kind("/c/format/none") == "text/html" and kind("/c") == "text/plain"
    assert kind("/d") == kind("/d/format/json") == "application/json"
    assert requests.get(sluice.url + "/a/format/jsonp").text.startswith("taken({")
    for path in ("/off", "/off/format/json", "/off/control?cmd=status&group=*"):
        assert requests.get(sluice.url + path).status_code == 501


def test_files_of_the_page_are_asked_for_once(sluice):
    first = requests.get(sluice.url + "/status/vts.js")
    again = requests.get(sluice.url + "/status/vts.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = requests.get(sluice.url + "/status/vts.js", headers={"If-None-Match": '"other"'})
    assert other.content == first.content


def test_the_page_carries_no_script_or_style_of_its_own(sluice):
    answer = requests.get(sluice.url + "/status/format/html")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy.pop("default-src") == "'none'" and set(policy.values()) == {"'self'", "'none'"}
    assert "@BASE@" not in answer.text and "<style" not in answer.text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", answer.text)


def test_jsonp_is_json_in_a_call(sluice):
    text = requests.get(sluice.url + "/status/format/jsonp").text
    call = re.fullmatch(r"ngx_http_vhost_traffic_status_jsonp_callback\((.*)\)", text, re.S)
    assert list(vts.strict(call[1]))[0] == "hostName"


# ---- JSON


def test_json_has_exactly_these_keys(sluice):
    hit(sluice, times=3, X_Key="k")
    root = get(sluice)
    assert list(root) == ROOT
    assert list(root["connections"]) == CONNECTIONS
    assert list(root["sharedZones"]) == SHARED
    assert list(root["serverZones"]) == ["a.test", "*"]
    for zone in [*root["serverZones"].values(), root["filterZones"]["keys"]["k"]]:
        assert list(zone) == NODE
        assert list(zone["responses"]) == CLASSES + CACHE
        assert list(zone["requestMsecs"]) == ["times", "msecs"]
        assert list(zone["requestBuckets"]) == ["msecs", "counters"]
        assert list(zone["overCounts"]) == OVER
        assert zone["overCounts"]["maxIntegerSize"] == 2**64 - 1
        assert len(zone["requestMsecs"]["times"]) == len(zone["requestMsecs"]["msecs"]) == 63


def test_json_without_filters_has_no_filter_zones(server):
    sluice = server(http=ZONE, server=LOCATIONS)
    assert list(get(sluice)) == ROOT[:-1]
    assert list(get(sluice)["serverZones"])[-1] == "*"


def test_json_counts(sluice):
    hit(sluice, times=5)
    hit(sluice, "/missing", times=2)
    zone = get(sluice)["serverZones"]["a.test"]
    responses = {"1xx": 0, "2xx": 5, "3xx": 0, "4xx": 2, "5xx": 0, **dict.fromkeys(CACHE, 0)}
    assert zone["requestCounter"] == 7 and zone["responses"] == responses
    assert zone["inBytes"] > 7 * 20 and zone["outBytes"] > 7 * 50
    times = zone["requestMsecs"]["times"]
    now = get(sluice)["nowMsec"]
    assert times[:56] == [0] * 56 and times == sorted(times)
    assert all(now - 120000 < time <= now for time in times[56:])
    assert zone["overCounts"] == {**dict.fromkeys(OVER, 0), "maxIntegerSize": 2**64 - 1}


def test_json_main(sluice):
    with raw.connect(sluice), raw.connect(sluice):
        wait_until(lambda: get(sluice)["connections"]["active"] >= 3, lambda: "two idle connections are counted")
        root = get(sluice)
    c = root["connections"]
    assert c["accepted"] >= c["handled"] >= 3 and c["requests"] >= 1
    assert root["loadMsec"] <= root["nowMsec"]
    shared = root["sharedZones"]
    assert shared["name"] == "main" and shared["usedNode"] >= 0
    assert shared["maxSize"] == shared["usedSize"] + shared["freeSize"] <= 10 * 2**20


def test_sum_is_the_sum_of_all_zones(server):
    sluice = server(http=KEYED + "vhost_traffic_status_display_sum_key total;", server=LOCATIONS)
    for zone in ("one", "two", "three"):
        hit(sluice, times=4, X_Zone=zone)
    zones = get(sluice)["serverZones"]
    total = zones.pop("total")
    assert list(zones)[0] != "*" and len(zones) == 4
    for name in ("requestCounter", "inBytes", "outBytes", "requestMsecCounter"):
        assert total[name] == sum(zone[name] for zone in zones.values())
    assert total["responses"]["2xx"] == sum(zone["responses"]["2xx"] for zone in zones.values()) == 24
    assert total["requestBuckets"] == {"msecs": [], "counters": []}
    merged = sorted(time for zone in zones.values() for time in zone["requestMsecs"]["times"] if time)
    assert total["requestMsecs"]["times"] == [0] * (63 - len(merged)) + merged


def test_a_zone_of_the_sums_name_stands_once(sluice):
    hit(sluice, times=2, X_Zone="*")
    zones = get(sluice)["serverZones"]
    assert list(zones) == ["a.test", "*"] and zones["*"]["requestCounter"] == 4


def test_buckets_and_status_codes(server):
    options = "vhost_traffic_status_histogram_buckets 0.005 0.5 20; vhost_traffic_status_measure_status_codes 200 404;"
    sluice = server(http=KEYED + options, server=LOCATIONS + "location /teapot { return 418; }")
    hit(sluice, times=3, X_Key="k")
    hit(sluice, "/missing", times=2)
    hit(sluice, "/teapot")
    root = get(sluice)
    zone = root["serverZones"]["a.test"]
    assert list(zone) == NODE[:3] + ["statusCodes"] + NODE[3:]
    assert zone["statusCodes"] == {"other": 1, "200": 3, "404": 2} == root["serverZones"]["*"]["statusCodes"]
    assert list(zone["statusCodes"]) == ["other", "200", "404"]
    assert root["filterZones"]["keys"]["k"]["statusCodes"] == {"other": 0, "200": 3}
    assert zone["requestBuckets"]["msecs"] == [5, 500, 20000]
    assert zone["requestBuckets"]["counters"] == sorted(zone["requestBuckets"]["counters"])
    assert zone["requestBuckets"]["counters"][-1] == 6

    found = samples(sluice.session.get(sluice.url + "/status/format/prometheus").text)
    assert value(found, "nginx_vts_status_code_requests_total", host="a.test", code="404") == 2
    assert value(found, "nginx_vts_status_code_requests_total", host="a.test", code="other") == 1
    assert value(found, "nginx_vts_server_request_duration_seconds_bucket", host="a.test", le="20") == 6
    assert value(found, "nginx_vts_server_request_duration_seconds_bucket", host="a.test", le="+Inf") == 6
    assert value(found, "nginx_vts_server_request_duration_seconds_count", host="a.test") == 6
    assert value(found, "nginx_vts_filter_request_duration_seconds_count", filter="keys", filter_name="k") == 3


# ---- names that want out


SHOWN = {
    b"<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    b'"},"x":{"': '"},"x":{"',
    b"\\": "\\",
    b"\\n": "\\n",
    b"\\xfe": "\\xfe",
    b"\xff": "\\xff",
    b"\xfe\xff": "\\xfe\\xff",
    b"a\tb": "a\\x09b",
    b'}\\"{': '}\\"{',
    b"\xc3\xa9": "é",
    b"\xed\xa0\x80": "\\xed\\xa0\\x80",
    b"__proto__": "__proto__",
    b"x" * 400: "x" * 400,
}


@pytest.mark.sanitize
def test_hostile_names_stay_names(sluice):
    for name in SHOWN:
        hit_each(sluice, b"X-Key", [name])
        hit_each(sluice, b"X-Zone", [name])
    root = get(sluice)
    assert list(root["filterZones"]["keys"]) and set(root["filterZones"]["keys"]) == set(SHOWN.values())
    assert set(SHOWN.values()) < set(root["serverZones"])
    found = samples(sluice.session.get(sluice.url + "/status/format/prometheus").content.decode())
    names = {dict(labels)["filter_name"] for name, labels in found if name == "nginx_vts_filter_request_seconds_total"}
    assert names == set(SHOWN.values())
    found = samples(sluice.session.get(sluice.url + "/status").content.decode())
    names = {dict(labels)["zone"] for name, labels in found if name == "nginx_vts_server_requests_total"}
    assert names == {"a.test", *SHOWN.values()}


@pytest.mark.sanitize
@pytest.mark.parametrize("name", SHOWN, ids=repr)
def test_control_finds_hostile_names_by_their_bytes(sluice, name):
    hit_each(sluice, b"X-Key", [name])
    quoted = "".join(f"%{byte:02x}" for byte in name)
    one = get(sluice, f"/status/control?cmd=status&group=filter&zone=keys@{quoted}")
    assert len(one) == 1 and one.popitem()[1]["requestCounter"] == 1
    answer = sluice.session.post(f"{sluice.url}/status/control?cmd=delete&group=filter&zone=keys%40{quoted}")
    assert reply(answer)["processingCounts"] == 1
    assert get(sluice, f"/status/control?cmd=status&group=filter&zone=keys@{quoted}") == {}


def test_control_echoes_whatever_it_was_sent(sluice):
    for text in ['"}', "%ff%00", "%zz", "</script>", "%0d%0aX: y", "a" * 2000]:
        answer = sluice.session.post(f"{sluice.url}/status/control?cmd={text}&group={text}&zone={text}")
        made = reply(answer)
        assert answer.status_code == 200 and not made["processingReturn"] and made["processingCounts"] == 0
        assert made["processingCommandString"] == made["processingZoneString"]


# ---- Prometheus text


MODULE = {
    "nginx_vts_info", "nginx_vts_start_time_seconds", "nginx_vts_main_connections", "nginx_vts_main_shm_usage_bytes",
    *(f"nginx_vts_{kind}_{name}" for kind in ("server", "filter")
      for name in ("bytes_total", "requests_total", "request_seconds_total", "request_seconds", "cache_total")),
}  # fmt: skip
NATIVE = {
    "nginx_vts_info", "nginx_vts_connections", "nginx_vts_connections_total", "nginx_vts_server_requests_total", "nginx_vts_server_bytes_total",
    "nginx_vts_server_responses_total", "nginx_vts_server_request_seconds", "nginx_vts_upstream_zones_total",
}


def accepted_by_promtool(text):
    try:
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    except FileNotFoundError:
        raise AssertionError("no promtool: run ci/install-deps test (Debian's package prometheus)") from None
    assert (done.returncode, done.stderr) == (0, "")


def test_module_dialect(sluice):
    hit(sluice, times=4, X_Key="k")
    hit(sluice, "/missing", times=2)
    text = sluice.session.get(sluice.url + "/status/format/prometheus").text
    found = samples(text)
    assert {name for name, _ in found} == MODULE
    assert value(found, "nginx_vts_server_requests_total", host="a.test", code="2xx") == 4
    assert value(found, "nginx_vts_server_requests_total", host="a.test", code="4xx") == 2
    assert value(found, "nginx_vts_filter_requests_total", filter="keys", filter_name="k", code="2xx") == 4
    assert sum(v for (name, _), v in found.items() if name == "nginx_vts_server_requests_total") == 6  # the sum zone is not there
    for status in CACHE:
        assert value(found, "nginx_vts_server_cache_total", host="a.test", status=status) == 0
    states = {dict(labels)["status"] for name, labels in found if name == "nginx_vts_main_connections"}
    assert states == {"accepted", "active", "handled", "reading", "requests", "waiting", "writing"}
    sizes = {dict(labels)["shared"] for name, labels in found if name == "nginx_vts_main_shm_usage_bytes"}
    assert sizes == {"max_size", "used_size", "used_node", "free_size"}
    zone = get(sluice)["serverZones"]["a.test"]
    assert value(found, "nginx_vts_server_bytes_total", host="a.test", direction="in") == zone["inBytes"]
    assert value(found, "nginx_vts_server_bytes_total", host="a.test", direction="out") == zone["outBytes"]
    accepted_by_promtool(text)


def test_native_dialect(sluice):
    hit(sluice, times=4, X_Key="k")
    hit(sluice, "/missing", times=2)
    text = sluice.session.get(sluice.url + "/status").text
    head = text.splitlines()[:6]
    assert [line.split(":")[0] for line in head] == [
        "# nginx-vts-rust", "# Version", "# Hostname", "# Current Time", "# VTS Status", "# Module",
    ]
    assert re.fullmatch(r"# Current Time: \d{10}", head[3]) and head[4] == "# VTS Status: Active"
    found = samples(text)
    assert {name for name, _ in found} == NATIVE
    assert value(found, "nginx_vts_server_requests_total", zone="a.test") == 6
    assert value(found, "nginx_vts_server_responses_total", zone="a.test", status="2xx") == 4
    assert value(found, "nginx_vts_server_bytes_total", zone="a.test", direction="in") > 0
    low, mean, high = (value(found, "nginx_vts_server_request_seconds", zone="a.test", type=t) for t in ("min", "avg", "max"))
    assert 0 <= low <= mean <= high < 60
    assert value(found, "nginx_vts_connections_total", state="handled") >= 1
    assert value(found, "nginx_vts_upstream_zones_total") == 0
    accepted_by_promtool(text)


def test_lines_keep_their_order(sluice):
    hit_each(sluice, b"X-Zone", [b"zone-%d" % n for n in range(100)])

    def names():
        text = sluice.session.get(sluice.url + "/display/format/prometheus").text
        return [line.rsplit(" ", 1)[0] for line in text.splitlines()]

    assert names() == names()


def test_scrapes_are_not_counted(sluice):
    for path in ("/status", "/status/format/json", "/status/format/html", "/status/control?cmd=status&group=*"):
        assert sluice.session.get(sluice.url + path).status_code == 200
    assert "a.test" not in get(sluice)["serverZones"]


# ---- control


def test_control_status(sluice):
    hit(sluice, times=2, X_Key="k@1")

    def ask(**arguments):
        return get(sluice, "/status/control?" + "&".join(f"{k}={v}" for k, v in {"cmd": "status", **arguments}.items()))

    assert list(ask(group="*")) == ROOT
    assert list(ask(group="server", zone="::main")) == ROOT[:7]
    assert list(ask(group="SERVER", zone="*")) == ["serverZones"]
    assert list(ask(group="server", zone="*")["serverZones"]) == ["a.test", "*"]
    assert list(ask(group="server", zone="a.test")) == ["a.test"]
    assert list(ask(group="server", zone="a.test")["a.test"]) == NODE
    assert ask(group="filter", zone="%2A")["filterZones"]["keys"]["k@1"]["requestCounter"] == 2
    assert ask(group="filter", zone="keys%40k@1")["k@1"]["requestCounter"] == 2
    for arguments in [
        {"group": "server", "zone": "b.test"},
        {"group": "server"},
        {"group": "filter", "zone": "keys"},
        {"group": "filter", "zone": "keys@x"},
        {"group": "upstream@group", "zone": "*"},
        {"group": "upstream@alone", "zone": "::nogroups"},
        {"group": "cache", "zone": "*"},
        {"group": "none", "zone": "*"},
        {},
    ]:
        assert ask(**arguments) == {}, arguments


def test_control_reset_and_delete(sluice):
    hit(sluice, times=3, X_Key="k")
    made = reply(control(sluice, cmd="reset", group="server", zone="a.test"))
    assert made == {
        "processingReturn": True, "processingCommandString": "reset", "processingGroupString": "server",
        "processingZoneString": "a.test", "processingCounts": 1,
    }  # fmt: skip
    root = get(sluice)
    zone = root["serverZones"]["a.test"]
    assert zone["requestCounter"] == zone["inBytes"] == zone["responses"]["2xx"] == 0
    assert zone["requestMsecs"]["times"] == [0] * 63
    assert root["filterZones"]["keys"]["k"]["requestCounter"] == 3
    hit(sluice, times=2)
    assert get(sluice)["serverZones"]["a.test"]["requestCounter"] == 2

    assert reply(control(sluice, cmd="delete", group="filter", zone="keys@k"))["processingCounts"] == 1
    assert "filterZones" not in get(sluice)
    made = reply(control(sluice, cmd="delete", group="filter", zone="keys@k"))
    assert not made["processingReturn"] and made["processingCounts"] == 0


def test_control_of_all(sluice):
    hit_each(sluice, b"X-Key", [b"k%d" % n for n in range(200)])
    assert reply(control(sluice, cmd="reset", group="*"))["processingCounts"] == 201
    root = get(sluice)
    assert {zone["requestCounter"] for zone in root["filterZones"]["keys"].values()} == {0}
    assert len(root["filterZones"]["keys"]) == 200
    assert reply(control(sluice, cmd="delete", group="filter", zone="*"))["processingCounts"] == 200
    assert reply(control(sluice, cmd="delete", group="*", zone="a.test"))["processingCounts"] == 1
    assert list(get(sluice)["serverZones"]) == ["*"]


@pytest.mark.parametrize("expire", ["", "soon", "-1", "10x"])
def test_control_with_a_bad_expire_does_nothing(sluice, expire):
    hit(sluice)
    assert not reply(control(sluice, cmd="delete", group="server", zone="*", expire=expire))["processingReturn"]
    assert "a.test" in get(sluice)["serverZones"]


def test_control_expire_spares_what_is_in_use(sluice):
    hit(sluice, X_Key="old")
    assert reply(control(sluice, cmd="delete", group="*", expire="1h"))["processingCounts"] == 0
    wait_until(
        lambda: reply(control(sluice, cmd="delete", group="filter", zone="*", expire="1ms"))["processingCounts"] == 1,
        lambda: "a millisecond passes",
    )
    assert list(get(sluice)["serverZones"]) == ["a.test", "*"]


@pytest.mark.parametrize("command", ["reset", "delete"])
def test_control_by_get_and_head_does_nothing(sluice, command):
    hit(sluice)
    arguments = {"cmd": command, "group": "*", "zone": "*"}
    answer = control(sluice, "GET", **arguments)
    assert answer.status_code == 405 and answer.headers["Allow"] == "POST"
    assert not reply(answer)["processingReturn"]
    answer = control(sluice, "HEAD", **arguments)
    assert answer.status_code == 200 and answer.content == b""
    assert get(sluice)["serverZones"]["a.test"]["requestCounter"] == 1


def test_control_by_get_where_it_is_configured(server):
    sluice = server(http=ZONE + "vhost_traffic_status_control_get on;", server=LOCATIONS)
    hit(sluice)
    assert control(sluice, "HEAD", cmd="delete", group="server", zone="a.test").status_code == 200
    assert reply(control(sluice, "GET", cmd="delete", group="server", zone="a.test"))["processingCounts"] == 1


def test_control_by_get_with_an_admin_key(server, tmp_path):
    keys = tmp_path / "keys"
    lines = [f"{hashlib.sha256(role.encode()).hexdigest()} of-{role} {role} - 2026-01-01T00:00:00Z" for role in ("service", "admin")]
    keys.write_text("\n".join(lines) + "\n")
    sluice = server(http=ZONE + f"auth_keys {keys};", server=LOCATIONS)
    for role, status in (("service", 405), ("admin", 200)):
        hit(sluice)
        answer = control(sluice, "GET", headers={"X-API-Key": role}, cmd="delete", group="*")
        assert (answer.status_code, reply(answer)["processingReturn"]) == (status, status == 200)


def test_control_by_get_over_a_unix_socket(server, tmp_path):
    path = tmp_path / "stats.sock"
    sluice = server(http=ZONE + f"server {{ listen unix:{path}; location /control {{ vhost_traffic_status_display; }} }}", server=LOCATIONS)
    hit(sluice)
    # Behind a proxy, a page of another site may ask for it.
    for field, status, deleted in (("Sec-Fetch-Site: cross-site\r\n", 405, 0), ("", 200, 1)):
        line = raw.Line(socket.socket(socket.AF_UNIX))
        with line:
            line.socket.connect(str(path))
            line.send(f"GET /control/control?cmd=delete&group=server&zone=a.test HTTP/1.1\r\nHost: x\r\n{field}\r\n")
            answer = line.answer()
            assert (answer.status, vts.strict(answer.body.decode())["processingCounts"]) == (status, deleted)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=repr,
)
def test_control_refuses_pages_of_other_sites(sluice, headers):
    hit(sluice)
    answer = control(sluice, headers=headers, cmd="delete", group="*")
    assert answer.status_code == 403 and not reply(answer)["processingReturn"]
    assert "a.test" in get(sluice)["serverZones"]
    own = {"Origin": sluice.url, "Sec-Fetch-Site": "same-origin"}
    assert reply(control(sluice, headers=own, cmd="delete", group="*"))["processingReturn"]


# ---- many


@pytest.mark.sanitize
def test_zones_may_come_and_go_while_they_are_shown(sluice):
    """Answers stay valid, with each key once, while another connection deletes and makes zones."""
    names = [b"zone-%04d" % n for n in range(1500)]
    hit_each(sluice, b"X-Key", names)
    with raw.connect(sluice) as line:
        for _ in range(4):
            line.send(b"GET /status/format/json HTTP/1.1\r\nHost: x\r\n\r\n")
            control(sluice, cmd="delete", group="filter", zone="*")
            hit_each(sluice, b"X-Key", names[::3])
            root = vts.strict(line.answer().body)
            assert len(root.get("filterZones", {}).get("keys", {})) <= len(names)


def test_a_client_that_leaves_stops_the_rendering(sluice):
    hit_each(sluice, b"X-Key", [b"zone-%04d" % n for n in range(2000)])
    for _ in range(20):
        with raw.connect(sluice) as line:
            line.send(b"GET /status/format/json HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: get(sluice)["connections"]["writing"] == 1, lambda: "nothing but our own request is being answered")
    assert len(get(sluice)["filterZones"]["keys"]) == 2000


@pytest.mark.parametrize("path", ["/status/format/json", "/status/format/prometheus"])
def test_who_reads_slowly_holds_up_nobody(server, path):
    """One worker: an answer that waits for its reader leaves the worker to others, and is whole in the end."""
    sluice = server(main="worker_processes 1;", http=KEYED.replace("10m", "40m"), server=LOCATIONS)
    hit_each(sluice, b"X-Zone", [b"%04d-" % n + b"x" * 450 for n in range(1500)])
    lines = [raw.connect(sluice) for _ in range(4)]
    try:
        for n, line in enumerate(lines):
            if n > 0:
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sluice.session.get(sluice.url + "/").text == "ok"
        body = lines[0].answer().body.decode()
    finally:
        for line in lines:
            line.socket.close()
    shown = len(vts.strict(body)["serverZones"]) if "json" in path else body.count("\nnginx_vts_server_bytes_total{") / 2
    assert shown == 1502 - ("json" not in path) and body[-1] in "}\n"
