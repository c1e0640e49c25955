"""What must stand in an ID token (OpenID Connect Core 1.0 section 3.1.3.7), pure; syntax and signature elsewhere.

An ID token is for one client, and says that somebody has signed in for it just now. Access tokens of the same issuer
are refused here, as ID tokens are by policy/bridges/tokens.py.
"""

from dataclasses import dataclass

from policy.bridges.tokens import LEEWAY_S, Token, fault_of_time, time_in, words

_OLDEST_S = 300.0  # it comes from the issuer itself, in this very moment


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedId:
    """`acr`: empty for any. `since`: the person must have signed in at the issuer after that; None: at any time."""

    issuer: str
    client: str
    nonce: str
    acr: str = ""
    since: float | None = None


def fault(token: Token, expected: ExpectedId, now: float) -> str:
    """Why it does not let anybody in here; empty where it does."""
    claims = token.claims
    if claims.get("iss") != expected.issuer:
        return "another issuer"
    # We know no other client, so a token for two is none that we could trust (step 4).
    if words(claims.get("aud"), splits=False) != [expected.client]:
        return "another audience"
    if claims.get("azp", expected.client) != expected.client:
        return "given to another client"
    if not _is_id_token(token):
        return "no ID token"
    if claims.get("nonce") != expected.nonce:
        return "another errand"
    if expected.acr and claims.get("acr") != expected.acr:
        return "signed in by weaker means"
    issued = time_in(claims, "iat")
    if issued is None or not now - _OLDEST_S <= issued:
        return "too old"
    return fault_of_time(claims, now) or _fault_of_sign_in(claims, expected, now)


def authenticated_at(token: Token, now: float) -> float:
    """When the person signed in at the issuer; 0 where it does not say."""
    at = time_in(token.claims, "auth_time")
    return min(at, now) if at is not None and at > 0 else 0.0


def _is_id_token(token: Token) -> bool:
    """Keycloak says in a claim what it is; a logout token has events (Back-Channel Logout 1.0 section 2.4)."""
    return token.type == "jwt" and token.claims.get("typ", "ID") == "ID" and "events" not in token.claims


def _fault_of_sign_in(claims: dict[str, object], expected: ExpectedId, now: float) -> str:
    if expected.since is None:
        return ""
    at = time_in(claims, "auth_time")
    is_afresh = at is not None and expected.since - LEEWAY_S <= at <= now + LEEWAY_S
    return "" if is_afresh else "not signed in afresh"
