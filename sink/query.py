"""What a query string asks for. Pure: names and values in, Filter and Wait out, or BadQuery with a sentence.

A name that is unknown is refused: a misspelt filter would otherwise match every message, and delete it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sink.message import Message

WAIT_MAX_S = 60.0
FILTERS = ("recipient", "sender", "subject")
LISTING = (*FILTERS, "wait", "count")


class BadQuery(Exception):
    """str(self) is a sentence for the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is None matches everything; letter case is ignored."""

    recipient: str | None = None  # one of the envelope's recipients
    sender: str | None = None  # the envelope's reverse-path; empty matches the null reverse-path
    subject: str | None = None  # a part of the Subject field

    def matches(self, message: Message) -> bool:
        return (
            _is_any_of(self.recipient, message.recipients)
            and _is_any_of(self.sender, (message.mail_from,))
            and (self.subject is None or self.subject.casefold() in (message.subject or "").casefold())
        )


@dataclass(frozen=True, slots=True)
class Wait:
    """Until `count` messages match, at most `seconds`."""

    seconds: float = 0.0
    count: int = 1


def read(pairs: Iterable[tuple[str, str]], known: tuple[str, ...]) -> tuple[Filter, Wait]:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise BadQuery(f"There is no query parameter {name!r} here; known are: {', '.join(known) or 'none'}.")
        if name in given:
            raise BadQuery(f"The query parameter {name!r} is given twice; give it once.")
        given[name] = value
    return (
        Filter(recipient=given.get("recipient"), sender=_path(given.get("sender")), subject=given.get("subject")),
        _wait(given),
    )


def _wait(given: dict[str, str]) -> Wait:
    if "wait" not in given:
        if "count" in given:
            raise BadQuery("'count' has a meaning only together with 'wait'; add wait=SECONDS.")
        return Wait()
    return Wait(_seconds(given["wait"]), _count(given.get("count", "1")))


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= WAIT_MAX_S:  # false for nan as well
        raise BadQuery(f"'wait' is {value!r}; it should be a number of seconds from 0 to {WAIT_MAX_S:.0f}.")
    return seconds


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):  # noqa: PLR2004 - nine digits
        raise BadQuery(f"'count' is {value!r}; it should be a whole number from 1 on.")
    return int(value)


def _path(value: str | None) -> str | None:
    """Without the angle brackets, in which `<>` is often written."""
    return value[1:-1] if value and value.startswith("<") and value.endswith(">") else value


def _is_any_of(wanted: str | None, addresses: tuple[str, ...]) -> bool:
    return wanted is None or wanted.casefold() in (address.casefold() for address in addresses)
