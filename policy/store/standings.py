"""Where identities stand on the ladder, and the signals that put them there. ladder_book.py takes it back."""

from collections.abc import Sequence
from typing import NamedTuple

from policy.engine.ladder import FREE, LOCK_SPAN_S, Signal, SignalKind, Standing, Step, standing_after
from policy.store.incident_notes import IncidentNotes, Opened
from policy.store.reader import Reader, Row
from policy.store.statements import prepared
from policy.store.transactions import Statements
from service.sentence import packed, unpacked

_FRESH = prepared(
    "SELECT kind, at, at_home, evidence FROM signal"
    " WHERE identity_id = :identity AND at > :edge AND cleared_at IS NULL ORDER BY at, id"
)
_CLEARED = prepared("SELECT MAX(cleared_at) FROM signal WHERE identity_id = :identity")
# What recipients and their servers say is known by the submission alone, and so is whose login that was.
_SIGNAL = prepared(
    "INSERT INTO signal (identity_id, at, kind, at_home, evidence, credential_id, submission, client_address)"
    " VALUES (:identity, :at, :kind, :at_home, :evidence, COALESCE(NULLIF(CAST(:credential AS INTEGER), 0),"
    " (SELECT credential.id FROM submission JOIN credential ON credential.login = submission.login"
    " WHERE submission.id = :submission), 0), :submission, :client_address)"
)
_STAND = prepared(
    "INSERT INTO standing (identity_id, step, home_step, since, likelihood)"
    " VALUES (:identity, :step, :home, :since, 0)"
    " ON CONFLICT (identity_id) DO UPDATE SET step = :step, home_step = :home, since = :since"
    " WHERE standing.step <= :step"
)
_STANDING = prepared("SELECT step, home_step, since FROM standing WHERE identity_id = :identity")
_STANDING_OF = prepared(
    "SELECT step, home_step, since FROM standing JOIN identity ON identity.id = standing.identity_id"
    " WHERE identity.name = :name"
)
_LIKELIHOOD = prepared("SELECT likelihood FROM standing WHERE identity_id = :identity")
_SUSPECT = prepared(
    "INSERT INTO standing (identity_id, step, home_step, since, likelihood)"
    " VALUES (:identity, 0, 0, :now, :likelihood)"
    " ON CONFLICT (identity_id) DO UPDATE SET likelihood = :likelihood"
)


class Cause(NamedTuple):
    """What raised a signal."""

    credential: int = 0
    submission: str = ""
    client_address: str = ""


class Standings:
    """Asks; `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def signals(self, identity: int, now: float) -> tuple[Signal, ...]:
        """Those of the last day that nobody has taken back, the oldest first."""
        rows = await self._reader.rows(_FRESH, {"identity": identity, "edge": now - LOCK_SPAN_S})
        return _signals(rows)

    async def cleared_at(self, identity: int) -> float:
        """When somebody last took signals back; 0 where nobody ever did."""
        rows = await self._reader.rows(_CLEARED, {"identity": identity})
        return float(rows[0][0] or 0.0)

    async def standing(self, name: str) -> Standing:
        """Where the identity of that name stands; one that is gone is free."""
        rows = await self._reader.rows(_STANDING_OF, {"name": name})
        return standing_of(*rows[0]) if rows else FREE

    async def likelihood(self, identity: int) -> float:
        """Of the sequential test on unknown recipients."""
        rows = await self._reader.rows(_LIKELIHOOD, {"identity": identity})
        return float(rows[0][0]) if rows else 0.0


class StandingBook:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._incidents = IncidentNotes(statements)

    def note(self, identity: int, standing: Standing, signals: Sequence[Signal], cause: Cause) -> Opened | None:
        """New signals and the step that they make, with those that were raised beside them since they were asked for.

        Once a day, here too (Signal.repeats); a step that was made meanwhile is never lowered. From HOLD on it is
        an incident, which is returned.
        """
        if not signals:
            return None
        now = max(one.at for one in signals)
        beside = _signals(
            self._statements.execute(_FRESH, {"identity": identity, "edge": now - LOCK_SPAN_S}).fetchall()
        )
        added = [one for one in signals if not any(one.repeats(other) for other in beside)]
        for one in added:
            self._statements.execute(
                _SIGNAL,
                {
                    "identity": identity,
                    "at": one.at,
                    "kind": one.kind.value,
                    "at_home": one.at_home,
                    "evidence": packed(one.evidence),
                    "credential": cause.credential,
                    "submission": cause.submission,
                    "client_address": cause.client_address,
                },
            )
        rows = self._statements.execute(_STANDING, {"identity": identity}).fetchall()
        stood = standing_of(*rows[0]).at(now) if rows else FREE
        # Of somebody who is free the engine knew all there is.
        stands = standing_after(stood, (*beside, *added), now) if stood.step else standing
        self._statements.execute(
            _STAND,
            {
                "identity": identity,
                "step": stands.step.value,
                "home": stands.home.value,
                "since": stands.since,
            },
        )
        if stands.step >= Step.HOLD:
            since = min(one.at for one in (*beside, *added))
            return self._incidents.note_step(self._incidents.name_of(identity), stood, stands, now, since=since)
        return None

    def note_likelihood(self, identity: int, likelihood: float, now: float) -> None:
        values = {"identity": identity, "likelihood": likelihood, "now": now}
        self._statements.execute(_SUSPECT, values)


def _signals(rows: Sequence[Row]) -> tuple[Signal, ...]:
    return tuple(
        Signal(kind=SignalKind(kind), at=at, at_home=bool(at_home), evidence=unpacked(evidence))
        for kind, at, at_home, evidence in rows
    )


def standing_of(step: int | None, home: int | None, since: float | None) -> Standing:
    """Of the row's columns; without a row an identity is free."""
    if step is None:
        return FREE
    return Standing(Step(step), Step(home or 0), since or 0.0)
