"""What only budgets on a server of their own have: a network that fails, a failover, an empty server, a URL."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
import valkey_server
from budget_backends import Waiting, require_valkey, valkey_budgets
from harness import until
from valkey_server import Server

from policy.budgets.location import options_of, remote_budgets
from policy.budgets.valkey import BudgetsAway, ValkeyBudgets
from policy.engine.budget import Distinct, Sum, Take, Window
from policy.settings import Settings
from service.settings import SettingError

T = 1_000_000.0  # any moment
TEN = (Window(10, 3600.0),)
ONE = Take((Sum("recipients", "recipients:ada", 1, TEN), Distinct("new-recipients", "new:ada", (1,), TEN)))


@contextmanager
def running(**settings: str) -> Iterator[Server]:
    """A server of this test alone."""
    require_valkey()
    server = Server(**settings)
    try:
        yield server.start()
    finally:
        server.go_on()
        server.close()


@contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """A primary with its replica, in step."""
    with running() as primary, running() as replica:
        # Replication goes over TCP, and on loopback alone.
        port = primary.listen()
        replica.order("REPLICAOF", "127.0.0.1", str(port))
        until(lambda: "state=online" in str(primary.order("INFO", "replication")) and in_step(replica), "in step")
        yield primary, replica


def in_step(replica: Server) -> bool:
    info = replica.order("INFO", "replication")
    return isinstance(info, dict) and info.get("master_link_status") == "up"


def taken(budgets: Waiting) -> int:
    """How many of them had room, one after the other, until one had none."""
    number = 0
    while budgets.reserve(f"r-{number}-{id(budgets)}", ONE, T).fits:
        number += 1
    return number
