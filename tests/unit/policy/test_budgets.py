"""Budgets, the same promises on every back end: exact windows, all or nothing, given back exactly, bounded."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkey_server
from budget_backends import BACK_ENDS, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.budgets import Budgets
from policy.budgets.driving import run_here, run_there
from policy.budgets.memory import MemoryBudgets
from policy.budgets.stored import LONGEST_WINDOW_S, StoredBudgets
from policy.engine.budget import MEMBERS_KEPT, RESERVATION_LIFE_S, Charge, Distinct, Sum, Take, Taken, Window
from policy.store.database import kept_connection, open_database
from policy.store.statements import prepared
from policy.store.transactions import SqliteTransactions, Transactions

MINUTE, HOUR = Window(5, 60.0), Window(8, 3600.0)
BOTH = (MINUTE, HOUR)
T = 1_000_000.0  # any moment
CHARGES = prepared("SELECT count(*) FROM charge")
MEMBERS = prepared("SELECT count(*) FROM member")


@pytest.fixture(params=BACK_ENDS)
def budgets(request: pytest.FixtureRequest) -> Iterator[Budgets]:
    """Nothing is spent yet."""
    with opened(request.param, request) as one:
        yield one


def charge(cost: int, windows: tuple[Window, ...] = BOTH, key: str = "recipients:ada", is_enforced: bool = True) -> Sum:
    """A charge on the counter that most tests are about."""
    return Sum("recipients", key, cost, windows, is_enforced)


def seen(*members: int, windows: tuple[Window, ...] = BOTH, key: str = "new:ada", is_enforced: bool = True) -> Distinct:
    """Members of the set that most tests are about."""
    return Distinct("new-recipients", key, members, windows, is_enforced)


def reserve(budgets: Budgets, reservation: str, *charges: Charge, now: float = T) -> bool:
    return budgets.reserve(reservation, Take(charges), now).fits


def held(budgets: Budgets, charge: Charge, now: float = T) -> list[int]:
    """What each window of a charge holds without it."""
    (before,) = budgets.peek((charge,), now).before
    return list(before)


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
    ("what costs nothing fits", [(T, 5)], T, 0, True, [5, 5]),
]


@pytest.mark.parametrize(("before", "now", "cost", "fits", "counted"), [c[1:] for c in ROOM], ids=[c[0] for c in ROOM])
def test_reserve(
    budgets: Budgets, before: list[tuple[float, int]], now: float, cost: int, fits: bool, counted: list[int]
) -> None:
    """Either every window has room for all of the charge, or nothing is taken."""
    for number, (moment, earlier) in enumerate(before):
        assert reserve(budgets, f"before-{number}", charge(earlier), now=moment)
    assert budgets.peek((charge(cost),), now).fits is fits
    assert reserve(budgets, "this", charge(cost), now=now) is fits
    assert held(budgets, charge(cost), now) == counted


SETS = [
    # what it shows, (moment, members) seen before, moment, members, fits, without them, with them
    ("the first ones", [], T, (1, 2), True, [0, 0], [2, 2]),
    ("one that is named twice is one", [], T, (1, 1, 1), True, [0, 0], [1, 1]),
    ("an old one costs nothing", [(T, (1, 2, 3))], T, (2, 3), True, [3, 3], [3, 3]),
    ("the limit", [(T, (1, 2, 3))], T, (4, 5), True, [3, 3], [5, 5]),
    ("one more than the limit", [(T, (1, 2, 3))], T, (4, 5, 6), False, [3, 3], [6, 6]),
    ("one that left the short window is new in it", [(T, (1, 2, 3))], T + 60, (3, 4), True, [0, 3], [2, 4]),
    ("one that was seen again stays", [(T, (1, 2)), (T + 30, (1,))], T + 60, (3,), True, [1, 2], [2, 3]),
    ("all that a mark can be", [(T, (-(2**63), 2**63 - 1))], T, (-1, 0, 2**63 - 1), True, [2, 2], [4, 4]),
]


@pytest.mark.parametrize(
    ("before", "now", "members", "fits", "without", "with_them"), [c[1:] for c in SETS], ids=[c[0] for c in SETS]
)
def test_distinct(
    budgets: Budgets,
    before: list[tuple[float, tuple[int, ...]]],
    now: float,
    members: tuple[int, ...],
    fits: bool,
    without: list[int],
    with_them: list[int],
) -> None:
    """A member counts once, for as long as it was last seen within the window."""
    for number, (moment, earlier) in enumerate(before):
        assert reserve(budgets, f"before-{number}", seen(*earlier), now=moment)
    taken = budgets.reserve("this", Take((seen(*members),)), now)
    assert taken == Taken(fits, (tuple(without),), (tuple(with_them),))
    assert held(budgets, seen(), now) == (with_them if fits else without)


def test_several_charges_are_taken_together_or_not_at_all(budgets: Budgets) -> None:
    """One that has no room keeps all the others out, whatever its place, and each tells where it stood."""
    full, roomy, members = charge(5, key="a"), charge(1, key="b"), seen(1, 2)
    assert reserve(budgets, "one", full)
    for charges in itertools.permutations((full, roomy, members)):
        taken = budgets.reserve("two", Take(charges), T)
        assert not taken.fits
        assert dict(zip(charges, taken.before, strict=True)) == {full: (5, 5), roomy: (0, 0), members: (0, 0)}
        assert dict(zip(charges, taken.after, strict=True)) == {full: (10, 10), roomy: (1, 1), members: (2, 2)}
    assert [held(budgets, one) for one in (full, roomy, members)] == [[5, 5], [0, 0], [0, 0]]


def test_what_is_taken_otherwise_is_for_good(budgets: Budgets) -> None:
    """An attempt costs what it costs, if that has room; the reservation itself can be asked for again, with less."""
    assert reserve(budgets, "before", charge(5, key="full"))
    attempt, crowded, visit = charge(1, key="attempts"), charge(1, key="full"), seen(7, key="networks")
    assert not budgets.reserve("this", Take((charge(4), crowded), (attempt, crowded, visit)), T).fits
    assert not budgets.release("this", T)
    assert budgets.reserve("this", Take((charge(2), attempt)), T).fits
    assert held(budgets, attempt) == [2, 2]
    assert budgets.release("this", T)
    assert [held(budgets, one) for one in (charge(1), attempt, crowded, visit)] == [[0, 0], [1, 1], [5, 5], [1, 1]]


def test_a_charge_that_is_not_enforced_counts_and_never_refuses(budgets: Budgets) -> None:
    """What is only watched is watched beyond its limit; once it is enforced it is over."""
    for number in range(4):
        assert reserve(budgets, str(number), charge(2, is_enforced=False), seen(number * 2, -1, is_enforced=False))
    assert held(budgets, charge(1)) == [8, 8]
    assert held(budgets, seen(9)) == [5, 5]
    assert reserve(budgets, "sixth", seen(100, is_enforced=False))
    assert not reserve(budgets, "old member of a set that is over", seen(0))


def test_budgets_do_not_mix(budgets: Budgets) -> None:
    """What one identity has spent is no other's loss, and a set is no counter."""
    assert reserve(budgets, "a", charge(5, key="recipients:ada"))
    assert reserve(budgets, "b", charge(5, key="recipients:bob"), seen(1, key="recipients:ada"))
    assert not reserve(budgets, "c", charge(1, key="recipients:ada"))


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
def test_the_end_of_a_reservation(budgets: Budgets, calls: list[str], returned: list[bool], counted: int) -> None:
    """A reservation ends once, and only a release gives back: all of its counters and its members."""
    members = seen(1, 2, 3, 4, 5)
    assert reserve(budgets, "one", charge(5), charge(5, key="messages:ada"), members)
    assert [getattr(budgets, call)("one", T) for call in calls] == returned
    assert [held(budgets, one) for one in (charge(5), charge(5, key="messages:ada"), members)] == [[counted] * 2] * 3


