"""Looks at held mail: somebody in the console asks, and policy, which alone reaches the queue, answers.

    LookBook    people: ask, and see what came
    LookNotes   policy: what is asked, the answer, and what is over (policy/containment/looks.py)

A row is the question and its answer. The answer is sealed, is shown to nobody but who asked, and goes with its row a
few minutes later. That somebody looks is in the audit log before anything is fetched.
"""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from policy.store.changes import Changes
from policy.store.errors import Decided, StoreError, Unknown
from policy.store.held import HeldState
from policy.store.held_book import StoredHeld, known_held
from policy.store.operation_models import Looks
from policy.store.reader import Reader
from policy.store.sealing import seal, unseal
from policy.store.statements import prepared
from policy.store.transactions import Statements

KEPT_S = 300.0
MOST_OF_A_PERSON = 5  # within that time, of those that wait for their answer
MOST_IN_ALL = 100  # within that time, answered or not: each is a row of the audit log, and a question to the queue
_AT_ONCE = 20
_USE = b"LOOK AT HELD MAIL"  # of the digest key

_HEAD_LIMIT, _TEXT_LIMIT = 16 * 1024, 4 * 1024  # characters
_RECIPIENTS_SHOWN = 200

_ASKED = prepared(
    "SELECT id, queue_id, with_text, asked_at, answered_at IS NOT NULL FROM look ORDER BY answered_at IS NOT NULL, id"
    " LIMIT :most"
)
_ANSWER = prepared(
    "UPDATE look SET answered_at = :now, content = :content, problem = :problem"
    " WHERE id = :look AND answered_at IS NULL"
)
_FORGET = prepared("DELETE FROM look WHERE asked_at <= :edge")


class Problem(StrEnum):
    """Why there is nothing to see."""

    GONE = "gone"  # not in the queue any more
    NOT_HELD = "not-held"  # in it, and on its way
    UNAVAILABLE = "unavailable"  # nobody at the queue answers, or there is nobody
    UNREADABLE = "unreadable"  # sealed with another key


class TooMany(StoreError):
    """The same person has asked for too many at once."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a message, cut where it is long. All of it is a stranger's words."""

    reverse_path: str
    recipients: tuple[str, ...]
    recipients_left_out: int
    head: str = field(repr=False)
    text: str = field(repr=False)
    is_cut: bool  # the header section, or its first lines


@dataclass(frozen=True, slots=True)
class Look:
    """One, for who asked. Without content and without a problem it is not answered yet."""

    number: int
    queue_id: str
    with_text: bool
    asked_at: float
    content: Content | None = field(repr=False)
    problem: str  # Problem, or empty

    @property
    def is_answered(self) -> bool:
        return self.content is not None or bool(self.problem)


class Asked(NamedTuple):
    """A row, for policy."""

    number: int
    queue_id: str
    with_text: bool
    asked_at: float
    is_answered: bool


