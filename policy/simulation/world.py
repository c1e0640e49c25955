"""The memory that the services keep in their database, as plain values: simulations and replays run the engine on it.

    World       makes a Profile of a message, drives the judge with budgets, remembers what follows from the decision
    Identity    what is remembered of one of them

The functions that decide are the services' own (policy/engine/); here is only what policy/store/ does with SQL, and a
test plays the same events to both.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from policy.budgets import Budgets
from policy.budgets.driving import run_here
from policy.contract import Action, Delivery, MessageFacts, Owned, RelayOutcome, canonical_address
from policy.engine import charges, judging
from policy.engine.entering import Entry, Newcomer, enter
from policy.engine.feedback import Report, weigh
from policy.engine.judging import Decision
from policy.engine.ladder import FREE, LOCK_SPAN_S, Signal, Standing
from policy.engine.places import DAY_S, History, day_of, doubted, place_of, used, vouched
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from policy.marks import Marks

KNOWN_DAYS = 400
_BASELINE_DAYS = 30
_SENT_KEPT = 20_000  # messages whose deliveries may still be reported
_HABITS_KEPT = 8  # of a kind


@dataclass(slots=True)
class Day:
    """What an identity did on one day (UTC)."""

    messages: int = 0
    recipients: int = 0
    new_recipients: int = 0
    held: int = 0  # recipients
    refused: int = 0  # messages
    unknown_recipients: int = 0

    def add(self, sent: Sequence[Recipient], held: int, *, is_refused: bool) -> None:
        """One message: the recipients that it went to, and how many are held."""
        self.messages += 1
        self.recipients += len(sent)
        self.new_recipients += len(charges.new_marks(sent))
        self.held += held
        self.refused += is_refused


@dataclass(slots=True, kw_only=True)
class Identity:
    """What is remembered of one."""

    name: str
    number: int  # of its only credential
    kind: str = "person"
    owned: Owned
    domain: str
    areas: dict[str, History] = field(default_factory=dict)
    networks: dict[str, History] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)  # mark: the last day on which it was used
    days: dict[int, Day] = field(default_factory=dict)
    habits: dict[str, dict[str, float]] = field(default_factory=dict)  # of its client: kind, value, last use
    signals: list[Signal] = field(default_factory=list)
    standing: Standing = FREE
    likelihood: float = 0.0

    def day(self, now: float) -> Day:
        return self.days.setdefault(day_of(now), Day())

    def usual_new_per_day(self, now: float) -> float:
        """The mean of the last thirty days before today, or of as many as there are."""
        today = day_of(now)
        past = [day for back in range(1, _BASELINE_DAYS + 1) if (day := self.days.get(today - back))]
        since = today - min(self.days, default=today)
        return sum(day.new_recipients for day in past) / max(min(since, _BASELINE_DAYS), 1)

    def signals_of_the_day(self, now: float) -> tuple[Signal, ...]:
        """Older ones say nothing any more."""
        return tuple(one for one in self.signals if now - one.at < LOCK_SPAN_S)

    def follow(self, signals: Iterable[Signal], standing: Standing) -> None:
        """What a decision has found."""
        self.signals.extend(signals)
        self.standing = standing

    def use(self, origin: Origin, now: float) -> None:
        """A login was granted from there."""
        self.areas[origin.area] = used(self.areas.get(origin.area), now)
        self.networks[origin.network] = used(self.networks.get(origin.network), now)

    def doubt(self, origin: Origin, now: float) -> None:
        """Today does not count for this area and this network."""
        for histories, name in ((self.areas, origin.area), (self.networks, origin.network)):
            if history := histories.get(name):
                histories[name] = doubted(history, now)

    def strange(self, habit: Mapping[str, str]) -> tuple[str, ...]:
        """What is new of a client: all that is known of it, or nothing."""
        told = {kind: value for kind, value in habit.items() if value and self.habits.get(kind)}
        return tuple(told) if told and all(value not in self.habits[kind] for kind, value in told.items()) else ()

    def note(self, habit: Mapping[str, str], now: float) -> None:
        """What the client looked like; the oldest of many make room."""
        for kind, value in habit.items():
            values = self.habits.setdefault(kind, {})
            values[value] = now
            if len(values) > _HABITS_KEPT:
                del values[min(values, key=values.__getitem__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A decision on one message, with what it was made of. `reservation` is empty where nothing was reserved."""

    decision: Decision
    profile: Profile
    reservation: str = ""


