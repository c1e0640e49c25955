"""One run of one scenario: a clock, whoever acts in it, and a door that they all want to go through.

An actor is a generator that yields how many seconds it rests. What it does in between takes no time.

    def monitor(scene: Scene, session: Session) -> Actor:
        while True:
            scene.hand_in(session, ["alerts@example.net"])
            yield 60.0
"""

import heapq
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TypeAlias

from policy.engine.guessing import Walls
from policy.simulation.atlas import Atlas
from policy.simulation.doors import Answer, Client, Door, Person, Session
from policy.simulation.tally import Tally

Actor: TypeAlias = Generator[float, None, None]

REPORTED_AFTER_S = (2.0, 90.0)  # most servers refuse an unknown recipient while they are spoken to
MESSAGE_BYTES = 20_000


@dataclass(slots=True)
class Scene:
    """`begins_at` is when the incident begins; all figures of the tally are seconds since then."""

    door: Door
    random: Random
    begins_at: float
    atlas: Atlas
    walls: Walls
    tally: Tally = field(default_factory=Tally)
    now: float = field(init=False)
    people: dict[str, Person] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)  # recipients that nobody knew when the incident began
    gone: set[str] = field(default_factory=set)  # recipients that do not exist
    reported_after_s: tuple[float, float] = REPORTED_AFTER_S
    _waiting: list[tuple[float, int, Actor]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _interruption: tuple[float, Callable[[], None]] | None = None

    def __post_init__(self) -> None:
        self.now = self.begins_at

    # Time

    def start(self, actor: Actor, after_s: float = 0.0) -> None:
        """`actor` begins so many seconds from now."""
        heapq.heappush(self._waiting, (self.now + after_s, next(self._numbers), actor))

    def interrupt_after(self, seconds: float, interruption: Callable[[], None]) -> None:
        """Something that happens once, before whatever comes next."""
        self._interruption = (self.begins_at + seconds, interruption)

    def play(self, seconds: float) -> None:
        """Until nobody acts any more, but no longer than this."""
        end = self.begins_at + seconds
        while self._waiting and self._waiting[0][0] <= end:
            at, number, actor = heapq.heappop(self._waiting)
            if self._interruption and at >= self._interruption[0]:
                self._interruption[1]()
                self._interruption = None
            self.now = at
            rest_s = next(actor, None)
            if rest_s is not None:
                heapq.heappush(self._waiting, (at + rest_s, number, actor))

    # Who is there

    def admit(self, person: Person) -> Person:
        """Remember what was before the incident."""
        self.door.admit(person, self.begins_at)
        self.people[person.name] = person
        return person

    # Whom one writes to

    def strangers(self, number: int, *, gone: float = 0.0) -> list[str]:
        """So many people whom nobody here has written to; a share of them does not exist."""
        made = [f"r{next(self._numbers)}@example.net" for _ in range(number)]
        self.new.update(made)
        self.forget(made, gone)
        return made

    def forget(self, recipients: Sequence[str], share: float) -> None:
        """A share of these does not exist, or not any more."""
        if share:
            self.gone.update(one for one in recipients if self.random.random() < share)

    # What actors do

    def log_in(self, identity: str, address: str, client: Client, *, is_thief: bool = False) -> Session | None:
        """None where the login was refused."""
        session = Session(identity=identity, address=address, client=client, is_thief=is_thief)
        is_granted = self.door.log_in(session, self.now)
        self.tally.note_login(session, is_granted=is_granted)
        self._look(identity)
        return session if is_granted else None

    def hand_in(self, session: Session, recipients: Sequence[str], message_bytes: int = MESSAGE_BYTES) -> Answer:
        """One message; what became of it is reported soon."""
        answer = self.door.hand_in(session, recipients, message_bytes, self.now)
        self._note(session, answer, recipients)
        return answer

    def hand_in_together(self, session: Session, messages: Sequence[Sequence[str]]) -> list[Answer]:
        """Many, each before any other has come to its end."""
        answers = self.door.hand_in_together(session, messages, MESSAGE_BYTES, self.now)
        for answer, recipients in zip(answers, messages, strict=True):
            self._note(session, answer, recipients)
        return answers

    def break_off(self, session: Session, recipients: Sequence[str]) -> None:
        """One message that never gets to the next hop."""
        self.door.break_off(session, recipients, MESSAGE_BYTES, self.now)
        self._look(session.identity)

    def _note(self, session: Session, answer: Answer, recipients: Sequence[str]) -> None:
        self.tally.note_message(session, answer, recipients, self.new, self.now - self.begins_at)
        self._look(session.identity)
        if answer.accepted:
            sent = [recipients[place] for place in answer.accepted]
            self.start(
                self._report(session.identity, answer.submission, sent), self.random.uniform(*self.reported_after_s)
            )

    def _report(self, identity: str, submission: str, sent: Sequence[str]) -> Actor:
        """The next hop tells what became of each recipient."""
        self.door.deliver(submission, sent, self.gone, self.now)
        self._look(identity)
        yield from ()

    def _look(self, identity: str) -> None:
        """How far up the ladder it is now."""
        self.tally.note_step(identity, self.door.step_of(identity), self.now - self.begins_at)
        self.tally.note_signals(self.door.signals_of(identity), self.begins_at)