@pytest.mark.parametrize("call", ["commit", "release"])
def test_an_unknown_reservation_ends_nothing(budgets: Budgets, call: str) -> None:
    """A report for a reservation that nobody made says so and changes nothing."""
    assert reserve(budgets, "one", charge(2))
    assert getattr(budgets, call)("another", T) is False
    assert held(budgets, charge(2)) == [2, 2]


@pytest.mark.parametrize("call", ["commit", "release"])
def test_what_is_no_reservation_is_not_open(budgets: Budgets, call: str) -> None:
    """Refused, without any charge, or of sets alone: there is nothing to commit or to give back."""
    assert not reserve(budgets, "refused", charge(6))
    assert reserve(budgets, "empty")
    assert reserve(budgets, "free", charge(0))
    assert reserve(budgets, "sets alone", seen(1))
    for name in ("refused", "empty", "free", "sets alone"):
        assert getattr(budgets, call)(name, T) is False, name
    assert held(budgets, seen(1)) == [1, 1]


def test_release_takes_out_what_the_reservation_brought(budgets: Budgets) -> None:
    """Not what was there before, and not what somebody else has seen since: that one may have been reached."""
    assert reserve(budgets, "before", seen(1))
    assert reserve(budgets, "failed", charge(1), seen(1, 2, 3))
    assert reserve(budgets, "relayed", charge(1), seen(2), now=T + 1)
    assert budgets.release("failed", T + 1)
    assert budgets.peek((seen(1, 2, 3),), T + 1) == Taken(True, ((2, 2),), ((3, 3),))
    assert budgets.release("relayed", T + 1)
    assert held(budgets, seen(1), T + 1) == [2, 2]


