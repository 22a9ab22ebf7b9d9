"""The server under test: the real binary, in a folder of its own, on a free port.

Sluice(folder, conf=…) writes the configuration, start() starts it and returns when it accepts connections. Whatever happens in a test, reap() ends all
processes of it. A report of a sanitizer in the log fails the test that caused it."""

import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import requests

from lib import config
from lib.ports import accepts, free_port
from lib.wait import PATIENCE, wait_until

ROLES = ("worker", "shipper", "janitor")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")
TOP = Path(__file__).resolve().parents[3]


def program(name="sluice", tree=None):
    """The path of a program in the build tree under test."""
    path = TOP / (tree or os.environ.get("SLUICE_BUILD", "build/check")) / name
    assert os.access(path, os.X_OK), f"{path} is missing: run the tests by `make check-func`"
    return path


class Sluice:
    """One server. `conf` is the text of a native configuration, `yml` of an ingest-service one; other keywords go to config.native().

    env: added to the environment. args: added to the command line. tree: another build tree than the one under test.
    wrapper: a command to run it under (strace …). command: in place of program and -c."""

    def __init__(self, folder, conf=None, yml=None, env=None, args=(), tree=None, wrapper=(), command=None, **parts):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.state_dir = self.folder / "state"
        self.log_file = self.folder / "log"
        self.env = dict(env or {})
        self.args = list(args)
        self.tree = tree
        self.wrapper = list(wrapper)
        self.command = command
        self.process = None
        self._groups = []
        self.session = requests.Session()
        if yml is not None:
            self.conf_file = self.folder / "config.yml"
            self.args += ["-p", str(self.port)]
            self.configure(yml)
        else:
            self.conf_file = self.folder / "sluice.conf"
            self.configure(conf, **parts)

    def configure(self, conf=None, **parts):
        """Writes the configuration anew. In a text of the test's own {port} and {state_dir} are filled in."""
        if conf is None:
            conf = config.native(self.port, self.state_dir, **parts)
        else:
            conf = conf.replace("{port}", str(self.port)).replace("{state_dir}", str(self.state_dir))
        self.conf_file.write_text(conf)

    # ---- life

    def start(self, wait=True):
        """Starts it (again), on the same port and state. wait=False: does not wait until it accepts connections."""
        assert self.exit_status() is not None or not self.process, "it still runs"
        command = self.command or [str(program(tree=self.tree)), "-c", str(self.conf_file)]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *command, *self.args],
                env={**os.environ, **self.env},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._groups.append(self.process.pid)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"it ended with status {self.process.returncode}:\n{self.tail()}"
            children = self.children()
            return all(children.values()) and self._titled(children) and accepts(self.port)

        wait_until(ready, lambda: f"the server accepts connections and has its children {self.children()}:\n{self.tail()}")

    def _titled(self, children):
        """Whether every child of the master carries its role by now."""
        try:
            return sum(map(len, children.values())) == len(psutil.Process(self.pid).children())
        except psutil.NoSuchProcess:
            return False

    @property
    def pid(self):
        """The master's."""
        if not self.wrapper:
            return self.process.pid
        found = psutil.Process(self.process.pid).children()
        return found[0].pid if found else None

    def send_signal(self, number):
        os.kill(self.pid, number)

    def reload(self):
        self.send_signal(signal.SIGHUP)

    def stop(self, number=signal.SIGTERM, timeout=60):
        """Stops it gracefully; returns its exit status."""
        self.send_signal(number)
        return self.wait_exit(timeout)

    def wait_exit(self, timeout=PATIENCE):
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"after {timeout} s it still runs:\n{self.tail()}") from None
        self.session.close()
        self.assert_sane()
        return status

    def exit_status(self):
        """Its exit status, or None while it runs."""
        return self.process.poll() if self.process else None

    def kill(self):
        """kill -9 of the master; its children notice by themselves. Returns when all are gone."""
        children = [pid for pids in self.children().values() for pid in pids]
        self.send_signal(signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(map(alive, children)), lambda: f"children {children} are gone after their master:\n{self.tail()}")

    def kill_all(self):
        """kill -9 of every process at one instant: the nearest to a power cut that keeps the page cache."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not group_members(self.process.pid), "all processes are gone")

    def children(self, role=None):
        """Process ids by role: {"worker": [...], "shipper": [...], …}; with a role the list of that one."""
        found = {name: [] for name in ROLES}
        try:
            processes = psutil.Process(self.pid).children()
        except psutil.NoSuchProcess:
            processes = []
        for process in processes:
            try:
                title = " ".join([process.name(), *process.cmdline()])
            except psutil.Error:
                continue
            for name in ROLES:
                if re.search(rf"\b{name}\b", title):
                    found[name].append(process.pid)
                    break
        return found[role] if role else found

    def wait_child(self, role, but=()):
        """The id of a child of that role that is none of `but`: the successor of one that was killed."""
        return wait_until(
            lambda: next((pid for pid in self.children(role) if pid not in but), None),
            lambda: f"a new {role}: {self.children()}\n{self.tail()}",
        )

    def reap(self):
        """Ends whatever is left of it."""
        for group in self._groups:
            if group_members(group):
                os.killpg(group, signal.SIGKILL)
        if self.process:
            self.process.wait()

    # ---- requests

    def put(self, path, body=b"", user="user", headers=None, **options):
        """PUT with a USER_TOKEN; the answer is requests'."""
        headers = {**({"USER_TOKEN": user} if user is not None else {}), **(headers or {})}
        options.setdefault("timeout", PATIENCE)
        return self.session.put(self.url + path, data=body, headers=headers, **options)

    def get(self, path, **options):
        options.setdefault("timeout", PATIENCE)
        return self.session.get(self.url + path, **options)

    # ---- what it leaves behind

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def tail(self, lines=60):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_log(self, expression, count=1, timeout=PATIENCE):
        """Waits until at least `count` lines match; returns them."""
        pattern = re.compile(expression)
        return wait_until(
            lambda: len(found := [line for line in self.log().splitlines() if pattern.search(line)]) >= count and found,
            lambda: f"{count} lines with '{expression}' in the log:\n{self.tail()}",
            timeout,
        )

    def assert_sane(self):
        """No sanitizer complained."""
        found = SANITIZER.search(self.log())
        assert not found, f"{found.group()} in the log:\n{self.log()[-20000:]}"

    def data_files(self):
        """Files of data below the state folder, relative to it: what is not yet shipped. The server's own words (locks, the zone,
        the table of idempotency keys) are no data."""
        own = {"lock", "shipper.lock", "zone", "zone.tmp", "zone.bad", "idempotency"}
        return sorted(
            str(path.relative_to(self.state_dir))
            for path in self.state_dir.rglob("*")
            if path.is_file() and path.name not in own and path.suffix not in (".lock", ".pid")
        )

    def memory(self):
        """PSS of all its processes together, in bytes."""
        master = psutil.Process(self.pid)
        return sum(process.memory_full_info().pss for process in [master, *master.children(recursive=True)])


def alive(pid):
    """Whether the process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def group_members(group):
    """Living processes of a process group."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and alive(process.pid):
                found.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            pass
    return found
