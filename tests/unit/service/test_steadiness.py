"""A lost question turns nothing; what lasts does; what is well again is so at once."""

from dataclasses import dataclass

import pytest

from service.health import Health
from service.steadiness import LASTING_S, Steadiness

STORE, BUDGETS = "the store is away", "the budgets are away"


@dataclass
class Ticks:
    """Seconds, as the test has them."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


WELL, AWAY, BOTH = Health(), Health((STORE,), ("old",)), Health((STORE, BUDGETS))

COURSES = [
    # what it shows, what is seen at which second, the faults that are said each time
    ("what begins ill is not ready at once", [(0, AWAY), (1, AWAY)], [(STORE,), (STORE,)]),
    ("one lost question", [(0, WELL), (1, AWAY), (2, WELL)], [(), (), ()]),
    ("what lasts", [(0, WELL), (1, AWAY), (5.9, AWAY), (6, AWAY)], [(), (), (), (STORE,)]),
    ("one question, however late the next", [(0, WELL), (100, AWAY), (101, AWAY)], [(), (), ()]),
    ("a success ends it", [(0, WELL), (1, AWAY), (6, AWAY), (7, WELL), (8, AWAY)], [(), (), (STORE,), (), ()]),
    ("a success between two", [(0, WELL), (1, AWAY), (4, WELL), (5, AWAY), (7, AWAY)], [(), (), (), (), ()]),
    (
        "each has its own time",
        [(0, WELL), (1, AWAY), (4, BOTH), (6, BOTH), (9, BOTH)],
        [(), (), (), (STORE,), (STORE, BUDGETS)],
    ),
    ("well after it began ill", [(0, AWAY), (1, WELL), (2, AWAY)], [(STORE,), (), ()]),
]


@pytest.mark.parametrize(("seen", "said"), [case[1:] for case in COURSES], ids=[case[0] for case in COURSES])
def test_readiness(seen: list[tuple[float, Health]], said: list[tuple[str, ...]]) -> None:
    """Whatever is not said as a fault is said as a warning: nothing is kept back."""
    ticks = Ticks()
    steadiness, begun = Steadiness(ticks), ticks.now
    for (second, health), faults in zip(seen, said, strict=True):
        ticks.now = begun + second
        told = steadiness.steadied(health)
        assert (second, told.faults) == (second, faults)
        assert set(told.faults + told.warnings) == set(health.faults + health.warnings)


def test_it_lasts_longer_than_a_question() -> None:
    """Or one that ran into its own deadline (four seconds at the store) would turn it."""
    assert LASTING_S > 4
