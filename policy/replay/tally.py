"""What is counted while a policy is run over a log."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from policy.contract import Action
from policy.engine.ladder import Signal, SignalKind, Step
from policy.engine.places import day_of
from policy.engine.suspicion import in_words
from policy.replay.happenings import HandedIn
from policy.simulation.world import Judged
from service.sentence import joined


class Fate(StrEnum):
    """What would have become of a message."""

    ACCEPTED = "accepted"
    SLOWED = "slowed"  # accepted after a delay
    HELD = "held"  # the whole of it, or some of its recipients
    DEFERRED = "deferred"
    REFUSED = "refused"


_OF_ACTION = {Action.HOLD: Fate.HELD, Action.DEFER: Fate.DEFERRED, Action.REJECT: Fate.REFUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message that would not simply have been accepted."""

    at: float
    submission: str
    identity: str
    fate: Fate
    rule: str
    reason: str
    client_address: str
    area: str
    recipients: int
    evidence: str


@dataclass(slots=True)
class RuleTally:
    """Of one rule; of one identity or of all."""

    fates: Counter[Fate] = field(default_factory=Counter)
    recipients: int = 0  # that were held, deferred or refused
    observed: int = 0  # messages; the rule is in observe mode
    first: Case | None = None


@dataclass(slots=True)
class SignalTally:
    """Of one kind of signal."""

    first: Signal
    count: int = 0


@dataclass(slots=True)
class IdentityTally:
    """Of one identity."""

    kind: str
    fates: Counter[Fate] = field(default_factory=Counter)
    recipients: int = 0
    unknown_recipients: int = 0
    rules: dict[str, RuleTally] = field(default_factory=dict)
    signals: dict[SignalKind, SignalTally] = field(default_factory=dict)
    step: Step = Step.FREE  # the highest
    step_at: float | None = None


@dataclass(slots=True)
class Tally:
    """Of everything that was judged."""

    identities: dict[str, IdentityTally] = field(default_factory=dict)
    rules: dict[str, RuleTally] = field(default_factory=dict)
    rule_identities: dict[str, set[str]] = field(default_factory=dict)
    days: dict[int, Counter[Fate]] = field(default_factory=dict)
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)  # recorded action, action now

    def add(self, given: HandedIn, judged: Judged) -> None:
        """One message."""
        fate = fate_of(judged)
        name, decision = judged.profile.identity, judged.decision
        one = self.identity(name, judged.profile.kind)
        one.fates[fate] += 1
        one.recipients += len(given.recipients)
        self.days.setdefault(day_of(given.at), Counter())[fate] += 1
        if given.recorded:
            self.changed[given.recorded, decision.action.value] += 1
        if fate is not Fate.ACCEPTED:
            self._note(given, judged, fate, decision.rule or "ladder", one)
        for rule in decision.observed:
            self._note(given, judged, None, rule, one)
        for signal in decision.signals:
            self.signal(name, signal)
        self.step(name, decision.standing.step, given.at)

    def identity(self, name: str, kind: str) -> IdentityTally:
        return self.identities.setdefault(name, IdentityTally(kind))

    def signal(self, name: str, signal: Signal) -> None:
        """One that was found, at a login or in what became of a message, too."""
        if one := self.identities.get(name):
            one.signals.setdefault(signal.kind, SignalTally(signal)).count += 1

    def step(self, name: str, step: Step, at: float) -> None:
        """Where somebody stands on the ladder."""
        one = self.identities.get(name)
        if one and step > one.step:
            one.step, one.step_at = step, at

    def _note(self, given: HandedIn, judged: Judged, fate: Fate | None, rule: str, one: IdentityTally) -> None:
        """`fate` is None for a rule that only observes."""
        self.rule_identities.setdefault(rule, set()).add(judged.profile.identity)
        stopped = _stopped(judged, fate)
        for tally in (self.rules.setdefault(rule, RuleTally()), one.rules.setdefault(rule, RuleTally())):
            if fate is None:
                tally.observed += 1
            else:
                tally.fates[fate] += 1
                tally.recipients += stopped
            if tally.first is None:
                tally.first = case_of(given, judged, fate or Fate.ACCEPTED, rule)


def fate_of(judged: Judged) -> Fate:
    decision = judged.decision
    if decision.action is not Action.ACCEPT:
        return _OF_ACTION[decision.action]
    if decision.held:
        return Fate.HELD
    return Fate.SLOWED if decision.delay_s else Fate.ACCEPTED


def _stopped(judged: Judged, fate: Fate | None) -> int:
    """Recipients who would not have been reached."""
    if fate in (None, Fate.SLOWED):
        return 0
    return len(judged.decision.held) or len(judged.profile.recipients)


def case_of(given: HandedIn, judged: Judged, fate: Fate, rule: str) -> Case:
    """One message, and what the rule had against it."""
    decision, profile = judged.decision, judged.profile
    over = [in_words(one) for one in decision.stood if one.rule == rule and one.is_over]
    earlier = [one.evidence for one in (*profile.signals, *decision.signals) if one.evidence]
    return Case(
        at=given.at,
        submission=given.submission,
        identity=profile.identity,
        fate=fate,
        rule=rule,
        reason=decision.reason.value if decision.reason else "",
        client_address=given.client_address,
        area=profile.place.origin.area,
        recipients=len(profile.recipients),
        evidence=joined(over or (earlier[-1:] if rule == "ladder" else [])),
    )
