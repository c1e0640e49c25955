"""What the world says of the recipients of a message, weighed against whoever sent it. Sans-IO.

Recipients that do not exist are counted where they were new to the identity: an old address book has dead addresses,
and nobody is to be locked for those. A list that was bought shows by the share of dead ones (bounces.py), or by their
number in an hour and a day. What others refuse as spam weighs the same, and has limits of its own; so do complaints.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from policy.engine.bounces import is_list, likelihood_after
from policy.engine.budget import Sum, Take, Taken, Window
from policy.engine.evidence import Evidence
from policy.engine.ladder import FREE, Signal, SignalKind, Standing
from policy.engine.profile import Place
from policy.engine.rulebook import Limits, Mode, Rulebook, Windows
from policy.engine.suspicion import Suspicion, in_words, stood
from policy.queue_contract import DeliveryOutcome
from service.sentence import Sentence, joined
from service.spans import DAY_S

_SHARED_FROM = 200  # recipients of a day of which a share says something

_KEYS: Mapping[str, str] = {
    "unknown-recipients": "unknown",
    "spam-refusals": "spam-refusals",
    "complaints": "complaints",
}

Weighing = Generator[Take, Taken, "Weighed"]

# The test is one for all networks of an identity, and a thief abroad could bring it to where one slip of the owner's
# ends it. So a signal is home's only where as many came from there as the test takes by itself. And into the form of a
# program at home anybody types what he likes: there the limits have to be met, for which four addresses are too few.
_AT_HOME = "refused-at-home"
_OF_OTHERS = (Window(3, DAY_S),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Deliveries of one submission that were not reported before; `outcomes` are those of recipients that were new."""

    identity: str
    kind: str  # its profile
    place: Place  # from where the message was handed in
    outcomes: tuple[DeliveryOutcome, ...]
    likelihood: float = 0.0
    standing: Standing = FREE
    signals: tuple[Signal, ...] = ()
    recipients_today: int = 0
    unknown_today: int = 0  # before these


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What follows."""

    likelihood: float
    unknown: int
    standing: Standing
    signals: tuple[Signal, ...] = ()
    not_raised: tuple[Signal, ...] = ()  # their rules only observe


def weigh(report: Report, rulebook: Rulebook, now: float) -> Weighing:
    """One Take, where somebody was unknown or refused it as spam."""
    suspicion = Suspicion(rulebook, report.place, report.standing.at(now), report.signals, now)
    limits = rulebook.limits_of(report.kind, report.identity)
    unknown = report.outcomes.count(DeliveryOutcome.UNKNOWN_RECIPIENT)
    likelihood = _tested(report)
    over: dict[str, Sentence] = {}
    if counted := tuple(_counted(report, limits, rulebook)):
        taken = yield Take(counted)
        over = _over(counted, taken)
    is_test_enough = limits.may_travel or limits.unknown_share
    if _AT_HOME not in over or not (is_test_enough or over.keys() - {_AT_HOME}):
        suspicion.place = replace(report.place, is_home=False)
    if unknown and rulebook.mode("unknown-recipients") is not Mode.OFF:
        if evidence := over.get("unknown-recipients") or _found_by_share(report, limits, unknown, likelihood):
            suspicion.raise_signal(SignalKind.UNKNOWN_RECIPIENTS, evidence)
    elif not unknown and is_list(likelihood) and not limits.unknown_share:
        suspicion.raise_signal(SignalKind.SPAM_REFUSALS, Evidence.REFUSED_IN_A_ROW.of(likelihood=round(likelihood, 1)))
    if "spam-refusals" in over:
        suspicion.raise_signal(SignalKind.SPAM_REFUSALS, over["spam-refusals"])
    return Weighed(
        likelihood=0.0 if suspicion.new or is_list(likelihood) else likelihood,  # it has decided, and begins anew
        unknown=unknown,
        standing=suspicion.standing,
        signals=tuple(suspicion.new),
        not_raised=tuple(suspicion.not_raised),
    )


def weigh_complaints(report: Report, complaints: int, rulebook: Rulebook, now: float) -> Weighing:
    """So many recipients of one submission have said that it is spam, and had not said so before.

    Nobody proves that he is one: whoever got a message can write the complaints of all whom it names. So they never
    hold what the owner sends at home, wherever the message came from.
    """
    elsewhere = replace(report.place, is_home=False)
    suspicion = Suspicion(rulebook, elsewhere, report.standing.at(now), report.signals, now)
    limits = rulebook.limits_of(report.kind, report.identity)
    counted = tuple(_sum("complaints", report.identity, complaints, limits.complaints, rulebook))
    if counted:
        taken = yield Take(counted)
        if evidence := _over(counted, taken).get("complaints"):
            suspicion.raise_signal(SignalKind.COMPLAINTS, evidence)
    return Weighed(
        likelihood=report.likelihood,
        unknown=0,
        standing=suspicion.standing,
        signals=tuple(suspicion.new),
        not_raised=tuple(suspicion.not_raised),
    )


def _tested(report: Report) -> float:
    """The sequential test with these. What somebody else's list says of our address says nothing of who is at home."""
    hits = {DeliveryOutcome.UNKNOWN_RECIPIENT, DeliveryOutcome.SPAM}
    if not report.place.is_settled:
        hits.add(DeliveryOutcome.BLOCKLISTED)
    likelihood = report.likelihood
    for outcome in report.outcomes:
        if (outcome in hits or outcome is DeliveryOutcome.DELIVERED) and not is_list(likelihood):
            likelihood = likelihood_after(likelihood, is_unknown=outcome in hits)
    return likelihood


def _counted(report: Report, limits: Limits, rulebook: Rulebook) -> Iterator[Sum]:
    who, outcomes = report.identity, report.outcomes
    unknown, spam = outcomes.count(DeliveryOutcome.UNKNOWN_RECIPIENT), outcomes.count(DeliveryOutcome.SPAM)
    yield from _sum("unknown-recipients", who, unknown, limits.unknown_recipients, rulebook)
    yield from _sum("spam-refusals", who, spam, limits.spam_refusals, rulebook)
    if report.place.is_home and unknown + spam:
        yield Sum(_AT_HOME, f"{_AT_HOME}:{who}", unknown + spam, _OF_OTHERS, is_enforced=False)


def _sum(name: str, who: str, cost: int, windows: Windows, rulebook: Rulebook) -> Iterator[Sum]:
    """It is counted, whatever the limit is: it has happened."""
    if cost and windows and rulebook.mode(name) is not Mode.OFF:
        yield Sum(name, f"{_KEYS[name]}:{who}", cost, windows, is_enforced=False)


def _over(counted: Sequence[Sum], taken: Taken) -> dict[str, Sentence]:
    """By rule, in words, what is over its limit."""
    found: dict[str, list[Sentence]] = {}
    for one in stood(counted, taken):
        if one.is_over:
            found.setdefault(one.rule, []).append(in_words(one))
    return {rule: joined(words) for rule, words in found.items()}


def _found_by_share(report: Report, limits: Limits, unknown: int, likelihood: float) -> Sentence:
    """What the shares say, in words; empty where they say nothing."""
    if not limits.unknown_share:
        is_bought = is_list(likelihood)
        return Evidence.BOUGHT_LIST.of(likelihood=round(likelihood, 1)) if is_bought else Sentence()
    of_today, all_unknown = report.recipients_today, report.unknown_today + unknown
    if of_today < _SHARED_FROM or all_unknown < of_today * limits.unknown_share:
        return Sentence()
    return Evidence.UNKNOWN_SHARE.of(unknown=all_unknown, recipients=of_today)
