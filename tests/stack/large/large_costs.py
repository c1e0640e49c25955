"""What a message costs each part of the large topology, apart from what the parts use while nobody sends.

Processor time is what the container engine has counted for each container (its API, for `docker exec` would itself be
counted). Stretches in which nobody sends and stretches in which messages come take turns, so that a machine that does
more and more else makes both dearer. Messages come at the same rate whatever the number of parts, and evenly: several
at once would be one commit, and the more policies there were, the fewer each would have at once.
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
ROUNDS, IDLE_S, BUSY_S = 5, 5.0, 8.0
RATE = 12.0  # messages a second, of all clients together
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
    """Of all containers of one kind: ms of a processor a second with nobody there, and ms for each message on top.

    `gross_ms` is what a message costs with its share of what is used at rest: at half the rate it is more.
    """

    idle_ms_s: float
    message_ms: float
    gross_ms: float


def costs(large: Large, logins: Sequence[tuple[str, Login]]) -> tuple[Mapping[str, Cost], float]:
    """By kind; and messages a second."""
    idle, busy = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0.0)
    idle_s = busy_s = sent = 0.0
    with contextlib.ExitStack() as ends:
        senders = [(ends.enter_context(_session(large, login)), name) for name, login in logins]
        _send(senders)  # whoever has just been started is slower
        for _ in range(ROUNDS):
            before, begun = _used(large), time.monotonic()
            threading.Event().wait(IDLE_S)
            rested, rested_at = _used(large), time.monotonic()
            sent += _send(senders)
            after, ended = _used(large), time.monotonic()
            idle_s, busy_s = idle_s + rested_at - begun, busy_s + ended - rested_at
            for kind in KINDS:
                idle[kind] += rested[kind] - before[kind]
                busy[kind] += after[kind] - rested[kind]
    found = {}
    for kind in KINDS:
        at_rest = idle[kind] / idle_s
        found[kind] = Cost(1000 * at_rest, 1000 * (busy[kind] - at_rest * busy_s) / sent, 1000 * busy[kind] / sent)
    return found, sent / busy_s


def told(all_of: Mapping[int, Mapping[str, Cost]]) -> Iterator[str]:
    """The table of docs/large.md: a line for each kind."""
    numbers = sorted(all_of)
    of_each = "".join(f" with {number} |" for number in numbers)
    yield f"| | idle, ms/s:{of_each} a message, ms:{of_each} with its share of idle, ms:{of_each}"
    for kind in KINDS:
        of_kind = [all_of[number][kind] for number in numbers]
        cells = [f"{one.idle_ms_s:.0f}" for one in of_kind] + [f"{one.message_ms:.1f}" for one in of_kind]
        yield f"| {kind} | " + " | ".join(cells + [f"{one.gross_ms:.1f}" for one in of_kind]) + " |"


def growth(found: Mapping[int, Mapping[str, Cost]]) -> float:
    """How many times as much a message costs with three as with one, of the part of which it grows most.

    Against Postfix and the scanner, which are the same all the time: what else the machine does makes all of it dearer.
    """

    def measured(number: int, kind: str) -> float:
        same = found[number]["Postfix"].message_ms + found[number]["scanner"].message_ms
        return found[number][kind].message_ms / same

    return max(measured(3, kind) / measured(1, kind) for kind in ("gateways", "policies", "PostgreSQL"))


def run_so_many(large: Large, number: int) -> None:
    """Of gateways and policies; the others are killed."""
    for one in (*POLICIES, *GATEWAYS):
        is_wanted = one in (*POLICIES[:number], *GATEWAYS[:number])
        if is_wanted and not large.is_up(one):
            large.revive(one)
        elif not is_wanted and large.is_up(one):
            large.kill(one)


def _session(large: Large, login: Login) -> smtplib.SMTP_SSL:
    client = large.client(HOME)
    client.login(login.login, login.secret)
    return client


def _send(senders: Sequence[tuple[smtplib.SMTP_SSL, str]]) -> int:
    """How many messages were taken in BUSY_S. The clients take turns, RATE messages a second."""
    begun = time.monotonic()

    def send(number: int, client: smtplib.SMTP_SSL, name: str) -> int:
        sent, pause = 0, threading.Event()
        for turn in range(number, round(BUSY_S * RATE), len(senders)):
            pause.wait(max(0.0, begun + turn / RATE - time.monotonic()))
            text = f"From: {name}@sallyport.test\r\nSubject: cost\r\n\r\nhello\r\n"
            with contextlib.suppress(smtplib.SMTPDataError):  # "not now", of a machine that does much else
                client.sendmail(f"{name}@sallyport.test", f"friend-of-{name}@friends.example", text)
                sent += 1
        return sent

    with ThreadPoolExecutor(len(senders)) as pool:
        of_each = [pool.submit(send, number, *one) for number, one in enumerate(senders)]
        return sum(one.result() for one in of_each)


def _used(large: Large) -> Mapping[str, float]:
    """Seconds of a processor until now, by kind; who does not run has used none."""
    label = json.dumps({"label": [f"com.docker.compose.project={large.stack.project}"]}, separators=(",", ":"))
    running = _asked("/containers/json?filters=" + quote(label))
    with ThreadPoolExecutor(len(running)) as pool:  # the engine may take a second for each
        stats = pool.map(lambda one: _asked(f"/containers/{one['Id']}/stats?stream=false&one-shot=true"), running)
        seconds = [one["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9 for one in stats]
    used = {one["Labels"]["com.docker.compose.service"]: spent for one, spent in zip(running, seconds, strict=True)}
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
