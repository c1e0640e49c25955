"""What an incident makes necessary: written with what made it so, done by policy/containment/ soon afterwards.

A row that is not done is work that is left. Each measure can be done twice, so nothing is lost and nothing harmed when
whoever does it dies in the middle.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.transactions import Statements
from service.sentence import Sentences, packed

# A message may be on its way to the queue at this moment, and its queue id on its way to us: it is looked for again.
RETRO_HOLD_AGAIN_S = (0.0, 3.0, 15.0)
_AT_ONCE = 100
_OUTCOME_LIMIT = 200


class Kind(StrEnum):
    """What is to be done, or was at once."""

    SUSPEND = "suspend"  # the credentials; done with the incident itself
    END_SESSIONS = "end-sessions"  # the same: the feed of revocations says it
    RETRO_HOLD = "retro-hold"  # hold what was handed in and is still queued
    RELEASE = "release"  # let held messages go
    PURGE = "purge"  # delete held messages


class Outcome(Sentences):
    """What was done, or why not yet. Where the queue agent is away, it is service.ailments that says so."""

    DONE = "done"
    OF_CREDENTIALS = "of %(credentials)s credentials"
    HELD_BACK = "%(messages)s messages"
    LEFT = "%(messages)s messages are still on hold"
    RELEASED = "%(messages)s messages released"
    PURGED = "%(messages)s messages purged"
    DONE_AT_ONCE = "done at once"
    RELEASED_BEFORE = "released before"
    CALLED_OFF = "called off: released"


_ADD = prepared(
    "INSERT INTO measure (incident_id, kind, arguments, created_at, due_at, tries, done_at, outcome)"
    " VALUES (:incident, :kind, :arguments, :now, :due, 0, :done, :outcome)"
)
_DUE = prepared(
    "SELECT measure.id, incident_id, incident.identity, kind, arguments, measure.created_at FROM measure"
    " JOIN incident ON incident.id = measure.incident_id"
    " WHERE done_at IS NULL AND due_at <= :now ORDER BY due_at, measure.id LIMIT :most"
)
# Of _DUE, and of what policy.store.held calls moving, due and older: mostly there is nothing.
_IS_ANY = prepared(
    "SELECT EXISTS (SELECT 1 FROM measure WHERE done_at IS NULL AND due_at <= :now)"
    " OR EXISTS (SELECT 1 FROM held WHERE state IN ('releasing', 'purging', 'expiring')"
    " OR (state = 'held' AND (release_at <= :now OR at <= :edge)))"
)
_DONE = prepared("UPDATE measure SET done_at = :now, outcome = :outcome, tries = tries + 1 WHERE id = :measure")
_AGAIN = prepared(
    "UPDATE measure SET due_at = :due, outcome = :outcome, tries = tries + 1 WHERE id = :measure AND done_at IS NULL"
)
# Not later: what a person wants released or deleted is on its way, and that it is due says so.
_WAITS = prepared("UPDATE measure SET outcome = :outcome, tries = tries + 1 WHERE id = :measure AND done_at IS NULL")
_LAST_DUE = prepared(
    "SELECT max(due_at) FROM measure WHERE incident_id = :incident AND kind = :kind AND done_at IS NULL"
)
# Of the newest incident of the identity for which it was looked, unless that was released; the last look is repeated.
_LOOK_AGAIN = prepared(
    "INSERT INTO measure (incident_id, kind, arguments, created_at, due_at, tries, done_at, outcome)"
    " SELECT incident_id, kind, arguments, created_at, CAST(:now AS DOUBLE PRECISION), 0, NULL, '' FROM measure"
    " WHERE id = (SELECT max(measure.id) FROM measure JOIN incident ON incident.id = measure.incident_id"
    " JOIN identity ON identity.name = incident.identity WHERE identity.id = :identity AND kind = 'retro-hold'"
    " AND incident.state IN ('open', 'purged')) AND done_at IS NOT NULL AND created_at >= :since"
)
_CALL_OFF = prepared(
    "UPDATE measure SET done_at = :now, outcome = :outcome"
    " WHERE incident_id = :incident AND kind = :kind AND done_at IS NULL"
)


class Measure(NamedTuple):
    """One that is due."""

    id: int
    incident: int
    identity: str
    kind: Kind
    arguments: Mapping[str, Any]
    created_at: float


@dataclass(frozen=True, slots=True)
class StoredMeasure:
    """One of an incident, for whoever reads about it."""

    kind: str
    created_at: float
    due_at: float
    done_at: float | None
    outcome: str  # a Sentence of Outcome, or logins
    tries: int = 0


class MeasureNotes:
    """Runs in the transactions of whoever has `statements`."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def add(self, incident: int, kind: Kind, now: float, *, due_at: float | None = None, **arguments: object) -> None:
        """To be done, at once or from `due_at` on."""
        self._add(incident, kind, arguments, now, now if due_at is None else due_at, None, "")

    def add_done(self, incident: int, kind: Kind, outcome: str, now: float) -> None:
        """What the same transaction has done."""
        self._add(incident, kind, {}, now, now, now, outcome)

    def add_retro_hold(self, incident: int, now: float, logins: Sequence[str] = ()) -> None:
        """Of these logins everything; without any what was not handed in at home, or there too where that is bad."""
        for after_s in RETRO_HOLD_AGAIN_S:
            self.add(incident, Kind.RETRO_HOLD, now, due_at=now + after_s, logins=sorted(logins))

    def look_again(self, identity: int, since: float, now: float) -> None:
        """A queue id came late, of what was handed in about `since`: nobody looked for it, or it was looked in vain.

        Where a look is still to come, that one finds it.
        """
        self._statements.execute(_LOOK_AGAIN, {"identity": identity, "since": since, "now": now})

    def note_done(self, measure: int, outcome: str, now: float) -> None:
        values = {"measure": measure, "outcome": packed(outcome, _OUTCOME_LIMIT), "now": now}
        self._statements.execute(_DONE, values)

    def note_again(self, measure: int, why: str, due_at: float) -> None:
        """It could not be done; it is tried again then."""
        self._statements.execute(_AGAIN, {"measure": measure, "outcome": packed(why, _OUTCOME_LIMIT), "due": due_at})

    def note_waiting(self, measure: int, why: str) -> None:
        """It is under way, and could not be ended until now."""
        self._statements.execute(_WAITS, {"measure": measure, "outcome": packed(why, _OUTCOME_LIMIT)})

    def call_off(self, incident: int, kind: Kind, why: str, now: float) -> None:
        """Those of a kind that are not done need not be done any more."""
        values = {"incident": incident, "kind": kind.value, "outcome": packed(why, _OUTCOME_LIMIT), "now": now}
        self._statements.execute(_CALL_OFF, values)

    def last_due(self, incident: int, kind: Kind) -> float | None:
        """When the last of a kind is due that is not done; None where there is none."""
        values = {"incident": incident, "kind": kind.value}
        ((due,),) = self._statements.execute(_LAST_DUE, values).fetchall()
        return None if due is None else float(due)

    def _add(
        self,
        incident: int,
        kind: Kind,
        arguments: Mapping[str, object],
        now: float,
        due: float,
        done: float | None,
        outcome: str,
    ) -> None:
        self._statements.execute(
            _ADD,
            {
                "incident": incident,
                "kind": kind.value,
                "arguments": json.dumps(arguments),
                "now": now,
                "due": due,
                "done": done,
                "outcome": packed(outcome, _OUTCOME_LIMIT),
            },
        )


async def is_any_due(reader: Reader, now: float, edge: float) -> bool:
    """Whether a measure, or held mail, waits for its round; what has been on hold since before `edge` does."""
    ((is_any,),) = await reader.rows(_IS_ANY, {"now": now, "edge": edge})
    return bool(is_any)


async def due_measures(reader: Reader, now: float) -> list[Measure]:
    """The oldest first; the rest the next time."""
    return [
        Measure(number, incident, identity, Kind(kind), json.loads(arguments), created_at)
        for number, incident, identity, kind, arguments, created_at in await reader.rows(
            _DUE, {"now": now, "most": _AT_ONCE}
        )
    ]
