"""What a writer works with: one transaction at a time on either database, with a connection to itself.

    commit(changes)    the changes are made and are on disk, or nothing of them is; nobody else writes between them
    execute(...)       a statement of a change, within the transaction (or alone where none has begun)
    reader             SQLite's answers at once, so a change may ask, too (at_once)

SQLite: the statements run in the event loop's thread, where they take microseconds; only the commit waits in a thread
of its own. (A thread that ran the statements, too, would wait for Python's lock after each of them.) PostgreSQL: all of
it runs in the thread in one go, because what asks waits for the network. Statements that are not asked what they did
are sent without waiting, and one that fails is heard of with the next answer, at the latest with that to COMMIT.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psycopg

from policy.store.beside import Beside
from policy.store.checkpoints import LOG_PAGES, Checkpoints
from policy.store.database import (
    ALWAYS_ON_DISK,
    TAKE_WRITE_LOCK,
    Location,
    conninfo,
    kept_connection,
    open_database,
)
from policy.store.reader import Reader, Row, SqliteReader, Values, Version
from policy.store.statements import Prepared

_LOCK_TRIES = 500
_LOCK_PAUSE_S = 0.01  # 5 s in all, as long as a command waits for us
_CACHE_KIB = (
    32 * 1024
)  # SQLite's own 2 MB are read anew again and again: no message's pages are those of the one before

_BEGIN = f"BEGIN; {TAKE_WRITE_LOCK}"

Change = Callable[[], Any]
Value = TypeVar("Value")


class NotBegun(Exception):
    """The write lock was not to be had, or the database: nothing was tried."""


class Answer(Protocol):
    """What a statement did, in the words of both drivers."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchall(self) -> Sequence[Row]:
        """The rows that it found."""


class Statements(Protocol):
    """Where the statements of a change run."""

    def execute(self, statement: Prepared, values: Values) -> Answer:
        """Run one."""


class Transactions(Statements, Protocol):
    """See the head of this module."""

    @property
    def is_lost(self) -> bool:
        """Whether the connection broke: a commit that failed may have been made, and is not tried again."""

    @property
    def reader(self) -> Reader | None:
        """Asks within the transaction; None where a question has to wait for its answer."""

    @property
    def version(self) -> Version | None:
        """Of what `reader` finds; None where nobody tells when others have written."""

    async def commit(self, changes: Sequence[Change]) -> list[Any]:
        """What each change returned; NotBegun where another process keeps the write lock."""

    def close(self) -> None:
        """Give the connection back."""


class SqliteTransactions:
    """On a connection without patience: to wait for another process must not stop the event loop."""

    is_lost = False

    def __init__(self, connection: sqlite3.Connection, checkpoints: Checkpoints | None = None) -> None:
        self.reader = SqliteReader(connection)
        self.version = Version()
        self._others = -1  # the number that SQLite gives to what other connections have committed
        self._connection = connection
        self._checkpoints = checkpoints
        self._thread = Beside("commit")

    def execute(self, statement: Prepared, values: Values) -> Answer:
        if statement.is_of_senders:
            self.version.number += 1
        return self._connection.execute(statement.numbered, statement.in_order(values))

    async def commit(self, changes: Sequence[Change]) -> list[Any]:
        await self._begin()
        try:
            values = [change() for change in changes]
            await self._thread.call(self._connection.commit)
        except Exception:
            self.version.number += 1  # what was found meanwhile may never have been
            with contextlib.suppress(sqlite3.Error):  # a disk that is gone; the next BEGIN fails, too, and says so
                self._connection.rollback()
            raise
        if self._checkpoints:
            self._checkpoints.committed(self._connection.total_changes)
        return values

    def close(self) -> None:
        self._thread.close()
        if self._checkpoints:
            self._checkpoints.close()
        self._connection.close()

    async def _begin(self) -> None:
        for _ in range(_LOCK_TRIES):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise NotBegun from error
                await asyncio.sleep(_LOCK_PAUSE_S)
            else:
                self._look_for_others()
                return
        raise NotBegun("another process holds the database")

    def _look_for_others(self) -> None:
        ((others,),) = self._connection.execute("PRAGMA data_version").fetchall()
        if others != self._others:
            self._others = others
            self.version.number += 1


