"""Names that show an address: which are refused, and which people have."""

# ruff: noqa: RUF001 - look-alikes are what is tested here

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.contract import Owned
from policy.engine.imitation import shows_foreign_address

OWNED = Owned(
    addresses=frozenset({"ada@example.org", "ädä@xn--bcher-kva.example", "o'brien@example.org"}),
    subaddressed=frozenset({"ada@example.org"}),
    domains=frozenset({"shop.example"}),
)

HONEST = [
    # what it shows, name
    ("nothing", ""),
    ("a name", "Ada Lovelace"),
    ("a name with dots and a title", "Ada K. Lovelace, Ph.D."),
    ("a name of another script", "Γιώργος Παπαδόπουλος"),
    ("a name written from right to left", "\u200fדוד לוי\u200f"),
    ("an emoji with its joiners", "Ada 👩\u200d🔬"),
    ("a place of work", "Alice @ Work"),
    ("a place", "Team @Home"),
    ("a place without blanks", "Alice@Work"),
    ("a handle", "@ada"),
    ("a handle that is a domain, and nothing before it", "@ada.example.net"),
    ("such a handle in brackets", "Ada (@ada.example.net)"),
    ("a company's domain without at sign", "Example.net Support"),
    ("at sign and number", "Ada @ 3.5"),
    ("an abbreviation behind the place", "Ada @ St. Mary's"),
    ("the own address", "ada@example.org"),
    ("in other letters", "ADA@Example.ORG"),
    ("in the quotes that some programs add", "'ada@example.org'"),
    ("in brackets", "Ada <ada@example.org>"),
    ("behind a colon", "mailto:ada@example.org"),
    ("with an apostrophe of its own", "o'brien@example.org"),
    ("at the end of a sentence", "Write to ada@example.org."),
    ("before a comma", "ada@example.org, Example Inc."),
    ("its subaddress", "ada+lists@example.org"),
    ("in Unicode", "ädä@bücher.example"),
    ("any address of the own domain", "sales@shop.example"),
    ("the own domain behind blanks", "Alice @ Example.org"),
    ("the own domain behind (at)", "alice (at) example.org"),
    ("the same with the sign itself", "alice (@) example [.] org"),
    ("the own whole domain behind blanks", "Alice @ shop.example"),
    ("two own addresses", "ada@example.org, ada+x@example.org"),
]
FOREIGN = [
    ("an address", "ceo@bank.example"),
    ("within a sentence", "Mail from ceo@bank.example here"),
    ("with the at sign in brackets", "ceo [@] bank.example"),
    ("with the dot in brackets", "ceo@bank[.]example"),
    ("in brackets", "The CEO <ceo@bank.example>"),
    ("in round brackets", "The CEO (ceo@bank.example)"),
    ("behind the own one", "ada@example.org ceo@bank.example"),
    ("before the own one", "ceo@bank.example via ada@example.org"),
    ("a colleague's", "bob@example.org"),
    ("a subdomain of the own domain", "x@sub.shop.example"),
    ("the own address that goes on", "ada@example.org.bank.example"),
    ("the own address that goes on behind two dots", "ada@example.org..bank.example"),
    ("the own address that goes on behind a hyphen", "ada@example.org\u2011bank.example"),
    ("the own address as another's local part", "ada@example.org@bank.example"),
    ("another's address as the own one's local part", "ceo@bank.example@example.org"),
    ("a full-width at sign", "ceo\uff20bank.example"),
    ("a small at sign", "ceo\ufe6bbank.example"),
    ("a circled a", "ceo\u24d0bank.example"),
    ("full-width letters", "\uff43\uff45\uff4f@\uff42\uff41\uff4e\uff4b\uff0e\uff45\uff58"),
    ("an ideographic full stop", "ceo@bank\u3002example"),
    ("a middle dot", "ceo@bank\u00b7example"),
    ("a one dot leader", "ceo@bank\u2024example"),
    ("a dot of Lisu", "ceo@bank\ua4f8example"),
    ("a zero-width space in the domain", "ceo@ba\u200bnk.exa\u200bmple"),
    ("a zero-width space at the at sign", "ceo\u200b@\u200bbank.example"),
    ("a soft hyphen", "ceo@bank.ex\u00adample"),
    ("a word joiner behind the dot", "ceo@bank.\u2060example"),
    ("a variation selector", "ceo@\ufe0fbank.example"),
    ("a Hangul filler", "ceo@\u3164bank.example"),
    ("a hair space", "ceo@bank\u200a.example"),
    ("marks of direction", "\u200eceo@bank.example\u200e"),
    ("an isolate", "\u2066ceo@bank\u2069.example"),
    ("an override", "\u202eelpmaxe.knab@oec\u202c"),
    ("combining marks", "c\u0336e\u0336o\u0336@\u0336b\u0336a\u0336n\u0336k\u0336.e\u0336x\u0336"),
    ("Cyrillic letters", "сео@bаnk.ехаmрlе"),
    ("the own address with a Cyrillic letter", "аdа@example.org"),
    ("an emoji as a domain", "ceo@\U0001f3e6.example"),
    ("blanks around the at sign", "ceo @ bank.example"),
    ("a blank before it", "ceo @bank.example"),
    ("a blank behind it", "ceo@ bank.example"),
    ("a tab and an ideographic space", "ceo\t@\u3000bank.example"),
    ("(at)", "ceo(at)bank.example"),
    ("[at] and [dot]", "ceo [AT] bank [dot] example"),
    ("a quote before the at sign", '"ceo"@bank.example'),
    ("a closing bracket before it", "<ceo>@bank.example"),
    ("a number first in the domain", "ceo@1.bank.example"),
    ("a number behind the domain", "ada@example.org.1"),
    ("an A-label", "ceo@xn--bcher-kva.xn--p1ai"),
    ("a trailing dot", "ceo@bank.example."),
    ("a name that is too long to look at", "x" * 2001),
    ("a line end within", "ceo@\r\nbank.example"),
]


