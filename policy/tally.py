"""How often what was decided, in five minutes: counted in memory, written to the store every few seconds.

What is lost with a process is the last seconds of figures; budgets and records do not hang on them. The labels are ours
alone: nothing that a stranger chooses makes a row. Prometheus' figures are the same ones (policy/metrics.py).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

GRAIN_S = 300


class Stage(StrEnum):
    """Where something was decided."""

    CONNECT = "connect"
    LOGIN = "login"
    PICKUP = "pickup"  # a login at Dovecot
    MESSAGE = "message"
    DELIVERY = "delivery"  # what the world said
    SIGNAL = "signal"  # outcome: its kind; reason: the step that it led to
    OBSERVED = "observed"  # outcome: a rule that only observes, and would have met


class What(NamedTuple):
    """One figure."""

    stage: Stage
    outcome: str
    reason: str = ""


class Count(NamedTuple):
    number: int
    recipients: int


@dataclass(slots=True)
class Tally:
    """One for a process; `totals` since its start."""

    totals: Counter[What] = field(default_factory=Counter)
    _waiting: dict[int, dict[What, Count]] = field(default_factory=dict)

    def note(self, what: What, now: float, recipients: int = 0) -> None:
        self.totals[what] += 1
        of_now = self._waiting.setdefault(int(now) // GRAIN_S * GRAIN_S, {})
        number, before = of_now.get(what, (0, 0))
        of_now[what] = Count(number + 1, before + recipients)

    def take(self) -> Mapping[int, Mapping[What, Count]]:
        """What is not written yet, by the first second of the five minutes. It is the caller's from now on."""
        taken, self._waiting = self._waiting, {}
        return taken

    def give_back(self, taken: Mapping[int, Mapping[What, Count]]) -> None:
        """It could not be written."""
        for at, counts in taken.items():
            of_then = self._waiting.setdefault(at, {})
            for what, count in counts.items():
                number, recipients = of_then.get(what, (0, 0))
                of_then[what] = Count(number + count.number, recipients + count.recipients)
