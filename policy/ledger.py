"""Budgets and what is written down with them: the same steps whether the counts are in the database or elsewhere.

StoredLedger   counts and records go to the disk in one commit, and only then is the decision given
RemoteLedger   the counts first (Valkey), then the record: what was accepted is counted, whatever happens next
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Protocol, TypeVar

from policy.budgets.driving import RemoteBudgets, run_here, run_there
from policy.budgets.stored import StoredBudgets
from policy.engine.budget import Charge, Take, Taken
from policy.store.writer import Writer

Decision = TypeVar("Decision")
Asking = Callable[[], Generator[Take, Taken, Decision]]  # anew for each try: a transaction may be tried again
Write = Callable[[Decision], None]  # runs in a writer's transaction


class RemoteCounts(RemoteBudgets, Protocol):
    """All of the budgets, far away."""

    @property
    def is_away(self) -> bool:
        """Whether the last question got no answer."""

    async def peek(self, charges: Sequence[Charge], now: float) -> Taken: ...
    async def commit_all(self, reservations: Sequence[str], now: float) -> list[bool]: ...
    async def release(self, reservation: str, now: float) -> bool: ...
    async def close(self) -> None: ...


class Ledger(Protocol):
    """See the head of this module."""

    @property
    def is_away(self) -> bool:
        """Whether budgets that are elsewhere gave no answer to the last question."""

    async def settle(self, asking: Asking[Decision], reservation: str, now: float, write: Write[Decision]) -> Decision:
        """The decision, when it and what it takes are on disk."""

    async def foresee(self, asking: Asking[Decision], now: float) -> Decision:
        """The decision that would be made; nothing is taken and nothing written."""

    async def end(
        self, ended: Sequence[tuple[str, bool]], now: float, write: Write[list[bool]], *, is_urgent: bool = False
    ) -> list[bool]:
        """Reservations, and whether each is released. Which of them were open."""

    async def close(self) -> None:
        """Ask nothing more."""


class StoredLedger:
    """`budgets` work within `writer`."""

    is_away = False

    def __init__(self, budgets: StoredBudgets, writer: Writer) -> None:
        self._budgets, self._writer = budgets, writer

    async def settle(self, asking: Asking[Decision], reservation: str, now: float, write: Write[Decision]) -> Decision:
        return await self._writer.make(partial(self._settled, asking, reservation, now, write))

    async def foresee(self, asking: Asking[Decision], now: float) -> Decision:
        return await self._writer.make(lambda: run_here(asking(), _Peeking(self._budgets), "", now))

    async def end(
        self, ended: Sequence[tuple[str, bool]], now: float, write: Write[list[bool]], *, is_urgent: bool = False
    ) -> list[bool]:
        return await self._writer.make(partial(self._ended, ended, now, write), is_urgent=is_urgent)

    async def close(self) -> None:
        """The writer is its owner's to close."""

    def _settled(self, asking: Asking[Decision], reservation: str, now: float, write: Write[Decision]) -> Decision:
        decision = run_here(asking(), self._budgets, reservation, now)
        write(decision)
        return decision

    def _ended(self, ended: Sequence[tuple[str, bool]], now: float, write: Write[list[bool]]) -> list[bool]:
        committed = iter(self._budgets.commit_all([one for one, is_released in ended if not is_released], now))
        known = [
            self._budgets.release(reservation, now) if is_released else next(committed)
            for reservation, is_released in ended
        ]
        write(known)
        return known


class RemoteLedger:
    """`budgets` answer over the network; a failure of theirs is raised, and nothing was decided."""

    def __init__(self, budgets: RemoteCounts, writer: Writer) -> None:
        self._budgets, self._writer = budgets, writer

    @property
    def is_away(self) -> bool:
        return self._budgets.is_away

    async def settle(self, asking: Asking[Decision], reservation: str, now: float, write: Write[Decision]) -> Decision:
        decision = await run_there(asking(), self._budgets, reservation, now)
        await self._writer.make(partial(write, decision))
        return decision

    async def foresee(self, asking: Asking[Decision], now: float) -> Decision:
        return await run_there(asking(), _PeekingThere(self._budgets), "", now)

    async def end(
        self, ended: Sequence[tuple[str, bool]], now: float, write: Write[list[bool]], *, is_urgent: bool = False
    ) -> list[bool]:
        kept = [reservation for reservation, is_released in ended if not is_released]
        committed = iter(await self._budgets.commit_all(kept, now))
        known = [
            await self._budgets.release(reservation, now) if is_released else next(committed)
            for reservation, is_released in ended
        ]
        await self._writer.make(partial(write, known), is_urgent=is_urgent)
        return known

    async def close(self) -> None:
        await self._budgets.close()


class _Peeking:
    """Budgets from which nothing is taken."""

    def __init__(self, budgets: StoredBudgets) -> None:
        self._budgets = budgets

    def reserve(self, _reservation: str, take: Take, now: float) -> Taken:
        return self._budgets.peek(take.charges, now)


class _PeekingThere:
    """The same over the network."""

    def __init__(self, budgets: RemoteCounts) -> None:
        self._budgets = budgets

    async def reserve(self, _reservation: str, take: Take, now: float) -> Taken:
        return await self._budgets.peek(take.charges, now)
