"""The questions to policy, over HTTP. Fails closed: no sensible answer in time is PolicyUnavailable, never a yes.

    connect       door.py: a yes, for a stranger who may talk can still do nothing without the next two
    login         login.py: 454, and never 535
    message       handover.py: 451
    outcomes      told again for some seconds, then lost: the reservation stays counted
    revocations   revocations.py: asked again, and after three seconds the gateway is not ready

A submission client keeps its message and tries again, so a short outage costs a delay.
"""

import asyncio
import ssl
from collections import deque
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from gateway import log
from gateway.errors import PolicyUnavailable
from gateway.policy_addresses import PolicyAddresses
from gateway.policy_connection import HttpAnswer, NoAnswer, PolicyConnection
from gateway.policy_exchange import Exchange
from policy.contract import (
    CONTRACT,
    OUTCOMES_LIMIT,
    ConnectFacts,
    ConnectVerdict,
    ContractRefused,
    HealthTold,
    LoginAnswer,
    LoginStep,
    MessageFacts,
    MessageVerdict,
    Outcome,
    Outcomes,
    Revocations,
    RevocationsAsked,
)
from service import tracing
from service.shared_token import SharedToken

_ANSWER_LIMIT = 256 * 1024  # an identity with thousands of addresses fits; rubbish without end does not
_CONNECTIONS = 100  # questions at the same time; more wait for their turn
_IDLE_LIMIT_S = 15.0
_PATIENCE_S = {"revocations": 2.0}  # then another policy is asked, if there is one: nothing is decided by it
_MESSAGE = "message"
# Nobody waits for a report, so it waits for company: at 500 messages in a second, ten of them go in one question.
_REPORT_DELAY_S = 0.02
_REPORT_PAUSES_S = (0.0, 0.5, 2.0, 5.0, 10.0)

_HEAD = (  # in this form policy reads it in one piece: policy/gateway_line.py
    b"POST %b/%b HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
    b"%bContent-Length: %d\r\n\r\n"
)

Answer = TypeVar("Answer", bound=BaseModel)


def _trace(question: str) -> bytes:
    """A message is one trace, here and in policy. What is told later began with another message's task."""
    return tracing.parent() if question == _MESSAGE else b""


def _newest_spoken(body: bytes) -> int:
    """By policy, that has refused our contract; 0 where it does not say."""
    try:
        return ContractRefused.model_validate_json(body).spoken[-1]
    except ValidationError:
        return 0


