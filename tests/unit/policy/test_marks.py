"""Marks: one for all spellings of an address, signed 64 bits, and none without the key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.contract import canonical_address
from policy.marks import Marks

KEY = bytes(range(32))
MARKS = Marks(KEY)

SPELLINGS = [
    ("letter case", "Bob@Example.ORG", "bob@example.org"),
    ("a dot behind the domain", "bob@example.org.", "bob@example.org"),
    ("Unicode and A-labels", "bob@bücher.example", "bob@xn--bcher-kva.example"),
    ("full-width letters", "\uff42\uff4f\uff42@example.org", "bob@example.org"),
]
OTHERS = [
    ("another local part", "bobby@example.org", "bob@example.org"),
    ("a detail", "bob+list@example.org", "bob@example.org"),
    ("another domain", "bob@example.org.evil.test", "bob@example.org"),
    ("sz is not ss", "groß@example.org", "gross@example.org"),
]


@pytest.mark.parametrize(("given", "same"), [case[1:] for case in SPELLINGS], ids=[case[0] for case in SPELLINGS])
def test_spellings_of_an_address_have_one_mark(given: str, same: str) -> None:
    """Otherwise whoever spells differently would be a stranger, or be known by an accident."""
    assert MARKS.recipient(given) == MARKS.recipient(same)


@pytest.mark.parametrize(("given", "other"), [case[1:] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_other_addresses_have_other_marks(given: str, other: str) -> None:
    assert MARKS.recipient(given) != MARKS.recipient(other)


@given(text=st.text())
def test_a_mark_is_an_integer_of_a_database(text: str) -> None:
    """Of any text that a stranger may choose: total, and within 64 bits."""
    assert -(2**63) <= MARKS.recipient(text) < 2**63
    assert MARKS.recipient(text) == MARKS.text(canonical_address(text))


def test_what_is_no_utf_8_has_a_mark_too() -> None:
    """A lone surrogate comes out of octets that are none."""
    assert MARKS.recipient("bob\udce4@example.org") != MARKS.recipient("bob@example.org")


def test_marks_are_keyed() -> None:
    """With another key nothing is known, and the digest key itself hashes nothing: a digest is no mark."""
    assert Marks(bytes(32)).recipient("bob@example.org") != MARKS.recipient("bob@example.org")


def test_marks_stay_what_they_are() -> None:
    """A version that made others would take everybody's recipients for strangers."""
    assert MARKS.recipient("bob@example.org") == -353_871_515_871_127_654
    assert MARKS.text("192.0.2.0/24") == -8_194_500_353_427_858_884
