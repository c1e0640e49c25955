"""How each part of the installation is, from what was heard of it last. Pure; `sallyport status`, `top`, `doctor`.

up         it was heard of, and says nothing
warning    it works, and wants somebody to look
degraded   something keeps it from its work
silent     nobody has heard of it for three minutes, or ever
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from policy.store.health_reports import SILENT_S, HealthReport, Service


class PartState(StrEnum):
    UP = "up"
    WARNING = "warning"
    DEGRADED = "degraded"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """`heard_at` is None of a part that should be there and never was heard of. Faults come before warnings."""

    part: Service
    instance: str
    state: PartState
    heard_at: float | None
    version: str = ""
    sentences: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def is_wrong(self) -> bool:
        return self.state in {PartState.DEGRADED, PartState.SILENT}


def part_statuses(reports: Sequence[HealthReport], expected: Collection[Service], now: float) -> list[PartStatus]:
    """In the order in which a message meets them; `expected` are parts of which there has to be one."""
    heard = {report.service for report in reports}
    never = [PartStatus(one, "", PartState.SILENT, None, sentences=("it was never heard of",)) for one in expected]
    found = [*(_status(report, now) for report in reports), *(one for one in never if one.part not in heard)]
    order = list(Service)
    return sorted(found, key=lambda one: (order.index(one.part), one.instance))


def _status(report: HealthReport, now: float) -> PartStatus:
    said = report.faults + report.warnings
    if now - report.at >= SILENT_S:
        minutes = (now - report.at) / 60
        state, said = PartState.SILENT, (f"nothing was heard of it for {minutes:.0f} minutes", *said)
    elif report.faults:
        state = PartState.DEGRADED
    else:
        state = PartState.WARNING if report.warnings else PartState.UP
    return PartStatus(report.service, report.instance, state, report.at, report.version, said, report.figures)
