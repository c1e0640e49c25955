"""HTTP in, answer out; what is asked and answered is brain.py.

    gateway   POST /v1/connect, login, message, outcomes, revocations, health      policy/contract.py has the bodies
    queue     POST /v1/deliveries                            policy/queue_contract.py: the agent beside Postfix
    dovecot   POST /v1/dovecot/login, /v1/dovecot/mailbox    forms in, the mailbox's name out
    others    POST /, /command/...                           policy/authpolicy/: the Dovecot of another server
    anybody   GET  /health/live, /health/ready, /metrics

Each of the four has its own token (service/shared_token.py) and may ask only its own questions. The gateway's three
come for every message, so they are answered before FastAPI is reached, which would cost more than the answer; in the
form in which the gateway writes them, before uvicorn parses them, too (gateway_line.py). An error of ours is a 500
without a text; both askers take that for "not now" and never for "no".
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Header, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from policy import log
from policy.authpolicy.routes import add_auth_policy_routes
from policy.brain import Brain
from policy.contract import (
    SPOKEN,
    ConnectFacts,
    ContractRefused,
    HealthTold,
    LoginOutcome,
    LoginStep,
    MessageFacts,
    Outcomes,
    RevocationsAsked,
    contract_of,
)
from policy.metrics import CONTENT_TYPE_LATEST, Sources, written
from policy.queue_contract import Deliveries
from service import tracing
from service.health import LIVE
from service.shared_token import SharedToken

BODY_LIMIT = 4 * 1024 * 1024  # a thousand recipients of the longest kind are a quarter of it
_JSON = (b"content-type", b"application/json")
_INTERNAL_ERROR = b'{"error":"internal"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Who may ask."""

    gateway: SharedToken
    dovecot: SharedToken
    queue: SharedToken
    auth_policy: SharedToken | None = None  # the Dovecot of another server; None: nobody has it


@dataclass(frozen=True, slots=True)
class Question:
    """Who may ask it, what its body must be, and who answers."""

    path: str
    token: SharedToken = field(repr=False)
    kind: type[BaseModel]
    answer: Callable[[Any], Awaitable[BaseModel | None]]


