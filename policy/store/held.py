"""Messages that are on hold at the next hop, and what has become of them. None is ever dropped silently.

    engine/judging.py     decides that a message, or a part of it, is held; the gateway has the next hop hold it
    held.py               (you are here) its row: what came to be held, was released, deleted, or is gone
    held_book.py          people let single messages go, or delete them; incidents.py: all of an incident
    containment/          has the queue do it, and lets go what only waited, or deletes what nobody decided about

State moves: a person, or time, says `releasing`, `purging` or `expiring`; policy/containment/ has the queue do it, and
says `released`, `purged` or `expired` when it is done.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from policy.alerting.kinds import Kind
from policy.contract import Reason
from policy.engine.ladder import Step
from policy.store.incident_notes import IncidentNotes
from policy.store.notices import More, NoticeBook, thread_of
from policy.store.reader import Reader
from policy.store.statements import Prepared, prepared
from policy.store.transactions import Statements

RETRO_HOLD = "retro-hold"  # the reason of what was on its way already
TOLD_BEFORE_S = 2 * 86400.0  # it expires
_AT_ONCE = 5000


class HeldState(StrEnum):
    """Where a held message is."""

    HELD = "held"
    RELEASING = "releasing"
    RELEASED = "released"
    PURGING = "purging"
    PURGED = "purged"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    GONE = "gone"  # somebody released or deleted it at the queue itself, or the queue is another one


MOVING = {
    HeldState.RELEASING: HeldState.RELEASED,
    HeldState.PURGING: HeldState.PURGED,
    HeldState.EXPIRING: HeldState.EXPIRED,
}

# Held again where it was thought to have left, and is there.
_ADD = prepared(
    "INSERT INTO held (queue_id, submission, identity, login, incident_id, at, reason, recipients, message_bytes,"
    " state, state_at, release_at)"
    " SELECT CAST(:queue_id AS VARCHAR), id, identity, login, CAST(:incident AS INTEGER),"
    " CAST(:now AS DOUBLE PRECISION), CAST(:reason AS VARCHAR), CAST(:recipients AS INTEGER), message_bytes, 'held',"
    " CAST(:now AS DOUBLE PRECISION),"
    " CAST(:release_at AS DOUBLE PRECISION)"
    " FROM submission WHERE id = :submission"
    " ON CONFLICT (queue_id) DO UPDATE SET state = 'held', state_at = :now, at = :now, reason = :reason,"
    " incident_id = :incident, release_at = NULL WHERE held.state IN ('released', 'purged', 'expired', 'gone')"
)
_WHOSE = prepared(
    "SELECT identity, reason, recipients, held, action, at, client_address, origin, (SELECT standing.step FROM standing"
    " JOIN identity ON identity.id = standing.identity_id WHERE identity.name = submission.identity), queue_id"
    " FROM submission WHERE id = :submission"
)
_BACK = prepared("UPDATE held SET state = 'held', state_at = at WHERE queue_id = :queue_id AND state = 'gone'")
_WHOSE_IS_GONE = prepared(
    "SELECT identity, COUNT(*) FROM held WHERE state = 'gone' AND state_at = :now GROUP BY identity ORDER BY identity"
)
# A look for what was queued may end after the incident did, and what was gone may come back: nobody would decide about
# it. (After an owner's no what is held is deleted later, or not at all.)
_FOLLOW = prepared(
    "UPDATE held SET state = CASE WHEN incident_id IN (SELECT id FROM incident WHERE state = 'released')"
    " THEN 'releasing' ELSE 'purging' END, state_at = :now WHERE queue_id = :queue_id AND state = 'held'"
    " AND incident_id IN (SELECT id FROM incident WHERE state = 'released' OR (state = 'purged' AND answer = ''))"
)
_MOVING = prepared(
    "SELECT queue_id, state FROM held WHERE state IN ('releasing', 'purging', 'expiring') ORDER BY id LIMIT :most"
)
_MOVED = prepared("UPDATE held SET state = :after, state_at = :now WHERE queue_id = :queue_id AND state = :before")
_LEFT = prepared("SELECT count(*) FROM held WHERE incident_id = :incident AND state = :state")
_DUE = prepared(
    "SELECT queue_id, identity, NOT EXISTS (SELECT 1 FROM credential WHERE credential.login = held.login"
    " AND contained_by IS NULL AND revoked_at IS NULL)"
    " FROM held WHERE state = 'held' AND release_at <= :now ORDER BY id LIMIT 1000"
)
# Told of is what was that old when a notice was written: neither a clock that leaps, nor a server that was off, nor a
# policy that gives less time deletes what nobody has heard of.
_OLD = prepared(
    "SELECT queue_id, identity FROM held WHERE state = 'held' AND at <= :edge AND EXISTS (SELECT 1 FROM notice"
    " WHERE thread = 'held-expiring:' || held.identity"
    " AND notice.at BETWEEN held.at + CAST(:told_at_age AS DOUBLE PRECISION) AND CAST(:told_until AS DOUBLE PRECISION))"
    " ORDER BY id LIMIT 1000"
)
_THERE = prepared(
    "SELECT queue_id, state, state_at FROM held WHERE state IN ('held', 'releasing', 'purging', 'expiring')"
)
_KEEP = prepared(
    "UPDATE held SET release_at = NULL, incident_id = (SELECT id FROM incident WHERE identity = held.identity"
    " AND state = 'open') WHERE queue_id = :queue_id"
)
_ADOPT = prepared(
    "UPDATE held SET release_at = NULL, incident_id = :incident"
    " WHERE identity = :identity AND state = 'held' AND release_at IS NOT NULL"
)
_ALL_OF = prepared("UPDATE held SET state = :after, state_at = :now WHERE incident_id = :incident AND state = 'held'")


def expiring_thread(identity: str) -> str:
    """What is told of held mail that expires."""
    return f"{Kind.HELD_EXPIRING.value}:{identity}"


class Whose(NamedTuple):
    """Whose a held message is."""

    queue_id: str
    identity: str
    is_barred: bool = False  # nobody may use the login any more that handed it in


class There(NamedTuple):
    """What the hold queue should have, since when."""

    queue_id: str
    state: HeldState  # HELD, or where nobody has said yet that it left: RELEASING, PURGING, EXPIRING
    since: float


class HeldNotes:
    """Runs in the transactions of whoever has `statements`."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._incidents = IncidentNotes(statements)
        self._notices = NoticeBook(statements)

    def note(self, submission: str, queue_id: str, delay_s: float, now: float, *, by_us: bool = True) -> bool:
        """The next hop has it on hold, because policy said so. Whose mail is on hold is asked: it is an incident.

        Not so what only waits for `delay_s`. False where it was known. `by_us` is False where it may be that policy had
        let it go: then it was on its way, and the ladder has no part in it.
        """
        rows = self._statements.execute(_WHOSE, {"submission": submission}).fetchall()
        for identity, reason, recipients, held, action, at, client_address, origin, step, sent_as in rows:
            number = recipients if action == "hold" else held
            if not by_us and action == "accept" and (not held or queue_id == sent_as):
                reason, number, step = RETRO_HOLD, recipients - held, Step.FREE  # noqa: PLW2901 - of this one
            incident, is_delayed = None, reason == Reason.SENDING_DELAY
            if identity and not is_delayed:
                why = [
                    f"Whose: {identity}.",
                    f"From: {client_address}, {origin}.",
                    f"What happened: message {submission} is held ({reason}); recipients: {number}.",
                    "Done already: it waits on hold; nothing of it is lost.",
                ]
                incident = self._incident(identity, Step(step or Step.FREE), why, at, now)
            release_at = now + delay_s if is_delayed else None
            return self._add(submission, queue_id, incident, reason, number, now, release_at)
        return False

    def _incident(self, identity: str, step: Step, why: list[str], at: float, now: float) -> int:
        """The open one of the identity, which stands at `step`. Where mail is held without a signal, it begins here."""
        opened = self._incidents.open(identity, step, now, since=at)
        if opened.is_new:
            subject = f"{identity}: mail is held"
            facts = {"incident": opened.number, "identity": identity}
            more: More = {"thread": thread_of(opened.number), "facts": facts, "owner": identity}
            self._notices.add(Kind.INCIDENT_OPENED, subject, why, now, **more)
        return opened.number

    def find(self, submission: str, queue_id: str, now: float) -> bool:
        """It is on hold, and nobody knew. What was gone is as it was, or goes where its incident did. False: known."""
        if self._statements.execute(_BACK, {"queue_id": queue_id}).rowcount:
            self._statements.execute(_FOLLOW, {"queue_id": queue_id, "now": now})
            return True
        return self.note(submission, queue_id, 0.0, now, by_us=False)

    def lose(self, queue_ids: Collection[str], now: float) -> int:
        """They are not in the queue any more, and no policy had it so: that is told. How many were thought to be."""
        lost = sum(self.move(queue_ids, state, HeldState.GONE, now) for state in (HeldState.HELD, HeldState.RELEASING))
        if lost:
            whose = self._statements.execute(_WHOSE_IS_GONE, {"now": now}).fetchall()
            told = ", ".join(f"{identity} {messages}" for identity, messages in whose)
            subject = f"{lost} held message{' is' if lost == 1 else 's are'} not in the queue any more"
            self._notices.add(Kind.HELD_GONE, subject, [f"Whose: {told}."], now, facts={"messages": lost})
        return lost

    def note_retro(self, submission: str, queue_id: str, incident: int, recipients: int, now: float) -> bool:
        """It was on its way, and is on hold now. False where it was known."""
        is_new = self._add(submission, queue_id, incident, RETRO_HOLD, recipients, now)
        self._statements.execute(_FOLLOW, {"queue_id": queue_id, "now": now})
        return is_new

    def move(self, queue_ids: Collection[str], before: HeldState, after: HeldState, now: float) -> int:
        """How many were in the state before."""
        values = {"before": before.value, "after": after.value, "now": now}
        return sum(
            self._statements.execute(_MOVED, {**values, "queue_id": queue_id}).rowcount for queue_id in queue_ids
        )

    def move_all(self, incident: int, after: HeldState, now: float) -> int:
        """All that is held of an incident."""
        values = {"incident": incident, "after": after.value, "now": now}
        return self._statements.execute(_ALL_OF, values).rowcount

    def adopt(self, identity: str, incident: int) -> None:
        """What only waits for a while is decided with all else that is held."""
        self._statements.execute(_ADOPT, {"identity": identity, "incident": incident})

    def keep(self, queue_id: str) -> bool:
        """It is not released by itself any more; it belongs to what its sender has become suspicious for."""
        return self._statements.execute(_KEEP, {"queue_id": queue_id}).rowcount > 0

    def _add(
        self,
        submission: str,
        queue_id: str,
        incident: int | None,
        reason: str,
        recipients: int,
        now: float,
        release_at: float | None = None,
    ) -> bool:
        values = {
            "submission": submission,
            "queue_id": queue_id,
            "incident": incident,
            "reason": reason,
            "recipients": recipients,
            "now": now,
            "release_at": release_at,
        }
        return self._statements.execute(_ADD, values).rowcount > 0