class LookBook(Changes):
    """The part of the identity store that has the looks, those of its actor alone."""

    def ask_look(self, queue_id: str, now: float, *, with_text: bool) -> int:
        """Somebody may look at anybody's: with its text, or at the header section alone. The number of the look."""
        with self._engine.begin() as connection:
            return self._ask(connection, known_held(connection, queue_id), now, with_text=with_text)

    def ask_own_look(self, queue_id: str, identity: str, now: float) -> int:
        """An owner at his own: another identity's message is unknown."""
        with self._engine.begin() as connection:
            return self._ask(connection, _own(connection, queue_id, identity), now, with_text=False)

    def note_trace(self, identity: str, submission: str, now: float) -> None:
        """Somebody sees whom a message went to, and what became of it there."""
        with self._engine.begin() as connection:
            self._record(connection, now, "message-traced", identity, {}, {"submission": submission})

    def note_queue_read(self, subject: str, now: float) -> None:
        """The same of all that is queued of an identity, of a login, or of a submission."""
        with self._engine.begin() as connection:
            self._record(connection, now, "queue-read", subject, {}, {})

    def look(self, number: int, now: float) -> Look:
        """Unknown where there is none of this actor's, or not any more."""
        with self._reading.connect() as connection:
            return self._look(connection, number, now)

    def own_look(self, number: int, identity: str, now: float) -> Look:
        """The same for an owner."""
        with self._reading.connect() as connection:
            found = self._look(connection, number, now)
            _own(connection, found.queue_id, identity)
            return found

    def _ask(self, connection: Connection, held: StoredHeld, now: float, *, with_text: bool) -> int:
        if held.state != HeldState.HELD:
            raise Decided(f"{held.queue_id} is not on hold: it is {held.state}")
        row = Looks
        connection.execute(delete(row).where(row.asked_at <= now - KEPT_S))
        asked = select(func.count(), func.count(row.answered_at)).where(row.asked_by == self._actor.name)
        number, answered = connection.execute(asked).one()
        if number - answered >= MOST_OF_A_PERSON or number >= MOST_IN_ALL:
            raise TooMany(f"{self._actor.name} has asked for {number} messages already")
        seen = {"queue_id": held.queue_id, "incident": held.incident, "text": with_text}
        self._record(connection, now, "held-message-read", held.identity, {}, seen)
        values = {"queue_id": held.queue_id, "asked_by": self._actor.name, "with_text": with_text, "asked_at": now}
        return connection.scalars(insert(row).values(**values).returning(row.id)).one()

    def _look(self, connection: Connection, number: int, now: float) -> Look:
        row = Looks
        its: tuple[ColumnElement[bool], ...] = (row.id == number, row.asked_by == self._actor.name)
        wanted = select(row.queue_id, row.with_text, row.asked_at, row.content, row.problem)
        for queue_id, with_text, asked_at, sealed, problem in connection.execute(
            wanted.where(*its, row.asked_at > now - KEPT_S)
        ):
            if sealed is None:
                return Look(number, queue_id, with_text, asked_at, None, problem)
            content = _opened(sealed, self._key, number)
            return Look(number, queue_id, with_text, asked_at, content, "" if content else Problem.UNREADABLE.value)
        raise Unknown(f"there is no look {number}, or not any more")


class LookNotes:
    """Runs in the transactions of whoever has `statements`. `key` is the digest key."""

    def __init__(self, statements: Statements, key: bytes) -> None:
        self._statements = statements
        self._key = key

    def answer(self, number: int, content: Content, now: float) -> None:
        """Where somebody else has answered meanwhile, nothing."""
        sealed = seal(json.dumps(asdict(content)).encode(), self._key, _USE, number)
        self._statements.execute(_ANSWER, {"look": number, "content": sealed, "problem": "", "now": now})

    def refuse(self, number: int, problem: Problem, now: float) -> None:
        values = {"look": number, "content": None, "problem": problem.value, "now": now}
        self._statements.execute(_ANSWER, values)

    def forget(self, now: float) -> None:
        """What was asked too long ago, answered or not."""
        self._statements.execute(_FORGET, {"edge": now - KEPT_S})


async def asked_looks(reader: Reader) -> list[Asked]:
    """Those that wait first. There is rarely any."""
    return [Asked(*row) for row in await reader.rows(_ASKED, {"most": _AT_ONCE})]


def cut(reverse_path: str, recipients: tuple[str, ...], head: str, text: str) -> Content:
    """As much as a page shows."""
    return Content(
        reverse_path=reverse_path,
        recipients=recipients[:_RECIPIENTS_SHOWN],
        recipients_left_out=max(0, len(recipients) - _RECIPIENTS_SHOWN),
        head=head[:_HEAD_LIMIT],
        text=text[:_TEXT_LIMIT],
        is_cut=len(head) > _HEAD_LIMIT or len(text) > _TEXT_LIMIT,
    )


def _opened(sealed: bytes, key: bytes, number: int) -> Content | None:
    opened = unseal(sealed, key, _USE, number)
    if opened is None:
        return None
    values = json.loads(opened)
    return Content(**values | {"recipients": tuple(values["recipients"])})


def _own(connection: Connection, queue_id: str, identity: str) -> StoredHeld:
    held = known_held(connection, queue_id)
    if held.identity != identity:
        raise Unknown(f"{identity!r} has no message {queue_id!r} on hold")
    return held
