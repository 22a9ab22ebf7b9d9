"""A name server for the tests: answers A questions for the names it was given, NXDOMAIN for others."""

import socket
import struct
import threading


class NameServer:
    """Listens on a UDP port of its own; `asked` is every name that was asked for, in order."""

    def __init__(self, names):
        self.names = {name.lower(): address for name, address in names.items()}
        self.asked = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                query, client = self._socket.recvfrom(1500)
                self._socket.sendto(self._answer(query), client)
            except OSError:
                return

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        name = ".".join(labels).lower()
        question_end = at + 5
        kind = struct.unpack_from("!H", query, at + 1)[0]
        self.asked.append(name)
        address = self.names.get(name)
        records = b""
        if address and kind == 1:  # the name as a pointer to the question, type A, class IN, a TTL of a minute
            records = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)
        flags = 0x8180 if address else 0x8183
        head = query[:2] + struct.pack("!HHHHH", flags, 1, 1 if records else 0, 0, 0)
        return head + query[12:question_end] + records
