"""Certificates for tests: made on the spot, of every kind that matters."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = 1_800_000_000.0
DAY = 86_400.0

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1(), "k256": ec.SECP256K1()}
_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # slow to make, so made once


def new_key(kind: str) -> Key:
    if kind == "rsa":
        return _RSA_KEY
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(_CURVES[kind])


@dataclass(frozen=True, slots=True)
class Made:
    certificate: x509.Certificate
    key: Key

    @property
    def cert_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(encoding, kind, serialization.NoEncryption())

    def write(self, folder: Path, name: str = "cert") -> tuple[Path, Path]:
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        cert.write_bytes(self.cert_pem)
        key.write_bytes(self.key_pem)
        return cert, key


def make(
    *names: str,
    kind: str = "p256",
    begins: float = NOW - DAY,
    expires: float = NOW + 90 * DAY,
    issuer: Made | None = None,
    is_ca: bool = False,
    signature_hash: hashes.HashAlgorithm | None = None,
) -> Made:
    """Self-signed, or by `issuer`; for a client where it has no names."""
    key = new_key(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "client")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(begins, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(expires, datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if names and not is_ca:
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if issuer:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    signing = issuer.key if issuer else key
    algorithm = None if isinstance(signing, ed25519.Ed25519PrivateKey) else signature_hash or hashes.SHA256()
    return Made(builder.sign(signing, algorithm), key)
