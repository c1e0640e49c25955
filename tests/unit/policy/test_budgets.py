"""Budgets on real databases: exact windows, all or nothing, no overshoot in parallel, no loss by a restart."""

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.budgets.stored import StoredBudgets
from policy.engine.charges import Charge, Window
from policy.store.database import Location, kept_connection, open_database
from policy.store.statements import prepared
from policy.store.transactions import SqliteTransactions, Transactions, open_transactions

MINUTE, HOUR = Window(5, 60.0), Window(8, 3600.0)
BOTH = (MINUTE, HOUR)
T = 1_000_000.0  # any moment
COUNT = prepared("SELECT count(*) FROM charge")


@pytest.fixture
def budgets(statements: Transactions) -> StoredBudgets:
    """Nothing is spent yet. Each statement is a transaction of its own, as long as a test begins none."""
    return StoredBudgets(statements)


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


def charge(cost: int, windows: tuple[Window, ...] = BOTH, key: str = "recipients:ada") -> Charge:
    """A charge on the budget that most tests are about."""
    return Charge(key, cost, windows)


ROOM = [
    # what it shows, (moment, cost) of the charges before, moment, cost, fits, counted afterwards
    ("empty budget", [], T, 1, True, [1, 1]),
    ("the whole limit at once", [], T, 5, True, [5, 5]),
    ("more than the limit", [], T, 6, False, [0, 0]),
    ("the last place", [(T, 4)], T, 1, True, [5, 5]),
    ("full", [(T, 5)], T, 1, False, [5, 5]),
    ("all of a message or nothing", [(T, 4)], T, 2, False, [4, 4]),
    ("just inside the window", [(T, 5)], T + 59.999, 1, False, [5, 5]),
    ("the window ends exactly now", [(T, 5)], T + 60, 1, True, [1, 6]),
    ("the shorter window has room, the longer has none", [(T, 5), (T + 60, 3)], T + 120, 1, False, [0, 8]),
    ("the longer window ends exactly now", [(T, 5), (T + 60, 3)], T + 3600, 1, True, [1, 4]),
    ("a window slides, it does not start over", [(T, 3), (T + 30, 2)], T + 60, 4, False, [2, 5]),
    ("what has left a window makes room", [(T, 3), (T + 30, 2)], T + 60, 3, True, [5, 8]),
]


@pytest.mark.parametrize(("before", "now", "cost", "fits", "counted"), [c[1:] for c in ROOM], ids=[c[0] for c in ROOM])
def test_reserve(
    budgets: StoredBudgets, before: list[tuple[float, int]], now: float, cost: int, fits: bool, counted: list[int]
) -> None:
    """Either every window has room for all of the charge, or nothing is taken."""
    for number, (moment, earlier) in enumerate(before):
        assert budgets.reserve(f"before-{number}", charge(earlier), moment)
    assert budgets.reserve("this", charge(cost), now) is fits
    assert budgets.spent(charge(cost), now) == counted


def test_budgets_do_not_mix(budgets: StoredBudgets) -> None:
    """What one identity has spent is no other's loss."""
    assert budgets.reserve("a", charge(5, key="recipients:ada"), T)
    assert budgets.reserve("b", charge(5, key="recipients:bob"), T)
    assert not budgets.reserve("c", charge(1, key="recipients:ada"), T)


ENDS = [
    # what it shows, the calls after reserving 5 of 5, what each returns, counted afterwards
    ("an open reservation counts", [], [], 5),
    ("release gives back", ["release"], [True], 0),
    ("commit keeps", ["commit"], [True], 5),
    ("release after commit does nothing", ["commit", "release"], [True, False], 5),
    ("commit after release does nothing", ["release", "commit"], [True, False], 0),
    ("the second commit does nothing", ["commit", "commit"], [True, False], 5),
    ("the second release does nothing", ["release", "release"], [True, False], 0),
]


@pytest.mark.parametrize(("calls", "returned", "counted"), [c[1:] for c in ENDS], ids=[c[0] for c in ENDS])
def test_the_end_of_a_reservation(budgets: StoredBudgets, calls: list[str], returned: list[bool], counted: int) -> None:
    """A reservation ends once, and only a release gives back."""
    assert budgets.reserve("one", charge(5), T)
    assert [getattr(budgets, call)("one") for call in calls] == returned
    assert budgets.spent(charge(5), T) == [counted, counted]


