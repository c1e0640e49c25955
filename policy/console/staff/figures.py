"""The figures of the overview, from those of policy/tally.py. Pure.

tiles    the whole span
groups   the same by stage, outcome and reason
points   messages over time, finely for the chart, and coarsely for its table
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.contract import Action, ConnectOutcome
from policy.store.tallies import Figure
from policy.tally import Login, LoginReason, Stage, What

_WALLED = frozenset({LoginReason.WALLED_NETWORK, LoginReason.WALLED_LOGIN})
_AT_DOVECOT_TOO = frozenset({Stage.LOGIN, Stage.PICKUP})


class Span(StrEnum):
    """How far back the page looks."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"


@dataclass(frozen=True, slots=True)
class Grain:
    """In seconds; each is some of policy.tally.GRAIN_S, and the rows of the table are some of the chart's."""

    span: int
    chart: int
    table: int


GRAINS: Mapping[Span, Grain] = {
    Span.HOUR: Grain(3600, 300, 300),
    Span.DAY: Grain(86400, 900, 3600),
    Span.WEEK: Grain(7 * 86400, 7200, 86400),
}


@dataclass(slots=True)
class Tiles:
    """Messages, but for `guesses`: logins with a wrong secret, and what met a wall against guessing."""

    accepted: int = 0
    recipients: int = 0  # to whom they went
    held: int = 0  # whole
    held_in_part: int = 0  # these are among the accepted ones
    refused: int = 0
    later: int = 0  # of the refused ones: they may be tried again
    guesses: int = 0
    walled: int = 0  # of the guesses: nothing was looked at


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the whole span."""

    what: What
    number: int
    recipients: int


@dataclass(frozen=True, slots=True)
class Group:
    """What was counted at one stage, the most frequent first."""

    stage: Stage
    rows: list[Row]


@dataclass(slots=True)
class Point:
    """Messages from `at` on."""

    at: int
    accepted: int = 0
    held: int = 0
    refused: int = 0


def tiles(figures: Iterable[Figure]) -> Tiles:
    """Summed up."""
    made = Tiles()
    for one in figures:
        if one.what.stage is Stage.MESSAGE:
            _add_messages(made, one)
        elif is_walled(one.what):
            made.guesses += one.number
            made.walled += one.number
        elif is_guess(one.what):
            made.guesses += one.number
    return made


def is_guess(what: What) -> bool:
    """A secret was looked at, and was wrong."""
    return what.stage in _AT_DOVECOT_TOO and what[1:] == (Login.REFUSED, LoginReason.SECRET)


def is_walled(what: What) -> bool:
    """Whoever came stood before a wall against guessing."""
    if what.stage is Stage.CONNECT:
        return what.outcome == ConnectOutcome.LATER
    return what.stage in _AT_DOVECOT_TOO and what.outcome == Login.LATER and what.reason in _WALLED


def groups(figures: Iterable[Figure]) -> list[Group]:
    """By stage, in the order of a session."""
    sums = dict[What, tuple[int, int]]()
    for one in figures:
        number, recipients = sums.get(one.what, (0, 0))
        sums[one.what] = (number + one.number, recipients + one.recipients)
    rows = sorted((Row(what, *counted) for what, counted in sums.items()), key=lambda row: (-row.number, row.what))
    made = [Group(stage, [row for row in rows if row.what.stage is stage]) for stage in Stage]
    return [group for group in made if group.rows]


def points(figures: Iterable[Figure], since: float, now: float, seconds: int) -> list[Point]:
    """One for each time, with those in which nothing happened."""
    first, last = (int(moment) // seconds * seconds for moment in (since, now))
    made = {at: Point(at) for at in range(first, last + 1, seconds)}
    for one in figures:
        point = made.get(one.at // seconds * seconds)
        if point is None or one.what.stage is not Stage.MESSAGE:
            continue
        match one.what.outcome:
            case Action.ACCEPT:
                point.accepted += one.number
            case Action.HOLD:
                point.held += one.number
            case _:
                point.refused += one.number
    return list(made.values())


def _add_messages(made: Tiles, one: Figure) -> None:
    match one.what.outcome:
        case Action.ACCEPT:
            made.accepted += one.number
            made.recipients += one.recipients
            made.held_in_part += one.number if one.what.reason else 0
        case Action.HOLD:
            made.held += one.number
        case outcome:
            made.refused += one.number
            made.later += one.number if outcome == Action.DEFER else 0
