"""The message stage: facts, profile and policy in; charges asked; decision out. Sans-IO.

    judge = judging.judge(facts, profile, rulebook, now)
    take = next(judge)
    while True: taken = <budgets>.reserve(reservation, take, now); take = judge.send(taken)   # until StopIteration.value
"""

from collections.abc import Generator
from dataclasses import dataclass

from policy.contract import Action, MessageFacts, Reason
from policy.engine.budget import Take, Taken
from policy.engine.ladder import Signal, Standing
from policy.engine.profile import Profile
from policy.engine.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """Where one window of one charge stood: what `explain` shows. `before` without this message, `after` with it."""

    rule: str
    key: str
    limit: int
    seconds: float
    before: int
    after: int
    is_enforced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of the message, and why. With ACCEPT, `held` are the places of recipients that are held."""

    action: Action
    reason: Reason | None = None
    rule: str = ""  # the one that decided
    held: tuple[int, ...] = ()
    delay_s: float = 0.0
    standing: Standing = Standing()  # after this message
    signals: tuple[Signal, ...] = ()  # new ones
    observed: tuple[str, ...] = ()  # rules in observe mode that would have refused or held
    stood: tuple[Stood, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()  # which facts met which rule, in words


def judge(
    facts: MessageFacts, profile: Profile, rulebook: Rulebook, now: float
) -> Generator[Take, Taken, Decision]:
    """At least one Take, and a few where the first one does not fit."""
    raise NotImplementedError
    yield Take(())