@pytest.mark.parametrize("call", ["commit", "release"])
def test_an_unknown_reservation_ends_nothing(budgets: StoredBudgets, call: str) -> None:
    """A report for a reservation that nobody made says so and changes nothing."""
    assert budgets.reserve("one", charge(2), T)
    assert getattr(budgets, call)("another") is False
    assert budgets.spent(charge(2), T) == [2, 2]


def test_a_refused_charge_leaves_no_reservation(budgets: StoredBudgets) -> None:
    """There is nothing to commit or to give back."""
    assert not budgets.reserve("refused", charge(6), T)
    assert not budgets.release("refused")
    assert not budgets.commit("refused")


def test_the_log_of_charges_is_bounded(statements: Transactions, budgets: StoredBudgets) -> None:
    """What has left the longest window is deleted as new charges come."""
    for number in range(20):
        assert budgets.reserve(str(number), charge(5), T + 3600.0 * number)
    assert statements.execute(COUNT, {}).fetchall() == [(1,)]


def test_what_a_busy_day_has_left_is_deleted_in_steps(statements: Transactions, budgets: StoredBudgets) -> None:
    """One charge must not wait until a hundred thousand old ones are gone."""
    windows = (Window(1000, 60.0),)
    for number in range(100):
        assert budgets.reserve(f"old-{number}", charge(1, windows), T)
    left = []
    for number in range(8):
        assert budgets.reserve(f"new-{number}", charge(1, windows), T + 60)
        left.append(statements.execute(COUNT, {}).fetchall()[0][0])
    assert left == [81, 62, 43, 24, 5, 6, 7, 8]


def test_a_reservation_takes_the_same_steps_whatever_was_spent(sqlite_database: Path) -> None:
    """Counted in SQLite's own instructions: a sum over all charges would grow with them."""
    connection = kept_connection(open_database(sqlite_database))
    transactions = SqliteTransactions(connection)
    budgets = StoredBudgets(transactions)
    windows = tuple(Window(10**6, seconds) for seconds in (600.0, 3600.0, 86400.0))
    steps, seen = 0, dict[int, int]()

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    for number in range(2001):
        steps = 0
        connection.set_progress_handler(step if number in (20, 1000, 2000) else None, 1)
        assert budgets.reserve(f"r-{number}", charge(1, windows), T + number)
        seen[number] = steps
    transactions.close()
    assert 0 < seen[2000] == seen[1000] == seen[20] < 500


CLOCKS = [
    # what it shows, moments of five charges of 1, moment, counted afterwards in a minute and in an hour
    ("the clock of another process is behind", [T, T + 5, T + 4, T + 5, T + 4.5], T + 64.9, [4, 5]),
    ("and what it charged leaves with the newest before it", [T, T + 5, T + 4, T + 5, T + 4.5], T + 65, [0, 5]),
    ("the clock was set back: nothing is forgotten", [T, T + 5, T - 7200, T - 7190, T - 7190], T - 7190, [5, 5]),
    ("and nothing counts longer than its window", [T, T + 5, T - 7200, T - 7190, T - 7190], T - 7140, [2, 5]),
    ("the clock was a day ahead: what seemed old is gone", [T, T + 86400, T + 1, T + 2, T + 3], T + 3, [4, 4]),
    ("and the rest counts as if made now", [T, T + 86400, T + 1, T + 2, T + 3], T + 3601, [0, 2]),
]


@pytest.mark.parametrize(("moments", "now", "counted"), [c[1:] for c in CLOCKS], ids=[c[0] for c in CLOCKS])
def test_a_clock_that_goes_back(budgets: StoredBudgets, moments: list[float], now: float, counted: list[int]) -> None:
    """Two processes differ a little and nothing is lost; a clock that was wrong locks nobody out for good."""
    for number, moment in enumerate(moments):
        assert budgets.reserve(str(number), charge(1), moment)
    assert budgets.spent(charge(1), now) == counted


