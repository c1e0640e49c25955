"""The ladder: slow, hold, restrict, lock. What is suspicious becomes a signal, and signals become a step.

One signal alone never locks. A step stays until its owner or an administrator takes it back; every step has its signals
as evidence. At home only those count that came from there: the owner goes on while a thief abroad is locked out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

LOCK_SPAN_S = 86400.0  # two signals within it lock


class Step(IntEnum):
    """How far up an identity stands; each does what those below it do."""

    FREE = 0
    SLOW = 1  # answers about mail to new recipients wait
    HOLD = 2  # mail to new recipients is held
    RESTRICT = 3  # mail to new recipients is refused
    LOCK = 4  # logins are refused, except from home


class SignalKind(StrEnum):
    """What speaks against a credential."""

    SPREAD = "spread"  # more source networks, ASNs or countries than one person has
    MANY_NETWORKS = "many-networks"  # so many that it is two signals
    UNSEEN = "unseen"  # ASNs or countries that the identity never used
    UNKNOWN_RECIPIENTS = "unknown-recipients"  # a list of addresses of which many do not exist
    SPAM = "spam"  # our own scanner says so
    SPAM_REFUSALS = "spam-refusals"  # others refuse what it sends as spam
    COMPLAINTS = "complaints"  # people who got it said that it is spam
    NEW_RECIPIENTS = "new-recipients"  # a cap on new recipients was met
    LINKED = "linked"  # shares strange networks with other identities
    TRAP = "trap"  # a recipient that only harvesters have
    VOLUME = "volume"  # far more recipients than its own past
    PROBATION = "probation"  # a network on probation has used a quarter of its budget
    STRANGE_CLIENT = "strange-client"  # name, mechanism and TLS of the client are all others than ever before
    TRUSTED_NETWORK = "trusted-network"  # nothing but quiet days made a network one of the owner's


# Found in the mail itself, or in how much of it there is, wherever that came from.
_OF_MAIL = frozenset(
    (
        SignalKind.UNKNOWN_RECIPIENTS,
        SignalKind.SPAM,
        SignalKind.SPAM_REFUSALS,
        SignalKind.NEW_RECIPIENTS,
        SignalKind.TRAP,
    )
)

# What recipients and their servers say. A stranger says all of it at once, where somebody has answered a letter of his:
# its Reply-To may name as many addresses of his as he likes.
_SAID_OF_IT = frozenset((SignalKind.UNKNOWN_RECIPIENTS, SignalKind.SPAM_REFUSALS, SignalKind.COMPLAINTS))
# What one message to an old list shows. Complaints have no place (engine/feedback.py).
_OF_LIST = _SAID_OF_IT | {SignalKind.NEW_RECIPIENTS, SignalKind.TRAP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One of them. `at_home` where it came from a network that is the owner's beyond doubt."""

    kind: SignalKind
    at: float
    at_home: bool = False
    evidence: str = ""  # a service.sentence.Sentence: what was counted, and against which limit

    def repeats(self, other: "Signal") -> bool:
        """One of a kind is enough for a day. But networks that become the owner's are told of one by one, and what is
        wrong with mail from home is said of home, too: or a thief would do it abroad first, and be left alone there.
        """
        if self.kind is SignalKind.TRUSTED_NETWORK:
            return self.kind is other.kind and self.evidence == other.evidence
        is_of_home = self.kind in _OF_MAIL and self.at_home and not other.at_home
        return self.kind is other.kind and not is_of_home


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an identity stands: `step` elsewhere, `home` in networks that are its own beyond doubt.

    What was seen elsewhere never holds at home: a thief abroad must not be able to shut the owner out.
    """

    step: Step = Step.FREE
    home: Step = Step.FREE
    since: float = 0.0

    def at(self, now: float) -> "Standing":
        """The first step ends by itself; all others stay."""
        return FREE if self.step is Step.SLOW and now - self.since >= LOCK_SPAN_S else self


FREE = Standing()
ALONE: Mapping[SignalKind, Step] = {
    SignalKind.SPREAD: Step.RESTRICT,
    SignalKind.MANY_NETWORKS: Step.RESTRICT,
    SignalKind.UNSEEN: Step.HOLD,
    SignalKind.UNKNOWN_RECIPIENTS: Step.RESTRICT,
    SignalKind.SPAM: Step.HOLD,
    SignalKind.SPAM_REFUSALS: Step.RESTRICT,
    SignalKind.COMPLAINTS: Step.HOLD,
    SignalKind.NEW_RECIPIENTS: Step.HOLD,
    SignalKind.LINKED: Step.HOLD,
    SignalKind.TRAP: Step.RESTRICT,
    SignalKind.VOLUME: Step.SLOW,
    SignalKind.PROBATION: Step.SLOW,
    SignalKind.STRANGE_CLIENT: Step.SLOW,
    SignalKind.TRUSTED_NETWORK: Step.FREE,
}
COUNTS_TOWARDS_LOCK = frozenset(
    (
        SignalKind.SPREAD,
        SignalKind.MANY_NETWORKS,
        SignalKind.UNSEEN,
        SignalKind.UNKNOWN_RECIPIENTS,
        SignalKind.SPAM,
        SignalKind.SPAM_REFUSALS,
        SignalKind.COMPLAINTS,
        SignalKind.NEW_RECIPIENTS,
        SignalKind.LINKED,
        SignalKind.TRAP,
    )
)


def standing_after(standing: Standing, signals: Sequence[Signal], now: float) -> Standing:
    """Where `signals`, all that were not taken back and the newest among them, put an identity. Never lower."""
    fresh = [one for one in signals if now - one.at < LOCK_SPAN_S]
    step = max(_step_of(fresh), standing.step)
    home = _step_of([one for one in fresh if one.at_home])
    # Nobody is slowed at home.
    home = max(standing.home, home if home >= Step.HOLD else Step.FREE)
    return Standing(step, home, now if step > standing.step else standing.since)


def _step_of(fresh: Sequence[Signal]) -> Step:
    return Step.LOCK if _is_locked(fresh) else max((ALONE[one.kind] for one in fresh), default=Step.FREE)


def _is_locked(fresh: Sequence[Signal]) -> bool:
    """Two kinds of signal within a day; so many networks, or a trap that was met from abroad, are two by themselves.

    All that recipients say is one, and from home all that a list shows: nobody is locked out by one message.
    """
    counted = [one for one in fresh if one.kind in COUNTS_TOWARDS_LOCK]
    kinds = {SignalKind.COMPLAINTS if one.kind in _SAID_OF_IT else one.kind for one in counted}
    is_alone_enough = any(
        one.kind is SignalKind.MANY_NETWORKS or (one.kind is SignalKind.TRAP and not one.at_home) for one in fresh
    )
    if SignalKind.MANY_NETWORKS in kinds:
        kinds.discard(SignalKind.SPREAD)
    is_one_list = all(one.kind in _OF_LIST and (one.at_home or one.kind is SignalKind.COMPLAINTS) for one in counted)
    return is_alone_enough or (len(kinds) > 1 and not is_one_list)
