"""Octets of the fuzzer as words of a protocol: it has to hit upon one octet, and not upon a whole keyword."""

from collections.abc import Iterator, Sequence

_FIRST = 0x80  # octets below stand for themselves


def spelled(octets: bytes, words: Sequence[bytes]) -> bytes:
    """ASCII as it is; each octet above is one of the words."""
    return b"".join(
        words[(octet - _FIRST) % len(words)] if octet >= _FIRST else octet.to_bytes(1, "big") for octet in octets
    )


def cut(octets: bytes, sizes: bytes) -> Iterator[bytes]:
    """Pieces as a network might cut them: of these sizes, 1 to 32, over and over; whole where none is given."""
    start, number = 0, 0
    while start < len(octets):
        size = 1 + sizes[number % len(sizes)] % 32 if sizes else len(octets)
        yield octets[start : start + size]
        start, number = start + size, number + 1


def with_cuts(octets: bytes) -> tuple[bytes, bytes]:
    """The first octet tells how many of the next are sizes of pieces: sizes, and what is left."""
    count = octets[0] % 8 if octets else 0
    return octets[1 : 1 + count], octets[1 + count :]
