"""Budgets with many sessions and processes at once, and with processes that die: no overshoot, and nothing forgotten.

What was answered is counted, whatever happens next; what was not answered may be.
"""

import asyncio
import math
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
import valkey_server
from budget_backends import require_valkey, valkey_budgets
from child_processes import Reserving, T, one_of

from policy.budgets import Budgets
from policy.budgets.location import server_at
from policy.budgets.stored import StoredBudgets
from policy.budgets.valkey import ValkeyBudgets
from policy.engine.budget import Distinct, Take, Window
from policy.store.database import Location
from policy.store.transactions import open_transactions

WINDOW = Window(10, 60.0)


def counted(budgets: Budgets) -> list[int]:
    return [window for held in budgets.peek(one_of(1).charges, T).before for window in held]


def in_own_session(database: Location, change: Callable[[StoredBudgets], int]) -> int:
    """One transaction of another session, as another process would have it."""

    async def commit() -> int:
        transactions = open_transactions(database)
        try:
            (value,) = await transactions.commit([partial(change, StoredBudgets(transactions))])
            return int(value)
        finally:
            transactions.close()

    return asyncio.run(commit())


def raced(database: Location, sessions: int, reserve: Callable[[StoredBudgets, int], int]) -> int:
    """What all sessions together took, each of them in a transaction of its own and all at once."""
    start = Barrier(sessions)

    def race(number: int) -> int:
        start.wait()
        return in_own_session(database, lambda own: reserve(own, number))

    with ThreadPoolExecutor(sessions) as racers:
        return sum(racers.map(race, range(sessions)))


def test_fifty_sessions_never_overshoot(database: Location) -> None:
    """Fifty of them race for the last seven places: seven get one, whoever they are."""
    assert in_own_session(database, lambda own: own.reserve("before", one_of(10, 3), T).fits)
    assert raced(database, 50, lambda own, number: own.reserve(f"racer-{number}", one_of(10), T).fits) == 7
    assert in_own_session(database, lambda own: counted(own) == [10] * 4)


def test_sessions_of_different_cost_never_overshoot(database: Location) -> None:
    """What was taken is the sum of those that were told yes, and it is within the limit."""

    def reserve(own: StoredBudgets, number: int) -> int:
        cost = number % 4 + 1
        return cost if own.reserve(f"racer-{number}", one_of(20, cost), T).fits else 0

    taken = raced(database, 50, reserve)
    assert in_own_session(database, lambda own: counted(own) == [taken] * 4)
    assert 17 <= taken <= 20  # the dearest is 4, so at most 3 places can stay empty


async def test_fifty_clients_of_one_server_never_overshoot() -> None:
    """The same over the network, with a connection for each."""
    require_valkey()
    valkey_server.server().order("FLUSHALL")
    clients = [ValkeyBudgets(server_at(f"unix://{valkey_server.server().socket}")) for _ in range(50)]
    assert (await clients[0].reserve("before", one_of(10, 3), T)).fits
    answers = await asyncio.gather(
        *[client.reserve(f"racer-{number}", one_of(10), T) for number, client in enumerate(clients)]
    )
    assert sum(answer.fits for answer in answers) == 7
    assert (await clients[0].peek(one_of(1).charges, T)).before == ((10, 10), (10, 10))
    for client in clients:
        await client.close()


def test_a_restart_forgets_nothing(database: Location) -> None:
    """Open and ended reservations are counted by the next process, and it can end those that are open."""

    def before(old: StoredBudgets) -> int:
        assert old.reserve("committed", one_of(5, 2), T).fits
        assert old.reserve("open", Take((*one_of(5, 3).charges, Distinct("new", "new:ada", (1, 2), (WINDOW,)))), T).fits
        return old.commit("committed", T)

    def afterwards(new: StoredBudgets) -> int:
        assert counted(new) == [5] * 4
        assert not new.reserve("another", one_of(5), T).fits
        assert not new.release("committed", T)
        assert new.release("open", T)
        assert new.peek((Distinct("new", "new:ada", (1,), (WINDOW,)),), T).before == ((0,),)
        return counted(new) == [2] * 4

    assert in_own_session(database, before)
    assert in_own_session(database, afterwards)


@pytest.fixture(params=["sqlite", "postgresql", "valkey"])
def shared(request: pytest.FixtureRequest) -> Iterator[tuple[Location | str, Callable[[], list[int]]]]:
    """A back end that several processes share: where it is, and what is counted there."""
    if request.param == "valkey":
        require_valkey()
        valkey_server.server().order("FLUSHALL")
        with valkey_budgets(valkey_server.server()) as budgets:
            yield f"unix://{valkey_server.server().socket}", lambda: counted(budgets)
        return
    fixtures = {"sqlite": "sqlite_database", "postgresql": "shared_postgresql_database"}
    where = request.getfixturevalue(fixtures[request.param])
    transactions = open_transactions(where)
    yield where, lambda: counted(StoredBudgets(transactions))
    transactions.close()


def test_two_processes_never_overshoot(shared: tuple[Location | str, Callable[[], list[int]]]) -> None:
    """Both reserve until they are told no; together they have exactly the limit."""
    where, what_is_counted = shared
    both = [Reserving(where, name, 100) for name in ("one", "two")]
    assert sum([one.heard(math.inf) for one in both]) == 100
    assert what_is_counted() == [100] * 4
    assert [one.process.exitcode for one in both] == [0, 0]


def test_what_was_answered_survives_kill_9(shared: tuple[Location | str, Callable[[], list[int]]]) -> None:
    """Killed at any point, again and again: each answer is counted, and of each process at most one that was none."""
    where, what_is_counted = shared
    chance = random.Random(1)  # noqa: S311 - no secret
    known, most = 0, 20
    for number in range(most):
        one = Reserving(where, str(number), 10**6)
        known += one.heard(chance.randrange(1, 12))
        one.process.kill()
        known += one.heard(math.inf)
    counts = what_is_counted()
    assert len(set(counts)) == 1, "the two charges of a reservation are one step"
    assert known <= counts[0] <= known + most
