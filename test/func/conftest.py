"""Fixtures of the functional tests.

    server          factory: server(store=minio, bucket=bucket, main="worker_processes 1;", …) -> a running lib.server.Sluice
    minio           a MinIO of this test process, over http; minio_tls the same over https
    bucket          a fresh bucket of minio
    scripted_store  a store that behaves as the test says (lib/store.py); its bucket: scripted_store.bucket()
    worker          a service that takes messages, as the test says (lib/worker.py)
    embedded        the three streams into folders: server(streams=embedded.streams), then embedded.usage.wait_records(1)
    nginx           factory: nginx(port, http="…") -> a running lib.nginx.Nginx, to compare with
    check_conf      check_conf(text) -> (exit status, messages) of sluice -t
    watch           factory: watch(viewport={…}) -> a page in headless Chromium with what it complained about (lib/browser.py)
    authority       a certificate authority of the tests
    built_tree      factory: built_tree("static", "--static") -> the folder of a tree built with these options

Tests run in parallel processes, each with its own MinIO, ports and folders."""

import fcntl
import subprocess

import pytest

from lib.browser import Watched, chromium
from lib.certs import Authority
from lib.folder import Embedded
from lib.minio import Minio
from lib.nginx import Nginx
from lib.ports import accepts
from lib.server import TOP, Sluice, program
from lib.store import ScriptedStore
from lib.wait import PATIENCE
from lib.worker import ScriptedWorker


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures see whether their test failed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.call_report = report


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def minio(tmp_path_factory):
    running = Minio(tmp_path_factory.mktemp("minio"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def minio_tls(tmp_path_factory, authority):
    running = Minio(tmp_path_factory.mktemp("minio-tls"), authority)
    yield running
    running.stop()


@pytest.fixture
def bucket(minio):
    return minio.bucket()


@pytest.fixture
def scripted_store():
    store = ScriptedStore()
    yield store
    store.stop()


@pytest.fixture
def worker():
    running = ScriptedWorker()
    yield running
    running.stop()


@pytest.fixture
def embedded(tmp_path):
    return Embedded(tmp_path / "out")


@pytest.fixture
def server(request, tmp_path):
    """Each call starts one server in a folder of its own. At the end all are killed: a test that cares how they stop, stops them."""
    started = []

    def start(wait=True, **options):
        sluice = Sluice(options.pop("folder", tmp_path / f"s{len(started)}"), **options)
        started.append(sluice)  # before it starts: what fails to start is reaped, too
        sluice.start(wait)
        return sluice

    yield start
    report = getattr(request.node, "call_report", None)
    for sluice in started:
        sluice.reap()
        if report is None or report.failed:
            print(f"---- log of {sluice.folder}:\n{sluice.tail(200)}")
    for sluice in started:
        sluice.assert_sane()


@pytest.fixture
def check_conf(tmp_path):
    def check(text):
        path = tmp_path / "checked.conf"
        path.write_text(f"state_dir {tmp_path}/state;\n{text}\n")
        done = subprocess.run([program(), "-t", "-c", path], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stderr

    return check


@pytest.fixture
def nginx(tmp_path):
    """Each call starts one; port: one of those that the directives in http listen on."""
    started = []

    def start(port, http):
        started.append(Nginx(tmp_path / f"nginx{len(started)}", http, lambda: accepts(port)))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def watch(browser):
    """Each call opens a page in a profile of its own; kind: of Watched."""
    opened = []

    def make(kind=Watched, **options):
        opened.append(kind(browser, **options))
        return opened[-1]

    yield make
    for watched in opened:
        watched.context.close()


@pytest.fixture(scope="session")
def built_tree():
    def build(name, *options):
        folder = f"build/{name}"
        (TOP / "build").mkdir(exist_ok=True)
        with open(TOP / f"build/.{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one of the parallel processes builds, the others wait
            done = subprocess.run(
                ["sh", "-c", '. ci/lib.sh; tree "$@"', "sh", name, *options],
                cwd=TOP, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            )
        assert done.returncode == 0, f"{folder} does not build:\n{done.stdout}{done.stderr}"
        return folder

    return build
