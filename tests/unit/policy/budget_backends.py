"""The back ends of the budgets, opened for a test: all are asked in the same way, and answer at once."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import valkey_server

from policy.budgets import Budgets
from policy.budgets.location import server_at
from policy.budgets.memory import MemoryBudgets
from policy.budgets.stored import StoredBudgets
from policy.budgets.valkey import ValkeyBudgets
from policy.engine.budget import Charge, Take, Taken
from policy.store.transactions import open_transactions

BACK_ENDS = ("memory", "sqlite", "postgresql", "valkey")


class Waiting:
    """Budgets over the network, for a test that does nothing else meanwhile."""

    def __init__(self, budgets: ValkeyBudgets) -> None:
        self.budgets = budgets
        self._runner = asyncio.Runner()

    def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        return self._runner.run(self.budgets.reserve(reservation, take, now))

    def commit(self, reservation: str, now: float) -> bool:
        return self._runner.run(self.budgets.commit(reservation, now))

    def release(self, reservation: str, now: float) -> bool:
        return self._runner.run(self.budgets.release(reservation, now))

    def peek(self, charges: Sequence[Charge], now: float) -> Taken:
        return self._runner.run(self.budgets.peek(charges, now))

    def close(self) -> None:
        self._runner.run(self.budgets.close())
        self._runner.close()


def require_valkey() -> None:
    if not valkey_server.is_possible():
        pytest.skip(valkey_server.NOT_INSTALLED)


@contextmanager
def valkey_budgets(server: valkey_server.Server) -> Iterator[Waiting]:
    waiting = Waiting(ValkeyBudgets(server_at(f"unix://{server.socket}")))
    try:
        yield waiting
    finally:
        waiting.close()


@contextmanager
def opened(name: str, request: pytest.FixtureRequest) -> Iterator[Budgets]:
    """One of BACK_ENDS, with nothing in it. Each statement of a database is a transaction of its own."""
    if name == "memory":
        yield MemoryBudgets()
    elif name == "valkey":
        require_valkey()
        valkey_server.server().order("FLUSHALL")
        with valkey_budgets(valkey_server.server()) as budgets:
            yield budgets
    else:
        fixtures = {"sqlite": "sqlite_database", "postgresql": "shared_postgresql_database"}
        where = request.getfixturevalue(fixtures[name])
        transactions = open_transactions(Path(where) if name == "sqlite" else where)
        try:
            yield StoredBudgets(transactions)
        finally:
            transactions.close()
