"""What a token must say, on tokens that an independent library has made. Keys and signatures: test_oidc.py."""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.bridges.tokens import Expected, Token, fault, read, subject

NOW = 1_800_000_000.0
ISSUER = "https://login.example.org/realms/staff"
OURS = Expected(issuer=ISSUER, audience=("https://mail.example.org", "mail"))
GOOD: dict[str, Any] = {"iss": ISSUER, "aud": "mail", "sub": "ada", "iat": NOW - 10, "exp": NOW + 300}
AT = {"alg": "RS256", "typ": "at+jwt"}


def written(header: object, claims: object) -> str:
    """A token with a signature of four octets that nobody has made."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), b"\0\0\0\0")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def token(header: dict[str, Any], **changed: object) -> Token:
    claims = {name: value for name, value in (GOOD | changed).items() if value is not None}
    found = read(written(header, claims))
    assert found
    return found


CLAIM_CASES = [
    # what it shows, changed claims, expected fault
    ("a good one", {}, ""),
    ("another issuer", {"iss": "https://login.example.net"}, "another issuer"),
    ("the issuer with a slash", {"iss": ISSUER + "/"}, "another issuer"),
    ("a list of issuers", {"iss": [ISSUER]}, "another issuer"),
    ("no issuer", {"iss": None}, "another issuer"),
    ("another audience", {"aud": "calendar"}, "another audience"),
    ("one of ours among several", {"aud": ["calendar", "mail"]}, ""),
    ("several of others", {"aud": ["calendar", "files"]}, "another audience"),
    ("our audience as a word of another one", {"aud": "mail calendar"}, "another audience"),
    ("no audience", {"aud": None}, "another audience"),
    ("an empty list", {"aud": []}, "another audience"),
    ("audience is a number", {"aud": 1}, "another audience"),
    ("audience is an object", {"aud": {"mail": 1}}, "another audience"),
    ("odd things beside ours", {"aud": [1, {"a": 1}, "mail"]}, ""),
    ("expired", {"exp": NOW - 31}, "expired"),
    ("expired within the leeway", {"exp": NOW - 29}, ""),
    ("never expires", {"exp": None}, "expired"),
    ("expiry is text", {"exp": "never"}, "expired"),
    ("expiry is true", {"exp": True}, "expired"),
    ("expiry is endless", {"exp": math.inf}, "expired"),
    ("expiry is no number", {"exp": math.nan}, "expired"),
    ("expiry has a thousand digits", {"exp": 10**1000}, "expired"),
    ("with fractions", {"exp": NOW + 0.5}, ""),
    ("not valid yet", {"nbf": NOW + 31}, "not valid yet"),
    ("valid within the leeway", {"nbf": NOW + 29}, ""),
    ("begins at no number", {"nbf": math.nan}, "not valid yet"),
    ("begins with a word", {"nbf": "today"}, "not valid yet"),
    ("issued tomorrow", {"iat": NOW + 86_400}, "not valid yet"),
    ("issued at no time", {"iat": None}, ""),
    ("bound to a key of its client", {"cnf": {"jkt": "x"}}, "bound to a key of its client"),
    ("a security event", {"events": {}}, "no access token"),
]

KIND_CASES = [
    # what it shows, header, changed claims, is it an access token
    ("RFC 9068", AT, {}, True),
    ("with the whole media type", AT | {"typ": "application/at+jwt"}, {}, True),
    ("in capitals", AT | {"typ": "AT+JWT"}, {}, True),
    ("no more than a JWT", AT | {"typ": "JWT"}, {}, True),
    ("without a type", {"alg": "RS256"}, {}, True),
    ("Keycloak's", AT | {"typ": "JWT"}, {"typ": "Bearer"}, True),
    ("Keycloak's of old, with a nonce", AT | {"typ": "JWT"}, {"typ": "Bearer", "nonce": "n"}, True),
    ("Keycloak's ID token", AT | {"typ": "JWT"}, {"typ": "ID"}, False),
    ("Keycloak's refresh token", AT | {"typ": "JWT"}, {"typ": "Refresh"}, False),
    ("an ID token with a nonce", AT | {"typ": "JWT"}, {"nonce": "n"}, False),
    ("an ID token with the hash of its access token", AT | {"typ": "JWT"}, {"at_hash": "h"}, False),
    ("an ID token with the hash of its code", {"alg": "RS256"}, {"c_hash": "h"}, False),
    ("a logout token", AT | {"typ": "logout+jwt"}, {}, False),
    ("a proof of possession", AT | {"typ": "dpop+jwt"}, {}, False),
]

CLIENT_CASES = [
    # what it shows, expected of the token, changed claims, expected fault
    ("the client by OpenID Connect", Expected(issuer=ISSUER, audience=("mail",), clients=("k9",)), {"azp": "k9"}, ""),
    ("by RFC 9068", Expected(issuer=ISSUER, audience=("mail",), clients=("k9",)), {"client_id": "k9"}, ""),
    ("by Entra ID", Expected(issuer=ISSUER, audience=("mail",), clients=("k9",)), {"appid": "k9"}, ""),
    ("another", Expected(issuer=ISSUER, audience=("mail",), clients=("k9",)), {"azp": "wiki"}, "another client"),
    ("none", Expected(issuer=ISSUER, audience=("mail",), clients=("k9",)), {}, "another client"),
    ("a list", Expected(issuer=ISSUER, audience=("mail",), clients=("k9",)), {"azp": ["k9"]}, "another client"),
    ("the scope", Expected(issuer=ISSUER, audience=("mail",), scope="smtp"), {"scope": "openid smtp"}, ""),
    ("a list of scopes", Expected(issuer=ISSUER, audience=("mail",), scope="smtp"), {"scope": ["smtp"]}, ""),
    ("Entra ID's", Expected(issuer=ISSUER, audience=("mail",), scope="smtp"), {"scp": "smtp"}, ""),
    (
        "part of a word",
        Expected(issuer=ISSUER, audience=("mail",), scope="smtp"),
        {"scope": "smtps"},
        "without the scope",
    ),
    ("no scope", Expected(issuer=ISSUER, audience=("mail",), scope="smtp"), {}, "without the scope"),
]

SUBJECT_CASES = [
    # what it shows, claim, changed claims, expected
    ("sub", "sub", {}, "ada"),
    ("another claim", "employee", {"employee": "0815"}, "0815"),
    ("a claim that is not there", "employee", {}, ""),
    ("a number", "sub", {"sub": 815}, ""),
    ("a list", "sub", {"sub": ["ada"]}, ""),
    ("empty", "sub", {"sub": ""}, ""),
    ("a line end", "sub", {"sub": "ada\nroot"}, ""),
    ("too long", "sub", {"sub": "a" * 256}, ""),
    ("an address that was verified", "email", {"email": "a@example.org", "email_verified": True}, "a@example.org"),
    ("an address that was not", "email", {"email": "a@example.org", "email_verified": False}, ""),
    ("an address of which nobody says", "email", {"email": "a@example.org"}, ""),
    ("verified is a word", "email", {"email": "a@example.org", "email_verified": "true"}, ""),
]

NO_TOKENS = [
    # what it shows, text
    ("empty", ""),
    ("two parts", "e30.e30"),
    ("five parts, encrypted", "e30.e30.e30.e30.e30"),
    ("no base64", "!!!.e30.e30"),
    ("no JSON", "e30.YWJj.AAAA"),
    ("nothing signed it", written({"alg": "none"}, GOOD).rpartition(".")[0] + "."),
    ("none in other letters", written({"alg": "nOnE"}, GOOD)),
    ("a secret signs", written({"alg": "HS256"}, GOOD)),
    ("an algorithm that is not on the list", written({"alg": "RS512"}, GOOD)),
    ("no algorithm", written({}, GOOD)),
    ("a list of algorithms", written({"alg": ["RS256"]}, GOOD)),
    ("header is a list", written([], GOOD)),
    ("claims are a list", written(AT, [])),
    ("claims are text", written(AT, "ada")),
    ("key is a number", written(AT | {"kid": 1}, GOOD)),
    ("type is a list", written(AT | {"typ": ["JWT"]}, GOOD)),
    ("something critical", written(AT | {"crit": ["exp"], "exp": 1}, GOOD)),
    ("a payload that is not encoded", written(AT | {"crit": ["b64"], "b64": False}, GOOD)),
    ("too long", written(AT, GOOD | {"groups": "x" * 9216})),
]


@pytest.mark.parametrize(("changed", "expected"), [c[1:] for c in CLAIM_CASES], ids=[c[0] for c in CLAIM_CASES])
def test_claims(changed: dict[str, Any], expected: str) -> None:
    """Issuer, audience and time; each alone is enough to refuse."""
    assert fault(token(AT, **changed), OURS, NOW) == expected


@pytest.mark.parametrize(("header", "changed", "is_one"), [c[1:] for c in KIND_CASES], ids=[c[0] for c in KIND_CASES])
def test_access_tokens_alone(header: dict[str, Any], changed: dict[str, Any], is_one: bool) -> None:
    """What the same issuer signs for another purpose is no way in."""
    assert fault(token(header, **changed), OURS, NOW) == ("" if is_one else "no access token")


@pytest.mark.parametrize(
    ("expected", "changed", "says"), [c[1:] for c in CLIENT_CASES], ids=[c[0] for c in CLIENT_CASES]
)
def test_client_and_scope(expected: Expected, changed: dict[str, Any], says: str) -> None:
    """Which clients, and for what: where the administrator wants to know."""
    assert fault(token(AT, **changed), expected, NOW) == says


@pytest.mark.parametrize(
    ("claim", "changed", "says"), [c[1:] for c in SUBJECT_CASES], ids=[c[0] for c in SUBJECT_CASES]
)
def test_who_it_is(claim: str, changed: dict[str, Any], says: str) -> None:
    """One string that can be found in the store; empty where there is none."""
    assert subject(token(AT, **changed), claim) == says


@pytest.mark.parametrize("text", [c[1] for c in NO_TOKENS], ids=[c[0] for c in NO_TOKENS])
def test_what_is_no_token(text: str) -> None:
    """It is refused before anybody looks for a key."""
    assert read(text) is None


@pytest.mark.parametrize("deep", [b"[" * 6000, b'{"a":' * 1200, b"1" * 5000], ids=["lists", "objects", "a number"])
@pytest.mark.parametrize("place", [0, 1], ids=["header", "claims"])
def test_json_without_end(deep: bytes, place: int) -> None:
    """What brings a parser to its limits is no token either."""
    parts = [base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in (b'{"alg":"RS256"}', b"{}", b"\0" * 4)]
    parts[place] = base64.urlsafe_b64encode(deep).rstrip(b"=").decode()
    assert read(".".join(parts)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "azp", "scope", "scp", "typ", "events", "nonce"])


@given(st.dictionaries(NAMES, JSON), st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), JSON))
def test_whatever_stands_in_a_token_it_is_read_or_refused(claims: dict[str, Any], header: dict[str, Any]) -> None:
    """No value of a claim makes anything fail but the login."""
    found = read(written(AT | header, GOOD | claims))
    if found:
        expected = Expected(issuer=ISSUER, audience=("mail",), clients=("a",), scope="b")
        assert isinstance(fault(found, expected, NOW), str)
        assert isinstance(fault(found, OURS, NOW), str)
        assert isinstance(subject(found, OURS.claim), str)


@given(st.text(max_size=40) | st.text(alphabet="e30.-_A", max_size=40))
def test_whatever_text_is_no_token(text: str) -> None:
    """No text makes it fail in another way."""
    assert read(text) is None
