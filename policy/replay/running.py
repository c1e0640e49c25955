"""The engine on a log's clock.

Until `learn_until` a log only teaches: whom each identity writes to, who writes to it, from where, and how much. Then
every message is judged. What the engine does not let through it does not learn from; what became of a message that it
would have let through is reported to it as it was.

A step of the ladder stays until somebody takes it back. Somebody is taken to look after `taken_back_after_s`; without
that, one mistake on Monday would be a hundred refusals by Friday.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

from policy.budgets.memory import MemoryBudgets
from policy.contract import MessageFacts, Owned, RelayOutcome
from policy.engine.ladder import Step
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from policy.marks import Marks
from policy.queue_contract import DeliveryOutcome
from policy.replay.happenings import Arrived, BecameOf, HandedIn, Happening
from policy.replay.peaks import Peaks
from policy.replay.people import People, Person
from policy.replay.tally import Tally
from policy.simulation.world import Identity, Judged, World

_SUBMITTERS_KEPT = 20_000
SESSION_S = 600.0  # messages from one address within this time are taken for those of one login


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which part of the time is learnt from, and which is judged.

    Where `learn_until` is None it is `learn_s` behind the first that happens.
    """

    learn_until: float | None = None
    learn_s: float = 0.0
    end: float = float("inf")
    taken_back_after_s: float | None = 86400.0  # None: never


@dataclass(slots=True)
class Seen:
    """How much there was."""

    first_at: float | None = None
    last_at: float | None = None
    learnt: int = 0  # messages
    judged: int = 0
    arrived: int = 0
    beyond: int = 0  # messages after the end
    known_recipients: int = 0  # pairs of identity and recipient when judging began


