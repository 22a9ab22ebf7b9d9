"""Mail servers: a real one (aiosmtpd), with TLS and logins where the test wants them; and one that says just what the test says.

    with MailServer(logins={"joe": "secret"}, tls="starttls", certificate=authority.issue("127.0.0.1")) as server:
        server.url()                 -> smtp+starttls://127.0.0.1:PORT
        server.wait(2)[0].subject    -> of the mails that arrived

    with Peer(lambda line: line.say("220 hi")) as peer: …"""

import email
import email.policy
import socket
import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from lib.ports import free_port
from lib.wait import PATIENCE, wait_until


class Mail:
    """One that arrived: parsed, beside what the envelope said."""

    def __init__(self, envelope, session):
        self.raw = envelope.content
        self.sender = envelope.mail_from
        self.recipients = list(envelope.rcpt_tos)
        self.options = list(envelope.mail_options)
        self.helo = session.host_name
        self.tls = session.ssl is not None
        self.login = session.auth_data
        self.message = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
        assert not self.message.defects, self.message.defects

    def __getattr__(self, name):
        """subject, from_, to, …: a header's text."""
        return str(self.message[name.rstrip("_").replace("_", "-")])

    @property
    def body(self):
        return self.message.get_content()


class MailServer:
    """answers: what is said to RCPT of an address, or at the end of the text ("DATA"): one text, or a list to be used up one by one. tls: None,
    "starttls" or "smtps". utf8: offers SMTPUTF8. limit: bytes of a message."""

    def __init__(self, answers=None, tls=None, certificate=None, logins=None, utf8=True, limit=None, port=None, hold=None):
        self.answers = {name: list(said) if isinstance(said, list) else said for name, said in (answers or {}).items()}
        self.mails, self.attempts, self.port = [], [], port or free_port()
        self.logins, self.hold, self.busy, self.busiest, self._lock = logins, hold, 0, 0, threading.Lock()
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
        options = {"enable_SMTPUTF8": utf8, "data_size_limit": limit or 33554432}
        if logins is not None:
            # Under smtps aiosmtpd does not see that there is TLS.
            options |= {"auth_required": True, "authenticator": self._authenticate, "auth_require_tls": tls == "starttls"}
        if tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        self._tls = tls
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ssl_context=context if tls == "smtps" else None, **options)

    def url(self, user=""):
        scheme = {None: "smtp", "starttls": "smtp+starttls", "smtps": "smtps"}[self._tls]
        return f"{scheme}://{user}127.0.0.1:{self.port}"

    def start(self):
        self._controller.start()
        return self

    def stop(self):
        self._controller.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def wait(self, count=1):
        """The mails, once so many have arrived."""
        return wait_until(lambda: len(self.mails) >= count and list(self.mails), lambda: f"{count} mails; there are {len(self.mails)}, attempts {self.attempts}")

    # ---- called by aiosmtpd, in its thread

    def _authenticate(self, server, session, envelope, mechanism, data):
        user, password = data.login.decode(), data.password.decode()
        good = self.logins.get(user) == password
        return AuthResult(success=good, handled=False, auth_data=user)

    def _answer(self, name):
        said = self.answers.get(name)
        if isinstance(said, list):
            return said.pop(0) if said else None
        return said

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.attempts.append(address)
        if said := self._answer(address):
            return said
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.hold:
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            await self.hold(self)
            self.busy -= 1
        said = self._answer("DATA")
        if said is None or said.startswith("2"):
            self.mails.append(Mail(envelope, session))
        return said or "250 2.0.0 queued"


class Line:
    """One connection to a Peer."""

    def __init__(self, connection):
        self._connection = connection
        self._file = connection.makefile("rb")

    def say(self, *lines):
        self.send(b"".join(line.encode() + b"\r\n" for line in lines))

    def send(self, data):
        self._connection.sendall(data)

    def hear(self):
        """The next line without its end; "" once the client has gone."""
        return self._file.readline().decode(errors="replace").rstrip("\r\n")

    def hear_text(self):
        while (line := self.hear()) not in (".", ""):
            pass

    def take_mail(self, *offers):
        """Greets, and takes mails until the client leaves, also without a farewell; returns their number."""
        self.taken = 0
        try:
            self._converse(offers)
        except OSError:
            pass
        return self.taken

    def _converse(self, offers):
        self.say("220 hi")
        while line := self.hear().upper():
            if line.startswith("EHLO"):
                self.say(*[f"250-{offer}" for offer in ("mx", *offers)], "250 HELP")
            elif line == "DATA":
                self.say("354 go")
                self.hear_text()
                self.say("250 queued")
                self.taken += 1
            else:
                self.say("221 bye" if line == "QUIT" else "250 ok")


class Peer:
    """Listens; for each connection, in a thread, talk(line). What a talk raises when the client goes is of no interest."""

    def __init__(self, talk):
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        with connection:
            connection.settimeout(PATIENCE)
            try:
                self._talk(Line(connection))
            except OSError:
                pass
