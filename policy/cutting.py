"""Once an hour: client addresses that were kept for long enough become networks, a few rows at a time.

Each step is a short question and a short change, with a pause behind it, so that no message waits for one. How far it
has come is remembered in memory alone: after a start the rows that have been cut are looked at once more, and left.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from policy import log
from policy.store.kept_addresses import CHANGED, ROWS, Mark, Place, due, make
from policy.store.reader import Reader
from policy.store.transactions import Statements
from policy.store.writer import Writer

PERIOD_S = 3600.0
_PAUSE_S = 0.1  # between two steps


@dataclass(slots=True, kw_only=True)
class Cutting:
    """One of what goes on beside the questions. `statements` are those of `writer`."""

    reader: Reader
    statements: Statements
    writer: Writer
    kept_s: float
    clock: Callable[[], float]
    pause_s: float = _PAUSE_S
    _marks: dict[Place, Mark] = field(default_factory=dict, init=False)
    _ending: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _working: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Go on from now, in the background."""
        self._working = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """After the step that is being made."""
        self._ending.set()
        if self._working:
            await self._working

    async def round(self) -> int:
        """Every table to its end; how many values were cut. Raises where the store does not answer."""
        edge = self.clock() - self.kept_s
        return sum([await self._through(place, edge) for place in ROWS])

    async def _through(self, place: Place, edge: float) -> int:
        number = 0
        while not self._ending.is_set():
            mark = self._marks.get(place, Mark(0.0, place.first))
            cuts, last = await due(self.reader, place, mark, edge)
            if last is None:
                break
            for begin in range(0, len(cuts), CHANGED):
                some = cuts[begin : begin + CHANGED]
                await self.writer.make(partial(make, self.statements, some), is_urgent=False)
                await self._pause(self.pause_s)
            self._marks[place] = last
            number += len(cuts)
            await self._pause(self.pause_s)
        return number

    async def _work(self) -> None:
        while not self._ending.is_set():
            try:
                number = await self.round()
            except Exception as error:  # noqa: BLE001 - the store is away, and others say so; it is tried again
                log.question_failed("client addresses", error)
            else:
                if number:
                    log.addresses_cut(number)
            await self._pause(PERIOD_S)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
