"""What a person types beside the password: six digits of an authenticator application, or a recovery code.

TOTP is RFC 6238 as every application does it: 30 seconds, six digits, SHA-1 (whose collisions do not matter to HMAC).
The step before and the one after are taken, too, for a clock that is late. A step that was taken once is never taken
again: whoever looks over a shoulder has nothing. The seed is sealed with the digest key, so that a copy of the
database alone makes no codes.
"""

import base64
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from policy.store import sealing

STEP_S = 30
CODE_DIGITS = 6
RECOVERY_CODES = 10

_SEED_OCTETS = 20  # RFC 4226 section 4, R6: as long as the output of SHA-1
_SEED_USE = b"TOTP SEED"  # of the digest key
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # as in the secrets of devices
_CODE_LENGTH, _GROUP = 10, 5  # 10 * log2(31) = 49 bits


class FactorKind(StrEnum):
    """How a second factor is proven."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """What the person puts into the application: the code of the picture, or the secret in groups to be typed."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


def new_seed() -> bytes:
    return secrets.token_bytes(_SEED_OCTETS)


def offer(seed: bytes, account: str, issuer: str) -> TotpOffer:
    """The URI is otpauth://totp/..., which applications read from a QR code."""
    secret = base64.b32encode(seed).decode().rstrip("=")
    values = {"secret": secret, "issuer": issuer, "algorithm": "SHA1", "digits": CODE_DIGITS, "period": STEP_S}
    query = urlencode(values, quote_via=quote)
    grouped = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return TotpOffer(grouped, f"otpauth://totp/{quote(f'{issuer}:{account}', safe=':@')}?{query}")


def step_of(seed: bytes, code: str, after: int, now: float) -> int | None:
    """The step whose code this is, if it is later than `after`; None where the code is wrong or was taken."""
    typed = code.replace(" ", "").encode("utf-8", "replace")
    totp = TOTP(seed, CODE_DIGITS, SHA1(), STEP_S, enforce_key_length=True)  # noqa: S303 - RFC 6238, see above
    current = int(now) // STEP_S
    fitting = [
        step
        for step in (current - 1, current, current + 1)
        if hmac.compare_digest(totp.generate(max(0, step) * STEP_S), typed)
    ]
    return next((step for step in fitting if step > after), None)


def seal(seed: bytes, key: bytes, identity_id: int) -> bytes:
    """For the database. The seal names its owner: a row that is copied to another person does not open there."""
    return sealing.seal(seed, key, _SEED_USE, identity_id)


def unseal(sealed: bytes, key: bytes, identity_id: int) -> bytes | None:
    """None where the key is another one, or the row another person's."""
    return sealing.unseal(sealed, key, _SEED_USE, identity_id)


def new_recovery_codes() -> tuple[str, ...]:
    """Shown once, to be put on paper: for the day on which the phone is gone."""
    return tuple(_recovery_code() for _ in range(RECOVERY_CODES))


def recovery_digest(code: str, key: bytes, identity_id: int) -> bytes:
    """Keyed, as that of a device's secret. Groups and letter case are for the eye."""
    letters = "".join(letter for letter in code.lower() if letter.isalnum())
    return hmac.digest(key, b"RECOVERY CODE" + _owner(identity_id) + letters.encode(), hashlib.sha256)


def _recovery_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    return f"{letters[:_GROUP]}-{letters[_GROUP:]}"


def _owner(identity_id: int) -> bytes:
    return struct.pack(">Q", identity_id)
