"""A certificate authority of the tests' own, made anew each run. Its certificates look like those of public authorities: no
critical extensions but those that every verifier knows."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _subject(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(**uses):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: uses.get(name, False) for name in names})


class Authority:
    """Issues certificates below one root; `ca_file` is what a client is to trust."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self._issued = 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Sluice test authority")
        ca = self._builder(self._name, self._key, 30 * DAY)
        ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        ca = ca.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        self.ca_file.write_bytes(self._sign(ca))

    def issue(self, *names, with_rsa=False, expired=False):
        """Paths of a certificate and its key, for the host names and IP addresses given (default: this machine)."""
        names = names or ("localhost", "127.0.0.1")
        key = rsa.generate_private_key(65537, 2048) if with_rsa else ec.generate_private_key(ec.SECP256R1())
        leaf = self._builder(_name(names[0]), key, -DAY if expired else 30 * DAY)
        leaf = leaf.add_extension(x509.SubjectAlternativeName([_subject(name) for name in names]), critical=False)
        leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        leaf = leaf.add_extension(_key_usage(digital_signature=True, key_encipherment=with_rsa), critical=True)
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        self._issued += 1
        certificate, key_file = self.folder / f"{self._issued}.crt", self.folder / f"{self._issued}.key"
        certificate.write_bytes(self._sign(leaf))
        key_file.touch(0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key_file

    def _builder(self, subject, key, lifetime):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + lifetime)
        )

    def _sign(self, builder):
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