class _Later:
    """What a statement did that was sent without waiting; asked, it waits for all that were sent."""

    def __init__(self, cursor: psycopg.Cursor[Any], pipeline: psycopg.Pipeline) -> None:
        self._cursor = cursor
        self._pipeline = pipeline

    @property
    def rowcount(self) -> int:
        self._pipeline.sync()
        return self._cursor.rowcount

    def fetchall(self) -> Sequence[Row]:
        return self._cursor.fetchall()


def _check_end(ended: psycopg.Cursor[Any]) -> None:
    """A change may have hidden that a statement of its failed; the server then says ROLLBACK, and no error."""
    if ended.statusmessage != "COMMIT":
        raise psycopg.InternalError("rolled back")


class PostgresqlTransactions:
    """A connection that was lost is made again with the next transaction."""

    reader = None
    version = None

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.Connection | None = None
        self._pipeline: psycopg.Pipeline | None = None  # of the transaction that has begun
        self._thread = Beside("commit")

    @property
    def is_lost(self) -> bool:
        return self._connection is None or self._connection.closed

    def execute(self, statement: Prepared, values: Values) -> Answer:
        if self._pipeline is None:
            return self._connected().execute(statement.postgresql, values, prepare=True)
        return _Later(self._open().execute(statement.postgresql, values, prepare=True), self._pipeline)

    async def commit(self, changes: Sequence[Change]) -> list[Any]:
        return await self._thread.call(partial(self._commit, changes))

    def close(self) -> None:
        self._thread.close()
        if self._connection:
            self._connection.close()

    def _begin(self) -> None:
        try:
            self._connected().execute(_BEGIN)
        except psycopg.errors.LockNotAvailable:
            self._roll_back()
            raise NotBegun("another process holds the database") from None
        except psycopg.OperationalError:
            if not self.is_lost:
                self._roll_back()
                raise
            self._connected().execute(_BEGIN)  # the server was started anew while nothing was written

    def _commit(self, changes: Sequence[Change]) -> list[Any]:
        try:
            self._begin()
        except psycopg.Error as error:
            raise NotBegun from error
        try:
            with self._open().pipeline() as self._pipeline:
                values = [change() for change in changes]
                ended = self._open().execute("COMMIT")
            _check_end(ended)
        except Exception:
            self._roll_back()
            raise
        finally:
            self._pipeline = None
        return values

    def _roll_back(self) -> None:
        """A connection on which even that fails is of no use any more."""
        try:
            self._open().execute("ROLLBACK")
        except psycopg.Error:
            if self._connection:
                self._connection.close()

    def _open(self) -> psycopg.Connection:
        """The connection on which the transaction began: on another one there would be none."""
        if self._connection is None:
            raise psycopg.OperationalError("not connected")
        return self._connection

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._conninfo, autocommit=True)
            self._connection.execute(ALWAYS_ON_DISK)
        return self._connection


def at_once(asking: Coroutine[Any, Any, Value]) -> Value:
    """What a coroutine returns that asks nobody but SQLite, and so waits for nothing."""
    try:
        asking.send(None)
    except StopIteration as end:
        value: Value = end.value
        return value
    asking.close()
    raise RuntimeError("it waits for something else")


def open_transactions(where: Location) -> Transactions:
    """A writer's transactions on the database at `where`; PostgreSQL is connected when the first one begins."""
    if isinstance(where, Path):
        own, for_checkpoints = (kept_connection(open_database(where, busy_timeout_s=0)) for _ in range(2))
        own.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        own.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        return SqliteTransactions(own, Checkpoints(for_checkpoints))
    return PostgresqlTransactions(conninfo(where))
