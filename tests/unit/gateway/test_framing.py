"""Where a message ends: the table of byte sequences that some server takes for an end, and properties for any bytes.

Each property is told against fuzz/references.py, which reads line by line, as slowly as it likes.
"""

import itertools
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import references
from gateway.framing import ChunkReader, DataReader, Flaw

BIG, BARE, NUL, LONG = Flaw
END = b"\r\n.\r\n"

CASES = [
    # what it shows, octets before the real end, flaw, content
    ("two lines", b"a\r\nb", None, b"a\r\nb\r\n"),
    ("a transparency dot is removed", b"..", None, b".\r\n"),
    ("only one dot is removed", b"...a", None, b"..a\r\n"),
    ("a dot that nobody doubled", b".a\r\n.b", None, b"a\r\nb\r\n"),
    ("a dot inside a line stays", b"a.b\r\n.c.", None, b"a.b\r\nc.\r\n"),
    ("dots on every line", b"..\r\n..\r\n...", None, b".\r\n.\r\n..\r\n"),
    ("an empty line", b"", None, b"\r\n"),
    ("empty lines", b"\r\n\r\n\r\n", None, b"\r\n" * 4),
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
    ("a CR before the end", b"a\r", BARE, b""),
    ("a LF before the end", b"a\n", BARE, b""),
    ("a LF first", b"\na", BARE, b""),
    ("CR and LF change places", b"a\n\rb", BARE, b""),
    ("a CR and a LF apart, each bare", b"a\rb\nc\r\n", BARE, b""),
    ("other line ends are just octets", "a\v\f\x1c\x85\u2028b".encode(), None, "a\v\f\x1c\x85\u2028b\r\n".encode()),
    ("998 octets are a line", b"l" * 998, None, b"l" * 998 + b"\r\n"),
    ("999 octets are none", b"l" * 999, LONG, b""),
    ("a transparency dot does not count", b"." + b"." * 998, None, b"." * 998 + b"\r\n"),
    ("a line of 999 dots", b"." + b"." * 999, LONG, b""),
    ("a long line among short ones", b"a\r\n" + b"l" * 999 + b"\r\nb", LONG, b""),
    ("two lines of 998", b"l" * 998 + b"\r\n" + b"m" * 998, None, b"l" * 998 + b"\r\n" + b"m" * 998 + b"\r\n"),
    ("octets above 127 pass", "für".encode(), None, "für\r\n".encode()),
    ("too big", b"a" * 900 + b"\r\n" + b"b" * 900 + b"\r\n" + b"c" * 900 + b"\r\n" + b"d" * 400, BIG, b""),
    ("too big is told before a bare LF", b"\n" + b"b" * 4000, BIG, b""),
    ("a bare LF is told before NUL", b"\0\r\n" + b"b" * 1000 + b"\r\n\n", BARE, b""),
    ("NUL is told before a long line", b"l" * 1000 + b"\r\n\0", NUL, b""),
]  # fmt: skip


