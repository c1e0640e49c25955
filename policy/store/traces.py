"""What the store has of one message, from its submission id or from a queue id: for `sallyport trace`.

What Postfix's log says of it is the queue agent's; policy/cli/trace.py puts both together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select

from policy.store.complaints import StoredComplaint
from policy.store.incident_models import Complaints, HeldMessages, Incidents, Measures
from policy.store.models import Credentials, Identities, Signals, Submissions
from policy.store.records import Record, find_submission
from service.sentence import unpacked

_MOST = 100  # of each kind


@dataclass(frozen=True, slots=True)
class HeldPart:
    """The message, or a part of it, on hold at the next hop."""

    queue_id: str
    at: float
    reason: str
    recipients: int
    state: str
    state_at: float
    release_at: float | None
    incident: int | None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that policy did or noted because of it."""

    at: float
    what: str  # signal, incident, measure
    text: str


@dataclass(frozen=True, slots=True)
class Traced:
    """`label` is the device's; empty where the login is gone."""

    record: Record
    label: str
    held: tuple[HeldPart, ...]
    complaints: tuple[StoredComplaint, ...]
    happenings: tuple[Happening, ...]

    @property
    def queue_ids(self) -> tuple[str, ...]:
        known = (self.record.queue_id, self.record.held_queue_id, *(one.queue_id for one in self.held))
        return tuple(dict.fromkeys(one for one in known if one))


def submission_of(engine: Engine, wanted: str) -> str | None:
    """Whose id it is: a submission's own, or that of a message at Postfix. None where the store knows neither."""
    row, held = Submissions, HeldMessages
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return (
            connection.scalar(select(row.id).where(row.id == wanted))
            or connection.scalar(select(held.submission).where(held.queue_id == wanted))
            or connection.scalar(select(row.id).where(row.queue_id == wanted).limit(1))
            or connection.scalar(select(row.id).where(row.held_queue_id == wanted).limit(1))
        )


def traced(engine: Engine, submission: str) -> Traced | None:
    """None where its record is too old."""
    record = find_submission(engine, submission)
    if record is None:
        return None
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        label = connection.scalar(select(Credentials.label).where(Credentials.login == record.login))
        held = tuple(_held(connection, submission))
        incidents = sorted({one.incident for one in held if one.incident is not None})
        happenings = (*_signals(connection, record), *_incidents(connection, incidents))
        complaints = tuple(_complaints(connection, submission))
    return Traced(record, label or "", held, complaints, happenings)


def _held(connection: Connection, submission: str) -> Iterator[HeldPart]:
    row = HeldMessages
    wanted = select(
        row.queue_id, row.at, row.reason, row.recipients, row.state, row.state_at, row.release_at, row.incident_id
    )
    for found in connection.execute(wanted.where(row.submission == submission).order_by(row.id).limit(_MOST)):
        yield HeldPart(*found)


def _signals(connection: Connection, record: Record) -> Iterator[Happening]:
    row = Signals
    wanted = (
        select(row.at, row.kind, row.evidence)
        .join(Identities, Identities.id == row.identity_id)
        .where(Identities.name == record.identity, row.at >= record.at, row.submission == record.id)
        .order_by(row.id)
        .limit(_MOST)
    )
    for at, kind, evidence in connection.execute(wanted):
        yield Happening(at, "signal", f"{kind}: {unpacked(evidence)}")


def _incidents(connection: Connection, numbers: list[int]) -> Iterator[Happening]:
    """Those that have held it: when they were opened, what they made necessary, and how they ended."""
    row, measure = Incidents, Measures
    wanted = select(row.id, row.opened_at, row.opened_by, row.state, row.closed_at).where(row.id.in_(numbers))
    for number, opened_at, opened_by, state, closed_at in connection.execute(wanted):
        yield Happening(opened_at, "incident", f"incident {number} was opened by {opened_by}")
        if closed_at is not None:
            yield Happening(closed_at, "incident", f"incident {number} was {state}")
    done = select(func.coalesce(measure.done_at, 0.0), measure.incident_id, measure.kind, measure.outcome).where(
        measure.incident_id.in_(numbers), measure.done_at.is_not(None)
    )
    for at, number, kind, outcome in connection.execute(done.order_by(measure.id).limit(_MOST)):
        yield Happening(at, "measure", f"incident {number}: {kind}{f': {unpacked(outcome)}' if outcome else ''}")


def _complaints(connection: Connection, submission: str) -> Iterator[StoredComplaint]:
    row = Complaints
    wanted = select(row.at, row.submission, row.identity, row.recipient, row.reporter, row.kind)
    for found in connection.execute(wanted.where(row.submission == submission).order_by(row.id).limit(_MOST)):
        yield StoredComplaint(*found)
