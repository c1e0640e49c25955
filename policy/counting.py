"""The figures of policy/tally.py go to disk every two seconds, beside the questions; old ones are forgotten.

What could not be written is written later. Where the connection broke in the middle of a commit, nobody knows whether
it was made: two seconds of figures may then count twice. Nothing is decided by them.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from policy import log
from policy.store.tallies import TallyNotes
from policy.store.writer import Writer
from policy.tally import Tally

PERIOD_S = 2.0
_FORGOTTEN_EVERY_S = 3600.0


@dataclass(slots=True, kw_only=True)
class Counting:
    """One of what goes on beside the questions, and the last to end. `notes` are taken within `writer`."""

    tally: Tally
    notes: TallyNotes
    writer: Writer
    clock: Callable[[], float]
    period_s: float = PERIOD_S
    _forgotten_at: float = field(default=0.0, init=False)
    _ending: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _working: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Go on from now, in the background."""
        self._working = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """What was counted since the last time is written, too.

        Nothing is cancelled: a change that waits in the writer is made, whoever has gone meanwhile.
        """
        self._ending.set()
        if self._working:
            await self._working
        await self._try()

    async def round(self) -> None:
        """Raises where the store does not answer; then the next one has all of it."""
        now, changes = self.clock(), list[Callable[[], None]]()
        if taken := self.tally.take():
            changes.append(partial(self.notes.add, taken))
        if is_due := not 0 <= now - self._forgotten_at < _FORGOTTEN_EVERY_S:
            changes.append(partial(self.notes.forget, now))
        if not changes:
            return
        try:
            await self.writer.make(lambda: [change() for change in changes], is_urgent=False)
        except Exception:
            self.tally.give_back(taken)
            raise
        if is_due:
            self._forgotten_at = now

    async def _work(self) -> None:
        while not self._ending.is_set():
            await self._try()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), self.period_s)

    async def _try(self) -> None:
        try:
            await self.round()
        except Exception as error:  # noqa: BLE001 - the store is away, and others say so; it is tried again
            log.question_failed("figures", error)
