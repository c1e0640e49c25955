"""What came of one run, for the thief and for the owner. All times are seconds since the incident began."""

import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from policy.contract import Action, canonical_address
from policy.engine.ladder import Signal, SignalKind, Step
from policy.simulation.doors import Answer, Session

_NEWEST = len(SignalKind)  # nothing that happens raises one kind twice


@dataclass(slots=True)
class Side:
    """Of whoever hands messages in: thief or owner."""

    logins_granted: int = 0
    logins_refused: int = 0
    messages: Counter[Action] = field(default_factory=Counter)
    held: int = 0  # recipients, of messages that went as well
    refused: int = 0  # recipients, rejected and deferred
    tried: Counter[bool] = field(default_factory=Counter)  # recipients, by whether they are new
    sent: Counter[bool] = field(default_factory=Counter)  # of these
    reached: dict[str, list[tuple[float, int]]] = field(default_factory=dict)  # identity: when, how many
    reached_new: dict[str, list[tuple[float, int]]] = field(default_factory=dict)  # of these, external and unknown
    _seen: set[str] = field(default_factory=set)

    def note(self, identity: str, action: Action, sent: Sequence[str], new: Container[str], at: float) -> None:
        """Recipients that a message went to; `new` are those that its owner does not know."""
        self.messages[action] += 1
        if sent:
            self.reached.setdefault(identity, []).append((at, len(sent)))
        # Spellings of one address are one recipient.
        first = {canonical_address(one) for one in sent if one in new} - self._seen
        if first:
            self._seen |= first
            self.reached_new.setdefault(identity, []).append((at, len(first)))


def in_window(reached: Sequence[tuple[float, int]], seconds: float) -> int:
    """The most in any span of so many seconds."""
    most = held = first = 0
    for at, number in reached:
        held += number
        while reached[first][0] <= at - seconds:
            held -= reached[first][1]
            first += 1
        most = max(most, held)
    return most


def until(reached: Sequence[tuple[float, int]], seconds: float) -> int:
    """All before this moment."""
    return sum(number for at, number in reached if at < seconds)


@dataclass(slots=True)
class Tally:
    """Of one run. `steps`: when an identity reached a step of the ladder for the first time, or one above it."""

    thief: Side = field(default_factory=Side)
    owner: Side = field(default_factory=Side)
    steps: dict[str, dict[Step, float]] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)  # kind of signal: when it was raised first
    thinned: int = 0  # attempts of the thief that were left out because nothing got through any more
    notes: Counter[str] = field(default_factory=Counter)  # what a scenario counts for itself

    def note_message(
        self, session: Session, answer: Answer, recipients: Sequence[str], new: Container[str], at: float
    ) -> None:
        """One message and what the door said to it."""
        side = self.thief if session.is_thief else self.owner
        sent = [recipients[place] for place in answer.accepted]
        side.note(session.identity, answer.action, sent, new, at)
        side.tried.update(one in new for one in recipients)
        side.sent.update(one in new for one in sent)
        side.held += len(answer.held)
        if answer.action in (Action.DEFER, Action.REJECT):
            side.refused += len(recipients)

    def note_login(self, session: Session, *, is_granted: bool) -> None:
        """A login that was tried."""
        side = self.thief if session.is_thief else self.owner
        side.logins_granted += is_granted
        side.logins_refused += not is_granted

    def note_step(self, identity: str, step: Step, at: float) -> None:
        reached = self.steps.setdefault(identity, {})
        if step and step not in reached:  # asked after whatever happens; it has seldom changed
            for lower in range(Step.SLOW, step + 1):
                reached.setdefault(Step(lower), at)

    def note_signals(self, signals: Sequence[Signal], begins_at: float) -> None:
        """All of an identity, of which only the newest say something new."""
        for one in signals[-_NEWEST:]:
            self.told.setdefault(one.kind, one.at - begins_at)

    def all_at(self, step: Step) -> float:
        """When the last of the identities was there; infinity where one never was."""
        return max((reached.get(step, math.inf) for reached in self.steps.values()), default=math.inf)

    def told_at(self) -> float:
        """When owner and administrator were told of more than a client that they did not know."""
        return min((at for kind, at in self.told.items() if kind != SignalKind.STRANGE_CLIENT), default=math.inf)

    def worst_new(self, seconds: float) -> int:
        """New recipients that the thief reached in the worst span of any identity."""
        return max((in_window(one, seconds) for one in self.thief.reached_new.values()), default=0)

    def worst_all(self, seconds: float) -> int:
        """The same with all recipients, known ones and our own too."""
        return max((in_window(one, seconds) for one in self.thief.reached.values()), default=0)

    def new_until(self, seconds: float) -> int:
        """And until a moment, with the identity that was hit the most."""
        return max((until(one, seconds) for one in self.thief.reached_new.values()), default=0)

    @property
    def total_new(self) -> int:
        """Of all identities together, over the whole run."""
        return sum(number for one in self.thief.reached_new.values() for _, number in one)
