"""What a scenario is, and what can be expected of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from policy.engine.ladder import Step
from policy.simulation.scene import Scene
from policy.simulation.tally import Tally

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0

Measure = Callable[[Tally], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """`measure` of every run is in [least, most]; with `of_median` only the median of all runs."""

    text: str
    measure: Measure
    least: float = -math.inf
    most: float = math.inf
    of_median: bool = False

    def is_met(self, value: float) -> bool:
        return self.least <= value <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`cast` puts people and actors on the scene; it is played for `lasts_s`."""

    name: str
    title: str
    cast: Callable[[Scene], None]
    lasts_s: float
    expected: tuple[Expectation, ...]

    @property
    def is_attack(self) -> bool:
        return self.name.startswith("A")


def new_at_most(most: int, seconds: float | None = None) -> Expectation:
    """New recipients that the thief reaches, of the identity that is hit the most; in any such span, or in all."""
    if seconds is None:
        return Expectation(text=f"new recipients reached: at most {most}", measure=lambda t: t.total_new, most=most)
    text = f"new recipients reached in {_span(seconds)}: at most {most}"
    return Expectation(text=text, measure=lambda tally: tally.worst_new(seconds), most=most)


def all_at_most(most: int, seconds: float) -> Expectation:
    """All recipients, known ones and our own too."""
    text = f"recipients reached in {_span(seconds)}: at most {most}"
    return Expectation(text=text, measure=lambda tally: tally.worst_all(seconds), most=most)


def step_within(step: Step, seconds: float) -> Expectation:
    """All identities stand there by then."""
    text = f"{step.name.lower()} within {_span(seconds)}"
    return Expectation(text=text, measure=lambda tally: tally.all_at(step), most=seconds)


def never(step: Step) -> Expectation:
    text = f"never: {step.name.lower()}"
    return Expectation(text=text, measure=lambda tally: tally.all_at(step), least=math.inf)


def noted(text: str, note: str, *, least: float = -math.inf, most: float = math.inf) -> Expectation:
    """What the scenario counts for itself."""
    return Expectation(text=text, measure=lambda tally: tally.notes[note], least=least, most=most)


NOTHING_REFUSED = Expectation(
    text="nothing of the owner's is refused",
    measure=lambda tally: tally.owner.refused + tally.owner.logins_refused,
    most=0,
)
NOTHING_HELD = Expectation(text="nothing of the owner's is held", measure=lambda tally: tally.owner.held, most=0)
OWNER_GOES_ON = Expectation(
    text="from home the owner reaches all whom he knows",
    measure=lambda tally: tally.owner.tried[False] - tally.owner.sent[False] + tally.owner.logins_refused,
    most=0,
)
WHOM_THEY_KNOW = Expectation(
    text="whom they know they reach", measure=lambda tally: tally.owner.tried[False] - tally.owner.sent[False], most=0
)
SOME_HELD = Expectation(text="what the thief wrote is held", measure=lambda tally: tally.thief.held, least=1)


def _span(seconds: float) -> str:
    for length, name in ((DAY_S, "day"), (HOUR_S, "hour"), (MINUTE_S, "minute")):
        if seconds >= length:
            number = seconds / length
            return f"{number:g} {name}{'s' if number != 1 else ''}"
    return f"{seconds:g} seconds"
