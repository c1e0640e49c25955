"""How the others are whom policy can ask: the queue agent, Postfix by way of it, and Dovecot.

    queue agent   GET /health/ready and /v1/statistics
    Dovecot       doveadm's HTTP API, "who", with the key of pickup.py

Who does not answer has a report that says so; of Postfix nobody knows then, and its last report grows old. They talk to
strangers, so that one may have been broken into: what it says has bounds, and never costs the others their reports.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

import aiohttp

from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.queue_contract import Statistics
from policy.store.health_reports import HealthReport, Service
from policy.visible import visible

QUEUE, MAILBOXES = "queue", "mailboxes"  # there is one of each, whatever its container is called
_TIMEOUT_S = 5.0
_ANSWER_LIMIT = 4 * 1024 * 1024
_SILENT = "it does not answer"
_UNREADABLE = "its answer cannot be read"
_OLD_S = 6 * 3600.0
_SENTENCES, _SENTENCE_LIMIT = 20, 400  # policy.contract.Sentences
_NUMBER_LIMIT = 2.0**53  # what is larger is no number of anything

_Number = TypeVar("_Number", int, float)
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
        return _number(sum(int(row["connections"]) for row in rows))
    except (TypeError, KeyError, OverflowError, RecursionError):
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
        asked: list[tuple[Service, str, Ask]] = [
            *([(Service.QUEUE_AGENT, QUEUE, self._queue_reports)] if self.queue else []),
            *([(Service.DOVECOT, MAILBOXES, self._mailboxes_report)] if self.mailboxes else []),
        ]
        found = await asyncio.gather(*(ask(now) for *_, ask in asked), return_exceptions=True)
        reports = list[HealthReport]()
        for (service, instance, _), said in zip(asked, found, strict=True):
            if isinstance(said, Exception):
                self.away.add(service)
                reports.append(HealthReport(service, instance, now, faults=(_UNREADABLE,)))
            elif isinstance(said, BaseException):
                raise said
            else:
                reports += said
        return reports

    async def _queue_reports(self, now: float) -> list[HealthReport]:
        assert self.queue  # noqa: S101 - for the type alone
        try:
            health = await self.queue.health()
            statistics = await self.queue.statistics(timeout_s=_TIMEOUT_S)
        except QueueUnavailable as error:
            self.away.add(Service.QUEUE_AGENT)
            return [HealthReport(Service.QUEUE_AGENT, QUEUE, now, faults=(str(error),))]
        figures: dict[str, float] = {"unreported": _number(statistics.unreported)}
        faults, warnings = _bounded(health.faults), _bounded(health.warnings)
        found = [
            _postfix(statistics, now),
            HealthReport(Service.QUEUE_AGENT, QUEUE, now, "", faults, warnings, figures),
        ]
        self.away.discard(Service.QUEUE_AGENT)
        return found

    async def _mailboxes_report(self, now: float) -> list[HealthReport]:
        assert self.mailboxes  # noqa: S101 - for the type alone
        sessions = await self.mailboxes.sessions()
        if sessions is None:
            self.away.add(Service.DOVECOT)
            return [HealthReport(Service.DOVECOT, MAILBOXES, now, faults=(_SILENT,))]
        self.away.discard(Service.DOVECOT)
        return [HealthReport(Service.DOVECOT, MAILBOXES, now, figures={"sessions": sessions})]


def _bounded(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(visible(one[:_SENTENCE_LIMIT])[:_SENTENCE_LIMIT] for one in sentences[:_SENTENCES])


def _number(given: _Number) -> _Number:
    if not abs(given) <= _NUMBER_LIMIT:
        raise ValueError("no number of anything")
    return given


def _postfix(statistics: Statistics, now: float) -> HealthReport:
    oldest_s = max(0.0, now - _number(statistics.oldest_at)) if statistics.oldest_at is not None else 0.0
    figures = {str(name): float(_number(number)) for name, number in statistics.messages.items()}
    warnings = (f"the oldest message waits for {oldest_s / 3600:.0f} hours",) if oldest_s > _OLD_S else ()
    return HealthReport(
        Service.POSTFIX,
        QUEUE,
        now,
        faults=() if statistics.is_running else ("Postfix does not run: nothing is taken and nothing leaves",),
        warnings=warnings,
        figures={**figures, "octets": _number(statistics.octets), "oldest_s": round(oldest_s)},
    )
