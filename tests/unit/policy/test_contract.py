"""What both services have to agree on: the canonical form of an address, and whom it belongs to."""

import itertools
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policy.contract import Owned, canonical_address

CASES = [
    # what it shows, address, canonical form
    ("letter case does not matter", "Ada@Example.ORG", "ada@example.org"),
    ("a trailing dot does not matter", "ada@example.org.", "ada@example.org"),
    ("two trailing dots are no domain", "ada@example.org..", "ada@example.org.."),
    ("letters beyond ASCII have case, too", "ÄDA@Example.org", "äda@example.org"),
    ("a letter and its mark are one letter", "a\u0308da@example.org", "äda@example.org"),
    ("full-width letters are letters", "\uff41\uff24\uff41@example.org", "ada@example.org"),
    ("a ligature is its letters", "\ufb01x@example.org", "fix@example.org"),
    ("the sign for Kelvin is a K", "\u212aay@example.org", "kay@example.org"),
    ("a full-width at sign makes no address", "ada\uff20bank.example", "ada\uff20bank.example"),
    ("nor does it move the domain", "ceo\uff20bank.example@example.org", "ceo\uff20bank.example@example.org"),
    ("sz is not ss", "straße@example.org", "straße@example.org"),
    ("a capital sz is sz", "STRAẞE@example.org", "straße@example.org"),
    ("SS is ss", "STRASSE@example.org", "strasse@example.org"),
    ("two small sigmas have one capital", "οδος@example.org", "οδοσ@example.org"),
    ("which is either of them", "ΟΔΟΣ@example.org", "οδοσ@example.org"),
    ("a dotless i is no i", "\u0131@example.org", "\u0131@example.org"),
    ("a capital I is an i everywhere", "I@example.org", "i@example.org"),
    ("a capital I with a dot keeps it", "İ@example.org", "i\u0307@example.org"),
    ("a domain in Unicode is one in ASCII", "ada@bücher.example", "ada@xn--bcher-kva.example"),
    ("whatever the case of either", "ada@BÜCHER.Example", "ada@xn--bcher-kva.example"),
    ("and of the ASCII one", "ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
    ("an ideographic full stop is a dot", "ada@bücher\u3002example", "ada@xn--bcher-kva.example"),
    ("two domains that casefold() takes for one are two", "ada@straße.example", "ada@xn--strae-oqa.example"),
    ("and so are those of two sigmas", "ada@οδος.example", "ada@xn--pxavbm.example"),
    ("a domain that IDNA does not know stays what it is", "ada@\u2603.example", "ada@\u2603.example"),
    ("also where the A-label stands for nothing", "ada@XN--99999999.example", "ada@xn--99999999.example"),
    ("labels of ASCII need not be host names", "ada@R3---_x.Example", "ada@r3---_x.example"),
    ("also beside one that is not ASCII", "ada@r3---x.bücher.example", "ada@r3---x.xn--bcher-kva.example"),
    ("a whole domain", "@Bücher.Example.", "@xn--bcher-kva.example"),
    ("the last at sign counts", '"a@B"@Example.org', '"a@b"@example.org'),
    ("a name without a domain", "Postmaster", "postmaster"),
    ("nothing", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("address", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_canonical_address(address: str, expected: str) -> None:
    """One form for each address, and no form for two owners."""
    assert canonical_address(address) == expected
    assert canonical_address(expected) == expected


# Letters that fold, compose, decompose or vanish in some form or other, and what addresses are made of.
ODD = (
    "aAsSkKiIxn--@..+²ß\u1e9e\u017f\u212a\u0131\u0130\u0307\u03c2\u03c3\u03a3\u0345\u03b9\u1fb3\u1fbc\u0308\u0327\u01f0"
    "\u0149\ufb01\uff41\uff20\ufe6b\uff0e\u3002\u200b\u00ad\u2603\ud800\u05d0\u0660"
)
TEXTS = st.text() | st.text(alphabet=ODD, max_size=12) | st.text(alphabet=ODD, max_size=300)


@given(TEXTS)
@example("ada@xn--a")
@example("ada@xn---")
@example("\u1e9e\u0345@\u1e9e")
def test_the_canonical_form_is_its_own(text: str) -> None:
    """For whatever text: nothing raises, and no second look gives another form."""
    canonical = canonical_address(text)
    assert canonical_address(canonical) == canonical


def test_the_canonical_form_of_each_character_is_its_own() -> None:
    """Every code point, in the local part and in the domain."""
    for number in itertools.chain(range(0x3100), range(0xA000, 0x12000), range(0x1D000, 0x20000)):
        one = chr(number)
        canonical = canonical_address(f"{one}\u0345x{one}@{one}.example")
        assert canonical_address(canonical) == canonical, hex(number)


@given(TEXTS)
def test_letter_case_does_not_matter(text: str) -> None:
    """Of every letter that has one small and one capital form."""
    plain = "".join(one for one in text if len(one.upper()) == len(one.lower()) == 1 and one.upper().lower() == one)
    if unicodedata.is_normalized("NFKC", plain) and unicodedata.is_normalized("NFKC", plain.upper()):
        local, _, domain = plain.rpartition("@")
        assert canonical_address(f"{local.upper()}@x.example") == canonical_address(f"{local}@x.example")
        if (small := canonical_address(f"x@{domain}y.example")).isascii():  # a domain that is valid
            assert canonical_address(f"x@{domain.upper()}y.example") == small


@given(TEXTS)
def test_no_at_sign_is_made_and_none_is_lost(text: str) -> None:
    """Or somebody's address would be another one's."""
    assert canonical_address(text).count("@") == text.count("@")


LABELS = st.text(alphabet="abcäöüßéñ\u03b1\u03b2\u03b3\u03b4\u03c2\u03c3жщя\u4f60\u597d", min_size=1, max_size=20)


@given(st.lists(LABELS, min_size=1, max_size=4))
def test_a_domain_is_one_in_either_form(labels: list[str]) -> None:
    """U-labels and A-labels (RFC 5890 section 2.3.2.1), in each mixture."""
    encoded = [one if one.isascii() else "xn--" + one.encode("punycode").decode() for one in labels]
    expected = canonical_address("ada@" + ".".join(encoded))
    assert expected.isascii()
    for mixture in itertools.product(*zip(labels, encoded, strict=True)):
        assert canonical_address("ada@" + ".".join(mixture)) == expected


@pytest.mark.parametrize("unit", ["\u0300\u0327", "a", "ä", "@", "\u3002", "x.", "\ufdfa", "xn--\u4f60."])
def test_length_costs_no_more_than_length(unit: str) -> None:
    """Half a megabyte, whose normal form takes minutes."""
    began = time.process_time()
    for text in (unit * 250_000, unit * 250_000 + "@x.example", "ada@" + unit * 250_000, unit * 120 + "@" + unit * 120):
        canonical_address(text)
    assert time.process_time() - began < 2


OWNED = Owned(
    addresses=frozenset({"ada@example.org", "ada@xn--bcher-kva.example", "bob@example.org"}),
    subaddressed=frozenset({"ada@example.org"}),
    domains=frozenset({"shop.example"}),
)
COVERED = [
    # what it shows, address, whether it is owned
    ("an address", "ada@example.org", True),
    ("in another spelling", "ADA@Example.Org.", True),
    ("in Unicode", "ada@bücher.example", True),
    ("another domain", "ada@example.net", False),
    ("a domain that goes on", "ada@example.org.evil.example", False),
    ("a local part that goes on", "x.ada@example.org", False),
    ("a subaddress", "ada+lists@example.org", True),
    ("a subaddress of several parts", "Ada+lists+more@example.org", True),
    ("a subaddress without a detail", "ada+@example.org", True),
    ("a subaddress of an address that has none", "bob+lists@example.org", False),
    ("a subaddress of nobody", "+lists@example.org", False),
    ("a subaddress in another domain", "ada+x@bücher.example", False),
    ("another delimiter", "ada-lists@example.org", False),
    ("an address within an own domain", "anybody@shop.example", True),
    ("a subaddress there", "any+body@SHOP.example", True),
    ("its subdomain is another domain", "anybody@x.shop.example", False),
    ("its superdomain, too", "anybody@example", False),
    ("a domain is no address", "@shop.example", False),
    ("an address with a domain of ours in front", "x@shop.example@evil.example", False),
    ("a domain of ours behind another at sign", "ceo@bank.example@shop.example", True),
    ("nothing", "", False),
    ("an at sign", "@", False),
    ("a name", "ada", False),
]


@pytest.mark.parametrize(("address", "expected"), [c[1:] for c in COVERED], ids=[c[0] for c in COVERED])
def test_covers(address: str, expected: bool) -> None:
    """What an identity may send as."""
    assert OWNED.covers(address) is expected


@given(TEXTS)
def test_who_owns_nothing_covers_nothing(text: str) -> None:
    """Whatever is asked."""
    assert not Owned().covers(text)