def test_a_member_that_had_left_the_window_is_brought_anew(budgets: Budgets) -> None:
    """Also where its row is still there, because not every charge deletes what is old."""
    minute = (Window(5, 60.0),)
    assert reserve(budgets, "before", seen(1, windows=minute))
    assert reserve(budgets, "failed", charge(1), seen(1, windows=minute), now=T + 61)
    assert held(budgets, seen(windows=minute), T + 61) == [1]
    assert budgets.release("failed", T + 61)
    assert held(budgets, seen(windows=minute), T + 61) == [0]


def test_release_gives_back_from_the_middle(budgets: Budgets) -> None:
    """The charges before and after it stay what they were, in every window."""
    for number, moment in enumerate((T, T + 40, T + 40, T + 50)):
        assert reserve(budgets, str(number), charge(number + 1, (Window(99, 60.0), Window(99, 3600.0))), now=moment)
    assert budgets.release("1", T + 50)
    wide = charge(1, (Window(99, 5.0), Window(99, 60.0), Window(99, 3600.0)))
    assert held(budgets, wide, T + 50) == [4, 8, 8]
    assert held(budgets, wide, T + 60) == [0, 7, 8]


def test_an_old_reservation_is_not_given_back(budgets: Budgets) -> None:
    """It may have been sent; who reports an hour later is not believed."""
    day = (Window(5, 86400.0),)
    for name in ("old", "older", "just in time"):
        assert reserve(budgets, name, charge(1, day))
    assert budgets.release("just in time", T + RESERVATION_LIFE_S)
    assert not budgets.release("old", T + RESERVATION_LIFE_S + 1)
    assert not budgets.commit("older", T + RESERVATION_LIFE_S + 1)
    assert held(budgets, charge(1, day), T + RESERVATION_LIFE_S + 1) == [2]


def test_a_full_set_keeps_the_newest(budgets: Budgets) -> None:
    """Whoever is watched cannot make a set longer than its largest limit, or MEMBERS_KEPT; every limit holds."""
    half = MEMBERS_KEPT * 3 // 4
    windows = (Window(3, 60.0), Window(4, 3600.0))
    old, new = range(half), range(-half, 0)
    assert reserve(budgets, "old", seen(*old, windows=windows, is_enforced=False))
    taken = budgets.reserve("new", Take((seen(*new, windows=windows, is_enforced=False),)), T + 120)
    assert taken == Taken(True, ((0, half),), ((half, 2 * half),))
    assert held(budgets, seen(windows=windows), T + 120) == [half, MEMBERS_KEPT]
    # Those that were kept are all the new ones, and of the old ones the largest marks.
    gone = 2 * half - MEMBERS_KEPT
    (after,) = budgets.peek((seen(*new, *old[gone:], windows=windows),), T + 120).after
    assert after[1] == MEMBERS_KEPT
    (after,) = budgets.peek((seen(*old[:gone], windows=windows),), T + 120).after
    assert after[1] == MEMBERS_KEPT + gone


def test_a_set_is_as_long_as_its_largest_limit(budgets: Budgets) -> None:
    """A newsletter has more than MEMBERS_KEPT new recipients."""
    windows = (Window(10, 60.0), Window(200, 3600.0))
    for start in range(0, 250, 50):
        assert reserve(budgets, str(start), seen(*range(start, start + 50), windows=windows, is_enforced=False))
    assert held(budgets, seen(windows=windows)) == [200, 200]


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
def test_a_clock_that_goes_back(budgets: Budgets, moments: list[float], now: float, counted: list[int]) -> None:
    """Two processes differ a little and nothing is lost; a clock that was wrong locks nobody out for good."""
    for number, moment in enumerate(moments):
        assert reserve(budgets, str(number), charge(1), seen(number), now=moment)
    assert held(budgets, charge(1), now) == counted
    assert held(budgets, seen(1), now) == counted


