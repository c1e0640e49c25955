"""What `GET /metrics` of policy has, in Prometheus' text format; docs/metrics.md lists it.

    policy/tally.py          what was decided, since the start of this process
    policy/store/levels.py   how much there is now, in the store: the same from each process
    metrics.py               (you are here) how Prometheus is told

Numbers alone: no address, login or message is in them, and nothing that grows with what strangers do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from policy.geo.atlas import Atlas
from policy.ledger import Ledger
from policy.store.levels import Levels
from policy.store.writer import Writer
from policy.tally import OUTCOMES, Stage, Tally, What
from service import VERSION

__all__ = ["CONTENT_TYPE_LATEST", "Sources", "written"]

_PREFIX = "sallyport_policy_"


class _Decided(NamedTuple):
    """A counter of what is decided at one stage. The second label is the reason."""

    name: str
    what: str
    labels: tuple[str, ...]


DECIDED: Mapping[Stage, _Decided] = {
    Stage.CONNECT: _Decided("connects", "Connections that the gateway asked about", ("outcome",)),
    Stage.LOGIN: _Decided("logins", "Logins at the gateway", ("outcome", "reason")),
    Stage.PICKUP: _Decided("pickup_logins", "Logins at Dovecot", ("outcome", "reason")),
    Stage.MESSAGE: _Decided("messages", "Messages, by what was decided", ("outcome", "reason")),
    Stage.DELIVERY: _Decided("deliveries", "Recipients elsewhere, by what became of them", ("outcome",)),
    Stage.SIGNAL: _Decided(
        "signals", "What spoke against an identity, and where it stood then on the ladder", ("kind", "step")
    ),
    Stage.OBSERVED: _Decided("observed", "What rules in observe mode would have refused or held", ("rule",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Who counts; asked at the moment when somebody wants to know."""

    tally: Tally
    atlas: Atlas
    writer: Writer
    ledger: Ledger


class _Totals(Collector):
    """For one answer. `levels` is None where the store did not answer."""

    def __init__(self, sources: Sources, levels: Levels | None) -> None:
        self._sources, self._levels = sources, levels

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(f"{_PREFIX}build_info", "1, with the version that runs", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build
        yield from (_decided(stage, self._sources.tally) for stage in DECIDED)
        yield _gauge("store_up", "1 where the store answers", self._levels is not None)
        yield _gauge("writer_changes_waiting", "Changes that wait for their commit", self._sources.writer.waiting)
        yield _gauge("budgets_up", "1 where the budgets answered the last question", not self._sources.ledger.is_away)
        if self._levels:
            yield from _of_store(self._levels)
        yield from _of_atlas(self._sources.atlas)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}{name}", what, value=value)


def _decided(stage: Stage, tally: Tally) -> Metric:
    """Outcomes are there from the start: a counter that appears with its first event hides that one."""
    name, what, labels = DECIDED[stage]
    family = CounterMetricFamily(f"{_PREFIX}{name}", what, labels=labels)
    totals = {What(stage, outcome): 0 for outcome in OUTCOMES.get(stage, ())} if stage is not Stage.SIGNAL else {}
    totals |= {one: number for one, number in tally.totals.items() if one.stage is stage}
    for one, number in sorted(totals.items()):
        family.add_metric([one.outcome, one.reason][: len(labels)], number)
    return family


def _of_store(levels: Levels) -> Iterator[Metric]:
    yield _gauge("incidents_open", "Incidents that nobody has decided about", levels.incidents_open)
    yield _gauge("held_messages", "Messages on hold", levels.held)
    if levels.held_oldest_at is not None:
        yield _gauge("held_oldest_timestamp_seconds", "Since when the oldest of them waits", levels.held_oldest_at)
    yield _gauge("notices_waiting", "Notices that were not taken by their channel yet", levels.notices_waiting)
    yield _gauge("notices_given_up", "Notices of the last seven days that no channel took", levels.notices_given_up)
    yield _gauge("measures_due", "What containment has still to do", levels.measures_due)
    if levels.counted_at is not None:
        yield _gauge("figures_timestamp_seconds", "The newest figures in the store", levels.counted_at)


def _of_atlas(atlas: Atlas) -> Iterator[Metric]:
    coverage = atlas.coverage
    lookups = CounterMetricFamily(
        f"{_PREFIX}geo_lookups",
        "Public addresses looked up, by whether their country is known",
        labels=["country"],
    )
    lookups.add_metric(["known"], coverage.found)
    lookups.add_metric(["unknown"], coverage.asked - coverage.found)
    yield lookups
    built = GaugeMetricFamily(
        f"{_PREFIX}geo_database_built_timestamp_seconds",
        "Date of a database of addresses in use",
        labels=["database"],
    )
    for edition in atlas.editions:
        built.add_metric([edition.kind], edition.built_at)
    yield built
    yield _gauge(
        "geo_databases_refused",
        "Databases that are missing or broken on disk; what was read before is in use",
        len(atlas.faults),
    )


def written(sources: Sources, levels: Levels | None) -> bytes:
    """The text."""
    return generate_latest(_Totals(sources, levels))
