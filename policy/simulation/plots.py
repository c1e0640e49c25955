"""Recipients reached over time, drawn by matplotlib: for each attack the median of the seeds, and a band around it."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from policy.simulation.runs import Run
from policy.simulation.scenarios.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOMENTS = 120  # at which the curves are looked at
_PER_LINE = 4
_MINUTE_S, _HOUR_S = 60.0, 3600.0
_MOST = (10, 30)  # new recipients in an hour and in a day: the promise, where it is in sight


class NoPlots(Exception):
    """matplotlib is not there, or cannot write such a file; str(self) is a sentence."""


def draw(scenarios: Sequence[Scenario], runs: Sequence[Run], path: Path) -> None:
    """One small chart for each attack, in one file: SVG, PNG or PDF, as its name says."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - most installations have none
    except ImportError:
        raise NoPlots("charts need matplotlib, which is not installed: pip install 'sallyport[plots]'") from None
    attacks = {one.name: one for one in scenarios if one.is_attack}
    drawn = [(name, list(own)) for name, own in groupby(runs, key=attrgetter("scenario")) if name in attacks]
    if not drawn:
        raise NoPlots("there is nothing to draw: none of the scenarios is an attack")
    lines = -(-len(drawn) // _PER_LINE)
    figure = Figure(figsize=(4 * min(len(drawn), _PER_LINE), 2.8 * lines), layout="constrained")
    for number, (name, own) in enumerate(drawn, start=1):
        axes = figure.add_subplot(lines, min(len(drawn), _PER_LINE), number)
        _chart(axes, attacks[name], own)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise NoPlots(f"{path} cannot be written: {error}") from None


def _chart(axes: "Axes", scenario: Scenario, runs: Sequence[Run]) -> None:
    end = scenario.lasts_s
    moments = [end * number / _MOMENTS for number in range(_MOMENTS + 1)]
    values = [sorted(_reached(run, moment) for run in runs) for moment in moments]
    hours = [moment / _HOUR_S for moment in moments]
    low, middle, high = ([_quantile(one, share) for one in values] for share in (0.05, 0.5, 0.95))
    axes.fill_between(hours, low, high, step="post", alpha=0.25, linewidth=0)
    axes.step(hours, middle, where="post")
    axes.step(hours, [one[-1] for one in values], where="post", linestyle=":", linewidth=0.8)
    for most in _MOST:
        if values[-1][-1] >= most / 2:
            axes.axhline(most, color="0.6", linewidth=0.6)
    axes.set_title(scenario.name, fontsize=9)
    axes.set_xlabel("hours", fontsize=7)
    axes.set_ylabel("new recipients reached", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.set_xlim(0, end / _HOUR_S)
    axes.set_ylim(0, max(_MOST[0], 1.1 * values[-1][-1]))


def _reached(run: Run, moment: float) -> int:
    return max((total for at, total in run.curve if at <= moment), default=0)


def _quantile(values: Sequence[int], share: float) -> int:
    return values[round(share * (len(values) - 1))]
