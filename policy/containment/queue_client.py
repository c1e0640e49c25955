"""The queue agent, asked over HTTP: policy/queue_contract.py has the questions."""

import asyncio
import re
from collections.abc import Collection, Iterator
from http import HTTPStatus
from itertools import islice
from types import TracebackType
from typing import Protocol, Self, TypeVar

import aiohttp
from pydantic import ValidationError

from policy.contract import Frozen
from policy.queue_contract import (
    QUEUE_ID,
    QUEUE_IDS_LIMIT,
    OutsideAnswers,
    OutsideQuestions,
    Queue,
    QueuedMessage,
    QueueIds,
    Statistics,
    TrailAsked,
    TrailFound,
)
from service.ailments import Ailment
from service.health import Health, read
from service.sentence import Sentence
from service.shared_token import SharedToken

_IS_QUEUE_ID = re.compile(QUEUE_ID, re.ASCII)
_HEALTH_TIMEOUT_S = 5.0
_TIMEOUT_S = 60.0  # a queue of tens of thousands is listed within seconds
# An order is short, or it is given again: what an agent that hangs keeps waiting is a containment.
_ORDER_TIMEOUT_S, _MOVED_PER_S = 10.0, 1000
_LEFT_ALONE_S = 5.0  # whoever did not answer an order in time; the next one would wait for as long

Answer = TypeVar("Answer", bound=Frozen)


class QueueUnavailable(Exception):
    """The queue agent does not answer, or not as it should; str(self) says so and holds nothing of the answer.

    `done` is what was carried out all the same, where there are several.
    """

    def __init__(self, why: str, done: frozenset[str] = frozenset()) -> None:
        super().__init__(why)
        self.sentence = why if isinstance(why, Sentence) else Sentence(why)
        self.done = done


class QueueOrders(Protocol):
    """What the worker asks for. Each may be asked again."""

    async def hold(self, queue_ids: Collection[str]) -> frozenset[str]:
        """Those that are on hold now."""

    async def release(self, queue_ids: Collection[str]) -> frozenset[str]:
        """Those that are not on hold any more."""

    async def delete(self, queue_ids: Collection[str]) -> frozenset[str]:
        """Those that are gone; only what is on hold is ever deleted."""

    async def queue(self, *, only_held: bool = False) -> Queue:
        """What is queued at this moment."""

    async def message(self, queue_id: str) -> QueuedMessage | None:
        """One of them, opened; None where it is not in the queue any more."""

    async def close(self) -> None:
        """Ask nothing more."""


class QueueClient:
    """`url` is that of the queue agent, for example http://queue-agent:7589."""

    def __init__(self, url: str, token: SharedToken) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._http: aiohttp.ClientSession | None = None
        self._silent_until = 0.0  # on the loop's clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._http:
            await self._http.close()

    async def hold(self, queue_ids: Collection[str]) -> frozenset[str]:
        return await self._move("hold", queue_ids)

    async def release(self, queue_ids: Collection[str]) -> frozenset[str]:
        return await self._move("release", queue_ids)

    async def delete(self, queue_ids: Collection[str]) -> frozenset[str]:
        return await self._move("delete", queue_ids)

    async def requeue(self, queue_ids: Collection[str]) -> frozenset[str]:
        """Those that are queued anew."""
        return await self._move("requeue", queue_ids)

    async def queue(self, *, only_held: bool = False) -> Queue:
        return await self._ask("GET", f"/v1/queue{'?queue=hold' if only_held else ''}", Queue)

    async def message(self, queue_id: str) -> QueuedMessage | None:
        """None where it is not in the queue any more."""
        try:
            return await self._ask("GET", f"/v1/queue/{queue_id}", QueuedMessage)
        except _NotThere:
            return None

    async def health(self) -> Health:
        """What it says of itself; within seconds, or not at all."""
        status, content = await self._asked("GET", "/health/ready", None, _HEALTH_TIMEOUT_S)
        try:
            return read(content)
        except ValueError:
            raise QueueUnavailable(Ailment.QUEUE_HEALTH_UNREADABLE.of(status=status)) from None

    async def statistics(self, *, timeout_s: float = _TIMEOUT_S) -> Statistics:
        return await self._ask("GET", "/v1/statistics", Statistics, timeout_s=timeout_s)

    async def outside(self, questions: OutsideQuestions) -> OutsideAnswers:
        """What the world says of us; policy/publishing asks."""
        return await self._ask("POST", "/v1/outside", OutsideAnswers, questions)

    async def trail(self, asked: TrailAsked) -> TrailFound:
        """What Postfix's log says of these messages."""
        return await self._ask("POST", "/v1/trail", TrailFound, asked)

    async def _move(self, what: str, queue_ids: Collection[str]) -> frozenset[str]:
        """An id of another front's queue may look otherwise: nobody knows it here, and the others are not its fault."""
        moved = frozenset[str]()
        for some in _in_portions([one for one in queue_ids if _IS_QUEUE_ID.fullmatch(one)]):
            moved |= frozenset((await self._ordered(what, some)).queue_ids)
        return moved

    async def _ordered(self, what: str, queue_ids: tuple[str, ...]) -> QueueIds:
        loop = asyncio.get_running_loop()
        if loop.time() < self._silent_until:
            raise QueueUnavailable(Ailment.QUEUE_SILENT.of(error=TimeoutError.__name__))
        end = loop.time() + _ORDER_TIMEOUT_S + len(queue_ids) / _MOVED_PER_S
        try:
            order = QueueIds(queue_ids=queue_ids)
            return await self._ask("POST", f"/v1/{what}", QueueIds, order, timeout_s=end - loop.time())
        except QueueUnavailable:
            if loop.time() >= end:
                self._silent_until = loop.time() + _LEFT_ALONE_S
            raise

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        body: Frozen | None = None,
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> Answer:
        status, content = await self._asked(method, path, body, timeout_s)
        if status == HTTPStatus.NOT_FOUND:
            raise _NotThere(f"{path}: not found")
        if status != HTTPStatus.OK:
            raise QueueUnavailable(Ailment.QUEUE_REFUSES.of(method=method, status=status))
        try:
            # A queue of 20,000 messages is a tenth of a second of work, for which no login waits.
            return await asyncio.to_thread(kind.model_validate_json, content)
        except ValidationError:
            raise QueueUnavailable(Ailment.QUEUE_UNREADABLE.of()) from None

    async def _asked(self, method: str, path: str, body: Frozen | None, timeout_s: float) -> tuple[int, bytes]:
        """Status and body of the answer. Each token may take `timeout_s` of its own."""
        self._http = self._http or aiohttp.ClientSession()
        asked = body.model_dump_json() if body else None
        patience = aiohttp.ClientTimeout(total=timeout_s)
        status, content = HTTPStatus.UNAUTHORIZED.value, b""
        try:
            for one in self._token.to_show():
                headers = {"Authorization": f"Bearer {one}"}
                async with self._http.request(
                    method, self._url + path, data=asked, headers=headers, timeout=patience
                ) as answer:
                    status, content = answer.status, await answer.read()
                if status != HTTPStatus.UNAUTHORIZED:
                    break
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise QueueUnavailable(Ailment.QUEUE_SILENT.of(error=type(error).__name__)) from None
        return status, content


class _NotThere(QueueUnavailable):
    """404."""


def _in_portions(queue_ids: Collection[str]) -> Iterator[tuple[str, ...]]:
    left = iter(queue_ids)
    while some := tuple(islice(left, QUEUE_IDS_LIMIT)):
        yield some
