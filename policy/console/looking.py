"""What is in a message that is on hold, as a page shows it: a stranger's words, made visible and cut.

The header section came as text; what a field says in encoded words (RFC 2047) is decoded as far as that goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from email.parser import HeaderParser

from policy.console.confirm import path_to_confirm
from policy.console.visit import Visit
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.store.looks import KEPT_S, Look
from policy.visible import visible

MOST_WAITING_S = 15.0  # until it is said that nobody answers
_FIELDS = ("Subject", "From", "To", "Cc", "Date")
_LONGEST_FIELD = 500


@dataclass(frozen=True, slots=True)
class Opened:
    """One message."""

    fields: Mapping[str, str]  # by their names, those that are there
    head: str = field(repr=False)
    text: str = field(repr=False)


def opened(look: Look) -> Opened | None:
    """None where there is nothing to see, or not yet."""
    if look.content is None:
        return None
    parsed = HeaderParser().parsestr(look.content.head.encode(errors="replace").decode())  # no halves of characters
    fields = {name: decoded(str(parsed[name])) for name in _FIELDS if parsed[name] is not None}
    return Opened(fields, _lines(look.content.head), _lines(look.content.text))


def decoded(raw: str) -> str:
    """A field on one line; as it came where it cannot be decoded."""
    folded = " ".join(raw.split())
    try:
        text = str(make_header(decode_header(folded)))
    except (LookupError, ValueError, MessageError):
        text = folded
    text = visible(text)
    return text if len(text) <= _LONGEST_FIELD else f"{text[:_LONGEST_FIELD]} …"


def shown(visit: Visit, session: Session, look: Look | None, back: str) -> dict[str, object]:
    """For the templates of a look. Without a fresh second factor nothing is shown but the way to one."""
    fresh = is_fresh(session, visit.now)
    return {
        "look": look,
        "opened": opened(look) if look and fresh else None,
        "is_fresh": fresh,
        "confirm": path_to_confirm(back),
        "is_waiting": bool(look and fresh and not look.is_answered),
        "is_late": bool(look and visit.now - look.asked_at > MOST_WAITING_S),
        "until": look.asked_at + KEPT_S if look else None,
    }


def number_of_look(given: str) -> int:
    """0 where there is none."""
    longest = 9  # digits: what every database takes as an id
    return int(given) if given.isascii() and given.isdigit() and len(given) <= longest else 0


def _lines(text: str) -> str:
    return "\n".join(visible(line.expandtabs()) for line in text.splitlines())
