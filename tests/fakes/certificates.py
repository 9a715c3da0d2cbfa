"""A certificate authority of a test's own."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_YESTERDAY = datetime.now(UTC) - timedelta(days=1)
_TOMORROW = datetime.now(UTC) + timedelta(days=1)


class Authority:
    """Signs certificates for this machine."""

    def __init__(self, name: str) -> None:
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.pem = certificate.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def write(self, folder: Path) -> Path:
        """Its own certificate, as a file."""
        file = folder / "ca.pem"
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.pem)
        return file

    def issue(self, folder: Path, name: str = "localhost") -> tuple[Path, Path]:
        """A new certificate and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        )
        certificate = self._builder(_named(name), key).add_extension(names, critical=False)
        signed = certificate.sign(self._key, hashes.SHA256())
        folder.mkdir(parents=True, exist_ok=True)
        cert_file, key_file = folder / "cert.pem", folder / "key.pem"
        cert_file.write_bytes(signed.public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cert_file, key_file

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_YESTERDAY)
            .not_valid_after(_TOMORROW)
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
