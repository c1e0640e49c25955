"""The memory that the services keep in their database, as plain values: what simulations and replays run the engine on.

    World       makes a Profile of a message, drives the judge with budgets, and remembers what follows from the decision
    Identity    what is remembered of one of them

The functions that decide are the services' own (policy/engine/); here is only what policy/store/ does with SQL, and a
test plays the same events to both.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from policy.budgets import Budgets
from policy.contract import Action, Delivery, DeliveryOutcome, MessageFacts, Owned, RelayOutcome
from policy.engine import judging
from policy.engine.judging import Decision
from policy.engine.ladder import Signal, Standing
from policy.engine.places import DAY_S, History, day_of, place_of
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from policy.marks import Marks

KNOWN_DAYS = 400
_BASELINE_DAYS = 30


@dataclass(slots=True)
class Day:
    """What an identity did on one day (UTC)."""

    messages: int = 0
    recipients: int = 0
    new_recipients: int = 0
    held: int = 0  # recipients
    refused: int = 0  # messages
    unknown_recipients: int = 0


@dataclass(slots=True, kw_only=True)
class Identity:
    """What is remembered of one."""

    name: str
    number: int  # of its only credential
    kind: str = "person"
    owned: Owned = Owned()
    domain: str = ""
    areas: dict[str, History] = field(default_factory=dict)
    networks: dict[str, History] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)  # mark: the last day on which it was used
    days: dict[int, Day] = field(default_factory=dict)
    signals: list[Signal] = field(default_factory=list)
    standing: Standing = Standing()
    likelihood: float = 0.0

    def day(self, now: float) -> Day:
        return self.days.setdefault(day_of(now), Day())

    def usual_new_per_day(self, now: float) -> float:
        """The mean of the last thirty days before today."""
        today = day_of(now)
        past = (self.days.get(today - back) for back in range(1, _BASELINE_DAYS + 1))
        return sum(day.new_recipients for day in past if day) / _BASELINE_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A decision on one message, with what it was made of. `reservation` is empty where nothing was reserved."""

    decision: Decision
    profile: Profile
    reservation: str = ""


@dataclass(slots=True)
class _Open:
    """A message that was accepted or held, until its end is known."""

    identity: str
    sent: tuple[Recipient, ...]


class World:
    """All identities of one server. `now` comes in, and must not go backwards by more than budgets allow.

    `origin_of` says where an address is: policy/geo/ in the services, an Atlas in simulations.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        budgets: Budgets,
        *,
        domains: Iterable[str] = (),
        origin_of: Callable[[str], Origin],
        marks: Marks,
    ) -> None:
        self.rulebook = rulebook
        self.budgets = budgets
        self.identities: dict[str, Identity] = {}
        self._domains = frozenset(domains)
        self._origin_of = origin_of
        self._marks = marks
        self._by_number: dict[int, Identity] = {}
        self._sent: OrderedDict[str, _Sent] = OrderedDict()
        self._traps = frozenset(marks.recipient(one) for one in rulebook.trap_recipients)

    # What there is

    def add_identity(self, name: str, *, kind: str = "person", addresses: Iterable[str] = ()) -> Identity:
        """One with one credential, which is `identity.number`. Its first address names the domain that is charged."""
        own = [canonical_address(one) for one in addresses] or [f"{name}@{min(self._domains, default='invalid')}"]
        number = len(self._by_number) + 1
        made = Identity(
            name=name,
            number=number,
            kind=kind,
            owned=Owned(addresses=frozenset(own)),
            domain=own[0].rpartition("@")[2],
        )
        self.identities[name] = self._by_number[number] = made
        return made

    def learn(self, name: str, recipients: Iterable[str], now: float) -> None:
        """That an identity knows these: it wrote to them, or they to it."""
        known, today = self.identities[name].known, day_of(now)
        for one in recipients:
            known[self._marks.recipient(one)] = today

    def settle(self, name: str, address: str, now: float, *, days: int) -> None:
        """That an identity has used the network of `address` on so many days until yesterday."""
        identity, origin = self.identities[name], self._origin_of(address)
        used = History(now - days * DAY_S, now - DAY_S, days)
        identity.areas[origin.area] = identity.networks[origin.network] = used

    def place(self, name: str, address: str, now: float) -> Place:
        """What the network of an address is to an identity."""
        identity, origin = self.identities[name], self._origin_of(address)
        return place_of(origin, identity.areas, identity.networks.get(origin.network), self.rulebook, now)
