"""Health and metrics over HTTP, on an inner address: GATEWAY_STATUS_BIND and GATEWAY_STATUS_PORT.

    GET /health/live     200 while a worker's event loop runs
    GET /health/ready    200 or 503 with what is wrong (service/health.py, condition.py)
    GET /metrics         Prometheus' text format; docs/metrics.md lists what there is

Any worker answers for all: the numbers are in the scoreboard, which they share. Nothing here names an address, a login
or a message.
"""

import socket

from aiohttp import web

from gateway import condition
from gateway.edge import Edge
from gateway.metrics import CONTENT_TYPE_LATEST, Totals, written
from service.health import LIVE


async def serve(edge: Edge, bound: socket.socket) -> web.AppRunner:
    """Answer on `bound` until the runner's cleanup()."""
    totals = Totals(edge.scoreboard, edge.caps)

    async def live(_: web.Request) -> web.Response:
        return web.Response(body=LIVE, content_type="application/json")

    async def ready(_: web.Request) -> web.Response:
        health = condition.health(edge)
        return web.Response(body=health.body, status=health.status, content_type="application/json")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=written(totals), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/health/live", live), web.get("/health/ready", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    return runner
