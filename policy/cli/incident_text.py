"""An incident on a terminal and as JSON. Parts of it are a stranger's words: they are shown, and do nothing."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from policy.cli.output import plain, printed_width, when
from policy.store.areas import beside_network
from policy.store.contained import Contained
from policy.store.incident_advice import in_words
from policy.store.incident_end import Part, end_of, parts_of
from policy.store.incident_story import Story
from policy.store.incident_traffic import UNKNOWN, FirstUse, Traffic
from policy.store.incidents import Counted, StoredIncident
from policy.visible import visible

_RECIPIENTS_SHOWN = 20
_DISOWNED = "%s: not the owner's, somebody has said; strange, with all that came from there before, too"
_WHOSE = {UNKNOWN: "logins alone"}
_STATES = (  # of held mail, in the order of their coming
    ("held", "on hold"),
    ("releasing", "on their way out"),
    ("released", "released"),
    ("purging", "being deleted"),
    ("purged", "deleted"),
    ("expiring", "being deleted because of their age"),
    ("expired", "deleted because of their age"),
    ("gone", "released or deleted at the queue itself"),
)


def plain_incident(incident: StoredIncident) -> dict[str, Any]:  # JSON has no narrower type
    return plain(incident) | {
        "since": when(incident.since),
        "is_settled": incident.is_settled,
        "end": end_of(incident),
        "parts": [plain(one) for one in parts_of(incident)],
        "contained": _plain_contained(incident.contained),
    }


def _plain_contained(one: Contained | None) -> dict[str, Any] | None:
    return plain(one) | {"is_whole": one.is_whole} if one else None


def plain_story(story: Story) -> dict[str, Any]:
    """As JSON: all of it."""
    return plain(story) | {
        "incident": plain_incident(story.incident),
        "begin": when(story.begin),
        "first": plain(story.first) if story.first else None,
        "timeline": [{"at": when(one.at), "kind": one.kind, "text": one.text} for one in story.timeline],
    }


def summary(incident: StoredIncident) -> str:
    """What became of held mail, a line for each state."""
    lines = [f"{name:<10} {in_words(incident.held[state])}" for state, name in _STATES if state in incident.held]
    return "\n".join(lines) or "no mail of it was on hold"


def ended(incident: StoredIncident) -> list[str]:
    """What became of held mail and of the account: `deleted 1 message to 3 recipients, 2026-... by cli:root`."""
    return [_part(one) for one in parts_of(incident)]


def _part(one: Part) -> str:
    what = f"{one.fate} {in_words(one.counted)}" if one.counted.messages else str(one.fate)
    return what if one.at is None else f"{what}, {when(one.at)} by {', '.join(one.by)}"


def print_story(story: Story) -> None:
    """For people: the head, numbers, tables, and what to do next at the end, where a terminal stays."""
    console = Console(width=printed_width(), emoji=False)
    _say(console, _head(story))
    _say(console, _numbers(story))
    _table(console, "Networks", _networks(story), story.networks_left_out)
    _table(console, "Logins", _logins(story), 0)
    _table(console, "What happened", _timeline(story), story.timeline_left_out)
    _say(console, _recipients(story))
    _say(console, _advice(story))


def _say(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)


def _table(console: Console, title: str, table: Table, left_out: int) -> None:
    if table.row_count:
        console.print(f"\n{title}", markup=False, highlight=False)
        console.print(table, markup=False, highlight=False)
    if left_out:
        console.print(f"  and {left_out:,} more, which --json leaves out, too", markup=False, highlight=False)


def _head(story: Story) -> Iterator[str]:
    one = story.incident
    closed = f", closed {when(one.closed_at)}" if one.closed_at is not None else ""
    yield f"Incident {one.number}: {one.identity}, {end_of(one)}{closed}"
    for line in ended(one):
        yield f"  became      {line}"
    yield f"  opened      {when(one.opened_at)} by {one.opened_by}"
    yield f"  ladder      now {story.step_now}, at home {story.at_home_now}; the highest was {one.step}"
    yield f"  contained   {_contained(one.contained)}"
    yield f"  suspended   {', '.join(one.suspended) or 'no login'}"
    yield f"  the owner   {_answer(one)}"
    if one.note:
        yield f"  note        {one.note}"
    yield f"  first bad   {_first(story.first)}"


def _contained(one: Contained | None) -> str:
    if one is None:
        return "no"
    still = f"; still working: {', '.join(one.working)}" if one.working else ""
    return f"since {when(one.at)} by {one.by or 'nobody known'}{still}"


def _answer(one: StoredIncident) -> str:
    if not one.answer:
        return "has not answered yet"
    return f"said {one.answer} at {when(one.answered_at)}: it was {'' if one.answer == 'yes' else 'not '}the owner"


def _first(first: FirstUse | None) -> str:
    if first is None:
        return "nothing bad was handed in"
    area = beside_network(first.area)
    where = f"{first.client_address}, {area}" if area else first.client_address
    return (
        f"{when(first.at)} from {where}, which called itself {first.client_name or 'nothing'};"
        f" login {first.login}, {first.verdict}, {first.submission}"
    )


def _numbers(story: Story) -> Iterator[str]:
    yield ""
    yield f"Since {when(story.begin)}"
    for name, traffic in (("strange networks", story.strange), ("own networks", story.own)):
        yield f"  {name:<17} {_traffic(traffic)}"
    if story.disowned:
        yield f"  {_DISOWNED % ', '.join(story.disowned)}"
    for line in summary(story.incident).splitlines():
        yield f"  {line}"


def _traffic(one: Traffic) -> str:
    held = Counted(one.held, one.held_recipients)
    return f"sent {in_words(Counted(one.sent, one.reached))}; held {in_words(held)}; refused {one.refused:,}"


def _networks(story: Story) -> Table:
    table = _made("network", "whose", "area", "first use", "last use", "sent", "recipients", "held", "refused")
    for one in story.networks:
        uses = _uses(one.first_used_at, one.last_used_at, one.traffic)
        _add(table, one.network, _WHOSE.get(one.whose, one.whose), beside_network(one.area), *uses)
    return table


def _logins(story: Story) -> Table:
    table = _made("login", "from", "first use", "last use", "sent", "recipients", "held", "refused")
    for one in story.logins:
        where = "strange networks, too" if one.is_strange else "own networks"
        _add(table, one.login, where, *_uses(one.first_used_at, one.last_used_at, one.traffic))
    return table


def _uses(first: float, last: float, traffic: Traffic) -> Sequence[str]:
    numbers = (traffic.sent, traffic.reached, traffic.held, traffic.refused)
    return (when(first), when(last), *(f"{number:,}" for number in numbers))


def _timeline(story: Story) -> Table:
    table = _made("at", "kind", "what")
    for one in story.timeline:
        _add(table, when(one.at), one.kind, one.text)
    return table


def _recipients(story: Story) -> Iterator[str]:
    if not story.to_warn:
        return
    number = len(story.to_warn) + story.to_warn_left_out
    yield ""
    yield f"Recipients to warn, if it was theft ({number:,})"
    for one in story.to_warn[:_RECIPIENTS_SHOWN]:
        yield f"  {when(one.at)}  {one.recipient}  {one.submission}"
    if number > _RECIPIENTS_SHOWN:
        yield f"  and {number - _RECIPIENTS_SHOWN:,} more: --json has them"


def _advice(story: Story) -> Iterator[str]:
    if story.advice:
        yield ""
        yield "What to do next"
    for one in story.advice:
        yield f"- {one.text}"
        for command in one.commands:
            yield f"      {command}"


def _made(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False)


def _add(table: Table, *cells: str) -> None:
    table.add_row(*map(visible, cells))
