"""What the world says of the recipients of a message, weighed against whoever sent it. Sans-IO.

Recipients that do not exist are counted where they were new to the identity: an old address book has dead addresses,
and nobody is to be locked for those. A list that was bought shows by the share of dead ones (bounces.py), or by their
number in an hour and a day.
"""

from collections.abc import Generator
from dataclasses import dataclass

from policy.engine.bounces import is_list, likelihood_after
from policy.engine.budget import Sum, Take, Taken
from policy.engine.ladder import FREE, Signal, SignalKind, Standing
from policy.engine.profile import Place
from policy.engine.rulebook import Limits, Mode, Rulebook
from policy.engine.suspicion import Suspicion, in_words, stood
from policy.queue_contract import DeliveryOutcome

_SHARED_FROM = 200  # recipients of a day of which a share says something

Weighing = Generator[Take, Taken, "Weighed"]


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


def weigh(report: Report, rulebook: Rulebook, now: float) -> Weighing:
    """One Take, where somebody was unknown."""
    suspicion = Suspicion(rulebook, report.place, report.standing.at(now), report.signals, now)
    limits = rulebook.limits_of(report.kind, report.identity)
    unknown = report.outcomes.count(DeliveryOutcome.UNKNOWN_RECIPIENT)
    likelihood = report.likelihood
    for outcome in report.outcomes:
        if outcome in {DeliveryOutcome.UNKNOWN_RECIPIENT, DeliveryOutcome.DELIVERED} and not is_list(likelihood):
            likelihood = likelihood_after(likelihood, is_unknown=outcome is DeliveryOutcome.UNKNOWN_RECIPIENT)
    if unknown and rulebook.mode("unknown-recipients") is not Mode.OFF:
        counted = Sum("unknown-recipients", f"unknown:{report.identity}", unknown, limits.unknown_recipients, False)
        taken = yield Take((counted,) if counted.windows else ())
        over = [one for one in stood((counted,), taken) if one.is_over] if counted.windows else []
        if evidence := "; ".join(in_words(one) for one in over) or _found_by_share(report, limits, unknown, likelihood):
            suspicion.raise_signal(SignalKind.UNKNOWN_RECIPIENTS, evidence)
    return Weighed(
        likelihood=0.0 if suspicion.new or is_list(likelihood) else likelihood,  # it has decided, and begins anew
        unknown=unknown,
        standing=suspicion.standing,
        signals=tuple(suspicion.new),
    )


def _found_by_share(report: Report, limits: Limits, unknown: int, likelihood: float) -> str:
    """What the shares say, in words; empty where they say nothing."""
    if not limits.unknown_share:
        return f"unknown new recipients, as of a list that was bought ({likelihood:.1f})" if is_list(likelihood) else ""
    of_today, all_unknown = report.recipients_today, report.unknown_today + unknown
    if of_today < _SHARED_FROM or all_unknown < of_today * limits.unknown_share:
        return ""
    return f"{all_unknown} of {of_today} recipients of today are unknown"
