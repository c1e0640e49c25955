"""What an owner says to an incident: it was me, or it was not. Each answer is one transaction, given once.

    yes   networks that he vouches for are his, and the incident is released: credentials, standing, held mail
    no    the credentials that were seen are revoked, and held mail is deleted after a grace time, until which that can
          be stopped

After a no the incident is closed at once: mail that comes to be held later is not this thief's, and must not be deleted
with his. What stays suspended is what an administrator suspended and nobody saw misused: that is his to give back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from policy.alerting import kinds as alerting
from policy.store.changes import end_sessions, identity_id
from policy.store.errors import Decided, StoreError, Unknown
from policy.store.held import HeldNotes, HeldState
from policy.store.incident_logins import Sources, sources_of
from policy.store.incident_models import Incidents
from policy.store.incident_notes import State
from policy.store.incident_traffic import span_of
from policy.store.incidents import IncidentBook, StoredIncident, known_incident, misused_credentials
from policy.store.measures import Kind, MeasureNotes
from policy.store.models import Credentials
from policy.store.networks import vouch
from policy.store.notices import add_notice, thread_of
from policy.store.statements import OnConnection

YES, NO = "yes", "no"
_NOTES = {YES: "the owner says that it was him", NO: "the owner says that it was not him"}


@dataclass(frozen=True, slots=True)
class Question:
    """An incident as its owner sees it. `devices`: labels by login, of those that were seen."""

    incident: StoredIncident
    sources: Sources
    devices: dict[str, str]

    @property
    def is_open(self) -> bool:
        return self.incident.state == State.OPEN and not self.incident.answer

    @property
    def purge_at(self) -> float | None:
        """When what is held is deleted; None where it is not, or was."""
        due = [one.due_at for one in self.incident.measures if one.kind == Kind.PURGE and one.done_at is None]
        return min(due, default=None)


class AnswerBook(IncidentBook):
    """The part of the identity store that has the owners' answers. An incident of another identity is unknown."""

    def question(self, number: int, identity: str, now: float) -> Question:
        """What there is to know before an answer, and after it."""
        with self._reading.connect() as connection:
            incident = _own(connection, number, identity)
            sources = _sources(connection, incident, now)
            return Question(incident, sources, _labels(connection, sources, incident))

    def answer_incident(
        self,
        number: int,
        identity: str,
        is_owner_s: bool,
        now: float,
        *,
        trusted: Sequence[str] = (),
        purge_after_s: float = 0.0,
    ) -> StoredIncident:
        """With a yes, `trusted` are the networks of the incident that the owner vouches for."""
        answer = YES if is_owner_s else NO
        with self._engine.begin() as connection:
            before = _own(connection, number, identity)
            taken = connection.execute(  # first of all: it locks the row, and of two answers one is the first
                update(Incidents)
                .where(Incidents.id == number, Incidents.state == State.OPEN, Incidents.answer == "")
                .values(answer=answer, answered_at=now)
            )
            if not taken.rowcount:
                raise Decided(f"incident {number} was decided already")
            if is_owner_s:
                self._trust(connection, before, trusted, now)
                self._release(connection, before, _NOTES[answer], now)
            else:
                after = {"incident": number, "answer": answer}
                self._record(connection, now, "incident-answered", identity, {}, after)
                self._revoke_seen(connection, before, now)
                self._purge_later(connection, before, now + purge_after_s, now)
                self._close(connection, before, State.PURGED, _NOTES[answer], now)
            return known_incident(connection, number)

    def stop_purge(self, number: int, identity: str | None, now: float) -> StoredIncident:
        """What is held stays on hold. `identity` is the owner who asks; None is an administrator."""
        with self._engine.begin() as connection:
            before = known_incident(connection, number) if identity is None else _own(connection, number, identity)
            if not _is_put_off(before, now):
                raise Decided(f"nothing of incident {number} is going to be deleted, or it is too late to stop that")
            why = f"stopped by {self._actor.name}"
            MeasureNotes(OnConnection(connection)).call_off(number, Kind.PURGE, why, now)
            self._record(connection, now, "purge-stopped", before.identity, {}, {"incident": number})
            return known_incident(connection, number)

    def _trust(self, connection: Connection, before: StoredIncident, trusted: Sequence[str], now: float) -> None:
        seen = {one.network for one in _sources(connection, before, now).networks}
        if strange := sorted(set(trusted) - seen):
            raise StoreError(f"{', '.join(strange)} was not seen in incident {before.number}")
        whose = identity_id(connection, before.identity)
        for network in trusted:
            vouch(connection, whose, network, now)
            after = {"identity": before.identity, "incident": before.number}
            self._record(connection, now, "network-confirmed", network, {}, after)

    @staticmethod
    def _purge_later(connection: Connection, before: StoredIncident, due_at: float, now: float) -> None:
        statements = OnConnection(connection)
        HeldNotes(statements).adopt(before.identity, before.number)
        MeasureNotes(statements).add(before.number, Kind.PURGE, now, due_at=due_at)
        add_notice(
            connection,
            alerting.Kind.INCIDENT_PURGED,
            f"{before.identity}: the owner says that it was not him",
            [f"Whose: {before.identity}.", "The credentials that were seen are revoked; held mail is deleted later."],
            now,
            thread=thread_of(before.number),
            facts={"incident": before.number, "identity": before.identity, "until": due_at},
            owner=before.identity,
        )

    def _revoke_seen(self, connection: Connection, before: StoredIncident, now: float) -> None:
        """Where none was seen, an administrator knew which it is: what he has suspended."""
        row = Credentials
        contained = select(row.id, row.login).where(row.contained_by == before.number, row.revoked_at.is_(None))
        suspended = {found.id: found.login for found in connection.execute(contained)}
        seen = misused_credentials(connection, before, now) or suspended
        connection.execute(update(row).where(row.id.in_(seen)).values(revoked_at=now))
        end_sessions(connection, before.identity, seen, now)
        for login in sorted(seen.values()):
            was = {"identity": before.identity, "incident": before.number}
            self._record(connection, now, "credential-revoked", login, was, {"revoked_at": now})


def _is_put_off(incident: StoredIncident, now: float) -> bool:
    """Whether a deletion is to come that can be stopped. What an administrator ordered is under way at once."""
    is_to_come = any(one.kind == Kind.PURGE and one.done_at is None and one.due_at > now for one in incident.measures)
    is_under_way = bool({HeldState.PURGING, HeldState.PURGED} & incident.held.keys())
    return is_to_come and (HeldState.HELD in incident.held or not is_under_way)


def _own(connection: Connection, number: int, identity: str) -> StoredIncident:
    """Another identity's is as unknown as nobody's."""
    found = known_incident(connection, number)
    if found.identity != identity:
        raise Unknown(f"there is no incident {number} of {identity!r}")
    return found


def _sources(connection: Connection, incident: StoredIncident, now: float) -> Sources:
    """Until now, or until the incident was closed."""
    span = span_of(connection, incident.identity, incident.since, incident.closed_at or now)
    return sources_of(connection, incident.number, span)


def _labels(connection: Connection, sources: Sources, incident: StoredIncident) -> dict[str, str]:
    logins = {login for one in sources.networks for login in one.logins} | set(incident.suspended)
    row = Credentials
    labels = connection.execute(select(row.login, row.label).where(row.login.in_(logins)))
    return {found.login: found.label for found in labels}
