"""The header section of a message that somebody has kept: its fields, and the addresses in them. Pure.

Old mail has everything in it. What is an address to every reader is learnt (RFC 5322 section 3.4), what is none is
counted, and nothing is decoded before it is parsed: an encoded word is never an address. It takes time that grows with
the length alone, which Python's own parser does not promise. Comments and groups (RFC 6854) are read as such.

    "Babbage, Charles" <charles@example.org>, team: ada@example.org (work), bob@example.org;        three addresses
    Lovelace, Ada <ada@example.org>         one; `Lovelace`, which should stand in quotes, is counted as broken
"""

import re
from collections.abc import Iterator, Mapping, Sequence

_LINE_END = re.compile(rb"\r?\n")
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)  # a field's, RFC 5322 section 3.6.8
_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*'
_PART = re.compile(rf'{_QUOTED}(?:"|\\?\Z)|[^"(),:;<>]+|.', re.DOTALL)
_IN_COMMENT = re.compile(r"[^()\\]+|\\.|.", re.DOTALL)
# No blanks, no specials, no controls, and nothing that is not UTF-8 (which stands there as a lone surrogate).
_ATOM = r"[^\s<>()\[\]\\,;:@\"\x00-\x1f\x7f\ud800-\udfff]+"
_ADDRESS = re.compile(rf'(?:{_ATOM}|{_QUOTED}")@(?:{_ATOM}|\[[0-9A-Za-z:.]+\])')
_ADDRESS_LIMIT = 320  # RFC 5321 section 4.5.3.1: 64 octets, an at sign, 255 octets

Fields = Mapping[str, Sequence[str]]


def fields(section: bytes) -> Fields:
    """The values of each field, unfolded, by its name in lower case. Lines that are none are left out."""
    found: dict[str, list[str]] = {}
    values: list[str] | None = None
    for line in _LINE_END.split(section):
        if line[:1] in (b" ", b"\t"):
            if values:
                values[-1] += _text(line)
        elif match := _NAME.fullmatch(line):
            values = found.setdefault(match[1].decode().lower(), [])
            values.append(_text(match[2]))
        else:
            values = None
    return {name: [value.strip() for value in values] for name, values in found.items()}


def addresses(value: str) -> tuple[list[str], int]:
    """All that are in a field such as To, and how many of its entries are none."""
    found: list[str] = []
    broken = 0
    for entry in _entries(value):
        if is_address(entry):
            found.append(entry)
        elif entry:
            broken += 1
    return found, broken


def is_address(text: str) -> bool:
    """Whether every reader takes it for one."""
    return len(text) <= _ADDRESS_LIMIT and _ADDRESS.fullmatch(text) is not None


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _entries(value: str) -> Iterator[str]:
    """What stands between commas: of each entry what is in its angle brackets, or all of it where it has none."""
    outside: list[str] = []
    inside: list[str] | None = None
    is_open = False
    for part in _parts(value):
        if is_open and inside is not None:
            is_open = part != ">"
            inside.append(part if is_open else "")
        elif part == "<":
            is_open, inside = True, [] if inside is None else ["<"]  # a second one makes it no address
        elif part == ":":
            outside.clear()  # the name of a group
        elif part in (",", ";"):
            yield _entry(outside, inside)
            outside, inside = [], None
        elif inside is None or part.isspace():
            outside.append(part)
        else:
            inside.append(part)  # behind the bracket: no address, either
    yield "<" if is_open else _entry(outside, inside)


def _entry(outside: list[str], inside: list[str] | None) -> str:
    return "".join(outside if inside is None else inside).strip()


def _parts(value: str) -> Iterator[str]:
    """Quoted strings, special characters, and what is between them; comments, which may be nested, are left out.

    A quoted string or a comment that is never closed goes on to the end.
    """
    position = depth = 0
    while position < len(value):
        match = (_IN_COMMENT if depth else _PART).match(value, position)
        assert match  # noqa: S101 - for the type alone: each of them takes any character
        position, part = match.end(), match[0]
        if part == "(" or (depth and part == ")"):
            depth += 1 if part == "(" else -1
        elif not depth:
            yield part
