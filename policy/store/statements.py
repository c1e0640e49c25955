"""Statements for the hot path: made of SQLAlchemy Core or of SQL once, then text that goes to the driver itself.

The same question costs 5 us there, not 100. Each is compiled for both databases, and its bindparams are named
parameters in either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql import ClauseElement

_SQLITE = sqlite.dialect(paramstyle="named")
_POSTGRESQL = psycopg.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One statement in the words of each database."""

    sqlite: str
    postgresql: str


def prepared(statement: ClauseElement | str) -> Prepared:
    """A statement, or SQL that both databases read, in which `:name` is a parameter."""
    clause = text(statement) if isinstance(statement, str) else statement
    return Prepared(str(clause.compile(dialect=_SQLITE)), str(clause.compile(dialect=_POSTGRESQL)))


class OnConnection:
    """Prepared statements within a transaction of SQLAlchemy's: commands and services write the same rows one way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_sqlite = connection.dialect.name == "sqlite"

    def execute(self, statement: Prepared, values: Mapping[str, object]) -> CursorResult[Any]:
        words = statement.sqlite if self._is_sqlite else statement.postgresql
        return self._connection.exec_driver_sql(words, dict(values))
