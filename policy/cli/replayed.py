"""The report of a replay for people, as tables, and as JSON for programs."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from policy.cli.output import printed_width, when
from policy.replay.report import Limit, OneIdentity, OneRule, Report, moment
from policy.visible import visible

_SUSPECTS = 10  # that are named in one line
_LIMITS = 12  # the nearest ones; JSON and the page have all
_MOMENTS = ("at", "first_at", "last_at", "judged_from", "step_at")


def plain_report(report: Report) -> dict[str, Any]:
    """JSON: moments in ISO 8601, UTC."""
    values: dict[str, Any] = _plain(dataclasses.asdict(report))
    return values


def print_report(report: Report) -> None:
    """What an administrator wants to know first comes first."""
    console = Console(width=printed_width(), emoji=False)
    for line in _head(report) if report.judged else _nothing(report):
        console.print(line, markup=False, highlight=False)
    if not report.judged:
        return
    if report.rules:
        _print(console, "By rule", _RULES, map(_rule, report.rules))
    if report.people:
        _print(console, "By identity", _PEOPLE, map(_person, report.people))
    if report.limits:
        _print(console, "How near to the limits it went", _NEAR, map(_limit, report.limits[:_LIMITS]))
    console.print()
    for line in _needed(report):
        console.print(line, markup=False, highlight=False)


def _nothing(report: Report) -> Iterable[str]:
    """Where nobody was judged nothing is said of the policy; why it is so, replay.py says."""
    yield _read(report)
    yield from map(visible, report.source.broken)


def _read(report: Report) -> str:
    lines, unreadable = report.source.lines, report.source.unreadable
    return f"{lines:,} lines, {unreadable:,} of them unreadable; policy {report.rulebook}"


def _head(report: Report) -> Iterable[str]:
    done = report.messages
    yield _read(report)
    yield (
        f"{moment(report.first_at)} to {moment(report.last_at)} (UTC); judged from {moment(report.judged_from)} on, "
        f"learnt from {report.learnt:,} messages before"
    )
    yield (
        f"{report.judged:,} messages judged: {done.accepted:,} accepted, {done.slowed:,} slowed, {done.held:,} held, "
        f"{done.deferred:,} deferred, {done.refused:,} refused"
    )
    yield from map(visible, report.source.broken)
    yield f"{report.hindered:,} of {report.identities:,} identities would have noticed"
    if not report.has_origins:
        yield "There is no database of addresses: every network is in an unknown country, and an area of its own."
    for then, now, number in report.changed:
        if then != now:
            yield f"{number:,} messages: {then} then, {now} now"


_RULES = ("rule", "mode", "slowed", "held", "deferred", "refused", "observed", "identities", "first", "whose", "why")
_PEOPLE = ("identity", "profile", "step", "accepted", "slowed", "held", "deferred", "refused", "rules", "first", "from")
_NEAR = ("limit", "of", "in", "highest", "allowed", "share", "with suspects", "whose")


def _rule(one: OneRule) -> Sequence[str]:
    done = one.messages
    numbers = (done.slowed, done.held, done.deferred, done.refused, one.observed, one.identities)
    first = one.first
    return (one.rule, one.mode.value, *map(_number, numbers), moment(first.at), first.identity, first.evidence)


def _person(one: OneIdentity) -> Sequence[str]:
    done = one.messages
    numbers = (done.accepted, done.slowed, done.held, done.deferred, done.refused)
    first = min((rule.first for rule in one.rules), key=lambda case: case.at, default=None)
    return (
        one.identity, one.profile, "" if one.step == "free" else one.step, *map(_number, numbers),
        ", ".join(rule.rule for rule in one.rules), moment(first.at) if first else "",
        f"{first.client_address} ({first.area})" if first else "",
    )  # fmt: skip


def _limit(one: Limit) -> Sequence[str]:
    whose = ", ".join(f"{name} {number:,}" for name, number in one.identities[:2])
    share = f"{min(one.share, 99) * 100:.0f} %"
    suspects = f"{one.highest:,}" if one.highest != one.highest_of_others else ""
    return (
        one.rule, one.profile or "all", one.window or "a message", f"{one.highest_of_others:,}", f"{one.limit:,}",
        share, suspects, whose,
    )  # fmt: skip


def _needed(report: Report) -> Iterable[str]:
    over = [one for one in report.limits if one.needed is not None]
    if report.suspects:
        names = ", ".join(report.suspects[:_SUSPECTS]) + (", ..." if len(report.suspects) > _SUSPECTS else "")
        yield visible(f"Suspects, who would have been restricted or locked ({len(report.suspects):,}): {names}")
    but = " but these" if report.suspects else ""
    if not over:
        yield f"Nobody{but} exceeded a limit."
        return
    yield f"For nobody{but} to be refused, these limits would have to be higher (look first at whose they are):"
    for one in over:
        whose = ", ".join(name for name, number in one.identities[:3] if number > one.limit)
        where = f"{one.rule} of {one.profile}" if one.profile else one.rule
        span = f" in {one.window}" if one.window else ""
        yield visible(f"  {where}{span}: {one.limit:,} -> {one.needed:,}" + (f"  ({whose})" if whose else ""))


def _print(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """What a stranger wrote into the log must not move the cursor."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(visible, row))
    console.print(f"\n{title}", markup=False, highlight=False)
    console.print(table, markup=False, highlight=False)


def _number(number: int) -> str:
    return f"{number:,}" if number else ""


def _plain(value: object, name: str = "") -> Any:  # noqa: ANN401 - JSON has no narrower type
    if isinstance(value, dict):
        return {key: _plain(one, key) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return when(value) if name in _MOMENTS and isinstance(value, float) else value
