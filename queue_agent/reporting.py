"""What became of recipients, to policy: the oldest first, at least once, and forgotten when policy has said 204.

Policy may be away for a while. Then they stay on disk, and the pauses grow.
"""

import asyncio
import http.client
from collections.abc import Sequence
from contextlib import closing
from http import HTTPStatus
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


class PolicySays:
    """One question at a time, each over a connection of its own: one that is idle policy closes, and a report fails."""

    def __init__(self, url: str, token: SharedToken) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._token = token

    def deliveries(self, deliveries: Sequence[Delivery]) -> str:
        """Why policy did not take them; empty where it did. Blocks."""
        body = Deliveries(deliveries=tuple(deliveries)).model_dump_json().encode()  # http.client takes text for Latin-1
        status = HTTPStatus.UNAUTHORIZED.value
        try:
            for one in self._token.to_show():
                status = self._posted(body, one)
                if status != HTTPStatus.UNAUTHORIZED:
                    break
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return "" if status == HTTPStatus.NO_CONTENT else f"it answered {status}"

    def _posted(self, body: bytes, token: str) -> int:
        """The status of the answer."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)) as connection:
            connection.request("POST", "/v1/deliveries", body, headers)
            return connection.getresponse().status


class Reporting:
    """Runs until it is cancelled."""

    def __init__(self, ledger: Ledger, policy: PolicySays, condition: Condition | None = None) -> None:
        self._ledger, self._policy, self._condition = ledger, policy, condition or Condition()
        self._retry_s = 0.0  # 0 while policy answers

    async def run(self) -> None:
        while True:
            try:
                await self._report()
            except Exception as error:  # noqa: BLE001 - a full disk: nothing is lost, and it goes on after a pause
                log.reports_failed(error)
                await asyncio.sleep(AFTER_FAILURE_S)

    async def _report(self) -> None:
        number, deliveries = await self._ledger.reports(OUTCOMES_LIMIT)
        if not deliveries:
            await asyncio.sleep(PAUSE_S)
            return
        why = await asyncio.to_thread(self._policy.deliveries, deliveries)
        if why:
            await self._not_taken(why)
        else:
            await self._ledger.taken(number, deliveries)
            await self._taken()

    async def _not_taken(self, why: str) -> None:
        self._condition.is_policy_taking = False
        if not self._retry_s:  # told once, and not with each attempt
            log.reports_not_taken(why, await self._ledger.unreported())
        self._retry_s = min(self._retry_s * 2, _LAST_RETRY_S) or _FIRST_RETRY_S
        await asyncio.sleep(self._retry_s)

    async def _taken(self) -> None:
        self._condition.is_policy_taking = True
        if self._retry_s:
            self._retry_s = 0.0
            log.reports_taken_again(await self._ledger.unreported())
