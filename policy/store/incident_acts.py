"""Who has decided what about an incident, as the audit log has it: for whoever comes second, and for the end of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from policy.store.incident_models import HeldMessages
from policy.store.models import Audit

MOVES = ("held-messages-released", "held-messages-purged")  # single messages, or all at once; it stays as it is
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


class _Act(NamedTuple):
    at: float
    actor: str
    action: str
    after: Mapping[str, Any]


def decisions_in(connection: Connection, number: int, identity: str, opened_at: float) -> tuple[Decision, ...]:
    """The newest first."""
    row = Audit
    wanted = (
        select(row.at, row.actor, row.action, row.after)
        .where(row.at >= opened_at, row.subject == identity, row.action.in_((*_DECISIONS, *MOVES)))
        .order_by(row.id.desc())
        .limit(_READ)
    )
    acts = [_Act(at, actor, action, json.loads(after)) for at, actor, action, after in connection.execute(wanted)]
    its = _messages_of(connection, number, {one for act in acts for one in act.after.get("queue_ids", ())})
    return tuple(
        Decision(act.at, act.actor, act.action, act.after.get("answer", ""), act.after.get("note", ""))
        for act in acts
        if act.after.get("incident") == number or its & {*act.after.get("queue_ids", ())}
    )


def _messages_of(connection: Connection, number: int, named: set[str]) -> set[str]:
    """Those of the named messages that are, or were, on hold for this incident."""
    if not named:
        return set()
    row = HeldMessages
    found = connection.scalars(select(row.queue_id).where(row.incident_id == number))
    return named.intersection(found)
