"""What each SASL mechanism says next: one table for each, no socket and no store."""

import pytest

from policy.sasl import MECHANISMS, Challenge, Claim, Malformed, Step, next_step

ADA = Claim("ada", "s3cret")

PLAIN_CASES = [
    # what it shows, responses, expected
    ("no initial response is asked for", [], Challenge(b"")),
    ("name and secret", [b"\0ada\0s3cret"], ADA),
    ("the same authzid", [b"ada\0ada\0s3cret"], ADA),
    ("another authzid", [b"bob\0ada\0s3cret"], Malformed()),
    ("an authzid in other letters", [b"ADA\0ada\0s3cret"], Malformed()),
    ("empty response", [b""], Malformed()),
    ("no NUL", [b"ada s3cret"], Malformed()),
    ("one NUL", [b"ada\0s3cret"], Malformed()),
    ("three NULs", [b"\0ada\0s3cret\0"], Malformed()),
    ("a NUL in the secret", [b"\0ada\0s3\0cret"], Malformed()),
    ("empty name", [b"\0\0s3cret"], Malformed()),
    ("empty secret", [b"\0ada\0"], Malformed()),
    ("name is no UTF-8", [b"\0ad\xe4\0s3cret"], Malformed()),
    ("secret is no UTF-8", [b"\0ada\0s3cr\xe9t"], Malformed()),
    ("UTF-8 beyond ASCII", ["\0adä\0gehéim".encode()], Claim("adä", "gehéim")),
    ("a line end in the name", [b"\0ada\nroot\0s3cret"], Malformed()),
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
    ("a line end in the name", [b"ada\r\nroot", b"s3cret"], Malformed()),
    ("three responses", [b"ada", b"s3cret", b"s3cret"], Malformed()),
]

UNKNOWN_CASES = [
    # what it shows, mechanism
    ("none that anybody has", "MAGIC"),
    ("one that is not offered", "CRAM-MD5"),
    ("letter case is the gateway's to fold", "plain"),
    ("empty", ""),
]


@pytest.mark.parametrize(("responses", "expected"), [c[1:] for c in PLAIN_CASES], ids=[c[0] for c in PLAIN_CASES])
def test_plain(responses: list[bytes], expected: Step) -> None:
    """RFC 4616: one response of three parts, and nobody acts for somebody else."""
    assert next_step("PLAIN", responses) == expected


@pytest.mark.parametrize(("responses", "expected"), [c[1:] for c in LOGIN_CASES], ids=[c[0] for c in LOGIN_CASES])
def test_login(responses: list[bytes], expected: Step) -> None:
    """Two prompts with the text that clients compare, then a claim."""
    assert next_step("LOGIN", responses) == expected


@pytest.mark.parametrize("mechanism", [c[1] for c in UNKNOWN_CASES], ids=[c[0] for c in UNKNOWN_CASES])
@pytest.mark.parametrize("responses", [[], [b"\0ada\0s3cret"]], ids=["first step", "second step"])
def test_an_unknown_mechanism_is_malformed(mechanism: str, responses: list[bytes]) -> None:
    """What is not in the table is neither asked nor answered."""
    assert next_step(mechanism, responses) == Malformed()


def test_the_table_holds_the_two_mechanisms_that_are_announced() -> None:
    """A mechanism that was added without a table of cases here is noticed."""
    assert set(MECHANISMS) == {"PLAIN", "LOGIN"}


def test_a_secret_is_in_no_repr() -> None:
    """Whatever prints a claim, a traceback or an assertion, does not print the secret."""
    assert "s3cret" not in repr(ADA)
    assert "s3cret" not in f"{ADA}"
    assert "ada" in repr(ADA)
