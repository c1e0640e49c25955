"""Incidents as the services write them: opened when mail is held, made graver when an identity goes up the ladder.

standings.py        an identity went up the ladder, to HOLD or beyond
held.py             mail of it is on hold, without a signal
incident_notes.py   (you are here) within the transaction of either
incidents.py        what people do: contain opens one, too
measures.py         what they make necessary
notices.py          who is told, by rows of the same transaction; policy/telling.py words them
"""

from enum import StrEnum
from typing import NamedTuple

from policy.engine.ladder import Standing, Step
from policy.store.measures import Kind, MeasureNotes, Outcome
from policy.store.statements import prepared
from policy.store.transactions import Statements

LADDER = "sallyport"  # who opens it where nobody does

_OPEN = prepared("SELECT id, step FROM incident WHERE identity = :identity AND state = 'open'")
_ADD = prepared(
    "INSERT INTO incident (identity, state, step, opened_by, opened_at, since, changed_at)"
    " VALUES (:identity, 'open', :step, :by, :now, :since, :now) RETURNING id"
)
_RAISE = prepared("UPDATE incident SET step = :step, changed_at = :now WHERE id = :incident")
_CLOSE_PURGED = prepared(
    "UPDATE incident SET state = 'purged', closed_at = :now, changed_at = :now WHERE id = :incident AND state = 'open'"
)
_NAME = prepared("SELECT name FROM identity WHERE id = :identity")
_END_SESSIONS = prepared(
    "INSERT INTO revocation (at, credential_id, identity)"
    " SELECT CAST(:now AS DOUBLE PRECISION), credential.id, identity.name FROM credential"
    " JOIN identity ON identity.id = credential.identity_id"
    " WHERE identity.name = :identity AND credential.revoked_at IS NULL AND credential.id IN"
    " (SELECT credential_id FROM signal WHERE identity_id = identity.id AND cleared_at IS NULL AND at >= :since"
    " AND (NOT at_home OR CAST(:with_home AS BOOLEAN)))"
)


class State(StrEnum):
    """What has become of an incident."""

    OPEN = "open"
    RELEASED = "released"  # it was nothing, or it is over: all is as before
    PURGED = "purged"  # it was theft: what was held is deleted


class Opened(NamedTuple):
    """The open incident of an identity, as it was found or made."""

    number: int
    is_new: bool
    is_graver: bool


class IncidentNotes:
    """Runs in the transactions of whoever has `statements`; one writer at a time, so none is opened twice."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._measures = MeasureNotes(statements)

    def name_of(self, identity: int) -> str:
        ((name,),) = self._statements.execute(_NAME, {"identity": identity}).fetchall()
        return str(name)

    def open(self, identity: str, step: Step, now: float, *, since: float, by: str = LADDER) -> Opened:
        """The open incident of the identity, at this step or higher; a new one where there is none."""
        for number, stood in self._statements.execute(_OPEN, {"identity": identity}).fetchall():
            if step > stood:
                self._statements.execute(_RAISE, {"incident": number, "step": step.value, "now": now})
            return Opened(number, is_new=False, is_graver=step > stood)
        values = {"identity": identity, "step": step.value, "by": by, "now": now, "since": since}
        ((number,),) = self._statements.execute(_ADD, values).fetchall()
        return Opened(number, is_new=True, is_graver=True)

    def note_step(self, identity: str, before: Standing, after: Standing, now: float, *, since: float) -> Opened:
        """What an identity that went up the ladder, to HOLD or higher, makes necessary."""
        opened = self.open(identity, after.step, now, since=since)
        incident = opened.number
        has_risen = after.step > before.step or after.home > before.home
        if after.step >= Step.RESTRICT and has_risen:
            self._measures.add_retro_hold(incident, now)
        if after.step is Step.LOCK and has_risen:
            self.end_sessions(incident, identity, since, now, with_home=after.home is Step.LOCK)
        return opened._replace(is_graver=opened.is_graver or after.home > before.home)

    def close_purged(self, incident: int, now: float) -> None:
        """Where it is still open: its purge was put off until now."""
        self._statements.execute(_CLOSE_PURGED, {"incident": incident, "now": now})

    def end_sessions(self, incident: int, identity: str, since: float, now: float, *, with_home: bool) -> None:
        """Of the credentials that something speaks against; other devices notice nothing."""
        values = {"identity": identity, "since": since, "now": now, "with_home": with_home}
        ended = self._statements.execute(_END_SESSIONS, values).rowcount
        self._measures.add_done(incident, Kind.END_SESSIONS, Outcome.OF_CREDENTIALS.of(credentials=ended), now)
