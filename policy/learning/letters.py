"""What the header section of a message says of its recipients and its author. Pure.

Sent mail: all of its recipients are people that the identity has written to. Received mail: its author is, but for
lists, bulk mail, robots, and what a spam filter has found: whoever can write to an identity would choose its history.
"""

from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

from policy.learning.fields import Fields, addresses, fields
from policy.learning.found import Broken, Found, Item, PassedOver

_TO = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
_LIST = ("list-id", "list-post", "list-unsubscribe")
_BULK = frozenset(("bulk", "list", "junk"))  # Precedence; never standardized, RFC 3834 section 3.1.8 names it
_SPAM = ("x-spam-flag", "x-spam", "x-spam-status")  # SpamAssassin, rspamd, both
_DATE_LIMIT = 100

Letter = Callable[[bytes, str, str, float], Iterator[Item]]


def sent(section: bytes, whose: str, where: str, arrived_at: float) -> Iterator[Item]:
    """Whom it was sent to."""
    found = fields(section)
    if not found:
        yield Broken(where, "it has no header section")
        return
    yield from _found(found, _TO, whose, where, arrived_at)


def received(section: bytes, whose: str, where: str, arrived_at: float) -> Iterator[Item]:
    """Who wrote it, and where an answer goes."""
    found = fields(section)
    if not found:
        yield Broken(where, "it has no header section")
    elif why := _why_not(found):
        yield PassedOver(why)
    elif len(found.get("from", ())) != 1:  # RFC 5322 section 3.6
        yield Broken(where, "it has no author, or more than one From field")
    else:
        yield from _found(found, ("from", "reply-to"), whose, where, arrived_at)


def _why_not(found: Fields) -> str:
    """Why nobody is known by having written this; empty where somebody is."""
    if any(found.get(name, [""])[0].lower().startswith("yes") for name in _SPAM):
        return "spam"
    if any(name in found for name in _LIST):
        return "mailing list or newsletter"
    if any(value.lower() in _BULK for value in found.get("precedence", ())):
        return "bulk mail"
    # RFC 3834 section 5; a null reverse-path is that of a notification, RFC 5321 section 4.5.5.
    if any(value.lower() != "no" for value in found.get("auto-submitted", ())) or "<>" in found.get("return-path", ()):
        return "written by a program"
    return ""


def _found(found: Fields, names: tuple[str, ...], whose: str, where: str, arrived_at: float) -> Iterator[Item]:
    everybody: list[str] = []
    broken = 0
    for name in names:
        for value in found.get(name, ()):
            some, none = addresses(value)
            everybody += some
            broken += none
    if broken:
        yield Broken(where, f"{broken} of its addresses {'is none' if broken == 1 else 'are none'}")
    if everybody:
        yield Found(whose, tuple(everybody), min(_date(found), arrived_at))
    elif not broken:
        yield PassedOver("without an address")


def _date(found: Fields) -> float:
    """Of its Date field, which may say anything: later than its arrival it was not."""
    try:
        given = parsedate_to_datetime(found["date"][0][:_DATE_LIMIT])
        return given.timestamp()
    except (KeyError, ValueError, TypeError, IndexError, OverflowError, OSError):
        return float("inf")
