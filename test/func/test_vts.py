"""What the vhost_traffic_status directives count, limit and keep; how it is shown is in test_vts_view.py."""

import re
import socket
import struct
import time

import pytest
import requests

from lib import raw
from lib.vts import ZONE, get, hit, hit_each
from lib.wait import wait_until

V = "vhost_traffic_status"
STATUS = f"location /status {{ {V} on; {V}_bypass_limit on; vts_status; }}"
PAGES = (
    "location / { return 200 ok; } location /moved { return 301 /; } location /missing { return 404; } "
    "location /broken { return 500; } " + STATUS
)
CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"]


def start(server, http="", pages=PAGES, inner="", **options):
    return server(http=f"{ZONE} {http}", server=f"server_name a.test; {inner} {pages}", **options)


def zone(sluice, name="a.test"):
    return get(sluice)["serverZones"].get(name)


def requests_of(sluice, name="a.test"):
    found = zone(sluice, name)
    return found["requestCounter"] if found else 0


def groups(sluice):
    """{group: {key: requests}}"""
    return {g: {k: z["requestCounter"] for k, z in keys.items()} for g, keys in get(sluice).get("filterZones", {}).items()}


def classes(found):
    return {name: found["responses"][name] for name in CLASSES if found["responses"][name]}


# ---- server zones


def test_counts_requests_bytes_and_classes(server):
    sluice = start(server)
    sent = received = 0
    with raw.connect(sluice) as line:
        for method, path, status in (("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/moved", 301), ("GET", "/missing", 404), ("GET", "/broken", 500)):
            request = f"{method} {path} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode()
            line.send(request)
            answer = line.answer(method)
            assert answer.status == status
            sent += len(request)
            received += len("\r\n".join(answer.lines)) + 4 + len(answer.body)
    found = zone(sluice)
    assert found["requestCounter"] == 5
    assert classes(found) == {"2xx": 2, "3xx": 1, "4xx": 1, "5xx": 1}
    assert (found["inBytes"], found["outBytes"]) == (sent, received)
    assert len([t for t in found["requestMsecs"]["times"] if t]) == 5


def test_zones_are_named_by_the_first_server_name(server):
    sluice = server(conf="""state_dir {state_dir}; worker_processes 1; events { } http { vts_zone main 1m;
        server { listen 127.0.0.1:{port}; location / { return 204; } location /status { vts_status; } location = /health { health; } }
        server { listen 127.0.0.1:{port}; server_name *.Wild.test other.test; location / { return 204; } }
        server { listen 127.0.0.1:{port}; server_name .dot.test; location / { return 204; } }
        server { listen 127.0.0.1:{port}; server_name off.test; vhost_traffic_status off; location / { return 204; } } }""")
    for host in ("unknown", "a.wild.test", "other.test", "b.wild.test", "www.dot.test", "off.test"):
        hit(sluice, host=host)
    found = {name: z["requestCounter"] for name, z in get(sluice)["serverZones"].items()}
    assert found == {"_": 1, "*.wild.test": 3, "dot.test": 1, "*": 5}


