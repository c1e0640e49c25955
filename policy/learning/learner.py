"""What sources give becomes recipient history: whose it is, what is too old, what is new; a batch at a time.

    learner = Learner(history, owners, Terms(...), now)
    for item in source:
        learner.take(item)
    learner.write()
    learner.summary

What is taken is gathered first, because people write to the same ones again and again, and then goes into the store, a
batch for each transaction. A rehearsal does all of it but the writing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from policy.learning.found import Broken, Found, Item, PassedOver
from policy.learning.owners import Owners
from policy.store.audit import Values
from policy.store.history import Pair, RecipientHistory
from policy.store.recipients import KEPT_DAYS, day_of
from service.spans import DAY_S

GATHERED = 50_000  # pairs of identity and recipient; some ten megabytes
BATCH = 5_000  # of these in a transaction
SHOWN = 10  # of what is wrong

_REMEMBERED = 50_000  # addresses whose marks need not be made again
_NAMES_LIMIT = 1000  # of unknown logins that are told apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`subject` and `source` are for the audit log. `most`: new recipients of one identity, None is no limit."""

    subject: str
    source: Values
    since: float = 0.0
    most: int | None = None
    is_rehearsal: bool = False


@dataclass(slots=True)
class Summary:
    """What has come of it so far; `new` is by identity."""

    messages: int = 0  # or lines of a table
    recipients: int = 0  # of these messages; one that comes twice counts twice
    new: Counter[str] = field(default_factory=Counter)
    known: int = 0
    too_old: int = 0
    too_many: int = 0  # more than `most`
    passed_over: Counter[str] = field(default_factory=Counter)  # messages, by why
    unknown: Counter[str] = field(default_factory=Counter)  # messages, by whose nobody knows
    broken: int = 0
    first_broken: list[Broken] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """For the audit log: what was read, and what was learnt."""
        return {
            "messages": self.messages,
            "recipients": self.recipients,
            "new": self.new.total(),
            "identities": len(self.new),
            "known": self.known,
            "broken": self.broken,
        }


class Learner:
    """One run. The batches that were written stay written, whatever happens next."""

    def __init__(self, history: RecipientHistory, owners: Owners, terms: Terms, now: float) -> None:
        self.summary = Summary()
        self._history = history
        self._owners = owners
        self._terms = terms
        self._now = now
        self._earliest = max(terms.since, (day_of(now) - KEPT_DAYS) * DAY_S)
        self._mark = lru_cache(_REMEMBERED)(history.marks.recipient)
        self._waiting: dict[Pair, int] = {}
        self._names: dict[int, str] = {}
        self._rehearsed: set[Pair] = set()
        self._has_begun = False

    def take(self, item: Item) -> None:
        """Nothing that a source gives is an error."""
        summary = self.summary
        if isinstance(item, Broken):
            summary.broken += 1
            if len(summary.first_broken) < SHOWN:
                summary.first_broken.append(item)
        elif isinstance(item, PassedOver):
            summary.passed_over[item.why] += 1
        else:
            summary.messages += 1
            self._gather(item)
        if len(self._waiting) >= GATHERED:
            self.write()

    def write(self) -> None:
        """What has been gathered goes into the store."""
        gathered, self._waiting = iter(self._waiting.items()), {}
        while batch := dict(islice(gathered, BATCH)):
            known = self._history.there(batch, self._now) | (batch.keys() & self._rehearsed)
            new = self._allowed([pair for pair in batch if pair not in known])
            if self._terms.is_rehearsal:
                self._rehearsed.update(new)
            else:
                self._keep({pair: batch[pair] for pair in (*known, *new)})
            self.summary.known += len(known)
            self.summary.new.update(self._names[identity] for identity, _ in new)

    def end(self) -> None:
        """The audit log gets what has come of it, if anything was written."""
        if self._has_begun:
            self._history.end(self._terms.subject, self.summary.counts(), self._now)

    def _gather(self, found: Found) -> None:
        summary = self.summary
        owner = self._owners.owner(found.whose)
        if owner is None:
            if found.whose in summary.unknown or len(summary.unknown) < _NAMES_LIMIT:
                summary.unknown[found.whose] += 1
            else:
                summary.unknown["others"] += 1
            return
        summary.recipients += len(found.addresses)
        if found.at < self._earliest:
            summary.too_old += len(found.addresses)
            return
        self._names[owner.id] = owner.name
        day = day_of(min(found.at, self._now))
        for address in found.addresses:
            pair = (owner.id, self._mark(address))
            self._waiting[pair] = max(day, self._waiting.get(pair, 0))

    def _allowed(self, new: list[Pair]) -> list[Pair]:
        """Not more than `most` of one identity, those first that came first."""
        most = self._terms.most
        if most is None:
            return new
        allowed: list[Pair] = []
        counts = Counter[str]()
        for pair in new:
            name = self._names[pair[0]]
            if self.summary.new[name] + counts[name] < most:
                counts[name] += 1
                allowed.append(pair)
        self.summary.too_many += len(new) - len(allowed)
        return allowed

    def _keep(self, days: Mapping[Pair, int]) -> None:
        begun = None if self._has_begun else (self._terms.subject, self._terms.source)
        self._history.learn(days, self._now, begun)
        self._has_begun = self._has_begun or bool(days)
