"""What keeps the agent from its work, as those who do it last saw it; /health/ready says it (service/health.py).

watch.py       whether Postfix's log can be followed
reporting.py   whether policy takes reports
app.py         whether Postfix does what it is told
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.health import Health

_QUEUE = "the queue cannot be read"
_ASKED_AGAIN_S = 300.0
_LOG = "Postfix's log cannot be followed: nobody learns what becomes of mail; the log has log-not-followed"


@dataclass(slots=True)
class Condition:
    """Of one process."""

    is_log_followed: bool = True
    is_policy_taking: bool = True
    ticks: Callable[[], float] = time.monotonic
    _failed_order: str = ""  # hold, release, ...: the last one came to nothing
    _failed_at: float = 0.0

    def order_failed(self, order: str) -> None:
        self._failed_order, self._failed_at = order, self.ticks()

    def order_done(self) -> None:
        self._failed_order = ""

    def health(self, *, is_queue_read: bool, unreported: int) -> Health:
        faults = [] if is_queue_read else [_QUEUE]
        if not self.is_log_followed:
            faults.append(_LOG)
        # Policy asks again every few seconds. Where it does not, the order was called off, and nobody misses it.
        if self._failed_order and self.ticks() - self._failed_at < _ASKED_AGAIN_S:
            order = f"the last order ({self._failed_order})"
            faults.append(f"{order} could not be carried out; the log has postfix-failed")
        taken = "policy does not take reports of what became of mail"
        warnings = [] if self.is_policy_taking else [f"{taken}: {unreported} wait"]
        return Health(tuple(faults), tuple(warnings))
