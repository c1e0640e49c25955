"""Addresses of clients, cut to their network when they were kept for long enough; the rows themselves stay.

    192.0.2.7  becomes 192.0.2.0/24;  a client that named itself [192.0.2.7] becomes [192.0.2.0/24]

ROWS is all that has them, but for the audit log, which nothing changes, and for notices, which go after a while.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from policy.engine.sources import NOWHERE, network_of
from policy.store.reader import Reader, Row
from policy.store.statements import Prepared, prepared
from policy.store.transactions import Statements

STEP = 200  # rows that are read at once
CHANGED = 40  # values of one transaction: a message may wait for it, on PostgreSQL a journey for each

_LITERAL = re.compile(r"\[(IPv6:)?([0-9A-Fa-f:.]+)\]", re.IGNORECASE)  # RFC 5321 section 4.1.3


class Place(NamedTuple):
    """Columns that hold addresses, and the one that says when they were used."""

    table: str
    at: str
    columns: tuple[str, ...]
    first: int | str = 0  # is before every id


ROWS = (
    Place("submission", "at", ("client_address", "client_name"), ""),
    Place("signal", "at", ("client_address",)),
    Place("trap_hit", "at", ("client_address",)),
    Place("credential", "last_used_at", ("last_used_from",)),
    Place("console_session", "seen_at", ("client_address",)),
)


class Mark(NamedTuple):
    """How far a table was gone through."""

    at: float
    id: int | str


@dataclass(frozen=True, slots=True)
class Cut:
    """A value that has to become another one, unless somebody has changed it meanwhile."""

    place: Place
    column: str
    id: int | str
    was: str

    @property
    def becomes(self) -> str:
        return cut(self.was)


def cut(value: str) -> str:
    """The network in place of an address; whatever else it is stays."""
    if literal := _LITERAL.fullmatch(value):
        return f"[{literal[1] or ''}{cut(literal[2])}]"
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value  # a network already, a name, or nothing
    network = network_of(value)
    return value if network == NOWHERE else network


async def due(reader: Reader, place: Place, mark: Mark, edge: float) -> tuple[Sequence[Cut], Mark | None]:
    """What is to be cut among the next rows behind `mark`, and the last of these; None where there are no more."""
    found = await reader.rows(_NEXT[place], {"at": mark.at, "id": mark.id, "edge": edge, "step": STEP})
    cuts = [one for row in found for one in _cuts(place, row) if one.becomes != one.was]
    return cuts, Mark(found[-1][1], found[-1][0]) if found else None


def make(statements: Statements, cuts: Sequence[Cut]) -> None:
    """Runs in the transactions of a writer (store/writer.py)."""
    for one in cuts:
        values = {"id": one.id, "was": one.was, "becomes": one.becomes}
        statements.execute(_CUT[one.place.table, one.column], values)


def _cuts(place: Place, row: Row) -> list[Cut]:
    identifier, _, *values = row
    return [Cut(place, column, identifier, value) for column, value in zip(place.columns, values, strict=True) if value]


def _next(place: Place) -> Prepared:
    return prepared(
        f"SELECT id, {place.at}, {', '.join(place.columns)} FROM {place.table}"  # noqa: S608 - names of ours
        f" WHERE ({place.at}, id) > (:at, :id) AND {place.at} <= :edge ORDER BY {place.at}, id LIMIT :step"
    )


def _cut(table: str, column: str) -> Prepared:
    return prepared(f"UPDATE {table} SET {column} = :becomes WHERE id = :id AND {column} = :was")  # noqa: S608 - as above


_NEXT = {place: _next(place) for place in ROWS}
_CUT = {(place.table, column): _cut(place.table, column) for place in ROWS for column in place.columns}
