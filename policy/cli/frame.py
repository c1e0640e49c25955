"""What `sallyport top` shows, as lines of a given size. Pure: a view of the moment in, lines out.

    top.py      reads the view, and shows it until somebody has seen enough
    frame.py    (you are here)

What is wrong stands on top. Whatever does not fit is left out from the bottom, and a line that is too long is cut; in a
narrow window what matters least is not in the line at all. Parts of it may be a stranger's words: they are shown, and
do nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policy.cli.output import when
from policy.part_status import PartState, PartStatus
from policy.store.health_reports import Service
from policy.store.incidents import StoredIncident
from policy.store.records import Submission
from policy.store.tallies import Figure
from policy.tally import Stage
from policy.visible import visible

SPANS = ((600.0, "10 min"), (3600.0, "hour"), (86400.0, "day"))
LEAST_WIDTH, LEAST_HEIGHT = 40, 10
_NARROW = 70
_PROBLEMS = 4
_INCIDENTS = 3
_REASONS = 4
_ROWS: tuple[tuple[str, Stage, tuple[str, ...]], ...] = (
    ("messages accepted", Stage.MESSAGE, ("accept",)),
    ("         held", Stage.MESSAGE, ("hold",)),
    ("         deferred", Stage.MESSAGE, ("defer",)),
    ("         refused", Stage.MESSAGE, ("reject",)),
    ("logins   granted", Stage.LOGIN, ("granted",)),
    ("         refused", Stage.LOGIN, ("refused", "malformed")),
    ("         later", Stage.LOGIN, ("later",)),
    ("strangers refused", Stage.CONNECT, ("refused", "later")),
    ("mail     delivered", Stage.DELIVERY, ("delivered",)),
    ("         came back", Stage.DELIVERY, ("unknown-recipient", "spam", "blocklisted")),
)
_STYLES: Mapping[PartState, str] = {
    PartState.UP: "green",
    PartState.WARNING: "yellow",
    PartState.DEGRADED: "bold red",
    PartState.SILENT: "bold red",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """As of one moment. `sums` are those of SPANS; `problem` is why it is an old one."""

    now: float
    name: str
    sums: tuple[Sequence[Figure], ...]
    parts: Sequence[PartStatus]
    incidents: Sequence[StoredIncident]  # open ones
    decisions: Sequence[Submission]  # the newest first
    problem: str = ""
    how_it_ends: str = "  (q ends)"


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    style: str = ""


def frame(view: View, width: int, height: int) -> list[Line]:
    """At most `height` lines of at most `width` columns."""
    width, height = max(width, LEAST_WIDTH), max(height, LEAST_HEIGHT)
    above = [*_title(view, width), *_incidents(view), *_problems(view)]
    above += [*_side_by_side(_figures(view), _parts(view), width), *_reasons(view)]
    lines = [*above, *_decisions(view, height - len(above), width)]
    return [Line(_cut(one.text, width), one.style) for one in lines[:height]]


def _title(view: View, width: int) -> Iterator[Line]:
    """It is the server's name that is cut: how it ends has to be seen."""
    moment = when(view.now)[11:] if width < _NARROW else when(view.now)
    rest = f"  {moment}{view.how_it_ends}"
    yield Line(f"{_cut(view.name, width - len(rest))}{rest}", "bold")
    if view.problem:
        yield Line(view.problem, "bold red")


def _figures(view: View) -> list[Line]:
    head = f"{'':<18}" + "".join(f"{name:>7}" for _, name in SPANS)
    rows = [Line(head, "dim")]
    for title, stage, outcomes in _ROWS:
        numbers = [sum(one.number for one in sums if _is_of(one, stage, outcomes)) for sums in view.sums]
        is_bad = bool(numbers[0]) and stage is Stage.MESSAGE and "accept" not in outcomes
        rows.append(Line(f"{title:<18}" + "".join(f"{_short(one):>7}" for one in numbers), "yellow" if is_bad else ""))
    return rows


def _is_of(figure: Figure, stage: Stage, outcomes: Sequence[str]) -> bool:
    return figure.what.stage is stage and figure.what.outcome in outcomes


def _parts(view: View) -> list[Line]:
    return [Line(f"{one.part.value:<11} {_about(one)}", _STYLES[one.state]) for one in view.parts]


