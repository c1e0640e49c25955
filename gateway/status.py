"""Health and metrics over HTTP, on an inner address: GATEWAY_STATUS_BIND and GATEWAY_STATUS_PORT.

    GET /health/live     200 while a worker's event loop runs
    GET /health/ready    200 with a JSON object; "warnings" has a sentence for what an administrator should look at
    GET /metrics         Prometheus' text format; docs/metrics.md lists what there is

Any worker answers for all: the numbers are in the scoreboard, which they share. Nothing here names an address, a login
or a message.
"""

import json
import socket
from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from gateway.edge import Edge


class Totals(Collector):
    """The scoreboard and the caps, as Prometheus' library wants them."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def collect(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily] = {}
        for name, labels, what, total in self._edge.scoreboard.totals():
            if name not in families:
                families[name] = CounterMetricFamily(f"sallyport_gateway_{name}", what, labels=list(labels))
            families[name].add_metric(list(labels.values()), total)
        yield from families.values()
        for name, what, value in self._edge.scoreboard.gauges():
            yield GaugeMetricFamily(f"sallyport_gateway_{name}", what, value=value)
        yield GaugeMetricFamily("sallyport_gateway_sessions_open", "Connections now", value=self._edge.caps.open())


async def serve(edge: Edge, bound: socket.socket) -> web.AppRunner:
    """Answer on `bound` until the runner's cleanup()."""
    totals = Totals(edge)

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def ready(_: web.Request) -> web.Response:
        failure = edge.certificates.failure
        warnings = [failure] if failure else []
        if any(name == "scanner_silent" and value for name, _, value in edge.scoreboard.gauges()):
            warnings.append("the scanner does not answer, or says what cannot be read; the log has scan-failed")
        answer = {"status": "ready", "sessions": edge.caps.open(), "warnings": warnings}
        return web.Response(text=json.dumps(answer) + "\n", content_type="application/json")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(totals), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/health/live", live), web.get("/health/ready", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    return runner