def cut(octets: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """Pieces of these sizes, over and over, until all octets are given."""
    start = 0
    for size in itertools.cycle(cuts):
        if start >= len(octets):
            return
        yield octets[start : start + size]
        start += size


def fed(reader: DataReader, pieces: Iterable[bytes]) -> tuple[bytes, bytes]:
    """The content that was given back while there was no flaw, and what follows the end."""
    content, rest = b"", b""
    for piece in pieces:
        if reader.ended:
            rest += piece
            continue
        taken = reader.feed(piece)
        assert not (reader.flaw and taken)
        assert len(reader._held) < len(END)  # no octet is searched more than a few times
        content += taken
        rest = reader.rest
    return (b"" if reader.flaw else content), rest


@pytest.mark.parametrize(("octets", "flaw", "content"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 1000, 1_000_000])
def test_message_ends(octets: bytes, flaw: Flaw | None, content: bytes, size: int) -> None:
    """The same whether the octets come at once or one at a time; what follows the end is left alone."""
    reader = DataReader(limit=3000)
    taken, rest = fed(reader, cut(octets + END + b"QUIT\r\n", [size]))
    assert reader.ended
    assert (taken, reader.flaw, rest) == (content, flaw, b"QUIT\r\n")
    if not flaw:
        assert (reader.size, reader.is_ascii) == (len(content), content.isascii())


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_dot_alone_is_an_empty_message(size: int) -> None:
    """The CRLF of the DATA command is the first CRLF of the end."""
    reader = DataReader(limit=100)
    assert fed(reader, cut(b".\r\n", [size])) == (b"", b"")
    assert (reader.ended, reader.size, reader.flaw) == (True, 0, None)


@pytest.mark.parametrize("octets", [b"", b"a\r\n.\n", b".\r\r\n", b"a\n.\r\n", b"\r.\r\n", b"a\r\n.\r", b"a\r\n..\r\n"])
def test_nothing_else_is_an_end(octets: bytes) -> None:
    """As long as CRLF "." CRLF has not come, the client is still speaking."""
    reader = DataReader(limit=100)
    fed(reader, [octets])
    assert not reader.ended


@pytest.mark.parametrize("octets", [99, 100, 101, 1_000, 100_000])
def test_the_limit_is_of_content(octets: int) -> None:
    """Transparency dots do not count; over the limit all is read and counted, and nothing is given back."""
    content = (b".2345678\r\n" * (octets // 10 + 1))[-octets:]
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    reader = DataReader(limit=100)
    taken, rest = fed(reader, cut(stuffed + b".\r\nNOOP\r\n", [50]))
    assert reader.size == octets
    assert reader.flaw is (Flaw.TOO_BIG if octets > 100 else None)
    assert (taken, rest) == (b"" if reader.flaw else content, b"NOOP\r\n")


def test_no_more_than_the_limit_is_given_back() -> None:
    """What the caller keeps is bounded, whatever comes."""
    reader = DataReader(limit=1000)
    assert sum(len(reader.feed(b"0123456789\r\n" * 5)) for _ in range(1000)) <= 1000


# Properties

# What attackers send, and a few letters between.
WORDS = [b"\r", b"\n", b"\r\n", b".", b"..", b"\r\n.", b"\r\n.\r", b"\0", b"a", b"\xc3\xbc", b"l" * 499, b"m" * 997]
octets_near_ends = st.lists(st.sampled_from(WORDS), max_size=30).map(b"".join)
any_octets = octets_near_ends | st.binary(max_size=300)
any_cuts = st.lists(st.integers(1, 12), min_size=1, max_size=8)
LIMIT = 1500


@given(octets=any_octets, rubbish=any_octets, cuts=any_cuts)
def test_any_octets_are_read_in_one_way_or_refused(octets: bytes, rubbish: bytes, cuts: list[int]) -> None:
    """Cut anywhere, with anything behind: what the reference reads, or its flaw; the rest is for the next command."""
    wire = octets + END + rubbish
    reader = DataReader(LIMIT)
    content, rest = fed(reader, cut(wire, cuts))
    reference = references.content_of_data(wire)
    assert reference
    expected, expected_rest = reference
    assert reader.ended
    assert (reader.flaw, rest) == (references.flaw(expected, LIMIT), expected_rest)
    assert reader.size == len(expected)
    if not reader.flaw:
        assert (content, reader.is_ascii) == (expected, expected.isascii())


lines = st.lists(st.binary(max_size=60).map(lambda line: line.translate(None, b"\r\n\0")), min_size=1, max_size=20)


@given(lines=lines, cuts=any_cuts)
def test_what_was_sent_is_what_is_read(lines: list[bytes], cuts: list[int]) -> None:
    """RFC 5321 section 4.5.2: transparency is exact for any lines, cut anywhere."""
    message = b"\r\n".join(lines) + b"\r\n"
    wire = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
    reader = DataReader(limit=10_000)
    assert fed(reader, cut(wire, cuts)) == (message, b"")
    assert (reader.ended, reader.flaw) == (True, None)


# Chunks, RFC 3030

CHUNKS = [
    # what it shows, chunks, flaw, content
    ("one chunk", [b"a\r\n"], None, b"a\r\n"),
    ("nothing at all", [b""], None, b""),
    ("a last chunk of nothing", [b"a\r\n", b""], None, b"a\r\n"),
    ("lines that are dots", [b".\r\n..\r\n.\r\n"], None, b".\r\n..\r\n.\r\n"),
    ("the end of DATA is content", [b"a\r\n.\r\n", b"b\r\n"], None, b"a\r\n.\r\nb\r\n"),
    ("a command is content", [b"a\r\n.\r\nMAIL FROM:<a@b.cd>\r\n"], None, b"a\r\n.\r\nMAIL FROM:<a@b.cd>\r\n"),
    ("cut between CR and LF", [b"a\r", b"\nb\r", b"", b"\n"], None, b"a\r\nb\r\n"),
    ("a chunk without line end goes on", [b"a", b"b\r\n"], None, b"ab\r\n"),
    ("the last line gets its end", [b"a\r\nb"], None, b"a\r\nb\r\n"),
    ("the last line gets its end, after a chunk of nothing", [b"a\r\nb", b""], None, b"a\r\nb\r\n"),
    ("a dot that is the last line is content", [b"a\r\n", b"."], None, b"a\r\n.\r\n"),
    ("998 octets that nothing ends", [b"l" * 998], None, b"l" * 998 + b"\r\n"),
    ("999 octets that nothing ends", [b"l" * 999], LONG, b""),
    ("a CR at the end", [b"a\r\nb\r"], BARE, b""),
    ("a CR, and then nothing", [b"a\r", b""], BARE, b""),
    ("a CR, and then a letter", [b"a\r", b"b\r\n"], BARE, b""),
    ("a LF", [b"a\nb\r\n"], BARE, b""),
    ("NUL", [b"a\0\r\n"], NUL, b""),
    ("a long line over two chunks", [b"l" * 500, b"l" * 499 + b"\r\n"], LONG, b""),
    ("998 octets over two chunks", [b"l" * 500, b"l" * 498 + b"\r\n"], None, b"l" * 998 + b"\r\n"),
    ("too big", [b"l" * 900 + b"\r\n"] * 4, BIG, b""),
]  # fmt: skip


def fed_chunks(reader: ChunkReader, chunks: list[bytes], cuts: list[int], rubbish: bytes = b"QUIT\r\n") -> bytes:
    """Each chunk in pieces, the last octets with rubbish behind them."""
    content = b""
    for number, chunk in enumerate(chunks, start=1):
        reader.begin(len(chunk), is_last=number == len(chunks))
        content += reader.feed(b"")
        given = 0
        for piece in cut(chunk, cuts):
            assert not reader.chunk_ended
            given += len(piece)
            content += reader.feed(piece + (rubbish if given == len(chunk) else b""))
            assert len(reader._held) <= 1
        assert reader.chunk_ended
        assert reader.rest == (rubbish if chunk else b"")
        assert reader.ended == (number == len(chunks))
    return b"" if reader.flaw else content


@pytest.mark.parametrize(("chunks", "flaw", "content"), [case[1:] for case in CHUNKS], ids=[case[0] for case in CHUNKS])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_chunks(chunks: list[bytes], flaw: Flaw | None, content: bytes, size: int) -> None:
    """All chunks up to the last are one message; what follows each is a command."""
    reader = ChunkReader(limit=3000)
    assert (fed_chunks(reader, chunks, [size]), reader.flaw) == (content, flaw)
    assert reader.size == sum(map(len, chunks))


@given(chunks=st.lists(any_octets, min_size=1, max_size=6), cuts=any_cuts, rubbish=any_octets)
def test_any_chunks_are_taken_as_they_are_or_refused(chunks: list[bytes], cuts: list[int], rubbish: bytes) -> None:
    """However the client cuts into chunks and the network into pieces."""
    expected = b"".join(chunks)
    flaw = references.flaw(expected, LIMIT)
    reader = ChunkReader(LIMIT)
    content = fed_chunks(reader, chunks, cuts, rubbish)
    assert (reader.flaw, reader.size) == (flaw, len(expected))
    if not flaw:
        assert (content, reader.is_ascii) == (references.content_of_chunks(expected), expected.isascii())
