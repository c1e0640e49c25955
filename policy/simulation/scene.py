"""One run of one scenario: a clock, whoever acts in it, and a door that they all want to go through.

An actor is a generator that yields how many seconds it rests. What it does in between takes no time.

    def monitor(scene: Scene) -> Actor:
        while True:
            scene.hand_in(session, recipients)
            yield 60.0
"""

import heapq
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Protocol, TypeAlias

from policy.contract import Action, DeliveryOutcome
from policy.engine.ladder import SignalKind, Step
from policy.simulation.atlas import Atlas
from policy.simulation.tally import Tally

Actor: TypeAlias = Generator[float, None, None]

BOUNCE_AFTER_S = (2.0, 90.0)  # most servers refuse an unknown recipient while they are spoken to


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a mail program shows of itself."""

    name: str = "[192.168.1.20]"
    mechanism: str = "PLAIN"
    fingerprint: str = "t13d1516h2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who was let in."""

    identity: str
    client_address: str
    client: Client
    is_thief: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the door said to one message. `accepted` and `held` are places of recipients."""

    action: Action
    submission: str = ""
    accepted: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    delay_s: float = 0.0


class Door(Protocol):
    """Who decides: our engine with its memory, or a model of somebody else's limits."""

    def log_in(self, identity: str, client_address: str, client: Client, now: float) -> bool: ...

    def hand_in(self, session: Session, recipients: Sequence[str], message_bytes: int, now: float) -> Answer: ...

    def deliver(self, submission: str, recipient: str, outcome: DeliveryOutcome, now: float) -> None: ...

    def step_of(self, identity: str) -> Step: ...

    def signals_of(self, identity: str) -> Sequence[tuple[SignalKind, float]]:
        """Each with its moment, the first one first."""


@dataclass(slots=True)
class Scene:
    """`begins_at` is when the incident begins; all figures of the tally are seconds since then."""

    door: Door
    random: Random
    begins_at: float
    atlas: Atlas = field(default_factory=Atlas)
    tally: Tally = field(default_factory=Tally)
    now: float = 0.0
    _waiting: list[tuple[float, int, Actor]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _unknown: set[str] = field(default_factory=set)
    _at_restart: tuple[float, Callable[[], None]] | None = None

    def __post_init__(self) -> None:
        self.now = self.begins_at

    # What happens

    def start(self, actor: Actor, after_s: float = 0.0) -> None:
        """`actor` begins so many seconds from now."""
        heapq.heappush(self._waiting, (self.now + after_s, next(self._numbers), actor))

    def restart_at(self, after_s: float, restart: Callable[[], None]) -> None:
        """Everything that is kept is written down, and read again, once, at this moment."""
        self._at_restart = (self.begins_at + after_s, restart)

    def play(self, seconds: float) -> None:
        """Until nobody acts any more, but no longer than this."""
        end = self.begins_at + seconds
        while self._waiting and self._waiting[0][0] <= end:
            at, number, actor = heapq.heappop(self._waiting)
            if self._at_restart and at >= self._at_restart[0]:
                restart, self._at_restart = self._at_restart[1], None
                restart()
            self.now = at
            for rest_s in actor:
                heapq.heappush(self._waiting, (self.now + rest_s, number, actor))
                break

    # What actors do

    def log_in(self, identity: str, client_address: str, client: Client, *, is_thief: bool) -> Session | None:
        """None where the login was refused."""
        is_granted = self.door.log_in(identity, client_address, client, self.now)
        self.tally.note_login(is_granted, is_thief=is_thief)
        self._look(identity)
        if not is_granted:
            return None
        return Session(identity=identity, client_address=client_address, client=client, is_thief=is_thief)

    def hand_in(self, session: Session, recipients: Sequence[str], message_bytes: int = 20_000) -> Answer:
        """One message; what it does not reach is known soon."""
        answer = self.door.hand_in(session, recipients, message_bytes, self.now)
        self.tally.note_message(answer, recipients, self.now - self.begins_at, is_thief=session.is_thief)
        self._look(session.identity)
        bounced = [recipients[place] for place in answer.accepted if recipients[place] in self._unknown]
        if bounced:
            self.start(self._bounce(answer.submission, bounced), self.random.uniform(*BOUNCE_AFTER_S))
        return answer

    def people(self, number: int, domain: str = "example.net", *, unknown: float = 0.0) -> list[str]:
        """So many recipients that nobody has written to; a share of them does not exist."""
        made = [f"r{next(self._numbers)}@{domain}" for _ in range(number)]
        if unknown:
            self._unknown.update(one for one in made if self.random.random() < unknown)
        return made

    def forget(self, recipients: Sequence[str], share: float) -> None:
        """A share of these addresses does not exist any more."""
        self._unknown.update(one for one in recipients if self.random.random() < share)

    def _bounce(self, submission: str, recipients: list[str]) -> Actor:
        for one in recipients:
            self.door.deliver(submission, one, DeliveryOutcome.UNKNOWN_RECIPIENT, self.now)
        self._look(submission.partition("/")[0])
        return
        yield

    def _look(self, identity: str) -> None:
        """How far up the ladder it is now."""
        if identity:
            self.tally.note_step(self.door.step_of(identity), self.now - self.begins_at)
