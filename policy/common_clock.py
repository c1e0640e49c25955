"""The time for several policies that share one database: the database's, for it alone is the same for all of them.

A budget is one for all policies, and so its windows need one time. Of two machines whose clocks are ten minutes apart,
each would see what the other one charges leave its window ten minutes early, and a thief would have the difference.

Where the two agree to half a second, and with a time service they do, the machine's own clock is the time and nothing
is corrected. With SQLite there is one machine, and none of this.
"""

from collections.abc import Awaitable, Callable

from policy import log
from policy.rounds import Rounds
from policy.store.reader import Reader
from policy.store.statements import prepared

PERIOD_S = 5.0
_AGAIN_S = 0.2  # as long as the database has not answered yet
_LEEWAY_S = 0.5  # less is a slow answer, or the work of a time service

_NOW = prepared("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")

Ask = Callable[[], Awaitable[float]]  # the common time; raises where nobody answers


class CommonClock(Rounds):
    """`own` is the machine's; called, it tells the common time, in seconds since 1970."""

    def __init__(self, own: Callable[[], float], ask: Ask) -> None:
        self._own, self._ask = own, ask
        self._ahead_s = 0.0  # by which the common clock is ahead of our own
        self.period_s = _AGAIN_S

    def __call__(self) -> float:
        return self._own() + self._ahead_s

    async def round(self) -> None:
        """Compare once; raises where nobody answers. The answer was true at some moment while it was waited for."""
        before = self._own()
        common = await self._ask()
        least, most = common - self._own(), common - before
        self.period_s = PERIOD_S
        if not least - _LEEWAY_S <= self._ahead_s <= most + _LEEWAY_S:
            self._ahead_s = (least + most) / 2
            log.clock_differs(self._ahead_s)

    def failed(self, error: Exception) -> None:
        """The store is away: nothing is decided, and others say so."""


def database_time(reader: Reader) -> Ask:
    """Of a PostgreSQL server."""

    async def ask() -> float:
        ((now,),) = await reader.rows(_NOW, {})
        return float(now)

    return ask
