"""A certificate authority of the tests' own, made anew each run."""

import datetime

import trustme


class Authority:
    """Issues certificates below one root; `ca_file` is what a client is to trust."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self._issued = 0
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, *names, rsa=False, expired=False):
        """Paths of a certificate chain and its key, for the host names and IP addresses given."""
        self._issued += 1
        past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
        leaf = self._ca.issue_cert(
            *(names or ("localhost", "127.0.0.1")),
            key_type=trustme.KeyType.RSA if rsa else trustme.KeyType.ECDSA,
            **({"not_after": past} if expired else {}),
        )
        chain = self.folder / f"{self._issued}.crt"
        key = self.folder / f"{self._issued}.key"
        chain.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        return chain, key
