"""What the console's overview shows beside the figures: open incidents, the newest decisions, what is on hold.

Each is a few rows by an index, however much is recorded: it is asked for every second while somebody looks.
"""

from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from policy.engine.ladder import Step
from policy.store.decision_list import Sought, decisions
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages, Incidents
from policy.store.incident_notes import State
from policy.store.records import Submission

SHOWN = 20


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """`step` by name."""

    number: int
    identity: str
    step: str
    since: float
    changed_at: float


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
        count = connection.scalar(select(func.count()).where(incident.state == State.OPEN)) or 0
        waiting = select(func.count(), func.min(held.at)).where(held.state == HeldState.HELD)
        number, oldest = connection.execute(waiting).one()
    newest = decisions(engine, Sought(), limit=SHOWN, most=SHOWN).rows
    return Standing(tuple(incidents), count, tuple(newest), number, oldest)
