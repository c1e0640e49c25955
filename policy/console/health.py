"""Whether the console lives, and whether it can work; and its row among what the parts say of themselves.

policy does not ask the console, which has no way to it: it writes its row itself (store/health_reports.py).
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from policy import log
from policy.condition import answers
from policy.console.parts import Parts
from policy.store.health_reports import PERIOD_S, HealthNotes, HealthReport, Service
from policy.store.statements import OnConnection
from service import VERSION
from service.ailments import Ailment
from service.health import LIVE, Health
from service.steadiness import Steadiness

STORE_AWAY = Ailment.CONSOLE_STORE_SILENT.of()
_NOBODY = "."  # no invite and no session has this token


def routes(parts: Parts) -> list[Route]:
    steadiness = Steadiness(parts.clock)

    async def live(_: Request) -> Response:
        return Response(LIVE, media_type="application/json")

    async def ready(_: Request) -> Response:
        health = steadiness.steadied(await looked(parts))
        return Response(health.body, health.status, media_type="application/json")

    return [Route("/health/live", live, methods=["GET"]), Route("/health/ready", ready, methods=["GET"])]


async def looked(parts: Parts) -> Health:
    """Ready means that the store answers."""
    is_there = await answers(partial(run_in_threadpool, parts.desk.sign_in.session, _NOBODY, parts.clock()))
    return Health(faults=() if is_there else (STORE_AWAY,), warnings=parts.warnings())


@contextlib.asynccontextmanager
async def reported(parts: Parts) -> AsyncIterator[None]:
    """Its row is there, and renewed, as long as this goes on; where the console is killed it grows old."""
    instance = socket.gethostname()
    reporting = asyncio.create_task(_report(parts, instance))
    try:
        yield
    finally:
        reporting.cancel()
        await asyncio.wait({reporting})
        with contextlib.suppress(Exception):
            await run_in_threadpool(partial(_leave, parts, instance))


async def _report(parts: Parts, instance: str) -> None:
    loop = asyncio.get_running_loop()
    lag_s, is_failing = 0.0, False
    while True:
        report = HealthReport(
            Service.CONSOLE,
            instance,
            parts.clock(),
            VERSION,
            warnings=parts.warnings(),
            figures={"loop_lag_ms": round(lag_s * 1000, 1)},
        )
        try:
            await run_in_threadpool(partial(_put, parts, report))
            is_failing = False
        except Exception as error:  # noqa: BLE001 - the store is away: said once, and the next round comes
            if not is_failing:
                log.health_not_written(error)
            is_failing = True
        due = loop.time() + PERIOD_S
        await asyncio.sleep(PERIOD_S)
        lag_s = max(0.0, loop.time() - due)


def _put(parts: Parts, report: HealthReport) -> None:
    with parts.engine.begin() as connection:
        HealthNotes(OnConnection(connection)).put(report)


def _leave(parts: Parts, instance: str) -> None:
    with parts.engine.begin() as connection:
        HealthNotes(OnConnection(connection)).leave(Service.CONSOLE, instance)
