"""How high everything went, had nothing been refused: what each limit would have to be for nobody to meet it.

Every message is charged, on budgets of their own on which no limit is enforced; a charge that was refused is not seen
by the ones that decide, and the peaks would end at the limits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from policy.budgets.memory import MemoryBudgets
from policy.engine import charges
from policy.engine.budget import Charge, Distinct, Sum, Take, Window
from policy.engine.profile import Profile
from policy.engine.rulebook import Mode, Rulebook

_RULES = (*charges.RATES, *charges.SERVER, *charges.PROBATION, *charges.NEW, *charges.SPREAD)
_MEMBERS_SEEN = 1_000_000  # of a set
_PER_MESSAGE = "recipients-per-message"
EVERYBODY = ""  # whose peak it is where a budget is the domain's or the host's


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The highest that one identity has reached in one window. `seconds` is 0 for a limit of each message."""

    rule: str
    kind: str  # whose limit it is: person, app, newsletter; empty for the domain's and the host's
    identity: str
    seconds: float
    limit: int
    highest: int
    at: float

    @property
    def share(self) -> float:
        """Of the limit; a limit of nothing is exceeded by the first."""
        return self.highest / self.limit if self.limit else float(self.highest)

    @property
    def is_over(self) -> bool:
        return self.highest > self.limit


class Peaks:
    """Takes the messages in their order."""

    def __init__(self, rulebook: Rulebook) -> None:
        unlimited = {rule: Mode.OBSERVE for rule in _RULES if rulebook.mode(rule) is not Mode.OFF}
        self._rulebook = replace(rulebook, modes={**rulebook.modes, **unlimited})
        self._budgets = MemoryBudgets()
        self._highest: dict[tuple[str, str, float], tuple[int, float, str, int]] = {}
        self._number = 0

    def add(self, profile: Profile, message_bytes: int, now: float) -> None:
        """One message, with all of its recipients."""
        asked = tuple(self._charges(profile, message_bytes))
        self._number += 1
        reservation = str(self._number)
        taken = self._budgets.reserve(reservation, Take(asked), now)
        self._budgets.commit(reservation, now)
        for charge, after in zip(asked, taken.after, strict=True):
            whose = EVERYBODY if charge.name in charges.SERVER else profile.identity
            for window, count in zip(charge.windows, after, strict=True):
                if window.limit != _MEMBERS_SEEN:
                    self._see(charge.name, whose, window.seconds, (count, now, profile.kind, window.limit))
        limit = self._rulebook.limits_of(profile.kind, profile.identity).recipients_per_message
        self._see(_PER_MESSAGE, profile.identity, 0.0, (len(profile.recipients), now, profile.kind, limit))

    def all(self) -> Iterator[Peak]:
        """In no order."""
        for (rule, identity, seconds), (count, at, kind, limit) in self._highest.items():
            is_in_quarters = rule == "messages"
            yield Peak(
                rule=rule,
                kind=kind if identity != EVERYBODY else "",
                identity=identity,
                seconds=seconds,
                limit=limit // charges.QUARTERS if is_in_quarters else limit,
                highest=-(-count // charges.QUARTERS) if is_in_quarters else count,
                at=at,
            )

    def _see(self, rule: str, identity: str, seconds: float, seen: tuple[int, float, str, int]) -> None:
        key = (rule, identity, seconds)
        known = self._highest.get(key)
        if known is None or seen[0] > known[0]:
            self._highest[key] = seen

    def _charges(self, profile: Profile, message_bytes: int) -> Iterator[Charge]:
        limits = self._rulebook.limits_of(profile.kind, profile.identity)
        yield from map(_boundless, charges.message_charges(profile, profile.recipients, message_bytes, self._rulebook))
        sets = charges.spread_charges(profile.identity, profile.place, limits, self._rulebook, profile.cleared_at)
        yield from map(_boundless, sets)


def _boundless(charge: Charge) -> Charge:
    """Of a set as many members are kept as its largest limit: one more window, or none would be seen above that."""
    if isinstance(charge, Sum):
        return charge
    return Distinct(charge.name, charge.key, charge.members, _with_one_more(charge.windows), charge.is_enforced)


@lru_cache(maxsize=1024)
def _with_one_more(windows: tuple[Window, ...]) -> tuple[Window, ...]:
    return (*windows, Window(_MEMBERS_SEEN, max(window.seconds for window in windows)))