class PolicyClient:
    """With connections kept open, for the life of the process."""

    def __init__(self, url: str, token: SharedToken, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._path = f"{parts.path.rstrip('/')}/v{CONTRACT}".encode()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._addresses = PolicyAddresses(parts.hostname or "", port, tls, _ANSWER_LIMIT)
        self._token = token
        self._host = parts.netloc.rpartition("@")[2].encode()
        self._timeout_s = timeout_s
        self._free: deque[PolicyConnection] = deque()  # in the order in which they were used
        self._messages: Exchange | None = None  # of this turn of the loop, not yet begun
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._unreported: list[Outcome] = []
        self.other_contract = 0  # the newest that policy speaks, as long as it does not speak ours
        self._reporting: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Ask nothing more."""
        while self._free:
            self._free.pop().close()

    async def connect(self, facts: ConnectFacts) -> ConnectVerdict:
        """Asked for every stranger, so a failure is not logged each time."""
        return await self._ask("connect", facts, ConnectVerdict, facts.client_address, is_logged=False)

    async def login(self, step: LoginStep) -> LoginAnswer:
        return await self._ask("login", step, LoginAnswer, step.client_address)

    async def judge(self, facts: MessageFacts) -> MessageVerdict:
        return await self._ask(_MESSAGE, facts, MessageVerdict)

    async def revocations(self, after: int) -> Revocations:
        """Asked all the time, so a failure is not logged each time."""
        answer = await self._ask("revocations", RevocationsAsked(after=after), Revocations, is_logged=False)
        self.other_contract = 0
        return answer

    async def tell(self, health: HealthTold) -> None:
        """How the gateway is. PolicyUnavailable also where policy is of a version that does not ask."""
        await self._post("health", health, is_logged=False)

    def report(self, outcome: Outcome) -> None:
        """Tell the outcome soon, trying again for some seconds; lost after that, and the reservation stays counted."""
        self._unreported.append(outcome)
        if not self._reporting or self._reporting.done():
            self._reporting = asyncio.get_running_loop().create_task(self._report())

    async def flush(self) -> None:
        """Until all is reported or lost."""
        if self._reporting:
            await self._reporting

    async def _report(self) -> None:
        await asyncio.sleep(_REPORT_DELAY_S)
        while self._unreported:
            batch, self._unreported = self._unreported[:OUTCOMES_LIMIT], self._unreported[OUTCOMES_LIMIT:]
            if not await self._has_told(Outcomes(outcomes=tuple(batch))):
                for outcome in batch:
                    log.outcome_lost(outcome.reservation, outcome.outcome)

    async def _has_told(self, outcomes: Outcomes) -> bool:
        for pause_s in _REPORT_PAUSES_S:
            await asyncio.sleep(pause_s)
            try:
                await self._post("outcomes", outcomes)
            except PolicyUnavailable:
                continue
            return True
        return False

    async def _ask(
        self, question: str, body: BaseModel, answer: type[Answer], client_address: str = "", *, is_logged: bool = True
    ) -> Answer:
        octets = await self._post(question, body, client_address, is_logged=is_logged)
        try:
            return answer.model_validate_json(octets)
        except ValidationError:
            # Without the details: an answer that is no answer may hold anything.
            if is_logged:
                log.policy_failed(question, "not an answer")
            raise PolicyUnavailable("not an answer") from None

    async def _post(self, question: str, body: BaseModel, client_address: str = "", *, is_logged: bool = True) -> bytes:
        """`client_address` where policy counts what comes from its network."""
        timeout_s = min(self._timeout_s, _PATIENCE_S.get(question, self._timeout_s))
        octets = body.model_dump_json().encode()
        exchange: Exchange | None = None
        try:
            async with asyncio.timeout(timeout_s), self._turns:
                for token in self._token.to_show():
                    trace = _trace(question)
                    head = _HEAD % (self._path, question.encode(), self._host, token.encode(), trace, len(octets))
                    is_shared = question == _MESSAGE and not trace
                    exchange = (self._messages if is_shared else None) or Exchange()
                    answer = await self._answered(exchange, head + octets, client_address, is_shared=is_shared)
                    if answer.status != HTTPStatus.UNAUTHORIZED:
                        break
        except (NoAnswer, OSError) as error:  # TimeoutError is an OSError
            failure = type(error).__name__
            if exchange and exchange.connection:
                self._addresses.avoid(exchange.connection.address)
        else:
            if answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
                return answer.body
            failure = f"status {answer.status}"
            if answer.status == HTTPStatus.NOT_IMPLEMENTED:
                self.other_contract = _newest_spoken(answer.body)
        if is_logged:
            log.policy_failed(question, failure)
        raise PolicyUnavailable(failure)

    def _begin(self, exchange: Exchange, client_address: str) -> None:
        """On a connection that is free, or on a new one."""
        if exchange is self._messages:
            self._messages = None
        if not exchange.is_waited_for:
            return
        preferred = self._addresses.preferred(client_address)
        if connection := self._pooled(preferred):
            exchange.begin(connection)
        else:
            exchange.opening = asyncio.get_running_loop().create_task(self._open(exchange, client_address, preferred))

    async def _open(self, exchange: Exchange, client_address: str, preferred: str) -> None:
        try:
            connection = await self._addresses.open(client_address, preferred)
        except OSError as error:
            exchange.fail(error)
        else:
            exchange.begin(connection)

    async def _answered(
        self, exchange: Exchange, question: bytes, client_address: str, *, is_shared: bool
    ) -> HttpAnswer:
        """Asked once: what gets no answer may have been decided all the same.

        Shared with the messages of this turn alone: policy answers them within one commit, while a login may take long,
        and the others would wait for it. What is traced, policy would read one after the other.
        """
        answered = exchange.add(question)
        if not is_shared:
            self._begin(exchange, client_address)
        elif exchange is not self._messages:
            self._messages = exchange
            asyncio.get_running_loop().call_soon(self._begin, exchange, client_address)
        try:
            return await exchange.answer(answered)
        finally:
            if not exchange.is_waited_for:
                self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        """Keep its connection where nothing more can come over it."""
        if exchange.is_reusable and exchange.connection:
            self._free.append(exchange.connection)
        elif exchange.connection:
            exchange.connection.close()
        elif exchange.opening:
            exchange.opening.cancel()

    def _pooled(self, address: str) -> PolicyConnection | None:
        """One that was used lately; policy keeps them for longer, so that none is closed while it is asked."""
        oldest = asyncio.get_running_loop().time() - _IDLE_LIMIT_S
        while self._free and self._free[0].used_at < oldest:
            self._free.popleft().close()
        while pooled := next((one for one in reversed(self._free) if address in ("", one.address)), None):
            self._free.remove(pooled)
            if pooled.is_open and not self._addresses.is_avoided(pooled.address):
                return pooled
            pooled.close()
        return None
