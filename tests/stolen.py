"""What a thief leaves behind in the store: records, signals, an incident, held mail, written as the services do it."""

import json
from dataclasses import dataclass

from sqlalchemy import Engine, insert, select

from policy.engine.ladder import Signal, SignalKind, Standing, Step
from policy.engine.sources import network_of
from policy.store.held import HeldNotes
from policy.store.models import Credentials, Identities, Submissions
from policy.store.standings import Cause, StandingBook
from policy.store.statements import OnConnection

ABROAD = "203.0.113.9"
HOSTING = "95.216.0.9"  # in AS24940, whose machines are rented


@dataclass
class Thief:
    """Acts with the credential `login` of `identity`."""

    engine: Engine
    identity: str
    login: str
    now: float
    client_name: str = "laptop"
    number: int = 0

    def hand_in(
        self,
        action: str,
        *,
        address: str = ABROAD,
        reason: str = "new-recipients",
        is_home: bool = False,
        recipients: int = 3,
    ) -> str:
        """One message; the queue id of what is held, or nothing."""
        self.number += 1
        submission, queue_id = f"{self.identity}-{self.now:.0f}-{self.number}", ""
        network, is_held = network_of(address), action == "hold"
        place = [network, "AS64500 NL", "settled" if is_home else "probation", is_home]
        values = {
            "id": submission, "at": self.now, "session": "s1", "identity": self.identity, "login": self.login,
            "listener": "submission", "client_address": address, "client_name": self.client_name,
            "reverse_path": f"{self.identity}@example.org", "recipients": recipients, "message_bytes": 2000,
            "action": action, "reason": "" if action == "accept" else reason, "outcome": "relayed",
            "queue_id": "", "held": recipients if is_held else 0, "origin": "AS64500 NL",
            "evidence": json.dumps({"place": place}, separators=(",", ":")),
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(Submissions).values(**values))
            if is_held:
                queue_id = f"4{self.identity}{self.now:.0f}{self.number:04}"
                HeldNotes(OnConnection(connection)).note(submission, queue_id, 60.0, self.now)
        return queue_id

    def raise_signal(self, step: Step, kind: SignalKind = SignalKind.SPREAD, address: str = ABROAD) -> None:
        """What makes the identity go up the ladder."""
        with self.engine.begin() as connection:
            whose = connection.scalars(select(Identities.id).where(Identities.name == self.identity)).one()
            credential = connection.scalars(select(Credentials.id).where(Credentials.login == self.login)).one()
            signal = Signal(kind=kind, at=self.now, evidence="networks: 7 in an hour, 6 are allowed")
            cause = Cause(credential, "", address)
            StandingBook(OnConnection(connection)).note(whose, Standing(step, Step.FREE, self.now), [signal], cause)
