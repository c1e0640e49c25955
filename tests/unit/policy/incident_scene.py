"""A bad day for tests: rows as the services write them. Ada is at home, and a thief has her login."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine_parts import AT_HOME, HOME, facts_of, known, new, profile_of, strange
from sqlalchemy import Connection, Engine, insert

from policy.contract import Action, Outcome, Reason, RelayOutcome
from policy.engine.judging import Decision
from policy.engine.ladder import Step
from policy.engine.profile import Place
from policy.engine.sources import Origin
from policy.store.held import HeldNotes
from policy.store.incident_notes import IncidentNotes
from policy.store.models import Networks, Signals
from policy.store.reached import ReachedBook
from policy.store.records import Records
from policy.store.statements import OnConnection

T = 1_750_003_200.0  # 2025-06-15T16:00:00Z: before whatever clock a command reads
MINUTE_S = 60.0


def at_network(number: int, country: str = "VN") -> Place:
    """One of the thief's."""
    return strange(Origin(network=f"10.{number // 256}.{number % 256}.0/24", asn=64500 + number % 10, country=country))


@dataclass(slots=True)
class Scene:
    """Writes on one connection, within the caller's transaction."""

    connection: Connection
    login: str
    identity: str = "ada"
    messages: int = 0

    def send(  # noqa: PLR0913 - a message has as many sides
        self,
        at: float,
        place: Place = AT_HOME,
        *,
        recipients: int = 1,
        held: int = 0,
        action: Action = Action.ACCEPT,
        reason: Reason | None = None,
        name: str = "laptop",
        outcome: RelayOutcome = RelayOutcome.RELAYED,
    ) -> str:
        """One message of its own, as judge.py writes it down. The id of its submission."""
        self.messages += 1
        submission = f"{self.messages:016x}"
        people = new(*range(recipients)) if place is not AT_HOME else known(*range(recipients))
        profile = profile_of(people, place, identity=self.identity, login=self.login)
        facts = facts_of(profile).model_copy(
            update={"submission": submission, "client_address": address_in(place), "client_name": name}
        )
        decision = Decision(action=action, reason=reason, held=tuple(range(held)))
        records = Records(OnConnection(self.connection), kept_s=1e9)
        records.add_submission(facts, profile, decision, "", at)
        if action in {Action.ACCEPT, Action.HOLD}:
            ended = Outcome(
                reservation=submission,
                outcome=outcome,
                queue_id=queue_id(submission),
                held_queue_id=held_id(submission),
            )
            records.end_submissions({submission: ended})
        return submission

    def hold(self, at: float, place: Place, *, recipients: int = 1, held: int = 0) -> str:
        """As send, and the next hop has it on hold; an incident is opened by it."""
        action = Action.ACCEPT if held else Action.HOLD
        submission = self.send(at, place, recipients=recipients, held=held, action=action, reason=Reason.NEW_RECIPIENTS)
        HeldNotes(OnConnection(self.connection)).note(submission, held_id(submission), 0.0, at)
        return submission

    def hold_back(self, submission: str, incident: int, recipients: int, at: float) -> None:
        """It was on its way."""
        notes = HeldNotes(OnConnection(self.connection))
        notes.note_retro(submission, queue_id(submission), incident, recipients, at)

    def reach(self, submission: str, addresses: Sequence[str], at: float) -> None:
        ReachedBook(OnConnection(self.connection)).note(self.identity, submission, addresses, at)

    def log_in(self, network: str, at: float) -> None:
        values: dict[str, Any] = {"network": network, "first_used_at": at, "last_used_at": at, "days": 1}
        self.connection.execute(insert(Networks).values(identity_id=self.number, **values))

    def signal(self, at: float, kind: str, evidence: str, *, at_home: bool = False) -> None:
        values: dict[str, Any] = {"kind": kind, "evidence": evidence, "at_home": at_home, "credential_id": 1}
        self.connection.execute(
            insert(Signals).values(identity_id=self.number, at=at, submission="", client_address="10.0.1.9", **values)
        )

    def open(self, at: float, step: Step = Step.HOLD) -> int:
        return IncidentNotes(OnConnection(self.connection)).open(self.identity, step, at, since=at).number

    @property
    def number(self) -> int:
        found = self.connection.exec_driver_sql(f"SELECT id FROM identity WHERE name = '{self.identity}'").scalar()  # noqa: S608
        assert isinstance(found, int)
        return found


def address_in(place: Place) -> str:
    return place.origin.network.replace(".0/24", ".9")


def queue_id(submission: str) -> str:
    return f"4Q{submission}a"


def held_id(submission: str) -> str:
    return f"4Q{submission}h"


def bad_day(engine: Engine, login: str) -> int:
    """Two messages of ada's, three networks of a thief's: four sent, three held, one refused. The incident's number."""
    with engine.begin() as connection:
        scene = Scene(connection, login)
        scene.send(T - 2 * MINUTE_S, AT_HOME, recipients=3)
        for minute in range(4):
            submission = scene.send(T + minute * MINUTE_S, at_network(minute % 3), recipients=2, name="botnet.example")
            scene.reach(submission, [f"victim{minute}@example.net"], T + minute * MINUTE_S + 5)
        scene.signal(T + 4 * MINUTE_S, "new-recipients", "new-recipients: 11 in an hour, 10 are allowed")
        scene.hold(T + 5 * MINUTE_S, at_network(0), recipients=10)
        scene.hold(T + 6 * MINUTE_S, at_network(1), recipients=10, held=4)
        incident = scene.open(T + 6 * MINUTE_S)
        scene.hold_back(f"{5:016x}", incident, 2, T + 6 * MINUTE_S)
        scene.send(T + 7 * MINUTE_S, at_network(2), action=Action.REJECT, reason=Reason.RESTRICTED)
        scene.send(T + 8 * MINUTE_S, AT_HOME, recipients=1)
        scene.log_in("203.0.113.0/24", T + 9 * MINUTE_S)
        scene.log_in(HOME.network, T - 9e6)
        return incident
