"""Group commit: all changes that wait are made in one transaction, and who asked hears when it is on disk.

A commit that survives a power cut waits for the disk, and one wait serves fifty changes as well as one. Changes run in
the order in which they came, each sees what those before it did, and the write lock keeps every other process out
until they are committed: the commands and a second policy may write at any time. What arrives during a commit is the
next batch.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from policy import log
from policy.store.transactions import NotBegun, Transactions

Value = TypeVar("Value")
Change = Callable[[], Value]  # runs statements, and does nothing else: on PostgreSQL it runs in another thread
_Waiting = tuple[Change[Any], "asyncio.Future[Any]"]


class Writer:
    """Has its transactions to itself.

    A change that is not urgent waits up to `patience_s` for one that is, and goes with it: a report on the last message
    then costs no commit of its own, and no message stands behind a commit that only holds reports.
    """

    def __init__(self, transactions: Transactions, patience_s: float = 0.1) -> None:
        self._transactions = transactions
        self._patience_s = patience_s
        self._waiting: list[_Waiting] = []
        self._is_due = False  # there is an urgent one among those that wait, or their patience is over
        self._timer: asyncio.TimerHandle | None = None
        self._working: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Changes that no commit has taken up yet."""
        return len(self._waiting)

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
        self._transactions.close()

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
            values = await self._transactions.commit([change for change, _ in batch])
        except NotBegun as error:
            _fail(batch, error.__cause__ or error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            await self._commit_alone(batch, error)
            return
        for value, (_, done) in zip(values, batch, strict=True):
            if not done.done():  # who asked may have gone
                done.set_result(value)

    async def _commit_alone(self, batch: list[_Waiting], error: Exception) -> None:
        """One of them cannot be made: each in a transaction of its own, it fails alone."""
        if len(batch) == 1 or self._transactions.is_lost:
            _fail(batch, error)
            return
        for one in batch:
            await self._commit([one])


def _fail(batch: list[_Waiting], error: BaseException) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)


def _log_failure(done: "asyncio.Future[Any]") -> None:
    error = None if done.cancelled() else done.exception()
    if error:
        log.question_failed("later", error)
