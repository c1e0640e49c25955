"""How each part of the installation is, from what was heard of it last. Pure; `sallyport status`, `top`, `doctor`.

up         it was heard of, and says nothing
warning    it works, and wants somebody to look; or three of its reports are missing; or it fell within the last hour
degraded   something keeps it from its work
silent     nobody has heard of it for three minutes, or ever

One that ends in order is not missed: its report went with it. One that is silent is forgotten after an hour
(store/health_reports.py), and then only missed where there has to be one of its kind and no other is there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from policy.store.health_reports import LATE_S, SILENT_S, HealthReport, Service

_FALLEN_S = 3600.0  # for so long it is told
_NONE_HEARD = "none of its kind was heard of for an hour"


class PartState(StrEnum):
    """The worst comes last."""

    UP = "up"
    WARNING = "warning"
    SILENT = "silent"
    DEGRADED = "degraded"


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
    """The worst first, then in the order in which a message meets them; of each of `expected` there has to be one."""
    heard = {report.service for report in reports}
    never = [PartStatus(one, "", PartState.SILENT, None, sentences=(_NONE_HEARD,)) for one in expected]
    found = [*(_status(report, now) for report in reports), *(one for one in never if one.part not in heard)]
    order, states = list(Service), list(PartState)
    return sorted(found, key=lambda one: (-states.index(one.state), order.index(one.part), one.instance))


def _status(report: HealthReport, now: float) -> PartStatus:
    said = report.faults + report.warnings
    if (ago_s := now - report.fell_at) < _FALLEN_S:
        said = (*said, f"it ended without notice {ago_s / 60:.0f} min ago, and runs again: was it killed?")
    if now - report.at >= SILENT_S:
        minutes = (now - report.at) / 60
        state, said = PartState.SILENT, (f"nothing was heard of it for {minutes:.0f} minutes", *said)
    elif report.faults:
        state = PartState.DEGRADED
    elif now - report.at >= LATE_S:  # it hangs, or whoever writes down what it says
        state, said = PartState.WARNING, (f"nothing was heard of it for {now - report.at:.0f} seconds", *said)
    else:
        state = PartState.WARNING if said else PartState.UP
    return PartStatus(report.service, report.instance, state, report.at, report.version, said, report.figures)
