"""How the others are whom policy can ask: the queue agent, Postfix by way of it, and Dovecot.

    queue agent   GET /health/ready and /v1/statistics
    Dovecot       doveadm's HTTP API, "who", with the key of pickup.py

Who does not answer has a report that says so; of Postfix nobody knows then, and its last report grows old.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.queue_contract import Statistics
from policy.store.health_reports import HealthReport, Service

QUEUE, MAILBOXES = "queue", "mailboxes"  # there is one of each, whatever its container is called
_TIMEOUT_S = 5.0
_ANSWER_LIMIT = 4 * 1024 * 1024
_SILENT = "it does not answer"
_OLD_S = 6 * 3600.0

Ask = Callable[[float], Coroutine[None, None, list[HealthReport]]]


class Mailboxes:
    """Dovecot. `url` is that of doveadm's HTTP listener."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/doveadm/v1"
        self._headers = {"Authorization": f"X-Dovecot-API {base64.b64encode(token.encode()).decode()}"}

    async def sessions(self) -> int | None:
        """How many are open; None where it does not answer."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=timeout) as http,
                http.post(self._url, data=json.dumps([["who", {}, "who"]])) as answer,
            ):
                if answer.status != HTTPStatus.OK:
                    return None
                return sessions_of(await answer.content.read(_ANSWER_LIMIT))
        except (aiohttp.ClientError, OSError, ValueError):
            return None


def sessions_of(answer: bytes) -> int:
    """Of doveadm's list of who is logged in, a row for each user; ValueError for what is none."""
    try:
        ((_, rows, _),) = json.loads(answer)
        return sum(int(row["connections"]) for row in rows)
    except (TypeError, KeyError):
        raise ValueError("not an answer of doveadm") from None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """None where there is no such part. `away` is told in policy's own health (condition.py)."""

    queue: QueueClient | None
    mailboxes: Mailboxes | None
    away: set[Service] = field(default_factory=set)

    async def close(self) -> None:
        """Ask nothing more."""
        if self.queue:
            await self.queue.close()

    async def look(self, now: float) -> list[HealthReport]:
        """All at once; within seconds, whoever does not answer."""
        asked: list[Ask] = [
            *([self._queue_reports] if self.queue else []),
            *([self._mailboxes_report] if self.mailboxes else []),
        ]
        return [report for reports in await asyncio.gather(*(ask(now) for ask in asked)) for report in reports]

    async def _queue_reports(self, now: float) -> list[HealthReport]:
        assert self.queue  # noqa: S101 - for the type alone
        try:
            health = await self.queue.health()
            statistics = await self.queue.statistics(timeout_s=_TIMEOUT_S)
        except QueueUnavailable as error:
            self.away.add(Service.QUEUE_AGENT)
            return [HealthReport(Service.QUEUE_AGENT, QUEUE, now, faults=(str(error),))]
        self.away.discard(Service.QUEUE_AGENT)
        figures: dict[str, float] = {"unreported": statistics.unreported}
        agent = HealthReport(Service.QUEUE_AGENT, QUEUE, now, "", health.faults, health.warnings, figures)
        return [_postfix(statistics, now), agent]

    async def _mailboxes_report(self, now: float) -> list[HealthReport]:
        assert self.mailboxes  # noqa: S101 - for the type alone
        sessions = await self.mailboxes.sessions()
        if sessions is None:
            self.away.add(Service.DOVECOT)
            return [HealthReport(Service.DOVECOT, MAILBOXES, now, faults=(_SILENT,))]
        self.away.discard(Service.DOVECOT)
        return [HealthReport(Service.DOVECOT, MAILBOXES, now, figures={"sessions": sessions})]


def _postfix(statistics: Statistics, now: float) -> HealthReport:
    oldest_s = max(0.0, now - statistics.oldest_at) if statistics.oldest_at is not None else 0.0
    figures = {str(name): float(number) for name, number in statistics.messages.items()}
    warnings = (f"the oldest message waits for {oldest_s / 3600:.0f} hours",) if oldest_s > _OLD_S else ()
    return HealthReport(
        Service.POSTFIX,
        QUEUE,
        now,
        faults=() if statistics.is_running else ("Postfix does not run: nothing is taken and nothing leaves",),
        warnings=warnings,
        figures={**figures, "octets": statistics.octets, "oldest_s": round(oldest_s)},
    )
