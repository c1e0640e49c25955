"""What became of recipients, to policy: the oldest first, at least once, and forgotten when policy has said 204.

Policy may be away for a while. Then they stay on disk, and the pauses grow.

It may also be there and unable to read one of them. What it refuses as a list is told in halves until that one is
found: it is set aside, and the others go on. Policy may be of an older version for the length of an upgrade, so that
what is set aside is offered again after each start and every hour; after a week of that it is dropped.
"""

import asyncio
import http.client
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from policy.contract import OUTCOMES_LIMIT
from policy.queue_contract import Deliveries, Delivery
from queue_agent import log
from queue_agent.condition import Condition
from queue_agent.ledger import Ledger
from service.shared_token import SharedToken

_TIMEOUT_S = 10.0
PAUSE_S = 0.5  # where there is nothing to be told
AFTER_FAILURE_S = 5.0
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_OFFERED_AGAIN_S = 3600.0
_REFUSALS_LIMIT = 168  # hours
# What it says of these reports, policy/queue_contract.py; any other answer it gives to whatever is told now.
_UNREAD = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


class Answer(NamedTuple):
    """Policy's to some reports."""

    why: str = ""  # it did not take them; empty where it did
    is_unread: bool = False  # it will say so again


class PolicySays:
    """One question at a time, each over a connection of its own: one that is idle policy closes, and a report fails."""

    def __init__(self, url: str, token: SharedToken) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._token = token

    def deliveries(self, deliveries: Sequence[Delivery]) -> Answer:
        """Blocks."""
        body = Deliveries(deliveries=tuple(deliveries)).model_dump_json().encode()  # http.client takes text for Latin-1
        status = HTTPStatus.UNAUTHORIZED.value
        try:
            for one in self._token.to_show():
                status = self._posted(body, one)
                if status != HTTPStatus.UNAUTHORIZED:
                    break
        except (OSError, http.client.HTTPException) as error:
            return Answer(type(error).__name__)
        if status == HTTPStatus.NO_CONTENT:
            return Answer()
        return Answer(f"it answered {status}", is_unread=status in _UNREAD)

    def _posted(self, body: bytes, token: str) -> int:
        """The status of the answer."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)) as connection:
            connection.request("POST", "/v1/deliveries", body, headers)
            return connection.getresponse().status


class Reporting:
    """Runs until it is cancelled. `ticks` are seconds that never go backwards."""

    def __init__(
        self,
        ledger: Ledger,
        policy: PolicySays,
        condition: Condition | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._policy, self._condition, self._ticks = ledger, policy, condition or Condition(), ticks
        self._retry_s = 0.0  # 0 while policy answers
        self._at_once = OUTCOMES_LIMIT  # fewer while one is searched for that policy cannot read
        self._offered_at = -_OFFERED_AGAIN_S

    async def run(self) -> None:
        while True:
            try:
                await self._report()
            except Exception as error:  # noqa: BLE001 - a full disk: nothing is lost, and it goes on after a pause
                log.reports_failed(error)
                await asyncio.sleep(AFTER_FAILURE_S)

    async def _report(self) -> None:
        if self._ticks() - self._offered_at >= _OFFERED_AGAIN_S:
            await self._ledger.offer_again()
            self._offered_at = self._ticks()
        number, deliveries = await self._ledger.reports(self._at_once)
        if not deliveries:
            self._condition.reports_aside = await self._ledger.aside()
            await asyncio.sleep(PAUSE_S)
            return
        answer = await asyncio.to_thread(self._policy.deliveries, deliveries)
        if not answer.why:
            await self._ledger.taken(number, deliveries)
            await self._taken()
        elif not answer.is_unread:
            await self._not_taken(answer.why)
        elif len(deliveries) > 1:
            self._at_once = len(deliveries) // 2
        else:
            await self._set_aside(number, deliveries[0], answer.why)

    async def _not_taken(self, why: str) -> None:
        self._condition.is_policy_taking = False
        if not self._retry_s:  # told once, and not with each attempt
            log.reports_not_taken(why, await self._ledger.unreported())
        self._retry_s = min(self._retry_s * 2, _LAST_RETRY_S) or _FIRST_RETRY_S
        await asyncio.sleep(self._retry_s)

    async def _taken(self) -> None:
        self._condition.is_policy_taking = True
        self._at_once = min(self._at_once * 2, OUTCOMES_LIMIT)
        if self._retry_s:
            self._retry_s = 0.0
            log.reports_taken_again(await self._ledger.unreported())

    async def _set_aside(self, number: int, delivery: Delivery, why: str) -> None:
        self._condition.is_policy_taking = True  # whatever it can read
        refusals = await self._ledger.set_aside(number)
        if refusals == 1:
            log.report_set_aside(why, delivery.submission, delivery.status)
        elif refusals >= _REFUSALS_LIMIT:
            await self._ledger.drop(number)
            log.report_dropped(why, delivery.submission, delivery.status)
        self._condition.reports_aside = await self._ledger.aside()