@pytest.mark.parametrize("name", [case[1] for case in HONEST], ids=[case[0] for case in HONEST])
def test_names_that_people_have(name: str) -> None:
    """A name, a place, or an own address."""
    assert not shows_foreign_address(name, OWNED)


@pytest.mark.parametrize("name", [case[1] for case in FOREIGN], ids=[case[0] for case in FOREIGN])
def test_names_that_show_an_address(name: str) -> None:
    """What a reader takes for an address of somebody else."""
    assert shows_foreign_address(name, OWNED)


@given(st.text(max_size=80))
def test_without_an_at_sign_there_is_no_address(name: str) -> None:
    """Whatever else there is."""
    plain = "".join(one for one in name if (one.isalnum() and one.isascii()) or one in " .,-'")
    assert not shows_foreign_address(plain, OWNED)


EDGES = st.text(alphabet=" .,;:!?-_'\"()[]<>Aa1ä\u200b\u00ad", max_size=12)


@given(EDGES, EDGES)
def test_what_stands_around_an_address_hides_nothing(before: str, behind: str) -> None:
    """With anything before its local part and behind its domain."""
    assert shows_foreign_address(f"{before}x{'ceo@bank.example'}{behind}", OWNED)


@given(st.lists(st.sampled_from("\u200b\u200d\u00ad\u2060\ufe0f\u200e\u2066\u034f"), min_size=16, max_size=16))
def test_what_nobody_sees_hides_nothing(unseen: list[str]) -> None:
    """Between all characters."""
    assert shows_foreign_address("".join(map("".join, zip("ceo@bank.example", unseen, strict=True))), OWNED)


@given(st.text(max_size=300))
def test_any_name_is_judged(name: str) -> None:
    """Never an error."""
    assert shows_foreign_address(name, OWNED) in (True, False)


@pytest.mark.parametrize(
    "unit", ["@", "a@", "@a.", "a.", "a.b@", "\u0300\u0327", " ", "(at)", "(", "\ufdfa", "a@b.c@", "-", "x@y.1."]
)
def test_length_costs_no_more_than_length(unit: str) -> None:
    """A hundred of the longest names of one kind."""
    name = (unit * 2000)[:2000]
    began = time.process_time()
    for _ in range(100):
        shows_foreign_address(name, OWNED)
    assert time.process_time() - began < 4
