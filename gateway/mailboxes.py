"""The addresses in a From, Sender or Resent field, pure: its text in, every address and every name out (RFC 5322 3.4).

    Ada Lovelace <ada@example.org>, "Babbage, Charles" <charles@example.org>        two mailboxes
    =?utf-8?q?Ad=C3=A4?= <ada@example.org>                  an encoded word is shown, and never parsed once decoded
    ada@example.org (Lovelace, Ada)                         a comment, where it can be taken for nothing else
    analysts: ada@example.org, charles@example.org;         a group, RFC 6854

Accepted is what every reader understands to be the same addresses; what an address is says address.py. Names are free
as people write them (the dots of `Ada K. Lovelace` are obsolete syntax); but where a name holds an at sign, a comma or
a bracket, it stands in quotes. Comments have no such characters at all, but for the comma of a name behind an address,
and there are none inside an address.

Python's own parser for these fields needs twenty times as long, and lets through what others read differently.
"""

import re
from dataclasses import dataclass

from gateway import address

_BLANK = r"[ \t]++"
_COMMENT = r"\([^()\\\"<>@,;:]*+\)"
_BETWEEN = rf"(?:{_BLANK}|{_COMMENT})*"
_BEHIND = rf"(?:{_BLANK}|\([^()\\\"<>@;:]*+\))*"
_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]++"
_TEXT = rf'(?:{_WORD}|"(?:[^"\\]|\\.)*")'
# A dot may stand behind a word, not before all of them. Blanks and comments can be read in one way only, or matching
# would take time that grows with the square. (Possessive groups would say so, but Python 3.11.2 gets them wrong.)
_NAME = rf"{_BETWEEN}(?:(?!\.){_TEXT}(?:{_TEXT}|{_BLANK}|{_COMMENT})*)?"
_ADDRESS = rf"(?:{address.QUOTED}@)?[^<>\"(),;:\s]++"
_MAILBOX = re.compile(rf"(?:{_NAME}<(?P<angle>{_ADDRESS})>|{_BETWEEN}(?P<bare>{_ADDRESS})){_BEHIND}")
_GROUP = re.compile(rf"(?=[ \t]*+[^ \t:]){_NAME}:")
_GROUP_END = re.compile(rf";{_BETWEEN}")
LIMIT = 100  # of addresses: nobody has more, and each is looked up
_NAME_LIMIT = 2000  # of a name as it is encoded: nobody has a longer one, and each is judged


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """`names` are what stands beside the addresses and is not empty, as it stands there; a group's name is one, too."""

    addresses: tuple[str, ...]
    names: tuple[str, ...]


def mailboxes(field: str, *, is_utf8: bool) -> Mailboxes | None:
    """At least one address. `field` is unfolded, and what stands in it is printable but for TAB."""
    found: list[str] = []
    names: list[str] = []
    position, is_in_group = 0, False
    while len(found) < LIMIT:
        if not is_in_group and (group := _GROUP.match(field, position)):
            names.append(group[0][:-1])
            position, is_in_group = group.end(), True
        match = _MAILBOX.match(field, position)
        if not match or address.fault(one := match["angle"] or match["bare"], is_utf8=is_utf8):
            return None
        found.append(one)
        names.append(_name(match))
        position = match.end()
        if is_in_group and (end := _GROUP_END.match(field, position)):
            names.append(end[0][1:])
            position, is_in_group = end.end(), False
        if position == len(field):
            return None if is_in_group else _made(found, names)
        if field[position] != ",":
            return None
        position += 1
    return None


def _name(match: re.Match[str]) -> str:
    """What stands before the address, and the comments behind it."""
    start, end = match.span("angle" if match["angle"] else "bare")
    text, offset = match[0], match.start()
    return f"{text[: start - offset].removesuffix('<')} {text[end - offset :].removeprefix('>')}"


def _made(found: list[str], names: list[str]) -> Mailboxes | None:
    spoken = tuple(name.strip() for name in names if not name.isspace() and name)
    return None if any(len(name) > _NAME_LIMIT for name in spoken) else Mailboxes(tuple(found), spoken)