class Replay:
    """Takes what has happened in its order."""

    def __init__(
        self,
        rulebook: Rulebook,
        plan: Plan,
        people: People,
        *,
        domains: Iterable[str],
        origin_of: Callable[[str], Origin],
        marks: Marks,
    ) -> None:
        """Recipients in `domains` are never new; without any, those of logins that are addresses are the server's."""
        self.tally = Tally()
        self.peaks = Peaks(rulebook)
        self.seen = Seen()
        self.domains = set(domains)
        self._has_domains = bool(self.domains)
        self.judged_from = plan.learn_until
        self.taken_back_after_s = plan.taken_back_after_s
        self._plan = plan
        self._people = people
        self._world = World(rulebook, MemoryBudgets(), domains=self.domains, origin_of=origin_of, marks=marks)
        self._origin_of = origin_of
        self._authors: dict[str, str] = {}  # an address of each identity that it owns
        self._logins: dict[str, tuple[str, float]] = {}  # identity: where from, and when it was seen last
        self._submitters: OrderedDict[str, str] = OrderedDict()  # submission: the identity that waits for its outcomes
        self._coming: list[tuple[float, int, BecameOf]] = []  # in the order of time
        self._numbers = count()
        self._raised: deque[tuple[float, str]] = deque()  # steps that will be taken back
        self._is_raised: set[str] = set()

    def take(self, one: Happening) -> Judged | None:
        """One after the other; what was decided, where it was a message that is judged."""
        if isinstance(one, BecameOf):
            if one.submission in self._submitters:
                self._await(one)
            return None
        self.seen.first_at = one.at if self.seen.first_at is None else self.seen.first_at
        if self.judged_from is None:
            self.judged_from = one.at + self._plan.learn_s
        self.seen.last_at = one.at
        if isinstance(one, Arrived):
            self._arrive(one)
        elif one.at >= self._plan.end:
            self.seen.beyond += 1
        elif one.at < self.judged_from:
            self._learn(one)
        else:
            self._hear(one.at)
            self._take_back(one.at)
            return self._judge(one)
        return None

    def _arrive(self, one: Arrived) -> None:
        """Whoever writes to somebody is known to him."""
        self.seen.arrived += 1
        for address in one.recipients:
            if (person := self._people.of_address(address)) and person.name in self._world.identities:
                self._world.learn(person.name, (one.reverse_path,), one.at)

    def _learn(self, one: HandedIn) -> None:
        identity = self._identity(one)
        if not identity.areas:
            self._world.confirm(identity.name, one.client_address, one.at)
        identity.use(self._origin_of(one.client_address), self._world.rulebook, one.at)
        known = len(identity.known)
        self._world.learn(identity.name, one.recipients, one.at)
        day = identity.day(one.at)
        day.messages += 1
        day.recipients += len(one.recipients)
        day.new_recipients += len(identity.known) - known
        self.seen.learnt += 1
        self.seen.known_recipients += len(identity.known) - known

    def _judge(self, one: HandedIn) -> Judged:
        identity = self._identity(one)
        self.seen.judged += 1
        self.tally.identity(identity.name, identity.kind)
        self._log_in(identity, one)
        judged = self._world.hand_in(self._facts(one, identity), one.at)
        if judged.reservation:
            self._world.end(judged.reservation, RelayOutcome.RELAYED, one.at)
            self._expect(one, judged)
        self.tally.add(one, judged)
        self.peaks.add(judged.profile, one.message_bytes, one.at)
        self._watch(identity, one.at)
        return judged

    def _log_in(self, identity: Identity, one: HandedIn) -> None:
        """A log does not say which messages were of one session."""
        where, last = self._logins.get(identity.name, ("", 0.0))
        self._logins[identity.name] = (one.client_address, one.at)
        if where == one.client_address and one.at - last < SESSION_S:
            return
        for signal in self._world.log_in(identity.name, one.client_address, one.at).signals:
            self.tally.signal(identity.name, signal)

    def _expect(self, one: HandedIn, judged: Judged) -> None:
        """Only what becomes of new recipients says anything."""
        if any(recipient.is_new for recipient in judged.profile.recipients):
            self._submitters[one.submission] = judged.profile.identity
            if len(self._submitters) > _SUBMITTERS_KEPT:
                self._submitters.popitem(last=False)
            for became in one.became:
                self._await(became)

    def _await(self, became: BecameOf) -> None:
        heapq.heappush(self._coming, (became.at, next(self._numbers), became))

    def _hear(self, now: float) -> None:
        """What the world has said until now."""
        while self._coming and self._coming[0][0] <= now:
            became = heapq.heappop(self._coming)[2]
            name = self._submitters.get(became.submission)
            if name is None:
                continue
            identity = self._world.identities[name]
            if became.outcome is DeliveryOutcome.UNKNOWN_RECIPIENT:
                self.tally.identity(name, identity.kind).unknown_recipients += 1
            before = len(identity.signals)
            self._world.deliver(became.submission, became.recipient, became.outcome, became.at)
            for signal in identity.signals[before:]:
                self.tally.signal(name, signal)
            self._watch(identity, became.at)

    def _watch(self, identity: Identity, now: float) -> None:
        self.tally.step(identity.name, identity.standing.step, now)
        after = self.taken_back_after_s
        if after is not None and identity.standing.step > Step.FREE and identity.name not in self._is_raised:
            self._is_raised.add(identity.name)
            self._raised.append((now + after, identity.name))

    def _take_back(self, now: float) -> None:
        while self._raised and self._raised[0][0] <= now:
            name = self._raised.popleft()[1]
            self._is_raised.discard(name)
            self._world.take_back(name, now)

    def _identity(self, one: HandedIn) -> Identity:
        person = self._people.of_login(one.login, one.kind)
        identity = self._world.identities.get(person.name)
        return identity or self._new_identity(person)

    def _new_identity(self, person: Person) -> Identity:
        domain = person.name.rpartition("@")[2]
        if domain != person.name and not self._has_domains:
            self.domains.add(domain)
            self._world.add_domain(domain)
        made = self._world.add_identity(person.name, kind=person.kind, addresses=person.addresses[:1])
        if person.owned is not None:
            made.owned = person.owned
        self._authors[person.name] = _an_address(made.owned)
        return made

    def _facts(self, one: HandedIn, identity: Identity) -> MessageFacts:
        """A log does not have the author; the reverse-path is asked for where somebody knows who owns it."""
        person = self._people.of_login(one.login)
        return MessageFacts.model_construct(
            submission=one.submission,
            session="",
            listener="",
            gate="default",
            client_address=one.client_address,
            client_name="",
            credential=identity.number,
            reverse_path=one.reverse_path if person.owned is not None else "",
            recipients=one.recipients,
            authors=(self._authors[identity.name],),
            senders=(),
            names=(),
            message_bytes=one.message_bytes,
        )


def _an_address(owned: Owned) -> str:
    return min(owned.addresses) if owned.addresses else f"postmaster@{min(owned.domains)}"
