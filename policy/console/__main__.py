"""Run the console: settings, stores, HTTPS. `python -m policy.console --check` only reads the settings.

Exit code 2 with one sentence for a wrong setting; nothing is half started.
"""

import asyncio
import logging
import sys
import time
from contextlib import AbstractAsyncContextManager, nullcontext

import uvicorn

from policy import log
from policy.api.app import open_api
from policy.console.app import hosts_of, make_app
from policy.console.metrics import Metrics
from policy.console.parts import open_parts
from policy.console.serving import KEEP_ALIVE_S, MOST_CONNECTIONS, BoundedProtocol, Certificate, Server
from policy.settings import Settings
from service import log as service_log
from service.listening import listen
from service.settings import SettingError, load, stop


def main() -> None:
    try:
        settings = load(Settings)
        if sys.argv[1:] == ["--check"]:
            return
        _run(settings)
    except SettingError as error:
        stop(error, "console")


def _run(settings: Settings) -> None:
    service_log.configure(settings.log_format)
    # uvicorn would log paths, which hold tokens, and tracebacks with their text; routes.py logs what may be known.
    logging.getLogger("uvicorn.error").disabled = True
    certificate = _certificate(settings)
    listening = listen("POLICY_CONSOLE_PORT", settings.console_bind, settings.console_port)
    metrics = Metrics(settings.tls_cert, time.monotonic)
    told = _told(settings, metrics)
    parts = open_parts(settings, time.time, time.monotonic, certificate.warnings)
    app = make_app(parts, hosts_of(settings), open_api(settings, time.time))
    config = uvicorn.Config(
        metrics.around(app),
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody's word is taken for where a request comes from
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=10,
        ssl_context_factory=lambda _config, _default: certificate.context,
    )
    log.console_started(settings.console_bind, settings.console_port)

    async def serve() -> None:
        async with certificate.watched(), told:
            await Server(config, parts.live.end).serve(sockets=[listening])

    asyncio.run(serve())


def _told(settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[None]:
    """Who may ask for the metrics: whoever reaches a port of its own, where there is one."""
    port = settings.console_status_port
    if port is None:
        return nullcontext()
    return metrics.served(listen("POLICY_CONSOLE_STATUS_PORT", settings.console_status_bind, port))


def _certificate(settings: Settings) -> Certificate:
    try:
        return Certificate(settings.tls_cert, settings.tls_key, time.time)
    except OSError as error:
        raise SettingError(
            "POLICY_TLS_CERT",
            f"{settings.tls_cert} and {settings.tls_key} cannot be used ({error.strerror or 'no pair'})",
            "run `sallyport init`, or put a certificate and its key there",
        ) from None


if __name__ == "__main__":
    main()
