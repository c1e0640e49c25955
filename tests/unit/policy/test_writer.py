"""Group commit: one transaction for all that wait, each asker answered after it, and nothing lost where one fails."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from policy.budgets.stored import StoredBudgets
from policy.engine.budget import Sum, Take, Window
from policy.store import transactions as module
from policy.store.database import Location
from policy.store.reader import Values
from policy.store.statements import Prepared, prepared
from policy.store.transactions import (
    Answer,
    NotBegun,
    PostgresqlTransactions,
    SqliteTransactions,
    Transactions,
    open_transactions,
)
from policy.store.writer import Writer

T = 1_000_000.0  # any moment
WANTED = Take((Sum("recipients", "recipients:ada", 1, (Window(7, 60.0),)),))
ADD = prepared("INSERT INTO identity (name, created_at) VALUES (:name, 0)")
NOT_UNIQUE = (sqlite3.IntegrityError, psycopg.IntegrityError)


class Watched:
    """Real transactions that tell what is done on them."""

    def __init__(self, real: Transactions) -> None:
        self.real = real
        self.seen: list[str] = []

    @property
    def is_lost(self) -> bool:
        return self.real.is_lost

    def execute(self, statement: Prepared, values: Values) -> Answer:
        self.seen.append(str(values["name"]))
        return self.real.execute(statement, values)

    async def commit(self, changes: Sequence[Callable[[], Any]]) -> list[Any]:
        self.seen.append("BEGIN")
        values = await self.real.commit(changes)
        self.seen.append("COMMIT")
        return values

    def close(self) -> None:
        self.real.close()


@pytest.fixture
def writing(database: Location) -> Watched:
    """The transactions of the writer, which closes them."""
    return Watched(open_transactions(database))


@pytest.fixture
async def writer(writing: Watched) -> AsyncIterator[Writer]:
    """At rest."""
    made = Writer(writing, patience_s=3600)
    yield made
    await made.close()


@pytest.fixture
def add(writing: Watched) -> Callable[[str], Callable[[], str]]:
    """A change that adds an identity, which fails where the name is there already; its value is the name."""

    def change(name: str) -> Callable[[], str]:
        def run() -> str:
            writing.execute(ADD, {"name": name})
            return name

        return run

    return change


def order(transactions: Transactions, *, sqlite: str, postgresql: str) -> None:
    """A word to the connection itself."""
    if isinstance(transactions, SqliteTransactions):
        transactions._connection.execute(sqlite)
    else:
        assert isinstance(transactions, PostgresqlTransactions)
        transactions._connected().execute(postgresql)


def names(engine: Engine) -> list[str]:
    """What another connection sees."""
    with engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT name FROM identity ORDER BY name").scalars())


async def test_who_is_answered_is_on_disk(writer: Writer, engine: Engine, add: Any) -> None:
    """And the answer is what the change returned."""
    assert await writer.make(add("ada")) == "ada"
    assert names(engine) == ["ada"]


async def test_all_that_wait_are_one_transaction(writer: Writer, writing: Watched, add: Any) -> None:
    """Fifty changes wait for the disk once, in the order in which they came."""
    expected = [f"n{number}" for number in range(50)]
    assert await asyncio.gather(*[writer.make(add(name)) for name in expected]) == expected
    assert writing.seen == ["BEGIN", *expected, "COMMIT"]


async def test_what_is_not_urgent_goes_with_what_is(writer: Writer, writing: Watched, engine: Engine, add: Any) -> None:
    """A report on one message is on disk with the reservation of the next one, in one commit."""
    report = asyncio.ensure_future(writer.make(add("report"), is_urgent=False))
    writer.make_later(add("use"))
    await asyncio.sleep(0)
    assert writing.seen == []
    assert await writer.make(add("message")) == "message"
    assert await report == "report"
    assert names(engine) == ["message", "report", "use"]
    assert writing.seen.count("COMMIT") == 1


async def test_patience_ends(writing: Watched, engine: Engine, add: Any) -> None:
    """Where nothing urgent comes it is made all the same."""
    writer = Writer(writing, patience_s=0)
    for name in ("ada", "bob"):
        assert await writer.make(add(name), is_urgent=False) == name
    assert names(engine) == ["ada", "bob"]
    await writer.close()


async def test_what_comes_during_a_commit_is_the_next_one(writer: Writer, engine: Engine, add: Any) -> None:
    """Nothing waits for two commits, and nothing is forgotten when the writer comes to rest."""
    for number in range(20):
        first = asyncio.ensure_future(writer.make(add(f"a{number}")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await writer.make(add(f"b{number}")) == f"b{number}"
        assert await first == f"a{number}"
    assert len(names(engine)) == 40


async def test_one_that_fails_fails_alone(writer: Writer, engine: Engine, add: Any) -> None:
    """The others of its batch are made, and each asker hears about its own."""
    await writer.make(add("there"))
    asked = [writer.make(add(name)) for name in ("ada", "there", "bob")]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [answers[0], answers[2]] == ["ada", "bob"]
    assert isinstance(answers[1], NOT_UNIQUE)
    assert names(engine) == ["ada", "bob", "there"]
    assert await writer.make(add("later")) == "later"


async def test_one_that_nobody_waits_for_is_logged_when_it_fails(writer: Writer, engine: Engine, add: Any) -> None:
    """By class and place; nobody else hears of it."""
    with capture_logs() as events:
        writer.make_later(add("ada"))
        writer.make_later(add("ada"))
        await writer.make(add("bob"))
        await asyncio.sleep(0)
    assert names(engine) == ["ada", "bob"]
    (event,) = events
    assert event["event"] == "question-failed"
    assert event["error"] in ("IntegrityError", "UniqueViolation")


async def test_an_asker_that_has_gone_disturbs_nobody(writer: Writer, engine: Engine, add: Any) -> None:
    """What it asked for is made: a reservation may already have been seen by those behind it."""
    gone = asyncio.ensure_future(writer.make(add("ada")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await writer.make(add("bob")) == "bob"
    assert names(engine) == ["ada", "bob"]


async def test_closing_makes_what_waits(writing: Watched, engine: Engine, add: Any) -> None:
    """An orderly end loses nothing that was asked for."""
    writer = Writer(writing, patience_s=3600)
    writer.make_later(add("ada"))
    await writer.close()
    assert names(engine) == ["ada"]


async def test_it_waits_for_another_process_without_stopping_the_loop(writer: Writer, engine: Engine, add: Any) -> None:
    """A command holds the write lock; other questions are answered meanwhile."""
    with engine.begin():
        made = asyncio.ensure_future(writer.make(add("ada")))
        await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)  # the loop turns
        assert not made.done()
    assert await made == "ada"


async def test_a_disk_that_fails_is_told_and_forgotten(
    writer: Writer, writing: Watched, engine: Engine, add: Any
) -> None:
    """Those who waited hear of it, and the next ones are served as soon as it is back."""
    order(writing.real, sqlite="PRAGMA query_only = ON", postgresql="SET default_transaction_read_only = on")
    answers = await asyncio.gather(*[writer.make(add(name)) for name in ("ada", "eve")], return_exceptions=True)
    assert [isinstance(one, sqlite3.OperationalError | psycopg.Error) for one in answers] == [True, True]
    order(writing.real, sqlite="PRAGMA query_only = OFF", postgresql="SET default_transaction_read_only = off")
    assert await writer.make(add("bob")) == "bob"
    assert names(engine) == ["bob"]


async def test_it_does_not_wait_for_ever(
    writer: Writer, writing: Watched, engine: Engine, add: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that wait hear "not now" at once, and nothing is done later behind their backs."""
    monkeypatch.setattr(module, "_LOCK_TRIES", 2)
    order(writing.real, sqlite="SELECT 1", postgresql="SET lock_timeout = '20ms'")
    with engine.begin():
        answers = await asyncio.gather(*[writer.make(add(name)) for name in ("ada", "eve")], return_exceptions=True)
    assert [type(one) for one in answers] == [NotBegun, NotBegun]
    assert names(engine) == []
    assert await writer.make(add("bob")) == "bob"


async def test_sessions_in_parallel_never_overshoot(statements: Transactions) -> None:
    """Fifty reservations in one commit: each sees those before it."""
    writer, budgets = Writer(statements), StoredBudgets(statements)
    asked = [writer.make(partial(budgets.reserve, f"r{number}", WANTED, T)) for number in range(50)]
    assert [taken.fits for taken in await asyncio.gather(*asked)] == [True] * 7 + [False] * 43


async def test_two_processes_never_overshoot(database: Location) -> None:
    """Two writers on one database, as two policies have them: the limit is one."""
    both = [open_transactions(database) for _ in range(2)]
    writers = [Writer(one) for one in both]
    budgets = [StoredBudgets(one) for one in both]

    async def race(number: int) -> bool:
        own = budgets[number % 2]
        return (await writers[number % 2].make(partial(own.reserve, f"r{number}", WANTED, T))).fits

    taken = [await asyncio.gather(*[race(4 * turn + one) for one in range(4)]) for turn in range(10)]
    assert sum(map(sum, taken)) == 7
    for one in writers:
        await one.close()
