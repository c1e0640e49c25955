"""The login stage, after the credential was proven and its gates were passed: from where, and with what. Sans-IO.

A login from a network that is settled costs nothing and asks nothing. From a strange one the network is counted,
whether somebody is let in or not; too many of them are a signal (ladder.py). Who is locked is let in at home alone, and
not even there where a signal came from home.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from policy.engine import charges
from policy.engine.budget import Take, Taken
from policy.engine.evidence import Evidence
from policy.engine.ladder import FREE, Signal, SignalKind, Standing, Step
from policy.engine.profile import Place
from policy.engine.rulebook import Limits, Rulebook
from policy.engine.suspicion import Suspicion, stood

Entering = Generator[Take, Taken, "Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who has proven a credential."""

    identity: str
    kind: str  # its profile
    place: Place
    standing: Standing = FREE
    signals: tuple[Signal, ...] = ()  # of the last day, none that was taken back
    # What is new of the client: all of name, mechanism and tls, or nothing.
    strange: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Whether he is let in."""

    is_granted: bool
    standing: Standing
    signals: tuple[Signal, ...] = ()  # new ones
    observed: tuple[str, ...] = ()
    is_doubted: bool = False


def enter(newcomer: Newcomer, rulebook: Rulebook, now: float) -> Entering:
    """One Take, where the network is strange."""
    place = newcomer.place
    suspicion = Suspicion(rulebook, place, newcomer.standing.at(now), newcomer.signals, now)
    if newcomer.strange:
        suspicion.raise_signal(SignalKind.STRANGE_CLIENT, Evidence.STRANGE_CLIENT.of(**newcomer.strange))
    limits = rulebook.limits_of(newcomer.kind, newcomer.identity)
    if sets := tuple(charges.spread_charges(newcomer.identity, place, limits, rulebook)):
        asked = tuple(one._replace(is_enforced=False) for one in sets)
        taken = yield Take(asked)
        over = [one for one in stood(asked, taken) if one.is_over]
        enforced = {one.name for one in sets if one.is_enforced}
        suspicion.note_spread([one for one in over if one.rule in enforced])
        suspicion.observed.extend(one.rule for one in over if one.rule not in enforced)
    return Entry(
        is_granted=suspicion.step is not Step.LOCK,
        standing=suspicion.standing,
        signals=tuple(suspicion.new),
        observed=tuple(dict.fromkeys(suspicion.observed)),
        is_doubted=not place.is_settled and (bool(suspicion.new) or not _may_travel(limits)),
    )


def _may_travel(limits: Limits) -> bool:
    """Who has no small budget stays on probation in a strange network until somebody vouches for it."""
    return all(window.limit for window in (*limits.probation_new_recipients, *limits.probation_recipients))
