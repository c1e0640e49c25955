"""What each budget holds, wherever it is kept, in one form; and the place in the database.

A key is spelled as the engine spells it, `recipients:ada`; a counter and a set may have the same one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection, delete, select

from policy.budgets.stored import stored_key
from policy.store.filling import put_rows
from policy.store.models import Charges, Members

SPANS_S = (60.0, 600.0, 3600.0, 86400.0, 7 * 86400.0, 31 * 86400.0)  # in which budgets are compared

_ROWS_AT_ONCE = 2000

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Entry:
    """One charge. `total` is the running total, this one included; `is_open` where it may still be given back."""

    at: float
    total: int
    cost: int
    reservation: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Counter:
    """The charges on one key, in the order of their moments."""

    key: str
    entries: tuple[Entry, ...]

    def held(self, now: float) -> tuple[int, ...]:
        """In each of SPANS_S, as budgets count: the newest total less the one before the span's first charge."""
        return tuple(self._within(now - span) for span in SPANS_S)

    def _within(self, edge: float) -> int:
        first = next((one for one in self.entries if one.at > edge), None)
        return self.entries[-1].total - (first.total - first.cost) if first else 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One member of a set: when it was seen last, and which reservation brought it, or empty."""

    mark: int
    at: float
    reservation: str


@dataclass(frozen=True, slots=True)
class MemberSet:
    """The members under one key."""

    key: str
    members: tuple[Seen, ...]

    def held(self, now: float) -> tuple[int, ...]:
        """How many are within each of SPANS_S."""
        return tuple(sum(one.at > now - span for one in self.members) for span in SPANS_S)


Budget: TypeAlias = Counter | MemberSet


class Place(Protocol):
    """Where budgets are kept."""

    def every(self) -> Iterator[Budget]:
        """All of them, each once."""

    def those(self, budgets: Sequence[Budget]) -> Sequence[Budget | None]:
        """What is here of the same kind and key as each; None where nothing is."""

    def empty(self) -> None:
        """Whatever an attempt before has left goes."""

    def put(self, budgets: Sequence[Budget]) -> None:
        """Some, each of which is not there yet."""


class InDatabase:
    """The tables `charge` and `member`, on a connection whose transaction is the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def every(self) -> Iterator[Budget]:
        streamed = {"yield_per": _ROWS_AT_ONCE}
        charges = select(Charges.__table__).order_by(Charges.key, Charges.at, Charges.total)
        with self._connection.execute(charges.execution_options(**streamed)) as rows:
            for key, of_key in groupby(rows.mappings(), lambda row: row["key"]):
                yield Counter(_engines_key(key), tuple(_entry(row) for row in of_key))
        members = select(Members.__table__).order_by(Members.key)
        with self._connection.execute(members.execution_options(**streamed)) as rows:
            for key, of_key in groupby(rows.mappings(), lambda row: row["key"]):
                yield MemberSet(_engines_key(key), tuple(_seen(row) for row in of_key))

    def those(self, budgets: Sequence[Budget]) -> Sequence[Budget | None]:
        return [self._counter(one.key) if isinstance(one, Counter) else self._set(one.key) for one in budgets]

    def empty(self) -> None:
        for table in (Charges, Members):
            self._connection.execute(delete(table))

    def put(self, budgets: Sequence[Budget]) -> None:
        for table, rows in ((Charges, list(charge_rows(budgets))), (Members, list(member_rows(budgets)))):
            if rows:
                put_rows(self._connection, table.__table__, rows)  # type: ignore[arg-type]  # it is a Table

    def _counter(self, key: str) -> Counter | None:
        asked = select(Charges.__table__).where(Charges.key == stored_key(key)).order_by(Charges.at, Charges.total)
        entries = tuple(_entry(row) for row in self._connection.execute(asked).mappings())
        return Counter(key, entries) if entries else None

    def _set(self, key: str) -> MemberSet | None:
        asked = select(Members.__table__).where(Members.key == stored_key(key))
        members = tuple(_seen(row) for row in self._connection.execute(asked).mappings())
        return MemberSet(key, members) if members else None


def portions(items: Iterable[Item], number: int) -> Iterator[list[Item]]:
    """So many at once, and at last the rest."""
    left = iter(items)
    while some := list(islice(left, number)):
        yield some


def charge_rows(budgets: Iterable[Budget]) -> Iterator[dict[str, Any]]:
    """Of the counters among them."""
    for one in budgets:
        for entry in one.entries if isinstance(one, Counter) else ():
            yield {
                "reservation": entry.reservation,
                "key": stored_key(one.key),
                "cost": entry.cost,
                "at": entry.at,
                "total": entry.total,
                "is_open": entry.is_open,
            }


def member_rows(budgets: Iterable[Budget]) -> Iterator[dict[str, Any]]:
    """Of the sets among them."""
    for one in budgets:
        for seen in one.members if isinstance(one, MemberSet) else ():
            yield {"key": stored_key(one.key), "mark": seen.mark, "at": seen.at, "reservation": seen.reservation}


def _engines_key(key: str) -> str:
    """`recipients:ada` of `ada:recipients`, see policy.budgets.stored.stored_key."""
    who, colon, budget = key.rpartition(":")
    return f"{budget}:{who}" if colon else key


def _entry(row: Any) -> Entry:  # noqa: ANN401 - a row of any table
    return Entry(row["at"], row["total"], row["cost"], row["reservation"], row["is_open"])


def _seen(row: Any) -> Seen:  # noqa: ANN401 - the same
    return Seen(row["mark"], row["at"], row["reservation"])
