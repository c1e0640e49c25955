"""Counts and records together, on either kind of ledger: what was decided is counted and written, or neither."""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import valkey_server
from budget_backends import require_valkey

from policy.budgets.location import server_at
from policy.budgets.stored import StoredBudgets
from policy.budgets.valkey import BudgetsAway, ValkeyBudgets
from policy.engine.budget import Sum, Take, Taken, Window
from policy.ledger import Ledger, RemoteLedger, StoredLedger
from policy.store.transactions import open_transactions
from policy.store.writer import Writer

T = 1_000_000.0  # any moment
LIMIT = 3


@pytest.fixture(params=["in the database", "elsewhere"])
async def ledger(request: pytest.FixtureRequest, sqlite_database: Path) -> AsyncIterator[Ledger]:
    transactions = open_transactions(sqlite_database)
    writer = Writer(transactions, patience_s=0)
    one: Ledger = StoredLedger(StoredBudgets(transactions), writer)
    if request.param == "elsewhere":
        require_valkey()
        valkey_server.server().order("FLUSHALL")
        one = RemoteLedger(ValkeyBudgets(server_at(f"unix://{valkey_server.server().socket}")), writer)
    yield one
    await one.close()
    await writer.close()


def asking() -> Generator[Take, Taken, str]:
    """One recipient, if there is room."""
    taken = yield Take((Sum("recipients", "recipients:ada", 1, (Window(LIMIT, 60.0),)),))
    return "accept" if taken.fits else "defer"


async def test_what_is_decided_is_counted_and_written(ledger: Ledger) -> None:
    """One record for each decision, whatever it was, and no more accepted than the limit."""
    written = list[str]()
    for number in range(LIMIT + 1):
        decision = await ledger.settle(asking, f"r-{number}", T, written.append)
        assert decision == written[-1]
    assert written == ["accept"] * LIMIT + ["defer"]


async def test_what_is_foreseen_is_neither(ledger: Ledger) -> None:
    """The answer is the one that would be given, as often as it is asked."""
    assert [await ledger.foresee(asking, T) for _ in range(LIMIT + 1)] == ["accept"] * (LIMIT + 1)
    for number in range(LIMIT):
        await ledger.settle(asking, f"r-{number}", T, lambda _decision: None)
    assert await ledger.foresee(asking, T) == "defer"


async def test_the_end_of_reservations(ledger: Ledger) -> None:
    """What is released can be taken again; who reports twice, or what nobody reserved, hears so."""
    for number in range(LIMIT):
        await ledger.settle(asking, f"r-{number}", T, lambda _decision: None)
    told = list[list[bool]]()
    ends = [("r-0", True), ("r-1", False), ("r-1", True), ("r-9", True)]
    assert await ledger.end(ends, T, told.append) == [True, True, False, False]
    assert told == [[True, True, False, False]]
    assert await ledger.settle(asking, "again", T, lambda _decision: None) == "accept"
    assert await ledger.settle(asking, "once more", T, lambda _decision: None) == "defer"


async def test_many_reports_at_once(ledger: Ledger) -> None:
    """Each has its own answer, in the order in which they came; of two reports on one reservation the first counts."""
    for number in range(LIMIT):
        await ledger.settle(asking, f"r-{number}", T, lambda _decision: None)
    ends = [("r-1", False), ("nobody's", False), ("r-2", True), ("r-0", False), ("r-1", False)]
    assert await ledger.end(ends, T, lambda _known: None) == [True, False, True, True, False]
    assert await ledger.end([("r-0", True), ("r-2", False)], T, lambda _known: None) == [False, False]


async def test_counts_that_are_away_decide_nothing(tmp_path: Path, sqlite_database: Path) -> None:
    """No decision, no record: the asker hears "not now"."""
    writer = Writer(open_transactions(sqlite_database))
    ledger = RemoteLedger(ValkeyBudgets(server_at(f"unix://{tmp_path}/nobody")), writer)
    written = list[str]()
    with pytest.raises(BudgetsAway):
        await ledger.settle(asking, "r", T, written.append)
    with pytest.raises(BudgetsAway):
        await ledger.end([("r", True)], T, lambda _known: written.append("ended"))
    assert written == []
    await ledger.close()
    await writer.close()
