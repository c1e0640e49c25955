"""Two policies over the same recorded decisions, side by side: what would the other one have decided otherwise?

    what_if.py   (you are here) pure
    apart.py     the same in a process of its own, for the console

Both are run, and the other one is not compared with what was recorded: a record lacks the content, the gate and what
became of the message, and whatever a replay misses for that it misses in both. The difference is the policies' alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from policy.replay.happenings import HandedIn
from policy.replay.running import Replay
from policy.replay.tally import Case, Fate, case_of, fate_of
from policy.simulation.world import Judged
from service.sentence import packed

_EXAMPLES_OF_A_TURN = 5
_PEOPLE = 20
_LADDER = "ladder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Messages that have one fate under the policy in force, and another one under the other."""

    before: Fate
    after: Fate
    messages: int
    recipients: int
    identities: int
    examples: tuple[Case, ...]  # why: by the policy that stops the message, the other one where both do


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Somebody whose messages would have been decided otherwise."""

    identity: str
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """`learnt` messages only taught, `judged` were judged twice. Moments are seconds since the epoch."""

    learnt: int
    judged: int
    judged_from: float | None
    last_at: float | None
    otherwise: int
    identities: int
    turns: tuple[Turn, ...]  # the most frequent first
    people: tuple[Affected, ...]  # the most affected first


@dataclass(slots=True)
class _Turning:
    recipients: int = 0
    identities: Counter[str] = field(default_factory=Counter)
    examples: list[Case] = field(default_factory=list)


class SideBySide:
    """Takes what has happened in its order. `before` runs the policy in force, `after` the other one."""

    def __init__(self, before: Replay, after: Replay) -> None:
        self._before = before
        self._after = after
        self._turns: dict[tuple[Fate, Fate], _Turning] = {}

    def take(self, one: HandedIn) -> None:
        before, after = self._before.take(one), self._after.take(one)
        if before is None or after is None:
            return
        fates = fate_of(before), fate_of(after)
        if fates[0] is not fates[1]:
            self._note(one, fates, before, after)

    def result(self) -> WhatIf:
        people = sum((one.identities for one in self._turns.values()), Counter[str]())
        seen = self._after.seen
        return WhatIf(
            learnt=seen.learnt,
            judged=seen.judged,
            judged_from=self._after.judged_from,
            last_at=seen.last_at,
            otherwise=people.total(),
            identities=len(people),
            turns=tuple(
                sorted(map(_turn, self._turns.items()), key=lambda one: (-one.messages, one.before, one.after))
            ),
            people=tuple(Affected(identity=who, messages=number) for who, number in people.most_common(_PEOPLE)),
        )

    def _note(self, one: HandedIn, fates: tuple[Fate, Fate], before: Judged, after: Judged) -> None:
        turning = self._turns.setdefault(fates, _Turning())
        turning.recipients += len(one.recipients)
        turning.identities[after.profile.identity] += 1
        if len(turning.examples) < _EXAMPLES_OF_A_TURN:
            judged = before if fates[1] is Fate.ACCEPTED else after
            case = case_of(one, judged, fate_of(judged), judged.decision.rule or _LADDER)
            turning.examples.append(replace(case, evidence=packed(case.evidence)))


def _turn(found: tuple[tuple[Fate, Fate], _Turning]) -> Turn:
    (before, after), turning = found
    return Turn(
        before=before,
        after=after,
        messages=turning.identities.total(),
        recipients=turning.recipients,
        identities=len(turning.identities),
        examples=tuple(turning.examples),
    )


def judged_from(moments: Sequence[float], most: int) -> float | None:
    """When judging begins where these are the messages: of the newest at most `most`, and never more than two thirds.

    What is before only teaches who writes to whom, from where.
    """
    if not moments:
        return None
    return moments[max(len(moments) - most, -(-len(moments) // 3))] if len(moments) > 1 else moments[0]
