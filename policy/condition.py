"""Whether policy can do its work: what /health/ready says, and what its own report says (reporting.py).

Asked at the moment; one lost answer turns nothing (service/steadiness.py). What others are like who do not answer, and
whether the store takes changes (a full disk still answers), is as of the last round of reports.

Whoever asks has five seconds of patience (service/health.py), and a server that hangs takes longer to be given up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from policy.geo.atlas import Atlas
from policy.store.health_reports import Service
from service.ailments import Ailment
from service.health import Health
from service.steadiness import Steadiness

STORE_AWAY, STORE_FULL, BUDGETS_AWAY = (
    ailment.of() for ailment in (Ailment.STORE_SILENT, Ailment.STORE_FULL, Ailment.BUDGETS_SILENT)
)
_AWAY: Mapping[Service, str] = {
    Service.QUEUE_AGENT: Ailment.AGENT_AWAY.of(),
    Service.DOVECOT: Ailment.DOVECOT_AWAY.of(),
}

_PATIENCE_S = 2.0  # with the store, and with the server of the budgets
_SLOW_S = 2.0  # a message waits for two changes, and the gateway for five seconds

Ask = Callable[[], Awaitable[object]]  # raises where nobody answers
AskSchema = Callable[[], Awaitable[str]]  # raises, too


@dataclass(slots=True, kw_only=True)
class Condition:
    """`ask_budgets` is None where they are in the database; `away`, `takes_changes` and `change_s` are kept by
    reporting.py.

    `ask_schema` says which one the database has, and `schema` is ours. A newer one is no fault: while a new version is
    rolled out, the old ones go on with a schema that has more than they know (docs/upgrading.md).
    """

    ask_store: Ask
    ask_budgets: Ask | None
    policy_file_fault: Callable[[], int]  # its line; 0 where the file is in force
    atlas: Atlas
    ask_schema: AskSchema | None = None
    schema: str = ""
    away: set[Service] = field(default_factory=set)
    takes_changes: bool = True
    change_s: float = 0.0  # how long the last one took
    steadiness: Steadiness = field(default_factory=Steadiness)

    async def look(self) -> Health:
        faults = [] if await answers(self.ask_store) else [STORE_AWAY]
        newer = [] if faults else await self._of_schema()
        if not faults and not self.takes_changes:
            faults.append(STORE_FULL)
        if self.ask_budgets and not await answers(self.ask_budgets):
            faults.append(BUDGETS_AWAY)
        return self.steadiness.steadied(Health(tuple(faults), (*newer, *self._warnings())))

    async def _of_schema(self) -> list[str]:
        try:
            found = await self.ask_schema() if self.ask_schema else ""
        except Exception:  # noqa: BLE001 - that the store is away is said by ask_store
            return []
        is_newer = found.isdigit() and found > self.schema
        return [Ailment.SCHEMA_NEWER.of(found=found, ours=self.schema)] if is_newer else []

    def _warnings(self) -> list[str]:
        found = list[str]()
        if self.change_s > _SLOW_S:
            found.append(Ailment.STORE_SLOW.of(seconds=int(self.change_s)))
        if line := self.policy_file_fault():
            found.append(Ailment.POLICY_FILE_REFUSED.of(line=line))
        found += [Ailment.GEO_NOT_IN_USE.of(path=str(path), why=why) for path, why in self.atlas.faults]
        return [*found, *(sentence for service, sentence in _AWAY.items() if service in self.away)]


async def answers(ask: Ask) -> bool:
    """Whether it does within the time that there is."""
    asking = asyncio.ensure_future(_asked(ask))
    done, _ = await asyncio.wait({asking}, timeout=_PATIENCE_S)  # not cancelled, which takes as long as an answer
    return bool(done) and asking.result()


async def _asked(ask: Ask) -> bool:
    try:
        await ask()
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer; who asked for a decision has logged it
        return False
    return True
