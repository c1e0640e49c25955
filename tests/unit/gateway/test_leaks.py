"""Secrets in messages are found in whatever part is text, however it is encoded and cut; and nothing else is."""

import base64
import quopri
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.leaks import CANDIDATES_LIMIT, TEXT_LIMIT, Finder, secrets_in
from policy.store.handles import new_secret

SHOWN = "abc234-def567-ghj89k-mnpqrs-tuv"
LETTERS = SHOWN.replace("-", "")
HEAD = "From: ada@example.org\r\nSubject: hi\r\n"
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"

SECRETS = st.text(ALPHABET, min_size=27, max_size=27)


def base64_lines(text: bytes) -> str:
    return base64.encodebytes(text).decode().replace("\n", "\r\n")


def quoted(text: bytes) -> str:
    return quopri.encodestring(text.replace(b"\r\n", b"\n")).decode().replace("\n", "\r\n")


def multipart(*parts: str) -> str:
    inner = "".join(f"--frontier\r\n{part}\r\n" for part in parts)
    return f'{HEAD}Content-Type: multipart/mixed; boundary="frontier"\r\n\r\n{inner}--frontier--\r\n'


FOUND = [
    # what it shows, the message
    ("in the text", f"{HEAD}\r\nmy secret is {SHOWN}.\r\n"),
    ("alone in the text, without an end of line", f"{HEAD}\r\n{SHOWN}"),
    ("without groups", f"{HEAD}\r\nit is {LETTERS}, as you asked\r\n"),
    ("with blanks", f"{HEAD}\r\nit is {SHOWN.replace('-', ' ')}\r\n"),
    ("in capitals", f"{HEAD}\r\nit is {SHOWN.upper()}\r\n"),
    ("wrapped between groups", f"{HEAD}\r\nit is {SHOWN[:13]}\r\n{SHOWN[14:]}\r\n"),
    ("with hyphens that a program has made longer", f"{HEAD}\r\n{SHOWN.replace('-', '–')}\r\n"),  # noqa: RUF001
    ("with no-break blanks", f"{HEAD}\r\n{SHOWN.replace('-', chr(0xA0))}\r\n"),
    ("in the header section", f"{HEAD}X-Secret: {SHOWN}\r\n\r\nhello\r\n"),
    ("in an encoded word", f"{HEAD}Comments: =?utf-8?B?{base64.b64encode(SHOWN.encode()).decode()}?=\r\n\r\nhello\r\n"),
    ("in an encoded word of the other kind", f"{HEAD}Comments: =?utf-8?Q?{SHOWN.replace('-', '=2D')}?=\r\n\r\nhi\r\n"),
    ("quoted-printable, with a soft break", f"{HEAD}\r\nit is {SHOWN[:10]}=\r\n{SHOWN[10:]}\r\n"),
    ("quoted-printable hyphens", f"{HEAD}\r\nit is {SHOWN.replace('-', '=2D')}\r\n"),
    (
        "base64",
        f"{HEAD}Content-Transfer-Encoding: base64\r\n\r\n{base64_lines(b'hello ' * 9 + SHOWN.encode() + b' bye')}",
    ),
    (
        "UTF-16 in base64",
        f"{HEAD}Content-Transfer-Encoding: base64\r\n\r\n{base64_lines(f'a {SHOWN}'.encode('utf-16'))}",
    ),
    ("in HTML", f"{HEAD}Content-Type: text/html\r\n\r\n<p>it is <b>{SHOWN}</b></p>\r\n"),
    ("in a part", multipart("Content-Type: text/plain\r\n\r\nhello\r\n", f"\r\n{SHOWN}\r\n")),
    (
        "in a base64 part behind an attachment",
        multipart(
            f"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n{base64_lines(b'x' * 3000)}",
            f"Content-Type: text/plain\r\nContent-Transfer-Encoding: BASE64\r\n\r\n{base64_lines(SHOWN.encode())}",
        ),
    ),
    (
        "in an attached message that is base64",
        multipart(
            "Content-Type: message/rfc822\r\n\r\nFrom: bob@example.org\r\nContent-Type: text/plain\r\n"
            f"Content-Transfer-Encoding: base64\r\n\r\n{base64_lines(SHOWN.encode())}"
        ),
    ),
    ("in a message without a header section", SHOWN),
    ("in a quoted reply", f"{HEAD}\r\n> my secret is {SHOWN}\r\n"),
]


@pytest.mark.parametrize("message", [case[1] for case in FOUND], ids=[case[0] for case in FOUND])
@pytest.mark.parametrize("size", [1, 7, 64, 1_000_000])
def test_a_secret_is_found(message: str, size: int) -> None:
    """In pieces of any size."""
    finder = Finder()
    octets = message.encode()
    for start in range(0, len(octets), size):
        finder.feed(octets[start : start + size])
    assert finder.end() == (LETTERS,)


NOT_FOUND = [
    ("one letter less", f"{HEAD}\r\n{SHOWN[:-1]}\r\n"),
    ("one letter more", f"{HEAD}\r\n{SHOWN}w\r\n"),
    ("a letter before it", f"{HEAD}\r\nx{SHOWN}\r\n"),
    ("a letter that no secret has", f"{HEAD}\r\n{SHOWN.replace('a', 'o')}\r\n"),
    ("other groups", f"{HEAD}\r\nabcd-efgh-jkmn-pqrs-tuvw-xyz2-345\r\n"),
    ("a long word", f"{HEAD}\r\n{'w' * 60}\r\n"),
    ("ordinary text", f"{HEAD}\r\nSphinx of black quartz, judge my vow. The quick brown fox jumps.\r\n" * 50),
    ("what is no text", multipart(f"Content-Type: application/pdf\r\n\r\n{SHOWN}\r\n")),
    ("nothing", ""),
]


