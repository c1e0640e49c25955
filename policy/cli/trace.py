"""`sallyport trace`: one message's whole way: who handed it in, what was decided and why, and what became of it.

The store knows the first half (store/traces.py). The second half is what Postfix's log says, which the queue agent
reads; where that is away the first half is shown, and a sentence says what is not known.
"""

import json as documents
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from policy.cli.explain import counted, words
from policy.cli.output import JSON, plain, printed_width, when
from policy.cli.store import open_identities
from policy.containment.ask_queue import ask_queue
from policy.location import open_existing
from policy.queue_contract import QUEUE_ID, Step, TrailAsked, TrailFound, TrailRow
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.evidence import evidence_of
from policy.store.traces import HeldPart, Traced, submission_of, traced
from policy.visible import visible
from service.settings import load

_IS_ID = re.compile(r"[0-9A-Za-z]{6,64}", re.ASCII)
_BEFORE_S = 60.0  # of the log: the two clocks may differ

_STEPS = {
    Step.RECEIVED: "taken from the gateway",
    Step.HELD: "put on hold",
    Step.FREED: "released from hold",
    Step.QUEUED: "queued",
    Step.RENEWED: "queued anew; before as",
    Step.EXPIRED: "waited too long, and goes back",
    Step.REPORTED: "a report on it went back as",
    Step.REFUSED: "refused:",
    Step.DELETED: "deleted",
    Step.LEFT: "left the queue",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One row for people."""

    at: float
    where: str
    queue_id: str
    what: str


@dataclass(frozen=True, slots=True)
class Found:
    """Of one id. `problem` says why nothing is known of Postfix; empty where its log was looked at."""

    traced: Traced | None
    trail: TrailFound
    problem: str


def trace(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The id in its Received field and in the logs, or a queue id of Postfix.",
            show_default=False,
        ),
    ],
    json: JSON = False,
) -> None:
    """Trace one message: who handed it in, what was decided and why, and what became of it for each recipient.

    That somebody has asked is in the audit log.

    Example: sallyport trace 3f9c0a7d52e14b68
    """
    if not _IS_ID.fullmatch(wanted):
        raise StoreError(
            f"{wanted!r} is neither the id of a submission nor one of Postfix's queue; "
            "our Received field of a message has the one, Postfix's log both"
        )
    settings = load(Settings)
    found = _find(settings, wanted)
    if found.traced is None and not found.trail.rows:
        at_postfix = found.problem or "nor does Postfix's log"
        raise StoreError(
            f"the store does not know {wanted!r} (submissions are kept for {settings.submissions_kept_days} days), "
            f"{at_postfix}"
        )
    whose = found.traced.record.identity if found.traced else ""
    name = found.traced.record.id if found.traced else found.trail.submission or wanted
    open_identities().note_trace(whose, name, time.time())
    if json:
        print(documents.dumps(_plain(found)))
    else:
        _print(found)


def _find(settings: Settings, wanted: str) -> Found:
    engine = open_existing(settings)
    submission = submission_of(engine, wanted)
    known = traced(engine, submission) if submission else None
    found = _asked(settings, known, wanted)
    if known is None and found.trail.submission and found.trail.submission != wanted:
        # The log knows whose it is: what else belongs to that one is asked for, too.
        known = traced(engine, found.trail.submission)
        found = _asked(settings, known, found.trail.submission)
    return found


def _asked(settings: Settings, known: Traced | None, wanted: str) -> Found:
    if known:
        since = known.record.at - _BEFORE_S
        question = TrailAsked(submission=known.record.id, queue_ids=known.queue_ids[:20], since=max(0.0, since))
    else:
        queue_ids = (wanted,) if re.fullmatch(QUEUE_ID, wanted) else ()
        question = TrailAsked(submission=wanted, queue_ids=queue_ids)
    try:
        return Found(known, ask_queue(settings, lambda agent: agent.trail(question)), "")
    except StoreError as error:
        return Found(known, TrailFound(), str(error))


def moments(found: Found) -> list[Moment]:
    """All that happened, in order. Of what happened within one second the log's order is kept."""
    rows = [*_of_policy(found.traced)] if found.traced else []
    return sorted([*rows, *map(_of_postfix, found.trail.rows)], key=lambda one: int(one.at))


def _of_policy(known: Traced) -> Iterator[Moment]:
    record = known.record
    yield Moment(record.at, "policy", "", f"{record.action}{f' ({record.reason})' if record.reason else ''}")
    for part in known.held:
        yield from _of_held(part)
    for one in known.happenings:
        yield Moment(one.at, "policy", "", f"{one.what} {one.text}" if one.what == "signal" else one.text)
    for complaint in known.complaints:
        whose = f" of <{complaint.recipient}>" if complaint.recipient else ""
        yield Moment(complaint.at, "world", "", f"complaint ({complaint.kind}) by {complaint.reporter}{whose}")


def _of_held(part: HeldPart) -> Iterator[Moment]:
    incident = f", incident {part.incident}" if part.incident is not None else ""
    yield Moment(part.at, "policy", part.queue_id, f"held for {counted(part.recipients)}: {part.reason}{incident}")
    if part.state != "held":
        yield Moment(part.state_at, "policy", part.queue_id, part.state)


def _of_postfix(row: TrailRow) -> Moment:
    if row.step is Step.TRIED:
        what = f"<{row.recipient}> {row.status} {row.dsn} by {row.relay}: {row.text}"
    else:
        to = f"<{row.recipient}> " if row.recipient else ""
        what = f"{to}{_STEPS[row.step]} {row.text}".rstrip()
    again = f" ({row.times} times, the last {when(row.last_at)})" if row.times > 1 else ""
    return Moment(row.at, "postfix", row.queue_id, f"{what}{again}")


def _print(found: Found) -> None:
    console = Console(width=printed_width(), emoji=False)

    def say(line: str) -> None:
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)

    for line in _head(found):
        say(line)
    table = Table("at", "where", "queue id", "what happened", box=None, pad_edge=False)
    for one in moments(found):
        table.add_row(when(one.at), one.where, visible(one.queue_id), visible(one.what))
    console.print()
    console.print(table, markup=False, highlight=False)
    for line in _notes(found):
        console.print()
        say(line)


