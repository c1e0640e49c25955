"""Random logins, generated secrets, and the keyed digest that is kept of a secret.

A login such as `fosem-4k7q-talir` is pronounceable and cannot be derived from anything public: 53 bits of chance.
A secret has 130 bits, so a fast digest is enough: there is nothing to guess, and no password list to try
(NIST SP 800-63B section 5.1.2 allows it for look-up secrets of that strength). The digest is keyed, so that a copy of
the database alone does not even let a guess be checked.
"""

import hashlib
import hmac
import secrets

_CONSONANTS = "bdfghklmnprstvwz"
_VOWELS = "aeiou"
_DIGITS = "23456789abcdefghjkmnpqrstuvwxyz"  # without 0/o, 1/l/i, which are mistaken for one another
_SECRET_LENGTH = 27  # 27 * log2(31) = 133 bits
_GROUP = 6


def new_login() -> str:
    """A login, for example `fosem-4k7q-talir`. The caller makes sure that it is nobody's name."""
    digits = "".join(secrets.choice(_DIGITS) for _ in range(4))
    return f"{_syllables()}-{digits}-{_syllables()}"


def new_secret() -> str:
    """A secret in groups of six, to be shown once."""
    letters = "".join(secrets.choice(_DIGITS) for _ in range(_SECRET_LENGTH))
    return "-".join(letters[start : start + _GROUP] for start in range(0, _SECRET_LENGTH, _GROUP))


def digest(secret: str, key: bytes) -> bytes:
    """HMAC-SHA-256 of the secret, 32 octets. Groups and letter case are for the eye: they do not matter."""
    letters = secret.replace("-", "").replace(" ", "").lower()
    return hmac.digest(key, letters.encode(), hashlib.sha256)


def _syllables() -> str:
    return "".join(secrets.choice(_VOWELS if place % 2 else _CONSONANTS) for place in range(5))
