"""One way to the issuer and back: what it is for, and what proves that both ends are of the same browser, pure.

errand     in a cookie of the browser's; the server keeps nothing, so that strangers fill nothing up
proofs     derived from that cookie by a key of ours: nobody else can tell them from it

state      goes to the issuer and comes back: whoever comes back is who went (RFC 6749 section 10.12)
nonce      comes back inside the ID token: the token was made for this errand (OpenID Connect Core section 3.1.2.1)
verifier   goes to the issuer as a digest and follows with the code: a stolen code is worth nothing (RFC 7636)
"""

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field

GOOD_FOR_S = 600.0
_LONGEST = 2000
_USE = b"ERRANDS"  # of the key that forms have, too: a form's token, of cookies that a browser can make up, is no state


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """`session` is the number of the one in which a person is to be confirmed, and 0 for a sign-in."""

    secret: str = field(repr=False)
    begun_at: float
    session: int = 0
    back: str = ""

    def written(self) -> str:
        """As the cookie has it."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode().rstrip("=")

    def is_over(self, now: float) -> bool:
        return not 0 <= now - self.begun_at < GOOD_FOR_S


@dataclass(frozen=True, slots=True)
class Proofs:
    """Of one errand."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @property
    def challenge(self) -> str:
        """S256 of RFC 7636 section 4.2."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def read(cookie: str) -> Errand | None:
    """None for what we have not written. It is believed only after its state has come back."""
    if not cookie.isascii() or len(cookie) > _LONGEST:
        return None
    try:
        written = json.loads(base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)))
        return Errand(**written)
    except (ValueError, TypeError, RecursionError):
        return None


def proofs_of(cookie: str, key: bytes) -> Proofs:
    """The whole cookie goes into each: with another time, session or way back it is another errand."""
    own = hmac.digest(key, _USE, "sha256")
    return Proofs(*(hmac.digest(own, f"{name} {cookie}".encode(), "sha256").hex() for name in ("s", "n", "v")))