def _head(found: Found) -> Iterator[str]:
    if found.traced is None:
        yield f"{found.trail.submission or 'a message'}: policy has no record of it"
        return
    record = found.traced.record
    yield from words(record, evidence_of(record.evidence))
    label = f"device {found.traced.label}, " if found.traced.label else ""
    yield ""
    yield f"{label}listener {record.listener}, session {record.session}, called itself {record.client_name}"


def _notes(found: Found) -> Iterator[str]:
    if found.problem:
        yield f"What became of it at Postfix is not known: {found.problem}"
        return
    begin, record = found.trail.log_from, found.traced.record if found.traced else None
    if begin is None or (record and begin > record.at):
        yield f"Postfix's log begins at {when(begin) or 'no time: there is none'}; what was before is not in it."
    if not found.trail.is_whole:
        yield "The log is long, and was not read to its end; there may be more."


def _plain(found: Found) -> dict[str, Any]:  # JSON has no narrower type
    known, trail = found.traced, found.trail
    evidence = evidence_of(known.record.evidence) if known else None
    return {
        "submission": plain(known.record.shown) if known else None,
        "label": known.label if known else "",
        "facts": [[one.name, one.value] for one in evidence.facts] if evidence else [],
        "signals": [[one.kind, one.evidence] for one in evidence.signals] if evidence else [],
        "held": [plain(one) for one in known.held] if known else [],
        "happenings": [plain(one) for one in known.happenings] if known else [],
        "complaints": [plain(one) for one in known.complaints] if known else [],
        "postfix": {
            "problem": found.problem or None,
            "is_whole": trail.is_whole,
            "log_from": when(trail.log_from) or None,
            "rows": [row.model_dump() | {"at": when(row.at), "last_at": when(row.last_at)} for row in trail.rows],
        },
    }
