"""Several queue agents asked as if they were one: each Postfix has its own messages, and one of them may be away."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import cast

import pytest

from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.containment.queues import Queues
from policy.queue_contract import (
    Queue,
    Queued,
    QueuedMessage,
    QueueName,
    Statistics,
    Step,
    TrailAsked,
    TrailFound,
    TrailRow,
)
from service.shared_token import SharedToken

HERE, THERE, NOWHERE = "4Q000001", "4Q000002", "4Q000003"


@dataclass
class Agent:
    """Of one Postfix. What it never had it calls gone, and nothing else."""

    has: set[str]
    is_away: bool = False
    held: set[str] = field(default_factory=set)

    def _look(self) -> None:
        if self.is_away:
            raise QueueUnavailable("the queue agent does not answer")

    async def hold(self, queue_ids: Collection[str]) -> frozenset[str]:
        self._look()
        self.held |= self.has & set(queue_ids)
        return frozenset(self.held & set(queue_ids))

    async def release(self, queue_ids: Collection[str]) -> frozenset[str]:
        self._look()
        self.held -= set(queue_ids)
        return frozenset(self.has & set(queue_ids))

    async def delete(self, queue_ids: Collection[str]) -> frozenset[str]:
        self._look()
        gone = self.held & set(queue_ids)
        self.has -= gone
        return frozenset(set(queue_ids) - self.has)

    async def queue(self, *, only_held: bool = False) -> Queue:
        self._look()
        return Queue(messages=tuple(queued(one) for one in self.held if only_held))

    async def message(self, queue_id: str) -> QueuedMessage | None:
        self._look()
        return QueuedMessage(queued=queued(queue_id), head="", start="") if queue_id in self.has else None

    async def statistics(self) -> Statistics:
        self._look()
        return Statistics(
            messages={QueueName.HOLD: len(self.held)},
            octets=7,
            oldest_at=float(len(self.has)),
            log_at=None,
            unreported=1,
        )

    async def trail(self, _asked: TrailAsked) -> TrailFound:
        self._look()
        rows = [TrailRow(at=float(one[-1]), last_at=0, queue_id=one, step=Step.QUEUED) for one in self.has]
        return TrailFound(rows=tuple(rows))


def queued(queue_id: str) -> Queued:
    return Queued(
        queue_id=queue_id,
        queue=QueueName.HOLD,
        at=-float(queue_id[-1]),
        message_bytes=1,
        reverse_path="",
        recipients=(),
    )


def two() -> tuple[Queues, Agent, Agent]:
    queues = Queues(["http://one:7589", "http://two:7589/"], SharedToken("token"))
    first, second = Agent({HERE}), Agent({THERE})
    queues.by_name = {"one": cast("QueueClient", first), "two": cast("QueueClient", second)}
    return queues, first, second


def test_each_has_the_name_of_its_host() -> None:
    """The only one keeps the name that it always had."""
    assert list(Queues(["http://one:7589", "http://two:7589"], SharedToken("t")).by_name) == ["one", "two"]
    assert list(Queues(["http://one:1", "http://one:2"], SharedToken("t")).by_name) == ["one:1", "one:2"]
    assert list(Queues(["http://one:1"], SharedToken("t")).by_name) == ["queue"]


async def test_an_order_reaches_whoever_has_the_message() -> None:
    queues, first, second = two()
    assert await queues.hold([HERE, THERE, NOWHERE]) == {HERE, THERE}
    assert (first.held, second.held) == ({HERE}, {THERE})
    assert [one.queue_id for one in (await queues.queue(only_held=True)).messages] == [THERE, HERE]
    assert await queues.release([HERE]) == {HERE}
    assert (first.held, second.held) == (set(), {THERE})


async def test_only_all_together_say_that_a_message_is_gone() -> None:
    """Whoever never had it says so at once."""
    queues, first, second = two()
    assert await queues.delete([HERE, THERE]) == frozenset()  # neither is on hold
    await queues.hold([HERE])
    assert await queues.delete([HERE, THERE, NOWHERE]) == {HERE, NOWHERE}
    first.is_away = True
    second.held = {THERE}
    with pytest.raises(QueueUnavailable) as away:
        await queues.delete([THERE])
    assert away.value.done == frozenset()


async def test_one_that_is_away_keeps_the_other_from_nothing() -> None:
    """It is said what was done, and that it was not all."""
    queues, first, second = two()
    first.is_away = True
    with pytest.raises(QueueUnavailable, match="does not answer") as away:
        await queues.hold([HERE, THERE])
    assert away.value.done == {THERE}
    assert second.held == {THERE}
    with pytest.raises(QueueUnavailable):
        await queues.queue()
    assert await queues.message(THERE) is not None
    with pytest.raises(QueueUnavailable):
        await queues.message(NOWHERE)


async def test_figures_and_trails_are_those_of_all() -> None:
    queues, first, _ = two()
    first.has.add("4Q000009")
    await queues.hold([HERE, THERE])
    found = await queues.statistics()
    assert (found.messages, found.octets, found.oldest_at, found.unreported) == ({QueueName.HOLD: 2}, 14, 1.0, 2)
    trail = await queues.trail(TrailAsked())
    assert ([row.queue_id for row in trail.rows], trail.is_whole) == ([HERE, THERE, "4Q000009"], True)
    first.is_away = True
    assert not (await queues.trail(TrailAsked())).is_whole
