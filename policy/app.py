"""HTTP in, answer out; what is asked and answered is brain.py.

    gateway   POST /v1/connect, login, message, outcomes     policy/contract.py has the bodies
    queue     POST /v1/deliveries                            policy/queue_contract.py: the agent beside Postfix
    dovecot   POST /v1/dovecot/login, /v1/dovecot/mailbox    forms in, the mailbox's name out
    others    POST /, /command/...                           policy/authpolicy/: the Dovecot of another server
    anybody   GET  /health/live, /health/ready, /metrics

Each of the four has its own token and may ask only its own questions. The gateway's three come for every message, so
they are answered before FastAPI is reached, which would cost more than the answer. An error of ours is a 500 without a
text; both askers take that for "not now" and never for "no".
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Header, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from policy import log
from policy.authpolicy.routes import add_auth_policy_routes
from policy.brain import Brain
from policy.contract import ConnectFacts, LoginOutcome, LoginStep, MessageFacts, Outcomes, RevocationsAsked
from policy.metrics import CONTENT_TYPE_LATEST, Totals, written
from policy.queue_contract import Deliveries

_BODY_LIMIT = 4 * 1024 * 1024  # a thousand recipients of the longest kind are a quarter of it
_JSON = (b"content-type", b"application/json")
_INTERNAL_ERROR = b'{"error":"internal"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Who may ask."""

    gateway: str
    dovecot: str
    queue: str
    auth_policy: str = ""  # the Dovecot of another server; empty: nobody has it


@dataclass(frozen=True, slots=True)
class Question:
    """Who may ask it, what its body must be, and who answers."""

    bearer: bytes
    kind: type[BaseModel]
    answer: Callable[[Any], Awaitable[BaseModel | None]]


class App:
    """The ASGI application: the gateway's questions here, everything else in `others`."""

    def __init__(self, brain: Brain, tokens: Tokens) -> None:
        self._others = _make_others(brain, tokens)
        gateway, queue = (f"Bearer {token}".encode() for token in (tokens.gateway, tokens.queue))
        self._questions: Mapping[str, Question] = {
            "/v1/connect": Question(gateway, ConnectFacts, brain.connect),
            "/v1/login": Question(gateway, LoginStep, brain.login),
            "/v1/message": Question(gateway, MessageFacts, brain.judge),
            "/v1/outcomes": Question(gateway, Outcomes, brain.end),
            "/v1/deliveries": Question(queue, Deliveries, brain.deliver),
            "/v1/revocations": Question(gateway, RevocationsAsked, brain.revocations),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        question = self._questions.get(scope["path"]) if scope["type"] == "http" else None
        if not question or scope["method"] != "POST":
            await self._others(scope, receive, send)
            return
        try:
            status, body = await self._answered(question, scope, receive)
        except Exception as error:  # noqa: BLE001 - whatever it is, the asker hears "not now"
            log.question_failed(scope["path"], error)
            status, body = HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL_ERROR
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [_JSON, length] if body else []})
        await send({"type": "http.response.body", "body": body})

    async def _answered(self, question: Question, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not hmac.compare_digest(given, question.bearer):
            return HTTPStatus.UNAUTHORIZED, b'{"error":"token"}'
        body = await _body(receive)
        if body is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b'{"error":"length"}'
        try:
            asked = question.kind.model_validate_json(body)
        except ValidationError as error:
            # Where it is wrong, and not what was there: it may be a SASL response.
            log.question_refused(scope["path"], error.error_count(), str(error.errors(include_input=False)[0]["loc"]))
            return HTTPStatus.UNPROCESSABLE_ENTITY, b'{"error":"not a question"}'
        answer = await question.answer(asked)
        if answer is None:
            return HTTPStatus.NO_CONTENT, b""
        return HTTPStatus.OK, answer.model_dump_json().encode()


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it has no reasonable end."""
    pieces, length, more = list[bytes](), 0, True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        length += len(pieces[-1])
        more = message.get("more_body", False)
        if length > _BODY_LIMIT:
            return None
    return b"".join(pieces)


def _make_others(brain: Brain, tokens: Tokens) -> FastAPI:
    @asynccontextmanager
    async def whole_life(_: FastAPI) -> AsyncIterator[None]:
        await brain.start()
        yield
        await brain.close()

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


def _add_dovecot_routes(app: FastAPI, brain: Brain, token: str) -> None:
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
    @app.get("/health/live", response_class=PlainTextResponse)
    async def live() -> str:
        return "live"

    @app.get("/health/ready", response_class=PlainTextResponse)
    async def ready() -> str:
        """Ready means that the store answers; a 500 says that it does not."""
        await brain.ready()
        return "ready"


def _add_metrics_route(app: FastAPI, brain: Brain) -> None:
    totals = Totals(brain.connects)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(written(totals), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _holder_of(token: str) -> Callable[[str], None]:
    expected = f"Bearer {token}".encode()

    def check(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), expected):
            raise HTTPException(401)

    return check
