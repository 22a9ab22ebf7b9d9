"""A real Prometheus (Debian's package), with a configuration and rules of the test's, in a folder of its own on a free port."""

import shutil
import subprocess

import requests
import yaml

from lib.ports import free_port
from lib.wait import PATIENCE, wait_until


class Prometheus:
    """targets: job -> "host:port" or a list of them. rules: a list of groups, as in a rule file. It scrapes and evaluates every `interval`."""

    def __init__(self, folder, targets, rules=(), interval="200ms"):
        program = shutil.which("prometheus")
        assert program, "prometheus is missing: run ci/install-deps test"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True)
        (folder / "rules.yml").write_text(yaml.safe_dump({"groups": list(rules)}))
        jobs = [
            {"job_name": job, "static_configs": [{"targets": [of] if isinstance(of, str) else of}]}
            for job, of in targets.items()
        ]
        (folder / "prometheus.yml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": ["rules.yml"],
            "scrape_configs": jobs,
        }))
        self.log_file = folder / "log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [program, "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{self.port}"],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._ready, lambda: f"Prometheus is ready: {self.log_file.read_text()[-2000:]}")

    def _ready(self):
        assert self.process.poll() is None, self.log_file.read_text()[-2000:]
        try:
            return requests.get(self.url + "/-/ready", timeout=1).ok
        except requests.RequestException:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()

    def _api(self, path, **parameters):
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=PATIENCE).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """The samples of an instant query: [(labels, value)]."""
        return [(one["metric"], float(one["value"][1])) for one in self._api("query", query=expression)["result"]]

    def targets(self):
        """job -> (health, last error)."""
        return {one["labels"]["job"]: (one["health"], one["lastError"]) for one in self._api("targets")["activeTargets"]}

    def wait_scraped(self):
        """It looks for targets some seconds after its start."""
        wait_until(lambda: {health for health, _ in self.targets().values()} == {"up"}, lambda: f"all targets are up: {self.targets()}")

    def alerts(self):
        """(name, severity) of those that fire."""
        return {(one["labels"]["alertname"], one["labels"]["severity"]) for one in self._api("alerts")["alerts"] if one["state"] == "firing"}

    def wait_fires(self, *alert):
        wait_until(lambda: alert in self.alerts(), lambda: f"{alert} fires: {self.alerts()}")

    def wait_resolves(self, *alert):
        wait_until(lambda: alert not in self.alerts(), lambda: f"{alert} no longer fires: {self.alerts()}")
