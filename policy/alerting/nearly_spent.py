"""Who has used nine tenths of what it may send in a day: told once for each budget and day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from policy.alerting.kinds import Kind
from policy.engine.suspicion import Stood
from policy.store.notices import NoticeBook

SHARE = 0.9
_BUDGETS = frozenset({"messages", "recipients", "bytes", "new-recipients"})
_DAY_S = 86400.0


@dataclass(slots=True)
class NearlySpent:
    """What was told today is kept in mind, so that an ordinary message costs no question to the store."""

    notices: NoticeBook
    _day: float = -1.0
    _told: set[tuple[str, str]] = field(default_factory=set)

    def note(self, identity: str, stood: Sequence[Stood], now: float) -> None:
        """Within the transaction of the message."""
        for one in nearly_spent(stood):
            self._tell(identity, one, now)

    def _tell(self, identity: str, one: Stood, now: float) -> None:
        today, key = now - now % _DAY_S, (identity, one.rule)
        if today != self._day:
            self._day, self._told = today, set()
        if key in self._told:
            return
        self._told.add(key)
        thread = f"{Kind.BUDGET_90.value}:{identity}:{one.rule}"
        if self.notices.is_told(thread, today):  # by another process, or before a restart
            return
        self.notices.add(
            Kind.BUDGET_90,
            f"{identity}: {one.after} of {one.limit} {one.rule} of a day are used",
            [f"Whose: {identity}.", f"More: sallyport identity show {identity}"],
            now,
            thread=thread,
            facts={"identity": identity, "budget": one.rule, "used": one.after, "limit": one.limit},
        )


def nearly_spent(stood: Sequence[Stood]) -> Iterator[Stood]:
    """The budgets of a day that are in force and nearly used up."""
    for one in stood:
        if one.seconds == _DAY_S and one.is_enforced and one.after >= SHARE * one.limit > 0 and one.rule in _BUDGETS:
            yield one
