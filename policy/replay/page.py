"""A report as one HTML page: no script, nothing fetched, and what a log says is only ever text.

Whoever writes to a mail server writes its log. Everything goes through the escaping of the template; the page forbids
scripts by itself, too, should that ever fail; and what cannot be seen (control characters, marks that turn the
direction of writing) is shown by its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from policy.replay.report import Day, Report, moment
from policy.visible import visible

_CHART_WIDTH = 960.0
_CHART_HEIGHT = 160.0
_FATES = ("accepted", "slowed", "held", "deferred", "refused")


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a chart."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    label: str


def render(report: Report, now: float) -> str:
    """The page."""
    return _template().render(
        report=report,
        bars=_days(report.days),
        rules=_rules(report),
        width=_CHART_WIDTH,
        height=_CHART_HEIGHT,
        made_at=now,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("policy.replay", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    environment.filters["when"] = lambda seconds: moment(seconds) or "never"
    environment.filters["percent"] = lambda share: f"{min(share, 99) * 100:.0f} %"
    environment.filters["number"] = lambda number: f"{number:,}"
    return environment.get_template("page.html")


def _days(days: Sequence[Day]) -> list[Bar]:
    """A bar for each day, stacked; what was stopped is drawn at least a pixel high."""
    if not days:
        return []
    first, last = days[0].at, days[-1].at
    places = int((last - first) // 86400) + 1
    width = _CHART_WIDTH / places
    most = max(sum(getattr(day.messages, fate) for fate in _FATES) for day in days)
    bars = []
    for day in days:
        x, y = (day.at - first) / 86400 * width, _CHART_HEIGHT
        for fate in _FATES:
            number = getattr(day.messages, fate)
            if number:
                height = max(number / most * _CHART_HEIGHT, 1.0)
                y -= height
                label = f"{moment(day.at)[:10]}: {number:,} {fate}"
                bars.append(
                    Bar(fate, round(x, 2), round(y, 2), round(max(width * 0.9, 0.5), 2), round(height, 2), label)
                )
    return bars


def _rules(report: Report) -> list[Bar]:
    """How many messages each rule would have stopped, a bar below the other."""
    numbers = [(one.rule, one.messages.stopped + one.observed) for one in report.rules]
    most = max((number for _, number in numbers), default=0)
    return [
        Bar(rule, 0, place * 22, max(number / most * _CHART_WIDTH * 0.6, 1), 16, f"{rule}: {number:,}")
        for place, (rule, number) in enumerate(numbers)
        if most
    ]
