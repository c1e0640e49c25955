"""What each service tells Prometheus, with something of everything in it: for tests of docs, alerts and dashboard."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message, Receive, Scope, Send

import gateway.metrics
import policy.metrics
import queue_agent.metrics
from gateway.caps import Caps
from gateway.scoreboard import Scoreboard
from policy.console.metrics import Metrics
from policy.queue_contract import DeliveryOutcome, QueueName, Statistics
from policy.store.levels import Levels
from policy.tally import Stage, Tally, What

SERVICES = ("gateway", "policy", "queue_agent", "console")


async def told() -> dict[str, bytes]:
    """The text of each service."""
    return {
        "gateway": gateway.metrics.written(gateway.metrics.Totals(Scoreboard(1), Caps(1, 1, 1))),
        "policy": _policy(),
        "queue_agent": await _queue_agent(),
        "console": await _console(),
    }


def families(text: bytes) -> dict[str, Metric]:
    """By the name that people write: of a counter with its ending."""
    found = text_string_to_metric_families(text.decode())
    return {one.name + ("_total" if one.type == "counter" else ""): one for one in found}


def _policy() -> bytes:
    tally = Tally()
    for stage in Stage:
        tally.note(What(stage, "one", "reason"), 0.0)
    edition = SimpleNamespace(kind="country", built_at=1.0)
    atlas = SimpleNamespace(coverage=SimpleNamespace(asked=2, found=1), editions=[edition], faults=())
    sources = policy.metrics.Sources(
        tally=tally,
        atlas=cast("Any", atlas),
        writer=cast("Any", SimpleNamespace(waiting=0)),
        ledger=cast("Any", SimpleNamespace(is_away=False)),
    )
    return policy.metrics.written(sources, Levels(1, 2, 3.0, 4, 5, 6, 7.0))


async def _queue_agent() -> bytes:
    async def statistics() -> Statistics:
        return Statistics(messages={QueueName.HOLD: 1}, octets=1, oldest_at=1.0, log_at=1.0, unreported=0)

    async def number() -> int:
        return 0

    delivered = dict.fromkeys(DeliveryOutcome, 0)
    ledger = SimpleNamespace(log_behind=number, unreported=number, delivered=delivered)
    return await queue_agent.metrics.written(cast("Any", SimpleNamespace(statistics=statistics, ledger=ledger)))


async def _console() -> bytes:
    metrics = Metrics(Path("/nonexistent"), lambda: 0.0)

    async def page(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def nothing() -> Message:
        return {"type": "http.request"}

    async def taken(_: Message) -> None:
        return None

    for method in ("GET", "BREW"):
        await metrics.around(page)({"type": "http", "method": method}, nothing, taken)
    return metrics.written()