@pytest.mark.parametrize("message", [case[1] for case in NOT_FOUND], ids=[case[0] for case in NOT_FOUND])
def test_nothing_else_is_found(message: str) -> None:
    assert secrets_in(message.encode()) == ()


def test_what_policy_gives_out_is_found() -> None:
    """The two know the form apart from each other; whoever changes one meets the other here."""
    for _ in range(50):
        secret = new_secret()
        assert secrets_in(f"{HEAD}\r\nit is {secret}\r\n".encode()) == (secret.replace("-", ""),)


@settings(max_examples=100, deadline=None)
@given(
    before=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300),
    secret=SECRETS,
    separator=st.sampled_from(["-", " ", "", "\n"]),
    after=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300),
    encoding=st.sampled_from(["none", "base64", "quoted"]),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=20),
    is_upper=st.booleans(),
)
def test_it_is_found_between_any_text(
    before: str, secret: str, separator: str, after: str, encoding: str, sizes: list[int], is_upper: bool
) -> None:
    """In any encoding and cut anywhere."""
    groups = separator.join(re.findall(".{1,6}", secret))
    text = f"{before}: {groups.upper() if is_upper else groups} ({after}".replace("\r", "").replace("\n--", "").encode()
    text = b"\r\n".join(text.split(b"\n"))
    body, field = text.decode(), ""
    if encoding == "base64":
        body, field = base64_lines(text), "Content-Transfer-Encoding: base64\r\n"
    elif encoding == "quoted":
        body, field = quoted(text), "Content-Transfer-Encoding: quoted-printable\r\n"
    octets, finder, position = f"{HEAD}{field}\r\n{body}\r\n".encode(), Finder(), 0
    while position < len(octets):
        size = sizes[position % len(sizes)]
        finder.feed(octets[position : position + size])
        position += size
    found = finder.end()
    assert secret in found or len(found) == CANDIDATES_LIMIT


def test_no_more_than_a_few_are_told() -> None:
    many = "\r\n".join(new_secret() for _ in range(100))
    assert len(secrets_in(f"{HEAD}\r\n{many}\r\n".encode())) == CANDIDATES_LIMIT


def test_each_is_told_once() -> None:
    assert secrets_in(f"{HEAD}\r\n{SHOWN} {SHOWN}\r\n{LETTERS}\r\n".encode()) == (LETTERS,)


def test_text_is_looked_at_up_to_a_limit() -> None:
    filler = "hello there\r\n" * (TEXT_LIMIT // 13 + 1)
    finder = Finder()
    finder.feed(f"{HEAD}\r\n{filler}{SHOWN}\r\n".encode())
    assert finder.is_done
    assert finder.end() == ()


@pytest.mark.parametrize("length", range(28 * 1024 - 60, 28 * 1024 + 60, 7))
def test_a_long_text_is_looked_at_in_pieces(length: int) -> None:
    """A secret that stands where one ends is found; the end of a longer word is none."""
    filler = "the fox, " * 4000
    assert secrets_in(f"{HEAD}\r\n{filler[:length]} {SHOWN}, he said\r\n".encode()) == (LETTERS,)
    words = f"{'w' * length} {'w' * 500}\r\n"
    assert secrets_in(f"{HEAD}\r\n{words}".encode()) == ()


def test_the_end_of_a_word_is_no_secret() -> None:
    """Wherever the network cuts the text: what is kept of a piece may begin within a word."""
    text = f"{'w' * 100}, {'and so on, ' * 50}\r\n"
    for size in range(1, len(text)):
        finder = Finder()
        for piece in (f"{HEAD}\r\n", text[:size], text[size:]):
            finder.feed(piece.encode())
        assert finder.end() == (), size


COSTLY = [
    ("letters of a secret alone", b"2" * 4_000_000),
    ("groups without end", b"abcdef-" * 600_000),
    ("lines that could be boundaries", b"\r\n--a" * 800_000),
    ("lines that are boundary and field at once", b"\r\n--a:b" * 600_000),
    ("all of it encoded", b"=41" * 1_300_000),
    ("messages in messages", b"\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nA:b\r\n\r\n" * 80_000),
    ("fields", b"A:b\r\n" * 800_000),
    ("an attachment", b"\r\n--a\r\nContent-Type: image/png\r\n\r\n" + b"QUJD" * 6_000_000),
]


@pytest.mark.parametrize("body", [case[1] for case in COSTLY], ids=[case[0] for case in COSTLY])
def test_no_message_costs_much(body: bytes) -> None:
    """Processor time of the slowest piece: other sessions wait for it. Ordinary ones take a twentieth of this."""
    finder, slowest = Finder(), 0.0
    octets = HEAD.encode() + b"\r\n" + body
    for start in range(0, len(octets), 128 * 1024):
        begun = time.process_time()
        finder.feed(octets[start : start + 128 * 1024])
        slowest = max(slowest, time.process_time() - begun)
    finder.end()
    assert slowest < 0.25
