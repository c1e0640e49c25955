"""Tokens that are no secrets of devices (in a link, in a cookie) and the digest that is kept of them.

256 random bits, so that there is nothing to guess, and a keyed digest, so that the database alone opens nothing. Each
use has a word of its own in capitals: a token of one use is none of another, nor a device's secret (see handles.py).
"""

import hashlib
import hmac
import secrets
from enum import Enum


class Use(Enum):
    """What a token is good for."""

    INVITE = b"INVITE"
    SESSION = b"CONSOLE SESSION"
    API = b"API TOKEN"


def new_token() -> str:
    return secrets.token_urlsafe(32)


def token_digest(use: Use, token: str, key: bytes) -> bytes:
    """32 octets; of any text, because it comes from a stranger."""
    return hmac.digest(key, use.value + token.encode("utf-8", "replace"), hashlib.sha256)
