"""The example application of conf/examples/prime-check, as its README has it: its configuration (ports and folders of the test's own, waits of milliseconds), its
worker, a mail server."""

import re
import signal
import socketserver
import subprocess
import threading
import time
from email import message_from_bytes
from pathlib import Path

import psutil
import pytest
import requests

from lib.admin import api
from lib.ports import accepts, free_port
from lib.server import TOP, program
from lib.wait import PATIENCE, wait_until

EXAMPLE = TOP / "conf/examples/prime-check"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


class Worker:
    def __init__(self, folder, mail_url):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [program("examples/prime-check"), "-p", str(self.port), "-r", folder / "results", "-m", mail_url]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        wait_until(lambda: accepts(self.port), "the worker accepts")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def get(self, path):
        return requests.get(self.url + path, timeout=PATIENCE)

    def fail(self, status, times):
        assert requests.put(f"{self.url}/fail?status={status}&times={times}", timeout=PATIENCE).ok

    def result(self, id):
        """The result of a request, once there is one."""
        return wait_until(lambda: (answer := self.get(f"/prime-check/{id}")).ok and answer.json(), f"a result of {id}")


class MailServer(socketserver.ThreadingTCPServer):
    """Takes every mail."""

    daemon_threads = True

    def __init__(self):
        self.mails = []
        super().__init__(("127.0.0.1", 0), MailHandler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


class MailHandler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 mail ESMTP\r\n")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(message_from_bytes(text))
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 fine\r\n")


class Scene:
    def __init__(self, server, folder):
        self.mail = MailServer()
        inner = free_port()
        self.worker = Worker(folder, f"http://127.0.0.1:{inner}/email")
        text = (EXAMPLE / "sluice.conf").read_text()
        for shipped, ours in {
            "/tmp/prime-check/state": "{state_dir}", "127.0.0.1:8081": f"127.0.0.1:{self.worker.port}", "127.0.0.1:8080": "127.0.0.1:{port}",
            "127.0.0.1:8089": f"127.0.0.1:{inner}", "127.0.0.1:1025": f"127.0.0.1:{self.mail.server_address[1]}", "initial=1s": "initial=20ms",
        }.items():
            assert shipped in text, f"sluice.conf has no {shipped}"
            text = text.replace(shipped, ours)
        self.sluice = server(conf=text)

    def ask(self, number, **more):
        return self.sluice.session.post(self.sluice.url + "/prime-check", json={"number": number} | more, headers=HEADERS, timeout=PATIENCE)

    def accepted(self, number, **more):
        answer = self.ask(number, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def letters(self, **filters):
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return api(self.sluice, f"/api/dlq/messages?{query}").json["messages"]

    def wait_letter(self, id):
        return wait_until(lambda: next((m for m in self.letters() if m["original_message_id"] == id), None), lambda: f"a dead letter of {id}: {self.sluice.tail()}")

    def stop(self):
        self.worker.kill()
        self.mail.shutdown()
        self.mail.server_close()


@pytest.fixture
def scene(server, tmp_path):
    running = Scene(server, tmp_path)
    yield running
    running.stop()


@pytest.mark.sanitize
def test_from_the_request_to_the_mail(scene):
    answer = scene.ask("17", email="ann@example.com")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
    reply = answer.json()
    assert re.fullmatch("[0-9a-f]{32}", reply["id"])
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", reply["created_at"])
    assert (reply["number"], reply["trace_id"], reply["status"]) == ("17", TRACE, "processing")

    result = scene.worker.result(reply["id"])
    assert (result["number"], result["is_prime"], result["status"], result["trace_id"]) == ("17", True, "completed", TRACE)
    assert re.fullmatch(rf"msg_{reply['id']}_\d+", result["message_id"])

    mail = wait_until(lambda: scene.mail.mails and scene.mail.mails[0], "a mail")
    assert mail["Subject"] == "Prime Check Result: 17 is Prime!"
    assert mail.get_payload(decode=True).decode().strip() == "Good news! The number 17 is a prime number."
    assert mail["To"] == "ann@example.com" and mail["From"] and mail["Date"] and mail["Message-ID"]
    assert TRACE in mail.as_string()


def test_numbers(scene):
    prime = 2**521 - 1
    ids = {number: scene.accepted(str(number)) for number in (0, 1, 2, 91, 561, 7919, 2**61 - 1, prime, prime * 3)}
    found = {number: scene.worker.result(id)["is_prime"] for number, id in ids.items()}
    assert [n for n, is_prime in found.items() if is_prime] == [2, 7919, 2**61 - 1, prime]
    listed = scene.worker.get("/prime-check?per_page=4").json()
    assert listed["total"] == len(ids) and len(listed["items"]) == 4
    assert scene.worker.get("/prime-check/nothing").status_code == 404


def test_what_is_no_number_is_refused_at_once(scene):
    for number in ("", "abc", "1x", "-1", "1.5", " 17", "9" * 256):
        answer = scene.ask(number)
        assert answer.status_code == 400 and "message" in answer.json(), number
    assert scene.ask("17", extra="x").status_code == 400
    assert scene.sluice.session.post(scene.sluice.url + "/prime-check", data=b"\xff", timeout=PATIENCE).status_code == 400
    assert scene.sluice.get("/prime-check").status_code == 405
    assert scene.worker.get("/prime-check").json()["total"] == 0


def test_failures_end_as_dead_letters_and_can_be_sent_again(scene):
    scene.worker.fail(503, 4)
    id = scene.accepted("7919")
    letter = scene.wait_letter(id)
    assert (letter["original_subject"], letter["error_type"], letter["retry_count"]) == ("dlq.primecheck", "transient", 3)
    assert letter["error_status"] == 503 and "told to fail" in letter["error_message"] and letter["trace_id"] == TRACE
    order = '{"message_ids":["%s"],"operator":"ann","reason":"the worker is well again"}' % letter["id"]
    assert api(scene.sluice, "/api/dlq/reprocess", "POST", order).status == 202
    assert scene.worker.result(id)["is_prime"] is True
    wait_until(lambda: scene.letters(status="resolved"), "it is resolved")

    scene.worker.fail(400, 1)
    letter = scene.wait_letter(scene.accepted("7920"))
    assert (letter["error_type"], letter["attempts"]) == ("permanent", 1)


def test_a_killed_worker_gets_its_work_again(scene):
    """P-55. It is killed with a request in its hands, and again when it has done one but has not said so."""
    scene.worker.process.send_signal(signal.SIGSTOP)
    held = scene.accepted("7919")
    wait_until(lambda: established(scene.worker), "the request is on its way")
    scene.worker.kill()
    scene.worker.start()
    assert scene.worker.result(held)["is_prime"] is True

    lines = lambda: Path(scene.worker.command[4]).read_text().splitlines()
    done = scene.accepted("17", email="ann@example.com")
    wait_until(lambda: any(line.startswith(done) for line in lines()), "the result is kept")
    scene.worker.kill()
    scene.worker.start()
    wait_until(lambda: scene.mail.mails, "a mail")
    wait_until(lambda: not scene.sluice.get("/metrics").text.count('message_queue_length{queue_name="primecheck"} 1'), "nothing waits")
    assert sum(line.startswith(done) for line in lines()) == 1
    assert len(scene.mail.mails) == 1


def established(worker):
    return any(c.status == psutil.CONN_ESTABLISHED for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == worker.port)


def test_too_many_requests(scene):
    """P-31: 60 a minute from one address, of which one comes back each second."""
    began, accepted = time.monotonic(), 0
    while (answer := scene.ask("4")).status_code == 200:
        accepted += 1
    assert answer.status_code == 429 and answer.text == "Rate limit exceeded\n" and int(answer.headers["Retry-After"]) >= 1
    assert 60 <= accepted <= 61 + time.monotonic() - began
