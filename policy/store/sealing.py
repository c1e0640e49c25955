"""What the database keeps and must not show by itself: sealed with the digest key, which is not in it (AES-256-GCM)."""

import hashlib
import hmac
import secrets
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_OCTETS = 12


def seal(content: bytes, key: bytes, use: bytes, row: int) -> bytes:
    """For the row of this number: copied to another one it does not open. `use` keeps the keys of uses apart."""
    nonce = secrets.token_bytes(_NONCE_OCTETS)
    return nonce + AESGCM(_key_of(key, use)).encrypt(nonce, content, _bound_to(row))


def unseal(sealed: bytes, key: bytes, use: bytes, row: int) -> bytes | None:
    """None where the key is another one, or the row."""
    nonce, rest = sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:]
    try:
        return AESGCM(_key_of(key, use)).decrypt(nonce, rest, _bound_to(row))
    except InvalidTag:
        return None


def _key_of(key: bytes, use: bytes) -> bytes:
    return hmac.digest(key, use, hashlib.sha256)


def _bound_to(row: int) -> bytes:
    return struct.pack(">Q", row)
