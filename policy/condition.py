"""Whether policy can do its work: what /health/ready says, and what its own report says (reporting.py).

Asked at the moment. What others are like who do not answer, and whether the store takes changes (a full disk still
answers), is as of the last round of reports.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from policy.geo.atlas import Atlas
from policy.store.health_reports import Service
from service.health import Health

STORE_AWAY = "the database does not answer: nothing can be decided"
STORE_FULL = "the database takes no changes: nothing can be decided"
BUDGETS_AWAY = "the server of the budgets does not answer: no message can be judged"
_AWAY: Mapping[Service, str] = {
    Service.QUEUE_AGENT: "the queue agent does not answer: nothing in the queue can be held, released or looked at",
    Service.DOVECOT: "Dovecot does not answer: sessions of lost credentials go on",
}

Ask = Callable[[], Awaitable[object]]  # raises where nobody answers


@dataclass(slots=True, kw_only=True)
class Condition:
    """`ask_budgets` is None where they are in the database; `away` and `takes_changes` are kept by reporting.py."""

    ask_store: Ask
    ask_budgets: Ask | None
    policy_file_fault: Callable[[], str]  # empty where the file is in force
    atlas: Atlas
    away: set[Service] = field(default_factory=set)
    takes_changes: bool = True

    async def look(self) -> Health:
        faults = [] if await _answers(self.ask_store) else [STORE_AWAY]
        if not faults and not self.takes_changes:
            faults.append(STORE_FULL)
        if self.ask_budgets and not await _answers(self.ask_budgets):
            faults.append(BUDGETS_AWAY)
        return Health(tuple(faults), tuple(self._warnings()))

    def _warnings(self) -> list[str]:
        found = []
        if fault := self.policy_file_fault():
            found.append(f"the policy file is refused, and what was in force before goes on: {fault}")
        found += [f"the database of addresses {path} is not in use: {why}" for path, why in self.atlas.faults]
        return [*found, *(sentence for service, sentence in _AWAY.items() if service in self.away)]


async def _answers(ask: Ask) -> bool:
    try:
        await ask()
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer; who asked for a decision has logged it
        return False
    return True