class App:
    """The ASGI application: the gateway's questions here, everything else in `others`."""

    def __init__(self, brain: Brain, tokens: Tokens) -> None:
        self._others = _make_others(brain, tokens)
        gateway, queue = tokens.gateway, tokens.queue
        questions = (
            Question("/v1/connect", gateway, ConnectFacts, brain.connect),
            Question("/v1/login", gateway, LoginStep, brain.login),
            Question("/v1/message", gateway, MessageFacts, brain.judge),
            Question("/v1/outcomes", gateway, Outcomes, brain.end),
            Question("/v1/deliveries", queue, Deliveries, brain.deliver),
            Question("/v1/revocations", gateway, RevocationsAsked, brain.revocations),
            Question("/v1/health", gateway, HealthTold, brain.hear),
        )
        self._questions: Mapping[str, Question] = {one.path: one for one in questions}
        self._refused = set[int]()  # contracts by which somebody asked; 0 is none

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        question = self._questions.get(scope["path"]) if scope["type"] == "http" else None
        if not question or scope["method"] != "POST":
            if scope["type"] == "http" and _is_of_another_contract(scope["path"]):
                await self._refuse_contract(scope["path"], send)
                return
            await self._others(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not self.question(question.path, given):
            status, body = HTTPStatus.UNAUTHORIZED, b'{"error":"token"}'
        elif (asked := await _body(receive)) is None:
            status, body = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b'{"error":"length"}'
        else:
            status, body = await self.answer(question, asked, scope["headers"])
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [_JSON, length] if body else []})
        await send({"type": "http.response.body", "body": body})

    async def _refuse_contract(self, path: str, send: Send) -> None:
        """501 and not 404, which Dovecot takes for "there is no such mailbox". Each contract is logged once."""
        if (asked := contract_of(path) or 0) not in self._refused:
            self._refused.add(asked)
            log.contract_refused(asked)
        body = ContractRefused(spoken=SPOKEN).model_dump_json().encode()
        head = [_JSON, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": HTTPStatus.NOT_IMPLEMENTED, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def question(self, path: str, bearer: bytes) -> Question | None:
        """What is asked under this path, for whoever shows the token for it."""
        question = self._questions.get(path)
        return question if question and question.token.is_bearer(bearer) else None

    async def answer(
        self, question: Question, body: bytes, fields: Iterable[tuple[bytes, bytes]] = ()
    ) -> tuple[HTTPStatus, bytes]:
        """Status and body; `fields` of the question's head may say which trace it belongs to. Raises nothing."""
        try:
            asked = question.kind.model_validate_json(body)
        except ValidationError as error:
            # Where it is wrong, and not what was there: it may be a SASL response.
            log.question_refused(question.path, error.error_count(), str(error.errors(include_input=False)[0]["loc"]))
            return HTTPStatus.UNPROCESSABLE_ENTITY, b'{"error":"not a question"}'
        try:
            with tracing.part_of(fields, "judgement"):
                answer = await question.answer(asked)
            octets = answer.model_dump_json().encode() if answer else b""
        except Exception as error:  # noqa: BLE001 - whatever it is, the asker hears "not now"
            log.question_failed(question.path, error)
            return HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL_ERROR
        return HTTPStatus.OK if octets else HTTPStatus.NO_CONTENT, octets


def _is_of_another_contract(path: str) -> bool:
    return (asked := contract_of(path)) is not None and asked not in SPOKEN


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it has no reasonable end."""
    pieces, length, more = list[bytes](), 0, True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        length += len(pieces[-1])
        more = message.get("more_body", False)
        if length > BODY_LIMIT:
            return None
    return b"".join(pieces)


def _make_others(brain: Brain, tokens: Tokens) -> FastAPI:
    @asynccontextmanager
    async def whole_life(_: FastAPI) -> AsyncIterator[None]:
        await brain.start()
        yield
        await brain.close()
        await asyncio.to_thread(tracing.stop)  # here: uvicorn ends with the signal that ended it

    app = FastAPI(title="Sallyport policy", openapi_url=None, lifespan=whole_life)
    _add_dovecot_routes(app, brain, tokens.dovecot)
    if tokens.auth_policy:
        add_auth_policy_routes(app, brain.desk, tokens.auth_policy)
    _add_health_routes(app, brain)
    _add_metrics_route(app, brain)

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        log.question_failed(request.url.path, error)
        return Response(_INTERNAL_ERROR, 500, media_type="application/json")

    return app


def _add_dovecot_routes(app: FastAPI, brain: Brain, token: SharedToken) -> None:
    allowed = [Depends(_holder_of(token))]

    @app.post("/v1/dovecot/login", dependencies=allowed, response_class=PlainTextResponse)
    async def dovecot_login(
        # Empty is what a client may send; it is a wrong secret like any other, and no fault of ours.
        login: Annotated[str, Form()] = "",
        secret: Annotated[str, Form()] = "",
        client_address: Annotated[str, Form()] = "",
        protocol: Annotated[str, Form()] = "",
        session_id: Annotated[str, Form()] = "",
    ) -> str:
        answer = await brain.pick_up(login, secret, session_id, client_address, protocol)
        if answer.grants:
            return answer.grants.identity
        # 429: nothing was looked at; Dovecot says "try again later" and not "wrong".
        raise HTTPException(403 if answer.outcome is LoginOutcome.REFUSED else 429)

    @app.post("/v1/dovecot/mailbox", dependencies=allowed, response_class=PlainTextResponse)
    async def dovecot_mailbox(name: Annotated[str, Form()]) -> str:
        found = await brain.directory.mailbox(name)
        if found is None:
            raise HTTPException(404)
        return found


def _add_health_routes(app: FastAPI, brain: Brain) -> None:
    @app.get("/health/live")
    async def live() -> Response:
        return Response(LIVE, media_type="application/json")

    @app.get("/health/ready")
    async def ready() -> Response:
        """See service/health.py; condition.py says what is wrong."""
        health = await brain.health()
        return Response(health.body, health.status, media_type="application/json")


def _add_metrics_route(app: FastAPI, brain: Brain) -> None:
    sources = Sources(tally=brain.tally, atlas=brain.connects.atlas, writer=brain.writer, ledger=brain.ledger)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(written(sources, await brain.levels()), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _holder_of(token: SharedToken) -> Callable[[str], None]:
    def check(authorization: Annotated[str, Header()] = "") -> None:
        if not token.is_bearer(authorization.encode()):
            raise HTTPException(401)

    return check
