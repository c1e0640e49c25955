"""The message stage: facts, profile and policy in; charges asked; decision out. Sans-IO.

    rules.py     what must hold of the message itself; asked first
    charges.py   what it costs
    judging.py   (you are here) the rounds: charge, and where that does not fit, hold, defer or reject
    ladder.py    what becomes of signals

A generator: it yields a Take and is sent the Taken, until it returns the Decision. Whoever drives it has the budgets
and the clock (policy/budgets/driving.py). Where a charge does not fit, nothing was taken, and the next round asks for
less: fewer recipients that go, more that are held.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from policy.contract import Action, MessageFacts, Reason
from policy.engine import charges
from policy.engine.baseline import usual_limit
from policy.engine.budget import Charge, Distinct, Sum, Take, Taken
from policy.engine.evidence import Evidence
from policy.engine.ladder import ALONE, FREE, Signal, SignalKind, Standing, Step
from policy.engine.profile import Profile, Recipient
from policy.engine.rulebook import Mode, Rulebook
from policy.engine.rules import Stage, decide
from policy.engine.scanning import SYMBOLS_SHOWN, verdict_on
from policy.engine.scanning import in_words as in_words_of_scan
from policy.engine.suspicion import Stood, Suspicion, in_words, stood
from service.sentence import Sentence, joined
from service.spans import DAY_S

SLOW_S = 5.0  # what answers wait on the first step of the ladder, and where a rate is spent
TOLD_AT = 0.25  # of the small budget of a strange network: owner and administrator hear of it
DOUBTED_AT = 0.5  # of the same: the day does not count towards its end
_ROUNDS = 8  # a signal of each kind, a cut, a hold; more would be a fault

Judging = Generator[Take, Taken, "Decision"]


class Seen(NamedTuple):
    """The facts that rules have looked at."""

    recipients: int
    new: int
    internal: int
    profile: str
    octets: int
    step: int  # of the ladder, before this message
    scan: tuple[str, float, tuple[str, ...]] | None  # result, score, what was found; None: nobody has looked


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of the message, and why. With ACCEPT, `held` are the places of recipients that are held."""

    action: Action
    reason: Reason | None = None
    rule: str = ""  # the one that decided
    held: tuple[int, ...] = ()
    delay_s: float = 0.0
    standing: Standing = FREE  # after this message
    signals: tuple[Signal, ...] = ()  # new ones
    observed: tuple[str, ...] = ()  # rules in observe mode that would have refused or held
    stood: tuple[Stood, ...] = ()
    seen: Seen | None = None  # which facts met which rule
    is_doubted: bool = False  # the day does not count towards the end of probation
    is_recorded: bool = True  # False for the refusals of an identity that are too many to be written down


@dataclass(slots=True)
class _Case:
    """One message on its way through the rounds."""

    facts: MessageFacts
    profile: Profile
    rulebook: Rulebook
    now: float
    suspicion: Suspicion
    observed: list[str] = field(default_factory=list)
    stood: tuple[Stood, ...] = ()  # in this round
    over: list[Stood] = field(default_factory=list)  # what did not fit in earlier ones
    is_doubted: bool = False
    strange: tuple[Distinct, ...] = ()  # what a place is counted as where it is not settled; the same in each round
    not_enforced: tuple[Distinct, ...] = ()  # the same, to be counted even where the message is refused
    # What is asked in this round
    held: set[int] = field(default_factory=set)
    held_for: tuple[Reason, str] | None = None
    is_cut: bool = False  # as many new recipients go as there is room for, and no step holds them
    noted: frozenset[str] = frozenset()  # rules that were over their limit, and have become a signal

    @property
    def accepted(self) -> list[Recipient]:
        recipients = self.profile.recipients
        return [one for place, one in enumerate(recipients) if place not in self.held] if self.held else [*recipients]

    @property
    def new_places(self) -> list[int]:
        return [place for place, one in enumerate(self.profile.recipients) if one.is_new]

    def hold(self, places: Iterable[int], reason: Reason, rule: str) -> None:
        self.held.update(places)
        self.held_for = (reason, rule)


