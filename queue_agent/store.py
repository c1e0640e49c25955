"""All that survives the agent's end, in one small SQLite file: how far the log was read, what is on its way, and what
policy does not have yet.

    position   the log file, the offset in it, and the octets before that
    message    queue id -> submission id, until a while after it has left the queue
    waiting    recipients of a message that were deferred, or that are about to be deleted with it
    outbox     reports, until policy has said 204; what it cannot read is set aside there

What a piece of the log changes is one transaction with the position behind it: after a kill -9 that piece is read
again, and nothing of it is there twice. Used by one thread at a time; store.py knows no log and no HTTP.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from policy.queue_contract import Delivery, DeliveryOutcome

OUTBOX_LIMIT = 100_000  # beyond it the log is not read on
MESSAGES_LIMIT = 250_000  # those that have left the queue go first, then the oldest
WAITING_LIMIT = 500_000  # recipients; beyond it a deferral is told each time
_PRUNED_AFTER = 1000  # new messages
_VARIABLES = 500  # of one statement
_RENEWALS = 10  # that are followed

LEFT, DELETED, RENEWED = "left", "deleted", "renewed"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS position (
    id INTEGER PRIMARY KEY CHECK (id = 1), inode INTEGER NOT NULL, offset INTEGER NOT NULL, mark BLOB NOT NULL,
    at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY, queue_id TEXT NOT NULL UNIQUE, submission TEXT NOT NULL, at REAL NOT NULL,
    ended TEXT NOT NULL DEFAULT '', successor TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS message_ended ON message (ended, number);
CREATE TABLE IF NOT EXISTS waiting (
    queue_id TEXT NOT NULL REFERENCES message (queue_id) ON DELETE CASCADE ON UPDATE CASCADE, recipient TEXT NOT NULL,
    dsn TEXT NOT NULL, relay TEXT NOT NULL, PRIMARY KEY (queue_id, recipient)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, submission TEXT NOT NULL, recipient TEXT NOT NULL, outcome TEXT NOT NULL,
    queue_id TEXT NOT NULL, status TEXT NOT NULL, dsn TEXT NOT NULL, relay TEXT NOT NULL, at REAL NOT NULL,
    is_aside INTEGER NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0);
"""
_NEWER_COLUMNS = ("is_aside", "refusals")  # of the outbox, which an older agent may have made without them


class Position(NamedTuple):
    """Behind the last line that was taken. `mark` are the octets before it: a file that has others is another one."""

    inode: int
    offset: int
    mark: bytes
    at: float = 0.0  # of the newest line that was taken


@dataclass(frozen=True, slots=True)
class Known:
    """What the log has said of a queue id. `ended` is empty while it is on its way."""

    submission: str
    ended: str


class Waiting(NamedTuple):
    """A recipient that was not reached yet."""

    recipient: str
    dsn: str
    relay: str


