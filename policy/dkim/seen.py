"""What follows by itself: a pair whose records are in the DNS begins to sign, one whose time is over goes.

Every ten minutes, in the process of policy; `sallyport doctor` shows the same and changes nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from policy import log
from policy.containment.queue_client import QueueUnavailable
from policy.dkim.book import KeyBook
from policy.dkim.rotation import Pair, State
from policy.publishing.asking import Asks, published_pairs
from policy.rounds import Rounds

Clock = Callable[[], float]


async def steps(book: KeyBook, agent: Asks | None, now: float) -> list[Pair]:
    """Take the steps that are due; the pairs that were changed, as they are now."""
    pairs = await asyncio.to_thread(book.pairs)
    over = [one for one in pairs if one.state is State.RETIRING and (one.removable_at or now) <= now]
    changed = [await asyncio.to_thread(book.retire, one.domain, one.name, now) for one in over]
    waiting = [one for one in pairs if one.state is State.WAITING]
    unseen = waiting + [one for one in pairs if one.state is State.ACTIVE and not one.published_at]
    for pair in await published_pairs(agent, unseen) if agent and unseen else []:
        await asyncio.to_thread(book.note_seen, pair.domain, pair.name, now)
        if pair.state is State.WAITING:
            changed.append(await asyncio.to_thread(book.activate, pair.domain, pair.name, now))
    return changed


class Agent(Asks, Protocol):
    """The same, held open."""

    async def close(self) -> None: ...


class KeyWatch(Rounds):
    """Takes the steps again and again; `missing` makes keys for domains that are new in the store."""

    period_s = 600.0

    def __init__(self, book: KeyBook, agent: Agent | None, missing: Callable[[float], object], clock: Clock) -> None:
        self._book = book
        self._agent = agent
        self._missing = missing
        self._clock = clock

    async def close(self) -> None:
        await super().close()
        if self._agent:
            await self._agent.close()

    async def round(self) -> None:
        await asyncio.to_thread(self._missing, self._clock())
        with contextlib.suppress(QueueUnavailable):  # whose watch says so
            for pair in await steps(self._book, self._agent, self._clock()):
                log.dkim_changed(pair.domain, pair.name, pair.state)

    def failed(self, error: Exception) -> None:
        """The folder or the database is away."""
        log.dkim_failed(error)
