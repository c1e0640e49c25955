"""Beside the questions: the log is followed, begun anew when it is large, and what never came is forgotten."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from queue_agent import log as own_log
from queue_agent.condition import Condition
from queue_agent.following import Log
from queue_agent.ledger import Ledger
from queue_agent.queue import Queue
from queue_agent.rotation import remove_old, rotate

PAUSE_S = 0.2
_AFTER_FAILURE_S = 5.0
_SWEEP_S = 3600.0
_COME_WITHIN_S = 3600.0  # from the client's MAIL to the queue file's last octet


@dataclass(slots=True, kw_only=True)
class Watch:
    """Runs until it is cancelled. A failure is told, and it goes on after a pause: the position has not moved."""

    log: Log
    ledger: Ledger
    queue: Queue
    clock: Callable[[], float]
    log_bytes: int
    logs_kept: int
    condition: Condition = field(default_factory=Condition)
    _swept_at: float = 0.0

    async def run(self) -> None:
        while True:
            try:
                pause_s = await self._step()
                self.condition.is_log_followed = True
            except Exception as error:  # noqa: BLE001 - a full disk, a command of Postfix's: neither ends the following
                own_log.log_not_followed(error)
                self.condition.is_log_followed = False
                pause_s = _AFTER_FAILURE_S
            if pause_s:
                await asyncio.sleep(pause_s)

    async def _step(self) -> float:
        """Seconds until the next one."""
        now = self.clock()
        has_read, is_end = await self.ledger.follow(self.log, now)
        if is_end:
            await self._rotate(now)
            await self._sweep(now)
        return 0.0 if has_read else PAUSE_S

    async def _rotate(self, now: float) -> None:
        position = await self.ledger.position()
        if position is not None:
            rotate(self.log, position, self.log_bytes, now)
            remove_old(self.log, position, self.logs_kept)

    async def _sweep(self, now: float) -> None:
        """A client may go away after MAIL: the log has said that a message comes, and never says that it does not."""
        if abs(now - self._swept_at) < _SWEEP_S:  # a clock that was set back must not keep it waiting
            return
        self._swept_at = now
        begun = await self.ledger.on_their_way(now - _COME_WITHIN_S)
        queued = (await self.queue.listing()).queue_of
        await self.ledger.forget([one for one in begun if one not in queued])
