"""What the console counts, and its `GET /metrics`: on an address of its own, for the console's is for browsers.

    POLICY_CONSOLE_STATUS_BIND, POLICY_CONSOLE_STATUS_PORT; docs/metrics.md lists what there is

No path is in it, and no address: a path may hold a token, and there are as many as strangers try.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web
from cryptography import x509
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import VERSION

_PREFIX = "sallyport_console_"
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """Of this process. `stopwatch` gives seconds of whatever beginning."""

    def __init__(self, certificate: Path, stopwatch: Callable[[], float]) -> None:
        self._certificate, self._stopwatch = certificate, stopwatch
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series of its own for each one that says when it began
        self._registry = registry = CollectorRegistry()
        build = Gauge(f"{_PREFIX}build_info", "1, with the version that runs", ["version"], registry=registry)
        build.labels(VERSION).set(1)
        self._requests = Counter(
            f"{_PREFIX}requests", "Requests, by what was answered", ["method", "code"], registry=registry
        )
        self._took = Histogram(
            f"{_PREFIX}request_duration_seconds",
            "From a request to the begin of its answer",
            buckets=_BOUNDS_S,
            registry=registry,
        )
        self._expires = Gauge(
            f"{_PREFIX}certificate_expires_timestamp_seconds",
            "When the certificate on disk expires, since the epoch; 0 where it cannot be read",
            registry=registry,
        )

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, with its requests counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            begun, method = self._stopwatch(), scope["method"]

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    # Whatever else a client calls a method is one.
                    self._requests.labels(method if method in _METHODS else "other", message["status"]).inc()
                    self._took.observe(self._stopwatch() - begun)
                await send(message)

            await app(scope, receive, noting)

        return counted

    def written(self) -> bytes:
        """The text."""
        self._expires.set(_expires_at(self._certificate))
        return generate_latest(self._registry)

    @contextlib.asynccontextmanager
    async def served(self, bound: socket.socket) -> AsyncIterator[None]:
        """Tell whoever may reach `bound`."""

        async def metrics(_: web.Request) -> web.Response:
            return web.Response(body=self.written(), headers={"Content-Type": CONTENT_TYPE_LATEST})

        app = web.Application()
        app.add_routes([web.get("/metrics", metrics)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, bound).start()
        try:
            yield
        finally:
            await runner.cleanup()


def _expires_at(certificate: Path) -> float:
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return 0.0
