"""A MinIO server for the tests, over http or https, with its data in a folder of its own."""

import os
import signal
import subprocess

import requests

from lib.objects import ACCESS_KEY, REGION, SECRET_KEY, RealBucket, client
from lib.ports import free_port
from lib.wait import wait_until


def minio_program():
    program = os.environ.get("MINIO", "")
    assert os.access(program, os.X_OK), (
        "MinIO is missing: run the tests by `make check-func`, or set MINIO to what `ci/minio` prints"
    )
    return program


class Minio:
    """One running server. `stop` and `start` again keep port and data: an outage."""

    access_key, secret_key, region = ACCESS_KEY, SECRET_KEY, REGION

    def __init__(self, folder, authority=None):
        self.folder = folder
        self.port = free_port()
        self.ca_file = authority.ca_file if authority else None
        self.endpoint = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        self._buckets = 0
        self._process = None
        certs = folder / "certs"
        certs.mkdir(parents=True)
        if authority:
            chain, key = authority.issue("localhost", "127.0.0.1")
            (certs / "public.crt").write_bytes(chain.read_bytes())
            (certs / "private.key").write_bytes(key.read_bytes())
        self.start()
        self.s3 = client(self.endpoint, self.ca_file)

    def start(self):
        command = [minio_program(), "server", "--quiet", "--certs-dir", str(self.folder / "certs")]
        command += ["--address", f"127.0.0.1:{self.port}", str(self.folder / "data")]
        environment = dict(
            os.environ,
            MINIO_ROOT_USER=self.access_key,
            MINIO_ROOT_PASSWORD=self.secret_key,
            MINIO_BROWSER="off",
            MINIO_UPDATE="off",
        )
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        wait_until(self._ready, lambda: "MinIO ready: " + (self.folder / "log").read_text(), timeout=60)

    def _ready(self):
        assert self._process.poll() is None, "MinIO ended: " + (self.folder / "log").read_text()
        try:
            url = self.endpoint + "/minio/health/ready"
            return requests.get(url, timeout=2, verify=str(self.ca_file) if self.ca_file else None).ok
        except requests.RequestException:
            return False

    def stop(self):
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self):
        """Answers nothing until resume(), and then, late, all that arrived meanwhile."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def bucket(self):
        """A fresh bucket; no two tests share one."""
        self._buckets += 1
        name = f"test-{os.getpid()}-{self._buckets}"
        self.s3.create_bucket(Bucket=name)
        return RealBucket(self.s3, name)
