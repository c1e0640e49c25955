"""Where a message ends: read whole, octet by octet, and with something behind it."""

import asyncio

import pytest

from sink.framing import read_message

MESSAGES = [
    # what it shows, as it is sent after 354, the message
    ("nothing", b".\r\n", b""),
    ("an empty line", b"\r\n.\r\n", b"\r\n"),
    ("one line", b"a\r\n.\r\n", b"a\r\n"),
    ("a dot doubled", b"..\r\n.\r\n", b".\r\n"),
    ("dots in front of text", b"..a\r\n...b\r\n.\r\n", b".a\r\n..b\r\n"),
    ("a dot at the end of a line", b"a.\r\nb.\r\n.\r\n", b"a.\r\nb.\r\n"),
    ("a dot that was not doubled is taken away", b".a\r\n.\r\n", b"a\r\n"),
    ("a dot between bare LFs ends nothing", b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
    ("a dot after a bare LF ends nothing", b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
    ("a dot before a bare LF ends nothing", b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n"),
    ("a dot after a bare CR ends nothing", b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n"),
    ("many empty lines", b"\r\n" * 99 + b".\r\n", b"\r\n" * 99),
    ("a line longer than the reader's limit", b"x" * 5000 + b"\r\n.\r\n", b"x" * 5000 + b"\r\n"),
]
SHAPES = ["whole", "octet by octet", "with a command behind it"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("sent", "message"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES])
async def test_message(sent: bytes, message: bytes, shape: str) -> None:
    reader = asyncio.StreamReader(limit=16)
    behind = b"QUIT\r\n" if shape == SHAPES[2] else b""
    pieces = [sent[i : i + 1] for i in range(len(sent))] if shape == SHAPES[1] else [sent + behind]
    reading = asyncio.create_task(read_message(reader, 10_000))
    for piece in pieces:
        reader.feed_data(piece)
        await asyncio.sleep(0)
    assert await reading == message
    reader.feed_eof()
    assert await reader.read() == behind


SIZES = [
    # what it shows, as it is sent, whether it fits into 100 octets
    ("as big as it may be", b"x" * 98 + b"\r\n.\r\n", True),
    ("one octet more", b"x" * 99 + b"\r\n.\r\n", False),
    ("doubled dots do not count, RFC 1870 section 3", b"..\r\n" * 33 + b".\r\n", True),
    ("nor do they make room", b"..\r\n" * 34 + b".\r\n", False),
    ("very much more", b"x" * 100_000 + b"\r\n.\r\n", False),
    ("very much more, in lines", b"..\r\n" * 100_000 + b".\r\n", False),
]


@pytest.mark.parametrize(("sent", "fits"), [row[1:] for row in SIZES], ids=[row[0] for row in SIZES])
async def test_size(sent: bytes, fits: bool) -> None:
    reader = asyncio.StreamReader(limit=16)
    reader.feed_data(sent + b"NOOP\r\n")
    reader.feed_eof()
    assert (await read_message(reader, 100) is not None) is fits
    assert await reader.read() == b"NOOP\r\n"
