"""Who asks, and may it: a token in `Authorization: Bearer`, its scope, and the stores as this token's hand.

TokenFirst stands before every route: FastAPI reads a body before it asks who sent it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from policy.budgets.valkey_line import Server
from policy.store.audit import Actor
from policy.store.identities import IdentityStore
from policy.store.people import People
from policy.store.tokens import ApiToken, TokenBook, TokenScope

DOCUMENT = "/openapi.json"  # for everybody
_BEARER = HTTPBearer(auto_error=False, description="A token of `sallyport token add`.")  # for the document
_ASKER = Actor("api", "")  # who looks tokens up; it changes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """What the API works on, made once for the process."""

    engine: Engine
    key: bytes = field(repr=False)
    state_dir: Path
    digest_key_file: Path
    budgets: Server | None  # where they are not in the database
    invite_url: Callable[[str], str]  # of a token
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request of one token. `now` is when it came."""

    token: ApiToken
    now: float
    actor: Actor
    engine: Engine
    key: bytes = field(repr=False)
    state_dir: Path
    digest_key_file: Path
    budgets: Server | None
    identities: IdentityStore
    people: People
    invite_url: Callable[[str], str]  # of a token


class TokenFirst:
    """Around all routes. `refused` is what is answered where there is no token that is good."""

    def __init__(self, app: ASGIApp, back: Back, refused: ASGIApp) -> None:
        self._app = app
        self._back = back
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != f"{scope.get('root_path', '')}{DOCUMENT}":
            now = self._back.clock()
            token = await run_in_threadpool(self._token, Headers(scope=scope).get("authorization", ""), now)
            if token is None:
                await self._refused(scope, receive, send)
                return
            scope["state"] = {**scope.get("state", {}), "token": token, "now": now}
        await self._app(scope, receive, send)

    def _token(self, given: str, now: float) -> ApiToken | None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return TokenBook(self._back.engine, self._back.key, _ASKER).holder(token.strip(), now)


def caller_with(scope: TokenScope) -> Any:  # noqa: ANN401 - what FastAPI calls a dependency
    """The caller, if its token has `scope`."""

    def check(request: Request, _: Annotated[object, Depends(_BEARER)] = None) -> Caller:
        back: Back = request.app.state.back
        token, now = request.state.token, request.state.now
        if scope not in token.scopes:
            raise HTTPException(403, f"this token lacks the scope {scope}")
        actor = Actor(f"api:{token.name}", request.client.host if request.client else "")
        return Caller(
            token=token,
            now=now,
            actor=actor,
            engine=back.engine,
            key=back.key,
            state_dir=back.state_dir,
            digest_key_file=back.digest_key_file,
            budgets=back.budgets,
            identities=IdentityStore(back.engine, back.key, actor),
            people=People(back.engine, back.key, actor),
            invite_url=back.invite_url,
        )

    return Depends(check)


Reader = Annotated[Caller, caller_with(TokenScope.READ)]
Writer = Annotated[Caller, caller_with(TokenScope.WRITE)]
Auditor = Annotated[Caller, caller_with(TokenScope.AUDIT)]
Keeper = Annotated[Caller, caller_with(TokenScope.BACKUP)]
