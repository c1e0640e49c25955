"""The memory that the services keep in their database, as plain values: simulations and replays run the engine on it.

    World       makes a Profile of a message, drives the judge with budgets, remembers what follows from the decision
    Identity    what is remembered of one of them

The functions that decide are the services' own (policy/engine/); here is only what policy/store/ does with SQL, and a
test plays the same events to both.
"""

import copy
import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count

from policy.budgets import Budgets
from policy.budgets.driving import run_here
from policy.contract import Action, MessageFacts, Owned, RelayOutcome, canonical_address
from policy.engine import charges, judging
from policy.engine.entering import Entry, Newcomer, enter
from policy.engine.feedback import Report, weigh
from policy.engine.judging import Decision
from policy.engine.ladder import FREE, LOCK_SPAN_S, Signal, Standing
from policy.engine.places import History, area_in_doubt, day_of, doubted, gained, place_of, used, vouched
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from policy.marks import Marks
from policy.queue_contract import DeliveryOutcome
from policy.store.days import BASELINE_DAYS
from policy.store.habits import KEPT as HABITS_KEPT
from policy.store.habits import Looks, strange_of
from policy.store.recipients import KEPT_DAYS
from service.spans import DAY_S

_SENT_KEPT = 20_000  # messages whose deliveries may still be reported
_MARKS_KEPT = 10_000  # what is asked again soon
NOTHING_SEEN = Looks("", "", "")


