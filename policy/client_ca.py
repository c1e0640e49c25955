"""Sallyport's own small CA: client certificates for devices that prove their login with a key (SASL EXTERNAL).

Made on first use, in POLICY_STATE_DIR/client-ca: a key and a certificate that signs client certificates and nothing
else. What it issues is valid for two years at most, and names the login and nothing of a person: TLS 1.2 sends client
certificates in clear. A certificate alone is no login: policy knows each by its fingerprint, so revoking one is a
matter of the store, and whoever stole the CA's key could make certificates and log in with none of them.
"""

import datetime
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from policy.certificate import new_key
from policy.store.errors import StoreError

LEAF_LIFETIME_S = 730 * 86_400.0
_CA_LIFETIME = datetime.timedelta(days=3650)
_BACK = datetime.timedelta(hours=1)  # a clock that is a little slow should not refuse it
_KEY, _CERTIFICATE = "key.pem", "cert.pem"
_FOR_LEAF = {"digital_signature": True}
_FOR_CA = {"key_cert_sign": True, "crl_sign": True}


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, for one device."""

    login: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    issuer: x509.Certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256, lower-case hexadecimal, as the gateway tells it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def pkcs12(self, passphrase: str) -> bytes:
        """The file that devices import: key, certificate and issuer, sealed with the passphrase (AES-256)."""
        sealing = serialization.BestAvailableEncryption(passphrase.encode())
        return pkcs12.serialize_key_and_certificates(
            self.login.encode(), self.key, self.certificate, [self.issuer], sealing
        )


@dataclass(frozen=True, slots=True)
class ClientCa:
    """The CA, opened. `certificate` is what a gateway listener has to trust."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, login: str, now: float, expires_at: float) -> Issued:
        """A new key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        end = min(_moment(expires_at), self.certificate.not_valid_after_utc)
        builder = (
            _builder(_name(login), self.certificate.subject, key, _moment(now), end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(_FOR_LEAF), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        return Issued(login, key, builder.sign(self.key, hashes.SHA256()), self.certificate)


def open_client_ca(state: Path, now: float) -> ClientCa:
    """The CA of this installation, made if there is none yet; StoreError where it cannot be used."""
    folder = state / "client-ca"
    try:
        if not folder.exists():
            _make(folder, now)
        key = serialization.load_pem_private_key((folder / _KEY).read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate((folder / _CERTIFICATE).read_bytes())
    except OSError as error:
        raise StoreError(f"{folder} cannot be used ({error.strerror}); check the folder and its owner") from None
    except (ValueError, TypeError):
        raise StoreError(f"{folder} holds no CA; restore key.pem and cert.pem, or remove the folder") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise StoreError(f"{folder} holds a key and a certificate of two CAs; restore both, or remove the folder")
    if certificate.not_valid_after_utc <= _moment(now):
        raise StoreError(f"the CA in {folder} has expired; remove the folder, and the next one is made in its place")
    return ClientCa(key, certificate)


def _make(folder: Path, now: float) -> None:
    """Key and certificate appear together or not at all: a folder is renamed, which only one process can do."""
    key_pem = new_key()
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(key)
    # Told apart from the CA that comes after it: clients choose a certificate by its issuer's name.
    name = _name(f"Sallyport client CA {secrets.token_hex(4)}")
    start = _moment(now)
    certificate = (
        _builder(name, name, key, start, start + _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(_FOR_CA), critical=True)
        .sign(key, hashes.SHA256())
    )
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    draft.mkdir(mode=0o700)
    try:
        write_new(draft / _KEY, key_pem)
        write_new(draft / _CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft)
        if not folder.exists():  # otherwise another process was faster
            raise


def write_new(path: Path, content: bytes) -> None:
    """A file of mode 0600 that was not there before."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _BACK)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(allowed: dict[str, bool]) -> x509.KeyUsage:
    uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    others = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**(dict.fromkeys((*uses, *others), False) | allowed))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
