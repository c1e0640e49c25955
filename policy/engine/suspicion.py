"""What speaks against an identity, collected while one message or one login is decided.

judging.py and entering.py raise signals here; ladder.py says which step they make.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from policy.engine.budget import Charge, Taken
from policy.engine.evidence import Evidence
from policy.engine.ladder import LOCK_SPAN_S, Signal, SignalKind, Standing, Step, standing_after
from policy.engine.profile import Place
from policy.engine.rulebook import Mode, Rulebook
from service.sentence import Sentence

_KIND_OF = {
    "networks": SignalKind.SPREAD,
    "asns": SignalKind.SPREAD,
    "countries": SignalKind.SPREAD,
    "unseen-asns": SignalKind.UNSEEN,
    "unseen-countries": SignalKind.UNSEEN,
    "many-networks": SignalKind.MANY_NETWORKS,
    "linked": SignalKind.LINKED,
}


class Stood(NamedTuple):
    """Where one window of one charge stood: what `explain` shows. `before` without this message, `after` with it."""

    rule: str
    key: str
    limit: int
    seconds: float
    before: int
    after: int
    is_enforced: bool = True

    @property
    def is_over(self) -> bool:
        return self.after > self.limit


@dataclass(slots=True)
class Suspicion:
    """`earlier` are the signals of the last day. `step` is the one that holds at this place."""

    rulebook: Rulebook
    place: Place
    standing: Standing
    earlier: Sequence[Signal]
    now: float
    new: list[Signal] = field(default_factory=list)
    observed: list[str] = field(default_factory=list)
    not_raised: list[Signal] = field(default_factory=list)  # because their rules only observe

    @property
    def step(self) -> Step:
        """At home only what was seen there."""
        if self.rulebook.mode("ladder") is not Mode.ENFORCE:
            return Step.FREE
        return self.standing.home if self.place.is_home else self.standing.step

    def would_repeat(self, kind: SignalKind, evidence: Sentence | str = "") -> bool:
        """A signal of this kind would say nothing new today (Signal.repeats): its evidence need not be put in words."""
        signal = Signal(kind=kind, at=self.now, at_home=self.place.is_home, evidence=evidence)
        return any(signal.repeats(one) and self.now - one.at < LOCK_SPAN_S for one in (*self.earlier, *self.new))

    def raise_signal(self, kind: SignalKind, evidence: Sentence) -> None:
        """Once a day. A rule that is only observed raises none."""
        if self.would_repeat(kind, evidence):
            return
        signal = Signal(kind=kind, at=self.now, at_home=self.place.is_home, evidence=evidence)
        mode = self.rulebook.mode(kind.value)
        if mode is Mode.OBSERVE:
            self.observed.append(kind.value)
            self.not_raised.append(signal)
        if mode is not Mode.ENFORCE or self.rulebook.mode("ladder") is Mode.OFF:
            return
        self.new.append(signal)
        before, self.standing = self.standing, standing_after(self.standing, (*self.earlier, *self.new), self.now)
        if self.standing.step > before.step and self.rulebook.mode("ladder") is Mode.OBSERVE:
            self.observed.append("ladder")

    def note_spread(self, over: Sequence[Stood]) -> None:
        """More sources than one person has, or sources that are shared with too many."""
        for one in over:
            self.raise_signal(_KIND_OF[one.rule], in_words(one))


def stood(asked: Sequence[Charge], taken: Taken) -> tuple[Stood, ...]:
    """Each window of each charge, with what it held."""
    return tuple(
        [
            Stood(charge.name, charge.key, limit, seconds, before, after, charge.is_enforced)
            for charge, befores, afters in zip(asked, taken.before, taken.after, strict=True)
            for (limit, seconds), before, after in zip(charge.windows, befores, afters, strict=True)
        ]
    )


def in_words(one: Stood) -> Sentence:
    """`networks: 7 in an hour, 6 are allowed`, or in `2 days`."""
    return Evidence.OVER.of(rule=one.rule, after=one.after, span=one.seconds, limit=one.limit)
