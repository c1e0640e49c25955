"""HTTP in: each question read, the clock read once, store and engine asked, the answer out.

    gateway   POST /v1/login, /v1/message, /v1/outcome       policy/contract.py has the bodies
    dovecot   POST /v1/dovecot/login, /v1/dovecot/mailbox    forms in, the mailbox's name out
    anybody   GET  /health/live, /health/ready

Each of the two has its own token and may ask only its own questions. The routes are plain functions: FastAPI runs them
in threads, where waiting for the disk holds nobody up. An error of ours is a 500 without a text; both askers take that
for "not now" and never for "no".
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Form, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from policy import log, sasl
from policy.budgets import Budgets
from policy.contract import (
    Action,
    LoginAnswer,
    LoginOutcome,
    LoginStep,
    MessageFacts,
    MessageVerdict,
    Outcome,
    Reason,
    RelayOutcome,
)
from policy.engine.charges import Window, charge_for, refusal_for
from policy.engine.rules import Ruling, Stage, decide
from policy.store.identities import IdentityStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Brain:
    """What the routes work on, made once at the start."""

    store: IdentityStore
    budgets: Budgets
    recipient_windows: tuple[Window, ...]
    clock: Callable[[], float]
    gateway_token: str
    dovecot_token: str


def make_app(brain: Brain) -> FastAPI:
    app = FastAPI(title="Sallyport policy", openapi_url=None)
    _add_gateway_routes(app, brain)
    _add_dovecot_routes(app, brain)
    _add_health_routes(app, brain)

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        log.question_failed(request.url.path, error)
        return JSONResponse({"error": "internal"}, status_code=500)

    return app


def _add_gateway_routes(app: FastAPI, brain: Brain) -> None:
    allowed = [Depends(_holder_of(brain.gateway_token))]

    @app.post("/v1/login", dependencies=allowed)
    def login(step: LoginStep) -> LoginAnswer:
        said = sasl.next_step(step.mechanism, step.responses)
        if isinstance(said, sasl.Challenge):
            return LoginAnswer(outcome=LoginOutcome.CHALLENGE, challenge=said.octets)
        if isinstance(said, sasl.Malformed):
            return LoginAnswer(outcome=LoginOutcome.MALFORMED)
        grants = brain.store.verify(said.login, said.secret, brain.clock())
        if grants is None:
            log.login_refused(step.session, step.client_address, step.mechanism)
            return LoginAnswer(outcome=LoginOutcome.REFUSED)
        log.login_granted(step.session, step.client_address, grants.login, grants.identity)
        return LoginAnswer(outcome=LoginOutcome.GRANTED, grants=grants)

    @app.post("/v1/message", dependencies=allowed)
    def message(facts: MessageFacts) -> MessageVerdict:
        return judge(brain, facts)

    @app.post("/v1/outcome", dependencies=allowed, status_code=204)
    def outcome(report: Outcome) -> None:
        if report.outcome is RelayOutcome.FAILED:
            known = brain.budgets.release(report.reservation)
        else:
            known = brain.budgets.commit(report.reservation)
        log.message_ended(report, known)


def judge(brain: Brain, facts: MessageFacts) -> MessageVerdict:
    """Rules first, then the budget: what a rule refuses costs nothing."""
    profile = brain.store.profile(facts.credential)
    if profile is None:
        ruling, identity = Ruling(Action.REJECT, Reason.CREDENTIAL_REVOKED, "credential_is_known"), ""
    else:
        ruling, identity = decide(Stage.MESSAGE, facts, profile), profile.identity
    reservation = ""
    if profile and ruling.action is Action.ACCEPT:
        charge = charge_for(facts, profile, brain.recipient_windows)
        reservation = secrets.token_hex(16)
        if not brain.budgets.reserve(reservation, charge, brain.clock()):
            ruling, reservation = refusal_for(charge), ""
    verdict = MessageVerdict(action=ruling.action, reason=ruling.reason, reservation=reservation)
    log.message_judged(facts, verdict, identity, ruling.rule)
    return verdict


def _add_dovecot_routes(app: FastAPI, brain: Brain) -> None:
    allowed = [Depends(_holder_of(brain.dovecot_token))]

    @app.post("/v1/dovecot/login", dependencies=allowed, response_class=PlainTextResponse)
    def dovecot_login(
        # Empty is what a client may send; it is a wrong secret like any other, and no fault of ours.
        login: Annotated[str, Form()] = "",
        secret: Annotated[str, Form()] = "",
        client_address: Annotated[str, Form()] = "",
        protocol: Annotated[str, Form()] = "",
        session_id: Annotated[str, Form()] = "",
    ) -> str:
        grants = brain.store.verify(login, secret, brain.clock())
        if grants is None:
            log.login_refused(session_id, client_address, protocol)
            raise HTTPException(403)
        log.login_granted(session_id, client_address, grants.login, grants.identity)
        return grants.identity

    @app.post("/v1/dovecot/mailbox", dependencies=allowed, response_class=PlainTextResponse)
    def dovecot_mailbox(name: Annotated[str, Form()]) -> str:
        found = brain.store.mailbox(name)
        if found is None:
            raise HTTPException(404)
        return found


def _add_health_routes(app: FastAPI, brain: Brain) -> None:
    @app.get("/health/live", response_class=PlainTextResponse)
    def live() -> str:
        return "live"

    @app.get("/health/ready", response_class=PlainTextResponse)
    def ready() -> str:
        """Ready means that the store answers; a 500 says that it does not."""
        brain.store.mailbox("administrator")
        return "ready"


def _holder_of(token: str) -> Callable[[str], None]:
    expected = f"Bearer {token}".encode()

    def check(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), expected):
            raise HTTPException(401)

    return check
