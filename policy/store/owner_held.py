"""An owner's own held mail: what of it is on hold, and single messages that he lets go or deletes himself.

Mail that is held because something is wrong goes only with the answer to the whole question (owner_answers.py): a
thief's messages look like anybody's. One that was handed in at home and met nothing but a budget is the owner's.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from policy.contract import Reason
from policy.store.errors import StoreError, Unknown
from policy.store.handed_in import was_home
from policy.store.held import HeldState
from policy.store.held_book import LISTED, HeldBook, StoredHeld, known_held
from policy.store.incident_models import HeldMessages, Incidents, Measures
from policy.store.incident_notes import State
from policy.store.measures import Kind
from policy.store.models import Credentials, Submissions
from policy.store.owner_answers import NO

_BUDGETS = frozenset((Reason.NEW_RECIPIENTS,))


@dataclass(frozen=True, slots=True)
class OwnHeld:
    """One held message as its owner sees it. `purge_at`: it is deleted then, unless that is stopped."""

    held: StoredHeld
    device: str  # its label; empty where it is gone
    reverse_path: str
    client_address: str
    may_release: bool
    purge_at: float | None


class OwnHeldBook(HeldBook):
    """The part of the identity store that has owners' held mail. Another identity's message is unknown."""

    def own_held(self, identity: str) -> list[OwnHeld]:
        """What is on hold, the oldest first."""
        with self._reading.connect() as connection:
            whose = (HeldMessages.identity == identity, HeldMessages.state == HeldState.HELD)
            return _own(connection, *whose)

    def release_own(self, queue_id: str, identity: str, now: float) -> StoredHeld:
        """Let one go."""
        if not self._one(queue_id, identity).may_release:
            raise StoreError(f"{queue_id} is part of something that its owner has to answer as a whole")
        return self.release_held([queue_id], now)[0]

    def purge_own(self, queue_id: str, identity: str, now: float) -> StoredHeld:
        """Delete one: nobody gets it."""
        self._one(queue_id, identity)
        return self.purge_held([queue_id], now)[0]

    def _one(self, queue_id: str, identity: str) -> OwnHeld:
        with self._reading.connect() as connection:
            for one in _own(connection, HeldMessages.queue_id == queue_id, HeldMessages.identity == identity):
                return one
        raise Unknown(f"{identity!r} has no message {queue_id!r} on hold")


def _own(connection: Connection, *wanted: ColumnElement[bool]) -> list[OwnHeld]:
    row = HeldMessages
    purge_at = (
        select(Measures.due_at)
        .where(Measures.incident_id == row.incident_id, Measures.kind == Kind.PURGE, Measures.done_at.is_(None))
        .order_by(Measures.due_at)
        .limit(1)
        .scalar_subquery()
    )
    question = (
        select(
            row.queue_id, Credentials.label, Submissions.reverse_path, Submissions.client_address,
            Submissions.evidence, Incidents.state, Incidents.answer, purge_at,
        )
        .outerjoin(Submissions, Submissions.id == row.submission)
        .outerjoin(Credentials, Credentials.login == row.login)
        .outerjoin(Incidents, Incidents.id == row.incident_id)
        .where(*wanted)
        .order_by(row.at, row.id)
        .limit(LISTED)
    )  # fmt: skip
    found = []
    for queue_id, label, path, address, evidence, state, answer, due in connection.execute(question).all():
        held, is_home = known_held(connection, queue_id), was_home(evidence or "")
        may = _may_release(held, is_home=is_home, state=state, answer=answer, is_doomed=due is not None)
        found.append(OwnHeld(held, label or "", path or "", address or "", may, due))
    return found


def _may_release(held: StoredHeld, *, is_home: bool, state: str | None, answer: str | None, is_doomed: bool) -> bool:
    """`state` and `answer` are the incident's; None where it belongs to none."""
    if held.state != HeldState.HELD:
        return False
    if state == State.OPEN:
        return is_home and held.reason in _BUDGETS
    return state is None or (answer == NO and not is_doomed)  # he has stopped what he had begun