@dataclass(slots=True)
class Day:
    """What an identity did on one day (UTC)."""

    messages: int = 0
    recipients: int = 0
    new_recipients: int = 0
    new_elsewhere: int = 0  # of these: not from home, which there was
    held: int = 0  # recipients
    refused: int = 0  # messages
    unknown_recipients: int = 0

    def add(self, sent: Sequence[Recipient], held: int, *, is_elsewhere: bool, is_refused: bool) -> None:
        """One message: the recipients that it went to, and how many are held."""
        new = len(charges.new_marks(sent))
        self.messages += not is_refused
        self.recipients += len(sent)
        self.new_recipients += new
        self.new_elsewhere += new if is_elsewhere else 0
        self.held += held
        self.refused += is_refused

    def take_back(self, sent: Sequence[Recipient], held: int, *, is_elsewhere: bool) -> None:
        """One message that failed."""
        new = len(charges.new_marks(sent))
        self.messages -= 1
        self.recipients -= len(sent)
        self.new_recipients -= new
        self.new_elsewhere -= new if is_elsewhere else 0
        self.held -= held


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
    days: defaultdict[int, Day] = field(default_factory=lambda: defaultdict(Day))
    habits: dict[tuple[str, str], float] = field(default_factory=dict)  # of its client: kind and value, the last use
    signals: list[Signal] = field(default_factory=list)
    cleared_at: float = 0.0  # when some were taken back
    standing: Standing = FREE
    likelihood: float = 0.0

    def day(self, now: float) -> Day:
        return self.days[day_of(now)]

    def usual_new_per_day(self, now: float) -> float:
        """At home: the mean of the days before today on which there is a past."""
        today = day_of(now)
        past = {
            day: done.new_recipients - done.new_elsewhere
            for day, done in self.days.items()
            if today - BASELINE_DAYS <= day < today
        }
        return sum(past.values()) / (today - min(past)) if past else 0.0

    def signals_of_the_day(self, now: float) -> tuple[Signal, ...]:
        """Older ones say nothing any more."""
        return tuple([one for one in self.signals if now - one.at < LOCK_SPAN_S])

    def follow(self, signals: Iterable[Signal], standing: Standing) -> None:
        """What a decision has found."""
        self.signals.extend(signals)
        self.standing = standing

    def use(self, origin: Origin, rulebook: Rulebook, now: float) -> None:
        """A login was granted from there."""
        self.areas[origin.area] = used(self.areas.get(origin.area), rulebook, now)
        self.networks[origin.network] = used(self.networks.get(origin.network), rulebook, now)

    def doubt(self, place: Place, now: float) -> None:
        """Today does not count for this area and this network."""
        for histories, name in ((self.areas, area_in_doubt(place)), (self.networks, place.origin.network)):
            if history := histories.get(name):
                histories[name] = doubted(history, now)

    def note(self, looks: Looks, now: float) -> None:
        """What the client looked like; the oldest of many make room."""
        for kind, value in looks.seen().items():
            self.habits[kind, value] = now
            of_kind = [one for one in self.habits if one[0] == kind]
            if len(of_kind) > HABITS_KEPT:
                del self.habits[min(of_kind, key=self.habits.__getitem__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A decision on one message, with what it was made of. `reservation` is empty where nothing was reserved."""

    decision: Decision
    profile: Profile
    reservation: str = ""


@dataclass(slots=True)
class _Sent:
    """A message that was accepted: its recipients by their marks, those apart for whom it is held."""

    identity: Identity
    place: Place
    recipients: dict[int, Recipient]
    held: set[int]
    take_back: Callable[[], None]  # from the day, where it fails


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
        self._marked = lru_cache(maxsize=_MARKS_KEPT)(self._mark)
        self._unnamed = (f"unnamed-{number}" for number in count(1))  # reservations on which nobody reports
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
            known[self._marked(one)[0]] = today

    def settle(self, name: str, address: str, now: float, *, days: int) -> None:
        """That an identity has used the network of `address` on so many days until yesterday."""
        identity, origin = self.identities[name], self._origin_of(address)
        identity.areas[origin.area] = identity.networks[origin.network] = History(now - days * DAY_S, now - DAY_S, days)

    def place(self, name: str, address: str, now: float) -> Place:
        """What the network of an address is to an identity."""
        identity, origin = self.identities[name], self._origin_of(address)
        return place_of(origin, identity.areas, identity.networks.get(origin.network), self.rulebook, now)

    def restart(self, budgets: Budgets) -> None:
        """As after a restart: the same values, in objects of their own, and budgets that were opened again."""
        self.budgets = budgets
        self._by_number, self._sent = copy.deepcopy((self._by_number, self._sent))
        self.identities = {one.name: one for one in self._by_number.values()}

    # What happens

    def log_in(self, name: str, client_address: str, now: float, looks: Looks = NOTHING_SEEN) -> Entry:
        """Somebody has proven the credential."""
        identity, place = self.identities[name], self.place(name, client_address, now)
        if not identity.areas and not identity.networks:  # the owner has just set it up
            identity.areas[place.origin.area] = vouched(None, now)
            place = self.place(name, client_address, now)
        newcomer = Newcomer(
            identity=name,
            kind=identity.kind,
            place=place,
            standing=identity.standing,
            signals=identity.signals_of_the_day(now),
            cleared_at=identity.cleared_at,
            strange=strange_of(looks, identity.habits),
            gains=gained(place, identity.areas, identity.networks.get(place.origin.network), self.rulebook, now),
        )
        entry = run_here(enter(newcomer, self.rulebook, now), self.budgets, next(self._unnamed), now)
        identity.follow(entry.signals, entry.standing)
        if entry.is_granted:
            identity.use(place.origin, self.rulebook, now)
            identity.note(looks, now)
        if entry.is_doubted:
            identity.doubt(place, now)
        return entry

    def profile(self, facts: MessageFacts, now: float) -> Profile:
        """All that the judge may look at."""
        identity = self._by_number[facts.credential]
        known_since = day_of(now) - KEPT_DAYS
        recipients = tuple([self._recipient(identity, one, known_since) for one in facts.recipients])
        has_new = any(one.is_new for one in recipients)
        return Profile(
            identity=identity.name,
            login=identity.name,
            credential=identity.number,
            owned=identity.owned,
            active=True,
            kind=identity.kind,
            recipients_per_message=self.rulebook.limits_of(identity.kind, identity.name).recipients_per_message,
            place=self.place(identity.name, facts.client_address, now),
            recipients=recipients,
            standing=identity.standing,
            signals=identity.signals_of_the_day(now),
            cleared_at=identity.cleared_at,
            usual_new_per_day=identity.usual_new_per_day(now) if has_new else 0.0,
            new_today=identity.day(now).new_recipients if has_new else 0,
            domain=identity.domain if identity.domain in self._domains else "",
            domain_users=len(self.identities),
            traps=tuple([place for place, one in enumerate(recipients) if one.mark in self._traps]),
        )

    def hand_in(self, facts: MessageFacts, now: float) -> Judged:
        """One message: judged, charged and remembered. Its reservation, its submission's name, is open until `end`."""
        profile = self.profile(facts, now)
        decision = run_here(judging.judge(facts, profile, self.rulebook, now), self.budgets, facts.submission, now)
        identity = self._by_number[facts.credential]
        identity.follow(decision.signals, decision.standing)
        if decision.is_doubted:
            identity.doubt(profile.place, now)
        is_kept = decision.action in (Action.ACCEPT, Action.HOLD)
        held = set(range(len(profile.recipients)) if decision.action is Action.HOLD else decision.held)
        sent = [one for place, one in enumerate(profile.recipients) if place not in held] if is_kept else []
        day, is_elsewhere = identity.day(now), profile.place.is_elsewhere
        day.add(sent, len(held) if is_kept else 0, is_elsewhere=is_elsewhere, is_refused=not is_kept)
        if is_kept:
            take_back = partial(day.take_back, sent, len(held), is_elsewhere=is_elsewhere)
            waiting = {profile.recipients[place].mark for place in held}
            made = _Sent(identity, profile.place, {one.mark: one for one in sent}, waiting, take_back)
            self._keep(facts.submission, made)
        return Judged(decision=decision, profile=profile, reservation=facts.submission if is_kept else "")

    def end(self, reservation: str, outcome: RelayOutcome, now: float) -> None:
        """What became of it at the next hop; whoever was written to is known from now on."""
        if outcome is RelayOutcome.FAILED:
            failed = self._sent.pop(reservation, None)
            if self.budgets.release(reservation, now) and failed:
                failed.take_back()
            return
        self.budgets.commit(reservation, now)
        if sent := self._sent.get(reservation):
            sent.identity.known.update(dict.fromkeys(sent.recipients, day_of(now)))

    def deliver(self, submission: str, recipient: str, outcome: DeliveryOutcome, now: float) -> Signal | None:
        """What became of one recipient, and the signal that follows from it. Known ones say nothing, and one for whom
        it was held, and let go, is known from now on.
        """
        sent, mark = self._sent.get(submission), self._marked(recipient)[0]
        if sent and mark in sent.held and outcome is not DeliveryOutcome.OTHER:
            sent.identity.known[mark] = day_of(now)
        one = sent.recipients.pop(mark, None) if sent else None
        if not sent or not one or not one.is_new:
            return None
        identity, today = sent.identity, sent.identity.day(now)
        report = Report(
            identity=identity.name,
            kind=identity.kind,
            place=sent.place,
            outcomes=(outcome,),
            likelihood=identity.likelihood,
            standing=identity.standing,
            signals=identity.signals_of_the_day(now),
            recipients_today=today.recipients,
            unknown_today=today.unknown_recipients,
        )
        weighed = run_here(weigh(report, self.rulebook, now), self.budgets, next(self._unnamed), now)
        identity.likelihood = weighed.likelihood
        today.unknown_recipients += weighed.unknown
        identity.follow(weighed.signals, weighed.standing)
        return weighed.signals[0] if weighed.signals else None

    def take_back(self, name: str, now: float) -> None:
        """The owner or an administrator says that it was nothing: signals and standing are cleared."""
        identity = self.identities[name]
        identity.cleared_at = now if identity.signals else identity.cleared_at
        identity.signals, identity.standing, identity.likelihood = [], FREE, 0.0

    def confirm(self, name: str, client_address: str, now: float) -> None:
        """The owner says that a network, and its area, are his."""
        self._vouch(self.identities[name], self._origin_of(client_address), now)

    def distrust(self, name: str, client_address: str) -> None:
        """The owner says that it was not him who made a network his: it is strange again."""
        identity, origin = self.identities[name], self._origin_of(client_address)
        gone = identity.networks.pop(origin.network)
        if identity.areas[origin.area].first_used_at >= gone.first_used_at:
            del identity.areas[origin.area]

    def _vouch(self, identity: Identity, origin: Origin, now: float) -> None:
        identity.areas[origin.area] = vouched(identity.areas.get(origin.area), now)
        identity.networks[origin.network] = vouched(identity.networks.get(origin.network), now)

    def _recipient(self, identity: Identity, address: str, known_since: int) -> Recipient:
        mark, domain = self._marked(address)
        is_known = identity.known.get(mark, -math.inf) >= known_since
        return Recipient(mark, domain in self._domains, is_known)

    def _mark(self, address: str) -> tuple[int, str]:
        canonical = canonical_address(address)
        return self._marks.text(canonical), canonical.rpartition("@")[2]

    def _keep(self, submission: str, sent: _Sent) -> None:
        self._sent[submission] = sent
        if len(self._sent) > _SENT_KEPT:
            self._sent.popitem(last=False)
