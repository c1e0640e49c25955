"""Scenarios x seeds: one run after the other, or over several processes.

Each run is made of the scenario's name and its seed alone: the same two make the same run, on every machine.
"""

import gc
import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from random import Random

from policy import rulebook
from policy.engine.guessing import Walls
from policy.engine.ladder import Step
from policy.engine.rulebook import Rulebook
from policy.marks import Marks
from policy.simulation.atlas import Atlas
from policy.simulation.backends import BackEnd, opened
from policy.simulation.doors import Door, Sallyport
from policy.simulation.scenarios import SCENARIOS
from policy.simulation.scenarios.scenario import DAY_S, HOUR_S, Scenario
from policy.simulation.scene import Scene
from policy.simulation.senders import OUR_DOMAIN
from policy.simulation.tally import Tally
from policy.simulation.world import World
from service import log

BEGINS_AT = 1_799_658_000.0  # a Monday at nine o'clock UTC
_SEEDS_AT_ONCE = 5
_CURVE_POINTS = 200
_KEY = bytes(32)  # of marks that nobody keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run came to. Moments are seconds since the incident began, infinite where it never came to that."""

    scenario: str
    seed: int
    checks: tuple[float, ...]  # of each expectation of the scenario
    new_in_an_hour: int
    new_in_a_day: int
    all_in_an_hour: int
    steps: tuple[float, ...]  # slow, hold, restrict, lock
    held: int  # recipients, the thief's or a legitimate sender's
    refused: int
    owner_known: tuple[int, int]  # recipients whom the owner knew: reached, tried
    owner_new: tuple[int, int]
    owner_logins_refused: int
    thinned: int
    curve: tuple[tuple[float, int], ...]  # when, how many new recipients until then


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run. `policy` is a policy file; None is the shipped policy."""

    scenarios: tuple[Scenario, ...]
    seeds: int
    back_end: BackEnd = BackEnd.MEMORY
    policy: Path | None = None
    is_interrupted: bool = False  # each run once, at any moment
    jobs: int = 1


def run_all(plan: Plan, tell: Callable[[float], None]) -> list[Run]:
    """All runs in their order; `tell` hears how many are done."""
    tasks = [
        (scenario.name, range(first, min(first + _SEEDS_AT_ONCE, plan.seeds)))
        for first in range(0, plan.seeds, _SEEDS_AT_ONCE)
        for scenario in plan.scenarios
    ]
    runs = list[Run]()
    for done in _done(plan, tasks):
        runs.extend(done)
        tell(len(runs))
    order = {scenario.name: number for number, scenario in enumerate(plan.scenarios)}
    return sorted(runs, key=lambda run: (order[run.scenario], run.seed))


def run(scenario: Scenario, seed: int, book: Rulebook, back_end: BackEnd, *, is_interrupted: bool = False) -> Run:
    """One of them on our own engine."""
    atlas = Atlas()
    with opened(back_end) as kept:
        world = World(book, kept.budgets, domains=[OUR_DOMAIN], origin_of=atlas.origin_of, marks=Marks(_KEY))
        door = Sallyport(world)
        scene = staged(scenario, seed, door, atlas)
        if is_interrupted:
            # Any moment, sooner rather than later: most happens in the beginning.
            moment = math.exp(scene.random.uniform(math.log(10.0), math.log(scenario.lasts_s)))
            scene.interrupt_after(moment, lambda: world.restart(kept.reopen()))
        scene.play(scenario.lasts_s)
    return summed_up(scenario, seed, scene.tally)


def staged(scenario: Scenario, seed: int, door: Door, atlas: Atlas) -> Scene:
    """Everybody is in place, and nothing has happened yet."""
    random = Random(f"{scenario.name} {seed}")  # noqa: S311 - a scenario that can be repeated
    scene = Scene(door=door, random=random, begins_at=BEGINS_AT, atlas=atlas, walls=Walls(_KEY))
    scenario.cast(scene)
    return scene


def summed_up(scenario: Scenario, seed: int, tally: Tally) -> Run:
    side = tally.thief if scenario.is_attack else tally.owner
    return Run(
        scenario=scenario.name,
        seed=seed,
        checks=tuple(one.measure(tally) for one in scenario.expected),
        new_in_an_hour=tally.worst_new(HOUR_S),
        new_in_a_day=tally.worst_new(DAY_S),
        all_in_an_hour=tally.worst_all(HOUR_S),
        steps=tuple(tally.all_at(step) for step in Step if step),
        held=side.held,
        refused=side.refused,
        owner_known=(tally.owner.sent[False], tally.owner.tried[False]),
        owner_new=(tally.owner.sent[True], tally.owner.tried[True]),
        owner_logins_refused=tally.owner.logins_refused,
        thinned=tally.thinned,
        curve=tuple(_curve(tally)),
    )


def _curve(tally: Tally) -> Iterator[tuple[float, int]]:
    """Of all identities together; of many points a few."""
    moments = sorted(point for one in tally.thief.reached_new.values() for point in one)
    every = max(1, len(moments) // _CURVE_POINTS)
    total = 0
    for number, (at, reached) in enumerate(moments, start=1):
        total += reached
        if number % every == 0 or number == len(moments):
            yield at, total


# Over several processes

_Task = tuple[str, range]


def _done(plan: Plan, tasks: Sequence[_Task]) -> Iterator[list[Run]]:
    work = _Worker(plan.policy, plan.back_end, plan.is_interrupted)
    if plan.jobs == 1:
        yield from map(work, tasks)
        return
    # Not forked: whoever shows how far it is has threads.
    begun = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(plan.jobs, begun, initializer=_collect_after_tasks) as pool:
        try:
            for done in as_completed([pool.submit(work, task) for task in tasks]):
                yield done.result()
        except BaseException:  # one that failed is all that is told: no reason to play the others
            pool.shutdown(cancel_futures=True)
            raise


def _collect_after_tasks() -> None:
    """What is imported stays; a run that is over is a cycle, and makes no others."""
    gc.freeze()
    gc.disable()


@dataclass(frozen=True, slots=True)
class _Worker:
    """Does a task wherever it is sent to; the policy is read there."""

    policy: Path | None
    back_end: BackEnd
    is_interrupted: bool

    def __call__(self, task: _Task) -> list[Run]:
        name, seeds = task
        book = rulebook.shipped() if self.policy is None else rulebook.load(self.policy)
        scenario = next(one for one in SCENARIOS if one.name == name)
        with log.unheard():  # that budgets on a new server begin anew is no news here
            runs = [run(scenario, seed, book, self.back_end, is_interrupted=self.is_interrupted) for seed in seeds]
        gc.collect()
        return runs
