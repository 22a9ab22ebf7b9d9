"""`sink smtp`: each record a mail, through a real mail server and through ones that misbehave. Whatever they do, no mail is lost, none says what its record
could make it say, and no password leaves where it should not."""

import asyncio
import base64
import email.utils
import json
import time

import pytest

from lib.admin import api, ctl
from lib.mail import MailServer, Peer
from lib.ports import free_port
from lib.wait import wait_until

# Short waits, so that a test of retries takes no time.
FAST = "retry max=3 initial=20ms max_interval=50ms; breaker failures=1000 open=50ms;"
PATIENT = "retry max=1000 initial=20ms max_interval=50ms; breaker failures=1000 open=50ms;"


@pytest.fixture
def gateway(server):
    """gateway(url, …): a server whose stream `mails` goes to that mail server. extra: more arguments of the sink; stream: more directives."""

    def start(url, extra="", stream=FAST, to="$json.to", subject="$json.subject", body="$json.body", **options):
        sink = f'sink smtp {url} from=noreply@p.example to="{to}" subject="{subject}" body="{body}" {extra};'
        return server(
            streams={"mails": f"{sink} {stream}"},
            server="location = /ids { auth none; ingest mails status=202 body='{\"id\":\"$record_id\"}'; }",
            **options,
        )

    return start