def _about(one: PartStatus) -> str:
    """The figures that say most, of a part that is well."""
    figures = one.figures
    if one.state is not PartState.UP:
        return one.state.value
    if one.part is Service.POSTFIX:
        oldest = f", {_span(figures['oldest_s'])}" if figures.get("oldest_s") else ""
        names = {"active": "act", "deferred": "def", "hold": "hold"}
        return ", ".join(f"{_short(figures.get(name, 0))} {short}" for name, short in names.items()) + oldest
    shown = {Service.GATEWAY: "sessions", Service.DOVECOT: "sessions", Service.SCANNER: "scans"}
    name = shown.get(one.part, "loop_lag_ms")
    if name not in figures:
        return one.state.value
    return f"{figures[name]:g} ms late" if name == "loop_lag_ms" else f"{_short(figures[name])} {name}"


def _problems(view: View) -> Iterator[Line]:
    said = [(one, sentence) for one in view.parts for sentence in one.sentences]
    for one, sentence in said[:_PROBLEMS]:
        yield Line(f"{one.part.value}: {visible(sentence)}", _STYLES[one.state])
    if len(said) > _PROBLEMS:
        yield Line("... and more: sallyport status", "bold red")


def _side_by_side(left: Sequence[Line], right: Sequence[Line], width: int) -> Iterator[Line]:
    """A line has one style: the right half's, where it says something. In a narrow window one is below the other."""
    if width < _NARROW:
        yield from left
        yield from right
        return
    edge = max(len(one.text) for one in left) + 2
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else Line("")
        other = right[number] if number < len(right) else Line("")
        style = other.style if other.style not in {"", "green"} else one.style
        yield Line(f"{one.text:<{edge}}{other.text}".rstrip(), style)


def _reasons(view: View) -> Iterator[Line]:
    """Why logins were refused within the hour, without whose."""
    found: dict[str, int] = {}
    for one in view.sums[1]:
        if one.what.stage is Stage.LOGIN and one.what.outcome in {"refused", "later"} and one.what.reason:
            found[one.what.reason] = found.get(one.what.reason, 0) + one.number
    most = sorted(found.items(), key=lambda one: -one[1])[:_REASONS]
    if most:
        yield Line("logins refused in the hour: " + ", ".join(f"{reason} {_short(number)}" for reason, number in most))


def _incidents(view: View) -> Iterator[Line]:
    if not view.incidents:
        yield Line("no open incident", "green")
        return
    for one in view.incidents[:_INCIDENTS]:
        held = one.held.get("held")
        on_hold = f"  {held.messages} on hold" if held else ""
        text = f"incident {one.number}  {visible(one.identity)}  {one.step}{on_hold}  since {when(one.since)}"
        yield Line(text, "bold red")
    if len(view.incidents) > _INCIDENTS:
        yield Line("... and more: sallyport incidents", "bold red")


def _decisions(view: View, room: int, width: int) -> Iterator[Line]:
    if room < 2 or not view.decisions:  # noqa: PLR2004 - a head, and one of them
        return
    yield Line(_decision("newest", "identity", "from", "to", "verdict", width), "dim")
    for one in view.decisions[: room - 1]:
        verdict = f"{one.action} ({one.reason})" if one.reason else one.action
        whose, address = visible(one.identity) or "?", visible(one.client_address)
        text = _decision(when(one.at)[11:19], whose, address, _short(one.recipients), verdict, width)
        yield Line(text, "" if one.action == "accept" else "yellow")


def _decision(at: str, whose: str, address: str, to: str, verdict: str, width: int) -> str:
    """In a narrow window without the address: something of the verdict has to be seen."""
    if width < _NARROW:
        return f"{at:<9}{_cut(whose, 10):<11}{to:>4}  {verdict}"
    return f"{at:<9}{_cut(whose, 15):<16}{_cut(address, 17):<18}{to:>4}  {verdict}"


def _short(number: float) -> str:
    """1,234 is 1.2k: a column stays narrow."""
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            of = 1e3 if sign == "k" else size
            return f"{number / of:.3g}{sign}"
    return f"{number:.0f}"


def _span(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"  # noqa: PLR2004 - two hours


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
