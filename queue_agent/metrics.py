"""What `GET /metrics` of the queue agent has, in Prometheus' text format; docs/metrics.md lists it.

Numbers alone: no address, no queue id. Counters begin anew with the agent.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from policy.queue_contract import DeliveryOutcome, QueueName, Statistics
from queue_agent.commands import PostfixFailed
from queue_agent.queue import Queue
from service import VERSION

__all__ = ["CONTENT_TYPE_LATEST", "written"]

_PREFIX = "sallyport_queue_agent_"


async def written(queue: Queue) -> bytes:
    """The text. Where Postfix does not answer it has all the rest."""
    try:
        statistics = await queue.statistics()
    except PostfixFailed:
        statistics = None
    ledger = queue.ledger
    numbers = _Numbers(statistics, await ledger.log_behind(), await ledger.unreported(), ledger.delivered)
    return generate_latest(numbers)


@dataclass(frozen=True, slots=True)
class _Numbers(Collector):
    """For one answer."""

    statistics: Statistics | None
    log_behind: int
    unreported: int
    delivered: Counter[DeliveryOutcome]

    def collect(self) -> Iterator[Metric]:
        yield _gauge("build_info", "1, with the version that runs", {VERSION: 1}, "version")
        is_up = self.statistics is not None and self.statistics.is_running
        yield _gauge("postfix_up", "1 where Postfix runs and its queue can be read", {"": is_up})
        if self.statistics:
            yield from _of_queue(self.statistics)
        yield _gauge("log_behind_bytes", "Of Postfix's log, what was not read yet", {"": self.log_behind})
        yield _gauge("reports_waiting", "Outcomes that policy has not taken yet", {"": self.unreported})
        deliveries = CounterMetricFamily(
            f"{_PREFIX}deliveries", "Recipients that policy was told of, by what became of them", labels=["outcome"]
        )
        for outcome in DeliveryOutcome:
            deliveries.add_metric([outcome], self.delivered[outcome])
        yield deliveries


def _of_queue(statistics: Statistics) -> Iterator[Metric]:
    messages = {name.value: statistics.messages.get(name, 0) for name in QueueName}
    yield _gauge("messages", "Messages in each queue of Postfix's", messages, "queue")
    yield _gauge("queue_bytes", "All of them", {"": statistics.octets})
    times = (
        ("oldest_timestamp_seconds", "When the oldest message came that is not on hold", statistics.oldest_at),
        ("log_timestamp_seconds", "Of the newest line of Postfix's log that was read", statistics.log_at),
    )
    for name, what, at in times:
        if at is not None:
            yield _gauge(name, what, {"": at})


def _gauge(name: str, what: str, values: Mapping[str, float], label: str = "") -> Metric:
    """One number for each value of `label`, or one without any."""
    family = GaugeMetricFamily(f"{_PREFIX}{name}", what, labels=[label] if label else [])
    for value, number in values.items():
        family.add_metric([value] if label else [], number)
    return family