def judge(
    facts: MessageFacts, profile: Profile, rulebook: Rulebook, now: float, stage: Stage = Stage.MESSAGE
) -> Judging:
    """The decision on one finished transaction."""
    suspicion = Suspicion(rulebook, profile.place, profile.standing.at(now), profile.signals, now)
    case = _Case(facts, profile, rulebook, now, suspicion)
    ruling = decide(stage, facts, profile)
    if ruling.reason:
        return (yield from _refused(case, _Refusal(Action.REJECT, ruling.reason, ruling.rule)))
    if refusal := _refusal_by_scan(case):
        return (yield from _refused(case, refusal))
    if profile.traps:
        suspicion.raise_signal(SignalKind.TRAP, Evidence.TRAP.of())
    for _ in range(_ROUNDS):
        if refusal := _refusal_by_ladder(case):
            return (yield from _refused(case, refusal))
        take = _take(case)
        taken = yield take
        case.stood = stood(take.charges, taken)
        if taken.fits:
            if not profile.place.is_settled:
                _watch_probation(case)
            return _accepted(case)
        case.over += [one for one in case.stood if one.is_over and one.is_enforced]
        if refusal := _narrowed(case, take.charges, taken):
            return (yield from _refused(case, refusal))
    raise AssertionError(f"{_ROUNDS} rounds without a decision")


def _refusal_by_scan(case: _Case) -> "_Refusal | None":
    """What the scanner's answer does with the message; a rule in observe mode is written down."""
    found = verdict_on(case.facts.scan, case.profile, case.rulebook)
    if not found:
        return None
    if case.rulebook.mode(found.rule) is Mode.OBSERVE:
        case.suspicion.observed.append(found.rule)
        return None
    if found.signal and case.facts.scan:
        case.suspicion.raise_signal(found.signal, in_words_of_scan(case.facts.scan))
    if found.action is Action.HOLD:
        case.hold(range(len(case.profile.recipients)), found.reason, found.rule)
        return None
    return _Refusal(found.action, found.reason, found.rule)


def _refusal_by_ladder(case: _Case) -> "_Refusal | None":
    """What the identity's step does with the message; mail to new recipients is held where something else goes."""
    step, new = case.suspicion.step, case.new_places
    if step is Step.LOCK:
        return _Refusal(Action.REJECT, Reason.LOCKED, "ladder")
    if step is Step.RESTRICT and new and len(new) == len(case.profile.recipients):
        return _Refusal(Action.REJECT, Reason.RESTRICTED, "ladder")
    if step >= Step.HOLD and not case.is_cut and not case.held.issuperset(new):
        case.hold(new, Reason.HELD, "ladder")
    return None


def _take(case: _Case) -> Take:
    """What this round asks for. From where it came is counted even where the message is refused."""
    if not case.strange:
        case.strange = tuple(_strange(case))
        case.not_enforced = tuple([one.only_counted() for one in case.strange])
    return Take(_charges(case), case.not_enforced)


def _charges(case: _Case) -> tuple[Charge, ...]:
    profile, rulebook, size = case.profile, case.rulebook, case.facts.message_bytes
    charged = charges.message_charges(profile, case.accepted, size, rulebook)
    for one, not_enforced in zip(case.strange, case.not_enforced, strict=True):
        charged.append(not_enforced if one.name in case.noted else one)
    if case.held:
        charged += charges.holding_charges(profile, size, rulebook)
    return tuple(charged)


def _strange(case: _Case) -> Iterator[Distinct]:
    """Nothing of a place that is settled."""
    if case.profile.place.is_settled:
        return
    limits = case.rulebook.limits_of(case.profile.kind, case.profile.identity)
    yield from charges.spread_charges(
        case.profile.identity, case.profile.place, limits, case.rulebook, case.profile.cleared_at
    )
    yield from charges.link_charges(case.profile, case.profile.recipients, case.rulebook, case.now)


