"""What policy writes of itself and of whom it can ask, every ten seconds: the rows of store/health_reports.py.

    condition.py    whether policy itself can work
    neighbours.py   the others, asked
    reporting.py    (you are here) beside the questions; and what the gateway tells

The gateway tells for itself and for the scanner, which policy does not reach; the console writes its own row. A part
that ends in order takes its row with it. What nobody renews grows old, and `sallyport status` says so.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from policy import log
from policy.condition import STORE_AWAY, Condition
from policy.contract import HealthTold, PartTold
from policy.neighbours import Neighbours, bounded
from policy.rounds import Rounds
from policy.store.health_reports import PERIOD_S, HealthNotes, HealthReport, Service
from policy.store.writer import Writer
from policy.visible import visible
from service import VERSION
from service.spans import DAY_S

_GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What reports are made with. `ticks` are seconds that never go backwards; `instance` is this process's name."""

    instance: str
    condition: Condition
    neighbours: Neighbours
    notes: HealthNotes
    writer: Writer
    clock: Callable[[], float]
    ticks: Callable[[], float]


class Reporting(Rounds):
    """Beside the questions."""

    period_s = PERIOD_S

    def __init__(self, means: Means) -> None:
        self._means = means
        self._begun = means.ticks()

    async def close(self) -> None:
        """Nobody has to miss it; where the store is away, somebody does."""
        await super().close()
        means = self._means
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_GOODBYE_S):
                await means.writer.make(lambda: means.notes.leave(Service.POLICY, means.instance))
        await means.neighbours.close()

    async def round(self) -> None:
        """All of it, once."""
        means = self._means
        neighbours, own = await means.neighbours.look(means.clock()), await self._own()
        now, begun = means.clock(), means.ticks()

        def write() -> None:
            for report in (*neighbours, own):
                means.notes.put(report)
            means.notes.forget(now)

        try:
            await means.writer.make(write, is_urgent=False)
        except Exception:
            means.condition.takes_changes = STORE_AWAY in own.faults + own.warnings  # then that is what is wrong
            raise
        means.condition.takes_changes, means.condition.change_s = True, means.ticks() - begun

    def failed(self, error: Exception) -> None:
        log.health_not_written(error)

    async def _own(self) -> HealthReport:
        means = self._means
        begun = means.ticks()
        health = await means.condition.look()
        figures = {
            "up_s": round(means.ticks() - self._begun),
            "loop_lag_ms": round(self.late_s * 1000, 1),
            "store_ms": round((means.ticks() - begun) * 1000, 1),
        }
        now, built_at = means.clock(), means.condition.atlas.built_at()
        if built_at is not None:
            figures["geo_days"] = round((now - built_at) / DAY_S)
        return HealthReport(Service.POLICY, means.instance, now, VERSION, health.faults, health.warnings, figures)


def note_gateway(notes: HealthNotes, told: HealthTold, now: float) -> None:
    """In a writer's transaction: what a gateway said of itself and of the scanner that it asks."""
    parts: dict[Service, PartTold | None] = {
        Service.GATEWAY: None if told.is_leaving else told,
        Service.SCANNER: told.scanner,
    }
    for service, part in parts.items():
        if part is None:
            notes.leave(service, told.instance)
        else:
            version = told.version if service is Service.GATEWAY else ""
            notes.put(_report(service, told.instance, now, version, part))


def _report(service: Service, instance: str, now: float, version: str, part: PartTold) -> HealthReport:
    """Its sentences are read on terminals and in mails: whatever it is that told them, they do nothing there."""
    faults, warnings = bounded(part.faults, part.warnings, part.made_of)
    return HealthReport(service, instance, now, visible(version), faults, warnings, dict(part.figures))
