"""Run the console: settings, stores, HTTPS. `python -m policy.console --check` only reads the settings.

Exit code 2 with one sentence for a wrong setting; nothing is half started.
"""

import asyncio
import logging
import socket
import sys
import time

import uvicorn

from policy import log
from policy.api.app import open_api
from policy.console.app import hosts_of, make_app
from policy.console.parts import open_parts
from policy.console.serving import KEEP_ALIVE_S, MOST_CONNECTIONS, BoundedProtocol, Certificate
from policy.listening import listen
from policy.settings import Settings
from service import log as service_log
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
    app = make_app(open_parts(settings, time.time, time.monotonic), hosts_of(settings), open_api(settings, time.time))
    config = uvicorn.Config(
        app,
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
    asyncio.run(_serve(uvicorn.Server(config), listening, certificate))


async def _serve(server: uvicorn.Server, listening: socket.socket, certificate: Certificate) -> None:
    async with certificate.watched():
        await server.serve(sockets=[listening])


def _certificate(settings: Settings) -> Certificate:
    try:
        return Certificate(settings.tls_cert, settings.tls_key)
    except OSError as error:
        raise SettingError(
            "POLICY_TLS_CERT",
            f"{settings.tls_cert} and {settings.tls_key} cannot be used ({error.strerror or 'no pair'})",
            "run `sallyport init`, or put a certificate and its key there",
        ) from None


if __name__ == "__main__":
    main()
