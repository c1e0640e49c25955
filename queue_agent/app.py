"""HTTP in, answer out; policy/queue_contract.py has the bodies, queue.py does it.

    POST /v1/hold, release, requeue, delete     queue ids in, queue ids out
    GET  /v1/queue[?queue=NAME]                 all that is queued, as a stream: an answer that breaks off is none
    GET  /v1/queue/{id}                         one message, with its head and its first lines
    GET  /v1/statistics
    POST /v1/outside                            what the world says of us; outside.py
    POST /v1/trail                              what Postfix's log says of a few messages; trail.py
    GET  /health/live, /health/ready, /metrics  without the token

An error of ours is a 500 without a text, and of Postfix's a 503: policy takes both for "not now".
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError

from policy.contract import SPOKEN, ContractRefused, contract_of
from policy.queue_contract import OutsideQuestions, QueueIds, QueueName, TrailAsked
from queue_agent import log, metrics
from queue_agent.commands import PostfixFailed
from queue_agent.condition import Condition
from queue_agent.outside import Outside
from queue_agent.queue import Queue
from queue_agent.spool import QUEUE_ID
from queue_agent.trail import Trail
from service.health import LIVE
from service.shared_token import SharedToken

BODY_LIMIT = 2 * 1024 * 1024  # the contract's number of the longest ids is 1.7 million octets
_PIECE = 64 * 1024
_QUEUE, _OUTSIDE, _TRAIL = "/v1/queue", "/v1/outside", "/v1/trail"

Message: TypeAlias = MutableMapping[str, Any]  # ASGI's own types, which are dicts of anything
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Change: TypeAlias = Callable[[Sequence[str]], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """`more` are further pieces of the body. Where they fail the answer breaks off, which the asker sees."""

    status: HTTPStatus
    body: bytes
    more: AsyncGenerator[bytes, None] | None = None
    kind: str = "application/json"


def _error(status: HTTPStatus, what: str) -> Answer:
    return Answer(status, b'{"error":"%s"}' % what.encode())


def _model(model: BaseModel) -> Answer:
    return Answer(HTTPStatus.OK, model.model_dump_json().encode())


class App:
    """The ASGI application."""

    def __init__(
        self, queue: Queue, outside: Outside, trail: Trail, token: SharedToken, condition: Condition | None = None
    ) -> None:
        self._queue = queue
        self._outside = outside
        self._trail = trail
        self._condition = condition or Condition()
        self._token = token
        self._changes: Mapping[str, Change] = {
            "/v1/hold": queue.hold,
            "/v1/release": queue.release,
            "/v1/requeue": queue.requeue,
            "/v1/delete": queue.delete,
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        try:
            answer = await self._answered(path, scope, receive)
        except PostfixFailed as error:
            log.postfix_failed(path, str(error))
            answer = _error(HTTPStatus.SERVICE_UNAVAILABLE, "postfix")
        except Exception as error:  # noqa: BLE001 - whatever it is, the asker hears "not now"
            log.question_failed(path, error)
            answer = _error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal")
        await _send(send, answer)

    async def _answered(self, path: str, scope: Message, receive: Receive) -> Answer:
        method = scope["method"]
        if method == "GET" and path in ("/health/live", "/health/ready"):
            return await self._health(path)
        if method == "GET" and path == "/metrics":
            return Answer(HTTPStatus.OK, await metrics.written(self._queue), kind=metrics.CONTENT_TYPE_LATEST)
        if not self._is_allowed(scope):
            return _error(HTTPStatus.UNAUTHORIZED, "token")
        if (contract := contract_of(path)) is not None and contract not in SPOKEN:
            return Answer(
                HTTPStatus.NOT_IMPLEMENTED, ContractRefused(spoken=SPOKEN).model_dump_json().encode()
            )  # no 404: nothing is gone
        if method == "POST" and path in (*self._changes, _OUTSIDE, _TRAIL):
            return await self._asked(path, receive)
        if method == "GET" and path == "/v1/statistics":
            return _model(await self._queue.statistics())
        if method == "GET" and path == _QUEUE:
            return await self._listed(scope["query_string"])
        if method == "GET" and path.startswith(f"{_QUEUE}/"):
            return await self._message(path.removeprefix(f"{_QUEUE}/"))
        return _error(HTTPStatus.NOT_FOUND, "no such question")

    def _is_allowed(self, scope: Message) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return self._token.is_bearer(given)

    async def _health(self, path: str) -> Answer:
        """See condition.py."""
        if path == "/health/live":
            return Answer(HTTPStatus.OK, LIVE)
        try:
            await self._queue.listing()
            is_queue_read = True
        except PostfixFailed:
            is_queue_read = False
        unreported = await self._queue.ledger.unreported()
        has_room = self._queue.commands.has_room()
        health = self._condition.health(is_queue_read=is_queue_read, has_room=has_room, unreported=unreported)
        return Answer(health.status, health.body)

    async def _asked(self, path: str, receive: Receive) -> Answer:
        body = await _body(receive)
        if body is None:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "length")
        try:
            if path == _OUTSIDE:
                return _model(await self._outside.answer(OutsideQuestions.model_validate_json(body)))
            if path == _TRAIL:
                return await self._followed(TrailAsked.model_validate_json(body))
            asked = QueueIds.model_validate_json(body).queue_ids
        except ValidationError:
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "not a question")
        return await self._change(path, asked)

    async def _followed(self, asked: TrailAsked) -> Answer:
        known = await self._queue.ledger.all_known(asked.queue_ids)
        whose = next((one.submission for one in known.values()), "")
        return _model(await self._trail.follow(asked, whose))

    async def _change(self, path: str, asked: Sequence[str]) -> Answer:
        order = path.rpartition("/")[2]
        try:
            done = await self._changes[path](tuple(dict.fromkeys(asked)))
        except PostfixFailed:
            self._condition.order_failed(order)
            raise
        self._condition.order_done()
        log.queue_changed(order, len(asked), len(done))
        return _model(QueueIds(queue_ids=tuple(done)))

    async def _message(self, queue_id: str) -> Answer:
        found = await self._queue.message(queue_id) if QUEUE_ID.fullmatch(queue_id) else None
        return _model(found) if found else _error(HTTPStatus.NOT_FOUND, "no such message")

    async def _listed(self, query: bytes) -> Answer:
        """The first piece is made before the status goes: a Postfix that is down is a 503, and not half an answer."""
        wanted = parse_qs(query.decode("latin-1")).get("queue", [""])[0]
        if wanted and wanted not in set(QueueName):
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "not a question")
        pieces = _pieces(self._queue, QueueName(wanted) if wanted else None)
        return Answer(HTTPStatus.OK, await anext(pieces), pieces)


async def _pieces(queue: Queue, wanted: QueueName | None) -> AsyncGenerator[bytes, None]:
    piece, comma = bytearray(b'{"messages":['), b""
    async with aclosing(queue.messages(wanted)) as messages:
        async for one in messages:
            piece += comma + one.model_dump_json().encode()
            comma = b","
            if len(piece) >= _PIECE:
                yield bytes(piece)
                piece.clear()
    yield bytes(piece) + b"]}"


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", answer.kind.encode())]
    if not answer.more:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": answer.more is not None})
    if answer.more:
        async with aclosing(answer.more) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it has no reasonable end."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)
