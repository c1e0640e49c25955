"""What `GET /metrics` of the gateway has, in Prometheus' text format; docs/metrics.md lists it.

The numbers are scoreboard.py's, and the open sessions. No address, login or message is among them.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from gateway.caps import Caps
from gateway.scoreboard import BOUNDS_S, Durations, Scoreboard
from service import VERSION

__all__ = ["CONTENT_TYPE_LATEST", "Totals", "written"]

_PREFIX = "sallyport_gateway_"
_BOUNDS = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]


class Totals(Collector):
    """The scoreboard and the caps, as Prometheus' library wants them."""

    def __init__(self, scoreboard: Scoreboard, caps: Caps) -> None:
        self._scoreboard, self._caps = scoreboard, caps

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(f"{_PREFIX}build_info", "1, with the version that runs", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build
        yield from self._counters().values()
        for name, what, value in self._scoreboard.gauges():
            yield GaugeMetricFamily(f"{_PREFIX}{name}", what, value=value)
        yield from map(_histogram, self._scoreboard.durations())
        yield GaugeMetricFamily(f"{_PREFIX}sessions_open", "Connections now", value=self._caps.open())

    def _counters(self) -> dict[str, CounterMetricFamily]:
        families: dict[str, CounterMetricFamily] = {}
        for name, labels, what, total in self._scoreboard.totals():
            if name not in families:
                families[name] = CounterMetricFamily(f"{_PREFIX}{name}", what, labels=list(labels))
            families[name].add_metric(list(labels.values()), total)
        return families


def _histogram(took: Durations) -> HistogramMetricFamily:
    """A bucket of Prometheus' has all that is below its bound."""
    buckets = list(zip(_BOUNDS, accumulate(took.counts), strict=True))
    return HistogramMetricFamily(f"{_PREFIX}{took.name}", took.what, buckets=buckets, sum_value=took.sum_s)


def written(totals: Totals) -> bytes:
    """The text."""
    return generate_latest(totals)
