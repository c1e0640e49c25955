"""Statements for the hot path: made of SQLAlchemy Core or of SQL once, then text that goes to the driver itself.

The same question costs 5 us there, not 100. Each is compiled for both databases, and its bindparams are named
parameters in either.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql import ClauseElement

_SQLITE = sqlite.dialect(paramstyle="named")
_POSTGRESQL = psycopg.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]
# What messages, their outcomes and those who count write for themselves. Nothing of it is asked about a sender.
APART = frozenset(
    (
        *("charge", "member", "submission", "day", "known_recipient", "fate", "held", "reached", "habit"),
        *("tally", "notice", "presence", "health_report", "rulebook", "wall"),
    )
)
_NAMED = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_WRITTEN = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Prepared:
    """One statement in the words of each database."""

    sqlite: str
    postgresql: str
    is_apart: bool = False  # it writes nothing that a sender is made of, though its table has such things
    is_of_senders: bool = field(init=False)  # it may change what policy/senders.py remembers
    # For SQLite's driver once more: it looks each name up anew, and takes numbered values in half the time.
    numbered: str = field(init=False)
    in_order: Callable[[Mapping[str, object]], tuple[object, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = list(dict.fromkeys(_NAMED.findall(self.sqlite)))
        places = {name: f"?{number}" for number, name in enumerate(names, 1)}
        object.__setattr__(self, "numbered", _NAMED.sub(lambda found: places[found[1]], self.sqlite))
        object.__setattr__(self, "in_order", _taken_in_order(names))
        written = {table for table in _WRITTEN.findall(self.sqlite) if table != "SET"}
        object.__setattr__(self, "is_of_senders", not self.is_apart and not written <= APART)


def prepared(statement: ClauseElement | str, *, is_apart: bool = False) -> Prepared:
    """A statement, or SQL that both databases read, in which `:name` is a parameter."""
    clause = text(statement) if isinstance(statement, str) else statement
    return Prepared(str(clause.compile(dialect=_SQLITE)), str(clause.compile(dialect=_POSTGRESQL)), is_apart)


def _taken_in_order(names: Sequence[str]) -> Callable[[Mapping[str, object]], tuple[object, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple([values[name] for name in names])


class OnConnection:
    """Prepared statements within a transaction of SQLAlchemy's: commands and services write the same rows one way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_sqlite = connection.dialect.name == "sqlite"

    def execute(self, statement: Prepared, values: Mapping[str, object]) -> CursorResult[Any]:
        words = statement.sqlite if self._is_sqlite else statement.postgresql
        return self._connection.exec_driver_sql(words, dict(values))