class HeldQuestions:
    """What policy/containment/ asks; `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def moving(self) -> dict[HeldState, list[str]]:
        """What somebody wants moved, by what he wants; the rest the next time."""
        found: dict[HeldState, list[str]] = {}
        for queue_id, state in await self._reader.rows(_MOVING, {"most": _AT_ONCE}):
            found.setdefault(HeldState(state), []).append(queue_id)
        return found

    async def left(self, incident: int, state: HeldState) -> int:
        ((number,),) = await self._reader.rows(_LEFT, {"incident": incident, "state": state.value})
        return int(number)

    async def due(self, now: float) -> list[Whose]:
        """What would be released by itself now."""
        return await self._whose(_DUE, {"now": now})

    async def expired(self, held_s: float, now: float) -> list[Whose]:
        """What has been on hold for so long, and its owner was told in time."""
        told_at_age, told_until = max(held_s - TOLD_BEFORE_S, 0.0), now - TOLD_BEFORE_S
        return await self._whose(_OLD, {"edge": now - held_s, "told_at_age": told_at_age, "told_until": told_until})

    async def there(self) -> list[There]:
        """All that should be on hold, and what is to leave."""
        return [There(queue_id, HeldState(state), at) for queue_id, state, at in await self._reader.rows(_THERE, {})]

    async def _whose(self, question: Prepared, values: dict[str, object]) -> list[Whose]:
        return [Whose(*row) for row in await self._reader.rows(question, values)]