def test_a_request_that_is_no_request_belongs_to_the_default_server(server):
    sluice = start(server)
    for nonsense in (b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"):
        with raw.connect(sluice) as line:
            line.send(nonsense)
            assert line.answer().status == 400
    assert classes(zone(sluice)) == {"4xx": 3}


def test_a_client_that_leaves_counts_as_499(server, embedded):
    sluice = start(server, streams=embedded.streams, inner=f"{V}_measure_status_codes all;")
    with raw.connect(sluice) as line:
        line.send(raw.put(body=b"", Host="a.test", Content_Length="100"))
    wait_until(lambda: requests_of(sluice) == 1, "the broken request is counted")
    found = zone(sluice)
    assert classes(found) == {"4xx": 1}
    assert found["statusCodes"]["499"] == 1


def test_a_connection_closed_without_an_answer_counts(server):
    sluice = start(server, pages=PAGES + "location /close { return 444; }")
    with raw.connect(sluice) as line:
        line.send(b"GET /close HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert line.is_closed()
    found = zone(sluice)
    assert (found["requestCounter"], found["outBytes"]) == (1, 0)
    assert classes(found) == {"4xx": 1}


def test_is_off_without_a_zone(server):
    sluice = server(server=f"server_name a.test; location /on {{ {V} on; return 204; }} {PAGES}")
    hit(sluice)
    hit(sluice, "/on")
    assert requests_of(sluice) == 1


def test_scrapes_count_only_where_they_are_asked_for(server):
    pages = f"""location / {{ return 204; }} {STATUS}
        location /counted {{ {V}_bypass_stats off; vts_status; }}
        location /shown {{ {V}_display; }}
        location /hidden {{ {V}_bypass_stats on; {V}_display; }}
        location /bypassed {{ {V}_bypass_stats on; return 204; }}"""
    sluice = start(server, pages=pages)
    counted = [0]
    for path in ("/status", "/status/format/json", "/counted", "/shown", "/hidden", "/bypassed", "/"):
        hit(sluice, path)
        counted.append(requests_of(sluice))
    assert counted == [0, 0, 0, 1, 2, 2, 2, 3]


def test_ignored_classes_do_not_count(server):
    sluice = start(server, inner=f"{V}_ignore_status 3xx 5xx; {V}_filter_by_set_key $uri uris;")
    for path in ("/", "/moved", "/missing", "/broken"):
        hit(sluice, path)
    assert classes(zone(sluice)) == {"2xx": 1, "4xx": 1}
    assert groups(sluice) == {"uris": {"/": 1, "/missing": 1}}


def test_survives_reload_restart_and_kill(server):
    sluice = start(server, http=f"{V}_filter_by_set_key $uri uris; {V}_histogram_buckets 0.001 10; {V}_measure_status_codes all;")

    def numbers():
        found = get(sluice)
        z, f = found["serverZones"]["a.test"], found["filterZones"]["uris"]["/"]
        return [z["requestCounter"], z["statusCodes"]["200"], z["requestBuckets"]["counters"][-1], f["requestCounter"], f["outBytes"]]

    hit(sluice, times=10)
    expected = numbers()
    assert expected[:4] == [10, 10, 10, 10]
    before = sluice.children("worker")
    sluice.reload()
    wait_until(lambda: not set(before) & set(sluice.children("worker")), "the workers of before the reload are gone")
    assert numbers() == expected
    assert sluice.stop() == 0
    sluice.start()
    assert numbers() == expected
    sluice.kill_all()
    sluice.start()
    assert numbers() == expected
    hit(sluice)
    assert numbers()[:4] == [11, 11, 11, 11]


def test_other_buckets_begin_afresh(server):
    text = f"{V}_filter_by_set_key all g;"
    sluice = start(server, http=f"{text} {V}_histogram_buckets 0.001 10;")
    hit(sluice, times=5)
    sluice.configure(http=f"{ZONE} {text} {V}_histogram_buckets 0.002 5 10;", server=f"server_name a.test; {PAGES}")
    before = sluice.children("worker")
    sluice.reload()
    wait_until(lambda: not set(before) & set(sluice.children("worker")), "the workers of before the reload are gone")
    hit(sluice, times=3)
    found = get(sluice)
    for z in (found["serverZones"]["a.test"], found["filterZones"]["g"]["all"]):
        assert z["requestCounter"] == 8
        assert z["requestBuckets"]["msecs"] == [2, 5000, 10000]
        assert z["requestBuckets"]["counters"][-1] == 3


def test_averages_of_request_times(server):
    sluice = start(server, inner=f"{V}_average_method WMA 5m;", env={"SLUICE_DELAY_MS": "30"})
    hit(sluice, times=4)
    found = zone(sluice)
    times = [m for t, m in zip(found["requestMsecs"]["times"], found["requestMsecs"]["msecs"]) if t]
    assert len(times) == 4 and min(times) >= 30
    assert found["requestMsec"] == sum(i * m for i, m in enumerate(times, 1)) // 10
    assert found["requestMsecCounter"] >= sum(times)


# ---- filters


def test_filters_count_by_key(server):
    inner = f"{V}_filter_by_set_key $http_x_country country::$server_name; {V}_filter_by_set_key $http_x_zone;"
    sluice = start(server, http=f"{V}_filter_by_set_key $request_method methods;", inner=inner)
    for country in ("DE", "FR", "DE"):
        hit(sluice, X_Country=country)
    hit(sluice, "/missing", X_Zone="special")
    assert groups(sluice) == {"country::a.test": {"DE": 2, "FR": 1}, "methods": {"GET": 4}}
    assert requests_of(sluice, "special") == 1
    assert requests_of(sluice, "*") == 5
    found = get(sluice)["filterZones"]["methods"]["GET"]
    assert classes(found) == {"2xx": 3, "4xx": 1}
    whole = zone(sluice)
    assert (found["inBytes"], found["outBytes"]) == (whole["inBytes"], whole["outBytes"])


def test_filters_may_be_off(server):
    sluice = start(server, http=f"{V}_filter_by_set_key $uri uris;", pages=f"location /off {{ {V}_filter off; return 204; }} {PAGES}")
    hit(sluice, "/off")
    hit(sluice, "/")
    assert groups(sluice) == {"uris": {"/": 1}}
    assert requests_of(sluice) == 2


@pytest.mark.parametrize("check, count", [("on", 1), ("off", 3)])
def test_filters_that_stand_twice(server, check, count):
    line = f"{V}_filter_by_set_key $uri uris;"
    sluice = start(server, http=line, inner=f"{V}_filter_check_duplicate {check}; {line} {line}")
    hit(sluice)
    assert groups(sluice) == {"uris": {"/": count}}


def test_zones_by_host(server):
    sluice = start(server, inner=f"{V}_filter_by_host on; {V}_histogram_buckets 1; {V}_measure_status_codes all;")
    for host in ("one.example", "ONE.example:8080", "two.example", "a.test"):
        hit(sluice, host=host)
    found = get(sluice)["serverZones"]
    assert {name: z["requestCounter"] for name, z in found.items()} == {"one.example": 2, "two.example": 1, "a.test": 1, "*": 4}
    assert found["one.example"]["statusCodes"]["200"] == 2
    assert found["one.example"]["requestBuckets"]["counters"] == [2]


def test_keys_are_cut_and_printable(server):
    sluice = start(server, inner=f"{V}_filter_by_set_key $http_x_key keys;")
    hit_each(sluice, b"X-Key", [b"k" * 2000, b"caf\xc3\xa9", b"\xff\xfe", b"a\tb"])
    assert groups(sluice) == {"keys": {"k" * 512: 1, "café": 1, "\\xff\\xfe": 1, "a\\x09b": 1}}


def pour(sluice, keys):
    """A request for each key, as fast as may be: answers are counted, not read."""
    with socket.create_connection(("127.0.0.1", sluice.port)) as line:
        for start_at in range(0, len(keys), 200):
            part = keys[start_at : start_at + 200]
            line.sendall(b"".join(b"GET /quick HTTP/1.1\r\nHost: a.test\r\nX-Key: %s\r\n\r\n" % key for key in part))
            left, tail = len(part), b""
            while left:
                got = tail + line.recv(1 << 20)
                left -= got.count(b"\r\n\r\n")
                tail = got[-3:] if left else b""


def test_max_node_bounds_a_flood(server):
    """A hundred thousand keys: never more than allowed, the zone does not fill, and memory is given back."""
    sluice = start(server, http=f"{V}_filter_max_node 300 flood; {V}_filter_by_set_key $http_x_key flood; {V}_filter_by_set_key kept rest;", pages="location /quick { return 204; }" + PAGES)
    used, seen = [], []
    for start_at in range(0, 100_000, 10_000):
        pour(sluice, [b"key-%d" % i for i in range(start_at, start_at + 10_000)])
        found = get(sluice)
        seen.append(len(found["filterZones"]["flood"]))
        used.append(found["sharedZones"]["usedSize"])
    assert max(seen) <= 300 and min(seen) > 200

    def given_back():
        pour(sluice, [b"late-%d" % i for i in range(len(used) * 1000, len(used) * 1000 + 200)])
        used.append(get(sluice)["sharedZones"]["usedSize"])
        return used[-1] < 1.5 * used[0]

    found = groups(sluice)
    assert "key-99999" in found["flood"] and "key-0" not in found["flood"]
    assert found["rest"] == {"kept": 100_000}
    assert found.get("other", {"other": 0})["other"] < 5_000  # while memory is on its way back
    assert requests_of(sluice) == 100_000
    wait_until(given_back, lambda: f"memory is given back: {used}")


def test_what_does_not_fit_counts_as_other(server):
    sluice = server(
        http=f"vts_zone main 1m; keepalive_requests 100000; access_log off; {V}_filter_by_set_key $http_x_key keys;",
        server=f"server_name a.test; {PAGES}",
    )
    hit_each(sluice, b"X-Key", [b"key-%d" % i for i in range(5000)])
    found = groups(sluice)
    assert sum(found["keys"].values()) + found["other"]["other"] == 5000
    assert requests_of(sluice) == 5000


# ---- limits


def statuses(sluice, times, path="/", **headers):
    with raw.connect(sluice) as line:
        found = []
        for _ in range(times):
            fields = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
            line.send(f"GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
            found.append(line.answer().status)
        return found


def test_limit_by_requests_is_strict(server):
    sluice = start(server, inner=f"{V}_limit_traffic request:3;")
    assert statuses(sluice, 6) == [200] * 4 + [503] * 2
    assert classes(zone(sluice)) == {"2xx": 4, "5xx": 2}


def test_limit_by_bytes_with_a_code(server):
    sluice = start(server, inner=f"{V}_limit_traffic out:1k 509;")
    found = statuses(sluice, 12)
    assert found == sorted(found) and set(found) == {200, 509}
    allowed = found.count(200)
    sizes = zone(sluice)["outBytes"]
    assert sizes > 1024 and allowed < 12


def test_limits_of_other_nodes(server):
    inner = f"""{V}_filter_by_set_key $http_x_user users;
        {V}_limit_traffic_by_set_key FG@users@$http_x_user request:2 429;
        {V}_limit_traffic_by_set_key NO@a.test 4xx:2 403;"""
    sluice = start(server, inner=inner)
    assert statuses(sluice, 4, X_User="ann") == [200, 200, 200, 429]
    assert statuses(sluice, 1, X_User="bob") == [200]
    assert statuses(sluice, 3, path="/missing") == [404, 404, 403]  # the 429 is one of them


def test_limits_may_be_off_or_bypassed(server):
    pages = f"""location /off {{ {V}_limit off; return 204; }} location /bypass {{ {V}_bypass_limit on; return 204; }}
        location /more {{ {V}_limit_traffic request:2; return 204; }} {PAGES}"""
    sluice = start(server, http=f"{V}_limit_traffic request:5;", pages=pages)
    assert statuses(sluice, 4, "/off") + statuses(sluice, 4, "/bypass") == [204] * 8
    assert statuses(sluice, 1) == statuses(sluice, 1, "/more") == [503]
    assert statuses(sluice, 1, "/off") == [204]


def test_limits_by_the_real_address(server):
    inner = f"""set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP; {V}_filter_by_set_key $remote_addr clients;
        {V}_limit_traffic_by_set_key FG@clients@$remote_addr request:1;"""
    sluice = start(server, inner=inner)
    assert statuses(sluice, 3, X_Real_IP="192.0.2.1") == [200, 200, 503]
    assert statuses(sluice, 2, X_Real_IP="192.0.2.2") == [200, 200]
    assert groups(sluice)["clients"]["192.0.2.1"] == 3


def test_a_reset_lets_in_again(server):
    sluice = start(server, http=f"{V}_limit_traffic request:2;")
    assert statuses(sluice, 4) == [200, 200, 200, 503]
    answer = requests.post(sluice.url + "/status/control", params={"cmd": "reset", "group": "server", "zone": "a.test"})
    assert answer.json()["processingCounts"] == 1
    assert statuses(sluice, 4) == [200, 200, 200, 503]


# ---- variables


def test_variables_of_the_zone(server):
    names = ["request_counter", "in_bytes", "out_bytes", *(f"{n}xx_counter" for n in range(1, 6)), "request_time_counter", "request_time"]
    names += [f"cache_{name}_counter" for name in ("miss", "bypass", "expired", "stale", "updating", "revalidated", "hit", "scarce")]
    text = " ".join(f"{name}=$vts_{name}" for name in names)
    sluice = start(server, pages=f'location /tell {{ return 200 "{text}"; }} {PAGES}')
    tell = lambda: dict(part.split("=") for part in sluice.get("/tell", headers={"Host": "a.test"}).text.split())
    assert set(tell().values()) == {""}
    hit(sluice, "/missing", times=2)
    found, told = zone(sluice), tell()
    assert told["request_counter"] == str(found["requestCounter"]) == "3"
    assert (told["in_bytes"], told["out_bytes"]) == (str(found["inBytes"]), str(found["outBytes"]))
    assert (told["2xx_counter"], told["4xx_counter"], told["cache_hit_counter"]) == ("1", "2", "0")
    assert told["request_time_counter"].isdigit() and told["request_time"].isdigit()


def test_variables_of_any_node(server):
    pages = f"""{V}_set_by_filter $users filter/users@$http_x_user/requestCounter;
        {V}_set_by_filter $here server/a.test/2xx;
        location /tell {{ {V}_set_by_filter $here server/a.test/4xx; return 200 "$here|$users"; }}
        location / {{ return 200 "$here|$users"; }} location /missing {{ return 404; }} {STATUS}"""
    sluice = start(server, inner=f"{V}_filter_by_set_key $http_x_user users;", pages=pages)
    tell = lambda path, user: sluice.get(path, headers={"Host": "a.test", "X-User": user}).text
    assert tell("/", "ann") == "|"
    assert tell("/", "ann") == "1|1"
    hit(sluice, "/missing", X_User="bob")
    assert tell("/", "bob") == "2|1"
    assert tell("/tell", "ann") == "1|2"


# ---- the dump file


def dumping(server, tmp_path, period="1h", **options):
    http = f"{V}_dump {tmp_path}/vts.dump {period}; {V}_filter_by_set_key $uri uris; {V}_histogram_buckets 0.001 10; {V}_measure_status_codes all;"
    return start(server, http=http, **options)


def lose_zone(sluice):
    (sluice.state_dir / "zone").unlink()


def without_times(found):
    """The zones without what changes by itself."""
    z = {k: v for k, v in found.items() if k in ("serverZones", "filterZones")}
    text = repr(z)
    return re.sub(r"'requestMsec': \d+", "", text)


def test_dump_brings_back_what_the_zone_lost(server, tmp_path):
    sluice = dumping(server, tmp_path)
    long = "/" + "k" * 3000
    for path in ("/", "/", "/missing", long):
        hit(sluice, path)
    before = without_times(get(sluice))
    assert sluice.stop() == 0
    lose_zone(sluice)
    sluice.start()
    sluice.wait_log("vts: statistics taken from file .*nodes=4")
    assert without_times(get(sluice)) == before
    hit(sluice)
    found = get(sluice)
    assert (found["serverZones"]["a.test"]["requestCounter"], found["filterZones"]["uris"]["/"]["requestCounter"]) == (5, 3)
    assert sluice.stop() == 0
    sluice.start()  # the zone holds all of it: the file is not added to it
    assert requests_of(sluice) == 5


def test_dump_is_written_now_and_then(server, tmp_path):
    sluice = dumping(server, tmp_path, period="1s")
    hit(sluice, times=7)
    path = tmp_path / "vts.dump"
    wait_until(lambda: path.exists() and b"a.test" in path.read_bytes(), "a dump with the zone")
    sluice.kill_all()
    lose_zone(sluice)
    sluice.start()
    sluice.wait_log("vts: statistics taken from file")
    assert requests_of(sluice) == 7
    assert [p.name for p in tmp_path.iterdir() if "dump" in p.name] == ["vts.dump"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data + b"x",
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: b"",
        lambda data: b"something else altogether, as text\n" * 30,
        lambda data: data[:8] + struct.pack("<I", 99) + data[12:],
    ],
)
def test_a_damaged_dump_is_set_aside(server, tmp_path, damage):
    sluice = dumping(server, tmp_path)
    hit(sluice, times=3)
    assert sluice.stop() == 0
    path = tmp_path / "vts.dump"
    bad = damage(path.read_bytes())
    path.write_bytes(bad)
    lose_zone(sluice)
    sluice.start()
    sluice.wait_log("vts: kept statistics cannot be used: set aside")
    assert requests_of(sluice) == 0
    assert (tmp_path / "vts.dump.bad").read_bytes() == bad
    hit(sluice)
    assert requests_of(sluice) == 1
    assert sluice.stop() == 0
    lose_zone(sluice)
    sluice.start()
    sluice.wait_log("vts: statistics taken from file")
    assert requests_of(sluice) == 1


@pytest.mark.parametrize("call", ["open", "pwrite", "fsync", "close", "rename"])
def test_a_dump_that_fails_leaves_the_old_one(server, tmp_path, call):
    sluice = dumping(server, tmp_path)
    hit(sluice, times=3)
    assert sluice.stop() == 0
    before = (tmp_path / "vts.dump").read_bytes()
    sluice.env = {"SLUICE_FAIL": f"{call}:1+:ENOSPC", "SLUICE_TEST_ROLE": "janitor"}
    sluice.start()
    hit(sluice)
    assert sluice.stop() == 0
    assert (tmp_path / "vts.dump").read_bytes() == before
    assert "vts: statistics cannot be kept; the file before stays" in sluice.log()
    assert "No space left on device" in sluice.log()
    assert not (tmp_path / "vts.dump.tmp").exists() or call == "open"
    sluice.env = {}
    sluice.start()
    assert requests_of(sluice) == 4


def test_a_failing_dump_is_logged_once_in_a_while(server, tmp_path):
    sluice = dumping(server, tmp_path / "gone", period="1s")
    sluice.wait_log("vts: statistics cannot be kept")
    (tmp_path / "gone").mkdir()
    hit(sluice)
    sluice.wait_log("vts: statistics are kept again")
    assert len(sluice.wait_log("vts: statistics cannot be kept")) == 1
    assert (tmp_path / "gone/vts.dump").exists()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def dump_of(name, words):
    """A dump of one server zone: {index: value} of its words."""
    pairs = b"".join(struct.pack("<HQ", i, v) for i, v in sorted(words.items()))
    record = struct.pack("<BBH", 0, 1, len(name)) + name + struct.pack("<H", len(words)) + pairs
    data = b"SLUICVTS" + struct.pack("<IIQ", 1, 0, 0) + struct.pack("<I", len(record)) + record + struct.pack("<IQ", 0, 1)
    return data + struct.pack("<I", crc32c(data))


def test_counters_pass_two_to_the_64(server, tmp_path):
    """What a dump brings, at the very end of 64 bits: the next request passes it, and it is told."""
    last = 2**64 - 1
    now = int(time.time() * 1000)
    (tmp_path / "vts.dump").write_bytes(dump_of(b"a.test", {0: last, 1: last, 4: last, 19: now, 20: now, 16: 999}))
    sluice = dumping(server, tmp_path)
    sluice.wait_log("vts: statistics taken from file")
    found = zone(sluice)
    assert (found["requestCounter"], found["overCounts"]["requestCounter"]) == (last, 0)
    hit(sluice, times=2)
    found = zone(sluice)
    assert (found["requestCounter"], found["overCounts"]["requestCounter"]) == (1, 1)
    assert (found["responses"]["2xx"], found["overCounts"]["2xx"]) == (1, 1)
    assert found["overCounts"]["inBytes"] == 1 and 0 < found["inBytes"] < 1000
    assert found["overCounts"]["maxIntegerSize"] == last
    assert found["overCounts"]["4xx"] == 0
    assert sluice.stop() == 0
    lose_zone(sluice)
    sluice.start()
    wait_until(lambda: len(sluice.wait_log("vts: statistics taken from file")) == 2, "the second dump is read")
    assert zone(sluice)["overCounts"]["requestCounter"] == 1
