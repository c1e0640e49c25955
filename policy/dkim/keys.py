"""One pair of keys: RSA of 2048 bits, which everybody verifies (RFC 8301), and Ed25519 (RFC 8463), which is small.

Each has a selector of its own, because two keys under one name are undefined (RFC 6376 section 3.6.2.2).
"""

import base64
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

_RSA_BITS = 2048  # RFC 8301 section 3.2; with 4096 the record would not fit into one UDP answer of 1232 octets
_RSA_EXPONENT = 65537


class Algorithm(StrEnum):
    """As the k= tag names it."""

    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is made once: the private part as rspamd reads it, and the p= tag."""

    private: bytes = field(repr=False)
    public: str


def new_key(algorithm: Algorithm) -> NewKey:
    """A new one, by chance."""
    return _new_rsa() if algorithm is Algorithm.RSA else _new_ed25519()


def record_text(algorithm: Algorithm, public: str) -> str:
    """The TXT record of a key, RFC 6376 section 3.6.1."""
    return f"v=DKIM1; k={algorithm}; p={public}"


def _new_rsa() -> NewKey:
    key = rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return NewKey(private, base64.b64encode(public).decode())


def _new_ed25519() -> NewKey:
    """The private part is the seed in base64: rspamd reads no PEM of this kind."""
    key = ed25519.Ed25519PrivateKey.generate()
    seed = base64.b64encode(key.private_bytes_raw()) + b"\n"
    return NewKey(seed, base64.b64encode(key.public_key().public_bytes_raw()).decode())
