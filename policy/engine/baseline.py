"""How many new recipients a day are far more than an identity's own past explains, pure.

Counts of a day are taken for Poisson: a day is out of the ordinary where a count as high would be seen once in a
million days. The past may raise the alarm's level, and never a limit. It is what was done at home, where there is one:
what a thief does elsewhere explains nothing of what he does on the next day.
"""

import math
from functools import lru_cache

RARE = 1e-6


def usual_limit(per_day: float) -> int:
    """The smallest count of a day that is out of the ordinary where `per_day` is the mean; 15 for 3 a day."""
    return _limit(math.ceil(per_day * 2) / 2)


@lru_cache(maxsize=1024)
def _limit(mean: float) -> int:
    """Summed from far out, in logarithms: exp(-mean) is nothing from 745 on, and the sum from below never ends."""
    if not mean:
        return 1
    count = math.ceil(mean + 10 * math.sqrt(mean)) + 20  # P(X >= count) is nothing
    beyond = 0.0
    while beyond < RARE:
        count -= 1
        beyond += math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    return count + 1
