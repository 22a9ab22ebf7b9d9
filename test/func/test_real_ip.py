"""The client's address behind trusted proxies: as nginx has it, and for everything that goes by addresses."""

import re

import pytest

from lib import raw
from lib.ports import free_port

LISTENS = """
server {{ listen 127.0.0.1:{port}; {server} location / {{ {location} return 200 "$remote_addr $remote_port $realip_remote_addr"; }} }}
"""

RULES = [
    "set_real_ip_from 127.0.0.1;",
    "set_real_ip_from 127.0.0.0/8; real_ip_header X-Forwarded-For;",
    "set_real_ip_from 127.0.0.0/8; set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive on;",
    "set_real_ip_from 127.0.0.1; set_real_ip_from 2001:db8::/32; real_ip_header X-Client; real_ip_recursive on;",
    "set_real_ip_from 192.0.2.0/24; real_ip_header X-Forwarded-For;",
]

HEADERS = [
    {},
    {"X-Real-IP": "198.51.100.7"},
    {"X-Real-IP": "198.51.100.7:1234"},
    {"X-Forwarded-For": "198.51.100.1, 198.51.100.2"},
    {"X-Forwarded-For": "198.51.100.1, 10.1.2.3, 10.9.9.9"},
    {"X-Forwarded-For": "10.1.2.3, 10.9.9.9"},
    {"X-Forwarded-For": "1.2.3.4, nonsense, 10.9.9.9"},
    {"X-Forwarded-For": "nonsense"},
    {"X-Forwarded-For": "198.51.100.1,"},
    {"X-Forwarded-For": "[2001:db9::5]:443"},
    {"X-Client": "2001:db9::5, 2001:db8::1"},
    {"X-Client": "unix:/tmp/x"},
    {"X-Client": "198.51.100.7.1"},
]


def ask(port, headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with raw.connect(None, port) as line:
        line.send(f"GET / HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n")
        # Our own port differs from run to run.
        return re.sub(r"^(127\.\S+) \d+ ", r"\1 PORT ", line.answer().body.decode())


@pytest.mark.parametrize("rules", RULES, ids=range(len(RULES)))
def test_as_nginx(server, nginx, rules):
    port = free_port()
    nginx(port, LISTENS.format(port=port, server=rules, location=""))
    # A location's return comes ahead of its directives' phases there: the server's hold for both.
    sluice = server(conf="state_dir {state_dir}; worker_processes 1; events { } http {" + LISTENS.format(port="{port}", server=rules, location="") + "}")
    for headers in HEADERS:
        assert ask(sluice.port, headers) == ask(port, headers), (rules, headers)


def test_everything_goes_by_it(server):
    """A server's return, refusals, allow and deny, the log; and a block's own list takes the place of the one around it."""
    sluice = server(http="set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;", server="""
        location /gate { deny 198.51.100.0/24; allow all; return 200 in; }
        location /own { set_real_ip_from 192.0.2.1; return 200 $remote_addr; }
        location /small { client_max_body_size 1; return 200; }
        location /named { real_ip_header X-Client; return 200 $remote_addr; }
    """)
    client = {"X-Forwarded-For": "198.51.100.7", "X-Client": "203.0.113.1"}
    assert sluice.get("/gate", headers=client).status_code == 403
    assert sluice.get("/gate", headers={"X-Forwarded-For": "198.51.101.7"}).text == "in"
    assert sluice.get("/own", headers=client).text == "127.0.0.1"
    assert sluice.get("/named", headers=client).text == "203.0.113.1"
    assert sluice.put("/small", b"xx", headers=client).status_code == 413
    assert sluice.get("/none", headers=client).status_code == 404
    for path in ("/gate", "/small", "/none"):
        sluice.wait_log(rf"request error .*uri={path} .*remote_ip=198\.51\.100\.7 ")


def test_a_connection_s_requests_are_apart(server):
    sluice = server(server="set_real_ip_from 127.0.0.1; location /a { return 200 $remote_addr; }")
    with raw.connect(sluice) as line:
        for header, address in (("X-Real-IP: 198.51.100.7\r\n", b"198.51.100.7"), ("", b"127.0.0.1"), ("X-Real-IP: 2001:db8::1\r\n", b"2001:db8::1")):
            line.send(f"GET /a HTTP/1.1\r\nHost: x\r\n{header}\r\n")
            assert line.answer().body == address


@pytest.mark.parametrize("text, message", [
    ("real_ip_header proxy_protocol;", "PROXY protocol is not spoken"),
    ("set_real_ip_from proxy.example;", 'is no network; it takes'),
    ("set_real_ip_from 10.0.0.0/33;", "is no network"),
    ("real_ip_header 'a b';", "is no name of a header"),
])
def test_refused_configurations(check_conf, text, message):
    status, output = check_conf(f"http {{ server {{ listen 127.0.0.1:1; {text} }} }}")
    assert status == 1 and message in output
