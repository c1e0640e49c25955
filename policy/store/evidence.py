"""What was written down of a decision beside its outcome: read back, for `sallyport explain`.

records.py writes it. A record of an older version, or one that somebody has cut, has what it has.
"""

import json
from dataclasses import dataclass

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
