"""The login stage, after the credential was proven and its gates were passed: from where, and with what. Sans-IO.

A login from a network that is settled costs nothing and asks nothing. From a strange one the network is counted,
whether somebody is let in or not; too many of them are a signal (ladder.py). Who is locked is let in at home alone, and
not even there where a signal came from home. Who is held elsewhere wins no network there: its days are in doubt.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from policy.engine import charges
from policy.engine.budget import Take, Taken
from policy.engine.evidence import Evidence
from policy.engine.ladder import FREE, Signal, SignalKind, Standing, Step
from policy.engine.places import Gained, Trust
from policy.engine.profile import Place
from policy.engine.rulebook import Limits, Mode, Rulebook
from policy.engine.suspicion import Suspicion, stood
from service.sentence import Sentence

_KEPT_FOR_HOME = 4  # of the sessions a quarter, rounded up
_PICKUPS = 12  # of mail pickup, for each session of submission: a mail program opens up to ten

Entering = Generator[Take, Taken, "Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who has proven a credential."""

    identity: str
    kind: str  # its profile
    place: Place
    standing: Standing = FREE
    signals: tuple[Signal, ...] = ()  # of the last day, none that was taken back
    cleared_at: float = 0.0  # when some were last taken back
    # What is new of the client: all of name, mechanism and tls, or nothing.
    strange: Mapping[str, str] = field(default_factory=dict)
    gains: Gained | None = None  # what the network becomes, if he is let in and the day is not in doubt


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
    if sets := tuple(charges.spread_charges(newcomer.identity, place, limits, rulebook, newcomer.cleared_at)):
        asked = tuple([one.only_counted() for one in sets])
        taken = yield Take(asked)
        over = [one for one in stood(asked, taken) if one.is_over]
        enforced = {one.name for one in sets if one.is_enforced}
        suspicion.note_spread([one for one in over if one.rule in enforced])
        suspicion.observed.extend(one.rule for one in over if one.rule not in enforced)
    is_granted = suspicion.step is not Step.LOCK
    is_strange = not place.is_settled and (bool(suspicion.new) or not limits.may_travel)
    is_doubted = is_strange or (is_granted and not counts_days(place, suspicion.standing, rulebook))
    if newcomer.gains and is_granted and not is_doubted:
        suspicion.raise_signal(SignalKind.TRUSTED_NETWORK, _in_words(newcomer.gains, place))
    return Entry(
        is_granted=is_granted,
        standing=suspicion.standing,
        signals=tuple(suspicion.new),
        observed=tuple(dict.fromkeys(suspicion.observed)),
        is_doubted=is_doubted,
    )


def _in_words(gains: Gained, place: Place) -> Sentence:
    """Whoever waits quietly for this is found by nothing else: its owner has to be told."""
    if not gains.days:
        return Evidence.SETTLED_BY_DEVICE.of(network=place.origin.network)
    evidence = Evidence.HOME_BY_USE if gains.trust is Trust.HOME else Evidence.SETTLED_BY_USE
    return evidence.of(network=place.origin.network, days=gains.days)


def counts_days(place: Place, standing: Standing, rulebook: Rulebook) -> bool:
    """Whether a day there makes the network more of the owner's than it was; `standing` is that of now.

    A step stays until somebody takes it back. At home it does not hold: so nobody whom it holds gets a home by waiting.
    """
    return place.is_home or standing.step < Step.HOLD or rulebook.mode("ladder") is not Mode.ENFORCE


def sessions_for(place: Place, limits: Limits) -> int:
    """How many sessions somebody there may have, those at home among them; of strange networks counted apart.

    A quarter is kept for home, or whoever sits in the owner's own provider could take them all and keep him out.
    """
    if place.is_home or not place.has_home or not place.is_settled:
        return limits.sessions
    return _but_for_home(limits.sessions)


def pickups_for(place: Place, limits: Limits) -> int:
    """How many of mail pickup an identity may have for one more from there: Dovecot counts all of them together."""
    most = limits.sessions * _PICKUPS
    return most if place.is_home or not place.has_home else _but_for_home(most)


def _but_for_home(sessions: int) -> int:
    return max(1, sessions - -(-sessions // _KEPT_FOR_HOME))