class Store:
    """On an open file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "journal_size_limit = 4194304"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)
        columns = {name for _, name, *_ in self._connection.execute("PRAGMA table_info(outbox)")}
        for column in _NEWER_COLUMNS:
            if column not in columns:
                self._connection.execute(f"ALTER TABLE outbox ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
        self._waiting = self._number("SELECT count(*) FROM waiting")
        self._begun = 0

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            self._waiting = self._number("SELECT count(*) FROM waiting")
            raise
        self._connection.execute("COMMIT")

    # --- the log ---

    def position(self) -> Position | None:
        """None before the first line."""
        row = self._connection.execute("SELECT inode, offset, mark, at FROM position").fetchone()
        return Position(*row) if row else None

    def move(self, position: Position) -> None:
        self._connection.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?, ?)", position)

    # --- messages ---

    def begin(self, queue_id: str, submission: str, at: float) -> None:
        """A message of the gateway's; whatever had this id before is another one."""
        self._connection.execute("DELETE FROM message WHERE queue_id = ?", (queue_id,))
        self._connection.execute(
            "INSERT INTO message (queue_id, submission, at) VALUES (?, ?, ?)", (queue_id, submission, at)
        )
        self._begun += 1
        if self._begun >= _PRUNED_AFTER:
            self._begun = 0
            self._prune()

    def renew(self, old: str, new: str, at: float) -> None:
        """The same message under another id, with whom it still has to reach."""
        known = self.known(old)
        if known is None:
            return
        self.begin(new, known.submission, at)
        self._connection.execute("UPDATE waiting SET queue_id = ? WHERE queue_id = ?", (new, old))
        self._connection.execute("UPDATE message SET ended = ?, successor = ? WHERE queue_id = ?", (RENEWED, new, old))

    def end(self, queue_id: str, how: str) -> None:
        """It is not in the queue any more; what waited for it waits no longer."""
        self._connection.execute("UPDATE message SET ended = ? WHERE queue_id = ?", (how, queue_id))
        self._waiting -= self._connection.execute("DELETE FROM waiting WHERE queue_id = ?", (queue_id,)).rowcount

    def known(self, queue_id: str) -> Known | None:
        row = self._connection.execute(
            "SELECT submission, ended FROM message WHERE queue_id = ?", (queue_id,)
        ).fetchone()
        return Known(*row) if row else None

    def all_known(self, queue_ids: Iterable[str]) -> dict[str, Known]:
        """The same of several."""
        rows = self._rows_of("SELECT queue_id, submission, ended FROM message", queue_ids)
        return {queue_id: Known(submission, ended) for queue_id, submission, ended in rows}

    def current(self, queue_ids: Sequence[str]) -> dict[str, str]:
        """Under which id each is in the queue now; one that was never queued anew has its own."""
        found = {queue_id: queue_id for queue_id in queue_ids}
        for _ in range(_RENEWALS):
            rows = self._rows_of("SELECT queue_id, successor FROM message", set(found.values()))
            successors = {queue_id: successor for queue_id, successor in rows if successor}
            if not successors:
                break
            found = {asked: successors.get(now, now) for asked, now in found.items()}
        return found

    def forget(self, queue_ids: Iterable[str]) -> None:
        """Messages that were begun and never queued."""
        for some in _pieces(queue_ids):
            self._connection.execute(f"DELETE FROM message WHERE queue_id IN ({_marks(some)})", some)  # noqa: S608
        self._waiting = self._number("SELECT count(*) FROM waiting")

    def on_their_way(self, before: float) -> list[str]:
        """Queue ids of what began before then and has not ended, as far as the log says."""
        rows = self._connection.execute("SELECT queue_id FROM message WHERE ended = '' AND at < ?", (before,))
        return [queue_id for (queue_id,) in rows]

    # --- recipients ---

    def wait(self, queue_id: str, waiting: Waiting) -> bool:
        """Whether it is news that this one has to wait."""
        if self._waiting >= WAITING_LIMIT:
            return True
        done = self._connection.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?)", (queue_id, *waiting))
        self._waiting += done.rowcount
        return done.rowcount == 1

    def reach(self, queue_id: str, recipient: str) -> None:
        """It waits no longer."""
        self._waiting -= self._connection.execute(
            "DELETE FROM waiting WHERE queue_id = ? AND recipient = ?", (queue_id, recipient)
        ).rowcount

    def waiting(self, queue_id: str) -> list[Waiting]:
        rows = self._connection.execute("SELECT recipient, dsn, relay FROM waiting WHERE queue_id = ?", (queue_id,))
        return [Waiting(*row) for row in rows]

    # --- reports ---

    def report(self, delivery: Delivery) -> None:
        values = (delivery.submission, delivery.recipient, delivery.outcome, delivery.queue_id, delivery.status)
        self._connection.execute(
            "INSERT INTO outbox (submission, recipient, outcome, queue_id, status, dsn, relay, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, delivery.dsn, delivery.relay, delivery.at),
        )

    def reports(self, limit: int) -> tuple[int, list[Delivery]]:
        """The oldest that are not set aside, and the number of the last of them."""
        rows = self._connection.execute(
            "SELECT number, submission, recipient, outcome, queue_id, status, dsn, relay, at FROM outbox"
            " WHERE NOT is_aside ORDER BY number LIMIT ?",
            (limit,),
        ).fetchall()
        return (rows[-1][0] if rows else 0), [_delivery_of(row) for row in rows]

    def taken(self, number: int) -> None:
        """Policy has them, up to this one."""
        self._connection.execute("DELETE FROM outbox WHERE number <= ? AND NOT is_aside", (number,))

    def set_aside(self, number: int) -> int:
        """Policy refuses this one. How often it did."""
        (row,) = self._connection.execute(
            "UPDATE outbox SET is_aside = 1, refusals = refusals + 1 WHERE number = ? RETURNING refusals", (number,)
        ).fetchall()
        return int(row[0])

    def drop(self, number: int) -> None:
        self._connection.execute("DELETE FROM outbox WHERE number = ?", (number,))

    def offer_again(self) -> None:
        """All that is set aside."""
        self._connection.execute("UPDATE outbox SET is_aside = 0 WHERE is_aside")

    def aside(self) -> int:
        return self._number("SELECT count(*) FROM outbox WHERE is_aside")

    def unreported(self) -> int:
        """Those that are set aside, too."""
        return self._number("SELECT count(*) FROM outbox")

    # --- within ---

    def _prune(self) -> None:
        spare = self._number("SELECT count(*) FROM message") - MESSAGES_LIMIT
        if spare > 0:
            self._connection.execute(
                "DELETE FROM message WHERE number IN (SELECT number FROM message ORDER BY ended = '', number LIMIT ?)",
                (spare,),
            )
            self._waiting = self._number("SELECT count(*) FROM waiting")

    def _number(self, statement: str) -> int:
        return int(self._connection.execute(statement).fetchone()[0])

    def _rows_of(self, statement: str, queue_ids: Iterable[str]) -> Iterator[tuple[str, ...]]:
        for some in _pieces(queue_ids):
            yield from self._connection.execute(f"{statement} WHERE queue_id IN ({_marks(some)})", some)


def _pieces(queue_ids: Iterable[str]) -> Iterator[list[str]]:
    ids = list(queue_ids)
    for start in range(0, len(ids), _VARIABLES):
        yield ids[start : start + _VARIABLES]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _delivery_of(row: Sequence[str]) -> Delivery:
    _, submission, recipient, outcome, queue_id, status, dsn, relay, at = row
    return Delivery(
        submission=submission,
        recipient=recipient,
        outcome=DeliveryOutcome(outcome),
        queue_id=queue_id,
        status=status,
        dsn=dsn,
        relay=relay,
        at=float(at),
    )