steps = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 4), st.booleans()), min_size=1, max_size=40)
numbers = itertools.count()


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, limit=st.integers(1, 9), seconds=st.integers(1, 90))
def test_no_span_ever_holds_more_than_the_limit(
    budgets: Budgets, steps: list[tuple[float, int, bool]], limit: int, seconds: int
) -> None:
    """Whatever is asked for when, and however much of it is given back at once."""
    windows = (Window(limit, float(seconds)),)
    example, now, taken = next(numbers), T, list[tuple[float, int]]()
    for number, (gap, cost, is_released) in enumerate(steps):
        now += gap
        name = f"{example}:{number}"
        if reserve(budgets, name, charge(cost, windows, f"span:{example}"), now=now):
            if is_released:
                assert budgets.release(name, now)
            else:
                taken.append((now, cost))
    for start, _ in taken:
        assert sum(cost for at, cost in taken if start <= at < start + seconds) <= limit


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    charges=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=2, max_size=9),
    released=st.lists(st.integers(0, 8), unique=True, max_size=9),
)
def test_release_gives_back_exactly(budgets: Budgets, charges: list[tuple[int, int]], released: list[int]) -> None:
    """Whichever are given back, in whatever order: every window holds the others, and nothing else."""
    windows = tuple(Window(99, seconds) for seconds in (2.0, 5.0, 60.0))
    example, now, kept = next(numbers), T, dict[int, tuple[float, int]]()
    for number, (gap, cost) in enumerate(charges):
        now += gap
        assert reserve(budgets, f"{example}:{number}", charge(cost, windows, f"back:{example}"), now=now)
        kept[number] = (now, cost)
    for number in released:
        assert budgets.release(f"{example}:{number}", now) is (number in kept)
        kept.pop(number, None)
        left = [sum(cost for at, cost in kept.values() if at > now - window.seconds) for window in windows]
        assert held(budgets, charge(1, windows, f"back:{example}"), now) == left


# What nobody needs goes


def test_charges_go_when_they_have_left_the_longest_window(statements: Transactions) -> None:
    """And a sixteenth of it, so that not every charge has to delete one."""
    budgets = StoredBudgets(statements)
    for number in range(200):
        assert reserve(budgets, str(number), charge(1), seen(number), now=T + 450.0 * number)
    for question in (CHARGES, MEMBERS):
        assert 8 <= statements.execute(question, {}).fetchall()[0][0] <= 9  # an hour of them


def test_what_a_busy_day_has_left_is_deleted_in_steps(statements: Transactions) -> None:
    """One charge must not wait until a hundred thousand old ones are gone."""
    windows = (Window(1000, 60.0),)
    budgets = StoredBudgets(statements)
    for number in range(200):
        assert reserve(budgets, f"old-{number}", charge(1, windows))
    left = []
    for number in range(5):
        assert reserve(budgets, f"new-{number}", charge(1, windows), now=T + 70)
        left.append(statements.execute(CHARGES, {}).fetchall()[0][0])
    assert left == [137, 74, 11, 4, 5]


def test_keys_of_which_nobody_speaks_any_more_go(statements: Transactions) -> None:
    """Of identities that are gone, and of networks that somebody came from once."""
    budgets = StoredBudgets(statements)
    for number in range(100):
        assert reserve(budgets, str(number), charge(1, key=f"recipients:{number}"), seen(1, key=f"visitors:{number}"))
    for number in range(100, 300):
        assert reserve(
            budgets, str(number), charge(0), charge(1, key="recipients:busy"), now=T + LONGEST_WINDOW_S + number * 600
        )
    (charges,), (members,) = (statements.execute(one, {}).fetchall()[0] for one in (CHARGES, MEMBERS))
    assert charges < 20
    assert members == 0


def test_a_key_that_may_still_count_is_not_swept(statements: Transactions) -> None:
    """Nobody can evict a budget by making others."""
    budgets = StoredBudgets(statements)
    month = (Window(5, LONGEST_WINDOW_S),)
    assert reserve(budgets, "all of it", charge(5, month), seen(1, windows=month))
    for number in range(100):
        reserve(budgets, str(number), charge(1, key=f"other:{number}"), now=T + LONGEST_WINDOW_S - 1)
    assert held(budgets, charge(1, month), T + LONGEST_WINDOW_S - 1) == [5]
    assert held(budgets, seen(2, windows=month), T + LONGEST_WINDOW_S - 1) == [1]


