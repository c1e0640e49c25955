"""What the overview shows, read and rendered: once for all who look at it.

figures.py    sums, and points of the chart
painting.py   (you are here) reads what there is, at most once a second, and renders the pieces
overview.py   the page, and the stream of pieces that are new
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy import Engine

from policy.console.language import Language
from policy.console.staff.figures import GRAINS, Grain, Group, Point, Span, Tiles, groups, points, tiles
from policy.engine.sources import UNKNOWN_COUNTRY
from policy.part_status import PartState, part_statuses
from policy.store.health_reports import SILENT_S, HealthReport, Service, health_reports
from policy.store.overview import Standing, standing_now
from policy.store.tallies import figures_by

# What each piece is made of: it is rendered again only where that has changed.
PIECES: Mapping[str, tuple[str, ...]] = {
    "stand": ("looked_at",),
    "ailing": ("ailing",),
    "incidents": ("incidents", "open_incidents"),
    "tiles": ("tiles", "held", "held_since"),
    "series": ("series", "table"),
    "stages": ("groups",),
    "health": ("parts", "more_parts", "queue"),
    "decisions": ("newest",),
}
_SHOWN_PARTS, _NAMED_AILING = 25, 5  # the worst of them
_FRESH_S, _FIGURES_FRESH_S = 0.9, 1.9  # policy writes figures every two seconds

Fragments = Mapping[str, str]
Value = TypeVar("Value")


class View(NamedTuple):
    """How somebody looks at it."""

    language: str
    span: Span


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one span."""

    tiles: Tiles
    groups: list[Group]
    series: str  # as uPlot takes it
    table: list[Point]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the installation, or several of a kind that simply work. `report` is None where none was heard of."""

    service: Service
    report: HealthReport | None
    silent_min: int  # since its last report, where that is too long ago; 0: it is heard of
    others: tuple[str, ...] = ()  # instances that are as well as this one

    @property
    def is_working(self) -> bool:
        return self.report is not None and not self.silent_min and not self.report.faults


@dataclass(slots=True)
class _Kept(Generic[Value]):
    """What was read, for as long as it is fresh."""

    value: Value
    at: float


@dataclass(slots=True)
class Painter:
    """Waits for the database; several threads may ask at once, and one of them reads."""

    engine: Engine
    languages: Mapping[str, Language]
    clock: Callable[[], float]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _standing: _Kept[Standing] | None = None
    _health: _Kept[list[HealthReport]] | None = None
    _figures: dict[Span, _Kept[Figures]] = field(default_factory=dict)
    _rendered: dict[tuple[View, str], tuple[list[object], str]] = field(default_factory=dict)  # of what, and what

    def paint(self, views: Iterable[View]) -> dict[View, Fragments]:
        """The pieces of each view."""
        return {view: self._pieces(view) for view in views}

    def values(self, view: View) -> dict[str, object]:
        """What the templates of a view take."""
        with self._lock:
            return self._values(view, self.clock())

    def _pieces(self, view: View) -> Fragments:
        values, made = self.values(view), dict[str, str]()
        for name, needed in PIECES.items():
            shown = [values[one] for one in needed]
            of_what, piece = self._rendered.get((view, name), ([], ""))
            if of_what != shown:
                template = self.languages[view.language].templates.get_template(f"staff/overview/{name}.html")
                piece = template.render(values)
                self._rendered[view, name] = (shown, piece)
            made[name] = piece
        return made

    def _values(self, view: View, now: float) -> dict[str, object]:
        standing, figures, reports = self._standing_at(now), self._figures_at(view.span, now), self._health_at(now)
        country, parts = self.languages[view.language].country, _parts(reports, now)
        return {
            "span": view.span,
            "minutes": GRAINS[view.span].chart // 60,
            "looked_at": now,
            "incidents": standing.incidents,
            "open_incidents": standing.open_incidents,
            "held": standing.held,
            "held_since": standing.held_since,
            "newest": standing.newest,
            "countries": {one.id: country(one.origin.rpartition(" ")[2] or UNKNOWN_COUNTRY) for one in standing.newest},
            "tiles": figures.tiles,
            "groups": figures.groups,
            "table": figures.table,
            "series": figures.series,
            "ailing": [one for one in parts if one.report and not one.is_working][:_NAMED_AILING],
            "parts": parts[:_SHOWN_PARTS],
            "more_parts": len(parts) - _SHOWN_PARTS,
            "queue": _queue(reports, now),
        }

    def _standing_at(self, now: float) -> Standing:
        if not self._standing or not 0 <= now - self._standing.at < _FRESH_S:
            self._standing = _Kept(standing_now(self.engine), now)
        return self._standing.value

    def _health_at(self, now: float) -> list[HealthReport]:
        if not self._health or not 0 <= now - self._health.at < _FRESH_S:
            self._health = _Kept(health_reports(self.engine), now)
        return self._health.value

    def _figures_at(self, span: Span, now: float) -> Figures:
        kept = self._figures.get(span)
        if not kept or not 0 <= now - kept.at < _FIGURES_FRESH_S:
            self._figures[span] = kept = _Kept(_figures(self.engine, GRAINS[span], now), now)
        return kept.value


def _figures(engine: Engine, grain: Grain, now: float) -> Figures:
    since = now - grain.span
    found = figures_by(engine, since, grain.chart)
    finely, coarsely = (points(found, since, now, seconds) for seconds in (grain.chart, grain.table))
    return Figures(tiles(found), groups(found), _series(finely), coarsely)


def _series(over_time: list[Point]) -> str:
    """A list for each line, the times first."""
    return json.dumps([[getattr(one, name) for one in over_time] for name in ("at", "accepted", "held", "refused")])


def _parts(reports: list[HealthReport], now: float) -> list[Part]:
    """Every part that there can be: the worst first, then in the order of Service; those that work are one row."""
    by_instance = {(one.service, one.instance): one for one in reports}
    wrong, well = list[Part](), dict[Service, list[HealthReport]]()
    for status in part_statuses(reports, (), now):
        report = by_instance[status.part, status.instance]
        if status.state is PartState.UP:
            well.setdefault(status.part, []).append(report)
        else:
            wrong.append(Part(status.part, report, _silent_min(report, now)))
    right = [Part(kind, one, 0, tuple(other.instance for other in others)) for kind, (one, *others) in well.items()]
    heard = {one.service for one in reports}
    return [*wrong, *right, *(Part(service, None, 0) for service in Service if service not in heard)]


def _queue(reports: list[HealthReport], now: float) -> HealthReport | None:
    return next((one for one in reports if one.service is Service.POSTFIX and not _silent_min(one, now)), None)


def _silent_min(report: HealthReport, now: float) -> int:
    return int((now - report.at) // 60) if now - report.at >= SILENT_S else 0
