"""Incidents, for people: contain a credential, release what was done, purge what was held, answer for oneself.

Each is one transaction: what changes in the database, the measures that policy/containment/ carries out afterwards, who
is told, and the row in the audit log. Asked again, each changes nothing more.

    contain   suspends credentials, ends their sessions, holds what they handed in and is still queued
    release   undoes exactly that, takes the signals back, and lets held mail go
    purge     suspends the credentials that were misused, takes the signals back, and deletes held mail
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select, update

from policy.alerting.kinds import Kind as Notice
from policy.engine.ladder import LOCK_SPAN_S, Step
from policy.engine.sources import NOWHERE, network_of
from policy.store.changes import Changes, end_sessions, identity_id
from policy.store.contained import DONE, Contained, contained_by
from policy.store.errors import Decided, StoreError, Unknown
from policy.store.handed_in import was_home
from policy.store.held import HeldNotes, HeldState
from policy.store.held_book import count_held
from policy.store.incident_acts import Decision, decisions_in
from policy.store.incident_models import HeldMessages, Incidents, Measures
from policy.store.incident_notes import IncidentNotes, State
from policy.store.incident_traffic import STRANGE, decided_before, span_of, traffic_in
from policy.store.ladder_book import NOTE_LIMIT
from policy.store.measures import Kind, MeasureNotes, Outcome, StoredMeasure
from policy.store.models import Credentials, Identities, Signals, Standings, Submissions
from policy.store.notices import add_notice, thread_of
from policy.store.statements import OnConnection
from service.sentence import unpacked

LISTED = 100
_PAGE = 500
_AFTERWARDS_S = 2.0
_COLUMNS = (
    Incidents.id, Incidents.identity, Incidents.state, Incidents.step, Incidents.opened_by, Incidents.opened_at,
    Incidents.since, Incidents.changed_at, Incidents.closed_at, Incidents.answer, Incidents.answered_at, Incidents.note,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counted:
    """Messages, and their recipients."""

    messages: int
    recipients: int


@dataclass(frozen=True, slots=True)
class StoredIncident:
    """One incident. `held` by the state of the messages (policy.store.held.HeldState)."""

    number: int
    identity: str
    state: str  # open, released, purged
    step: str  # the highest of the ladder, by name; free where nobody but a person did anything
    opened_by: str
    opened_at: float
    since: float  # the first bad use
    changed_at: float
    closed_at: float | None
    answer: str  # the owner's: yes, no, or empty
    answered_at: float | None
    note: str
    suspended: tuple[str, ...]  # logins
    contained: Contained | None  # as long as there are any
    held: dict[str, Counted]
    measures: tuple[StoredMeasure, ...]
    decisions: tuple[Decision, ...] = ()  # the newest first

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be done, and nothing moves."""
        moving = {HeldState.RELEASING.value, HeldState.PURGING.value, HeldState.EXPIRING.value}
        return all(one.done_at is not None for one in self.measures) and not moving & self.held.keys()


class Place(NamedTuple):
    """Of an incident in the list of all."""

    is_closed: bool
    number: int


