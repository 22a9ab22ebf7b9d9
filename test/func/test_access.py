"""allow and deny, as nginx has them."""

import re
import socket

import pytest

from lib.ports import free_port
from lib.raw import Line
from lib.server import TOP
from lib.wait import PATIENCE

BLOCKS = """
{http}
server {{ listen 127.0.0.1:{port}; {server}
    location /open {{ return 204; }}
    location /none/ {{ deny all; {answer} }}
    location /first/ {{ allow 127.0.0.2; deny 127.0.0.0/29; allow 127.0.0.3; {answer} }}
    location /narrow/ {{ deny 127.0.0.3; allow 127.0.0.0/8; deny all; {answer} }}
    location /v6/ {{ deny ::/0; {answer} }}
    location /some/ {{ allow 127.0.0.2; deny all; {answer}
        location /some/inner/ {{ {answer} }}
        location /some/own/ {{ allow all; {answer} }} }}
    location / {{ {answer} }}
}}
"""

PATHS = ["/", "/none/", "/first/", "/narrow/", "/v6/", "/some/", "/some/inner/", "/some/own/"]


def status(port, path, source):
    with Line(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0))) as line:
        line.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return line.answer().status


@pytest.mark.parametrize("http, inner", [("", ""), ("deny 127.0.0.2;", ""), ("deny all;", "allow 127.0.0.3; deny 127.0.0.9;")])
def test_as_nginx(server, nginx, tmp_path, http, inner):
    """There the answer is a file: its `return` comes before access is looked at."""
    root = tmp_path / "root"
    for path in PATHS:
        (root / path.strip("/")).mkdir(parents=True, exist_ok=True)
        (root / path.strip("/") / "index.html").write_text("in")
    port = free_port()
    nginx(port, BLOCKS.format(port=port, http=http, server=inner, answer=f"root {root};"))
    sluice = server(conf="state_dir {state_dir}; worker_processes 1; events { } http {" +
                         BLOCKS.format(port="{port}", http=http, server=inner, answer="return 200 in;") + "}")
    for path in PATHS:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"):
            assert status(sluice.port, path, source) == status(port, path, source), (path, source)


def test_refusal(server, embedded):
    """403 in JSON, in the OpenAI form below /v1, before anybody is asked for a token; and nothing is stored."""
    sluice = server(streams=embedded.streams, server="deny all; location /v1/ { return 200; } location /loop { allow 127.0.0.1; return 200; }")
    answer = sluice.get("/usage")
    assert answer.status_code == 403 and answer.json() == {"message": "Forbidden"}
    assert sluice.put("/usage", b"x").status_code == 403
    assert sluice.get("/v1/models").json()["error"]["message"] == "Forbidden"
    assert sluice.get("/loop").status_code == 200
    sluice.wait_log(r"request error method=PUT uri=/usage status=403")
    assert sluice.data_files() == []


def test_unix_clients(server, tmp_path):
    path = tmp_path / "socket"
    sluice = server(conf=f"""state_dir {{state_dir}}; worker_processes 1; events {{ }} http {{ server {{
        listen 127.0.0.1:{{port}}; listen unix:{path};
        location /here {{ allow unix:; deny all; return 200 "$remote_addr"; }}
        location /there {{ deny unix:; return 200; }} }} }}""")
    for where, expected in (("/here", 200), ("/there", 403)):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        with Line(connection) as line:
            line.send(f"GET {where} HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = line.answer()
            assert answer.status == expected
            if expected == 200:
                assert answer.body == b"unix:"
    assert sluice.get("/here").status_code == 403 and sluice.get("/there").status_code == 200


def test_metrics_are_for_containers_as_installed(server):
    """M-32: the list of the configuration that `make install` puts in place, asked by clients of several networks."""
    installed = (TOP / "conf/sluice.conf").read_text()
    rules = re.search(r"listen 9145;(.*?)location", installed, re.S)[1]
    assert "deny all;" in rules
    sluice = server(server=f"set_real_ip_from 127.0.0.1; {rules} location = /metrics {{ metrics; }}")
    for address, expected in (("127.0.0.1", 200), ("::1", 200), ("10.100.3.4", 200), ("172.17.0.5", 200), ("10.89.0.2", 200), ("192.0.2.1", 403), ("10.1.2.3", 403), ("2001:db8::1", 403)):
        assert sluice.get("/metrics", headers={"X-Real-IP": address}).status_code == expected, address


@pytest.mark.parametrize("text, message", [
    ("allow 300.1.1.1;", "is no network; it takes"),
    ("deny ALL;", "is no network; it takes"),
    ("allow;", "allow"),
    ("satisfy any;", "must all agree"),
])
def test_refused_configurations(check_conf, text, message):
    code, output = check_conf(f"http {{ server {{ listen 127.0.0.1:1; {text} }} }}")
    assert code == 1 and message in output


def test_meaningless_bits_are_told(check_conf):
    code, output = check_conf("http { server { listen 127.0.0.1:1; allow 10.1.2.3/8; } }")
    assert code == 0 and "[warn]" in output and "mean nothing" in output
