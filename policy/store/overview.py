"""What the console's overview shows beside the figures: open incidents, the newest decisions, what is on hold.

Each is a few rows by an index, however much is recorded: it is asked for every second while somebody looks.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine, func, select

from policy.engine.ladder import Step
from policy.store.decision_list import Sought, decisions
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages, Incidents
from policy.store.incident_notes import State
from policy.store.models import Credentials
from policy.store.records import Submission

SHOWN = 20


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """`step` by name; `held` messages wait for somebody."""

    number: int
    identity: str
    step: str
    since: float
    changed_at: float
    is_contained: bool = False
    held: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands now. Of the incidents the gravest, and how many they are."""

    incidents: tuple[OpenIncident, ...]
    open_incidents: int
    newest: tuple[Submission, ...]
    held: int  # messages that wait for somebody
    held_since: float | None  # the oldest of them


def standing_now(engine: Engine) -> Standing:
    """Read at once."""
    incident, held = Incidents, HeldMessages
    gravest = (
        select(incident.id, incident.identity, incident.step, incident.since, incident.changed_at)
        .where(incident.state == State.OPEN)
        .order_by(incident.step.desc(), incident.id.desc())
        .limit(SHOWN)
    )
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        incidents = [
            OpenIncident(number, identity, Step(step).name.lower(), since, changed_at)
            for number, identity, step, since, changed_at in connection.execute(gravest)
        ]
        incidents = _with_what_was_done(connection, incidents) if incidents else []
        count = connection.scalar(select(func.count()).where(incident.state == State.OPEN)) or 0
        waiting = select(func.count(), func.min(held.at)).where(held.state == HeldState.HELD)
        number, oldest = connection.execute(waiting).one()
    newest = decisions(engine, Sought(), limit=SHOWN, most=SHOWN).rows
    return Standing(tuple(incidents), count, tuple(newest), number, oldest)


def _with_what_was_done(connection: Connection, incidents: list[OpenIncident]) -> list[OpenIncident]:
    numbers, held = [one.number for one in incidents], HeldMessages
    suspends = Credentials.contained_by
    contained = set(connection.scalars(select(suspends).where(suspends.in_(numbers)).distinct()))
    waiting = (
        select(held.incident_id, func.count())
        .where(held.incident_id.in_(numbers), held.state == HeldState.HELD)
        .group_by(held.incident_id)
    )
    messages = {number: count for number, count in connection.execute(waiting)}  # noqa: C416 - rows are no pairs
    return [replace(one, is_contained=one.number in contained, held=messages.get(one.number, 0)) for one in incidents]
