"""Group commit: all changes that wait are made in one transaction, and who asked hears when it is on disk.

A commit that survives a power cut waits for the disk, and one wait serves fifty changes as well as one. Changes run in
the order in which they came, each sees what those before it did, and the write lock keeps every other process out
until they are committed: the commands and a second policy may write at any time. What arrives during a commit is the
next batch.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from policy import log
from policy.store.transactions import NotBegun, Transactions

Value = TypeVar("Value")
Change = Callable[[], Value]  # runs statements, and does nothing else: on PostgreSQL it runs in another thread

_SHARE = 8  # of the changes that may be overtaken, one in so many goes with each commit


class _Waiting(NamedTuple):
    change: Change[Any]
    done: "asyncio.Future[Any]"
    is_patient: bool  # others may overtake it


class Writer:
    """Has its transactions to itself.

    A change that is not urgent waits up to `patience_s` for one that is, and goes with it: a report on the last message
    then costs no commit of its own, and no message stands behind a commit that only holds reports. Nor behind one that
    holds many of them: those that were asked for with `make` may be overtaken, and a share of them goes each time.
    """

    def __init__(self, transactions: Transactions, patience_s: float = 0.1) -> None:
        self._transactions = transactions
        self._patience_s = patience_s
        self._waiting: list[_Waiting] = []  # in the order in which they came
        self._is_due = False  # there is an urgent one among those that wait, or their patience is over
        self._is_over = False  # the patience
        self._timer: asyncio.TimerHandle | None = None
        self._working: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Changes that no commit has taken up yet."""
        return len(self._waiting)

    async def make(self, change: Change[Value], *, is_urgent: bool = True) -> Value:
        """What `change` returns, once it is on disk; what it raises, and then nothing of it was done."""
        return await self._queue(change, is_urgent=is_urgent, is_patient=not is_urgent)

    def make_later(self, change: Change[object]) -> None:
        """The same for a change that nobody waits for, but that what comes after it will see; a failure is logged."""
        self._queue(change, is_urgent=False, is_patient=False).add_done_callback(_log_failure)

    async def close(self) -> None:
        """Finish what waits."""
        self._end_patience()
        if self._working:
            await self._working
        self._transactions.close()

    def _queue(self, change: Change[Value], *, is_urgent: bool, is_patient: bool) -> "asyncio.Future[Value]":
        done: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(change, done, is_patient))
        if is_urgent:
            self._go_on()
        else:
            self._be_patient()
        return done

    def _be_patient(self) -> None:
        if not self._timer:
            self._timer = asyncio.get_running_loop().call_later(self._patience_s, self._end_patience)

    def _end_patience(self) -> None:
        self._is_over = True
        self._go_on()

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
            if batch := self._taken():
                await self._commit(batch)

    def _taken(self) -> list[_Waiting]:
        """The next batch, in the order in which it came."""
        patient = sum(one.is_patient for one in self._waiting)
        share = patient if self._is_over else math.ceil(patient / _SHARE)
        batch, left = list[_Waiting](), list[_Waiting]()
        for one in self._waiting:
            if one.is_patient and not share:
                left.append(one)
                continue
            share -= one.is_patient
            batch.append(one)
        self._waiting, self._is_over = left, False
        if left:
            self._be_patient()
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            values = await self._transactions.commit([one.change for one in batch])
        except NotBegun as error:
            _fail(batch, error.__cause__ or error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            await self._commit_alone(batch, error)
            return
        for value, one in zip(values, batch, strict=True):
            if not one.done.done():  # who asked may have gone
                one.done.set_result(value)

    async def _commit_alone(self, batch: list[_Waiting], error: Exception) -> None:
        """One of them cannot be made: each in a transaction of its own, it fails alone."""
        if len(batch) == 1 or self._transactions.is_lost:
            _fail(batch, error)
            return
        for one in batch:
            await self._commit([one])


def _fail(batch: list[_Waiting], error: BaseException) -> None:
    for one in batch:
        if not one.done.done():
            one.done.set_exception(error)


def _log_failure(done: "asyncio.Future[Any]") -> None:
    error = None if done.cancelled() else done.exception()
    if error:
        log.question_failed("later", error)
