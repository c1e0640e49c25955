"""What the runs of a scenario come to: median and maximum over the seeds, and whether all is as expected."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from statistics import median, median_low

from policy.simulation.runs import Run
from policy.simulation.scenarios.scenario import Expectation, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One expectation. `worst` is the value that is the farthest out; null where it never came to that."""

    text: str
    is_met: bool
    worst: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    median: float | None
    max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario. Recipients are those of the identity that was hit the most; moments are seconds."""

    scenario: str
    title: str
    is_attack: bool
    runs: int
    new_in_an_hour: Spread
    new_in_a_day: Spread
    all_in_an_hour: Spread
    slow_s: Spread  # null where half of the runs (or one of them) never came to that
    hold_s: Spread
    restrict_s: Spread
    lock_s: Spread
    held: Spread  # recipients, the thief's or a legitimate sender's
    refused: Spread
    owner_known: float | None  # share of the recipients that he knew and reached, all runs together; null: none tried
    owner_new: float | None
    owner_logins_refused: int
    thinned: Spread
    checks: tuple[Check, ...]

    @property
    def is_met(self) -> bool:
        return all(check.is_met for check in self.checks)


def rows(scenarios: Sequence[Scenario], runs: Iterable[Run]) -> list[Row]:
    """One for each scenario that was run, in the order of the runs."""
    by_name = {scenario.name: scenario for scenario in scenarios}
    return [_row(by_name[name], list(own)) for name, own in groupby(runs, key=attrgetter("scenario"))]


def _row(scenario: Scenario, runs: list[Run]) -> Row:
    steps = [_spread([run.steps[place] for run in runs]) for place in range(4)]
    return Row(
        scenario=scenario.name,
        title=scenario.title,
        is_attack=scenario.is_attack,
        runs=len(runs),
        new_in_an_hour=_spread([run.new_in_an_hour for run in runs]),
        new_in_a_day=_spread([run.new_in_a_day for run in runs]),
        all_in_an_hour=_spread([run.all_in_an_hour for run in runs]),
        slow_s=steps[0],
        hold_s=steps[1],
        restrict_s=steps[2],
        lock_s=steps[3],
        held=_spread([run.held for run in runs]),
        refused=_spread([run.refused for run in runs]),
        owner_known=_share([run.owner_known for run in runs]),
        owner_new=_share([run.owner_new for run in runs]),
        owner_logins_refused=sum(run.owner_logins_refused for run in runs),
        thinned=_spread([run.thinned for run in runs]),
        checks=tuple(
            _check(expected, [run.checks[place] for run in runs]) for place, expected in enumerate(scenario.expected)
        ),
    )


def _check(expected: Expectation, values: list[float]) -> Check:
    judged = [median(values)] if expected.of_median else values
    missed = [value for value in judged if not expected.is_met(value)]
    worst = max(missed or judged, key=lambda value: _distance(expected, value))
    return Check(text=expected.text, is_met=not missed, worst=_finite(worst))


def _distance(expected: Expectation, value: float) -> float:
    """How near to its bound a value is, or how far beyond."""
    below = expected.least - value if math.isfinite(expected.least) else -math.inf
    above = value - expected.most if math.isfinite(expected.most) else -math.inf
    return max(below, above)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median=_finite(median_low(values)), max=_finite(max(values)))


def _finite(value: float) -> float | None:
    return round(value, 1) if math.isfinite(value) else None


def _share(counts: Sequence[tuple[int, int]]) -> float | None:
    tried = sum(number for _, number in counts)
    return round(sum(number for number, _ in counts) / tried, 4) if tried else None


# In words

COLUMNS = (
    *("scenario", "new in 1 h", "new in 24 h", "all in 1 h", "slow", "hold", "restrict", "lock", "held", "refused"),
    *("owner: known", "new", "as expected"),
)


def cells(row: Row) -> tuple[str, ...]:
    """Median / maximum, or one number where they are the same; a dash where it never came to that."""
    return (
        row.scenario,
        _of_thief(row, row.new_in_an_hour),
        _of_thief(row, row.new_in_a_day),
        _of_thief(row, row.all_in_an_hour),
        *(_moments(one) for one in (row.slow_s, row.hold_s, row.restrict_s, row.lock_s)),
        _numbers(row.held),
        _numbers(row.refused),
        _percent(row.owner_known),
        _percent(row.owner_new),
        "yes" if row.is_met else "NO",
    )


def missed(row: Row) -> list[str]:
    """A sentence for each expectation that was not met."""
    return [
        f"{row.scenario}: expected {check.text}; found {'never' if check.worst is None else f'{check.worst:g}'}"
        for check in row.checks
        if not check.is_met
    ]


def as_markdown(all_rows: Sequence[Row]) -> str:
    """The table of a page, with what each scenario is."""
    head = (*COLUMNS[:1], "what", *COLUMNS[1:])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in all_rows:
        name, *rest = cells(row)
        lines.append("| " + " | ".join((name, row.title, *rest)) + " |")
    return "\n".join(lines)


def _of_thief(row: Row, spread: Spread) -> str:
    return _numbers(spread) if row.is_attack else ""


def _numbers(spread: Spread) -> str:
    return _pair(*(f"{value:,.0f}" if value is not None else "-" for value in (spread.median, spread.max)))


def _moments(spread: Spread) -> str:
    return _pair(*(_duration(value) for value in (spread.median, spread.max)))


def _pair(one: str, other: str) -> str:
    return one if one == other else f"{one} / {other}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}" if share in {0.0, 1.0} else f"{share:.1%}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for length, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.0f} s"
