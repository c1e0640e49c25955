"""How the others are whom policy can ask: the queue agent, Postfix by way of it, and Dovecot.

    queue agent   GET /health/ready and /v1/statistics
    Dovecot       doveadm's HTTP API, "who" and "user", with the key of pickup.py

Who does not answer has a report that says so; of Postfix nobody knows then, and its last report grows old. They talk to
strangers, so that one may have been broken into: what it says has bounds, and never costs the others their reports.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import aiohttp

from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.doveadm import Doveadm
from policy.queue_contract import Statistics
from policy.store.health_reports import HealthReport, Service
from policy.visible import visible
from service.ailments import Ailment
from service.sentence import Sentence, all_heard

MAILBOXES = "mailboxes"  # there is one, whatever its container is called
_TIMEOUT_S = 5.0
_ANSWER_LIMIT = 4 * 1024 * 1024
_OLD_S = 6 * 3600.0
_SENTENCES, _SENTENCE_LIMIT = 20, 400  # policy.contract.Sentences
_PARTS_LIMIT = 1000  # of what one is made of, as JSON
_NO_USER = 67  # doveadm's exit code: EX_NOUSER of sysexits.h
_NUMBER_LIMIT = 2.0**53  # what is larger is no number of anything

_Number = TypeVar("_Number", int, float)
Ask = Callable[[float], Coroutine[None, None, list[HealthReport]]]


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Dovecot."""

    doveadm: Doveadm

    async def sessions(self, mailbox: str = "") -> int | None:
        """How many are open, of one mailbox or of all; None where it does not answer."""
        wanted = {"mask": [mailbox]} if mailbox else {}
        try:
            return sessions_of(await self._asked("who", wanted))
        except (aiohttp.ClientError, OSError, ValueError):
            return None

    async def looks_up(self) -> bool:
        """Whether its auth service answers, which "who" does not need, and every login and delivery does."""
        try:
            return is_looked_up(await self._asked("user", {"userMask": ["nobody"]}))
        except (aiohttp.ClientError, OSError, ValueError):
            return False

    async def _asked(self, command: str, wanted: Mapping[str, object]) -> bytes:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as http:
            return await self.doveadm.ask(http, [[command, wanted, command]], _ANSWER_LIMIT)


def is_looked_up(answer: bytes) -> bool:
    """Whether doveadm learned of a user, or that there is none; ValueError for what is no answer."""
    try:
        ((kind, said, _),) = json.loads(answer)
        return bool(kind == "doveadmResponse" or said["exitCode"] == _NO_USER)
    except (TypeError, KeyError, RecursionError):
        raise ValueError("not an answer of doveadm") from None


def sessions_of(answer: bytes) -> int:
    """Of doveadm's list of who is logged in, a row for each user; ValueError for what is none."""
    try:
        ((_, rows, _),) = json.loads(answer)
        return _number(sum(int(row["connections"]) for row in rows))
    except (TypeError, KeyError, OverflowError, RecursionError):
        raise ValueError("not an answer of doveadm") from None


class _Away(Exception):
    """No answer; why is a sentence for people."""

    def __init__(self, why: Sentence) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`queues` by the name under which each is reported. `away` is told in policy's own health (condition.py)."""

    queues: Mapping[str, QueueClient]
    mailboxes: Mailboxes | None
    away: set[Service] = field(default_factory=set)

    async def close(self) -> None:
        """Ask nothing more."""
        for one in self.queues.values():
            await one.close()

    async def look(self, now: float) -> list[HealthReport]:
        """All at once; within seconds, whoever does not answer."""
        asked: list[tuple[Service, str, Ask]] = [
            *((Service.QUEUE_AGENT, name, partial(_queue_reports, name, one)) for name, one in self.queues.items()),
            *([(Service.DOVECOT, MAILBOXES, partial(_mailboxes_report, self.mailboxes))] if self.mailboxes else []),
        ]
        found = await asyncio.gather(*(ask(now) for *_, ask in asked), return_exceptions=True)
        reports, away = list[HealthReport](), set[Service]()
        for (service, instance, _), said in zip(asked, found, strict=True):
            if isinstance(said, Exception):
                why = said.why if isinstance(said, _Away) else Ailment.UNREADABLE.of()
                away.add(service)
                reports.append(HealthReport(service, instance, now, faults=(why,)))
            elif isinstance(said, BaseException):
                raise said
            else:
                reports += said
        self.away.clear()
        self.away.update(away)
        return reports


async def _queue_reports(name: str, queue: QueueClient, now: float) -> list[HealthReport]:
    try:
        health = await queue.health()
        statistics = await queue.statistics(timeout_s=_TIMEOUT_S)
    except QueueUnavailable as error:
        raise _Away(error.sentence) from None
    figures: dict[str, float] = {"unreported": _number(statistics.unreported)}
    faults, warnings = bounded(health.faults, health.warnings, health.made_of)
    full = tuple(one for one in warnings if one == Ailment.SPOOL_FULL.of())  # which keeps Postfix from its work
    others = tuple(one for one in warnings if one not in full)
    return [
        _postfix(name, statistics, now, full),
        HealthReport(Service.QUEUE_AGENT, name, now, "", faults, others, figures),
    ]


async def _mailboxes_report(mailboxes: Mailboxes, now: float) -> list[HealthReport]:
    sessions = await mailboxes.sessions()
    if sessions is None:
        raise _Away(Ailment.SILENT.of())
    faults = () if await mailboxes.looks_up() else (Ailment.LOGINS_SILENT.of(),)
    return [HealthReport(Service.DOVECOT, MAILBOXES, now, faults=faults, figures={"sessions": sessions})]


def bounded(
    faults: Sequence[str], warnings: Sequence[str], made_of: Sequence[object]
) -> tuple[tuple[Sentence, ...], tuple[Sentence, ...]]:
    """Both as they may be shown on terminals and in mails, with what they are made of where that is short enough."""
    known = all_heard((*faults, *warnings), made_of)
    whole = [_shown(one) for one in known]
    return tuple(whole[: len(faults)][:_SENTENCES]), tuple(whole[len(faults) :][:_SENTENCES])


def _shown(sentence: Sentence) -> Sentence:
    text = visible(sentence[:_SENTENCE_LIMIT])[:_SENTENCE_LIMIT]
    is_short = len(json.dumps(sentence.told)) <= _PARTS_LIMIT
    return Sentence(text, sentence.parts if is_short and text == sentence else ())


def _number(given: _Number) -> _Number:
    if not abs(given) <= _NUMBER_LIMIT:
        raise ValueError("no number of anything")
    return given


def _postfix(name: str, statistics: Statistics, now: float, full: tuple[Sentence, ...]) -> HealthReport:
    oldest_s = max(0.0, now - _number(statistics.oldest_at)) if statistics.oldest_at is not None else 0.0
    figures = {str(name): float(_number(number)) for name, number in statistics.messages.items()}
    warnings = (Ailment.MESSAGES_OLD.of(hours=round(oldest_s / 3600)),) if oldest_s > _OLD_S else ()
    return HealthReport(
        Service.POSTFIX,
        name,
        now,
        faults=full if statistics.is_running else (Ailment.POSTFIX_DOWN.of(), *full),
        warnings=warnings,
        figures={**figures, "octets": _number(statistics.octets), "oldest_s": round(oldest_s)},
    )
