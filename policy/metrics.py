"""What `GET /metrics` of policy has, in Prometheus' text format; docs/metrics.md lists it.

Numbers alone: no address, login or message is in them, and nothing that grows with what strangers do.
"""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from policy.connects import Connects
from policy.contract import ConnectOutcome
from policy.geo.atlas import Atlas

__all__ = ["CONTENT_TYPE_LATEST", "Totals", "written"]


class Totals(Collector):
    """Read from those who count, at the moment when somebody asks."""

    def __init__(self, connects: Connects) -> None:
        self._connects = connects

    def collect(self) -> Iterator[Metric]:
        verdicts = CounterMetricFamily(
            "sallyport_policy_connects", "Connections that the gateway asked about", labels=["outcome"]
        )
        for outcome in ConnectOutcome:
            verdicts.add_metric([outcome], self._connects.counts[outcome])
        yield verdicts
        yield from _of_atlas(self._connects.atlas)


def _of_atlas(atlas: Atlas) -> Iterator[Metric]:
    coverage = atlas.coverage
    lookups = CounterMetricFamily(
        "sallyport_policy_geo_lookups",
        "Public addresses looked up, by whether their country is known",
        labels=["country"],
    )
    lookups.add_metric(["known"], coverage.found)
    lookups.add_metric(["unknown"], coverage.asked - coverage.found)
    yield lookups
    built = GaugeMetricFamily(
        "sallyport_policy_geo_database_built_at_seconds", "Date of a database of addresses in use", labels=["database"]
    )
    for edition in atlas.editions:
        built.add_metric([edition.kind], edition.built_at)
    yield built
    yield GaugeMetricFamily(
        "sallyport_policy_geo_databases_refused",
        "Databases that are missing or broken on disk; what was read before is in use",
        value=len(atlas.faults),
    )


def written(totals: Totals) -> bytes:
    """The text."""
    return generate_latest(totals)
