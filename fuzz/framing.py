"""DATA, for any octets cut at any places, with the true end and rubbish behind them:

- the reader ends where the reference ends, and leaves to the next command what the reference leaves;
- it names the same flaw, however the octets were cut, and gives nothing back once there is one;
- without a flaw it gives back what the reference reads, and has counted it;
- it holds back fewer octets than the end has.
"""

from fuzz import references
from fuzz.spelling import cut, spelled, with_cuts
from gateway.framing import DataReader

WORDS = [
    *(b"\r\n", b"\r\n.", b"\r\n.\r", b"\r\n.\r\n", b"\r\n..", b"\r.\r", b"\n.\n", b"\n.\r\n", b"\r\r\n"),
    *(b"\0", b"\xff", b"\xc3\xa4", b"l" * 499, b"m" * 997, b"From: a@b.cd\r\n"),
]
LIMIT = 3_000
MOST = 8 * LIMIT  # beyond it comes more of the same, and octet by octet it takes so long that it looks like a hang
END = b"\r\n.\r\n"


def one(octets: bytes) -> None:
    """The first octets say how to cut, the others are the wire."""
    sizes, rest = with_cuts(octets)
    wire = spelled(rest, WORDS) + END
    if len(wire) > MOST:
        return
    expected = references.content_of_data(wire)
    assert expected
    reader, content, behind = DataReader(LIMIT), b"", b""
    for piece in cut(wire, sizes):
        if reader.ended:
            behind += piece
            continue
        taken = reader.feed(piece)
        assert not (reader.flaw and taken)
        assert len(reader._held) < len(END)
        content += taken
    assert reader.ended
    assert reader.rest + behind == expected[1]
    assert reader.size == len(expected[0])
    assert reader.flaw is references.flaw(expected[0], LIMIT)
    if not reader.flaw:
        assert content == expected[0]
        assert reader.is_ascii == content.isascii()
