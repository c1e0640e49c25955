"""What happened in an incident, in order: signals, traps, what was done, who was told. incident_story.py has the rest.

Nothing here is without bound: of each table a few hundred rows are read, and what is left out is counted.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from policy.alerting.subjects import about
from policy.store.areas import beside_network
from policy.store.audit import is_about
from policy.store.held import HeldState
from policy.store.incident_models import Complaints, HeldMessages, Notices
from policy.store.incident_traffic import STRANGE, SeenNetwork, Span
from policy.store.incidents import StoredIncident
from policy.store.measures import Kind, Outcome, StoredMeasure
from policy.store.models import Audit, Identities, Revocations, Signals, Submissions, TrapHits
from policy.store.notices import OWNER
from service.sentence import Sentence, unpacked

READ = 500  # of one table
SHOWN = 200  # of all together: the first half, and the last


class Said(StrEnum):
    """Every sentence. `%(name)s` is a value; what is evidence is as it was written down."""

    OPENED = "incident %(number)s opened by %(actor)s"
    OWNER_YES = "the owner answered: yes, it was me"
    OWNER_NO = "the owner answered: no, it was not me"
    FIRST_USE = "first message from %(network)s, strange to the identity"
    DONE = "%(measure)s: %(outcome)s"
    NOT_DONE = "%(measure)s: not done yet"
    NOT_DONE_WHY = "%(measure)s: not done yet, tries: %(tries)s (%(outcome)s)"
    FIRST_HELD = "first message held (%(reason)s), from %(address)s, %(submission)s"
    FIRST_REFUSED = "first message refused (%(reason)s), from %(address)s, %(submission)s"
    RELEASED = "the last of %(messages)s held messages to %(recipients)s recipients was released"
    PURGED = "the last of %(messages)s held messages to %(recipients)s recipients was deleted"
    EXPIRED = "the last of %(messages)s held messages to %(recipients)s recipients was deleted because of its age"
    GONE = (
        "the last of %(messages)s held messages to %(recipients)s recipients was gone from the queue:"
        " somebody released or deleted it there"
    )
    SIGNAL = "%(signal)s: %(evidence)s"
    SIGNAL_FROM = "%(signal)s: %(evidence)s, from %(source)s"
    SIGNAL_OF = "%(signal)s: %(evidence)s, %(submission)s"
    TRAP = "%(trap)s tried from %(address)s over %(protocol)s, %(hits)s times in that hour"
    TRAP_OF = "%(trap)s (%(label)s) tried from %(address)s over %(protocol)s, %(hits)s times in that hour"
    ACT = "%(actor)s: %(act)s %(subject)s"
    ACT_WITH_NOTE = '%(actor)s: %(act)s %(subject)s ("%(note)s")'
    TOLD = "%(channel)s was told: %(subject)s"
    NOT_TOLD = "%(channel)s could not be told: %(subject)s"
    NOT_TOLD_WHY = "%(channel)s could not be told (%(why)s): %(subject)s"
    NOT_TOLD_YET = "%(channel)s is not told yet: %(subject)s"
    NOT_TOLD_YET_WHY = "%(channel)s is not told yet (%(why)s): %(subject)s"
    SESSION = "sessions of 1 credential ended"
    SESSIONS = "sessions of %(credentials)s credentials ended"
    COMPLAINT = "%(complaint)s, reported by %(reporter)s, %(submission)s"


class _NoticeRow(NamedTuple):
    """What is read of a notice."""

    at: float
    kind: str
    channel: str
    subject: str
    content: str
    sent_at: float | None
    given_up_at: float | None
    problem: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, as a sentence. Parts of it may be a stranger's words."""

    at: float
    kind: str  # incident, use, message, signal, trap, measure, sessions, held, told, act, complaint, answer
    text: str
    said: str = ""  # the sentence without its values, for whoever says it in another language
    values: Mapping[str, object] = field(default_factory=dict)  # words of the machine, sentences, names, numbers


