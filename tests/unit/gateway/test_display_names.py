"""What a reader is shown of a name: quotes, comments and encoded words, as leniently as any reader decodes them."""

import base64
import email.header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.display_names import shown

CASES = [
    # what it shows, name as it stands in the field, name as it is shown
    ("words", "Ada K. Lovelace", "Ada K. Lovelace"),
    ("quotes", '"Lovelace, Ada"', "Lovelace, Ada"),
    ("quotes in quotes", r'"Ada \"A\" \\ Lovelace"', r'Ada "A" \ Lovelace'),
    ("quotes within a name", 'Ada "K." Lovelace', "Ada K. Lovelace"),
    ("a comment", "Ada (work)", "Ada (work)"),
    ("an encoded word", "=?utf-8?q?Ad=C3=A4_L?=", "Adä L"),
    ("in base64", "=?UTF-8?B?QWTDpA==?=", "Adä"),
    ("base64 without its padding", "=?UTF-8?B?QWTDpA?=", "Adä"),
    ("what is no base64", "=?utf-8?b?Q?=", "Q"),
    ("two words without the blank between", "=?utf-8?q?A?= =?utf-8?q?da?=", "Ada"),
    ("two words with nothing between", "=?utf-8?q?A?==?utf-8?b?ZGE=?=", "Ada"),
    ("a character in two pieces", "=?utf-8?q?ceo=EF=BC?= =?utf-8?q?=A0bank.example?=", "ceo\uff20bank.example"),
    ("two character sets", "=?iso-8859-1?q?=E4?= =?utf-8?q?=C3=A4?=", "ää"),
    ("with a language (RFC 2231)", "=?utf-8*de?q?Ad=C3=A4?=", "Adä"),
    ("inside a word", "x=?utf-8?q?=40?=y", "x@y"),
    ("in quotes, where RFC 2047 forbids it", '"=?utf-8?q?ceo=40bank.example?="', "ceo@bank.example"),
    ("in a comment", "(=?utf-8?q?ceo=40bank.example?=)", "(ceo@bank.example)"),
    ("blanks in an encoded word", "=?utf-8?q?ceo @ bank?=", "ceo @ bank"),
    ("UTF-7", "=?utf-7?q?ceo+AEA-bank.example?=", "ceo@bank.example"),
    ("UTF-16", "=?utf-16be?b?AEEAQA==?=", "A@"),
    ("Japanese", "=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
    ("a character set that nobody knows", "=?x-unknown?q?ceo=40bank.example=E4?=", "ceo@bank.exampleä"),
    ("a codec of Python that is none", "=?unicode_escape?q?=5Cx40?=", r"\x40"),
    ("another one", "=?zlib?q?x?=", "x"),
    ("no octets of its character set", "=?utf-8?q?=FF?=", "\ufffd"),
    ("half a surrogate pair", "=?utf-16be?b?2AA=?=", "\ufffd"),
    ("no hexadecimal digits", "=?utf-8?q?=4?=", "=4"),
    ("no encoding of RFC 2047", "=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
    ("the beginning of an encoded word", "=?utf-8?q?abc", "=?utf-8?q?abc"),
    ("not decoded twice", "=?utf-8?q?=3D=3Futf-8=3Fq=3FA=3F=3D?=", "=?utf-8?q?A?="),
    ("letters as they are", "Adä", "Adä"),
    ("nothing", '""', ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_shown(name: str, expected: str) -> None:
    """One row, one way to write a name."""
    assert shown(name) == expected


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200))
def test_what_python_encodes_is_shown(text: str) -> None:
    """However long: the pieces are put together again."""
    encoded = email.header.Header(text, "utf-8").encode(linesep="").replace("\n", "")
    assert shown(encoded) == text.strip()


WORDS = [
    "=?utf-8?q?",
    "=?utf-7?b?",
    "=?utf-16?q?",
    "=?big5-hkscs?b?",
    "=?iso-2022-kr?q?",
    "?=",
    "=40",
    "+AEA-",
    "=",
    '"',
    "\\",
    "(",
    ")",
    " ",
]


@example("=?iso-2022-kr?q?\u0800\x80\U00010000?=")  # each octet of a letter may be shown as one
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=40).map("".join))
def test_any_name_is_shown(name: str) -> None:
    """Never an error, nothing that UTF-8 does not have, and no more letters than octets were given."""
    given_octets = name.encode(errors="replace")
    assert len(shown(given_octets.decode()).encode().decode()) <= len(given_octets)


@given(
    st.binary(max_size=60),
    st.sampled_from(["utf-8", "utf-7", "utf-16", "utf-32", "gb18030", "hz-gb-2312", "shift_jis", "x"]),
)
def test_any_octets_are_shown(octets: bytes, charset: str) -> None:
    """Whatever the character set makes of them."""
    assert isinstance(shown(f"=?{charset}?b?{base64.b64encode(octets).decode()}?=").encode(), bytes)
