"""Codes of authenticator applications and recovery codes."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.people.second_factors import (
    RECOVERY_CODES,
    STEP_S,
    new_recovery_codes,
    new_seed,
    offer,
    recovery_digest,
    seal,
    step_of,
    unseal,
)

KEY = bytes(range(32))
RFC_SEED = b"12345678901234567890"

# RFC 6238 appendix B, SHA-1, the last six of its eight digits
RFC_CASES = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.mark.parametrize(("now", "code"), RFC_CASES)
def test_codes_are_those_of_the_rfc(now: int, code: str) -> None:
    """Every application makes these."""
    assert step_of(RFC_SEED, code, 0, now) == now // STEP_S


@pytest.mark.parametrize(("late", "is_taken"), [(-61, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_one_step_off(late: int, is_taken: bool) -> None:
    now, code = RFC_CASES[2]
    assert (step_of(RFC_SEED, code, 0, now + late) is not None) == is_taken


def test_a_step_is_not_taken_twice() -> None:
    """Nor one before it, after a later one was taken."""
    now, code = RFC_CASES[1]
    step = now // STEP_S
    assert step_of(RFC_SEED, code, step, now) is None
    assert step_of(RFC_SEED, code, step + 1, now) is None
    assert step_of(RFC_SEED, code, step - 1, now) == step


@pytest.mark.parametrize("code", ["", "28708", "2870820", "28708a", "２８７０８２", "287\u00a0082", "\ud800", "-87082"])  # noqa: RUF001
def test_what_is_no_code(code: str) -> None:
    assert step_of(RFC_SEED, code, 0, 59) is None


def test_a_blank_between_the_digits_does_not_matter() -> None:
    """Applications show one."""
    assert step_of(RFC_SEED, " 287 082 ", 0, 59) == 1


def test_the_uri_is_what_applications_read() -> None:
    seed = new_seed()
    made = offer(seed, "ada lovelace", "mail.example.org")
    uri = urlsplit(made.uri)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/mail.example.org:ada%20lovelace"
    query = {name: values[0] for name, values in parse_qs(uri.query).items()}
    assert base64.b32decode(query.pop("secret")) == seed
    assert query == {"issuer": "mail.example.org", "algorithm": "SHA1", "digits": "6", "period": "30"}
    assert base64.b32decode(made.secret.replace(" ", "")) == seed
    assert "secret" not in repr(made)


def test_a_sealed_seed_opens_for_its_owner_alone() -> None:
    """Not with another key, nor in another person's row, nor when it was changed."""
    seed = new_seed()
    sealed = seal(seed, KEY, 7)
    assert seed not in sealed
    assert unseal(sealed, KEY, 7) == seed
    assert unseal(sealed, bytes(32), 7) is None
    assert unseal(sealed, KEY, 8) is None
    assert unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), KEY, 7) is None
    assert seal(seed, KEY, 7) != sealed


def test_recovery_codes_are_many_different_ones() -> None:
    """Each of 10 letters out of 31: 49 bits."""
    codes = new_recovery_codes()
    assert len(set(codes)) == RECOVERY_CODES
    assert all(len(code) == 11 and code[5] == "-" for code in codes)
    assert not set(codes) & set(new_recovery_codes())


@given(st.sampled_from(new_recovery_codes()))
def test_a_recovery_code_may_be_typed_as_it_comes(code: str) -> None:
    """In capitals, without its hyphen, with blanks; but it is one person's."""
    digest = recovery_digest(code, KEY, 7)
    assert recovery_digest(f" {code.upper().replace('-', ' ')} ", KEY, 7) == digest
    assert recovery_digest(code, KEY, 8) != digest
    assert recovery_digest(code, bytes(32), 7) != digest
