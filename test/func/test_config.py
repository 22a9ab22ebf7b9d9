"""Command line and configuration: what is taken, what is refused, and what the message says."""

import os
import re
import socket
import subprocess

import pytest

from lib import config
from lib.objects import assert_exactly_once
from lib.ports import free_port
from lib.server import program
from lib.wait import wait_until

KEYS = ("test-usage", "test-error", "test-specimen")


def run(*args, env=None, **options):
    """A run that ends by itself: (status, stdout, stderr)."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LIGHTFILE6_", "AWS_"))}
    done = subprocess.run(
        [program(), *map(str, args)], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
        env={**clean, **(env or {})}, **options,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def conf(tmp_path):
    """Writes a file; returns its path."""

    def write(text, name="sluice.conf"):
        path = tmp_path / name
        path.write_text(text.replace("{tmp}", str(tmp_path)).replace("{port}", str(free_port())))
        return path

    return write


GOOD = "state_dir {tmp}/state; events { } http { stream u { sink dir {tmp}/out; } server { listen 127.0.0.1:{port}; location = /u { ingest u; } } }"


# ---- the command line


def test_help_and_version():
    status, out, err = run("-h")
    assert (status, err) == (0, "") and out.startswith("usage: sluice")
    for option in ("-p", "-c", "-t", "-T", "-V", "-g", "-s", "exit status"):
        assert option in out
    for option in ("-V", "-v"):
        status, out, err = run(option)
        assert status == 0 and re.match(r"sluice \d+\.\d+", out + err)


@pytest.mark.parametrize("args", [["-x"], ["-p"], ["-p", "0"], ["-p", "65536"], ["-p", "x"], ["extra"], ["-s", "dance"]], ids=" ".join)
def test_wrong_usage_exits_1(conf, args):
    status, out, err = run("-c", conf(GOOD), *args)
    assert status == 1 and out == "" and "usage: sluice" in err


def test_t_tests_and_q_is_quiet(conf, tmp_path):
    path = conf(GOOD)
    assert run("-t", "-c", path) == (0, "", f"sluice: configuration file {path} test is successful\n")
    assert run("-t", "-q", "-c", path) == (0, "", "")
    assert not (tmp_path / "state").exists()


def test_T_dumps_what_can_be_read_again(conf, tmp_path):
    status, out, _ = run("-T", "-c", conf(GOOD))
    assert status == 0 and "state_dir" in out and "stream u" in out
    again = tmp_path / "again.conf"
    again.write_text(out)
    assert run("-T", "-c", again)[:2] == (0, out)


@pytest.mark.sanitize
@pytest.mark.parametrize(
    "text, line, said",
    [
        ("state_dir /x;\nnonsense on;\n", 2, "nonsense"),
        ("state_dir /x;\nworker_proceses 2;\n", 2, "worker_processes"),
        ("worker_processes 0;", 1, "1 to 256"),
        ("http {\n stream a { mode bundle; }\n}", 2, "no sink"),
        ("http {\n stream a { sink s3 nowhere bucket=b; }\n}", 2, "nowhere"),
        ("http {\n stream UPPER { sink dir /x; }\n}", 2, "a-z"),
        ("http {\n stream zone { sink dir /x; }\n}", 2, "reserved"),
        ("http {\n server { listen 127.0.0.1:99999; }\n}", 2, "99999"),
        ("http {\n server { location = /a { ingest nobody; } }\n}", 2, "nobody"),
        ("http {\n server { location ~ \\d { return 200; } }\n}", 2, "[0-9]"),
        ("http {\n server { location /a { health; }", 2, "}"),
        ("state_dir relative;", None, "absolute"),
        ("http {\n stream a { sink dir /x; bundle_interval soon; }\n}", 2, "soon"),
    ],
)
def test_errors_name_file_line_and_what_is_allowed(conf, text, line, said):
    path = conf(text)
    status, out, err = run("-t", "-c", path)
    assert (status, out) == (1, "")
    assert said in err
    if line:
        assert f"{path}:{line}: " in err
    assert "Failed to load configuration" in err


def test_missing_file_exits_1(tmp_path):
    status, _, err = run("-c", tmp_path / "none.conf")
    assert status == 1 and "none.conf" in err and "Failed to load configuration" in err


def test_g_adds_directives(server, embedded, tmp_path):
    sluice = server(streams=embedded.streams, args=["-g", f"pid {tmp_path}/own.pid; worker_shutdown_timeout 5s;"])
    assert sluice.put("/usage", b"x").status_code == 204
    assert int((tmp_path / "own.pid").read_text()) == sluice.pid
    assert run("-t", "-c", sluice.conf_file, "-g", "nonsense on;")[0] == 1


def test_p_moves_the_first_listen(server, embedded):
    other = free_port()
    sluice = server(streams=embedded.streams, args=["-p", str(other)], wait=False)
    wait_until(lambda: "started" in sluice.log(), sluice.tail)
    with socket.create_connection(("127.0.0.1", other)):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sluice.port))


def test_s_signals_the_running_server(server, embedded):
    sluice = server(streams=embedded.streams)
    assert sluice.put("/usage", b"x").status_code == 204
    assert run("-c", sluice.conf_file, "-s", "reload") == (0, "", "")
    sluice.wait_log("configuration reloaded")
    assert run("-c", sluice.conf_file, "-s", "reopen")[0] == 0
    assert run("-c", sluice.conf_file, "-s", "quit")[0] == 0
    assert sluice.wait_exit() == 0
    status, _, err = run("-c", sluice.conf_file, "-s", "stop")
    assert status != 0 and "no server is running" in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may signal others' processes")
def test_s_has_no_more_rights_than_who_wrote_the_pid(server, embedded, tmp_path):
    """The state folder is the configured user's, who may put another file in the pid file's place."""
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    (tmp_path / "out").mkdir(exist_ok=True)
    os.chown(tmp_path / "out", 12345, 23456)
    sluice = server(streams=embedded.streams, main="user 12345:23456;")
    pid = sluice.state_dir / "sluice.pid"
    kept = tmp_path / "kept"
    pid.rename(kept)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        pid.write_text(f"{bystander.pid}\n")
        os.chown(pid, 12345, 23456)
        status, _, err = run("-c", sluice.conf_file, "-s", "stop")
        assert status != 0 and "no server is running" in err
        assert bystander.poll() is None
        bystander.kill()
    kept.rename(pid)
    assert run("-c", sluice.conf_file, "-s", "stop") == (0, "", "")
    assert sluice.wait_exit() == 0


@pytest.mark.parametrize("in_use", [True, False], ids=["in-use", "not-ours"])
def test_listen_failure_exits_with_an_error(conf, tmp_path, in_use):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}" if in_use else "192.0.2.1:80"
        status, _, err = run("-c", conf(GOOD.replace("127.0.0.1:{port}", address)))
    assert status == 2 and "cannot listen" in err and address in err


def test_state_dir_that_cannot_be_made(conf, tmp_path):
    (tmp_path / "state").write_text("a file")
    status, _, err = run("-c", conf(GOOD))
    assert status == 2 and "state" in err


# ---- what nginx users have


def test_origin_nginx_words_are_accepted_or_refused_with_a_reason(conf):
    status, _, err = run("-t", "-c", conf("load_module modules/x.so;\n" + GOOD.replace("events { }", "events { worker_connections 512; }")))
    assert status == 0 and "load_module" in err
    status, _, err = run("-t", "-c", conf(GOOD.replace("ingest u;", "ingest u; root /var/www;")))
    assert status == 1 and "root" in err


def test_include(conf, tmp_path):
    (tmp_path / "part.conf").write_text("stream u { sink dir %s/out; }" % tmp_path)
    status, _, err = run("-t", "-c", conf("state_dir {tmp}/state; http { include part.conf; server { location = /u { ingest u; } } }"))
    assert status == 0, err
    (tmp_path / "part.conf").write_text("\nstream u { sink nowhere; }")
    status, _, err = run("-t", "-c", conf("state_dir {tmp}/state; http { include part.conf; }"))
    assert status == 1 and "part.conf:2:" in err


# ---- config.yml


class FakeStore:
    endpoint, region, access_key, secret_key, ca_file = "http://127.0.0.1:1", "us-east-1", "AK", "SK", None


@pytest.mark.parametrize(
    "missing, said",
    [
        ("s3_usage_bucket", ("usage bucket is required", "s3.usage_bucket", "LIGHTFILE6_S3_USAGE_BUCKET")),
        ("s3_error_bucket", ("error bucket is required", "s3.error_bucket")),
        ("s3_specimen_bucket", ("specimen bucket is required", "s3.specimen_bucket")),
        ("aws_access_key_id", ("AWS access key id is required", "aws.access_key_id")),
        ("aws_secret_access_key", ("AWS secret access key is required", "aws.secret_access_key")),
    ],
)
def test_yml_refuses_to_start_without(conf, tmp_path, missing, said):
    path = conf(config.ingest_service(tmp_path / "s", FakeStore, KEYS, **{missing: None}), "config.yml")
    status, _, err = run("-p", free_port(), "-c", path)
    assert status == 1
    for part in said:
        assert part in err
    name = f"LIGHTFILE6_{missing.upper()}"
    assert run("-t", "-p", "1234", "-c", path, env={name: "given"})[0] == 0
    assert run("-t", "-p", "1234", "-c", path, env={name: ""})[0] == 1


def test_yml_needs_a_port(conf, tmp_path):
    status, _, err = run("-c", conf(config.ingest_service(tmp_path / "s", FakeStore, KEYS), "config.yml"))
    assert status == 1 and "Port number is required (-p)" in err


def test_yml_defaults(conf, tmp_path):
    text = config.ingest_service(None, FakeStore, KEYS, aws_region=None, aws_endpoint=None, aggregation_usage_interval=None,
                                 aggregation_error_interval=None)
    status, out, err = run("-T", "-p", "8080", "-c", conf(text, "config.yml"))
    assert status == 0, err
    assert "/var/lib/lightfile6-insights-gateway" in out
    assert len(re.findall(r"bundle_interval\s+10m;", out)) == 2
    assert "SK" not in re.findall(r"credentials.*", out)[0]


@pytest.mark.parametrize("value", ["soon", "-1m", "10", "0s", ""])
def test_yml_wrong_durations(conf, tmp_path, value):
    text = config.ingest_service(tmp_path / "s", FakeStore, KEYS, aggregation_usage_interval=value)
    status, _, err = run("-t", "-p", "8080", "-c", conf(text, "config.yml"))
    assert (status == 0) if value == "" else (status == 1 and "usage_interval" in err)


def test_yml_environment_overrides_the_file(conf, tmp_path):
    path = conf(config.ingest_service(tmp_path / "s", FakeStore, KEYS), "config.yml")
    env = {"LIGHTFILE6_CACHE_DIR": "/else/where", "LIGHTFILE6_AWS_REGION": "eu-north-1", "LIGHTFILE6_S3_USAGE_BUCKET": "env-bucket",
           "LIGHTFILE6_S3_USAGE_PREFIX": "env-prefix-", "LIGHTFILE6_AGGREGATION_ERROR_INTERVAL": "1h30m",
           "LIGHTFILE6_AWS_ENDPOINT": "http://env.example:9000"}
    status, out, err = run("-T", "-p", "8080", "-c", path, env=env)
    assert status == 0, err
    for word in ("/else/where", "eu-north-1", "bucket=env-bucket", "prefix=env-prefix-", "http://env.example:9000"):
        assert word in out
    assert re.search(r"bundle_interval\s+(90m|1h30m|5400s)", out)


def test_ingest_service_as_its_users_have_it(server, minio, tmp_path):
    """config.yml, -p, three buckets: usage, error and specimen each arrive in theirs, prefixes put in front as they are."""
    buckets = [minio.bucket() for _ in range(3)]
    text = config.ingest_service(
        tmp_path / "cache", minio, [bucket.name for bucket in buckets], s3_usage_prefix="pre", s3_specimen_prefix="sp/",
        aggregation_usage_interval="300ms", aggregation_error_interval="300ms",
    )
    sluice = server(yml=text)
    sent = [b'{"n":%d}' % n for n in range(10)]
    for body in sent:
        assert sluice.put("/usage", body).status_code == 204
        assert sluice.put("/error", body + b"\n").status_code == 204
    assert sluice.put("/specimen?uri=https://example.org/a.png", b"picture").status_code == 204
    assert_exactly_once(sent, buckets[0].wait_records(10))
    assert_exactly_once(sent, buckets[1].wait_records(10))
    [key] = buckets[2].wait_keys(1)
    assert key.startswith("sp/user/") and all(key.startswith("pre2") for key in buckets[0].keys())
    assert sluice.get("/health").json() == {"status": "healthy"}
    assert sluice.stop() == 0
    sluice.state_dir = tmp_path / "cache"
    assert sluice.data_files() == []
