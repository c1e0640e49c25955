"""What happened in an incident, in order: signals, traps, what was done, who was told. incident_story.py has the rest.

Nothing here is without bound: of each table a few hundred rows are read, and what is left out is counted.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from policy.store.audit import is_about
from policy.store.held import HeldState
from policy.store.incident_models import Complaints, HeldMessages, Notices
from policy.store.incident_traffic import STRANGE, SeenNetwork, Span
from policy.store.incidents import StoredIncident
from policy.store.measures import Kind, StoredMeasure
from policy.store.models import Audit, Identities, Revocations, Signals, Submissions, TrapHits

READ = 500  # of one table
SHOWN = 200  # of all together: the first half, and the last


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, as a sentence. Parts of it may be a stranger's words."""

    at: float
    kind: str  # incident, use, message, signal, trap, measure, sessions, held, told, act, complaint, answer
    text: str


_IS_REFUSED = Submissions.action.in_(("defer", "reject"))
_ENDED = {
    HeldState.RELEASED.value: "was released",
    HeldState.PURGED.value: "was deleted",
    HeldState.EXPIRED.value: "was deleted because of its age",
    HeldState.GONE.value: "was gone from the queue: somebody released or deleted it there",
}
Question = Select[*tuple[Any, ...]]
Part = tuple[list[Entry], int]  # and how many there are in all


