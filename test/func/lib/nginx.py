"""The real nginx, as the yardstick: the same directives, the same requests, the same answers and lines.

Nginx(folder, http) starts one with these directives in its http block, on the ports they name; text may use {folder}."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from lib.wait import wait_until


def program():
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    assert found, "nginx is missing: run ci/install-deps test"
    return found


class Nginx:
    def __init__(self, folder, http, ready):
        """ready: a function that says whether it serves."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        temp = " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = self.folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        conf.write_text(f"""{user} daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error;
events {{ }}
http {{ access_log off; {temp} {http.replace("{folder}", str(self.folder))} }}
""")
        self.process = subprocess.Popen(
            [program(), "-p", str(self.folder), "-e", str(self.folder / "error"), "-c", str(conf)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

        def serves():
            assert self.process.poll() is None, f"nginx ended:\n{self.errors()}"
            return ready()

        wait_until(serves, lambda: f"nginx serves:\n{self.errors()}")

    def errors(self):
        path = self.folder / "error"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
