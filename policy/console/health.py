"""Whether the console lives, and whether it can work; and its row among what the parts say of themselves.

policy does not ask the console, which has no way to it: it writes its row itself (store/health_reports.py).
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from policy import log
from policy.condition import answers
from policy.console.parts import Parts
from policy.rounds import Rounds
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
    reporting = _Reporting(parts)
    reporting.start()
    try:
        yield
    finally:
        await reporting.close()


class _Reporting(Rounds):
    """Of this process; `parts` has the store."""

    period_s = PERIOD_S

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._instance = socket.gethostname()

    async def round(self) -> None:
        report = HealthReport(
            Service.CONSOLE,
            self._instance,
            self._parts.clock(),
            VERSION,
            warnings=self._parts.warnings(),
            figures={"loop_lag_ms": round(self.late_s * 1000, 1)},
        )
        await run_in_threadpool(self._note, lambda notes: notes.put(report))

    def failed(self, error: Exception) -> None:
        log.health_not_written(error)

    async def close(self) -> None:
        await super().close()
        with contextlib.suppress(Exception):
            await run_in_threadpool(self._note, lambda notes: notes.leave(Service.CONSOLE, self._instance))

    def _note(self, change: Callable[[HealthNotes], None]) -> None:
        with self._parts.engine.begin() as connection:
            change(HealthNotes(OnConnection(connection)))