class IncidentBook(Changes):
    """The part of the identity store that has the incidents."""

    def incidents(
        self,
        *,
        state: State | None = None,
        identity: str | None = None,
        after: Place | None = None,
        limit: int = LISTED,
    ) -> list[StoredIncident]:
        """Open ones first, then the newest; the page after the one at `after`."""
        is_closed = Incidents.state != State.OPEN
        wanted = select(Incidents).order_by(is_closed, Incidents.id.desc()).limit(limit)
        if after is not None:
            further = is_closed & (Incidents.id < after.number)
            wanted = wanted.where(further if after.is_closed else is_closed | (Incidents.id < after.number))
        wanted = wanted if state is None else wanted.where(Incidents.state == state)
        wanted = wanted if identity is None else wanted.where(Incidents.identity == identity)
        with self._reading.connect() as connection:
            return [_incident(connection, row) for row in connection.execute(wanted.with_only_columns(*_COLUMNS))]

    def incident(self, number: int) -> StoredIncident:
        """StoreError where there is none of that number."""
        with self._reading.connect() as connection:
            return known_incident(connection, number)

    def contain_credential(self, login: str, note: str, now: float) -> StoredIncident:
        """This login is refused from now on, wherever from."""
        with self._engine.begin() as connection:
            for number, identity, revoked_at in connection.execute(
                select(Credentials.id, Identities.name, Credentials.revoked_at)
                .join(Identities, Identities.id == Credentials.identity_id)
                .where(Credentials.login == login)
            ):
                if revoked_at is not None:
                    raise StoreError(f"the login {login!r} was revoked already: nobody can use it")
                return self._contain(connection, identity, {number: login}, note, now)
        raise Unknown(f"there is no login {login!r}; `sallyport credential list` shows all")

    def contain_identity(self, name: str, note: str, now: float) -> StoredIncident:
        """The same for all logins that it has now. One that is made afterwards works."""
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            working = select(Credentials.id, Credentials.login).where(
                Credentials.identity_id == number, Credentials.revoked_at.is_(None)
            )
            return self._contain(connection, name, _by_number(connection.execute(working).all()), note, now)

    def release_incident(self, number: int, note: str, now: float, *, seen: State | None = None) -> StoredIncident:
        """It was nothing, or it is over. What was purged stays so.

        `seen` is the state that whoever decides had before him; Decided where it is another one by now.
        """
        with self._engine.begin() as connection:
            before = _as_seen(known_incident(connection, number), seen)
            if before.state != State.RELEASED:
                self._release(connection, before, _checked(note), now)
            return known_incident(connection, number)

    def purge_incident(self, number: int, note: str, now: float, *, seen: State | None = None) -> StoredIncident:
        """It was theft: what is held goes nowhere, and the credentials that were used stay suspended."""
        with self._engine.begin() as connection:
            before = _as_seen(known_incident(connection, number), seen)
            if before.state == State.RELEASED:
                raise StoreError(f"incident {number} was released: nothing of it can be deleted any more")
            if before.state == State.OPEN:
                self._suspend(connection, number, before.identity, misused_credentials(connection, before, now), now)
                self._close(connection, before, State.PURGED, _checked(note), now)
                HeldNotes(OnConnection(connection)).adopt(before.identity, number)
                self._purge_held(connection, number, now)
                self._record(connection, now, "incident-purged", before.identity, {}, _told(number, note))
                self._tell(connection, Notice.INCIDENT_PURGED, before, note, now)
            elif HeldState.HELD.value in before.held:  # its owner has said that it was not him: sooner than that
                MeasureNotes(OnConnection(connection)).call_off(number, Kind.PURGE, Outcome.DONE_AT_ONCE.of(), now)
                self._purge_held(connection, number, now)
                self._record(connection, now, "incident-purged", before.identity, {}, _told(number, note))
            return known_incident(connection, number)

    # What several of them do, within one transaction

    def _contain(
        self, connection: Connection, identity: str, logins: dict[int, str], note: str, now: float
    ) -> StoredIncident:
        notes = IncidentNotes(OnConnection(connection))
        since = _first_strange(connection, identity, now)
        # Whoever contains an identity does not put it anywhere on the ladder.
        opened = notes.open(identity, Step.FREE, now, since=since, by=self._actor.name)
        is_noted = bool(note) and self._note(connection, opened.number, _checked(note))
        suspended = self._suspend(connection, opened.number, identity, logins, now)
        if suspended:
            MeasureNotes(OnConnection(connection)).add_retro_hold(opened.number, now, suspended)
        if suspended or opened.is_new or is_noted:
            after = {"incident": opened.number, "logins": suspended, "note": note}
            self._record(connection, now, "contained", identity, {}, after)
        if suspended or opened.is_new:
            self._tell(connection, Notice.INCIDENT_CONTAINED, known_incident(connection, opened.number), note, now)
        return known_incident(connection, opened.number)

    @staticmethod
    def _note(connection: Connection, number: int, note: str) -> bool:
        """Whether it is another one than before."""
        other = (Incidents.id == number, Incidents.note != note)
        return connection.execute(update(Incidents).where(*other).values(note=note)).rowcount > 0

    def _suspend(
        self, connection: Connection, incident: int, identity: str, logins: dict[int, str], now: float
    ) -> list[str]:
        """Those that were not suspended before."""
        row = Credentials
        wanted = select(row.id).where(row.id.in_(logins), row.contained_by.is_(None), row.revoked_at.is_(None))
        fresh = list(connection.scalars(wanted))
        if not fresh:
            return []
        connection.execute(update(row).where(row.id.in_(fresh)).values(contained_by=incident))
        end_sessions(connection, identity, fresh, now)
        names = sorted(logins[number] for number in fresh)
        measures = MeasureNotes(OnConnection(connection))
        measures.add_done(incident, Kind.SUSPEND, ", ".join(names), now)
        measures.add_done(incident, Kind.END_SESSIONS, Outcome.OF_CREDENTIALS.of(credentials=len(fresh)), now)
        return names

    def _release(self, connection: Connection, before: StoredIncident, note: str, now: float) -> None:
        statements = OnConnection(connection)
        measures, held = MeasureNotes(statements), HeldNotes(statements)
        connection.execute(
            update(Credentials).where(Credentials.contained_by == before.number).values(contained_by=None)
        )
        for kind, why in ((Kind.RETRO_HOLD, Outcome.RELEASED_BEFORE), (Kind.PURGE, Outcome.CALLED_OFF)):
            measures.call_off(before.number, kind, why.of(), now)
        self._close(connection, before, State.RELEASED, note, now)
        held.move_all(before.number, HeldState.RELEASING, now)
        measures.add(before.number, Kind.RELEASE, now)
        was = {"state": before.state, "suspended": list(before.suspended)}
        self._record(connection, now, "incident-released", before.identity, was, _told(before.number, note))
        self._tell(connection, Notice.INCIDENT_RELEASED, before, note, now)

    def _tell(self, connection: Connection, kind: Notice, incident: StoredIncident, note: str, now: float) -> None:
        number, identity = incident.number, incident.identity
        subject = f"{identity}: {kind.value.removeprefix('incident-')} by {self._actor.name}"
        logins = ", ".join(known_incident(connection, number).suspended) or "none"
        lines = [*([f"Why: {note}"] if note else []), f"Done already: {DONE[kind].format(logins=logins)}"]
        facts = {"incident": number, "identity": identity, "by": self._actor.name}
        add_notice(connection, kind, subject, lines, now, thread=thread_of(number), facts=facts, owner=identity)

    def _purge_held(self, connection: Connection, number: int, now: float) -> None:
        """And once more when nothing is looked for any more that would be held."""
        statements = OnConnection(connection)
        HeldNotes(statements).move_all(number, HeldState.PURGING, now)
        measures = MeasureNotes(statements)
        measures.add(number, Kind.PURGE, now)
        if (last := measures.last_due(number, Kind.RETRO_HOLD)) is not None:
            measures.add(number, Kind.PURGE, now, due_at=max(last, now) + _AFTERWARDS_S)

    def _close(self, connection: Connection, before: StoredIncident, state: State, note: str, now: float) -> None:
        """Signals are taken back and the identity is free: what spoke against it is dealt with."""
        connection.execute(
            update(Incidents)
            .where(Incidents.id == before.number)
            .values(state=state, closed_at=now, changed_at=now, note=note or before.note)
        )
        for number in connection.scalars(select(Identities.id).where(Identities.name == before.identity)):
            connection.execute(
                update(Signals)
                .where(Signals.identity_id == number, Signals.cleared_at.is_(None))
                .values(cleared_at=now)
            )
            free = {"step": Step.FREE.value, "home_step": Step.FREE.value, "since": now, "likelihood": 0.0}
            connection.execute(update(Standings).where(Standings.identity_id == number).values(**free))


