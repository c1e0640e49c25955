"""Group commit: all changes that wait are made in one transaction, and who asked hears when it is on disk.

A commit that survives a power cut waits for the disk, and one wait serves fifty changes as well as one. Changes run in
the order in which they came, each sees what those before it did, and BEGIN IMMEDIATE keeps every other process out
until they are committed: the commands and a second policy may write at any time.

The statements run in the event loop's thread, where they take microseconds; only the commit waits in a thread of its
own, and what arrives meanwhile is the next batch. (A thread that ran the statements, too, would wait for Python's lock
after each of them.)
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from policy import log

_LOCK_TRIES = 500
_LOCK_PAUSE_S = 0.01  # 5 s in all, as long as a command waits for us

Value = TypeVar("Value")
Change = Callable[[], Value]  # runs statements on the writer's connection
_Waiting = tuple[Change[Any], "asyncio.Future[Any]"]


class Writer:
    """Has a connection to itself, opened without patience: waiting for another process must not stop the loop.

    A change that is not urgent waits up to `patience_s` for one that is, and goes with it: a report on the last message
    then costs no commit of its own, and no message stands behind a commit that only holds reports.
    """

    def __init__(self, connection: sqlite3.Connection, patience_s: float = 0.1) -> None:
        self._connection = connection
        self._patience_s = patience_s
        self._thread = ThreadPoolExecutor(1, "commit")
        self._waiting: list[_Waiting] = []
        self._is_due = False  # there is an urgent one among those that wait, or their patience is over
        self._timer: asyncio.TimerHandle | None = None
        self._working: asyncio.Task[None] | None = None

    async def make(self, change: Change[Value], *, is_urgent: bool = True) -> Value:
        """What `change` returns, once it is on disk; what it raises, and then nothing of it was done."""
        return await self._queue(change, is_urgent)

    def make_later(self, change: Change[object]) -> None:
        """The same for a change that nobody waits for; a failure is logged."""
        self._queue(change, is_urgent=False).add_done_callback(_log_failure)

    async def close(self) -> None:
        """Finish what waits."""
        self._go_on()
        if self._working:
            await self._working
        self._thread.shutdown()
        self._connection.close()

    def _queue(self, change: Change[Value], is_urgent: bool) -> "asyncio.Future[Value]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Value] = loop.create_future()
        self._waiting.append((change, done))
        if is_urgent:
            self._go_on()
        elif not self._timer:
            self._timer = loop.call_later(self._patience_s, self._go_on)
        return done

    def _go_on(self) -> None:
        self._is_due = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._working or self._working.done():
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._is_due:
            self._is_due = False
            batch, self._waiting = self._waiting, []
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            await self._begin()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            _fail(batch, error)
            return
        try:
            values = [change() for change, _ in batch]
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.commit)
        except Exception as error:  # noqa: BLE001 - the same
            with contextlib.suppress(sqlite3.Error):  # a disk that is gone; the next BEGIN fails, too, and says so
                self._connection.rollback()
            await self._commit_alone(batch, error)
            return
        for value, (_, done) in zip(values, batch, strict=True):
            if not done.done():  # who asked may have gone
                done.set_result(value)

    async def _commit_alone(self, batch: list[_Waiting], error: Exception) -> None:
        """One of them cannot be made: each in a transaction of its own, it fails alone."""
        if len(batch) == 1:
            _fail(batch, error)
            return
        for one in batch:
            await self._commit([one])

    async def _begin(self) -> None:
        for _ in range(_LOCK_TRIES):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                await asyncio.sleep(_LOCK_PAUSE_S)
            else:
                return
        raise TimeoutError("another process holds the database")


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)


def _log_failure(done: "asyncio.Future[Any]") -> None:
    error = None if done.cancelled() else done.exception()
    if error:
        log.question_failed("later", error)
