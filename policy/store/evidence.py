"""What was written down of a decision beside its outcome: read back and put in words, for `sallyport explain`.

records.py writes it. A record of an older version, or one that somebody has cut, has what it has.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy.contract import Action, ScanResult
from policy.engine.judging import Seen
from policy.engine.ladder import Step
from policy.engine.suspicion import Stood
from policy.store.areas import beside_network
from service.sentence import Sentence, Sentences, heard

FACTS = ("recipients", "network", "profile", "size", "step", "scan")


class Looked(Sentences):
    """What is said of each. `step`, `profile`, `standing` and `result` are words of closed lists."""

    RECIPIENTS = "%(number)s: %(new)s new, %(internal)s of this server"
    NETWORK = "%(network)s (%(area)s), %(standing)s"
    PROFILE = "%(profile)s"
    SIZE = "%(octets)s octets"
    STEP = "%(step)s"
    SCAN_SILENT = "%(result)s"
    SCAN = "%(result)s, %(score)s"
    SCAN_FOUND = "%(result)s, %(score)s: %(symbols)s"


STANDINGS = ("home", "settled", "on probation")


@dataclass(frozen=True, slots=True)
class Fact:
    """What was looked at, in words. `name` is one of FACTS."""

    name: str
    value: Sentence


@dataclass(frozen=True, slots=True)
class RaisedSignal:
    """What this message was taken for."""

    kind: str
    evidence: Sentence


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
            facts=_facts(given, place),
            stood=tuple(
                Stood(
                    rule=rule, key=key, limit=limit, seconds=seconds, before=before, after=after, is_enforced=enforced
                )
                for rule, key, limit, seconds, before, after, enforced in given.get("stood", ())
            ),
            signals=tuple(_signal(*one) for one in given.get("signals", ())),
            observed=tuple(map(str, given.get("observed", ()))),
            step=Step(step),
            home=Step(home),
            network=str(place[0]),
            is_settled=None if place[2] is None else place[2] == "settled",
            is_home=bool(place[3]),
        )
    except (ValueError, TypeError, AttributeError, LookupError):
        return None


def _facts(given: Mapping[str, Any], place: Sequence[Any]) -> tuple[Fact, ...]:
    """Older records have them in words."""
    if not (seen := given.get("seen")):
        return tuple(Fact(str(name), Sentence(str(value))) for name, value in given.get("facts", ()))
    looked = Seen(*seen)
    network, area, settled, is_home = place
    standing = STANDINGS[0] if is_home else STANDINGS[1] if settled == "settled" else STANDINGS[2]
    number, new, internal = looked.recipients, looked.new, looked.internal
    said = (
        Looked.RECIPIENTS.of(number=number, new=new, internal=internal),
        Looked.NETWORK.of(network=network, area=beside_network(area), standing=standing),
        Looked.PROFILE.of(profile=looked.profile),
        Looked.SIZE.of(octets=looked.octets),
        Looked.STEP.of(step=Step(looked.step).name.lower()),
        *([_scan(*looked.scan)] if looked.scan else []),
    )
    return tuple(Fact(name, sentence) for name, sentence in zip(FACTS, said, strict=False))


def _scan(result: str, score: float, symbols: Sequence[str]) -> Sentence:
    if result == ScanResult.SILENT:
        return Looked.SCAN_SILENT.of(result=result)
    if symbols:
        return Looked.SCAN_FOUND.of(result=result, score=round(score, 1), symbols=symbols)
    return Looked.SCAN.of(result=result, score=round(score, 1))


def _signal(kind: str, said: str, parts: object = ()) -> RaisedSignal:
    return RaisedSignal(str(kind), heard(str(said), parts))