@dataclass
class Reference:
    """The same promises in the simplest words: a list, counted anew each time."""

    windows: tuple[Window, ...]
    charges: dict[str, tuple[float, int]] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def spent(self, now: float) -> list[int]:
        return [sum(cost for at, cost in self.charges.values() if now - at < window.seconds) for window in self.windows]

    def reserve(self, reservation: str, cost: int, now: float) -> bool:
        if any(spent + cost > w.limit for spent, w in zip(self.spent(now), self.windows, strict=True)):
            return False
        self.charges[reservation] = (now, cost)
        self.open.add(reservation)
        return True

    def end(self, reservation: str, give_back: bool) -> bool:
        known = reservation in self.open
        self.open.discard(reservation)
        if known and give_back:
            del self.charges[reservation]
        return known


steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(1, 6)),
        st.tuples(st.sampled_from(["commit", "release"]), st.integers(0, 15)),
        st.tuples(st.just("wait"), st.integers(0, 40)),
    ),
    max_size=40,
)
some_windows = st.lists(
    st.builds(Window, st.integers(1, 12), st.integers(1, 60).map(float)), min_size=1, max_size=3
).map(tuple)
numbers = itertools.count()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, windows=some_windows)
def test_any_steps_agree_with_the_reference(
    budgets: StoredBudgets, steps: list[tuple[str, int]], windows: tuple[Window, ...]
) -> None:
    """For any order of reserve, commit, release and time the answers and the sums are the reference's."""
    example = next(numbers)  # each example has a budget of its own, in one file
    reference, now, made = Reference(windows), T, list[tuple[str, float]]()
    longest = max(window.seconds for window in windows)
    for what, number in steps:
        wanted = Charge(f"example:{example}", number, windows)
        if what == "wait":
            now += number
        elif what == "reserve":
            name = f"{example}:{len(made)}"
            assert budgets.reserve(name, wanted, now) == reference.reserve(name, number, now)
            made.append((name, now))
        elif made:
            name, at = made[number % len(made)]
            known = getattr(budgets, what)(name)
            # What is older than every window may be forgotten already; either answer is right, the sums are the same.
            assert known == reference.end(name, give_back=what == "release") or now - at >= longest
        assert budgets.spent(wanted, now) == reference.spent(now)
        assert all(spent <= window.limit for spent, window in zip(reference.spent(now), windows, strict=True))


def raced(database: Location, sessions: int, reserve: Callable[[StoredBudgets, int], int]) -> int:
    """What all sessions together took, each of them in a transaction of its own and all at once."""
    start = Barrier(sessions)

    def race(number: int) -> int:
        start.wait()
        return in_own_session(database, lambda own: reserve(own, number))

    with ThreadPoolExecutor(sessions) as racers:
        return sum(racers.map(race, range(sessions)))


def test_fifty_sessions_never_overshoot(database: Location, budgets: StoredBudgets) -> None:
    """Fifty of them race for the last seven places: seven get one, whoever they are."""
    wanted = charge(1, (Window(10, 60.0),))
    assert budgets.reserve("before", charge(3, wanted.windows), T)
    assert raced(database, 50, lambda own, number: own.reserve(f"racer-{number}", wanted, T)) == 7
    assert budgets.spent(wanted, T) == [10]


def test_sessions_of_different_cost_never_overshoot(database: Location, budgets: StoredBudgets) -> None:
    """What was taken is the sum of those that were told yes, and it is within the limit."""
    windows = (Window(20, 60.0), Window(30, 3600.0))

    def reserve(own: StoredBudgets, number: int) -> int:
        cost = number % 4 + 1
        return cost if own.reserve(f"racer-{number}", charge(cost, windows), T) else 0

    taken = raced(database, 50, reserve)
    assert budgets.spent(charge(1, windows), T) == [taken, taken]
    assert 17 <= taken <= 20  # the dearest is 4, so at most 3 places can stay empty


def test_a_restart_forgets_nothing(database: Location) -> None:
    """Open and ended reservations are counted by the next process, and it can end those that are open."""

    def before(old: StoredBudgets) -> int:
        assert old.reserve("committed", charge(2), T)
        assert old.reserve("open", charge(3), T)
        return old.commit("committed")

    def afterwards(new: StoredBudgets) -> int:
        assert new.spent(charge(1), T) == [5, 5]
        assert not new.reserve("another", charge(1), T)
        assert not new.release("committed")
        assert new.release("open")
        return new.spent(charge(1), T) == [2, 2]

    assert in_own_session(database, before)
    assert in_own_session(database, afterwards)
