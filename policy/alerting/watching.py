"""Once a minute: measures what watch.py judges, and writes a notice where that is news."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from policy import log
from policy.alerting import watch
from policy.alerting.heard import Heard
from policy.alerting.kinds import Kind
from policy.alerting.watch import Measured
from policy.containment.queue_client import QueueUnavailable
from policy.containment.queues import Queues
from policy.geo.atlas import Atlas
from policy.queue_contract import QueueName, Statistics
from policy.store.health_reports import HealthReport, Service, reports_of
from policy.store.held import TOLD_BEFORE_S, expiring_thread
from policy.store.notice_desk import NoticeDesk, present_at
from policy.store.notices import NoticeBook
from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.writer import Writer
from service.spans import DAY_S

PERIOD_S = 60.0
_EXPIRING = prepared("SELECT identity, COUNT(*) FROM held WHERE state = 'held' AND at < :edge GROUP BY identity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is looked at. `held_s` is for how long held mail waits for a decision."""

    reader: Reader
    writer: Writer
    notices: NoticeBook
    desk: NoticeDesk
    heard: Heard
    certificate: Path
    atlas: Atlas
    queue: Queues | None
    held_s: Callable[[], float]
    clock: Callable[[], float]


class Watching:
    """Beside the questions."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._began_at = watched.clock()
        self._said_since = dict[str, float]()  # of each gateway that says something of itself
        self._working: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._working = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        if self._working:
            self._working.cancel()
            await asyncio.wait({self._working})

    async def look(self) -> None:
        """All of it, once."""
        one, now = self._watched, self._watched.clock()
        silent_s = await self._gateway_silent_s(now)
        said = self._said(await reports_of(one.reader, Service.GATEWAY), now)
        scans, statistics = one.heard.take_scans(), await self._statistics()
        left_s = await asyncio.to_thread(_left_s, one.certificate, now)
        expiring = await one.reader.rows(_EXPIRING, {"edge": now - one.held_s() + TOLD_BEFORE_S})

        def write() -> None:
            if one.heard.gateway_at is not None:
                one.desk.note_present(["gateway"], one.heard.gateway_at)
            levels = one.notices.last_level
            found = [
                watch.gateway(silent_s, said),
                watch.scanner(*scans, levels(Kind.SCANNER_DEGRADED)),
                watch.certificate(str(one.certificate), left_s),
                watch.geo_database([(edition.kind, edition.built_at) for edition in one.atlas.editions], now),
                _queue(statistics, levels(Kind.QUEUE_GROWING), now),
            ]
            self._note(found, now)
            for identity, number in expiring:
                self._note_expiring(identity, number, now)

        await one.writer.make(write, is_urgent=False)

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look comes
                log.alerts_failed(error)

    def _note(self, found: Iterable[Measured | None], now: float) -> None:
        for one in found:
            if one and watch.is_news(one, self._watched.notices.last_level(one.kind)):
                facts = {**one.facts, "level": one.level}
                self._watched.notices.add(one.kind, one.subject, one.lines, now, facts=facts)

    def _note_expiring(self, identity: str, number: int, now: float) -> None:
        """Once a day, as long as nobody has decided."""
        thread = expiring_thread(identity)
        if self._watched.notices.is_told(thread, now - DAY_S):
            return
        subject = f"{identity}: {number} held messages expire within two days"
        lines = [f"More: sallyport held list --identity {identity}"]
        facts: dict[str, object] = {"identity": identity, "messages": number, "until": now + TOLD_BEFORE_S}
        self._watched.notices.add(Kind.HELD_EXPIRING, subject, lines, now, thread=thread, facts=facts, owner=identity)

    async def _gateway_silent_s(self, now: float) -> float:
        """Heard by this process or by another one; before the first question there is no gateway to miss."""
        heard = [self._watched.heard.gateway_at, await present_at(self._watched.reader, "gateway")]
        times = [at for at in heard if at is not None]
        return now - max(*times, self._began_at) if times else 0.0

    def _said(self, reports: Sequence[HealthReport], now: float) -> list[watch.Said]:
        """Since when each has said faults or warnings without a pause is remembered from look to look."""
        since = {one.instance: self._said_since.get(one.instance, now) for one in reports if one.faults or one.warnings}
        self._said_since = since
        return [
            watch.Said(one.instance, now - one.at, one.faults, one.warnings, now - since.get(one.instance, now))
            for one in reports
        ]

    async def _statistics(self) -> Statistics | None:
        if not self._watched.queue:
            return None
        try:
            return await self._watched.queue.statistics()
        except QueueUnavailable:
            return None  # the worker of containment says so in the log


def _queue(statistics: Statistics | None, told: str, now: float) -> Measured | None:
    if not statistics:
        return None
    waiting = sum(number for name, number in statistics.messages.items() if name is not QueueName.HOLD)
    oldest_s = now - statistics.oldest_at if statistics.oldest_at is not None else 0.0
    return watch.queue(waiting, oldest_s, told)


def _left_s(path: Path, now: float) -> float | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp() - now
    except (OSError, ValueError):
        return None
