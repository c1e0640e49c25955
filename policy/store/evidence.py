"""What was written down of a decision beside its outcome: read back, for `sallyport explain`.

records.py writes it. A record of an older version, or one that somebody has cut, has what it has.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from policy.contract import Action
from policy.engine.ladder import Step
from policy.engine.suspicion import Stood


@dataclass(frozen=True, slots=True)
class Fact:
    """What was looked at, in words."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RaisedSignal:
    """What this message was taken for."""

    kind: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`step` is where the identity stood afterwards."""

    facts: tuple[Fact, ...] = ()
    stood: tuple[Stood, ...] = ()
    signals: tuple[RaisedSignal, ...] = ()
    observed: tuple[str, ...] = ()  # rules that only watch, and would have stopped it
    step: Step = Step.FREE
    home: Step = Step.FREE  # the same at home
    network: str = ""
    is_settled: bool | None = None  # None: not written down
    is_home: bool = False

    def fact(self, name: str) -> str:
        return next((one.value for one in self.facts if one.name == name), "")


def is_taken(action: str, one: Stood) -> bool:
    """Of a message that was deferred or refused nothing is; of another one all that its last round asked for."""
    return action in (Action.ACCEPT, Action.HOLD) and not (one.is_over and one.is_enforced)


def rounds(action: str, stood: Sequence[Stood]) -> tuple[list[Stood], list[Stood]]:
    """What was asked for and did not fit, and what was taken in the end: the same window may be in both.

    What was over its limit comes first.
    """
    ordered = sorted(stood, key=lambda one: not one.is_over)
    return [one for one in ordered if not is_taken(action, one)], [one for one in ordered if is_taken(action, one)]


def evidence_of(text: str) -> Evidence | None:
    """None where there is none, or it is none of ours."""
    try:
        given = json.loads(text)
        place = given.get("place") or ("", "", None, False)
        step, home = given.get("standing", (0, 0))
        return Evidence(
            facts=tuple(Fact(str(name), str(value)) for name, value in given.get("facts", ())),
            stood=tuple(
                Stood(
                    rule=rule, key=key, limit=limit, seconds=seconds, before=before, after=after, is_enforced=enforced
                )
                for rule, key, limit, seconds, before, after, enforced in given.get("stood", ())
            ),
            signals=tuple(RaisedSignal(str(kind), str(said)) for kind, said in given.get("signals", ())),
            observed=tuple(map(str, given.get("observed", ()))),
            step=Step(step),
            home=Step(home),
            network=str(place[0]),
            is_settled=None if place[2] is None else place[2] == "settled",
            is_home=bool(place[3]),
        )
    except (ValueError, TypeError, AttributeError, LookupError):
        return None
