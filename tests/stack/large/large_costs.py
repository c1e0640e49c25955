"""What a message costs each part of the large topology, apart from what the parts use while nobody sends.

Processor time is what the container engine has counted for each container (its API, for `docker exec` would itself be
counted). One stretch of time in which nobody sends, and one in which so many messages a second come, no faster: a part
that is always busy finds several things to do whenever it wakes, and is cheaper for that than the same part at rest.
"""

import contextlib
import http.client
import json
import smtplib
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from harness import Login
from large_stack import GATEWAYS, HOME, POLICIES, POSTFIXES, Large

_ENGINE = "/var/run/docker.sock"
STRETCH_S = 60.0
_PAUSE_S = 0.4  # between two messages of one client
KINDS: Mapping[str, Sequence[str]] = {
    "gateways": GATEWAYS,
    "policies": POLICIES,
    "PostgreSQL": ("postgresql",),
    "Valkey": ("valkey-1", "valkey-2", "valkey-3", "sentinel-1", "sentinel-2", "sentinel-3"),
    "balancers": ("balancer", "budgets"),
    "scanner": ("rspamd",),
    "Postfix": POSTFIXES,
    "queue agents": ("queue-agent", "queue-agent-2"),
    "console, Dovecot": ("console", "dovecot"),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of all containers of one kind: ms of a processor a second with nobody there, and ms for each message on top."""

    idle_ms_s: float
    message_ms: float


def costs(large: Large, logins: Sequence[tuple[str, Login]]) -> tuple[Mapping[str, Cost], float]:
    """By kind; and messages a second."""
    _send(large, logins, STRETCH_S / 6)  # whoever has just been started is slower
    before, idle_s = _used(large), _waited(STRETCH_S)
    rested, begun = _used(large), time.monotonic()
    sent = _send(large, logins, STRETCH_S)
    busy_s, after = time.monotonic() - begun, _used(large)
    found = {}
    for kind in KINDS:
        idle = (rested[kind] - before[kind]) / idle_s
        found[kind] = Cost(1000 * idle, 1000 * (after[kind] - rested[kind] - idle * busy_s) / sent)
    return found, sent / busy_s


def told(all_of: Mapping[int, Mapping[str, Cost]]) -> Iterator[str]:
    """The table of docs/large.md: a line for each kind."""
    numbers = sorted(all_of)
    of_each = "".join(f" with {number} |" for number in numbers)
    yield f"| | idle, ms/s:{of_each} a message, ms:{of_each}"
    for kind in KINDS:
        idle = "".join(f" {all_of[number][kind].idle_ms_s:.0f} |" for number in numbers)
        yield f"| {kind} |{idle}" + "".join(f" {all_of[number][kind].message_ms:.1f} |" for number in numbers)


def _send(large: Large, logins: Sequence[tuple[str, Login]], seconds: float) -> int:
    """How many messages were taken: of one client for each login, one message after the other."""
    end = time.monotonic() + seconds

    def session(who: tuple[str, Login]) -> int:
        name, login = who
        sent, pause = 0, threading.Event()
        with large.client(HOME) as client:
            client.login(login.login, login.secret)
            while time.monotonic() < end:
                begun = time.monotonic()
                text = f"From: {name}@sallyport.test\r\nSubject: cost\r\n\r\nhello\r\n"
                with contextlib.suppress(smtplib.SMTPDataError):  # "not now", of a machine that does much else
                    client.sendmail(f"{name}@sallyport.test", f"friend-of-{name}@friends.example", text)
                    sent += 1
                pause.wait(max(0.0, begun + _PAUSE_S - time.monotonic()))
        return sent

    with ThreadPoolExecutor(len(logins)) as pool:
        return sum(pool.map(session, logins))


def _waited(seconds: float) -> float:
    """How long it was."""
    begun = time.monotonic()
    threading.Event().wait(seconds)
    return time.monotonic() - begun


def _used(large: Large) -> Mapping[str, float]:
    """Seconds of a processor until now, by kind; who does not run has used none."""
    label = json.dumps({"label": [f"com.docker.compose.project={large.project}"]}, separators=(",", ":"))
    used = {}
    for one in _asked("/containers/json?filters=" + quote(label)):
        stats = _asked(f"/containers/{one['Id']}/stats?stream=false&one-shot=true")
        used[one["Labels"]["com.docker.compose.service"]] = stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    return {kind: sum(used.get(service, 0.0) for service in services) for kind, services in KINDS.items()}


def _asked(path: str) -> Any:
    """Of the container engine."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(_ENGINE)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
