"""Answers looks at held mail (policy/store/looks.py): fetched from the queue, sealed, and deleted minutes later.

A look costs one question to the queue agent. While nobody looks, a round is one question to an empty table.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from policy import log
from policy.containment.queue_client import QueueOrders, QueueUnavailable
from policy.queue_contract import QueuedMessage, QueueName
from policy.rounds import Rounds
from policy.store.looks import KEPT_S, Asked, Content, LookNotes, Problem, asked_looks, cut
from policy.store.reader import Reader
from policy.store.writer import Writer

PERIOD_S = 0.5
_PATIENCE_S = 10.0  # with the queue agent: somebody sits there and waits


@dataclass(kw_only=True)
class LookDesk(Rounds):
    """One of what goes on beside the questions. Several processes may do the same at once."""

    reader: Reader
    notes: LookNotes
    writer: Writer
    queue: QueueOrders | None  # None: nobody is at the queue, and each look is told so
    clock: Callable[[], float]
    period_s: float = PERIOD_S

    async def round(self) -> None:
        """All that is asked at this moment."""
        looks = await asked_looks(self.reader)
        now = self.clock()
        if any(one.asked_at <= now - KEPT_S for one in looks):
            await self.writer.make(partial(self.notes.forget, now), is_urgent=False)
        for one in looks:
            if not one.is_answered and one.asked_at > now - KEPT_S:
                await self._answer(one)

    def failed(self, error: Exception) -> None:
        log.containment_failed(error)

    async def _answer(self, look: Asked) -> None:
        found = await self._fetched(look)
        if isinstance(found, Problem):
            await self.writer.make(partial(self.notes.refuse, look.number, found, self.clock()))
        else:
            await self.writer.make(partial(self.notes.answer, look.number, found, self.clock()))

    async def _fetched(self, look: Asked) -> Content | Problem:
        if self.queue is None:
            return Problem.UNAVAILABLE
        try:
            async with asyncio.timeout(_PATIENCE_S):
                message = await self.queue.message(look.queue_id)
        except (QueueUnavailable, TimeoutError):
            return Problem.UNAVAILABLE
        if message is None:
            return Problem.GONE
        return _content(message, with_text=look.with_text)


def _content(message: QueuedMessage, *, with_text: bool) -> Content | Problem:
    """Only of what is on hold: nobody is to read what is on its way."""
    queued = message.queued
    if queued.queue is not QueueName.HOLD:
        return Problem.NOT_HELD
    return cut(queued.reverse_path, queued.recipients, message.head, message.start if with_text else "")
