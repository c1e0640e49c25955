"""Walls that people see and lift: written down when they go up, up again after a start, down when somebody says so.

    engine/guessing.py   the walls, in memory
    walling.py           (you are here)
    store/walls.py       the rows

A wall goes up in memory, and no login waits for its row: a round, twice a second, writes down a bounded number of
those that are new, and where the store is busy the next round does. It also hears which ones were lifted, by a command
or at another policy. Those that have no place of their own in memory (the crowd) have no row either.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from policy import log
from policy.engine.guessing import Walls, Why
from policy.engine.sources import Network, is_within
from policy.rounds import Rounds
from policy.store.walls import ROWS_KEPT, KeptWalls, StoredWall, WallNotes
from policy.store.writer import Writer

PERIOD_S = 0.5
_AT_ONCE = 200  # in one commit, where others wait for theirs


@dataclass(kw_only=True)
class Walling(Rounds):
    """One of what goes on beside the questions. `notes` work within `writer`."""

    walls: Walls
    kept: KeptWalls
    notes: WallNotes
    writer: Writer
    unwalled: tuple[Network, ...]  # the administrator vouches for these
    clock: Callable[[], float]
    period_s: float = PERIOD_S
    _is_complete: bool = False  # what was before the start is up again
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _new: dict[str, StoredWall] = field(default_factory=dict)  # that have no row yet, by network
    _heard: dict[str, float] = field(default_factory=dict)  # the networks that are lifted, and since when

    async def close(self) -> None:
        """What is not written down yet is, or it would be gone after a restart."""
        await super().close()
        try:
            while self._new:
                await self._write()
        except Exception as error:  # noqa: BLE001 - the store is away, and nobody will try again
            self.failed(error)

    async def remember(self, now: float) -> None:
        """Wall again, after a start, what was walled before and has not been lifted. Other counts begin anew.

        Done once, before the first answer; where the store does not answer, the next one tries again.
        """
        if self._is_complete:
            return
        async with self._lock:
            if self._is_complete:
                return
            for network, until, times in await self.kept.remembered(now):
                if is_within(network.partition("/")[0], self.unwalled):  # since this start
                    self.writer.make_later(partial(self.notes.lift, network, now))
                else:
                    self.walls.stand(network, until, times, now)
            self._is_complete = True

    def raised(self, network: str, until: float, why: Why, now: float) -> None:
        """A network is walled from now on: it is said, and will be written down."""
        log.network_walled(network, until - now, why)
        times = self.walls.in_a_row(network)
        if times and len(self._new) < ROWS_KEPT:
            self._new[network] = StoredWall(network, now, until, why, times)

    def lift(self, network: str, now: float) -> None:
        """A program lets a network in: here at once, and wherever else it is walled within a second."""
        self._fall(network)
        self.writer.make_later(partial(self.notes.lift, network, now))

    async def round(self) -> None:
        """Write down what is new, then hear what was lifted."""
        await self.remember(self.clock())  # connections, and another server's logins, do not wait for it
        if self._new:
            await self._write()
        lifted = await self.kept.lifted()
        for network, at in lifted.items():
            if self._heard.get(network) != at:
                self._fall(network)
        self._heard = lifted

    def failed(self, error: Exception) -> None:
        log.question_failed("walls", error)

    def _fall(self, network: str) -> None:
        self.walls.forget(None, network)
        self._new.pop(network, None)

    async def _write(self) -> None:
        some = list(islice(self._new.values(), _AT_ONCE))
        await self.writer.make(partial(self.notes.add, some, self.clock()), is_urgent=False)
        for one in some:
            if self._new.get(one.network) is one:  # a newer one may have come meanwhile
                del self._new[one.network]
