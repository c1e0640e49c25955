"""Where a message ends: the table of byte sequences that some server takes for an end, and properties for any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.framing import Flaw, MessageReader

BARE, NUL, LONG = Flaw.BARE_CR_OR_LF, Flaw.NUL, Flaw.LINE_TOO_LONG

CASES = [
    # what it shows, octets before the real end, flaw, message
    ("two lines", b"a\r\nb", None, b"a\r\nb\r\n"),
    ("a transparency dot is removed", b"..", None, b".\r\n"),
    ("only one dot is removed", b"...a", None, b"..a\r\n"),
    ("a dot inside a line stays", b"a.b\r\n.c.", None, b"a.b\r\nc.\r\n"),
    ("an empty line", b"", None, b"\r\n"),
    ("LF.LF is no end", b"x\n.\ny", BARE, b""),
    ("CR.CR is no end", b"x\r.\ry", BARE, b""),
    ("CR.LF is no end", b"x\r.\ny", BARE, b""),
    ("LF.CR is no end", b"x\n.\ry", BARE, b""),
    ("LF.CRLF is no end", b"x\n.\r\ny", BARE, b""),
    ("CRLF.LF is no end", b"x\r\n.\ny", BARE, b""),
    ("CR.CRLF is no end", b"x\r.\r\ny", BARE, b""),
    ("CRLF.CR is no end", b"x\r\n.\ry", BARE, b""),
    ("CRLF NUL.CRLF is no end", b"x\r\n\0.\r\ny", NUL, b""),
    ("CRLF.NUL CRLF is no end", b"x\r\n.\0\r\ny", NUL, b""),
    ("CRLF.CR CRLF is no end", b"x\r\n.\r\r\ny", BARE, b""),
    ("a CR in a header field", b"S: a\rFrom: evil@x.example", BARE, b""),
    ("998 octets are a line", b"l" * 998, None, b"l" * 998 + b"\r\n"),
    ("999 octets are none", b"l" * 999, LONG, b""),
    ("a long line among short ones", b"a\r\n" + b"l" * 999 + b"\r\nb", LONG, b""),
    ("octets above 127 pass", "für".encode(), None, "für\r\n".encode()),
]


@pytest.mark.parametrize(("octets", "flaw", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("pieces", ["whole", "octet by octet"])
def test_message_ends(octets: bytes, flaw: Flaw | None, message: bytes, pieces: str) -> None:
    """The same whether the octets come at once or one at a time; what follows the end is left alone."""
    wire = octets + b"\r\n.\r\n" + b"QUIT\r\n"
    reader = MessageReader(limit=10_000)
    step = len(wire) if pieces == "whole" else 1
    fed = 0
    while not reader.ended:
        reader.feed(wire[fed : fed + step])
        fed += step
    assert (reader.message, reader.flaw) == (message, flaw)
    assert reader.rest + wire[fed:] == b"QUIT\r\n"


def test_a_dot_alone_is_an_empty_message() -> None:
    """The CRLF of the DATA command is the first CRLF of the end."""
    reader = MessageReader(limit=100)
    reader.feed(b".\r\n")
    assert reader.ended
    assert reader.message == b""


@pytest.mark.parametrize("size", [101, 1_000, 100_000])
def test_a_message_over_the_limit_is_read_to_its_end(size: int) -> None:
    """The session stays usable, and memory bounded."""
    reader = MessageReader(limit=100)
    wire = b"\r\n".join([b"0123456789"] * (size // 12 + 1)) + b"\r\n.\r\nNOOP\r\n"
    for start in range(0, len(wire), 50):
        reader.feed(wire[start : start + 50])
        assert len(reader._raw) < 400
        if reader.ended:
            break
    assert reader.flaw is Flaw.TOO_BIG
    assert (reader.rest + wire[start + 50 :]) == b"NOOP\r\n"


lines = st.lists(st.binary(max_size=60).map(lambda line: line.translate(None, b"\r\n\0")), min_size=1, max_size=20)


@given(lines=lines, cuts=st.lists(st.integers(1, 40), min_size=1))
def test_what_was_sent_is_what_is_read(lines: list[bytes], cuts: list[int]) -> None:
    """RFC 5321 section 4.5.2: transparency is exact for any lines, cut anywhere."""
    message = b"\r\n".join(lines) + b"\r\n"
    wire = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
    reader = MessageReader(limit=10_000)
    position = 0
    while position < len(wire):
        step = cuts[position % len(cuts)]
        reader.feed(wire[position : position + step])
        position += step
    assert reader.ended
    assert reader.flaw is None
    assert reader.message == message


@given(octets=st.binary(max_size=300))
def test_any_octets_are_read_in_one_way_or_refused(octets: bytes) -> None:
    """Against a reference that reads line by line: the same message, or none."""
    wire = octets + b"\r\n.\r\n"
    reader = MessageReader(limit=10_000)
    reader.feed(wire)
    assert reader.ended
    expected = []
    for line in wire.split(b"\r\n"):
        if line == b".":
            break
        expected.append(line.removeprefix(b"."))
    reference = b"".join(line + b"\r\n" for line in expected)
    assert reader.message in (reference, b"")
    assert (reader.flaw is None) == (reader.message == reference)
