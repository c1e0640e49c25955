"""Header sections of old mail, as broken as they are: what is an address is found, what is none is counted."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.learning.fields import addresses, fields, is_address

FIELDS = [
    # what it shows, the field, its addresses, how many entries are none
    ("one address", "ada@example.org", ["ada@example.org"], 0),
    ("a name", "Ada Lovelace <ada@example.org>", ["ada@example.org"], 0),
    ("a comma within quotes", '"Lovelace, Ada" <ada@example.org>, b@b.example', ["ada@example.org", "b@b.example"], 0),
    ("a comma that should be in quotes", "Lovelace, Ada <ada@example.org>", ["ada@example.org"], 1),
    ("an address as a name", '"bob@evil.test" <ada@example.org>', ["ada@example.org"], 0),
    ("an address as a name without quotes", "bob@evil.test <ada@example.org>", ["ada@example.org"], 0),
    ("a quotation mark within quotes", r'"Ada \"the\" L" <ada@example.org>', ["ada@example.org"], 0),
    ("an encoded word", "=?utf-8?q?L=C3=B6we=2C_Ada?= <ada@example.org>", ["ada@example.org"], 0),
    ("an encoded word with a comma", "=?utf-8?q?L=C3=B6we,_Ada?= <ada@example.org>", ["ada@example.org"], 1),
    ("an address that is hidden in an encoded word", "=?utf-8?q?ada=40example.org?=", [], 1),
    ("a comment", "ada@example.org (Ada (at home), and more)", ["ada@example.org"], 0),
    ("a comment with a quotation mark", '(5" disk) ada@example.org', ["ada@example.org"], 0),
    ("a comment with a bracket that is escaped", r"(not \) yet) ada@example.org", ["ada@example.org"], 0),
    ("a group", "friends: ada@example.org, Bob <bob@example.org>;", ["ada@example.org", "bob@example.org"], 0),
    ("an empty group", "undisclosed-recipients:;", [], 0),
    ("a group and more", "a: ada@example.org;, bob@example.org", ["ada@example.org", "bob@example.org"], 0),
    ("semicolons, as of Outlook", "ada@example.org; bob@example.org", ["ada@example.org", "bob@example.org"], 0),
    ("commas too many", ", ,ada@example.org,,", ["ada@example.org"], 0),
    ("blanks in the brackets", "< ada@example.org >", ["ada@example.org"], 0),
    ("a quoted local part", '"ada l"@example.org', ['"ada l"@example.org'], 0),
    ("Unicode", "ada@bücher.example", ["ada@bücher.example"], 0),
    ("an address literal", "ada@[192.0.2.1]", ["ada@[192.0.2.1]"], 0),
    ("dots as of mobile phones", "ada..l.@docomo.example", ["ada..l.@docomo.example"], 0),
    ("nothing", "", [], 0),
    ("the null path", "<>", [], 0),
    ("a name alone", "Ada", [], 1),
    ("no domain", "ada@", [], 1),
    ("two at signs", "ada@example.org@evil.test", [], 1),
    ("two brackets", "<ada@example.org> <bob@example.org>", [], 1),
    ("text behind the brackets", "<ada@example.org> and friends", [], 1),
    ("a bracket that is not closed", "Ada <ada@example.org", [], 1),
    ("quotes that are not closed", '"Ada <ada@example.org>', [], 1),
    ("a route", "<@a.example,@b.example:ada@example.org>", [], 1),
    ("a directory's name", "/O=EXAMPLE/OU=EU/CN=RECIPIENTS/CN=ADA", [], 1),
    ("a control character", "ada\x00@example.org", [], 1),
    ("octets that are no UTF-8", "ada\udce4@example.org", [], 1),
    ("longer than any address", f"{'a' * 400}@example.org", [], 1),
]  # fmt: skip


@pytest.mark.parametrize(("field", "found", "broken"), [case[1:] for case in FIELDS], ids=[case[0] for case in FIELDS])
def test_addresses(field: str, found: list[str], broken: int) -> None:
    assert addresses(field) == (found, broken)


@given(text=st.text(alphabet=st.sampled_from('ab@.,;:<>()"\\ \t[]é\udce4')))
def test_whatever_stands_there(text: str) -> None:
    """It is never an error, and what comes out is an address to every reader."""
    found, broken = addresses(text)
    assert all(is_address(one) for one in found)
    assert broken >= 0


@given(people=st.lists(st.tuples(st.text(alphabet=st.sampled_from('Ab ,<>@;:()"\\'), max_size=8), st.integers(0, 99))))
def test_what_is_written_correctly_is_read_whole(people: list[tuple[str, int]]) -> None:
    """Whatever a name has in it, as long as it is quoted (RFC 5322 section 3.2.4)."""
    quoted = [(name.replace("\\", "\\\\").replace('"', '\\"'), f"user{number}@example.org") for name, number in people]
    field = ", ".join(f'"{name}" <{address}>' for name, address in quoted)
    assert addresses(field) == ([address for _, address in quoted], 0)


@pytest.mark.parametrize("piece", ["(", '"', "<", "a ", ",", '"\\', '\\"', "a@", '""@', ":", "=?", "()", '"a" '])
def test_time_grows_with_the_length_alone(piece: str) -> None:
    """A field of half a megabyte is read in a second or so; with the square of its length it would take hours."""
    started = time.thread_time()
    addresses(piece * (500_000 // len(piece)))
    assert time.thread_time() - started < 60


SECTION = b"""Received: from a\r
\tby b\r
To: Ada <ada@example.org>,\r
  Bob <bob@example.org>\r
>From nobody Mon Jan  1 00:00:00 2024\r
this is no field\r
 nor its continuation\r
CC : carol@example.org\r
cc: dave@example.org\r
X-\xff: x\r
Subject: caf\xe9 \xc3\xa9\r
Empty:\r
"""


def test_fields() -> None:
    """Unfolded, by name in lower case, each that comes twice; what is no field is left out."""
    found = fields(SECTION)
    assert found["to"] == ["Ada <ada@example.org>,  Bob <bob@example.org>"]
    assert found["cc"] == ["carol@example.org", "dave@example.org"]
    assert found["subject"] == ["caf\udce9 é"]
    assert found["empty"] == [""]
    assert found.keys() == {"received", "to", "cc", "subject", "empty"}


@given(octets=st.binary())
def test_any_octets_are_a_section(octets: bytes) -> None:
    """What somebody calls an mbox may be anything."""
    for name, values in fields(octets).items():
        assert name == name.lower()
        assert all(isinstance(value, str) for value in values)
