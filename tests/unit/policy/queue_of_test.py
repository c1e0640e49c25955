"""A queue for tests: does what the queue agent does, and can break off before or after any of it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from policy.queue_contract import Queue, Queued, QueuedMessage, QueueName

Answer = TypeVar("Answer")


class BrokeOff(Exception):
    """The queue, or who asked it, died."""


@dataclass
class QueueOfTest:
    """By queue id: where the message is. `delivered` has each that left, as often as it did."""

    where: dict[str, QueueName] = field(default_factory=dict)
    submissions: dict[str, str] = field(default_factory=dict)
    delivered: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # deleted by somebody else: nobody says that they were released
    at: float = 0.0
    calls: int = 0
    breaks_at: int = -1  # the call that breaks off,
    breaks_after: bool = False  # when it has been done, or before
    content: tuple[str, str] = ("Subject: hello\n", "hello\n")  # of each message: head and first lines

    def add(self, queue_id: str, where: QueueName = QueueName.DEFERRED, submission: str = "") -> None:
        self.where[queue_id] = where
        self.submissions[queue_id] = submission

    def run(self) -> None:
        """What is not on hold leaves."""
        for queue_id in [one for one, where in self.where.items() if where is not QueueName.HOLD]:
            del self.where[queue_id]
            self.delivered.append(queue_id)

    def lose(self, queue_id: str) -> None:
        """Somebody deletes it, and nobody but the log of the queue was told."""
        del self.where[queue_id]
        self.lost.add(queue_id)

    async def hold(self, queue_ids: Collection[str]) -> frozenset[str]:
        def done() -> frozenset[str]:
            there = [one for one in queue_ids if one in self.where]
            self.where |= dict.fromkeys(there, QueueName.HOLD)
            return frozenset(there)

        return self._call(done)

    async def release(self, queue_ids: Collection[str]) -> frozenset[str]:
        def done() -> frozenset[str]:
            for one in queue_ids:
                if one in self.where:
                    self.where[one] = QueueName.DEFERRED
            return frozenset(queue_ids) - self.lost

        return self._call(done)

    async def delete(self, queue_ids: Collection[str]) -> frozenset[str]:
        def done() -> frozenset[str]:
            for one in queue_ids:
                if self.where.get(one) is QueueName.HOLD:
                    del self.where[one]
                    self.deleted.append(one)
            return frozenset(one for one in queue_ids if one not in self.where)

        return self._call(done)

    async def queue(self, *, only_held: bool = False) -> Queue:
        def done() -> Queue:
            return Queue(
                messages=tuple(
                    self._queued(one, where)
                    for one, where in self.where.items()
                    if where is QueueName.HOLD or not only_held
                )
            )

        return self._call(done)

    async def message(self, queue_id: str) -> QueuedMessage | None:
        def done() -> QueuedMessage | None:
            if queue_id not in self.where:
                return None
            head, start = self.content
            return QueuedMessage(queued=self._queued(queue_id, self.where[queue_id]), head=head, start=start)

        return self._call(done)

    async def close(self) -> None:
        """There is nothing to close."""

    def _queued(self, queue_id: str, where: QueueName) -> Queued:
        return Queued(
            queue_id=queue_id,
            queue=where,
            submission=self.submissions[queue_id],
            at=self.at,
            message_bytes=1000,
            reverse_path="",
            recipients=(),
        )

    def _call(self, done: Callable[[], Answer]) -> Answer:
        self.calls += 1
        is_now = self.calls == self.breaks_at
        if is_now and not self.breaks_after:
            raise BrokeOff
        answer = done()
        if is_now:
            raise BrokeOff
        return answer
