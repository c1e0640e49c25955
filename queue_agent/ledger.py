"""The store for those who must not wait for the disk: one thread has it, and everybody asks that thread.

follow(log, now)    the next piece of the log, taken and committed with its position
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from maillog.syslog import Calendar, read_line
from policy.queue_contract import Delivery, DeliveryOutcome
from queue_agent import log as own_log
from queue_agent.following import Log
from queue_agent.store import OUTBOX_LIMIT, Known, Position, Store, Waiting
from queue_agent.tracking import track

_Answer = TypeVar("_Answer")


class Ledger:
    """Opened at the start, closed at the end."""

    def __init__(self, path: Path, now: float) -> None:
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._store = Store(path)
        self._calendar = Calendar(None, now)
        self._followed: Log | None = None
        self.delivered = Counter[DeliveryOutcome]()  # what policy has taken since the start

    async def close(self) -> None:
        await self._ask(self._store.close)
        self._thread.shutdown()

    async def follow(self, log: Log, now: float) -> tuple[bool, bool]:
        """Whether something was read, and whether this is the end of the log now."""
        self._followed = log
        return await self._ask(lambda: follow(self._store, log, self._calendar, now))

    async def log_behind(self) -> int:
        """Octets of the log that were not read yet."""
        log = self._followed
        return await self._ask(lambda: log.behind(self._store.position())) if log else 0

    async def position(self) -> Position | None:
        return await self._ask(self._store.position)

    async def log_at(self) -> float | None:
        position = await self.position()
        return position.at or None if position else None

    async def current(self, queue_ids: Sequence[str]) -> dict[str, str]:
        return await self._ask(lambda: self._store.current(queue_ids))

    async def all_known(self, queue_ids: Iterable[str]) -> dict[str, Known]:
        return await self._ask(lambda: self._store.all_known(queue_ids))

    async def wait(self, batch: Sequence[tuple[str, Waiting]]) -> None:
        """Recipients of messages that the log has told; of others nobody asks."""

        def note() -> None:
            known = self._store.all_known({queue_id for queue_id, _ in batch})
            with self._store.transaction():
                for queue_id, waiting in batch:
                    if queue_id in known:
                        self._store.wait(queue_id, waiting)

        if batch:
            await self._ask(note)

    async def on_their_way(self, before: float) -> list[str]:
        return await self._ask(lambda: self._store.on_their_way(before))

    async def forget(self, queue_ids: Sequence[str]) -> None:
        def forget() -> None:
            with self._store.transaction():
                self._store.forget(queue_ids)

        await self._ask(forget)

    async def reports(self, limit: int) -> tuple[int, list[Delivery]]:
        return await self._ask(lambda: self._store.reports(limit))

    async def taken(self, number: int, deliveries: Iterable[Delivery]) -> None:
        await self._ask(lambda: self._store.taken(number))
        self.delivered.update(one.outcome for one in deliveries)

    async def set_aside(self, number: int) -> int:
        return await self._ask(lambda: self._store.set_aside(number))

    async def drop(self, number: int) -> None:
        await self._ask(lambda: self._store.drop(number))

    async def offer_again(self) -> None:
        await self._ask(self._store.offer_again)

    async def aside(self) -> int:
        return await self._ask(self._store.aside)

    async def unreported(self) -> int:
        return await self._ask(self._store.unreported)

    async def _ask(self, what: Callable[[], _Answer]) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, what)


def follow(store: Store, log: Log, calendar: Calendar, now: float) -> tuple[bool, bool]:
    """One piece of the log and its position, as one transaction. Nothing, while policy has too much still to take."""
    if store.unreported() >= OUTBOX_LIMIT:
        return False, False
    before = store.position()
    piece = log.read(before, now)
    if piece.is_lost:
        own_log.log_lost()
    if piece.position is None or piece.position == before:
        return False, piece.is_end
    at = piece.position.at
    with store.transaction():
        for text in piece.lines:
            line = read_line(text, calendar)
            if line is not None:
                at = max(at, line.at)
                track(store, line)
        store.move(piece.position._replace(at=at))
    return True, False
