"""What is known of who hands a message in, of where he is and of whom he writes to: all that rules may look at.

Whoever keeps the memory makes these values: policy/store/ in the services, policy/simulation/world.py in simulations.
"""

from dataclasses import dataclass
from typing import NamedTuple

from policy.contract import Owned
from policy.engine.ladder import FREE, Signal, Standing
from policy.engine.sources import Origin


class Recipient(NamedTuple):
    """One recipient of the envelope, in its place."""

    mark: int  # keyed hash of the canonical address, signed 64 bits
    is_internal: bool  # in a domain of ours: never new
    is_known: bool  # in the identity's history

    @property
    def is_new(self) -> bool:
        return not self.is_internal and not self.is_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a network and its area are to an identity, policy.engine.places.place_of makes one."""

    origin: Origin
    is_settled: bool  # not on probation
    is_home: bool  # the owner's beyond doubt: even a locked identity goes on from here
    is_unseen_area: bool  # the identity never used it before now
    is_unseen_country: bool
    has_home: bool = False  # the identity has been somewhere for as long as makes a home: something is kept for it

    @property
    def is_elsewhere(self) -> bool:
        """Not at home, though there is one."""
        return self.has_home and not self.is_home


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Of one credential and its identity, for one message."""

    identity: str
    login: str
    credential: int  # 0 where it is none of ours
    owned: Owned
    active: bool
    kind: str  # person, app, newsletter, ...: which limits of the policy hold
    recipients_per_message: int  # what its sessions were granted
    place: Place
    recipients: tuple[Recipient, ...]  # one for each of the facts', in their order
    standing: Standing = FREE
    signals: tuple[Signal, ...] = ()  # of the last day, none that was taken back
    cleared_at: float = 0.0  # when some were last taken back; looked for where the place is strange
    usual_new_per_day: float = 0.0  # new recipients a day at home, mean of the last thirty days before today
    new_today: int = 0  # those of today until now, from anywhere
    domain: str = ""  # whose budget is charged, too: one of the identity's own, whatever the message says
    domain_users: int = 1
    gives_secret_away: bool = False  # the message has a secret in it that somebody here logs in with
    traps: tuple[int, ...] = ()  # places of recipients that only harvesters have
