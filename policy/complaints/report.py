"""What a complaint says: a feedback report (ARF, RFC 5965), or a letter to abuse@ with the message attached. Pure.

Anybody can write one. So it counts for as much as it can be held to: the submission must be one of ours, and each
recipient of it counts once (policy/complaints/desk.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.utils import parseaddr
from itertools import islice

# Anybody writes to abuse@, so that nothing may take the time of others: each line is held against every open boundary.
_LIMIT = 256 * 1024  # octets of a report that are looked at
_MULTIPARTS = 20
_PARTS = 50
_AUTHOR_LIMIT = 1000
_TEXT_LIMIT = 200
_RECIPIENTS_LIMIT = 20
_SENT_BY_US = re.compile(r"from submission by (\S{1,255}) with \S{1,40}.{0,400}?\bid ([0-9a-f]{16,28});", re.DOTALL)
# What email's parser raises over them.
_ODD_OCTETS = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_MULTIPART = re.compile(rb"multipart/", re.IGNORECASE)
# RFC 5965 section 3.1, with RFC 6430 and 6591; whatever else there may be is other.
_KINDS = frozenset({"abuse", "fraud", "virus", "opt-out", "auth-failure"})
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Of one message. `recipients` is empty where the report hides them, as most do."""

    submission: str
    reporter: str  # the domain of whoever wrote the report
    kind: str
    recipients: tuple[str, ...] = ()


def complaint_in(octets: bytes, hostname: str) -> Complaint | None:
    """None for what is no complaint about a message that `hostname` took in."""
    try:
        letter = message_from_bytes(_beginning(octets[:_LIMIT]))
        parts = list(_parts(letter))
        fields = _fields(parts)
        submission = next(_submissions(parts, hostname), "")
        author = parseaddr(str(letter.get("From", ""))[:_AUTHOR_LIMIT])[1]
    except _ODD_OCTETS:
        return None
    kind = fields.get("feedback-type", ["other"])[0].lower()
    if not submission or kind in _NO_COMPLAINT:
        return None
    return Complaint(
        submission=submission,
        reporter=_plain(author.rpartition("@")[2].lower()),
        kind=kind if kind in _KINDS else "other",
        recipients=tuple(dict.fromkeys(_plain(one) for one in fields.get("original-rcpt-to", ())))[:_RECIPIENTS_LIMIT],
    )


def _beginning(octets: bytes) -> bytes:
    """Up to what would be one multipart too many; what is complained about stands before whatever its sender wrote."""
    found = list(islice(_MULTIPART.finditer(octets), _MULTIPARTS, _MULTIPARTS + 1))
    return octets[: found[0].start()] if found else octets


def _parts(letter: Message) -> Iterator[Message]:
    return islice(letter.walk(), _PARTS)


def _fields(parts: list[Message]) -> dict[str, list[str]]:
    """Of the machine-readable part, RFC 5965 section 3; names in lower case."""
    found: dict[str, list[str]] = {}
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            for line in _text_of(part).splitlines():
                name, colon, value = line.partition(":")
                if colon and not line[:1].isspace():
                    found.setdefault(name.strip().lower(), []).append(value.strip().strip("<>"))
    return found


def _submissions(parts: list[Message], hostname: str) -> Iterator[str]:
    """The ids in Received fields of ours: of the message that is attached, or of its header section."""
    for part in parts[1:]:
        texts = [str(field) for field in part.get_all("Received", ())]
        if part.get_content_type() in {"text/rfc822-headers", "message/rfc822-headers"}:
            texts.append(_text_of(part))
        for text in texts:
            for host, submission in _SENT_BY_US.findall(text):
                if host.lower() == hostname.lower():
                    yield submission


def _text_of(part: Message) -> str:
    """Of a part that the parser may have taken for a message of its own."""
    content = part.get_payload()
    if isinstance(content, list):
        return "\n".join(str(one) for one in content)
    octets = part.get_payload(decode=True)
    return octets.decode(errors="replace") if isinstance(octets, bytes) else ""


def _plain(text: str) -> str:
    return "".join(letter for letter in text[:_TEXT_LIMIT] if letter.isprintable())
