"""Who has used nine tenths of what it may send in a day, and that all together have used theirs up.

Told once for each budget and day.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policy.alerting.kinds import Kind
from policy.engine.charges import SERVER
from policy.engine.suspicion import Stood, in_words
from policy.store.notices import NoticeBook
from service.spans import DAY_S

SHARE = 0.9
_BUDGETS = frozenset({"messages", "recipients", "bytes", "new-recipients"})


@dataclass(frozen=True, slots=True)
class NearlySpent:
    """Whom nothing is told of costs no question. Nothing is remembered: a transaction may come to nothing."""

    notices: NoticeBook

    def note(self, identity: str, stood: Sequence[Stood], now: float) -> None:
        """Within the transaction of the message."""
        for one in nearly_spent(stood):
            what = f"{one.after} of {one.limit} {one.rule} of a day are used"
            lines = [f"Whose: {identity}.", f"More: sallyport identity show {identity}"]
            self._tell(Kind.BUDGET_90, identity, one, what, lines, now)
        for one in stood:
            if one.rule in SERVER and one.is_enforced and one.is_over:
                whose = one.key.partition(":")[2] or "the server"
                lines = ["Done already: what is more is deferred; mail programs and servers try again by themselves."]
                self._tell(Kind.SERVER_BUDGET_SPENT, whose, one, str(in_words(one)), lines, now)

    def _tell(self, kind: Kind, whose: str, one: Stood, what: str, lines: Sequence[str], now: float) -> None:
        thread = f"{kind.value}:{whose}:{one.rule}"
        if self.notices.is_told(thread, now - now % DAY_S):
            return
        facts: dict[str, object] = {"budget": one.rule, "used": one.after, "limit": one.limit}
        if kind is Kind.BUDGET_90:
            facts["identity"] = whose
        self.notices.add(kind, f"{whose}: {what}", lines, now, thread=thread, facts=facts)


def nearly_spent(stood: Sequence[Stood]) -> Iterator[Stood]:
    """The budgets of a day that are in force and nearly used up."""
    for one in stood:
        if one.seconds == DAY_S and one.is_enforced and one.after >= SHARE * one.limit > 0 and one.rule in _BUDGETS:
            yield one
