"""The questions to policy, over HTTP. Fails closed: no sensible answer in time is PolicyUnavailable, never a yes.

A submission client keeps its message and tries again, so a short outage costs a delay. (door.py makes a yes of it, for
the question that comes before a login: a stranger who may talk can still do nothing without the other two.)
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from gateway import log
from gateway.errors import PolicyUnavailable
from policy.contract import (
    OUTCOMES_LIMIT,
    ConnectFacts,
    ConnectVerdict,
    LoginAnswer,
    LoginStep,
    MessageFacts,
    MessageVerdict,
    Outcome,
    Outcomes,
    Revocations,
    RevocationsAsked,
)

_ANSWER_LIMIT = 256 * 1024  # an identity with thousands of addresses fits; rubbish without end does not
# Nobody waits for a report, so it waits for company: at 500 messages in a second, ten of them go in one question.
_REPORT_DELAY_S = 0.02
_REPORT_PAUSES_S = (0.0, 0.5, 2.0, 5.0, 10.0)

Answer = TypeVar("Answer", bound=BaseModel)


class PolicyClient:
    """One HTTP session with connections kept open, for the life of the process."""

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._http: aiohttp.ClientSession | None = None
        self._unreported: list[Outcome] = []
        self._reporting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(headers=self._headers, timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http:
            await self._http.close()

    async def connect(self, facts: ConnectFacts) -> ConnectVerdict:
        """Asked for every stranger, so a failure is not logged each time."""
        return await self._ask("connect", facts, ConnectVerdict, is_logged=False)

    async def login(self, step: LoginStep) -> LoginAnswer:
        return await self._ask("login", step, LoginAnswer)

    async def judge(self, facts: MessageFacts) -> MessageVerdict:
        return await self._ask("message", facts, MessageVerdict)

    async def revocations(self, after: int) -> Revocations:
        """Asked all the time, so a failure is not logged each time."""
        return await self._ask("revocations", RevocationsAsked(after=after), Revocations, is_logged=False)

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

    async def _ask(self, question: str, body: BaseModel, answer: type[Answer], *, is_logged: bool = True) -> Answer:
        octets = await self._post(question, body, is_logged=is_logged)
        try:
            return answer.model_validate_json(octets)
        except ValidationError:
            # Without the details: an answer that is no answer may hold anything.
            if is_logged:
                log.policy_failed(question, "not an answer")
            raise PolicyUnavailable("not an answer") from None

    async def _post(self, question: str, body: BaseModel, *, is_logged: bool = True) -> bytes:
        if self._http is None:
            raise RuntimeError("used outside its context")
        try:
            async with self._http.post(f"{self._url}/v1/{question}", data=body.model_dump_json()) as response:
                octets = b"".join([piece async for piece in _limited(response.content)])
                if response.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
                    return octets
                failure = f"status {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = type(error).__name__
        if is_logged:
            log.policy_failed(question, failure)
        raise PolicyUnavailable(failure)


async def _limited(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    total = 0
    async for piece in content.iter_any():
        total += len(piece)
        if total > _ANSWER_LIMIT:
            raise aiohttp.ClientPayloadError("answer too long")
        yield piece