def test_memory_does_not_grow_with_time() -> None:
    """Keys that are new each hour, members that are new each time, reservations of which nobody hears again."""
    budgets = MemoryBudgets()
    most = [0, 0, 0, 0]
    for number in range(20_000):
        moment = T + number * 60.0
        keys = (charge(1, key="steady"), charge(1, key=f"hour:{number // 60}"), seen(number, key=f"set:{number // 60}"))
        reserve(budgets, str(number), *keys, now=moment)
        sizes = (len(budgets._counters), len(budgets._sets), len(budgets._open), len(budgets._counters["steady"].ats))
        most = [max(pair) for pair in zip(most, sizes, strict=True)]
    assert most[0] <= 2 * 26 + 2  # an hour's keys, and a day for clocks
    assert most[1] <= 2 * 26 + 2
    assert most[2] <= 62
    assert most[3] <= 2 * 64 + 64


def test_memory_does_not_grow_with_what_is_given_back() -> None:
    """A relay that takes nothing for a day."""
    budgets = MemoryBudgets()
    for number in range(1000):
        assert reserve(budgets, str(number), charge(1), seen(number))
        assert budgets.release(str(number), T)
    assert len(budgets._counters["recipients:ada"].ats) <= 64
    assert not budgets._sets["new:ada"].seen
    assert not budgets._open


def test_valkey_keeps_nothing_for_ever(request: pytest.FixtureRequest) -> None:
    """Every key but the one has an end, which is later than its longest window."""
    with opened("valkey", request) as budgets:
        assert reserve(budgets, "one", charge(1), seen(1, 2))
        server = valkey_server.server()
        names = server.order("KEYS", "*")
        assert isinstance(names, list)
        lives = {name: server.order("TTL", name) for name in names}
    assert lives.pop("{sallyport}:state") == -1
    assert sorted(lives) == [
        f"{{sallyport}}:{name}" for name in ("b:new:ada", "c:recipients:ada", "r:one", "s:new:ada")
    ]
    assert all(isinstance(life, int) and life > 3600 for life in lives.values())


def test_a_reservation_takes_the_same_steps_whatever_was_spent(sqlite_database: Path) -> None:
    """Counted in SQLite's own instructions: a sum over all charges would grow with them."""
    connection = kept_connection(open_database(sqlite_database))
    transactions = SqliteTransactions(connection)
    budgets = StoredBudgets(transactions)
    windows = tuple(Window(10**6, seconds) for seconds in (600.0, 3600.0, 86400.0))
    steps, seen_steps = 0, dict[int, int]()

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    for number in range(1, 2003):
        steps = 0
        connection.set_progress_handler(step if number in (21, 1001, 2002) else None, 1)
        assert reserve(budgets, f"r-{number}", charge(1, windows), now=T + number)
        seen_steps[number] = steps
    transactions.close()
    assert 0 < seen_steps[2002] == seen_steps[1001] == seen_steps[21] < 500


def asking(takes: list[Take]) -> Iterator[Take]:
    """What an engine asks: one take after the other, until one fits."""
    for place, take in enumerate(takes):
        taken = yield take
        if taken.fits:
            return place
    return -1


def test_a_decision_is_driven_to_its_end(budgets: Budgets) -> None:
    """The first take that fits decides, and no other one is made."""
    takes = [Take((charge(6),)), Take((charge(5),)), Take((charge(1, key="never"),))]
    assert run_here(asking(takes), budgets, "one", T) == 1
    assert run_here(asking([]), budgets, "two", T) == -1
    assert [held(budgets, one) for one in (charge(1), charge(1, key="never"))] == [[5, 5], [0, 0]]


async def test_a_decision_is_driven_over_the_network() -> None:
    """In the same way."""
    budgets = MemoryBudgets()

    class Far:
        async def reserve(self, reservation: str, take: Take, now: float) -> Taken:
            return budgets.reserve(reservation, take, now)

    assert await run_there(asking([Take((charge(6),)), Take((charge(5),))]), Far(), "one", T) == 1
    assert held(budgets, charge(1)) == [5, 5]
