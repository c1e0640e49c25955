"""What each SASL mechanism says next: one table for each, no socket and no store. SCRAM: test_scram.py."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import Mechanism
from policy.contract import LoginStep
from policy.sasl import (
    MECHANISMS,
    CertificateClaim,
    Challenge,
    Malformed,
    Refused,
    SecretClaim,
    Step,
    TokenClaim,
    next_step,
)

ADA = SecretClaim("ada", "s3cret")
ANOTHER = Refused("another authzid")
CONTROL = Refused("a control character in the secret")
FINGERPRINT = "ab" * 32
BEARER = "vF9d.-_~+/=="
NOT_VALID = b'{"status":"invalid_token"}'
NOT_VALID_X = b'{"status":"401","schemes":"bearer"}'
TOKEN = TokenClaim("ada", BEARER, NOT_VALID)


def step(mechanism: str, responses: list[bytes], certificate: str = "") -> LoginStep:
    """A step of an exchange, without a channel binding."""
    return LoginStep(
        session="s1",
        exchange="e1",
        client_address="192.0.2.1",
        listener="submission",
        mechanism=mechanism,
        responses=tuple(responses),
        certificate=certificate,
    )


PLAIN_CASES = [
    # what it shows, responses, expected
    ("no initial response is asked for", [], Challenge(b"")),
    ("name and secret", [b"\0ada\0s3cret"], ADA),
    ("the same authzid", [b"ada\0ada\0s3cret"], ADA),
    ("another authzid is refused as a wrong secret is", [b"bob\0ada\0s3cret"], ANOTHER),
    ("an authzid in other letters", [b"ADA\0ada\0s3cret"], ANOTHER),
    ("empty response", [b""], Malformed()),
    ("no NUL", [b"ada s3cret"], Malformed()),
    ("one NUL", [b"ada\0s3cret"], Malformed()),
    ("three NULs", [b"\0ada\0s3cret\0"], Malformed()),
    ("a NUL in the secret", [b"\0ada\0s3\0cret"], Malformed()),
    ("empty name", [b"\0\0s3cret"], Malformed()),
    ("empty secret", [b"\0ada\0"], Malformed()),
    ("name is no UTF-8", [b"\0ad\xe4\0s3cret"], Malformed()),
    ("secret is no UTF-8", [b"\0ada\0s3cr\xe9t"], Malformed()),
    ("UTF-8 beyond ASCII", ["\0adä\0gehéim".encode()], SecretClaim("adä", "gehéim")),
    ("a line end in the name", [b"\0ada\nroot\0s3cret"], Malformed()),
    ("a line end after the secret", [b"\0ada\0s3cret\n"], CONTROL),
    ("a control character beyond ASCII", ["\0ada\0s3\u0085cret".encode()], CONTROL),
    ("two responses", [b"\0ada\0s3cret", b"\0ada\0s3cret"], Malformed()),
]

LOGIN_CASES = [
    # what it shows, responses, expected
    ("the name is asked for", [], Challenge(b"Username:")),
    ("then the secret", [b"ada"], Challenge(b"Password:")),
    ("name and secret", [b"ada", b"s3cret"], ADA),
    ("empty name", [b"", b"s3cret"], Malformed()),
    ("empty secret", [b"ada", b""], Malformed()),
    ("name is no UTF-8", [b"ad\xe4", b"s3cret"], Malformed()),
    ("secret is no UTF-8", [b"ada", b"\xff"], Malformed()),
    ("a NUL in the name", [b"ada\0root", b"s3cret"], Malformed()),
    ("a NUL in the secret", [b"ada", b"s3\0cret"], CONTROL),
    ("a line end in the name", [b"ada\r\nroot", b"s3cret"], Malformed()),
    ("three responses", [b"ada", b"s3cret", b"s3cret"], Malformed()),
]

EXTERNAL_CASES = [
    # what it shows, responses, certificate, expected
    ("no initial response is asked for", [], FINGERPRINT, Challenge(b"")),
    ("the certificate alone decides", [b""], FINGERPRINT, CertificateClaim(FINGERPRINT, "")),
    ("an authzid is to be compared", [b"ada"], FINGERPRINT, CertificateClaim(FINGERPRINT, "ada")),
    ("a fingerprint in capitals", [b""], FINGERPRINT.upper(), CertificateClaim(FINGERPRINT, "")),
    ("no certificate", [b""], "", Refused("no client certificate")),
    ("no certificate and an authzid", [b"ada"], "", Refused("no client certificate")),
    ("no UTF-8", [b"ad\xe4"], FINGERPRINT, Malformed()),
    ("a NUL", [b"ada\0"], FINGERPRINT, Malformed()),
    ("two responses", [b"", b""], FINGERPRINT, Malformed()),
]

OAUTHBEARER_CASES = [
    # what it shows, responses, expected
    ("no initial response is asked for", [], Challenge(b"")),
    ("of RFC 7628", [b"n,a=ada,\1host=server.example.com\1port=143\1auth=Bearer vF9d.-_~+/==\1\1"], TOKEN),
    ("the token alone decides", [b"n,,\1auth=Bearer vF9d.-_~+/==\1\1"], TokenClaim("", BEARER, NOT_VALID)),
    ("who could bind to a channel", [b"y,a=ada,\1auth=Bearer vF9d.-_~+/==\1\1"], TOKEN),
    ("the scheme in other letters", [b"n,a=ada,\1auth=bearer  vF9d.-_~+/==\1\1"], TOKEN),
    ("a key that is not known", [b"n,a=ada,\1qs=a=b\1auth=Bearer vF9d.-_~+/==\1\1"], TOKEN),
    ("an escaped name", [b"n,a=a=2Cd=3Da,\1auth=Bearer t\1\1"], TokenClaim("a,d=a", "t", NOT_VALID)),
    ("a name in UTF-8", ["n,a=adä,\1auth=Bearer t\1\1".encode()], TokenClaim("adä", "t", NOT_VALID)),
    ("no token yet", [b"n,a=ada,\1auth=Bearer \1\1"], TokenClaim("ada", "", NOT_VALID)),
    ("no token and no scheme", [b"n,a=ada,\1auth=\1\1"], TokenClaim("ada", "", NOT_VALID)),
    ("the end of an exchange that failed", [b"n,,\1auth=Bearer t\1\1", b"\1"], Refused("the token was refused")),
    ("another end", [b"n,,\1auth=Bearer t\1\1", b""], Malformed()),
    ("two ends", [b"n,,\1auth=Bearer t\1\1", b"\1", b"\1"], Malformed()),
    ("the end alone", [b"\1"], Malformed()),
    ("empty", [b""], Malformed()),
    ("bound to a channel, which this mechanism cannot", [b"p=tls-unique,,\1auth=Bearer t\1\1"], Malformed()),
    ("no header", [b"auth=Bearer t\1\1"], Malformed()),
    ("a header that does not end", [b"n,a=ada\1auth=Bearer t\1\1"], Malformed()),
    ("an empty name", [b"n,a=,\1auth=Bearer t\1\1"], Malformed()),
    ("an escape that is none", [b"n,a=a=41,\1auth=Bearer t\1\1"], Malformed()),
    ("an escape in small letters", [b"n,a=a=2c,\1auth=Bearer t\1\1"], Malformed()),
    ("half an escape", [b"n,a=a=,\1auth=Bearer t\1\1"], Malformed()),
    ("a line end in the name", [b"n,a=a\nb,\1auth=Bearer t\1\1"], Malformed()),
    ("name is no UTF-8", [b"n,a=\xe4,\1auth=Bearer t\1\1"], Malformed()),
    ("no auth", [b"n,a=ada,\1host=x\1\1"], Malformed()),
    ("auth twice", [b"n,,\1auth=Bearer t\1auth=Bearer u\1\1"], Malformed()),
    ("another scheme", [b"n,,\1auth=Basic dDp0\1\1"], Malformed()),
    ("two tokens", [b"n,,\1auth=Bearer t u\1\1"], Malformed()),
    ("a token with a NUL", [b"n,,\1auth=Bearer t\0\1\1"], Malformed()),
    ("a line end behind the token", [b"n,,\1auth=Bearer t\n\1\1"], Malformed()),
    ("one octet is missing", [b"n,,\1auth=Bearer t\1"], Malformed()),
    ("one octet too many", [b"n,,\1auth=Bearer t\1\1\1"], Malformed()),
    ("something behind the end", [b"n,,\1auth=Bearer t\1\1x"], Malformed()),
    ("what XOAUTH2 says", [b"user=ada\1auth=Bearer t\1\1"], Malformed()),
]

XOAUTH2_CASES = [
    # what it shows, responses, expected
    ("no initial response is asked for", [], Challenge(b"")),
    ("Google's example", [b"user=ada\1auth=Bearer vF9d.-_~+/==\1\1"], TokenClaim("ada", BEARER, NOT_VALID_X)),
    ("the token alone decides", [b"user=\1auth=Bearer t\1\1"], TokenClaim("", "t", NOT_VALID_X)),
    ("nothing is escaped", [b"user=a=2Cb\1auth=Bearer t\1\1"], TokenClaim("a=2Cb", "t", NOT_VALID_X)),
    ("the end of an exchange that failed", [b"user=ada\1auth=Bearer t\1\1", b""], Refused("the token was refused")),
    ("as the other mechanism ends", [b"user=ada\1auth=Bearer t\1\1", b"\1"], Refused("the token was refused")),
    ("another end", [b"user=ada\1auth=Bearer t\1\1", b"x"], Malformed()),
    ("no user", [b"auth=Bearer t\1\1"], Malformed()),
    ("a line end in the name", [b"user=a\rb\1auth=Bearer t\1\1"], Malformed()),
    ("name is no UTF-8", [b"user=\xff\1auth=Bearer t\1\1"], Malformed()),
    ("what OAUTHBEARER says", [b"n,a=ada,\1auth=Bearer t\1\1"], Malformed()),
    ("one octet is missing", [b"user=ada\1auth=Bearer t\1"], Malformed()),
    ("empty", [b""], Malformed()),
]

UNKNOWN_CASES = [
    # what it shows, mechanism
    ("none that anybody has", "MAGIC"),
    ("one that is not offered", "CRAM-MD5"),
    ("an older hash", "SCRAM-SHA-1"),
    ("letter case is the gateway's to fold", "plain"),
    ("empty", ""),
]


@pytest.mark.parametrize(("responses", "expected"), [c[1:] for c in PLAIN_CASES], ids=[c[0] for c in PLAIN_CASES])
def test_plain(responses: list[bytes], expected: Step) -> None:
    """RFC 4616: one response of three parts, and nobody acts for somebody else."""
    assert next_step(step("PLAIN", responses)) == expected


@pytest.mark.parametrize(("responses", "expected"), [c[1:] for c in LOGIN_CASES], ids=[c[0] for c in LOGIN_CASES])
def test_login(responses: list[bytes], expected: Step) -> None:
    """Two prompts with the text that clients compare, then a claim."""
    assert next_step(step("LOGIN", responses)) == expected


@pytest.mark.parametrize(
    ("responses", "certificate", "expected"), [c[1:] for c in EXTERNAL_CASES], ids=[c[0] for c in EXTERNAL_CASES]
)
def test_external(responses: list[bytes], certificate: str, expected: Step) -> None:
    """RFC 4422 appendix A: TLS has proven the key; the one response says as whom, or nothing."""
    assert next_step(step("EXTERNAL", responses, certificate)) == expected


@pytest.mark.parametrize(
    ("responses", "expected"), [c[1:] for c in OAUTHBEARER_CASES], ids=[c[0] for c in OAUTHBEARER_CASES]
)
def test_oauthbearer(responses: list[bytes], expected: Step) -> None:
    """RFC 7628: a header, pairs, and a token; after an error one octet."""
    assert next_step(step("OAUTHBEARER", responses)) == expected


@pytest.mark.parametrize(("responses", "expected"), [c[1:] for c in XOAUTH2_CASES], ids=[c[0] for c in XOAUTH2_CASES])
def test_xoauth2(responses: list[bytes], expected: Step) -> None:
    """The same without a header; after an error nothing."""
    assert next_step(step("XOAUTH2", responses)) == expected


@given(st.binary(max_size=60))
def test_whatever_a_client_says_is_a_claim_or_malformed(response: bytes) -> None:
    """No octets make the two mechanisms with tokens fail in another way."""
    for message in (response, b"n,a=" + response, b"user=" + response, b"n,,\1auth=Bearer " + response + b"\1\1"):
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            assert isinstance(next_step(step(mechanism, [message])), TokenClaim | Malformed)


@pytest.mark.parametrize("mechanism", [c[1] for c in UNKNOWN_CASES], ids=[c[0] for c in UNKNOWN_CASES])
@pytest.mark.parametrize("responses", [[], [b"\0ada\0s3cret"]], ids=["first step", "second step"])
def test_an_unknown_mechanism_is_malformed(mechanism: str, responses: list[bytes]) -> None:
    """What is not in the table is neither asked nor answered."""
    assert next_step(step(mechanism, responses)) == Malformed()


def test_the_table_holds_the_mechanisms_that_are_announced() -> None:
    """A mechanism that was added without a table of cases is noticed."""
    shipped = {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"}
    assert set(MECHANISMS) == shipped | {"OAUTHBEARER", "XOAUTH2"} == set(get_args(Mechanism))


def test_a_secret_is_in_no_repr() -> None:
    """Whatever prints a claim, a traceback or an assertion, does not print the secret."""
    assert "s3cret" not in repr(ADA)
    assert "s3cret" not in f"{ADA}"
    assert "ada" in repr(ADA)
    assert BEARER not in repr(TOKEN)
