"""A judge that says what a test wants, whoever is known to it, and the requests of a Postfix."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

from policy.arrivals import Stop
from policy.brain import Brain
from policy.contract import Action, ConnectFacts, ConnectOutcome, ConnectVerdict, Reason
from policy.delegation.answers import Answers
from policy.delegation.envelopes import Envelopes
from policy.delegation.handed import Handed
from policy.delegation.protocol import Request
from policy.engine.judging import Decision
from policy.fronts import Fronts
from policy.store.habits import Looks
from policy.store.holders import Holder
from policy.store.transactions import Transactions

T = 1_000_000.0
ACCEPT = Decision(action=Action.ACCEPT)
SPENT = Decision(action=Action.DEFER, reason=Reason.BUDGET_SPENT)


@dataclass
class ScriptedJudge:
    """Accepts, and remembers whom it judged; with `room`, as many recipients as there is room for."""

    decision: Decision = ACCEPT
    room: int = 1000
    error: Exception | None = None
    charged: list[Handed] = field(default_factory=list)
    foreseen: list[Handed] = field(default_factory=list)
    gate: asyncio.Event | None = None  # waits for it before it decides
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def judge_handed(self, handed: Handed, now: float) -> Decision:  # noqa: ARG002 - the clock stands
        self.charged.append(handed)
        self.was_asked.set()
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return self._decision(handed)

    async def foresee(self, handed: Handed, now: float) -> Decision:  # noqa: ARG002 - the same
        self.foreseen.append(handed)
        if self.error:
            raise self.error
        return self._decision(handed)

    def _decision(self, handed: Handed) -> Decision:
        return self.decision if len(handed.recipients) + handed.strangers <= self.room else SPENT


class KnownLogins:
    """Whose name is its login."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def of(self, login: str, network: str) -> Holder | None:
        assert network == "192.0.2.0/24"
        name = login.lower()
        found = Holder(1, name, "person", None, 7, None, None, None, None, False, None, None, None)
        return found if name in self.names else None


@dataclass
class OpenDoor:
    """Whom it has seen, and whether it is open."""

    stop: Stop | None = None
    seen: list[Looks] = field(default_factory=list)

    async def arrive(self, holder: Holder, client_address: str, looks: Looks, now: float) -> Stop | None:
        assert (holder.identity_id, client_address, now >= T) == (1, "192.0.2.1", True)
        self.seen.append(looks)
        return self.stop


@dataclass
class Scene:
    """Answers of a judge that is scripted, to logins ada and bob. The clock stands where a test puts it."""

    judge: ScriptedJudge = field(default_factory=ScriptedJudge)
    connect: ConnectOutcome = ConnectOutcome.ACCEPTED
    clock: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(now=T))

    door: OpenDoor = field(default_factory=OpenDoor)

    def __post_init__(self) -> None:
        self.envelopes = Envelopes()
        self.answers = Answers(
            judge=self.judge,
            registry=KnownLogins("ada", "bob"),
            arrivals=self.door,
            connect=self._connect,
            clock=lambda: float(self.clock.now),
            envelopes=self.envelopes,
        )

    async def told(self, state: str, **attributes: object) -> str:
        """The action that a request of ada's is answered with."""
        return (await self.answers.to(request(state, **attributes))).action

    async def _connect(self, facts: ConnectFacts) -> ConnectVerdict:
        assert facts.client_address
        return ConnectVerdict(outcome=self.connect)


def request(state: str, **attributes: object) -> Request:
    """A request about one message of ada's, but for what a test is about."""
    usual: dict[str, object] = {
        "protocol_state": state,
        "instance": "1.2.3.0",
        "sender": "ada@example.org",
        "client_address": "192.0.2.1",
        "helo_name": "laptop.example",
        "sasl_method": "PLAIN",
        "sasl_username": "ada",
    }
    return Request(**(usual | attributes))  # type: ignore[arg-type]  # whatever a test says


def fronts_on(brain: Brain, statements: Transactions) -> Fronts:
    """Other people's servers on the engine itself."""
    return Fronts(
        reader=brain.directory._reader,
        transactions=statements,
        writer=brain.writer,
        walling=brain.logins.walling,
        unwalled=(),
        connects=brain.connects,
        entrances=brain.logins.entrances,
        judge=brain.judging,
        tally=brain.tally,
        clock=brain.clock,
    )


def on_the_wire(state: str, **attributes: object) -> bytes:
    """The same as Postfix sends it."""
    made = request(state, **attributes)
    lines = [f"{name}={getattr(made, name)}" for name in Request.__dataclass_fields__]
    return "\n".join(("request=smtpd_access_policy", *lines, "", "")).encode()
