"""Numbers in, numbers out: medians, ratios, targets met or not. Nothing here knows where a number comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Self


class Verdict(StrEnum):
    """What a target came to."""

    MET = "met"
    NOT_MET = "NOT MET"
    NOT_MEASURED = "not measured"
    INVALID = "INVALID"  # sessions failed: a server that turns work away is fast


@dataclass(frozen=True, slots=True)
class Spread:
    """Several rounds of one figure. The distance between min and max is the noise of the machine."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Target:
    """`ours >= limit` or `ours <= limit`; with `against`, ours is first divided by that contender's."""

    limit: float
    at_least: bool
    against: str = ""
    strict: bool = False  # `<` where it would be `<=`

    def holds(self, value: float) -> bool:
        if self.strict and value == self.limit:
            return False
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        sign = ">" if self.at_least else "<"
        return f"{sign}{'' if self.strict else '='} {self.limit:g}{' x' if self.against else ''}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One target with what was measured. `spread` is the ratio where the target is one, else the figure itself."""

    target: Target
    spread: Spread | None
    verdict: Verdict


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The ratio of the medians; min and max are those of the single rounds, in which both worked a moment apart."""
    by_round = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Spread(median(ours) / median(theirs), min(by_round), max(by_round))


def judge(target: Target, ours: Sequence[float], theirs: Sequence[float] | None, failed: int) -> Outcome:
    """`theirs` is None where that contender was not measured."""
    if not ours or (target.against and not theirs):
        return Outcome(target, None, Verdict.NOT_MEASURED)
    spread = ratios(ours, theirs) if theirs and target.against else Spread.of(ours)
    if failed:
        return Outcome(target, spread, Verdict.INVALID)
    return Outcome(target, spread, Verdict.MET if target.holds(spread.median) else Verdict.NOT_MET)
