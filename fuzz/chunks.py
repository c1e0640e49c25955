"""BDAT, for any octets in any chunks cut at any places, with the next command behind each chunk:

- each chunk ends where its length says, and leaves what follows it alone;
- the chunks together have the flaw that the reference names, and are given back as they are where it names none.
"""

from fuzz import references
from fuzz.framing import LIMIT, MOST, WORDS
from fuzz.spelling import cut, spelled, with_cuts
from gateway.framing import ChunkReader

COMMAND = b"BDAT 1\r\n"
NEXT_CHUNK = 0x1F  # this octet begins another chunk


def one(octets: bytes) -> None:
    """The first octets say how to cut, the others are the chunks."""
    sizes, rest = with_cuts(octets)
    chunks = [spelled(chunk, WORDS) for chunk in rest.split(NEXT_CHUNK.to_bytes(1, "big"))]
    if sum(map(len, chunks)) > MOST:
        return
    reader, content = ChunkReader(LIMIT), b""
    for number, chunk in enumerate(chunks, start=1):
        reader.begin(len(chunk), is_last=number == len(chunks))
        content += reader.feed(b"")
        assert reader.chunk_ended == (not chunk)
        behind = b""
        for piece in cut(chunk + COMMAND, sizes):
            if reader.chunk_ended:
                behind += piece
            else:
                taken = reader.feed(piece)
                assert not (reader.flaw and taken)
                content += taken
        assert reader.chunk_ended
        assert reader.rest + behind == COMMAND
        assert reader.ended == (number == len(chunks))
    sent = b"".join(chunks)
    assert reader.size == len(sent)
    assert reader.flaw is references.flaw(sent, LIMIT)
    if not reader.flaw:
        assert content == references.content_of_chunks(sent)
        assert reader.is_ascii == sent.isascii()