def _narrowed(case: _Case, asked: Sequence[Charge], taken: Taken) -> "_Refusal | None":
    """What did not fit is a signal, a refusal, or held: the next round asks for less."""
    full = {(one.rule, one.key) for one in case.stood if one.is_over}
    over = {one.name: one for one in asked if one.is_enforced and (one.name, one.key) in full}
    if signalled := over.keys() & {*charges.SPREAD, "linked"}:
        case.suspicion.note_spread([one for one in case.stood if one.rule in signalled and one.is_over])
        case.noted |= signalled
        return None
    for name in charges.RATES:
        if isinstance(charge := over.get(name), Sum):
            return _Refusal(*charges.refusal_for(charge), name)
    for name in charges.PROBATION:
        if name in over:
            _hold_whole(case, name)
            return None
    for name in charges.SERVER:
        if name in over:
            return _Refusal(Action.DEFER, Reason.SERVER_BUDGET_SPENT, name)
    if "new-recipients" in over:
        _cut(case, asked, taken)
        return None
    return _Refusal(Action.DEFER, Reason.HOLD_FULL, next(iter(over)))


def _hold_whole(case: _Case, name: str) -> None:
    """From a strange network a message over its budget is held whole: the thief learns nothing of where the line is."""
    kind = SignalKind.NEW_RECIPIENTS if name == "probation-new-recipients" else SignalKind.PROBATION
    case.suspicion.raise_signal(kind, _evidence(case.stood, name))
    case.is_doubted = True
    case.hold(range(len(case.profile.recipients)), Reason.PROBATION, name)


def _cut(case: _Case, asked: Sequence[Charge], taken: Taken) -> None:
    """As many new recipients go as there is room for; the others are held, and the next message meets the ladder."""
    counted = [(one, befores) for one, befores in zip(asked, taken.before, strict=True) if one.name == "new-recipients"]
    room = min(
        window.limit - before for one, befores in counted for window, before in zip(one.windows, befores, strict=True)
    )
    case.suspicion.raise_signal(SignalKind.NEW_RECIPIENTS, _evidence(case.stood, "new-recipients"))
    # Where that was tried before, others were faster; then all of them are held.
    room = 0 if case.is_cut else max(room, 0)
    marks = list(dict.fromkeys(case.profile.recipients[new].mark for new in case.new_places))
    kept = set(marks[:room])
    excess = [new for new in case.new_places if case.profile.recipients[new].mark not in kept]
    case.is_cut = True
    case.hold(excess, Reason.NEW_RECIPIENTS, "new-recipients")


def _watch_probation(case: _Case) -> None:
    """Owner and administrator hear of a strange network before its small budget is spent."""
    used = [one for one in case.stood if one.rule in charges.PROBATION and one.limit]
    told = [one for one in used if one.after >= one.limit * TOLD_AT]
    if told and not case.suspicion.would_repeat(SignalKind.PROBATION):
        case.suspicion.raise_signal(SignalKind.PROBATION, joined(map(in_words, told)))
    if any(one.after > one.limit * DOUBTED_AT for one in used):
        case.is_doubted = True


def _watch_volume(case: _Case) -> None:
    """More new recipients than the past explains; or half of what a day may have of them all.

    Or whoever has made hundreds known, a few each day, could write to them all at once, and nobody would hear of it.
    """
    profile, number = case.profile, _new_in_a_day(case)
    usual = max(profile.usual_new_per_day, case.rulebook.usual_new_recipients_per_day)
    if number >= (limit := usual_limit(usual)):
        evidence = Evidence.VOLUME.of(number=number, limit=limit, usual=round(usual, 1))
    elif many := [one for one in case.stood if one.rule == "recipients" and _is_half_a_day(case, one)]:
        evidence = joined(map(in_words, many))
    else:
        return
    case.suspicion.raise_signal(SignalKind.VOLUME, evidence)
    # A settled network has no small budget that would say so.
    case.is_doubted |= profile.place.is_settled and case.rulebook.mode("volume") is Mode.ENFORCE


def _new_in_a_day(case: _Case) -> int:
    """Of the calendar's day or of 24 hours, or midnight would lie between twice as many; 0 where this one has none."""
    number = len(charges.new_marks(case.accepted))
    if not number:
        return 0
    lately = [one.after for one in case.stood if one.rule == "new-recipients" and one.seconds == DAY_S]
    return max([case.profile.new_today + number, *lately])


