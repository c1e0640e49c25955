"""Any order of steps, on all back ends at once: each answer is the reference's, whatever the clocks do."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from budget_backends import opened
from budget_reference import Reference
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from policy.budgets import Budgets
from policy.engine.budget import RESERVATION_LIFE_S, Charge, Distinct, Sum, Take, Window

T = 1_000_000.0  # any moment
COUNTERS, SETS = ("messages", "octets"), ("recipients", "networks")
SET_BACK_S = 600.0  # the most by which a clock is set back

some_windows = st.lists(
    st.builds(Window, st.sampled_from([0, 3, 8, 30]), st.integers(1, 90).map(float)), min_size=1, max_size=3
).map(tuple)
some_marks = st.lists(st.sampled_from([-(2**63), -7, -1, 1, 2, 3, 2**63 - 1]), max_size=5).map(tuple)


class Steps(RuleBasedStateMachine):
    """`back_ends` live longer than one run: the keys of each run have its number."""

    back_ends: dict[str, Budgets]
    runs = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).runs += 1
        self.run = self.runs
        self.reference, self.now = Reference(), T
        self.reservations: list[str] = []
        self.windows: dict[str, tuple[Window, ...]] = {}

    @initialize(each=st.tuples(*[some_windows] * 4))
    def begin(self, each: tuple[tuple[Window, ...], ...]) -> None:
        self.windows = dict(zip((*COUNTERS, *SETS), each, strict=True))

    @rule(data=st.data(), is_again=st.booleans())
    def reserve(self, data: st.DataObject, is_again: bool) -> None:
        """A reservation that did not fit may be asked for again, with less."""
        take = Take(self.charges(data), self.charges(data))
        name = f"{self.run}-{len(self.reservations)}"
        taken = self.reference.reserve(name, take, self.now)
        for where, budgets in self.back_ends.items():
            assert budgets.reserve(name, take, self.now) == taken, where
        if taken.fits or not is_again:
            self.reservations.append(name)
            return
        take = Take(self.charges(data))
        taken = self.reference.reserve(name, take, self.now)
        for where, budgets in self.back_ends.items():
            assert budgets.reserve(name, take, self.now) == taken, where
        self.reservations.append(name)

    @rule(which=st.integers(0, 4), verb=st.sampled_from(["release", "release", "commit"]))
    def end(self, which: int, verb: str) -> None:
        name = f"{self.run}-nobody" if which >= len(self.reservations) else self.reservations[-1 - which]
        made = self.reference.made.get(name, self.now)
        # About here its age depends on whether it was stamped anew when the clock was set back.
        assume(not -SET_BACK_S <= self.now - made - RESERVATION_LIFE_S <= SET_BACK_S)
        is_left = self.reference.is_left(name)
        known = getattr(self.reference, verb)(name, self.now)
        for where, budgets in self.back_ends.items():
            # Of a commit that changes nothing any more, either may be said.
            assert getattr(budgets, verb)(name, self.now) == known or (verb == "commit" and not is_left), where

    @rule(seconds=st.one_of(st.integers(0, 40), st.just(0.5), st.just(RESERVATION_LIFE_S * 2)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.integers(1, 60))
    def hear_a_slower_clock(self, seconds: int) -> None:
        self.now -= seconds

    @rule(seconds=st.integers(61, int(SET_BACK_S)))
    def set_the_clock_back(self, seconds: int) -> None:
        self.now -= seconds

    @invariant()
    def all_count_the_same(self) -> None:
        if not self.windows:
            return
        everything = (*[self.sum(key, 1) for key in COUNTERS], *[self.distinct(key, (1, 5)) for key in SETS])
        stood = self.reference.peek(everything, self.now)
        for where, budgets in self.back_ends.items():
            assert budgets.peek(everything, self.now) == stood, where

    def charges(self, data: st.DataObject) -> tuple[Charge, ...]:
        keys = data.draw(st.lists(st.sampled_from([*COUNTERS, *SETS]), min_size=1, unique=True))
        return tuple(
            self.sum(key, data.draw(st.sampled_from([0, 1, 1, 2, 5])), data.draw(st.booleans()))
            if key in COUNTERS
            else self.distinct(key, data.draw(some_marks), data.draw(st.booleans()))
            for key in keys
        )

    def sum(self, key: str, cost: int, is_enforced: bool = True) -> Sum:
        return Sum(key, f"{key}:{self.run}", cost, self.windows[key], is_enforced)

    def distinct(self, key: str, members: tuple[int, ...], is_enforced: bool = True) -> Distinct:
        return Distinct(key, f"{key}:{self.run}", members, self.windows[key], is_enforced)


@pytest.fixture
def opener(request: pytest.FixtureRequest) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("names", "examples"), [(("memory", "sqlite"), 100), (("valkey",), 40), (("postgresql",), 10)], ids=str
)
def test_any_steps_agree_with_the_reference(
    request: pytest.FixtureRequest, opener: ExitStack, names: tuple[str, ...], examples: int
) -> None:
    """Reserve, commit, release and time, sideways and backwards: every count is the reference's."""
    back_ends = {name: opener.enter_context(opened(name, request)) for name in names}
    run_state_machine_as_test(
        type("Run", (Steps,), {"back_ends": back_ends}),
        settings=settings(
            deadline=None, max_examples=examples, stateful_step_count=30, suppress_health_check=list(HealthCheck)
        ),
    )
