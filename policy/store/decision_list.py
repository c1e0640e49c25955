"""Decisions for who looks through them: the newest first, by whose they were, what they were and where from.

Nothing here reads the whole table, however many decisions there are. A page looks through so many of them and says how
far it came; the next one goes on there. What was simply accepted is most of all, and an index leaves it out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, literal, select, tuple_

from policy.contract import Action
from policy.engine.sources import network_of
from policy.store.models import Submissions
from policy.store.records import Submission

LOOKED_THROUGH = 20_000  # a page, at most
_AT_ONCE = 1000
_NO_REASON = literal("", literal_execute=True)  # a parameter would not tell a planner that the partial index will do


class Mark(NamedTuple):
    """A place in the order of decisions: the time of one and its id."""

    at: float
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Empty is any. `network` is as network_of tells it."""

    identity: str = ""
    action: str = ""
    reason: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One page. `last` is where to go on; None where there is nothing older."""

    rows: list[Submission]
    last: Mark | None


def decisions(
    engine: Engine, sought: Sought, *, before: Mark | None = None, limit: int = 50, most: int = LOOKED_THROUGH
) -> Found:
    """The newest `limit` before a mark, of those among the next `most`."""
    found, seen, last = list[Mark](), 0, before
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for mark, client_address, action, reason in _walk(connection, sought, before, most):
            if len(found) == limit:  # there is one more
                return Found(_whole(connection, found), last)
            seen, last = seen + 1, mark
            if _fits(sought, client_address, action, reason):
                found.append(mark)
        return Found(_whole(connection, found), last if seen == most else None)


def _walk(
    connection: Connection, sought: Sought, before: Mark | None, most: int
) -> Iterator[tuple[Mark, str, str, str]]:
    """In their order, some at a time; one beyond `most` is never asked for."""
    row, last, left = Submissions, before, most
    wanted = select(row.id, row.at, row.client_address, row.action, row.reason).where(*_by_index(sought))
    while left:
        at_once = min(left, _AT_ONCE)
        place = [] if last is None else [tuple_(row.at, row.id) < tuple_(literal(last.at), literal(last.id))]
        page = connection.execute(wanted.where(*place).order_by(row.at.desc(), row.id.desc()).limit(at_once)).all()
        for number, at, client_address, action, reason in page:
            last = Mark(at, number)
            yield last, client_address, action, reason
        if len(page) < at_once:
            return
        left -= at_once


def _by_index(sought: Sought) -> list[ColumnElement[bool]]:
    """What an index has in order; all else is looked at row by row (_fits), or a database might read on without end."""
    if sought.identity:
        return [Submissions.identity == sought.identity]
    return [Submissions.reason != _NO_REASON] if sought.reason or sought.action not in ("", Action.ACCEPT) else []


def _fits(sought: Sought, client_address: str, action: str, reason: str) -> bool:
    return (
        sought.action in ("", action)
        and sought.reason in ("", reason)
        and sought.network in ("", network_of(client_address))
    )


def _whole(connection: Connection, marks: Sequence[Mark]) -> list[Submission]:
    columns = [Submissions.__table__.c[field.name] for field in fields(Submission)]
    wanted = select(*columns).where(Submissions.id.in_([mark.id for mark in marks]))
    rows = [Submission(*row) for row in connection.execute(wanted)]
    return sorted(rows, key=lambda one: (one.at, one.id), reverse=True)
