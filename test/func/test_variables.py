"""Variables that a configuration defines, and headers it adds: the same answers as nginx gives."""

import re

import pytest

from lib import raw
from lib.ports import free_port

CONF = r"""
map $arg_m $exact { default other; a one; B two; "" none; \default word; "two words" spaced; x$y literal; c "$uri-$arg_n"; }
map $http_host $by_name { hostnames; default nobody; example.org exact; *.example.org sub; .dotted.org dotted; www.* www; *.deep.example.org deep; }
map $uri $by_expression { default no; ~^/[0-9]+$ number; ~*\.PNG$ picture; ~^/(a|b)/c twice; /exact said; }
map "$request_method:$arg_m" $joined { default no; GET:a yes; ~^put: put; }
map $arg_m $nothing { z 1; }
map $status $loggable { ~^[23] 0; default 1; }
geo $net { default out; 127.0.0.0/8 loop; 127.0.0.2 second; 127.0.0.0/30 few; ::1 six; }
geo $arg_ip $of_ip { default unknown; 10.0.0.0/8 ten; 10.1.0.0/16 ten-one; 2001:db8::/32 doc; 0.0.0.0/0 any; }
log_format u '$uri';
server { listen 127.0.0.1:{port}; server_name main.example; access_log {log} u if=$loggable;
    set $early "$request_method $arg_m"; set $late $early; set $early x;
    add_header X-Server $late; add_header X-Always $status always;
    location / { return 200 "$exact|$by_name|$by_expression|$joined|[$nothing]|$net|$of_ip|$early|$late|[$deeper]"; }
    location /in/ { set $deeper "in $uri"; return 200 "[$deeper]"; }
    location /more/ { add_header X-More 1; add_header X-More "2 $args"; return 200; }
    location /not/ { add_header X-Not 1; return 404; }
    location /empty/ { add_header X-Empty $arg_none; add_header X-Set "$arg_m"; return 204; }
}
"""

REQUESTS = [
    ("/", "h"), ("/?m=a", "h"), ("/?m=A", "h"), ("/?m=b", "h"), ("/?m=c&n=5", "h"), ("/?m=default", "h"), ("/?m=two%20words", "h"),
    ("/", "example.org"), ("/", "x.example.org"), ("/", "y.x.example.org"), ("/", "q.deep.example.org"), ("/", "deep.example.org"),
    ("/", "dotted.org"), ("/", "a.dotted.org"), ("/", "www.anything"), ("/", "www."), ("/", "EXAMPLE.ORG"), ("/", "xexample.org"),
    ("/123", "h"), ("/12a", "h"), ("/x.png", "h"), ("/x.PNG", "h"), ("/b/c/d", "h"), ("/exact", "h"), ("/EXACT", "h"),
    ("/?ip=10.0.0.1", "h"), ("/?ip=10.1.0.1", "h"), ("/?ip=11.0.0.1", "h"), ("/?ip=2001:db8::1", "h"), ("/?ip=2001:db9::1", "h"),
    ("/in/side", "h"), ("/more/?x", "h"), ("/not/", "h"), ("/empty/", "h"), ("/empty/?m=v", "h"),
]

ADDED = ("x-server", "x-always", "x-more", "x-not", "x-empty", "x-set")


def ask(port, path, host):
    with raw.connect(None, port) as line:
        line.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        answer = line.answer()
    added = [field for field in answer.lines[1:] if field.split(":")[0].lower() in ADDED]
    return answer.status, answer.body if answer.status == 200 else b"", added


def test_as_nginx(server, nginx, tmp_path):
    # A bare $ stands for itself in results of nginx's map only where it names nothing: not here.
    conf = re.sub(r"x\$y literal;", "", CONF)
    port = free_port()
    nginx(port, conf.replace("{port}", str(port)).replace("{log}", str(tmp_path / "theirs")))
    sluice = server(conf="state_dir {state_dir}; worker_processes 1; events { } http {" + conf.replace("{log}", str(tmp_path / "ours")) + "}")
    for path, host in REQUESTS:
        assert ask(sluice.port, path, host) == ask(port, path, host), (path, host)
    assert sluice.stop() == 0
    assert (tmp_path / "ours").read_text() == (tmp_path / "theirs").read_text() == "/not/\n"


def test_a_map_that_leads_to_itself_ends(server):
    sluice = server(http="map $b $a { default $b; } map $a $b { default x$a; }", server="location / { return 200 [$a]; }")
    assert sluice.get("/").text == "[x]"


def test_maps_of_what_comes_later(server, tmp_path):
    """Defined at the end of the file, used ahead of it: in a header, in a log."""
    sluice = server(conf=f"""state_dir {{state_dir}}; worker_processes 1; events {{ }} http {{
        log_format f '$kind $uri'; access_log {tmp_path}/log f if=$kind;
        server {{ listen 127.0.0.1:{{port}}; add_header X-Kind $kind; location / {{ return 200; }} }}
        map $uri $kind {{ ~^/a letter; }} }}""")
    assert sluice.get("/a").headers["X-Kind"] == "letter"
    assert "X-Kind" not in sluice.get("/b").headers
    assert sluice.stop() == 0
    assert (tmp_path / "log").read_text() == "letter /a\n"


@pytest.mark.parametrize("text, message", [
    (r"map $uri $x { ~\d 1; }", "write [0-9]"),
    (r"map $uri $x { '~(a' 1; }", "( is not closed"),
    (r"map $uri $x { '~(a)\1' 1; }", "back-references"),
    ("map $uri $x { a 1; A 2; }", '"A": is there already'),
    ("map $uri $x { default 1; default 2; }", "is there already"),
    ("map $uri $x { a 1 2; }", "a value and its result"),
    ("map $uri $host { a 1; }", "is the server's own"),
    ("map $uri x { a 1; }", "takes a variable such as $name"),
    ("map $nonsuch $x { a 1; }", "unknown variable"),
    ("map $uri $x { a $nonsuch; }", "unknown variable"),
    ("map $uri $x { a 1; } map $uri $x { a 2; }", "is defined by another directive"),
    ("geo $x { nonsense 1; }", "is no network"),
    ("geo $x { ranges; 10.0.0.0-10.0.0.9 1; }", "ranges is not implemented"),
    ("geo $x { proxy 10.0.0.1; }", "see set_real_ip_from"),
    ("geo $x { 10.0.0.0/8; }", "a network and its result"),
])
def test_refused_configurations(check_conf, text, message):
    status, output = check_conf(f"http {{ {text} server {{ listen 127.0.0.1:1; }} }}")
    assert status == 1 and message in output
