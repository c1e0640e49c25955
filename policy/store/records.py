"""What is written down of each submission.

A message's Received field names its submission by an opaque id; these rows say what that was, without content and
without a recipient's address. They go with age, a few with each one that comes. How many refused ones an identity
leaves behind is charges.py's to say: somebody with a stolen credential could otherwise fill the disk with refusals.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Select, bindparam, select, update

from policy.contract import MessageFacts, RelayOutcome
from policy.engine.rules import Profile, Ruling
from policy.store.models import Submissions
from policy.store.statements import prepared
from policy.store.transactions import Statements

_DELETED_AT_ONCE = 3  # more than one comes in
_NAME_LIMIT = 255  # what a client may choose is cut to the longest that is a name

_INSERT = prepared(  # an id that comes twice stays what it was
    "INSERT INTO submission (id, at, session, identity, login, listener, client_address, client_name, reverse_path, "
    "recipients, message_bytes, action, reason, outcome, queue_id) VALUES (:id, :at, :session, :identity, :login, "
    ":listener, :client_address, :client_name, :reverse_path, :recipients, :message_bytes, :action, :reason, :outcome, "
    ":queue_id) ON CONFLICT DO NOTHING"
)
_FORGET = prepared(
    "DELETE FROM submission WHERE id IN (SELECT id FROM submission WHERE at < :edge ORDER BY at LIMIT :most)"
)
_END = prepared(
    update(Submissions)
    .where(Submissions.id == bindparam("ended"))
    .values(outcome=bindparam("what"), queue_id=bindparam("whose"))
)


@dataclass(frozen=True, slots=True)
class Submission:
    """One message that was judged, as it is stored."""

    id: str
    at: float
    session: str
    identity: str
    login: str
    listener: str
    client_address: str
    client_name: str
    reverse_path: str
    recipients: int
    message_bytes: int
    action: str
    reason: str
    outcome: str
    queue_id: str


class Records:
    """Runs in the transactions of a writer (store/writer.py)."""

    def __init__(self, statements: Statements, kept_s: float) -> None:
        self._statements = statements
        self._kept_s = kept_s

    def add_submission(self, facts: MessageFacts, profile: Profile | None, ruling: Ruling, now: float) -> None:
        self._statements.execute(_FORGET, {"edge": now - self._kept_s, "most": _DELETED_AT_ONCE})
        self._statements.execute(
            _INSERT,
            {
                "id": facts.submission,
                "at": now,
                "session": facts.session,
                "identity": profile.identity if profile else "",
                "login": profile.login if profile else "",
                "listener": facts.listener,
                "client_address": facts.client_address,
                "client_name": facts.client_name[:_NAME_LIMIT],
                "reverse_path": facts.reverse_path,
                "recipients": len(facts.recipients),
                "message_bytes": facts.message_bytes,
                "action": ruling.action.value,
                "reason": ruling.reason.value if ruling.reason else "",
                "outcome": "",
                "queue_id": "",
            },
        )

    def end_submission(self, submission: str, outcome: RelayOutcome, queue_id: str) -> None:
        self._statements.execute(_END, {"ended": submission, "what": outcome.value, "whose": queue_id})


def find_submission(engine: Engine, submission: str) -> Submission | None:
    """What the id in a Received field stands for; None where it is too old, or none of ours."""
    return next(iter(_read(engine, select(Submissions.__table__).where(Submissions.id == submission))), None)


def newest_submissions(engine: Engine, identity: str | None, limit: int) -> list[Submission]:
    """Newest first, of everybody or of one identity."""
    wanted = select(Submissions.__table__).order_by(Submissions.at.desc()).limit(limit)
    return _read(engine, wanted if identity is None else wanted.where(Submissions.identity == identity))


def _read(engine: Engine, wanted: Select[Any]) -> list[Submission]:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return [Submission(*row) for row in connection.execute(wanted)]
