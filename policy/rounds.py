"""Work that is done again and again beside the questions: a round, a pause, the next round.

A round that fails is told once, and the next one tries again. After one that did not fail, a failure is told anew.
"""

import asyncio
from abc import ABC, abstractmethod


class Rounds(ABC):
    """From start() to close()."""

    period_s: float  # the pause
    late_s = 0.0  # by which the last pause was too long: the event loop had other work
    _going_on: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on, in the background."""
        self._going_on = asyncio.get_running_loop().create_task(self._go_on())

    async def close(self) -> None:
        """A round that is under way is broken off."""
        if self._going_on:
            self._going_on.cancel()
            await asyncio.wait({self._going_on})

    @abstractmethod
    async def round(self) -> None:
        """All that there is to do at this moment. Raises whatever keeps it from that."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """For the log."""

    async def _go_on(self) -> None:
        is_failing, seconds = False, asyncio.get_running_loop().time
        while True:
            try:
                await self.round()
                is_failing = False
            except Exception as error:  # noqa: BLE001 - whatever it is, the next round tries again
                if not is_failing:
                    self.failed(error)
                is_failing = True
            due = seconds() + self.period_s
            await asyncio.sleep(self.period_s)
            self.late_s = max(0.0, seconds() - due)
