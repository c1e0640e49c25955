"""Questions of the hot path to either database. Nothing is changed by one, so one may be asked twice.

SQLite answers in microseconds, at once and in the event loop. PostgreSQL is elsewhere: a few connections are kept, and
one that was lost is made again. While there is none, a question fails, and whoever asked says "not now".
"""

import asyncio
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from psycopg import AsyncConnection, DataError, OperationalError

from policy.store.database import Location, conninfo, kept_connection, open_database
from policy.store.statements import Prepared

Row = tuple[Any, ...]
Values = Mapping[str, object]

_CONNECTIONS = 4
_PATIENCE_S = 4.0  # for an answer; the gateway waits little longer


class Reader(Protocol):
    """Asks the store as it is at this moment."""

    async def rows(self, question: Prepared, values: Values) -> list[Row]:
        """All rows of the answer."""

    async def close(self) -> None:
        """Give the connections back."""


class Version:
    """`number` is another one after each write that may have changed what a sender is made of (policy/senders.py)."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class SqliteReader:
    """On a connection of its own: WAL lets it read while another one writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, question: Prepared, values: Values) -> list[Row]:
        return self._connection.execute(question.numbered, question.in_order(values)).fetchall()

    async def close(self) -> None:
        self._connection.close()


class PostgresqlReader:
    """Each question is a transaction of its own, prepared by the server the first time."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._idle: list[AsyncConnection] = []
        self._turns = asyncio.Semaphore(_CONNECTIONS)

    async def rows(self, question: Prepared, values: Values) -> list[Row]:
        async with asyncio.timeout(_PATIENCE_S), self._turns:
            try:
                return await self._asked(question, values)
            except OperationalError:
                await self.close()  # the server was started anew: what else is kept is lost, too
                return await self._asked(question, values)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _asked(self, question: Prepared, values: Values) -> list[Row]:
        connection = self._idle.pop() if self._idle else await AsyncConnection.connect(self._conninfo, autocommit=True)
        try:
            cursor = await connection.execute(question.postgresql, values, prepare=True)
            rows = await cursor.fetchall()
        except DataError:
            rows = []  # what no column can hold (a NUL, a number too large) is in none: no row, as in SQLite
        except BaseException:
            await connection.close()
            raise
        self._idle.append(connection)
        return rows


def open_reader(where: Location) -> Reader:
    """Questions to the database at `where`; PostgreSQL is connected when the first one comes."""
    if isinstance(where, Path):
        return SqliteReader(kept_connection(open_database(where)))
    return PostgresqlReader(conninfo(where))
