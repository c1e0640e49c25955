"""Which addresses somebody can own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.addresses import parsed_owner_address
from policy.contract import Owned, canonical_address

CASES = [
    # what it shows, address as given, canonical form or None
    ("an address", "Ada@Example.org", "ada@example.org"),
    ("a subaddress", "ada+x@example.org", "ada+x@example.org"),
    ("a whole domain", "@Example.org", "@example.org"),
    ("a domain in Unicode", "ada@Bücher.example", "ada@xn--bcher-kva.example"),
    ("a whole domain in Unicode", "@bücher.example", "@xn--bcher-kva.example"),
    ("letters of another script", "用户@example.org", "用户@example.org"),
    ("a composed letter", "zoe\u0308@example.org", "zoë@example.org"),
    ("a final sigma", "γιώργος@example.gr", "γιώργοσ@example.gr"),
    ("sz, which Postfix takes for ss", "groß@example.org", None),
    ("an iota that Postfix writes beside its letter", "ᾳ@example.org", None),
    ("what looks like an option", "-ada@example.org", None),
    ("no domain", "ada", None),
    ("no local part and no domain", "@", None),
    ("nothing", "", None),
    ("a domain of one label", "ada@localhost", None),
    ("an IP address", "ada@192.0.2.1", None),
    ("an address literal", "ada@[192.0.2.1]", None),
    ("a domain that IDNA does not know", "ada@\u2603.example", None),
    ("an underscore in the domain", "ada@ex_ample.org", None),
    ("an empty label", "ada@example..org", None),
    ("a blank", "ada @example.org", None),
    ("a line end", "ada@example.org\n", None),
    ("two at signs", "ada@bank.example@example.org", None),
    ("a full-width at sign before the real one", "ada\uff20bank.example@example.org", None),
    ("a full-width at sign alone", "ada\uff20example.org", None),
    ("a route with a percent sign", "ada%bank.example@example.org", None),
    ("a route with an exclamation mark", "bank!ada@example.org", None),
    ("a quoted local part", '"ada"@example.org', None),
    ("a dot in front", ".ada@example.org", None),
    ("a zero-width space", "a\u200bda@example.org", None),
    ("a change of direction", "a\u202eda@example.org", None),
    ("a variation selector", "ada\ufe0f@example.org", None),
    ("a Hangul filler", "ada\u1160@example.org", None),
    ("a symbol", "ada\u2603@example.org", None),
    ("a private character", "ada\ue000@example.org", None),
    ("65 octets", "a" * 65 + "@example.org", None),
    ("64 octets", "a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ("66 octets in 33 letters", "ä" * 33 + "@example.org", None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_parsed_owner_address(given: str, expected: str | None) -> None:
    """One spelling for every server, or no owner."""
    assert parsed_owner_address(given) == expected


@given(st.text() | st.from_regex(r"[a-zäßς+.]{1,9}@[a-zäßς-]{1,9}\.[a-z]{2,5}", fullmatch=True))
def test_what_is_parsed_is_canonical_and_covers_itself(text: str) -> None:
    """What is stored is what is looked up."""
    parsed = parsed_owner_address(text)
    if parsed is not None:
        assert canonical_address(parsed) == parsed == parsed_owner_address(parsed)
        assert Owned(addresses=frozenset({parsed})).covers(text) is not parsed.startswith("@")
