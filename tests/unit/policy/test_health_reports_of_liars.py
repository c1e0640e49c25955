"""Parts may have been broken into: what they say of themselves has bounds, and costs nobody else the report."""

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from test_health_reports import NOW, Agent, Dovecot, neighbours

from policy.condition import STORE_AWAY, STORE_FULL, Condition
from policy.geo.atlas import Atlas
from policy.neighbours import Neighbours, sessions_of
from policy.queue_contract import QueueName, Statistics
from policy.reporting import Means, Reporting
from policy.store.health_reports import HealthNotes, Service, health_reports
from policy.store.transactions import SqliteTransactions, Transactions, open_transactions
from policy.store.writer import Writer
from service.ailments import Ailment
from service.health import Health, read
from service.steadiness import LASTING_S

ROWS = [
    b'[["doveadmResponse",[{"connections":Infinity}],"who"]]',
    b'[["doveadmResponse",[{"connections":"' + b"9" * 400 + b'"}],"who"]]',
    b"[" * 100_000,
]
NUMBERS: list[dict[str, object]] = [
    {"messages": {QueueName.HOLD: 10**400}},
    {"octets": 10**400},
    {"unreported": 10**400},
    {"oldest_at": -1e308},
    {"oldest_at": float("nan")},
]


@dataclass
class Liar(Agent):
    """Its numbers are none."""

    numbers: dict[str, object] | None = None

    async def statistics(self, *, timeout_s: float = 60.0) -> Statistics:
        return (await super().statistics(timeout_s=timeout_s)).model_copy(update=self.numbers)


class Broken(Dovecot):
    """What it answers breaks what reads it."""

    async def sessions(self) -> int | None:
        raise RecursionError


def reporting(others: Neighbours, statements: Transactions) -> Reporting:
    async def fine() -> None:
        """The store answers."""

    condition = Condition(
        ask_store=fine, ask_budgets=None, policy_file_fault=lambda: 0, atlas=Atlas(None, None), away=others.away
    )
    return Reporting(
        Means(
            instance="p1",
            condition=condition,
            neighbours=others,
            notes=HealthNotes(statements),
            writer=Writer(statements, patience_s=0),
            clock=lambda: NOW,
            ticks=lambda: 0.0,
        )
    )


@pytest.mark.parametrize("answer", ROWS)
def test_what_breaks_numbers_is_no_answer(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are nobody's business
        sessions_of(answer)


def test_health_nested_without_end_is_no_answer() -> None:
    with pytest.raises(ValueError, match="not a health answer"):
        read(b"[" * 100_000)


@pytest.mark.parametrize("numbers", NUMBERS)
async def test_a_liar_costs_nobody_else_the_report(
    numbers: dict[str, object], engine: Engine, statements: Transactions
) -> None:
    await reporting(neighbours(Liar(Health(), numbers=numbers), Broken(1)), statements).round()
    said = {one.service: one.faults for one in health_reports(engine)}
    unreadable = ("its answer cannot be read",)
    assert said == {Service.POLICY: (), Service.QUEUE_AGENT: unreadable, Service.DOVECOT: unreadable}


async def test_sentences_have_an_end_and_do_nothing(engine: Engine, statements: Transactions) -> None:
    health = Health(faults=("\x1b[2J" + "x" * 10_000,) * 100)
    await reporting(neighbours(Agent(health), None), statements).round()
    (agent,) = [one for one in health_reports(engine) if one.service is Service.QUEUE_AGENT]
    assert len(agent.faults) == 20
    assert {(one[:9], len(one)) for one in agent.faults} == {("\\u001b[2J", 400)}


async def test_a_full_disk_is_a_fault(sqlite_database: Path) -> None:
    """The store still answers questions then. With room again policy is well with the next round."""
    statements = open_transactions(sqlite_database)
    assert isinstance(statements, SqliteTransactions)
    one = reporting(neighbours(Agent(Health(warnings=("x" * 400,) * 20)), None), statements)
    connection = statements._connection
    condition, ticks = one._means.condition, [0.0]
    condition.steadiness.ticks = lambda: ticks[0]
    assert (await condition.look()).is_ready
    connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await one.round()
    assert STORE_FULL in (await condition.look()).warnings, "once is no fault yet"
    ticks[0] = LASTING_S
    assert (await condition.look()).faults == (STORE_FULL,)
    connection.execute("PRAGMA max_page_count = 1000000")
    await one.round()
    assert (await condition.look()).faults == ()
    statements.close()


async def test_a_slow_disk_is_told(statements: Transactions) -> None:
    """It answers, and takes what it is given: but clients wait for it, and are put off."""
    one = reporting(neighbours(None, None), statements)
    ticks = iter((0.0, 0.0, 0.0, 10.0, 13.4, 20.0, 20.0, 20.0, 30.0, 31.9))
    one._means = replace(one._means, ticks=lambda: next(ticks))
    await one.round()
    assert (await one._means.condition.look()).warnings == (Ailment.STORE_SLOW.of(seconds=3),)
    await one.round()
    assert (await one._means.condition.look()).warnings == ()


async def test_a_store_that_is_away_is_one_fault(statements: Transactions) -> None:
    """And none any more as soon as it answers."""
    one = reporting(neighbours(None, None), statements)
    condition = one._means.condition
    fine = condition.ask_store

    async def away() -> None:
        raise ConnectionRefusedError

    def refused() -> None:
        raise ConnectionRefusedError

    condition.ask_store = away
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HealthNotes, "put", lambda _, __: refused())
        with pytest.raises(ConnectionRefusedError):
            await one.round()
    assert (await condition.look()).faults == (STORE_AWAY,)
    condition.ask_store = fine
    assert (await condition.look()).faults == ()
