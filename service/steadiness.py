"""When a fault counts: whether a service is ready does not turn with one lost question. Pure, but for the clock.

What was well is at fault when nothing but failures was seen of it for LASTING_S, at least twice; until then the
sentence is a warning. It is well again with the first success. What was not well yet since its start is not ready:
whatever waits for it goes on waiting.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.health import Health

LASTING_S = 5.0


@dataclass(slots=True)
class Steadiness:
    """Of one service. `ticks` are seconds that never go backwards."""

    ticks: Callable[[], float] = time.monotonic
    _was_ready: bool = False
    _since: dict[str, float] = field(default_factory=dict)  # each fault that the last look has seen

    def steadied(self, seen: Health) -> Health:
        """What to say of what was seen just now."""
        now = self.ticks()
        self._was_ready = self._was_ready or seen.is_ready
        self._since = {fault: self._since.get(fault, now) for fault in seen.faults}
        if not self._was_ready:
            return seen
        lasting = tuple(fault for fault in seen.faults if now - self._since[fault] >= LASTING_S)
        passing = tuple(fault for fault in seen.faults if fault not in lasting)
        return Health(lasting, passing + seen.warnings)
