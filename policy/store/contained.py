"""What is contained: since when, by whom, and what still works; and what an administrator is told of it.

Read off what incidents.py writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from policy.alerting.kinds import Kind as Notice
from policy.store.measures import Kind, StoredMeasure
from policy.store.models import Audit, Credentials, Identities

DONE = {  # as the administrator is told
    Notice.INCIDENT_CONTAINED: (
        "these logins are refused, and their sessions have ended: {logins}. What they handed in and is still queued is"
        " put on hold. Nothing is deleted."
    ),
    Notice.INCIDENT_RELEASED: "suspended logins work again, and what is still on hold leaves.",
    Notice.INCIDENT_PURGED: "what was on hold is deleted. Logins that stay suspended: {logins}.",
}


@dataclass(frozen=True, slots=True)
class Contained:
    """Logins are suspended. `working` are those of the identity that are not: made since, or never meant."""

    at: float
    by: str  # the actor, as in the audit log; empty where nobody knows any more
    working: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        return not self.working


def contained_by(connection: Connection, identity: str, measures: Sequence[StoredMeasure]) -> Contained | None:
    """Who it was stands in the audit log, in a row of the same moment."""
    at = next((one.created_at for one in measures if one.kind == Kind.SUSPEND), None)
    if at is None:
        return None
    row, audit = Credentials, Audit
    working = (
        select(row.login)
        .join(Identities, Identities.id == row.identity_id)
        .where(Identities.name == identity, row.revoked_at.is_(None), row.contained_by.is_(None))
    )
    acts = audit.at == at, audit.subject == identity, audit.action.in_(("contained", "incident-purged"))
    by = connection.scalar(select(audit.actor).where(*acts).order_by(audit.id).limit(1))
    return Contained(at, by or "", tuple(connection.scalars(working.order_by(row.login))))
