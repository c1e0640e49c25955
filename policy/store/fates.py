"""What became of a message at the next hops, recipient by recipient, for its owner to see.

Submissions.delivered counts the recipients elsewhere who have it. Here is a row for whoever has not, or not yet, and
for recipients of our own domains, who have no mark in the submission's record. Marks, never addresses; they go with
age, as records do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Connection, select

from policy.queue_contract import Delivery, DeliveryOutcome
from policy.store.models import Fates, Submissions
from policy.store.records import unpacked
from policy.store.statements import prepared
from policy.store.transactions import Statements

_DELETED_AT_ONCE = 20
_NOTE = prepared(  # the last word stays: a report that comes twice, or late, changes nothing
    "INSERT INTO fate (submission, mark, at, fate) VALUES (:submission, :mark, :at, :fate)"
    " ON CONFLICT (submission, mark) DO UPDATE SET at = excluded.at, fate = excluded.fate"
    " WHERE fate.fate = 'waiting'"
)
_FORGET = prepared(
    "DELETE FROM fate WHERE (submission, mark) IN"
    " (SELECT submission, mark FROM fate WHERE at < :edge ORDER BY at LIMIT :most)"
)


class Fate(StrEnum):
    """Of one recipient. All but the first two say why it came back."""

    DELIVERED = "delivered"
    WAITING = "waiting"  # the next server takes it later
    UNKNOWN = "unknown"  # nobody has this address
    SPAM = "spam"
    BLOCKLISTED = "blocklisted"
    FULL = "full"
    TOO_LARGE = "too-large"
    EXPIRED = "expired"  # for days nobody took it
    DELETED = "deleted"  # from the queue
    REFUSED = "refused"


_BY_OUTCOME: Mapping[str, Fate] = {
    DeliveryOutcome.DELIVERED: Fate.DELIVERED,
    DeliveryOutcome.UNKNOWN_RECIPIENT: Fate.UNKNOWN,
    DeliveryOutcome.SPAM: Fate.SPAM,
    DeliveryOutcome.BLOCKLISTED: Fate.BLOCKLISTED,
}
_BY_STATUS = {"deferred": Fate.WAITING, "expired": Fate.EXPIRED, "deleted": Fate.DELETED}
_BY_DETAIL = {"2.2": Fate.FULL, "2.3": Fate.TOO_LARGE, "3.4": Fate.TOO_LARGE}  # RFC 3463, behind the class


def fate_of(delivery: Delivery) -> Fate:
    """The first that fits: what Postfix says of the mail, what the world says of the recipient, and why."""
    outcome, detail = _BY_OUTCOME.get(delivery.outcome), delivery.dsn.partition(".")[2]
    return _BY_STATUS.get(delivery.status) or outcome or _BY_DETAIL.get(detail) or Fate.REFUSED


@dataclass(frozen=True, slots=True)
class Fared:
    """Recipients of one message. Those in no number have had no word said of them yet."""

    delivered: int = 0
    waiting: int = 0
    returned: Mapping[Fate, int] = field(default_factory=dict)

    @property
    def back(self) -> int:
        return sum(self.returned.values())


class FateBook:
    """Runs in the transactions of a writer (store/writer.py). Rows are kept for `kept_s`."""

    def __init__(self, statements: Statements, kept_s: float) -> None:
        self._statements = statements
        self._kept_s = kept_s

    def note(self, submission: str, fates: Mapping[int, Fate], now: float) -> None:
        """By the recipient's mark."""
        for mark, fate in fates.items():
            self._statements.execute(_NOTE, {"submission": submission, "mark": mark, "at": now, "fate": fate.value})
        self._statements.execute(_FORGET, {"edge": now - self._kept_s, "most": _DELETED_AT_ONCE})


def fared(connection: Connection, submissions: Sequence[str]) -> dict[str, Fared]:
    """Of each of them, whether anything is known of it or not."""
    row, fate = Submissions, Fates
    asked = select(fate.submission, fate.mark, fate.fate).where(fate.submission.in_(submissions))
    noted: dict[str, dict[int, Fate]] = {}
    for submission, mark, word in connection.execute(asked):
        noted.setdefault(submission, {})[mark] = Fate(word)
    wanted = select(row.id, row.delivered, row.marks, row.reported).where(row.id.in_(submissions))
    return {
        found.id: _fared(found.delivered, noted.get(found.id, {}), found.marks, found.reported)
        for found in connection.execute(wanted)
    }


def _fared(delivered: int, noted: Mapping[int, Fate], packed: bytes | None, reported: bytes | None) -> Fared:
    """Who waited, and has it since, is counted among the delivered."""
    done, marks = int.from_bytes(reported or b""), unpacked(packed)
    ended = {mark for place, mark in enumerate(marks) if done >> place & 1}
    each = Counter(fate for mark, fate in noted.items() if fate is not Fate.WAITING or mark not in ended)
    delivered, waiting = delivered + each.pop(Fate.DELIVERED, 0), each.pop(Fate.WAITING, 0)
    return Fared(delivered, waiting, {fate: each[fate] for fate in Fate if each[fate]})