def _first_strange(connection: Connection, identity: str, now: float) -> float:
    """When it may have begun: the first message of the last day from where the owner is not at home; else now."""
    row = Submissions
    wanted = (
        select(row.at, row.evidence)
        .where(row.identity == identity, row.at > max(now - LOCK_SPAN_S, decided_before(connection, identity, now)))
        .order_by(row.at)
        .execution_options(yield_per=_PAGE)
    )
    with connection.execute(wanted) as found:
        return next((at for at, evidence in found if not was_home(evidence)), now)


def misused_credentials(connection: Connection, incident: StoredIncident, now: float) -> dict[int, str]:
    """The credentials that raised signals, or handed in what is held; and what else was used from there.

    A second one that is stolen raises no signal that the first has raised on the same day. And what its recipients say
    of a message from home, and is not held against home (engine/feedback.py), may be the owner's own slip after a
    thief's: the login of that one counts where there is no other.
    """
    row = Credentials
    signals = (
        select(Signals.credential_id, Signals.at_home, Submissions.evidence)
        .join(Identities, Identities.id == Signals.identity_id)
        .outerjoin(Submissions, Submissions.id == Signals.submission)
        .where(Identities.name == incident.identity, Signals.cleared_at.is_(None), Signals.at >= incident.since)
    )
    signalled: dict[bool, set[int]] = {True: set(), False: set()}
    for number, at_home, evidence in connection.execute(signals):
        signalled[at_home or not was_home(evidence)].add(number)
    handed_in = select(HeldMessages.login).where(HeldMessages.incident_id == incident.number)
    wanted = (
        select(row.id, row.login, row.last_used_from, row.login.in_(handed_in))
        .join(Identities, Identities.id == row.identity_id)
        .where(Identities.name == incident.identity, row.revoked_at.is_(None))
    )
    span = span_of(connection, incident.identity, incident.since, now)
    strange = [one for one in traffic_in(connection, span, incident.number).networks if one.whose == STRANGE]
    suspect = {one.network: one.logins for one in strange if one.traffic.held + one.traffic.refused}
    suspect.pop(NOWHERE, None)
    beside = {login for logins in suspect.values() for login in logins}
    working = connection.execute(wanted).all()
    misused = {
        number: login
        for number, login, used_from, has_held in working
        if has_held or number in signalled[True] or login in beside or network_of(used_from or "") in suspect
    }
    return misused or {number: login for number, login, *_ in working if number in signalled[False]}


