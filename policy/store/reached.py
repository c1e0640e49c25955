"""Whom a message reached that its owner may not have sent: the addresses to warn, should it turn out to be theft.

Records of submissions have no recipient's address, and the first bad messages go out before anything is suspicious. So
these few are kept for a time, and no others:

    from a network on probation    whoever got the message
    from all other networks        recipients that were new to the identity

They go after two weeks, unless an incident of the identity is open; of one identity a thousand are the most.
"""

from collections.abc import Iterable

from policy.store.statements import prepared
from policy.store.transactions import Statements

KEPT_S = 14 * 86400.0
KEPT = 1000  # of one identity: more than a thief reaches in that time
_DELETED_AT_ONCE = 20  # more than come in
_ADDRESS_LIMIT = 320

_ADD = prepared(
    "INSERT INTO reached (at, identity, submission, recipient) VALUES (:at, :identity, :submission, :recipient)"
    " ON CONFLICT DO NOTHING"
)
_FORGET_OLD = prepared(
    "DELETE FROM reached WHERE id IN (SELECT id FROM reached WHERE at < :edge"
    " AND identity NOT IN (SELECT identity FROM incident WHERE state = 'open') ORDER BY at LIMIT :most)"
)
_FORGET_MANY = prepared(
    "DELETE FROM reached WHERE id IN (SELECT id FROM reached WHERE identity = :identity ORDER BY at DESC, id DESC"
    " LIMIT 1000 OFFSET :kept)"
)


class ReachedBook:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def note(self, identity: str, submission: str, recipients: Iterable[str], now: float) -> None:
        """Each of a submission once, however often it is reported."""
        for recipient in recipients:
            values = {"at": now, "identity": identity, "submission": submission}
            self._statements.execute(_ADD, values | {"recipient": recipient[:_ADDRESS_LIMIT]})
        self._statements.execute(_FORGET_OLD, {"edge": now - KEPT_S, "most": _DELETED_AT_ONCE})
        self._statements.execute(_FORGET_MANY, {"identity": identity, "kept": KEPT})
