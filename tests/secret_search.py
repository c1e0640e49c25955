"""Looks for secrets in what a program left behind: in every form in which it may have been written.

A form is what another program would have made of the secret: base64 at any place of a longer text, hexadecimal,
percent-encoded, escaped, in another letter case. What is found is told by the name of the secret, never by its value.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote, quote_plus

_SHORT = 8  # a code of digits; its encodings are as short, and turn up by chance in what is random
_LEAST = 6


@dataclass(frozen=True)
class Secret:
    """`value` in octets: what was typed, or sent."""

    name: str
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        assert len(self.value) >= _LEAST, f"{self.name} is too short to be looked for"


@dataclass(frozen=True)
class Found:
    """One secret in one place. Prints without the value."""

    secret: str
    form: str
    place: str

    def __str__(self) -> str:
        return f"{self.secret}, {self.form}, in {self.place}"


@dataclass
class Wanted:
    """The secrets of a run, in order, each once."""

    secrets: list[Secret] = field(default_factory=list)

    def add(self, name: str, value: str | bytes) -> None:
        octets = value.encode() if isinstance(value, str) else value
        if all(one.value != octets for one in self.secrets):
            self.secrets.append(Secret(name, octets))

    def found_in(self, places: Mapping[str, bytes], *, but: Iterable[str] = ()) -> list[Found]:
        """Every secret in every place, but those whose names are `but`."""
        passed_over = frozenset(but)
        looked_for = [(one, form, pattern) for one in self.secrets for form, pattern in patterns(one.value)]
        return [
            Found(one.name, form, place)
            for place, content in places.items()
            for one, form, pattern in looked_for
            if one.name not in passed_over and _is_in(pattern, content)
        ]

    def forms(self) -> int:
        """How many patterns are looked for in each place."""
        return sum(1 for one in self.secrets for _ in patterns(one.value))


def patterns(value: bytes) -> Iterator[tuple[str, bytes | re.Pattern[bytes]]]:
    """What is looked for, each pattern once."""
    seen = set[bytes]()
    for form, written in forms(value):
        if written and written not in seen:
            seen.add(written)
            # A short number is one only as a word of its own: in the fraction of a second, or in a digest, it is none.
            is_number = written.isdigit() and len(written) < _SHORT
            yield form, re.compile(rb"(?<![\w.])" + re.escape(written) + rb"(?!\w)") if is_number else written


def forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    """The name of a form, and the secret in it."""
    yield "as it is", value
    yield "in capitals", value.upper()
    yield "in small letters", value.lower()
    yield "without dashes", value.replace(b"-", b"")
    yield "without blanks", value.replace(b" ", b"")
    yield "hexadecimal", value.hex().encode()
    yield "hexadecimal in capitals", value.hex().upper().encode()
    for place in range(3):
        written = _base64_within(value, place)
        yield f"base64, {place} octets behind a group", written
        yield f"base64url, {place} octets behind a group", written.translate(bytes.maketrans(b"+/", b"-_"))
    yield "percent-encoded", quote(value, safe="").encode()
    yield "percent-encoded with slashes", quote(value).encode()
    yield "as a form", quote_plus(value).encode()
    yield "percent-encoded but for letters", _percent_encoded(value, "%{:02X}")
    yield "percent-encoded in small letters", _percent_encoded(value, "%{:02x}")
    yield "as Python shows octets", repr(value)[2:-1].encode()
    text = value.decode(errors="replace")
    if text.encode() == value:
        yield from _text_forms(text)


def _text_forms(text: str) -> Iterator[tuple[str, bytes]]:
    yield "as JSON", json.dumps(text)[1:-1].encode()
    yield "as JSON beyond ASCII", json.dumps(text, ensure_ascii=False)[1:-1].encode()
    yield "as Python shows text", repr(text)[1:-1].encode()
    yield "as Python shows text in ASCII", ascii(text)[1:-1].encode()
    yield "as HTML", escape(text).encode()
    yield "as SQL", text.replace("'", "''").encode()
    yield "as UTF-16", text.encode("utf-16-le")
    yield "as Latin-1", text.encode("latin-1", errors="replace") if "?" not in text else b""


def _base64_within(value: bytes, place: int) -> bytes:
    """The characters that are the same whatever stands before and behind, RFC 4648 section 4: three octets are four."""
    written = b64encode(bytes(place) + value)
    begins = -(-place * 8 // 6)
    return written[begins : (place + len(value)) * 8 // 6]


def _percent_encoded(value: bytes, octet: str) -> bytes:
    """As a program does it that leaves nothing but letters and digits."""
    return "".join(
        chr(one) if chr(one).isascii() and chr(one).isalnum() else octet.format(one) for one in value
    ).encode()


def _is_in(pattern: bytes | re.Pattern[bytes], content: bytes) -> bool:
    return pattern in content if isinstance(pattern, bytes) else bool(pattern.search(content))
