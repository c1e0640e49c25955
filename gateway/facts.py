"""What policy is told of a message, pure: its octets in, the authors out, or the reply that refuses it.

The header section is read by a scanner of our own. Python's email parser stops at a line such as `X : y`, Postfix and
mail clients do not, so a second From behind such a line would be seen by everybody but the judge. Here every line is a
field, `name:` without a space, or the continuation of one; fields that RFC 5322 section 3.6 allows once occur once.
What is ambiguous is refused, never repaired.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import InvalidHeaderDefect, NonASCIILocalPartDefect
from email.headerregistry import AddressHeader, HeaderRegistry

from gateway import replies
from gateway.replies import Reply

_FIELD = re.compile(rb"([!-9;-~]+):(.*)", re.DOTALL)
_ONCE = frozenset(
    (
        b"from",
        b"sender",
        b"reply-to",
        b"to",
        b"cc",
        b"bcc",
        b"date",
        b"message-id",
        b"subject",
        b"in-reply-to",
        b"references",
    )
)
SPACE = 0x20  # below it are the control characters
_HOP_LIMIT = 100  # RFC 5321 section 6.3
_registry = HeaderRegistry()


@dataclass(frozen=True, slots=True)
class Content:
    """What the header section says. `authors` is empty without a From field: that is for policy to judge."""

    authors: tuple[str, ...]


def read(message: bytes) -> Content | Reply:
    """The facts of a message, or why it cannot be read in one way only."""
    fields = _fields(message)
    if fields is None:
        return replies.BAD_HEADER
    names = [name for name, _ in fields]
    if any(names.count(name) > 1 for name in _ONCE):
        return replies.DUPLICATE_HEADER
    if names.count(b"received") >= _HOP_LIMIT:
        return replies.LOOP
    authors = _authors([body for name, body in fields if name == b"from"])
    return replies.BAD_AUTHOR if authors is None else Content(authors)


def _fields(message: bytes) -> list[tuple[bytes, bytes]] | None:
    """Names in lower case with their unfolded bodies; None where a line is neither a field nor a continuation."""
    head = message.partition(b"\r\n\r\n")[0] if not message.startswith(b"\r\n") else b""
    unfolded: list[bytes] = []
    for line in head.removesuffix(b"\r\n").split(b"\r\n") if head else []:
        if line[:1] in (b" ", b"\t"):
            if not unfolded:
                return None
            unfolded[-1] += line
        else:
            unfolded.append(line)
    matches = [_FIELD.fullmatch(line) for line in unfolded]
    if not all(matches):
        return None
    return [(match[1].lower(), match[2]) for match in matches if match]


def _authors(bodies: Sequence[bytes]) -> tuple[str, ...] | None:
    """Every address of the From field. Obsolete forms that people's clients write (`J. Doe <j@x>`) are let through."""
    if not bodies:
        return ()
    try:
        header = _registry("from", bodies[0].decode().strip())
    except UnicodeDecodeError:
        return None
    if any(ord(character) < SPACE and character != "\t" for character in bodies[0].decode()):
        return None
    if not isinstance(header, AddressHeader) or not header.addresses:
        return None
    if any(isinstance(defect, InvalidHeaderDefect | NonASCIILocalPartDefect) for defect in header.defects):
        return None
    return tuple(address.addr_spec for address in header.addresses)
