"""LDAP in octets: what we say, as RFC 4511 has it; what we hear, whole, in pieces, with more behind it, and broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.bridges.ldap_messages import (
    BIND_ANSWER,
    ENTRY,
    EXTENDED_ANSWER,
    SEARCH_DONE,
    Answer,
    Broken,
    bind,
    element,
    octets,
    read,
    request,
    search,
    split,
    start_tls,
)
from policy.bridges.ldap_text import read_filter

REQUESTS = [
    # what it shows, operation, octets in hexadecimal
    ("bind", bind("cn=a", "s"), "60 0c 02 01 03 04 04 63 6e 3d 61 80 01 73"),
    ("StartTLS", start_tls(), "77 18 80 16" + b"1.3.6.1.4.1.1466.20037".hex()),
    (
        "search",
        search("dc=x", octets(b"f"), limit=2, seconds=3),
        "63 1f 04 04 64 63 3d 78 0a 01 02 0a 01 00 02 01 02 02 01 03 01 01 00 04 01 66 30 05 04 03 31 2e 31",
    ),
]

ANSWERS = [
    # what it shows, octets in hexadecimal, what is read
    ("a bind that succeeds", "30 0c 02 01 01 61 07 0a 01 00 04 00 04 00", Answer(1, BIND_ANSWER, code=0)),
    ("invalid credentials", "30 0c 02 01 02 61 07 0a 01 31 04 00 04 00", Answer(2, BIND_ANSWER, code=49)),
    ("a code of two octets", "30 0d 02 01 02 61 08 0a 02 10 00 04 00 04 00", Answer(2, BIND_ANSWER, code=4096)),
    ("StartTLS", "30 0c 02 01 01 78 07 0a 01 00 04 00 04 00", Answer(1, EXTENDED_ANSWER, code=0)),
    ("the end of a search", "30 0c 02 01 07 65 07 0a 01 04 04 00 04 00", Answer(7, SEARCH_DONE, code=4)),
    ("an entry", "30 0d 02 01 07 64 08 04 04 63 6e 3d 61 30 00", Answer(7, ENTRY, name="cn=a")),
    ("a reference, which is not followed", "30 08 02 01 07 73 03 04 01 78", Answer(7, 0x73)),
    ("a notice", "30 0c 02 01 00 78 07 0a 01 34 04 00 04 00", Answer(0, EXTENDED_ANSWER, code=52)),
    ("a number of two octets", "30 0d 02 02 01 00 61 07 0a 01 00 04 00 04 00", Answer(256, BIND_ANSWER, code=0)),
    (
        "lengths that are longer than they need be",
        "30 84 00 00 00 10 02 01 01 61 84 00 00 00 07 0a 01 00 04 00 04 00",
        Answer(1, BIND_ANSWER, code=0),
    ),
    (
        "with controls behind it",
        "30 10 02 01 01 61 07 0a 01 00 04 00 04 00 a0 02 30 00",
        Answer(1, BIND_ANSWER, code=0),
    ),
]

BROKEN = [
    # what it shows, octets of a message's content in hexadecimal
    ("nothing", ""),
    ("a number alone", "02 01 01"),
    ("no number", "04 01 01 61 07 0a 01 00 04 00 04 00"),
    ("a number of five octets", "02 05 01 01 01 01 01 61 07 0a 01 00 04 00 04 00"),
    ("a result without a code", "02 01 01 61 00"),
    ("a code that is text", "02 01 01 61 03 04 01 00"),
    ("a code of no octets", "02 01 01 61 02 0a 00"),
    ("a code of three octets", "02 01 01 61 05 0a 03 00 00 00"),
    ("an element that goes on beyond its end", "02 01 01 61 03 0a 02 00"),
    ("an entry whose name is no UTF-8", "02 01 01 64 03 04 01 ff"),
]

NO_MESSAGES = [
    # what it shows, octets
    ("text", b"220 mail.example.org"),
    ("another tag", b"\x31\x00"),
    ("an indefinite length", b"\x30\x80"),
    ("a length of five octets", b"\x30\x85\0\0\0\0\1"),
    ("a length that nobody needs", b"\x30\x84\x00\x01\x00\x01"),
]


@pytest.mark.parametrize(("operation", "expected"), [c[1:] for c in REQUESTS], ids=[c[0] for c in REQUESTS])
def test_requests(operation: bytes, expected: str) -> None:
    """Octet by octet."""
    assert operation.hex() == expected.replace(" ", "")
    assert request(1, operation) == element(0x30, b"\x02\x01\x01", operation)


@pytest.mark.parametrize(("given_octets", "expected"), [c[1:] for c in ANSWERS], ids=[c[0] for c in ANSWERS])
def test_answers(given_octets: str, expected: Answer) -> None:
    """Whole, octet by octet, and with the next one behind it."""
    message = bytes.fromhex(given_octets)
    for length in range(len(message)):
        assert split(message[:length]) is None
    found = split(message + b"rest")
    assert found
    assert found[1] == b"rest"
    assert read(found[0]) == expected


@pytest.mark.parametrize("content", [c[1] for c in BROKEN], ids=[c[0] for c in BROKEN])
def test_broken_answers(content: str) -> None:
    """None of them is taken for a result."""
    with pytest.raises(Broken):
        read(bytes.fromhex(content))


@pytest.mark.parametrize("received", [c[1] for c in NO_MESSAGES], ids=[c[0] for c in NO_MESSAGES])
def test_what_is_no_message(received: bytes) -> None:
    """It is told at its first octets: nobody waits for the rest, and nothing is kept."""
    with pytest.raises(Broken):
        split(received)


@pytest.mark.parametrize(("name", "secret"), [("", "s"), ("cn=a", ""), ("", "")])
def test_a_bind_that_proves_nothing(name: str, secret: str) -> None:
    """RFC 4513 section 5.1: anonymous and unauthenticated binds succeed, and say nothing of anybody."""
    with pytest.raises(ValueError, match="proves nothing"):
        bind(name, secret)


@given(st.binary(max_size=70_000))
def test_what_is_written_is_read(content: bytes) -> None:
    """Of whatever length."""
    found = split(element(0x30, content) + b"x") if len(content) < 65_000 else (content, b"x")
    assert found == (content, b"x")


@given(st.binary(max_size=40), st.integers(0, 2**31 - 1))
def test_whatever_comes_is_read_or_broken(content: bytes, number: int) -> None:
    """No octets make it fail in another way."""
    for received in (content, element(0x30, content), request(number, content)):
        try:
            found = split(received)
            if found:
                read(found[0])
        except Broken:
            pass


FILTERS = [
    # what it shows, filter, login, octets in hexadecimal
    ("equality", "(uid={login})", "ada", "a3 0a 04 03 756964 04 03 616461"),
    ("a login with a meaning", "(uid={login})", "*)(", "a3 0a 04 03 756964 04 03 2a2928"),
    ("within a value", "(mail={login}@x)", "a", "a3 0b 04 04 6d61696c 04 03 614078"),
    ("presence", "(&(uid={login})(cn=*))", "a", "a0 0e a3 08 04 03 756964 04 01 61 87 02 636e"),
    ("or", "(|(a={login})(b={login}))", "x", "a1 10 a3 06 04 01 61 04 01 78 a3 06 04 01 62 04 01 78"),
    ("not", "(!(a={login}))", "x", "a2 08 a3 06 04 01 61 04 01 78"),
    ("a rule", "(a:1.2:={login})", "x", "a9 0b 81 03 312e32 82 01 61 83 01 78"),
    ("an escaped octet", r"(a={login}\2a\00)", "x", "a3 08 04 01 61 04 03 78 2a 00"),
    ("UTF-8", "(a={login}é)", "ü", "a3 09 04 01 61 04 04 c3bc c3a9"),
]

NO_FILTERS = [
    "", "uid={login}", "(uid={login}", "(uid={login}))", "(uid={login})(cn=x)", "(&)", "(&(uid={login})", "(!)",
    "(!(uid={login})(cn=x))", "(uid=ad*{login})", "(uid>={login})", "(={login})", "(uid=)", r"(uid={login}\zz)",
    r"(uid={login}\)", "(&uid={login})", "(uid=ada)", "({login}=ada)", "(" * 5000, "(!" * 5000, "(uid={login}\0)",
]  # fmt: skip


@pytest.mark.parametrize(("text", "login", "expected"), [c[1:] for c in FILTERS], ids=[c[0] for c in FILTERS])
def test_filters(text: str, login: str, expected: str) -> None:
    """Octet by octet, RFC 4511 section 4.5.1.7."""
    assert read_filter(text)(login).hex() == expected.replace(" ", "")


@pytest.mark.parametrize("text", NO_FILTERS, ids=lambda text: text[:30].encode().hex() if "\0" in text else text[:30])
def test_what_is_no_filter(text: str) -> None:
    """Told at the start, in the words of a setting's error."""
    with pytest.raises(ValueError, match="it should"):
        read_filter(text)


@given(st.text())
def test_a_login_is_one_value(login: str) -> None:
    """Whatever it contains, the filter around it stays what it was."""
    written = read_filter("(&(a={login})(b=c))")(login)
    asked = element(0xA3, octets(b"a"), octets(login.encode()))
    assert written == element(0xA0, asked, element(0xA3, octets(b"b"), octets(b"c")))
