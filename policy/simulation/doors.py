"""Doors: who decides in a scene. Ours is the engine with its memory; bench/leakage.py has models of other servers'."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from policy.contract import Action, MessageFacts, RelayOutcome
from policy.engine.judging import Decision
from policy.engine.ladder import Signal, Step
from policy.queue_contract import DeliveryOutcome
from policy.simulation.atlas import Network
from policy.simulation.world import Judged, World
from policy.store.habits import Looks
from service.spans import DAY_S

_DAYS_BEFORE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a mail program shows of itself."""

    name: str = "[192.168.1.20]"
    mechanism: str = "PLAIN"
    tls: str = "t13d1516h2_8daaf6152771"

    @property
    def looks(self) -> Looks:
        return Looks(self.name, self.mechanism, self.tls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whoever an identity belongs to, as he was until the incident began: two months of ordinary use."""

    name: str
    kind: str = "person"  # his profile
    networks: tuple[Network, ...] = ()  # used day by day
    contacts: tuple[str, ...] = ()  # known
    new_per_day: tuple[int, ...] = ()  # new recipients of the last days, yesterday last
    client: Client = Client()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who has logged in."""

    identity: str
    address: str
    client: Client
    is_thief: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the door said to one message. `accepted` and `held` are places of recipients."""

    action: Action
    submission: str = ""
    accepted: Sequence[int] = ()
    held: Sequence[int] = ()


class Door(Protocol):
    """Who decides."""

    def admit(self, person: Person, now: float) -> None:
        """Remember all that was before."""

    def log_in(self, session: Session, now: float) -> bool:
        """Whether it is let in."""

    def hand_in(self, session: Session, recipients: Sequence[str], message_bytes: int, now: float) -> Answer:
        """One message."""

    def hand_in_together(
        self, session: Session, messages: Sequence[Sequence[str]], message_bytes: int, now: float
    ) -> list[Answer]:
        """Many, from many connections, each judged before any other has come to its end."""

    def break_off(self, session: Session, recipients: Sequence[str], message_bytes: int, now: float) -> None:
        """One that never gets to the next hop."""

    def deliver(self, submission: str, recipients: Sequence[str], gone: Container[str], now: float) -> None:
        """What became of these recipients of a message: those in `gone` do not exist."""

    def distrust(self, identity: str, address: str) -> None:
        """The owner was told of a network that counts as his, and says that it was not him."""

    def release(self, identity: str, gone: Container[str], now: float) -> None:
        """The owner says that it was him: what is held goes on its way, and what speaks against him is forgotten."""

    def step_of(self, identity: str) -> Step:
        """Where an identity stands."""

    def signals_of(self, identity: str) -> Sequence[Signal]:
        """What speaks against it."""


@dataclass(slots=True)
class Sallyport:
    """Our own. What it accepts is relayed at once."""

    world: World
    _numbers: Iterator[int] = field(default_factory=count)
    _suspended: set[str] = field(default_factory=set)  # identities, of which the stolen device is
    _held: dict[str, list[tuple[str, list[str]]]] = field(default_factory=dict)  # by identity: submissions, recipients

    def admit(self, person: Person, now: float) -> None:
        identity = self.world.add_identity(person.name, kind=person.kind)
        for network in person.networks:
            self.world.settle(person.name, network.address(), now, days=_DAYS_BEFORE)
        self.world.learn(person.name, person.contacts, now)
        identity.note(person.client.looks, now)
        for back, number in enumerate(reversed(person.new_per_day), start=1):
            identity.day(now - back * DAY_S).new_recipients = number

    def log_in(self, session: Session, now: float) -> bool:
        if session.is_thief and session.identity in self._suspended:
            return False
        return self.world.log_in(session.identity, session.address, now, session.client.looks).is_granted

    def hand_in(self, session: Session, recipients: Sequence[str], message_bytes: int, now: float) -> Answer:
        facts = self._facts(session, recipients, message_bytes)
        return self._end(session, facts, self.world.hand_in(facts, now), now)

    def hand_in_together(
        self, session: Session, messages: Sequence[Sequence[str]], message_bytes: int, now: float
    ) -> list[Answer]:
        all_facts = [self._facts(session, recipients, message_bytes) for recipients in messages]
        all_judged = [self.world.hand_in(facts, now) for facts in all_facts]
        return [self._end(session, facts, judged, now) for facts, judged in zip(all_facts, all_judged, strict=True)]

    def break_off(self, session: Session, recipients: Sequence[str], message_bytes: int, now: float) -> None:
        judged = self.world.hand_in(self._facts(session, recipients, message_bytes), now)
        if judged.reservation:
            self.world.end(judged.reservation, RelayOutcome.FAILED, now)

    def deliver(self, submission: str, recipients: Sequence[str], gone: Container[str], now: float) -> None:
        for one in recipients:
            outcome = DeliveryOutcome.UNKNOWN_RECIPIENT if one in gone else DeliveryOutcome.DELIVERED
            self.world.deliver(submission, one, outcome, now)

    def distrust(self, identity: str, address: str) -> None:
        """What was used from there is suspended: the one device whose secret was stolen, and no other."""
        self.world.distrust(identity, address)
        self._suspended.add(identity)

    def release(self, identity: str, gone: Container[str], now: float) -> None:
        self.world.take_back(identity, now)
        for submission, recipients in self._held.pop(identity, ()):
            self.deliver(submission, recipients, gone, now)

    def step_of(self, identity: str) -> Step:
        return self.world.identities[identity].standing.step

    def signals_of(self, identity: str) -> Sequence[Signal]:
        return self.world.identities[identity].signals

    def _end(self, session: Session, facts: MessageFacts, judged: Judged, now: float) -> Answer:
        """Relayed, and what is held waits for its owner."""
        if judged.reservation:
            self.world.end(judged.reservation, RelayOutcome.RELAYED, now)
        answer = _answer(facts, judged.decision)
        if answer.held:
            waiting = [facts.recipients[place] for place in answer.held]
            self._held.setdefault(session.identity, []).append((answer.submission, waiting))
        return answer

    def _facts(self, session: Session, recipients: Sequence[str], message_bytes: int) -> MessageFacts:
        identity = self.world.identities[session.identity]
        own = min(identity.owned.addresses)
        return MessageFacts(
            submission=f"m{next(self._numbers)}",
            session="s",
            listener="submission",
            gate="default",
            client_address=session.address,
            client_name=session.client.name,
            credential=identity.number,
            reverse_path=own,
            recipients=tuple(recipients),
            authors=(own,),
            senders=(),
            names=(),
            message_bytes=message_bytes,
        )


def _answer(facts: MessageFacts, decision: Decision) -> Answer:
    everybody = range(len(facts.recipients))
    held = everybody if decision.action is Action.HOLD else decision.held
    accepted = [place for place in everybody if place not in held] if decision.action is Action.ACCEPT else []
    return Answer(action=decision.action, submission=facts.submission, accepted=accepted, held=held)
