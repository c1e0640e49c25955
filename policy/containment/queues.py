"""The queue agents of all Postfix, asked as if they were one. Where there is one, this is that one.

    queue_client.py   one agent
    queues.py         (you are here) several: nobody remembers which Postfix has a message, so all are asked at once

An id is Postfix's own and says nothing of where it is. What is not in a queue its agent does not call held or released,
but gone: so one agent's word is enough for those, and only all of them together can say that a message is deleted.
An agent that is away keeps the others from nothing; QueueUnavailable then says what the others have done.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.queue_contract import (
    TRAIL_LIMIT,
    OutsideAnswers,
    OutsideQuestions,
    Queue,
    QueuedMessage,
    QueueName,
    Statistics,
    TrailAsked,
    TrailFound,
)
from service.shared_token import SharedToken

ALONE = "queue"  # the name of the only one, whatever its container is called

Answer = TypeVar("Answer")
Ask = Callable[[QueueClient], Coroutine[Any, Any, Answer]]


class Queues:
    """`urls` are those of the agents; they share the token."""

    def __init__(self, urls: Sequence[str], token: SharedToken) -> None:
        self.by_name: Mapping[str, QueueClient] = {
            name: QueueClient(url, token) for name, url in zip(_names(urls), urls, strict=True)
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        for one in self.by_name.values():
            await one.close()

    async def hold(self, queue_ids: Collection[str]) -> frozenset[str]:
        return await self._said_by_any(lambda one: one.hold(queue_ids))

    async def release(self, queue_ids: Collection[str]) -> frozenset[str]:
        return await self._said_by_any(lambda one: one.release(queue_ids))

    async def requeue(self, queue_ids: Collection[str]) -> frozenset[str]:
        return await self._said_by_any(lambda one: one.requeue(queue_ids))

    async def delete(self, queue_ids: Collection[str]) -> frozenset[str]:
        """Those that are in no queue any more."""
        return frozenset.intersection(*await self._all(lambda one: one.delete(queue_ids)))

    async def queue(self, *, only_held: bool = False) -> Queue:
        """The oldest first, of all; or QueueUnavailable: what is not seen would be taken for gone."""
        found = await self._all(lambda one: one.queue(only_held=only_held))
        messages = [message for one in found for message in one.messages]
        return Queue(messages=tuple(sorted(messages, key=lambda message: message.at)))

    async def message(self, queue_id: str) -> QueuedMessage | None:
        answers, away = await self._asked(lambda one: one.message(queue_id))
        found = next((one for one in answers if one), None)
        if not found and away:
            raise away[0]
        return found

    async def statistics(self) -> Statistics:
        """Added up. The log's moment is that of the one that is behind."""
        found = await self._all(lambda one: one.statistics())
        oldest = [one.oldest_at for one in found if one.oldest_at is not None]
        read = [one.log_at for one in found if one.log_at is not None]
        return Statistics(
            messages={name: sum(one.messages.get(name, 0) for one in found) for name in _names_of_queues(found)},
            octets=sum(one.octets for one in found),
            oldest_at=min(oldest, default=None),
            log_at=min(read, default=None),
            unreported=sum(one.unreported for one in found),
            is_running=all(one.is_running for one in found),
        )

    async def outside(self, questions: OutsideQuestions) -> OutsideAnswers:
        """From where the first one is that answers: they look at the same world."""
        away = list[QueueUnavailable]()
        for one in self.by_name.values():
            try:
                return await one.outside(questions)
            except QueueUnavailable as error:
                away.append(error)
        raise away[0]

    async def trail(self, asked: TrailAsked) -> TrailFound:
        """Of all logs; not whole where one could not be read."""
        found, away = await self._asked(lambda one: one.trail(asked))
        if not found:
            raise away[0]
        rows = sorted((row for one in found for row in one.rows), key=lambda row: row.at)
        return TrailFound(
            submission=next((one.submission for one in found if one.submission), ""),
            rows=tuple(rows[:TRAIL_LIMIT]),
            is_whole=not away and len(rows) <= TRAIL_LIMIT and all(one.is_whole for one in found),
            log_from=min((one.log_from for one in found if one.log_from is not None), default=None),
        )

    async def _said_by_any(self, ask: Ask[frozenset[str]]) -> frozenset[str]:
        answers, away = await self._asked(ask)
        done = frozenset[str]().union(*answers)
        if away:
            raise QueueUnavailable(away[0].sentence, done)
        return done

    async def _all(self, ask: Ask[Answer]) -> list[Answer]:
        answers, away = await self._asked(ask)
        if away:
            raise away[0]
        return answers

    async def _asked(self, ask: Ask[Answer]) -> tuple[list[Answer], list[QueueUnavailable]]:
        """All at once: what was answered, and by whom nothing."""
        said = await asyncio.gather(*map(ask, self.by_name.values()), return_exceptions=True)
        answers, away = list[Answer](), list[QueueUnavailable]()
        for one in said:
            if isinstance(one, QueueUnavailable):
                away.append(one)
            elif isinstance(one, BaseException):
                raise one
            else:
                answers.append(one)
        return answers, away


def open_queues(urls: Sequence[str], token: SharedToken) -> Queues | None:
    """None where nobody is at a queue."""
    return Queues(urls, token) if urls else None


def _names(urls: Sequence[str]) -> list[str]:
    """By their hosts, and by their ports where that is one host."""
    if len(urls) == 1:
        return [ALONE]
    hosts = [urlsplit(url).hostname or "" for url in urls]
    return [host if hosts.count(host) == 1 else urlsplit(url).netloc for host, url in zip(hosts, urls, strict=True)]


def _names_of_queues(found: Sequence[Statistics]) -> list[QueueName]:
    return [name for name in QueueName if any(name in one.messages for one in found)]
