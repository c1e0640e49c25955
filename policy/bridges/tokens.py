"""What must stand in an access token, pure: RFC 9068 where the issuer follows it, and what others leave out of it.

    tokens.py   (you are here) syntax and claims
    oidc.py     asks for the key, and has the signature verified

Access tokens alone are taken. An ID token is the client's proof that somebody signed in, and every client of the issuer
gets one; an access token is made for the service that its audience names (RFC 9068 section 5, OpenID Connect Core
section 2). A token that is bound to a key of its client is refused, because who shows it here shows no key.
"""

import json
import math
from dataclasses import dataclass

import jwt

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")  # none, and whatever takes a secret, can be no issuer's signature

_TOKEN_LIMIT = 9216  # what a SASL response of 12288 octets can carry
LEEWAY_S = 30.0  # between our clock and the issuer's
_SUBJECT_LIMIT = 255  # OpenID Connect Core section 2
_TYPES = ("jwt", "at+jwt")
_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash")
_CLIENTS = ("azp", "client_id", "appid")  # whom the token was given to: OpenID Connect, RFC 9068, Entra ID
_TIME_LIMIT = 1e12  # a number beyond it is no time
_JWS = jwt.PyJWS(ALGORITHMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say. No `scope` and no `clients`: any."""

    issuer: str
    audience: tuple[str, ...]
    claim: str = "sub"
    scope: str = ""
    clients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that was read, with nothing verified. `kid` is empty where it names no key."""

    text: str
    algorithm: str
    kid: str
    type: str
    claims: dict[str, object]


def read(text: str) -> Token | None:
    """None where it is no token that could be right, whatever its key."""
    if not text or len(text) > _TOKEN_LIMIT:
        return None
    try:
        parts = _JWS.decode_complete(text, options={"verify_signature": False})
        claims = json.loads(parts["payload"])
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    header = parts["header"]
    algorithm, kid, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "jwt")
    if not isinstance(claims, dict) or algorithm not in ALGORITHMS:
        return None
    if not isinstance(kid, str) or not isinstance(kind, str):
        return None
    # RFC 7515 section 4.1.9: application/ may be left out.
    kind = kind.lower().removeprefix("application/")
    return Token(text=text, algorithm=algorithm, kid=kid, type=kind, claims=claims)


def fault(token: Token, expected: Expected, now: float) -> str:
    """Why its claims are not those of a token for us; empty where they are."""
    claims = token.claims
    if claims.get("iss") != expected.issuer:
        return "another issuer"
    if not set(words(claims.get("aud"), splits=False)) & set(expected.audience):
        return "another audience"
    if not _is_access_token(token):
        return "no access token"
    if "cnf" in claims:
        return "bound to a key of its client"
    if expected.clients and not any(claims.get(name) in expected.clients for name in _CLIENTS):
        return "another client"
    if expected.scope and expected.scope not in words(claims.get("scope")) + words(claims.get("scp")):
        return "without the scope"
    return fault_of_time(claims, now)


def subject(token: Token, claim: str) -> str:
    """Who it is; empty where it does not say."""
    value = token.claims.get(claim)
    if not isinstance(value, str) or len(value) > _SUBJECT_LIMIT or not value.isprintable():
        return ""
    # People may write an address into their profile that is not theirs.
    if claim == "email" and token.claims.get("email_verified") is not True:
        return ""
    return value


def _is_access_token(token: Token) -> bool:
    """RFC 9068 has a type for them. Keycloak says what it is in a claim; from others, ID tokens have their marks."""
    if token.type not in _TYPES or "events" in token.claims:
        return False
    if token.type == "at+jwt" or token.claims.get("typ") == "Bearer":
        return True
    return "typ" not in token.claims and not any(name in token.claims for name in _OF_ID_TOKENS)


def fault_of_time(claims: dict[str, object], now: float) -> str:
    """Empty where it is in its time, by `exp`, which is required, `nbf` and `iat`."""
    expires, begins, issued = (time_in(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None or not now < expires + LEEWAY_S:
        return "expired"
    if not all(begin is None or begin <= now + LEEWAY_S for begin in (begins, issued)):
        return "not valid yet"
    return ""


def time_in(claims: dict[str, object], name: str) -> float | None:
    """None where it is not there; not a number, with which nothing compares, where it is no time."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_TIME_LIMIT < value < _TIME_LIMIT:
        return math.nan
    return value


def words(value: object, *, splits: bool = True) -> list[str]:
    """One string, of blank-separated words where it `splits`, or a list of strings."""
    if isinstance(value, str):
        return value.split() if splits else [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
