"""`sallyport serve`: gateway and policy alone, as two child processes, in front of an MTA that exists already.

The two stay two processes, as in the full stack: the gateway gets its token and the TLS key and nothing else.
When one of them ends the other is ended, too, and so is the command.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from policy.settings import Settings
from policy.setup import init
from service.settings import load

_STOP_WITHIN_S = 40.0  # the gateway drains for 30
_NEEDED_BY_COMMANDS = frozenset(
    (
        "POLICY_STATE_DIR", "POLICY_HOSTNAME", "POLICY_DOMAINS", "POLICY_TLS_CERT", "POLICY_TLS_KEY",
        "POLICY_GATEWAY_TOKEN_FILE", "POLICY_DOVECOT_TOKEN_FILE",
    )
)  # fmt: skip


def serve(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    relay: Annotated[str, typer.Option(help="The MTA that gets accepted messages, HOST:PORT.", show_default=False)],
    hold_relay: Annotated[
        str, typer.Option(help="A listener of it that puts all it gets on hold. Without one such mail is deferred.")
    ] = "",
    data: Annotated[Path, typer.Option(help="Where identities, secrets and the certificate are kept.")] = Path(
        "sallyport-data"
    ),
    hostname: Annotated[
        str, typer.Option(help="The name in the greeting and the certificate.")
    ] = "mail.sallyport.test",
    domains: Annotated[
        str, typer.Option(help="Comma list; the administrator is postmaster of the first.")
    ] = "sallyport.test",
    bind: Annotated[
        str, typer.Option(help="Comma list: the addresses at which mail programs are heard; all of them unless said.")
    ] = "",
    submission_port: Annotated[int, typer.Option(help="STARTTLS.", min=1, max=65535)] = 587,
    submissions_port: Annotated[int, typer.Option(help="Implicit TLS.", min=1, max=65535)] = 465,
    policy_port: Annotated[int, typer.Option(help="Between gateway and policy, on loopback.", min=1, max=65535)] = 7587,
    status_port: Annotated[int, typer.Option(help="Health and metrics, on loopback.", min=1, max=65535)] = 7588,
) -> None:
    """Run gateway and policy in front of an existing MTA.

    Example: sallyport serve --relay localhost:25 --data /var/lib/sallyport

    The MTA must accept relaying from this machine. It prints the settings with which, in another terminal, `sallyport
    first-login`, `sallyport identity add` and the other commands work on the same store.

    What has no option comes from the environment, such as POLICY_FILE and GATEWAY_MECHANISMS; where an option says the
    same, it is the option that counts.
    """
    data = data.absolute()
    policy_environment = _files_of_policy(data) | {
        "POLICY_PORT": str(policy_port),
        "POLICY_HOSTNAME": hostname,
        "POLICY_DOMAINS": domains,
        "POLICY_PUBLIC_SUBMISSION_PORT": str(submission_port),
        "POLICY_PUBLIC_SUBMISSIONS_PORT": str(submissions_port),
    }
    gateway_environment = _files_of_gateway(data) | {
        "GATEWAY_HOSTNAME": hostname,
        "GATEWAY_SUBMISSION_PORT": str(submission_port),
        "GATEWAY_SUBMISSIONS_PORT": str(submissions_port),
        "GATEWAY_POLICY_URL": f"http://127.0.0.1:{policy_port}",
        "GATEWAY_RELAY": relay,
        "GATEWAY_STATUS_PORT": str(status_port),
    }
    if_said = {"GATEWAY_BIND": bind, "GATEWAY_HOLD_RELAY": hold_relay}
    gateway_environment |= {name: value for name, value in if_said.items() if value}
    os.environ.update(policy_environment)
    if made := init(load(Settings), time.time()):
        print(f"made: {', '.join(made)}", flush=True)
    Path(gateway_environment["GATEWAY_SPOOL_DIR"]).mkdir(mode=0o700, exist_ok=True)
    _check("gateway", gateway_environment)
    _say_what_next(policy_environment)
    # The relay is one: the gateway has just looked at it.
    policy_environment["POLICY_ALERT_RELAY"] = os.environ.get("POLICY_ALERT_RELAY", relay)
    sys.exit(_run({"policy": policy_environment, "gateway": gateway_environment}))


def _files_of_policy(data: Path) -> dict[str, str]:
    return {
        "POLICY_STATE_DIR": str(data),
        "POLICY_GATEWAY_TOKEN_FILE": str(data / "gateway" / "policy.token"),
        "POLICY_DOVECOT_TOKEN_FILE": str(data / "dovecot" / "policy.token"),
        "POLICY_TLS_CERT": str(data / "tls" / "cert.pem"),
        "POLICY_TLS_KEY": str(data / "tls" / "key.pem"),
    }


def _files_of_gateway(data: Path) -> dict[str, str]:
    return {
        "GATEWAY_TLS_CERT": str(data / "tls" / "cert.pem"),
        "GATEWAY_TLS_KEY": str(data / "tls" / "key.pem"),
        "GATEWAY_POLICY_TOKEN_FILE": str(data / "gateway" / "policy.token"),
        "GATEWAY_SPOOL_DIR": str(data / "spool"),
    }


def _say_what_next(environment: dict[str, str]) -> None:
    """The commands have to know what this one knows."""
    print("In another terminal, for the other commands:")
    for name, value in environment.items():
        if name in _NEEDED_BY_COMMANDS:
            print(f"  export {name}={shlex.quote(value)}")
    print("  sallyport first-login", flush=True)


def _check(service: str, environment: dict[str, str]) -> None:
    """A wrong setting of a child is told before anything runs."""
    command = [sys.executable, "-m", service, "--check"]
    done = subprocess.run(command, env=_environment_of(service, environment), check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.returncode)


def _run(services: dict[str, dict[str, str]]) -> int:
    """Start all, wait until one ends or we are told to stop, end the rest; the first bad exit code."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    children = [
        subprocess.Popen([sys.executable, "-m", service], env=_environment_of(service, environment))  # noqa: S603
        for service, environment in services.items()
    ]
    while not stopping.wait(0.2) and all(child.poll() is None for child in children):
        pass
    asked = stopping.is_set()
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
    codes = [child.returncode for child in children]
    return 0 if asked else next((code for code in codes if code > 0), 1)


def _environment_of(service: str, environment: dict[str, str]) -> dict[str, str]:
    """Ours without the settings of the other service: the gateway must not even learn where the database is."""
    others = tuple(prefix for prefix in ("POLICY_", "GATEWAY_") if prefix != f"{service.upper()}_")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)} | environment
