"""Readers that decide in another way what gateway/ decides: octet by octet, line by line, as slowly as they like."""

import re

from gateway.framing import Flaw

_LINE_LIMIT = 998
_ATEXT = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~".decode())


def flaw(content: bytes, limit: int) -> Flaw | None:
    """Of content without its transparency dots."""
    if len(content) > limit:
        return Flaw.TOO_BIG
    if re.search(rb"\r(?!\n)|(?<!\r)\n", content):
        return Flaw.BARE_CR_OR_LF
    if b"\0" in content:
        return Flaw.NUL
    return Flaw.LINE_TOO_LONG if any(len(line) > _LINE_LIMIT for line in content.split(b"\r\n")) else None


def content_of_chunks(sent: bytes) -> bytes:
    """Whole lines."""
    return sent if sent.endswith(b"\r\n") or not sent else sent + b"\r\n"


def content_of_data(wire: bytes) -> tuple[bytes, bytes] | None:
    """Line by line, each ending with CRLF, to the one that is a dot; and what follows it. None where none is."""
    content: list[bytes] = []
    while b"\r\n" in wire:
        line, _, wire = wire.partition(b"\r\n")
        if line == b".":
            return b"".join(content), wire
        content.append(line.removeprefix(b".") + b"\r\n")
    return None


def mailbox(path: str) -> tuple[str, str] | None:
    """Local part and domain of RFC 5321 section 4.1.2, with the letters of RFC 6531; character by character."""
    end = _end_of_quoted(path) if path.startswith('"') else path.find("@")
    local, domain = path[:end], path[end + 1 :]
    if end < 1 or path[end : end + 1] != "@" or not domain or "@" in domain:
        return None
    if local.startswith('"'):
        return local, domain
    for atom in local.split("."):
        if not atom or any(character.isascii() and character not in _ATEXT for character in atom):
            return None
    return local, domain


def _end_of_quoted(path: str) -> int:
    """The place behind the quote that ends it; -1 where none does."""
    position = 1
    while position < len(path):
        if path[position] == '"':
            return position + 1
        if not " " <= path[position] <= "~":
            return -1
        position += 2 if path[position] == "\\" else 1
    return -1
