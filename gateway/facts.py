"""What policy is told of a message, and what its header section lacks, pure.

The header section is read by a scanner of our own. Python's email parser stops at a line such as `X : y`, Postfix and
mail clients do not, so a second From behind such a line would be seen by everybody but the judge. Here every line is a
field, `name:` without a space, or the continuation of one; fields that may stand once stand once. What is ambiguous is
refused, never repaired. The content below the header section is not looked at.

What a submission server owes to its client's message (RFC 6409 section 8) is added or taken away in one place,
`completed`; every other octet stays as it is, because a signature may cover it.

    head_of(start, is_whole=False)      the header section out of the first octets of a message
    read(head, is_utf8=False)           Content, or the reply that refuses it
    completed(head, content, ...)       with Date and Message-ID, without Bcc
"""

import re
from collections import Counter
from dataclasses import dataclass

from gateway import replies
from gateway.display_names import shown
from gateway.mailboxes import LIMIT, Mailboxes, mailboxes
from gateway.replies import Reply

HEAD_LIMIT = 256 * 1024
# Postfix drops without a word what a field has beyond its header_size_limit: the recipient would not see what we saw.
_FIELD_LIMIT = 102_400
_FIELDS_LIMIT = 1_000
_HOP_LIMIT = 100  # RFC 5321 section 6.3

# (Possessive groups would say it shorter, but Python 3.11.2, which is Debian 12's, gets them wrong.)
# A continuation of blanks alone (obs-FWS, RFC 5322 section 4.2) looks like the end of the header section to some.
_FIELD = re.compile(rb"([!-9;-~]++):([^\r\n]*+(?:\r\n[ \t]++[^ \t\r\n][^\r\n]*+)*)\r\n(?![ \t])")
_BLIND_COPIES = re.compile(rb"^(?:resent-)?bcc:[^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*\r\n", re.IGNORECASE | re.MULTILINE)
# RFC 5322 section 3.6. Of two content types, too, one reader takes the first and another the last.
_ONCE = frozenset(
    (
        *(b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"date", b"message-id", b"subject"),
        *(b"in-reply-to", b"references", b"content-type", b"content-transfer-encoding"),
    )
)
_SINGLE = frozenset((b"sender", b"resent-sender"))
_ALLOWED = bytes({*b"\t\r\n", *range(0x20, 0x7F), *range(0x80, 0x100)})
# Line ends in Unicode: some readers split there.
_OTHER_CONTROLS = re.compile("[\x80-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Content:
    """What the header section says. `authors` is empty without a From field: that is for policy to judge."""

    authors: tuple[str, ...]
    senders: tuple[str, ...] = ()  # of Sender, Resent-From and Resent-Sender
    names: tuple[str, ...] = ()  # beside any of these addresses, as readers are shown them
    has_date: bool = False
    has_message_id: bool = False
    has_bcc: bool = False


def head_of(start: bytes | bytearray, *, is_whole: bool) -> bytes | Reply:
    """The octets up to the empty line and with it; all of a message that has none (RFC 5322 section 3.5).

    `start` is the first HEAD_LIMIT octets of a message or more, or the whole of it (is_whole).
    """
    if start.startswith(b"\r\n"):
        return b"\r\n"
    end = start.find(b"\r\n\r\n")
    length = end + 4 if end >= 0 else len(start)
    if length > HEAD_LIMIT or (end < 0 and not is_whole):
        return replies.HEADER_TOO_LONG
    return bytes(start[:length])


def read(head: bytes, *, is_utf8: bool) -> Content | Reply:
    """The facts of a message, or why it cannot be read in one way only; is_utf8: it was sent with SMTPUTF8."""
    refusal = _refusal_of_octets(head, is_utf8=is_utf8)
    if refusal:
        return refusal
    fields = _fields(head)
    if isinstance(fields, Reply):
        return fields
    counts = Counter(name for name, _ in fields)
    if any(counts[name] > 1 for name in _ONCE & counts.keys()):
        return replies.DUPLICATE_HEADER
    if counts[b"received"] >= _HOP_LIMIT:
        return replies.LOOP
    authors = _mailboxes(fields, (b"from",), is_utf8=is_utf8)
    if authors is None:
        return replies.BAD_AUTHOR
    if len(authors.addresses) > 1 and not counts[b"sender"]:
        return replies.SENDER_FIELD_MISSING  # RFC 5322 section 3.6.2, RFC 6854 section 2.1
    senders = _mailboxes(fields, (b"sender", b"resent-sender", b"resent-from"), is_utf8=is_utf8)
    if senders is None:
        return replies.BAD_SENDER_FIELD
    return Content(
        authors=authors.addresses,
        senders=senders.addresses,
        names=tuple(shown(name) for name in authors.names + senders.names),
        has_date=b"date" in counts,
        has_message_id=b"message-id" in counts,
        has_bcc=b"bcc" in counts or b"resent-bcc" in counts,
    )


def completed(head: bytes, content: Content, *, date: str, message_id: str) -> bytes:
    """RFC 6409 sections 8.2 and 8.3: Date and Message-ID where missing. Bcc is for nobody's eyes (RFC 5322 3.6.3)."""
    if content.has_bcc:
        head = _BLIND_COPIES.sub(b"", head)
    if not content.has_message_id:
        head = f"Message-ID: {message_id}\r\n".encode("ascii") + head
    if not content.has_date:
        head = f"Date: {date}\r\n".encode("ascii") + head
    return head


def _refusal_of_octets(head: bytes, *, is_utf8: bool) -> Reply | None:
    if head.translate(None, _ALLOWED):
        return replies.BAD_HEADER
    if head.isascii():
        return None
    if not is_utf8:
        return replies.HEADER_NOT_ASCII
    try:
        return replies.BAD_HEADER if _OTHER_CONTROLS.search(head.decode()) else None
    except UnicodeDecodeError:
        return replies.HEADER_NOT_ASCII


def _fields(head: bytes) -> list[tuple[bytes, bytes]] | Reply:
    """Names in lower case with their bodies, folded as they are."""
    fields: list[tuple[bytes, bytes]] = []
    position = 0
    while match := _FIELD.match(head, position):
        name, body = match.groups()
        fields.append((name.lower(), body))
        position = match.end()
        if len(fields) > _FIELDS_LIMIT or len(body) > _FIELD_LIMIT:
            return replies.HEADER_TOO_LONG
    return fields if head[position:] in (b"", b"\r\n") else replies.BAD_HEADER


def _mailboxes(fields: list[tuple[bytes, bytes]], wanted: tuple[bytes, ...], *, is_utf8: bool) -> Mailboxes | None:
    """All addresses of the wanted fields, and of each at least one; a Sender has no more (RFC 5322 section 3.6.2).

    The limit is theirs together: there is no end to Resent fields, and each address is work, for policy as well.
    """
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    for name, body in fields:
        if name in wanted:
            found = mailboxes(body.replace(b"\r\n", b"").decode(), is_utf8=is_utf8)
            if found is None or (len(found.addresses) > 1 and name in _SINGLE):
                return None
            addresses += found.addresses
            names += found.names
            if len(addresses) > LIMIT:
                return None
    return Mailboxes(addresses, names)
