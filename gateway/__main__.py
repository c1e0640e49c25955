"""Run the gateway: settings, certificates, ports, and then serve until SIGTERM.

    python -m gateway            serve
    python -m gateway --check    only read settings and certificates

Exit code 2 with one sentence for a wrong setting; nothing is half started. SIGTERM drains: no new sessions, open
transactions end, exit 0 within GATEWAY_DRAIN_S. SIGHUP looks for new certificates at once.
"""

import os
from pathlib import Path

# Before anything loads OpenSSL: Python has no call for a list of key exchange groups, so they stand in a file.
os.environ["OPENSSL_CONF"] = str(Path(__file__).parent / "openssl.cnf")

import asyncio
import gc
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack

from gateway import condition, log, revocations, status, workers
from gateway.caps import Caps
from gateway.door import Door
from gateway.edge import Edge
from gateway.listener import Listener, bind
from gateway.policy_client import PolicyClient
from gateway.relay import Relay
from gateway.scan import Scanner
from gateway.scoreboard import Scoreboard
from gateway.settings import ListenerSettings, Settings, host_and_port
from gateway.tls import Certificates
from service import log as service_log
from service import tracing
from service.names import Loop
from service.settings import SettingError, load, stop
from service.shared_token import SharedToken

_WARM_S = 2.0

Bound = list[tuple[ListenerSettings, socket.socket]]


def main() -> None:
    try:
        settings = load(Settings)
        _check_settings(settings)
        certificates = Certificates(
            settings.tls_pairs,
            {listener.name: listener.client_certificates for listener in settings.all_listeners},
            client_ca=settings.tls_client_ca,
            clock=time.time,
        )
        token = SharedToken.from_file("GATEWAY_POLICY_TOKEN_FILE", settings.policy_token_file, log)
        if sys.argv[1:] == ["--check"]:
            return
        service_log.configure(settings.log_format)
        bound, status_bound = _bind(settings)
    except SettingError as error:
        stop(error, "gateway")
    caps = Caps(settings.max_sessions, settings.max_sessions_per_address, settings.max_sessions_per_network)
    scoreboard = Scoreboard(settings.workers)

    def serve() -> None:
        tracing.start("gateway", settings.otlp_url)
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_serve(settings, certificates, token, caps, scoreboard, bound, status_bound))
        tracing.stop()

    def close_ports() -> None:
        for _, one in bound:
            one.close()

    sys.exit(workers.run(settings.workers, caps, scoreboard, serve, close_ports, settings.drain_s))


def _check_settings(settings: Settings) -> None:
    """What one setting alone cannot show."""
    tracing.check("GATEWAY_OTLP_URL", settings.otlp_url)
    if len(settings.tls_cert) != len(settings.tls_key):
        raise SettingError(
            "GATEWAY_TLS_KEY",
            f"{len(settings.tls_key)} keys for {len(settings.tls_cert)} certificates will not do",
            "name as many files as in GATEWAY_TLS_CERT, in the same order",
        )
    if not settings.tls_client_ca and any(one.client_certificates != "no" for one in settings.all_listeners):
        raise SettingError(
            "GATEWAY_TLS_CLIENT_CA",
            "is not set, and a listener asks for client certificates",
            "name the file with the certificates that may have issued them",
        )
    if not os.access(settings.spool_dir, os.W_OK | os.X_OK) or not settings.spool_dir.is_dir():
        raise SettingError(
            "GATEWAY_SPOOL_DIR", f"{settings.spool_dir} is no folder that can be written to", "name another one"
        )


def _bind(settings: Settings) -> tuple[Bound, socket.socket]:
    """All ports are bound before the first is served."""
    shipped = {
        "submission": "GATEWAY_SUBMISSION_PORT",
        "submissions": "GATEWAY_SUBMISSIONS_PORT",
        "travel-submission": "GATEWAY_TRAVEL_SUBMISSION_PORT",
        "travel-submissions": "GATEWAY_TRAVEL_SUBMISSIONS_PORT",
    }
    bound: Bound = []
    for listener in settings.all_listeners:
        setting = "GATEWAY_LISTENERS" if settings.listeners else shipped[listener.name]
        for one in bind(setting, listener.addresses, listener.port):
            bound.append((listener, one))
            log.started(listener.name, one.getsockname()[0], listener.port)
    (status_bound,) = bind("GATEWAY_STATUS_PORT", (settings.status_bind,), settings.status_port)
    return bound, status_bound


async def _serve(
    settings: Settings,
    certificates: Certificates,
    token: SharedToken,
    caps: Caps,
    scoreboard: Scoreboard,
    bound: Bound,
    status_bound: socket.socket,
) -> None:
    """One worker, until it is told to stop."""
    gc.set_threshold(20_000, 20, 50)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    relay = _relay_to(settings.relay, settings)
    hold_relay = _relay_to(settings.hold_relay, settings) if settings.hold_relay else None
    async with AsyncExitStack() as open_ones:
        policy = PolicyClient(str(settings.policy_url), token, settings.policy_timeout_s)
        open_ones.callback(policy.close)
        scanner = _scanner_of(settings, scoreboard)
        if scanner:
            await open_ones.enter_async_context(scanner)
        edge = Edge(
            settings=settings,
            certificates=certificates,
            caps=caps,
            scoreboard=scoreboard,
            door=Door(policy, scoreboard, loop.time),
            policy=policy,
            relay=relay,
            hold_relay=hold_relay,
            scanner=scanner,
            clock=time.time,
        )
        loop.add_signal_handler(signal.SIGHUP, edge.reload)
        edge.reload()
        # What may be offered to clients is known in a moment; a next hop that is down does not keep us from answering.
        await asyncio.wait({edge.in_background(relay.warm())}, timeout=_WARM_S)
        reporting = await status.serve(edge, status_bound)
        listening = [Listener(settings=listener, edge=edge, bound=one) for listener, one in bound]
        accepting = [asyncio.create_task(listener.accept()) for listener in listening]
        goes_on = (edge.make_rounds(), revocations.follow(edge), condition.tell(edge))
        rounds = [asyncio.create_task(one) for one in goes_on]
        await stopping.wait()
        for task in accepting:
            task.cancel()
        await asyncio.gather(*accepting, return_exceptions=True)
        for _, one in bound:
            one.close()  # or the kernel would go on accepting for nobody
        await edge.drain()
        for task in rounds:
            task.cancel()
        await condition.take_leave(edge)
        for pool in (relay, hold_relay):
            if pool:
                pool.close()
        await reporting.cleanup()


def _relay_to(next_hop: str, settings: Settings) -> Relay:
    host, port = host_and_port(next_hop)
    return Relay(host, port, settings.hostname, settings.relay_connections, settings.relay_timeout_s)


def _scanner_of(settings: Settings, scoreboard: Scoreboard) -> Scanner | None:
    if not settings.scan_url:
        return None
    return Scanner(
        settings.scan_url, settings.scan_timeout_s, settings.scan_connections, settings.scan_max_bytes, scoreboard
    )


if __name__ == "__main__":
    main()
