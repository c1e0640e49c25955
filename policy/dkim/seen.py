"""What follows by itself: a pair whose records are in the DNS begins to sign, one whose time is over goes.

Every ten minutes, in the process of policy; `sallyport doctor` shows the same and changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from policy import log
from policy.containment.queue_client import QueueUnavailable
from policy.dkim.book import KeyBook
from policy.dkim.rotation import Pair, State
from policy.publishing.asking import Asks, published_pairs

EVERY_S = 600.0

Clock = Callable[[], float]
Pause = Callable[[float], Awaitable[None]]


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


class KeyWatch:
    """Takes the steps again and again; `missing` makes keys for domains that are new in the store."""

    def __init__(
        self, book: KeyBook, agent: Agent | None, missing: Callable[[float], object], clock: Clock, pause: Pause
    ) -> None:
        self._book = book
        self._agent = agent
        self._missing = missing
        self._clock = clock
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._agent:
            await self._agent.close()

    async def _run(self) -> None:
        while True:
            await self.once()
            await self._pause(EVERY_S)

    async def once(self) -> None:
        """One round. Whatever is wrong is said, and tried again the next time."""
        try:
            await asyncio.to_thread(self._missing, self._clock())
            for pair in await steps(self._book, self._agent, self._clock()):
                log.dkim_changed(pair.domain, pair.name, pair.state)
        except QueueUnavailable:
            pass  # whose watch says so
        except Exception as error:  # noqa: BLE001 - the folder or the database is away
            log.dkim_failed(error)