def _by_number(rows: Sequence[Sequence[Any]]) -> dict[int, str]:
    return {row[0]: row[1] for row in rows}


def _incident(connection: Connection, row: Row[*tuple[Any, ...]]) -> StoredIncident:
    wanted = select(Credentials.login).where(Credentials.contained_by == row.id).order_by(Credentials.login)
    suspended, measures = tuple(connection.scalars(wanted)), tuple(_measures(connection, row.id))
    return StoredIncident(
        number=row.id,
        identity=row.identity,
        state=row.state,
        step=Step(row.step).name.lower(),
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        since=row.since,
        changed_at=row.changed_at,
        closed_at=row.closed_at,
        answer=row.answer,
        answered_at=row.answered_at,
        note=row.note,
        suspended=suspended,
        contained=contained_by(connection, row.identity, measures) if suspended else None,
        held={state: Counted(*counted) for state, counted in count_held(connection, row.id).items()},
        measures=measures,
        decisions=decisions_in(connection, row.id, row.identity, row.opened_at),
    )


def _measures(connection: Connection, number: int) -> list[StoredMeasure]:
    row = Measures
    wanted = select(row.kind, row.created_at, row.due_at, row.done_at, row.outcome, row.tries)
    wanted = wanted.where(row.incident_id == number).order_by(row.id)
    found = connection.execute(wanted)
    return [replace(one, outcome=unpacked(one.outcome)) for one in (StoredMeasure(*row) for row in found)]


def known_incident(connection: Connection, number: int) -> StoredIncident:
    for row in connection.execute(select(*_COLUMNS).where(Incidents.id == number)):
        return _incident(connection, row)
    raise Unknown(f"there is no incident {number}; `sallyport incidents` shows all")


def _as_seen(incident: StoredIncident, seen: State | None) -> StoredIncident:
    if seen is not None and incident.state != seen:
        raise Decided(f"incident {incident.number} is not {seen} any more: it is {incident.state}")
    return incident


def _checked(note: str) -> str:
    if len(note) > NOTE_LIMIT or (note and not note.isprintable()):
        raise StoreError(f"a note is at most {NOTE_LIMIT} printable characters")
    return note


def _told(number: int, note: str) -> dict[str, object]:
    return {"incident": number, "note": note}
