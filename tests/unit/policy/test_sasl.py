"""What each SASL mechanism says next: one table for each, no socket and no store. SCRAM: test_scram.py."""

import pytest

from policy.contract import LoginStep
from policy.sasl import (
    MECHANISMS,
    CertificateClaim,
    Challenge,
    Malformed,
    Refused,
    SecretClaim,
    Step,
    next_step,
)

ADA = SecretClaim("ada", "s3cret")
ANOTHER = Refused("another authzid")
CONTROL = Refused("a control character in the secret")
FINGERPRINT = "ab" * 32


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


@pytest.mark.parametrize("mechanism", [c[1] for c in UNKNOWN_CASES], ids=[c[0] for c in UNKNOWN_CASES])
@pytest.mark.parametrize("responses", [[], [b"\0ada\0s3cret"]], ids=["first step", "second step"])
def test_an_unknown_mechanism_is_malformed(mechanism: str, responses: list[bytes]) -> None:
    """What is not in the table is neither asked nor answered."""
    assert next_step(step(mechanism, responses)) == Malformed()


def test_the_table_holds_the_mechanisms_that_are_announced() -> None:
    """A mechanism that was added without a table of cases is noticed."""
    assert set(MECHANISMS) == {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"}


def test_a_secret_is_in_no_repr() -> None:
    """Whatever prints a claim, a traceback or an assertion, does not print the secret."""
    assert "s3cret" not in repr(ADA)
    assert "s3cret" not in f"{ADA}"
    assert "ada" in repr(ADA)
