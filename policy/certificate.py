"""The self-signed certificate of the first start: ECDSA P-256, two years, for one name and localhost.

It lets everything run over TLS from the first minute; clients have to be told to trust it. Replace the two files by
a real certificate's: init never overwrites that. One of ours is made anew when the host gets another name.
"""

import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=730)
_BACK = datetime.timedelta(hours=1)  # the clock of a phone that is a little slow should not refuse it


def new_key() -> bytes:
    """A private key as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def self_signed(hostname: str, key_pem: bytes, now: float) -> bytes:
    """A certificate as PEM for a key of new_key. `now` is seconds since the epoch; ValueError for another key."""
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an EC key")  # noqa: TRY004 - what the file holds is a value
    start = datetime.datetime.fromtimestamp(now, datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _BACK)
        .not_valid_after(start + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname), x509.DNSName("localhost")]), critical=False)
        # A client that is given this file as its trust anchor (swaks, curl, msmtp) needs an issuer.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def made_here_for(certificate_pem: bytes, key_pem: bytes) -> str:
    """The hostname of a certificate of self_signed for this key; empty where it is anybody else's, or rubbish.

    Whoever makes one by other means has other extensions or another span: all of them must be ours to the second.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate_pem)
        key = serialization.load_pem_private_key(key_pem, password=None)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hostname = names.get_values_for_type(x509.DNSName)[0]
        made_at = (found.not_valid_before_utc + _BACK).timestamp()
        model = x509.load_pem_x509_certificate(self_signed(hostname, key_pem, made_at))
        found.verify_directly_issued_by(found)
    except (ValueError, TypeError, IndexError, InvalidSignature, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ""
    is_ours = _form(found) == _form(model) and found.public_key() == key.public_key()
    return hostname if is_ours else ""


def _form(certificate: x509.Certificate) -> tuple[object, ...]:
    """All but the serial number and the signature."""
    span = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate.subject, certificate.issuer, *span, tuple(certificate.extensions)


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a PEM certificate, as browsers and openssl write it."""
    digest = x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()
