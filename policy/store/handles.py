"""Random logins, generated secrets, and what is kept of a secret: a keyed digest, and sealed keys for SCRAM.

A login such as `fosem-4k7q-talir` is pronounceable and cannot be derived from anything public: 53 bits of chance.
A secret has 130 bits, so a fast digest is enough: there is nothing to guess, and no password list to try
(NIST SP 800-63B section 5.1.2 allows it for look-up secrets of that strength). The digest is keyed, so that a copy of
the database alone does not even let a guess be checked. SCRAM's keys would let one be checked, and whoever has them
can pretend to be the server (RFC 5802 section 9): they are sealed with the same key.
"""

import hashlib
import hmac
import re
import secrets
from enum import StrEnum

from policy import scram

_CONSONANTS = "bdfghklmnprstvwz"
_VOWELS = "aeiou"
_DIGITS = "23456789abcdefghjkmnpqrstuvwxyz"  # without 0/o, 1/l/i, which are mistaken for one another
_SECRET_LENGTH = 27  # 27 * log2(31) = 133 bits
_GROUP = 6
# Found where it begins, and not consumed: of two that overlap, both are found.
_SYLLABLES = rf"(?:[{_CONSONANTS}][{_VOWELS}]){{2}}[{_CONSONANTS}]"
_LOGIN = re.compile(rf"(?=({_SYLLABLES}-[{_DIGITS}]{{4}}-{_SYLLABLES}))")
# What the digest key is used for beside digests. Capitals, which a digested secret never has: no secret that somebody
# presents can be mistaken for one of these.
_NONCE, _STORED_KEY, _SERVER_KEY, _SALT = b"NONCE", b"STORED KEY", b"SERVER KEY", b"SALT"


class Kind(StrEnum):
    """How a credential is proven."""

    SECRET = "secret"  # noqa: S105 - the word, not one
    CERTIFICATE = "certificate"
    OIDC = "oidc"  # a token of the organisation's issuer
    LDAP = "ldap"  # a bind at the organisation's directory
    MIGRATED = "migrated"  # a secret that another server kept a hash of


class Scope(StrEnum):
    """What a credential is good for."""

    SUBMIT = "submit"
    IMAP = "imap"
    CONSOLE = "console"


def new_login() -> str:
    """A login, for example `fosem-4k7q-talir`. The caller makes sure that it is nobody's name."""
    digits = "".join(secrets.choice(_DIGITS) for _ in range(4))
    return f"{_syllables()}-{digits}-{_syllables()}"


def logins_in(text: str) -> frozenset[str]:
    """All that has the form of a login, anywhere in a text, in whatever letter case."""
    return frozenset(_LOGIN.findall(text.lower()))


def new_secret() -> str:
    """A secret in groups of six, to be shown once."""
    letters = "".join(secrets.choice(_DIGITS) for _ in range(_SECRET_LENGTH))
    return "-".join(letters[start : start + _GROUP] for start in range(0, _SECRET_LENGTH, _GROUP))


def digest(secret: str, key: bytes) -> bytes:
    """HMAC-SHA-256 of the secret, 32 octets. Groups and letter case are for the eye: they do not matter."""
    letters = secret.replace("-", "").replace(" ", "").lower()
    return hmac.digest(key, letters.encode(), hashlib.sha256)


def nonce_key(key: bytes) -> bytes:
    """What the nonces of SCRAM are derived from."""
    return _keyed(key, _NONCE)


def new_scram_keys(secret: str) -> scram.Keys:
    """For a secret as it is shown: a client of SCRAM sends no secret, so groups and letter case do matter there."""
    return scram.keys_of(secret, secrets.token_bytes(scram.SALT_BYTES))


def sealed(keys: scram.Keys, key: bytes) -> scram.Keys:
    """The same keys sealed, or unsealed if they were sealed: each is xored with octets that this salt alone gives."""
    return scram.Keys(
        keys.salt,
        keys.iterations,
        _xor(keys.stored_key, _keyed(key, _STORED_KEY + keys.salt)),
        _xor(keys.server_key, _keyed(key, _SERVER_KEY + keys.salt)),
    )


def nobodys_salt(login: str, key: bytes) -> bytes:
    """The salt of a login that has none: always the same one, as if it had been made with a credential."""
    return _keyed(key, _SALT + login.encode())[: scram.SALT_BYTES]


def _keyed(key: bytes, octets: bytes) -> bytes:
    return hmac.digest(key, octets, "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _syllables() -> str:
    return "".join(secrets.choice(_VOWELS if place % 2 else _CONSONANTS) for place in range(5))
