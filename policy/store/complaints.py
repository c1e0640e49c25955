"""Complaints as they are kept: each recipient of a submission once, until its record is forgotten.

Whoever reads a complaint writes it down; policy/complaints/desk.py weighs what was not weighed yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select

from policy.complaints.report import Complaint
from policy.marks import Marks
from policy.store.changes import Changes
from policy.store.incident_models import Complaints
from policy.store.reader import Reader
from policy.store.records import unpacked
from policy.store.statements import OnConnection, prepared
from policy.store.transactions import Statements

KEPT_OF_ONE = 100  # of a submission: whoever has a message of ours could send complaints without end
LISTED = 100

_SUBMISSION = prepared("SELECT identity, marks FROM submission WHERE id = :submission")
_NUMBER = prepared("SELECT count(*) FROM complaint WHERE submission = :submission")
_ADD = prepared(
    "INSERT INTO complaint (at, submission, identity, recipient, reporter, kind)"
    " VALUES (:now, :submission, :identity, :recipient, :reporter, :kind)"
    " ON CONFLICT (submission, recipient) DO NOTHING"
)
_UNWEIGHED = prepared(
    "SELECT submission, count(*) FROM complaint WHERE weighed_at IS NULL"
    " GROUP BY submission ORDER BY submission LIMIT 100"
)
_WEIGHED = prepared("UPDATE complaint SET weighed_at = :now WHERE submission = :submission AND weighed_at IS NULL")


@dataclass(frozen=True, slots=True)
class StoredComplaint:
    """One of them, for people."""

    at: float
    submission: str
    identity: str
    recipient: str
    reporter: str
    kind: str


class Unweighed(NamedTuple):
    """Complaints about one submission."""

    submission: str
    complaints: int


class ComplaintNotes:
    """Runs in the transactions of whoever has `statements`."""

    def __init__(self, statements: Statements, marks: Marks) -> None:
        self._statements = statements
        self._marks = marks

    def note(self, complaint: Complaint, now: float) -> int:
        """How many are new; none about what is no submission of ours. A recipient that it never had does not count."""
        rows = self._statements.execute(_SUBMISSION, {"submission": complaint.submission}).fetchall()
        for identity, packed in rows:
            ((number,),) = self._statements.execute(_NUMBER, {"submission": complaint.submission}).fetchall()
            marks = frozenset(unpacked(packed))
            known = [one for one in complaint.recipients if self._marks.recipient(one) in marks]
            return sum(
                self._statements.execute(
                    _ADD,
                    {
                        "now": now,
                        "submission": complaint.submission,
                        "identity": identity,
                        "recipient": recipient,
                        "reporter": complaint.reporter,
                        "kind": complaint.kind,
                    },
                ).rowcount
                for recipient in (known or [""])[: max(KEPT_OF_ONE - number, 0)]
            )
        return 0

    def note_weighed(self, submission: str, now: float) -> None:
        self._statements.execute(_WEIGHED, {"submission": submission, "now": now})


async def unweighed(reader: Reader) -> Sequence[Unweighed]:
    """A hundred submissions at a time."""
    return [Unweighed(*row) for row in await reader.rows(_UNWEIGHED, {})]


class ComplaintBook(Changes):
    """The part of the identity store that has complaints."""

    def note_complaint(self, complaint: Complaint, now: float) -> int:
        """How many are new."""
        with self._engine.begin() as connection:
            new = ComplaintNotes(OnConnection(connection), Marks(self._key)).note(complaint, now)
            if new:
                whose = select(Complaints.identity).where(Complaints.submission == complaint.submission).limit(1)
                after = {"submission": complaint.submission, "reporter": complaint.reporter, "kind": complaint.kind}
                self._record(connection, now, "complaint-read", connection.scalar(whose) or "", {}, after)
            return new

    def complaints(self, identity: str | None = None, limit: int = LISTED) -> list[StoredComplaint]:
        """The newest first."""
        row = Complaints
        wanted = select(row.at, row.submission, row.identity, row.recipient, row.reporter, row.kind)
        wanted = wanted if identity is None else wanted.where(row.identity == identity)
        with self._reading.connect() as connection:
            rows = connection.execute(wanted.order_by(row.at.desc(), row.id.desc()).limit(limit))
            return [StoredComplaint(*one) for one in rows]
