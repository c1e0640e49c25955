"""Held mail for people: listed, shown, let go, deleted. Each act is a transaction with its row in the audit log.

held.py        where a message is, as the services write and ask it
held_book.py   (you are here)
owner_held.py  what of it an owner may do with his own
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select, tuple_, update

from policy.store.changes import Changes
from policy.store.errors import Decided, Unknown
from policy.store.held import MOVING, HeldNotes, HeldState
from policy.store.incident_models import HeldMessages
from policy.store.statements import OnConnection

LISTED = 1000
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class StoredHeld:
    """One of them, for people."""

    queue_id: str
    submission: str
    identity: str
    login: str
    incident: int | None
    at: float
    reason: str
    recipients: int
    message_bytes: int
    state: str
    state_at: float
    release_at: float | None


class HeldBook(Changes):
    """The part of the identity store that has held mail."""

    def held(
        self,
        *,
        identity: str | None = None,
        incident: int | None = None,
        reason: str | None = None,
        state: HeldState | None = HeldState.HELD,
        after: str | None = None,
        limit: int = LISTED,
    ) -> list[StoredHeld]:
        """The oldest first; `state` None is all that was ever held. The page after the message `after`."""
        row = HeldMessages
        wanted = _columns().order_by(row.at, row.id).limit(limit)
        filters = ((row.identity, identity), (row.incident_id, incident), (row.reason, reason), (row.state, state))
        for column, value in filters:
            wanted = wanted if value is None else wanted.where(column == value)
        if after is not None:
            place = select(row.at, row.id).where(row.queue_id == after).subquery()
            wanted = wanted.join(place, tuple_(row.at, row.id) > tuple_(place.c.at, place.c.id))
        with self._reading.connect() as connection:
            return [StoredHeld(*one) for one in connection.execute(wanted)]

    def held_message(self, queue_id: str) -> StoredHeld:
        """StoreError where it never was on hold."""
        with self._reading.connect() as connection:
            return known_held(connection, queue_id)

    def move_held_of(self, incident: int, after: HeldState, now: float) -> int:
        """All that an incident has on hold at this moment: RELEASING or PURGING. The incident stays as it is."""
        actions = {HeldState.RELEASING: "held-messages-released", HeldState.PURGING: "held-messages-purged"}
        with self._engine.begin() as connection:
            row = HeldMessages
            these = (row.incident_id == incident, row.state == HeldState.HELD)
            whose = connection.scalars(select(row.identity).where(*these).limit(1)).first()
            if whose is None:
                raise Decided(f"nothing of incident {incident} is on hold any more")
            moved = HeldNotes(OnConnection(connection)).move_all(incident, after, now)
            self._record(connection, now, actions[after], whose, {}, {"incident": incident, "messages": moved})
            return moved

    def note_look(self, queue_id: str, now: float) -> StoredHeld:
        """Somebody opens it: that is in the audit log before he sees anything."""
        with self._engine.begin() as connection:
            one = known_held(connection, queue_id)
            self._record(connection, now, "held-message-read", one.identity, {}, {"queue_id": queue_id})
        return one

    def release_held(self, queue_ids: Sequence[str], now: float) -> list[StoredHeld]:
        """They go on their way. What is released already stays so; what is deleted is an error, and none goes."""
        return self._move(queue_ids, HeldState.RELEASING, "held-messages-released", now)

    def purge_held(self, queue_ids: Sequence[str], now: float) -> list[StoredHeld]:
        """They are deleted, and nobody gets them."""
        return self._move(queue_ids, HeldState.PURGING, "held-messages-purged", now)

    def _move(self, queue_ids: Sequence[str], after: HeldState, action: str, now: float) -> list[StoredHeld]:
        with self._engine.begin() as connection:
            before = [known_held(connection, queue_id) for queue_id in dict.fromkeys(queue_ids)]
            done = {after.value, MOVING[after].value}
            for one in before:
                if one.state != HeldState.HELD and one.state not in done:
                    raise Decided(f"{one.queue_id} is not on hold: it is {one.state}")
            moved = [one.queue_id for one in before if one.state == HeldState.HELD]
            for queue_id in moved:
                connection.execute(
                    update(HeldMessages)
                    .where(HeldMessages.queue_id == queue_id, HeldMessages.state == HeldState.HELD)
                    .values(state=after, state_at=now)
                )
            for identity in sorted({one.identity for one in before if one.queue_id in moved}):
                of_identity = [one.queue_id for one in before if one.identity == identity and one.queue_id in moved]
                self._record(connection, now, action, identity, {}, {"queue_ids": of_identity})
            return [known_held(connection, one.queue_id) for one in before]


def count_held(connection: Connection, incident: int) -> dict[str, tuple[int, int]]:
    """Of an incident, by state: messages and recipients."""
    row = HeldMessages
    counted = (
        select(row.state, func.count(), func.coalesce(func.sum(row.recipients), 0))
        .where(row.incident_id == incident)
        .group_by(row.state)
    )
    return {state: (messages, int(recipients)) for state, messages, recipients in connection.execute(counted)}


def count_on_hold(connection: Connection) -> tuple[int, int]:
    """Of everybody: messages and recipients that Postfix's queue has to have."""
    row = HeldMessages
    counted = select(func.count(), func.coalesce(func.sum(row.recipients), 0)).where(
        row.state.in_((HeldState.HELD, *MOVING))
    )
    messages, recipients = connection.execute(counted).one()
    return messages, int(recipients)


def states_of(engine: Engine, submissions: Sequence[str]) -> dict[str, str]:
    """What has become of what is, or was, on hold of these, by submission: of the one that was held last."""
    row, found = HeldMessages, dict[str, str]()
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for start in range(0, len(submissions), _AT_ONCE):
            some = submissions[start : start + _AT_ONCE]
            wanted = select(row.submission, row.state).where(row.submission.in_(some)).order_by(row.id)
            for submission, state in connection.execute(wanted):
                found[submission] = state
    return found


def _columns() -> Select[*tuple[Any, ...]]:
    row = HeldMessages
    return select(
        row.queue_id, row.submission, row.identity, row.login, row.incident_id, row.at, row.reason, row.recipients,
        row.message_bytes, row.state, row.state_at, row.release_at,
    )  # fmt: skip


def known_held(connection: Connection, queue_id: str) -> StoredHeld:
    for row in connection.execute(_columns().where(HeldMessages.queue_id == queue_id)):
        return StoredHeld(*row)
    raise Unknown(f"no message {queue_id!r} was ever on hold; `sallyport held list` shows all that is")
