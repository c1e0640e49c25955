"""Whether the console lives, and whether it can work."""

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from policy.console.parts import Parts

_NOBODY = "."  # no invite and no session has this token


def routes(parts: Parts) -> list[Route]:
    async def live(_: Request) -> Response:
        return PlainTextResponse("live")

    async def ready(_: Request) -> Response:
        """Ready means that the store answers."""
        try:
            await run_in_threadpool(parts.desk.sign_in.session, _NOBODY, parts.clock())
        except Exception:  # noqa: BLE001 - whatever it is: not ready
            return PlainTextResponse("the store does not answer", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ready")

    return [Route("/health/live", live, methods=["GET"]), Route("/health/ready", ready, methods=["GET"])]
