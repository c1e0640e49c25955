"""What keeps the agent from its work, as those who do it last saw it; /health/ready says it (service/health.py).

watch.py       whether Postfix's log can be followed
reporting.py   whether policy takes reports, and can read each
app.py         whether Postfix does what it is told
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.ailments import Ailment
from service.health import Health
from service.steadiness import Steadiness

_ASKED_AGAIN_S = 300.0


@dataclass(slots=True)
class Condition:
    """Of one process."""

    is_log_followed: bool = True
    is_policy_taking: bool = True
    reports_aside: int = 0  # that policy cannot read
    ticks: Callable[[], float] = time.monotonic
    _failed_order: str = ""  # hold, release, ...: the last one came to nothing
    _failed_at: float = 0.0
    _steadiness: Steadiness = field(init=False)

    def __post_init__(self) -> None:
        self._steadiness = Steadiness(self.ticks)

    def order_failed(self, order: str) -> None:
        self._failed_order, self._failed_at = order, self.ticks()

    def order_done(self) -> None:
        self._failed_order = ""

    def health(self, *, is_queue_read: bool, has_room: bool = True, unreported: int) -> Health:
        faults = [] if is_queue_read else [Ailment.SPOOL_UNREADABLE.of()]
        if not self.is_log_followed:
            faults.append(Ailment.LOG_NOT_FOLLOWED.of())
        # Policy asks again every few seconds. Where it does not, the order was called off, and nobody misses it.
        if self._failed_order and self.ticks() - self._failed_at < _ASKED_AGAIN_S:
            faults.append(Ailment.ORDER_FAILED.of(order=self._failed_order))
        # No fault: orders are carried out, and make room.
        warnings = [] if has_room else [Ailment.SPOOL_FULL.of()]
        if not self.is_policy_taking:
            warnings.append(Ailment.REPORTS_NOT_TAKEN.of(number=unreported))
        if self.reports_aside:
            warnings.append(Ailment.REPORTS_UNREAD.of(number=self.reports_aside))
        return self._steadiness.steadied(Health(tuple(faults), tuple(warnings)))
