"""Run the gateway: settings, certificate, ports, and then serve until SIGTERM.

    python -m gateway            serve
    python -m gateway --check    only read settings and certificate

Exit code 2 with one sentence for a wrong setting; nothing is half started. SIGTERM drains: no new sessions, open
transactions end, exit 0 within GATEWAY_DRAIN_S.
"""

import asyncio
import logging
import signal
import ssl
import sys
import time

from gateway import log
from gateway.edge import Edge
from gateway.listener import Caps, Listener, bind, tls_context
from gateway.policy_client import PolicyClient
from gateway.relay import Relay
from gateway.settings import Settings
from service import log as service_log
from service.settings import SettingError, load, read_secret, stop


def main() -> None:
    try:
        settings = load(Settings)
        context = tls_context(str(settings.tls_cert), str(settings.tls_key))
        token = read_secret("GATEWAY_POLICY_TOKEN_FILE", settings.policy_token_file)
        if sys.argv[1:] == ["--check"]:
            return
        service_log.configure(settings.log_format)
        logging.getLogger("mail.log").disabled = True  # aiosmtpd's own log names peers and commands
        asyncio.run(_serve(settings, context, token))
    except SettingError as error:
        stop(error, "gateway")


async def _serve(settings: Settings, context: ssl.SSLContext, token: str) -> None:
    policy = PolicyClient(str(settings.policy_url), token, settings.policy_timeout_s)
    relay = Relay(
        settings.relay_host,
        settings.relay_port,
        settings.hostname,
        settings.relay_connections,
        settings.relay_timeout_s,
    )
    async with policy:
        edge = Edge(settings=settings, tls_context=context, policy=policy, relay=relay, clock=time.time)
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        listeners = _listeners(edge)
        accepting = [asyncio.create_task(listener.accept()) for listener in listeners]
        await stopping.wait()
        for task in accepting:
            task.cancel()
        await asyncio.gather(*accepting, return_exceptions=True)
        for listener in listeners:
            listener.bound.close()  # or the kernel would go on accepting for nobody
        await edge.drain()
        relay.close()


def _listeners(edge: Edge) -> list[Listener]:
    """All ports are bound before the first is served."""
    settings = edge.settings
    caps = Caps(settings.max_sessions, settings.max_sessions_per_network)
    listeners = []
    for name, setting, port, implicit_tls in (
        ("submission", "GATEWAY_SUBMISSION_PORT", settings.submission_port, False),
        ("submissions", "GATEWAY_SUBMISSIONS_PORT", settings.submissions_port, True),
    ):
        for bound in bind(setting, settings.bind, port):
            listeners.append(Listener(name=name, edge=edge, caps=caps, bound=bound, implicit_tls=implicit_tls))
            log.started(name, bound.getsockname()[0], port)
    return listeners


if __name__ == "__main__":
    main()