def _is_half_a_day(case: _Case, one: Stood) -> bool:
    """At home only a person's: a program writes to as many on each day."""
    if one.seconds < DAY_S or one.after * 2 < one.limit:
        return False
    profile = case.profile
    is_elsewhere = one.key.startswith(charges.ELSEWHERE_RECIPIENTS)
    return is_elsewhere or case.rulebook.limits_of(profile.kind, profile.identity).may_travel


def _accepted(case: _Case) -> Decision:
    profile = case.profile
    _watch_volume(case)
    is_slow = case.suspicion.step >= Step.SLOW and bool(case.new_places) and not profile.place.is_settled
    if _waits(case):
        case.hold(range(len(profile.recipients)), Reason.SENDING_DELAY, "sending-delay")
    is_whole = len(case.held) == len(profile.recipients)
    reason, rule = case.held_for or (None, "")
    action = Action.HOLD if is_whole else Action.ACCEPT
    held = () if is_whole else tuple(sorted(case.held))
    return _decision(case, action, reason, rule, held=held, delay_s=SLOW_S if is_slow else 0.0)


def _waits(case: _Case) -> bool:
    """What goes to new recipients from a network on probation: so that there is something left to hold."""
    profile = case.profile
    is_strange = profile.credential and not profile.place.is_settled  # another front has no queue that we release from
    return bool(is_strange and case.rulebook.containment.sending_delay_s and case.new_places and not case.held)


@dataclass(frozen=True, slots=True)
class _Refusal:
    action: Action
    reason: Reason
    rule: str


def _refused(case: _Case, refusal: _Refusal) -> Judging:
    """A refusal costs, too."""
    is_put_off = refusal.action is Action.DEFER
    taken = yield Take(charges.attempt_charges(case.profile, case.rulebook, is_put_off=is_put_off))
    is_slow = refusal.action is Action.DEFER and not case.profile.place.is_settled
    delay_s = SLOW_S if is_slow else 0.0
    return _decision(case, refusal.action, refusal.reason, refusal.rule, delay_s=delay_s, is_recorded=taken.fits)


def _decision(
    case: _Case,
    action: Action,
    reason: Reason | None,
    rule: str,
    *,
    held: tuple[int, ...] = (),
    delay_s: float = 0.0,
    is_recorded: bool = True,
) -> Decision:
    """With what was found on the way."""
    suspicion = case.suspicion
    over = [one.rule for one in case.stood if not one.is_enforced and one.is_over and one.rule not in case.noted]
    is_told = any(ALONE[one.kind] >= Step.HOLD for one in suspicion.new)
    return Decision(
        action=action,
        reason=reason,
        rule=rule,
        held=held,
        delay_s=delay_s,
        is_recorded=is_recorded,
        standing=suspicion.standing,
        signals=tuple(suspicion.new),
        observed=tuple(dict.fromkeys((*suspicion.observed, *over))),
        stood=(*case.over, *[one for one in case.stood if one not in case.over]),
        seen=seen_of(case.facts, case.profile),
        is_doubted=not case.profile.place.is_home and (case.is_doubted or is_told),
    )


def seen_of(facts: MessageFacts, profile: Profile) -> Seen:
    """What was looked at, beside the place. In words it is put when somebody reads it (policy/store/evidence.py)."""
    new = len([one for one in profile.recipients if one.is_new])
    internal = len([one for one in profile.recipients if one.is_internal])
    scan = facts.scan
    return Seen(
        len(facts.recipients), new, internal, profile.kind, facts.message_bytes, profile.standing.step,
        (scan.result, scan.score, scan.symbols[:SYMBOLS_SHOWN]) if scan else None,
    )  # fmt: skip


def _evidence(all_stood: Sequence[Stood], *rules: str) -> Sentence:
    """Of these rules the windows that are over their limit; all of them where none is."""
    of_rules = [one for one in all_stood if one.rule in rules]
    return joined(in_words(one) for one in [one for one in of_rules if one.is_over] or of_rules)
