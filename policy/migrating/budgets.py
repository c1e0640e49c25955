"""Budgets from one place into another; and each of them compared: what may still be sent is never more than before."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy.migrating.places import SPANS_S, Budget, Counter, Place, portions
from policy.store.backup import Say
from policy.store.errors import StoreError

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Compared:
    """How many keys there are, and what they hold; `more` of them hold more over there than here."""

    counters: int = 0
    sets: int = 0
    entries: int = 0
    more: int = 0


def move(source: Place, target: Place, say: Say) -> None:
    """All of them, into a place from which whatever an attempt before has left was removed."""
    for some in _told(source, "budgets", say):
        target.put(some)


def compare(source: Place, target: Place, now: float, say: Say) -> Compared:
    """Key by key, in spans of a minute to a month. StoreError where one has less in it than it had."""
    counters = sets = entries = more = 0
    for some in _told(source, "budgets compared", say):
        for before, after in zip(some, target.those(some), strict=True):
            held, holds = before.held(now), after.held(now) if after else (0,) * len(SPANS_S)
            if any(is_less < was for was, is_less in zip(held, holds, strict=True)):
                raise StoreError(
                    f"the budget {before.key} holds {holds} over there, and {held} here: nothing was changed here"
                )
            more += holds > held
            is_counter = isinstance(before, Counter)
            counters, sets = counters + is_counter, sets + (not is_counter)
            entries += len(before.entries if isinstance(before, Counter) else before.members)
    return Compared(counters, sets, entries, more)


def _told(source: Place, what: str, say: Say) -> Iterator[list[Budget]]:
    number = 0
    for some in portions(source.every(), _AT_ONCE):
        yield some
        number += len(some)
        say(what, number)
