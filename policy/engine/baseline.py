"""How many new recipients a day are far more than an identity's own past explains, pure.

Counts of a day are taken for Poisson: a day is out of the ordinary where a count as high would be seen once in a
million days. The past may raise the alarm's level, and never a limit.
"""

import math
from functools import lru_cache

RARE = 1e-6


def usual_limit(per_day: float) -> int:
    """The smallest count of a day that is out of the ordinary where `per_day` is the mean; 15 for 3 a day."""
    return _limit(math.ceil(per_day * 2) / 2)


@lru_cache(maxsize=1024)
def _limit(mean: float) -> int:
    probability = math.exp(-mean)
    beyond, count = 1 - probability, 1  # P(X >= 1)
    while beyond >= RARE:
        probability *= mean / count
        beyond -= probability
        count += 1
    return count