def timeline(
    connection: Connection, incident: StoredIncident, span: Span, networks: Iterable[SeenNetwork]
) -> tuple[tuple[Entry, ...], int]:
    """The oldest first; and how many are left out in the middle."""
    parts: list[Part] = [
        _all(_head(incident)),
        _all(_uses(networks)),
        _all(entry for measure in incident.measures for entry in _measure(measure)),
        _all(_first_messages(connection, span)),
        _all(_moved(connection, incident.number)),
        *(_read(connection, wanted, say) for wanted, say in _tables(incident, span)),
    ]
    entries = sorted((entry for part, _ in parts for entry in part), key=lambda one: one.at)
    number = sum(number for _, number in parts)
    if len(entries) > SHOWN:
        entries = [*entries[: SHOWN // 2], *entries[-SHOWN // 2 :]]
    return tuple(entries), number - len(entries)


def _tables(incident: StoredIncident, span: Span) -> Iterator[tuple[Question, Callable[..., Entry]]]:
    """What is read of each, the oldest first."""
    signal, trap, act, notice, ended, complaint = Signals, TrapHits, Audit, Notices, Revocations, Complaints
    yield (
        select(signal.at, signal.kind, signal.evidence, signal.client_address, signal.submission)
        .join(Identities, Identities.id == signal.identity_id)
        .where(Identities.name == span.identity, signal.at >= span.begin, signal.at <= span.end)
        .order_by(signal.at, signal.id),
        _signal,
    )
    yield (
        select(trap.at, trap.kind, trap.client_address, trap.protocol, trap.label, trap.hits)
        .where(trap.identity == span.identity, trap.at >= span.begin, trap.at <= span.end)
        .order_by(trap.at, trap.id),
        _trap,
    )
    yield (
        select(act.at, act.actor, act.action, act.subject, act.after)
        .where(act.at >= span.begin, is_about(span.identity))
        .order_by(act.id),
        _act,
    )
    yield (
        select(notice.at, notice.channel, notice.subject, notice.sent_at, notice.given_up_at, notice.problem)
        .where(notice.thread == f"incident:{incident.number}")
        .order_by(notice.at, notice.id),
        _told,
    )
    yield (
        select(ended.at, func.count())
        .where(ended.identity == span.identity, ended.at >= span.begin)
        .group_by(ended.at)
        .order_by(ended.at),
        _sessions,
    )
    yield (
        select(complaint.at, complaint.reporter, complaint.kind, complaint.submission)
        .where(complaint.identity == span.identity, complaint.at >= span.begin)
        .order_by(complaint.at, complaint.id),
        _complaint,
    )


def _all(entries: Iterable[Entry]) -> Part:
    """What is few by its nature; what is more than is shown is only counted."""
    found = list(entries)
    return found[:READ], len(found)


def _read(connection: Connection, wanted: Question, say: Callable[..., Entry]) -> Part:
    rows = connection.execute(wanted.limit(READ + 1)).all()
    number = len(rows)
    if number > READ:
        number = connection.scalar(select(func.count()).select_from(wanted.order_by(None).subquery())) or 0
    return [say(*row) for row in rows[:READ]], number


def _head(incident: StoredIncident) -> Iterator[Entry]:
    yield Entry(incident.opened_at, "incident", f"incident {incident.number} opened by {incident.opened_by}")
    if incident.answered_at is not None:
        said = "yes, it was me" if incident.answer == "yes" else "no, it was not me"
        yield Entry(incident.answered_at, "answer", f"the owner answered: {said}")


def _uses(networks: Iterable[SeenNetwork]) -> Iterator[Entry]:
    """Strange ones; what the owner's were used for says the table of networks."""
    for one in networks:
        if one.whose == STRANGE:
            where = f", {one.area}" if one.area else ""
            yield Entry(one.first_used_at, "use", f"first message from {one.network}{where}, strange to the identity")


def _measure(measure: StoredMeasure) -> Iterator[Entry]:
    if measure.kind == Kind.END_SESSIONS:  # the feed of revocations says it
        return
    if measure.done_at is not None:
        yield Entry(measure.done_at, "measure", f"{measure.kind}: {measure.outcome or 'done'}")
    else:
        why = f" ({measure.outcome})" if measure.outcome else ""
        yield Entry(measure.due_at, "measure", f"{measure.kind}: not done yet{why}")


def _first_messages(connection: Connection, span: Span) -> Iterator[Entry]:
    """The first that was held, and the first that was refused."""
    row = Submissions
    for what, condition in (("held", (row.action == "hold") | (row.held > 0)), ("refused", _IS_REFUSED)):
        wanted = (
            select(row.at, row.id, row.client_address, row.reason)
            .where(row.identity == span.identity, row.at >= span.begin, row.at <= span.end, condition)
            .order_by(row.at, row.id)
            .limit(1)
        )
        for at, submission, address, reason in connection.execute(wanted):
            yield Entry(at, "message", f"first message {what} ({reason}), from {address}, {submission}")


def _moved(connection: Connection, incident: int) -> Iterator[Entry]:
    """What became of held mail, added up: there may be a hundred thousand."""
    row = HeldMessages
    wanted = (
        select(row.state, func.count(), func.sum(row.recipients), func.max(row.state_at))
        .where(row.incident_id == incident, row.state.in_(_ENDED))
        .group_by(row.state)
    )
    for state, messages, recipients, at in connection.execute(wanted):
        yield Entry(at, "held", f"the last of {messages:,} held messages to {recipients:,} recipients {_ENDED[state]}")


def _signal(at: float, kind: str, evidence: str, address: str, submission: str) -> Entry:
    where = f", from {address}" if address else ""
    what = f", {submission}" if submission else ""
    return Entry(at, "signal", f"{kind}: {evidence}{where}{what}")


def _trap(at: float, kind: str, address: str, protocol: str, label: str, hits: int) -> Entry:
    which = f" ({label})" if label else ""
    return Entry(at, "trap", f"{kind}{which} tried from {address} over {protocol}, {hits} times in that hour")


def _act(at: float, actor: str, action: str, subject: str, after: str) -> Entry:
    note = json.loads(after).get("note")
    return Entry(at, "act", f"{actor}: {action} {subject}" + (f' ("{note}")' if note else ""))


def _told(
    at: float, channel: str, subject: str, sent_at: float | None, given_up_at: float | None, problem: str
) -> Entry:
    why = f" ({problem})" if problem else ""
    if sent_at is not None:
        return Entry(sent_at, "told", f"{channel} was told: {subject}")
    if given_up_at is not None:
        return Entry(given_up_at, "told", f"{channel} could not be told{why}: {subject}")
    return Entry(at, "told", f"{channel} is not told yet{why}: {subject}")


def _sessions(at: float, credentials: int) -> Entry:
    return Entry(at, "sessions", f"sessions of {credentials} credential{'' if credentials == 1 else 's'} ended")


def _complaint(at: float, reporter: str, kind: str, submission: str) -> Entry:
    return Entry(at, "complaint", f"{kind}, reported by {reporter}, {submission}")