@pytest.fixture
def mail_server(request):
    """Factory of mail servers that are stopped at the end."""
    started = []

    def start(**options):
        started.append(MailServer(**options).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


def put(sluice, to="a@x.example", subject="hello", body="text\n", **members):
    record = {"to": to, "subject": subject, "body": body, **members}
    answer = sluice.put("/mails", json.dumps(record))
    assert answer.status_code == 204, answer.text


def dead(sluice, count=1):
    """The dead letters, once there are so many; newest first."""
    def look():
        letters = api(sluice, "/api/dlq/messages?stream=mails").json["messages"]
        return len(letters) >= count and letters

    return wait_until(look, lambda: f"{count} dead letters: {api(sluice, '/api/dlq/messages').text}\n{sluice.tail()}")


def last_error(sluice):
    streams = {stream["name"]: stream for stream in api(sluice, "/api/streams").json["streams"]}
    return json.dumps(streams["mails"])


def wait_held(sluice, why):
    wait_until(lambda: why in last_error(sluice), lambda: f"held because of {why}: {last_error(sluice)}\n{sluice.tail()}")


# ---- what arrives


@pytest.mark.sanitize
def test_mail(gateway, mail_server):
    mails = mail_server()
    sluice = gateway(mails.url(), extra="helo=gateway.example", subject="Nr. $json.n: $json.subject")
    body = "Grüße,\n.\n..dots\n" + "long " * 400 + "\n\ttab \nend"
    record = {"to": "a@x.example, \"Zoë, B.\" <b@x.example>", "subject": "schön & gut " * 12, "n": 17, "body": body}
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = sluice.session.post(f"{sluice.url}/ids", data=json.dumps(record), headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert answer.status_code == 202
    mail = mails.wait()[0]
    assert mail.sender == "noreply@p.example" and mail.recipients == ["a@x.example", "b@x.example"]
    assert mail.helo == "gateway.example"
    message = mail.message
    assert message["From"].addresses[0].addr_spec == "noreply@p.example"
    assert [(one.display_name, one.addr_spec) for one in message["To"].addresses] == [("", "a@x.example"), ("Zoë, B.", "b@x.example")]
    assert mail.subject == f"Nr. 17: {record['subject']}".strip()
    assert mail.body.replace("\r\n", "\n") == body + "\n"
    assert message["Message-ID"] == f"<{answer.json()['id']}@p.example>"
    assert abs(email.utils.parsedate_to_datetime(message["Date"]).timestamp() - time.time()) < 300
    assert message["MIME-Version"] == "1.0" and message.get_content_type() == "text/plain" and message.get_content_charset() == "utf-8"
    assert message["X-Sluice-Stream"] == "mails" and message["X-Sluice-Trace-Id"] == trace
    for line in mail.raw.split(b"\r\n"):
        assert len(line) <= 998 and b"\n" not in line and b"\r" not in line
    assert len(mails.mails) == 1


def test_many_over_few_connections(gateway, mail_server):
    mails = mail_server()
    sluice = gateway(mails.url(), stream=FAST + "concurrency 3;")
    for n in range(30):
        put(sluice, subject=str(n))
    assert sorted(int(mail.subject) for mail in mails.wait(30)) == list(range(30))
    assert len({mail.message["Message-ID"] for mail in mails.mails}) == 30


def test_no_injection(gateway, mail_server):
    """A record can say whom a mail goes to, and nothing but that."""
    mails = mail_server()
    sluice = gateway(mails.url())
    put(sluice, subject="x\r\nBcc: evil@x.example\r\n\r\nbody", body="y\r\n.\r\nMAIL FROM:<evil@x.example>\r\n")
    put(sluice, subject="\nX-Evil: 1\0", to="<c@x.example>")
    first, second = sorted(mails.wait(2), key=lambda mail: mail.recipients)
    assert first.recipients == ["a@x.example"] and first.message["Bcc"] is None and "evil" in first.subject
    assert first.body.splitlines() == ["y", ".", "MAIL FROM:<evil@x.example>"]
    assert second.message["X-Evil"] is None and second.recipients == ["c@x.example"]
    assert len(first.message.keys()) == len(second.message.keys())
    put(sluice, to="a@x.example\r\nRCPT TO:<evil@x.example>")
    letter = dead(sluice)[0]
    assert letter["error_type"] == "permanent" and "is no mail address" in letter["error_message"]
    assert not [name for name in mails.attempts if "evil" in name]


def test_unfit_records(gateway, mail_server):
    mails = mail_server()
    sluice = gateway(mails.url())
    sluice.put("/mails", b"not JSON")
    sluice.put("/mails", b'{"to":"a@x.example","subject":"s"}')
    put(sluice, to="nobody")
    put(sluice, to=",".join(f"u{n}@x.example" for n in range(11)))
    found = {letter["error_message"]: (letter["error_type"], letter["attempts"]) for letter in dead(sluice, 4)}
    assert found == {
        "the record is not JSON (at byte 1)": ("poison", 1),
        'the record has no "body", which body needs': ("poison", 1),
        'to: "nobody" is no mail address': ("permanent", 1),
        "to: more than 10 addresses": ("permanent", 1),
    }
    assert mails.attempts == []


# ---- refusals


@pytest.mark.sanitize
def test_refusals(gateway, mail_server):
    """5xx: a dead letter at once. 4xx: again, then a dead letter. Either goes to all of its recipients or to none."""
    mails = mail_server(answers={
        "gone@x.example": "550 5.1.1 no such user",
        "busy@x.example": ["450 4.2.0 greylisted", "451 4.3.0 later"],
        "full@x.example": "452 4.2.2 mailbox full",
    })
    sluice = gateway(mails.url())
    put(sluice, to="gone@x.example")
    put(sluice, to="busy@x.example", subject="in the end")
    put(sluice, to="full@x.example")
    put(sluice, to="a@x.example, gone@x.example")
    letters = dead(sluice, 3)
    found = sorted((letter["error_type"], letter["attempts"], letter["error_status"], letter["error_message"]) for letter in letters)
    assert found == [
        ("permanent", 1, 550, "550 5.1.1 no such user (RCPT gone@x.example)"),
        ("permanent", 1, 550, "550 5.1.1 no such user (RCPT gone@x.example)"),
        ("transient", 4, 452, "452 4.2.2 mailbox full (RCPT full@x.example)"),
    ]
    assert [(mail.subject, mail.recipients) for mail in mails.wait()] == [("in the end", ["busy@x.example"])]
    assert mails.attempts.count("busy@x.example") == 3 and mails.attempts.count("full@x.example") == 4


def test_dead_letter_is_sent_again(gateway, mail_server):
    mails = mail_server(answers={"late@x.example": ["550 5.1.1 not yet"]})
    sluice = gateway(mails.url())
    put(sluice, to="late@x.example")
    letter = dead(sluice)[0]
    done = ctl(sluice, "dlq", "reprocess", f"--ids={letter['id']}", "--reason=mailbox made", "--operator=op")
    assert done.returncode == 0, done
    assert mails.wait()[0].message["Message-ID"] == f"<{letter['original_message_id']}@p.example>"
    wait_until(lambda: dead(sluice)[0]["status"] == "resolved", "it is resolved")


def test_refused_text(gateway, mail_server):
    mails = mail_server(answers={"DATA": ["451 4.3.2 again", "554 5.7.1 spam"]}, limit=20000)
    sluice = gateway(mails.url())
    put(sluice)
    assert dead(sluice)[0]["error_message"] == "554 5.7.1 spam"
    put(sluice, body="x" * 30000)
    assert dead(sluice, 2)[0]["error_message"].endswith("the server takes 20000")
    put(sluice, subject="last")
    assert mails.wait()[0].subject == "last"


# ---- TLS, logins


@pytest.mark.sanitize
@pytest.mark.parametrize("tls", ["starttls", "smtps"])
def test_tls_and_login(gateway, mail_server, authority, tmp_path, tls):
    """The password is read anew for each connection, so that a wrong one needs no restart; meanwhile all is held, and nothing is counted."""
    mails = mail_server(tls=tls, certificate=authority.issue("127.0.0.1"), logins={"jo@e": "s3cret pass"})
    password = tmp_path / "password"
    password.write_text("wr0ng pass\n")
    sluice = gateway(mails.url("jo%40e@"), extra=f"password_file={password} ca_file={authority.ca_file}")
    for n in range(3):
        put(sluice, subject=str(n))
    wait_held(sluice, "535 5.7.8")
    password.write_text("s3cret pass\r\nnext line\n")
    arrived = mails.wait(3)
    assert {mail.subject for mail in arrived} == {"0", "1", "2"} and {mail.login for mail in arrived} == {"jo@e"}
    if tls == "starttls":
        assert all(mail.tls for mail in arrived)
    assert api(sluice, "/api/dlq/messages").json["total"] == 0
    for secret in ("s3cret", "wr0ng", base64.b64encode(b"\0jo@e\0s3cret pass").decode()):
        assert secret not in sluice.log() + last_error(sluice)


def test_tls_that_is_not_to_be_had(gateway, mail_server, authority):
    """No mail leaves in the open where TLS is required, nor to a server that is not the one it should be."""
    plain = mail_server()
    sluice = gateway(plain.url(), extra="starttls=required")
    put(sluice)
    wait_held(sluice, "does not offer STARTTLS")
    stranger = mail_server(tls="starttls", certificate=authority.issue("other.example"))
    other = gateway(stranger.url(), extra=f"ca_file={authority.ca_file}")
    put(other)
    wait_held(other, "TLS with 127.0.0.1")
    assert plain.mails == stranger.mails == []
    assert other.get("/health").status_code == 200


def test_password_in_the_open(gateway, mail_server, check_conf):
    status, said = check_conf("http { stream m { sink smtp smtp://joe:hunter2@mx.example from=a@b to=c@d subject=s starttls=off; } }")
    assert status == 1 and "would send its password without TLS" in said and "hunter2" not in said
    mails = mail_server(logins={"joe": "hunter2"})
    sluice = gateway(mails.url("joe:hunter2@"))
    put(sluice)
    wait_held(sluice, "the password is not sent without TLS")
    assert mails.mails == [] and "hunter2" not in sluice.log()


def test_command_injection_behind_starttls(gateway):
    """What stands behind the 220 in the open must not count as said under TLS."""
    heard = []

    def talk(line):
        line.say("220 mx")
        line.hear()
        line.say("250-mx", "250 STARTTLS")
        heard.append(line.hear())
        line.say("220 go", "250-mx", "250 AUTH PLAIN")
        heard.append(line.hear())

    with Peer(talk) as peer:
        sluice = gateway(peer.url(), extra="starttls=on")
        put(sluice)
        wait_held(sluice, "bytes behind the answer to STARTTLS")
    assert heard[0] == "STARTTLS" and set(heard) <= {"STARTTLS", ""}


# ---- servers that are away, slow, or not what they should be


@pytest.mark.sanitize
def test_server_is_away_for_a_while(gateway):
    port = free_port()
    sluice = gateway(f"smtp://127.0.0.1:{port}", stream=PATIENT)
    for n in range(5):
        put(sluice, subject=str(n))
    wait_until(lambda: "refused" in last_error(sluice), lambda: last_error(sluice))
    sluice.kill_all()
    sluice.start()
    with MailServer(port=port) as mails:
        assert sorted(mail.subject for mail in mails.wait(5)) == list("01234")
    with MailServer(port=port) as mails:  # it went, and came back
        put(sluice, subject="back")
        assert mails.wait()[0].subject == "back"


def test_slow_server(gateway, mail_server):
    """Attempts at once are bounded; what does not fit waits on disk, and all of it arrives."""
    release = asyncio.Event()

    async def hold(_):
        await release.wait()

    mails = mail_server(hold=hold)
    sluice = gateway(mails.url(), stream=PATIENT + "concurrency 2;")
    for n in range(10):
        put(sluice, subject=str(n))
    wait_until(lambda: mails.busy == 2, lambda: f"two are under way: {mails.busy}")
    assert sluice.get("/health").status_code == 200
    mails._controller.loop.call_soon_threadsafe(release.set)
    assert sorted(int(mail.subject) for mail in mails.wait(10)) == list(range(10))
    assert mails.busiest == 2


def test_lost_answer(gateway):
    """The server took it, but nobody heard: the second mail is the same as the first."""
    seen = []

    def talk(line):
        line.say("220 mx")
        while word := line.hear():
            if word == "DATA":
                line.say("354 go")
                text = []
                while (one := line.hear()) != ".":
                    text.append(one)
                seen.append(text)
                if len(seen) == 1:
                    return
            line.say("250 ok")

    with Peer(talk) as peer:
        sluice = gateway(peer.url())
        put(sluice)
        wait_until(lambda: len(seen) == 2, lambda: f"two mails: {seen}\n{sluice.tail()}")
    assert seen[0] == seen[1]


@pytest.mark.sanitize
def test_hostile_servers(gateway):
    """Each of them costs an attempt, none the server; the last one is a real one."""
    def endless_line(line):
        while True:
            line.send(b"2" * 65536)

    def endless_reply(line):
        while True:
            line.send(b"250-more\r\n" * 1000)

    def garbage(line):
        line.send(bytes(range(256)) * 10 + b"\r\n")
        line.hear()

    def silent(line):
        line.hear()

    def talkative(line):
        line.say("220 mx", *["250 ok"] * 50, "354 go", "250 queued")
        line.hear()

    def closing(line):
        line.say("220 mx")
        line.hear()

    def zeros(line):
        line.send(b"\0" * 1000 + b"\r\n")
        line.hear()

    turns = [endless_line, endless_reply, garbage, silent, talkative, closing, zeros]
    done = []

    def talk(line):
        if turns:
            turns.pop(0)(line)
        else:
            done.append(line.take_mail("PIPELINING", "8BITMIME"))

    with Peer(talk) as peer:
        sluice = gateway(peer.url(), extra="timeout=300ms keepalive_timeout=0", stream=PATIENT + "concurrency 1;")
        put(sluice)
        wait_until(lambda: done, lambda: f"the real one: {turns}\n{sluice.tail()}")
    assert done == [1] and not turns
    assert api(sluice, "/api/dlq/messages").json["total"] == 0
