"""Policies on machines whose clocks differ: one time for all of them, or budgets would be worth more than they say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network

import pytest
from budget_backends import BACK_ENDS, opened
from scram_client import ScramClient
from structlog.testing import capture_logs

from policy.assembly import Parts, assemble
from policy.brain import Brain
from policy.budgets import Budgets
from policy.common_clock import CommonClock, database_time
from policy.contract import LoginStep
from policy.engine.budget import Charge, Distinct, Sum, Take, Window
from policy.engine.rulebook import Rulebook
from policy.geo.atlas import Atlas
from policy.store.database import Location
from policy.store.identities import NewCredential
from policy.store.reader import open_reader
from policy.store.transactions import open_transactions

T = 1_000_000.0  # any moment
HOUR_S, LIMIT = 3600.0, 10
SKEWS = [30.0, -30.0, 600.0, -600.0, 86400.0, -86400.0]


@dataclass
class World:
    """What time it is, whatever clocks say."""

    now: float = T
    takes_s: float = 0.0  # until the common clock's answer is there

    def machine(self, ahead_s: float) -> Callable[[], float]:
        return lambda: self.now + ahead_s

    async def ask(self) -> float:
        self.now += self.takes_s / 2
        told = self.now
        self.now += self.takes_s / 2
        return told


@pytest.fixture
def world() -> World:
    return World()


# The clock


@pytest.mark.parametrize("skew", SKEWS)
@pytest.mark.parametrize("takes_s", [0.001, 1.0])
async def test_a_clock_that_is_wrong_is_corrected(world: World, skew: float, takes_s: float) -> None:
    clock = CommonClock(world.machine(skew), world.ask)
    world.takes_s = takes_s
    with capture_logs() as logs:
        await clock.round()
        await clock.round()
    assert clock() == pytest.approx(world.now, abs=takes_s / 2)
    (said,) = [line["seconds"] for line in logs if line["event"] == "clock-differs"]  # once
    assert said == pytest.approx(-skew, abs=1.0)


@pytest.mark.parametrize(("skew", "takes_s"), [(0.0, 0.0), (0.4, 0.01), (-0.4, 0.01), (1.5, 3.0), (0.0, 4.0)])
async def test_a_slow_answer_and_half_a_second_correct_nothing(world: World, skew: float, takes_s: float) -> None:
    """Of a slow answer one knows only between which moments it was true."""
    clock = CommonClock(world.machine(skew), world.ask)
    world.takes_s = takes_s
    await clock.round()
    assert clock() == world.now + skew


async def test_a_clock_that_is_set_right_is_followed(world: World) -> None:
    ahead = [600.0]
    clock = CommonClock(lambda: world.now + ahead[0], world.ask)
    await clock.round()
    ahead[0] = 0.0  # the administrator sets it
    await clock.round()
    assert clock() == world.now


async def test_the_database_is_the_common_clock(postgresql_database: Location) -> None:
    """A real one: a machine that is ten minutes ahead of it goes by it."""
    reader = open_reader(postgresql_database)
    clock = CommonClock(lambda: time.time() + 600.0, database_time(reader))
    try:
        await clock.round()
        assert abs(clock() - time.time()) < 60.0  # however much else the machine does
    finally:
        await reader.close()


# Budgets of two policies


@pytest.fixture(params=BACK_ENDS)
def budgets(request: pytest.FixtureRequest) -> Iterator[Budgets]:
    with opened(request.param, request) as one:
        yield one


def charges(number: int) -> tuple[Charge, ...]:
    """One new recipient, on a counter and in a set."""
    windows = (Window(LIMIT, HOUR_S),)
    return (Sum("recipients", "recipients:ada", 1, windows), Distinct("new", "new:ada", (number,), windows))


def taken(budgets: Budgets, world: World, clocks: list[Callable[[], float]]) -> list[float]:
    """Two hours in which a thief tries at both policies once a minute: when something was let through."""
    passed = list[float]()
    for number in range(120):
        clock = clocks[number % len(clocks)]
        if budgets.reserve(f"r{number}", Take(charges(number)), clock()).fits:
            passed.append(world.now)
        world.now += 60.0
    return passed


def most_in_an_hour(passed: list[float]) -> int:
    return max(sum(one <= at < one + HOUR_S for at in passed) for one in passed)


@pytest.mark.parametrize("skew", SKEWS)
def test_two_policies_whose_clocks_differ_let_through_what_one_does(
    budgets: Budgets, world: World, skew: float
) -> None:
    clocks = [CommonClock(world.machine(ahead_s), world.ask) for ahead_s in (0.0, skew)]
    for clock in clocks:
        asyncio.run(clock.round())
    passed = taken(budgets, world, list(clocks))
    assert len(passed) >= LIMIT
    assert most_in_an_hour(passed) == LIMIT


@pytest.mark.parametrize("skew", [600.0, -600.0])
def test_what_it_would_be_worth_to_a_thief(budgets: Budgets, world: World, skew: float) -> None:
    """Without one time for both the hour is ten minutes shorter: why there is a common clock."""
    passed = taken(budgets, world, [world.machine(0.0), world.machine(skew)])
    assert most_in_an_hour(passed) > LIMIT


@pytest.mark.parametrize("skew", [30.0, -30.0, 600.0, -600.0])
def test_a_reservation_is_ended_by_another_policy(budgets: Budgets, skew: float) -> None:
    """Even before either of them knows the common time: given back exactly, and committed once."""
    assert budgets.reserve("one", Take(charges(1)), T).fits
    assert budgets.release("one", T + skew + 1)
    assert budgets.reserve("two", Take(charges(2)), T + 2).fits
    assert budgets.commit("two", T + skew + 3)
    assert not budgets.release("two", T + skew + 4)
    (held, of_set) = budgets.peek(charges(3), T + 5).before
    assert (held[0], of_set[0]) == (1, 1)


# Logins at two policies


@asynccontextmanager
async def policy_at(where: Location, rulebook: Rulebook, now: float) -> AsyncIterator[Brain]:
    made = assemble(
        Parts(
            reader=open_reader(where),
            transactions=open_transactions(where),
            key=bytes(range(32)),
            rulebook=lambda: rulebook,
            atlas=Atlas(None, None),
            clock=lambda: now,
            domains=("example.org",),
            unwalled=(ip_network("203.0.113.0/24"),),
            patience_s=0,
        )
    )
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("skew", SKEWS)
async def test_an_exchange_goes_on_at_another_policy(
    database: Location, rulebook: Rulebook, ada: NewCredential, skew: float
) -> None:
    """SCRAM in three steps, each at the other policy: what a step needs comes with it, and none of it is a time."""
    client = ScramClient(ada.login, ada.secret)

    def step(*responses: bytes) -> LoginStep:
        return LoginStep(
            session="s1",
            exchange="e1",
            client_address="203.0.113.9",
            listener="submission",
            mechanism="SCRAM-SHA-256",
            responses=responses,
        )

    async with policy_at(database, rulebook, T) as one, policy_at(database, rulebook, T + skew) as other:
        challenge = (await one.login(step(client.first()))).challenge
        assert challenge is not None
        final = client.final(challenge)
        verifier = (await other.login(step(client.first(), final))).challenge
        assert verifier is not None
        assert client.believes(verifier)
        assert (await one.login(step(client.first(), final, b""))).outcome == "granted"