@dataclass(slots=True)
class _Sent:
    """A message that was accepted: its recipients, those that are held taken out, by their marks."""

    identity: Identity
    place: Place
    recipients: dict[int, Recipient]


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
        self._domains = set(domains)
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

    def add_domain(self, domain: str) -> None:
        """One that is ours: recipients in it are never new."""
        self._domains.add(domain)

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

    # What happens

    def log_in(
        self, name: str, client_address: str, now: float, habit: Mapping[str, str] = MappingProxyType({})
    ) -> Entry:
        """Somebody has proven the credential. `habit` is what the client looks like: its name, mechanism, tls."""
        identity, place = self.identities[name], self.place(name, client_address, now)
        if not identity.areas and not identity.networks:
            self._vouch(identity, place.origin, now)
            place = self.place(name, client_address, now)
        newcomer = Newcomer(
            identity=name,
            kind=identity.kind,
            place=place,
            standing=identity.standing,
            signals=identity.signals_of_the_day(now),
            strange=identity.strange(habit),
        )
        entry = run_here(enter(newcomer, self.rulebook, now), self.budgets, "", now)
        identity.follow(entry.signals, entry.standing)
        if entry.is_granted:
            identity.use(place.origin, now)
            identity.note(habit, now)
        if entry.is_doubted:
            identity.doubt(place.origin, now)
        return entry

    def profile(self, facts: MessageFacts, now: float) -> Profile:
        """All that the judge may look at."""
        identity = self._by_number[facts.credential]
        recipients = tuple(self._recipient(identity, one, now) for one in facts.recipients)
        return Profile(
            identity=identity.name,
            login=identity.name,
            credential=identity.number,
            owned=identity.owned,
            active=True,
            kind=identity.kind,
            recipients_per_message=self.rulebook.limits_of(identity.kind).recipients_per_message,
            place=self.place(identity.name, facts.client_address, now),
            recipients=recipients,
            standing=identity.standing,
            signals=identity.signals_of_the_day(now),
            usual_new_per_day=identity.usual_new_per_day(now),
            new_today=identity.day(now).new_recipients,
            domain=identity.domain,
            domain_users=len(self.identities),
            traps=tuple(place for place, one in enumerate(recipients) if one.mark in self._traps),
        )

    def hand_in(self, facts: MessageFacts, now: float) -> Judged:
        """One message: judged, charged and remembered. Its reservation, its submission's name, is open until `end`."""
        profile = self.profile(facts, now)
        decision = run_here(judging.judge(facts, profile, self.rulebook, now), self.budgets, facts.submission, now)
        identity = self._by_number[facts.credential]
        identity.follow(decision.signals, decision.standing)
        if decision.is_doubted:
            identity.doubt(profile.place.origin, now)
        is_kept = decision.action in (Action.ACCEPT, Action.HOLD)
        held = set(range(len(profile.recipients)) if decision.action is Action.HOLD else decision.held)
        sent = [one for place, one in enumerate(profile.recipients) if place not in held] if is_kept else []
        identity.day(now).add(sent, len(held) if is_kept else 0, is_refused=not is_kept)
        if is_kept:
            self._keep(facts.submission, _Sent(identity, profile.place, {one.mark: one for one in sent}))
        return Judged(decision=decision, profile=profile, reservation=facts.submission if is_kept else "")

    def end(self, reservation: str, outcome: RelayOutcome, now: float) -> None:
        """What became of it at the next hop; whoever was written to is known from now on."""
        if outcome is RelayOutcome.FAILED:
            self.budgets.release(reservation, now)
            self._sent.pop(reservation, None)
            return
        self.budgets.commit(reservation, now)
        if sent := self._sent.get(reservation):
            sent.identity.known.update(dict.fromkeys(sent.recipients, day_of(now)))

    def deliver(self, delivery: Delivery, now: float) -> Signal | None:
        """What became of one recipient, and the signal that follows from it. Known ones say nothing."""
        sent = self._sent.get(delivery.submission)
        one = sent.recipients.pop(self._marks.recipient(delivery.recipient), None) if sent else None
        if not sent or not one or not one.is_new:
            return None
        identity, today = sent.identity, sent.identity.day(now)
        report = Report(
            identity=identity.name,
            kind=identity.kind,
            place=sent.place,
            outcomes=(delivery.outcome,),
            likelihood=identity.likelihood,
            standing=identity.standing,
            signals=identity.signals_of_the_day(now),
            recipients_today=today.recipients,
            unknown_today=today.unknown_recipients,
        )
        weighed = run_here(weigh(report, self.rulebook, now), self.budgets, "", now)
        identity.likelihood = weighed.likelihood
        today.unknown_recipients += weighed.unknown
        identity.follow(weighed.signals, weighed.standing)
        return weighed.signals[0] if weighed.signals else None

    def take_back(self, name: str) -> None:
        """The owner or an administrator says that it was nothing: signals and standing are cleared."""
        identity = self.identities[name]
        identity.signals.clear()
        identity.standing, identity.likelihood = FREE, 0.0

    def confirm(self, name: str, client_address: str, now: float) -> None:
        """The owner says that a network, and its area, are his."""
        self._vouch(self.identities[name], self._origin_of(client_address), now)

    def _vouch(self, identity: Identity, origin: Origin, now: float) -> None:
        identity.areas[origin.area] = vouched(identity.areas.get(origin.area), now)
        identity.networks[origin.network] = vouched(identity.networks.get(origin.network), now)

    def _recipient(self, identity: Identity, address: str, now: float) -> Recipient:
        mark = self._marks.recipient(address)
        is_internal = canonical_address(address).rpartition("@")[2] in self._domains
        is_known = day_of(now) - identity.known.get(mark, -KNOWN_DAYS - 1) <= KNOWN_DAYS
        return Recipient(mark=mark, is_internal=is_internal, is_known=is_known)

    def _keep(self, submission: str, sent: _Sent) -> None:
        self._sent[submission] = sent
        if len(self._sent) > _SENT_KEPT:
            self._sent.popitem(last=False)