_IS_REFUSED = Submissions.action.in_(("defer", "reject"))
_ENDED = {
    HeldState.RELEASED.value: Said.RELEASED,
    HeldState.PURGED.value: Said.PURGED,
    HeldState.EXPIRED.value: Said.EXPIRED,
    HeldState.GONE.value: Said.GONE,
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
        select(*(getattr(notice, name) for name in _NoticeRow._fields))
        .where(notice.thread == f"incident:{incident.number}")
        .order_by(notice.at, notice.id),
        lambda *row: _told(_NoticeRow(*row)),
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


def _entry(at: float, kind: str, said: Said, /, **values: object) -> Entry:
    return Entry(at, kind, said % values, said, values)


def _head(incident: StoredIncident) -> Iterator[Entry]:
    yield _entry(incident.opened_at, "incident", Said.OPENED, number=incident.number, actor=incident.opened_by)
    if incident.answered_at is not None:
        yield _entry(incident.answered_at, "answer", Said.OWNER_YES if incident.answer == "yes" else Said.OWNER_NO)


def _uses(networks: Iterable[SeenNetwork]) -> Iterator[Entry]:
    """Strange ones; what the owner's were used for says the table of networks."""
    for one in networks:
        if one.whose == STRANGE:
            where = f", {beside_network(one.area)}" if one.area else ""
            text = Said.FIRST_USE % {"network": f"{one.network}{where}"}
            yield Entry(one.first_used_at, "use", text, Said.FIRST_USE, {"network": one.network, "area": one.area})


def _measure(measure: StoredMeasure) -> Iterator[Entry]:
    what: dict[str, object] = {"measure": measure.kind, "outcome": measure.outcome, "tries": measure.tries}
    if measure.kind == Kind.END_SESSIONS:  # the feed of revocations says it
        return
    if measure.done_at is not None:
        yield _entry(measure.done_at, "measure", Said.DONE, **what | {"outcome": measure.outcome or Outcome.DONE.of()})
    else:
        yield _entry(measure.due_at, "measure", Said.NOT_DONE_WHY if measure.outcome else Said.NOT_DONE, **what)


def _first_messages(connection: Connection, span: Span) -> Iterator[Entry]:
    """The first that was held, and the first that was refused."""
    row = Submissions
    is_held = (row.action == "hold") | (row.held > 0)
    for said, condition in ((Said.FIRST_HELD, is_held), (Said.FIRST_REFUSED, _IS_REFUSED)):
        wanted = (
            select(row.at, row.id, row.client_address, row.reason)
            .where(row.identity == span.identity, row.at >= span.begin, row.at <= span.end, condition)
            .order_by(row.at, row.id)
            .limit(1)
        )
        for at, submission, address, reason in connection.execute(wanted):
            yield _entry(at, "message", said, reason=reason, address=address, submission=submission)


def _moved(connection: Connection, incident: int) -> Iterator[Entry]:
    """What became of held mail, added up: there may be a hundred thousand."""
    row = HeldMessages
    wanted = (
        select(row.state, func.count(), func.sum(row.recipients), func.max(row.state_at))
        .where(row.incident_id == incident, row.state.in_(_ENDED))
        .group_by(row.state)
    )
    for state, messages, recipients, at in connection.execute(wanted):
        yield _entry(at, "held", _ENDED[state], messages=f"{messages:,}", recipients=f"{recipients:,}")


def _signal(at: float, kind: str, evidence: str, address: str, submission: str) -> Entry:
    what: dict[str, object] = {"signal": kind, "evidence": unpacked(evidence)}
    if not address and submission:
        return _entry(at, "signal", Said.SIGNAL_OF, **what, submission=submission)
    if not address:
        return _entry(at, "signal", Said.SIGNAL, **what)
    source = f"{address}, {submission}" if submission else address
    return _entry(at, "signal", Said.SIGNAL_FROM, **what, source=source)


def _trap(at: float, kind: str, address: str, protocol: str, label: str, hits: int) -> Entry:
    values = {"trap": kind, "address": address, "protocol": protocol, "hits": hits}
    if label:
        return _entry(at, "trap", Said.TRAP_OF, label=label, **values)
    return _entry(at, "trap", Said.TRAP, **values)


def _act(at: float, actor: str, action: str, subject: str, after: str) -> Entry:
    note = json.loads(after).get("note")
    if note:
        return _entry(at, "act", Said.ACT_WITH_NOTE, actor=actor, act=action, subject=subject, note=note)
    return _entry(at, "act", Said.ACT, actor=actor, act=action, subject=subject)


def _told(row: _NoticeRow) -> Entry:
    """A page says what the notice was about in its own words: by its kind, and the facts that it has for programs."""
    part = about(row.kind, json.loads(row.content)["facts"])
    whom = OWNER if row.channel.startswith(f"{OWNER}:") else row.channel  # an incident has one
    what: dict[str, object] = {"channel": whom, "subject": Sentence(row.subject, [part] if part else ())}
    if row.sent_at is not None:
        return _entry(row.sent_at, "told", Said.TOLD, **what)
    if row.problem:
        what["why"] = unpacked(row.problem)
    if row.given_up_at is not None:
        return _entry(row.given_up_at, "told", Said.NOT_TOLD_WHY if row.problem else Said.NOT_TOLD, **what)
    return _entry(row.at, "told", Said.NOT_TOLD_YET_WHY if row.problem else Said.NOT_TOLD_YET, **what)


def _sessions(at: float, credentials: int) -> Entry:
    return _entry(at, "sessions", Said.SESSION if credentials == 1 else Said.SESSIONS, credentials=credentials)


def _complaint(at: float, reporter: str, kind: str, submission: str) -> Entry:
    return _entry(at, "complaint", Said.COMPLAINT, complaint=kind, reporter=reporter, submission=submission)
