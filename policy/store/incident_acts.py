"""Who has decided what about an incident, as the audit log has it: for whoever comes second."""

import json
from dataclasses import dataclass

from sqlalchemy import Engine, select

from policy.store.incidents import StoredIncident
from policy.store.models import Audit

_DECISIONS = ("contained", "incident-released", "incident-purged", "incident-answered", "purge-stopped")
_READ = 200  # acts on one identity; there are a handful of an incident


@dataclass(frozen=True, slots=True)
class Decision:
    """One of them."""

    at: float
    actor: str
    action: str
    answer: str  # of the owner, or whoever answered for him
    note: str


def decisions_on(engine: Engine, incident: StoredIncident) -> list[Decision]:
    """The newest first."""
    row = Audit
    wanted = (
        select(row.at, row.actor, row.action, row.after)
        .where(row.at >= incident.opened_at, row.subject == incident.identity, row.action.in_(_DECISIONS))
        .order_by(row.id.desc())
        .limit(_READ)
    )
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        found = [(*values, json.loads(after)) for *values, after in connection.execute(wanted)]
    return [
        Decision(at, actor, action, after.get("answer", ""), after.get("note", ""))
        for at, actor, action, after in found
        if after.get("incident") == incident.number
    ]
