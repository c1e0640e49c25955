"""The sequential test on recipients that do not exist (Wald 1945), pure.

H0: one in fifty new recipients is unknown, as with people who type; H1: three in ten, as with bought lists. Errors of
the first kind 1e-4, of the second 5 %: four unknown ones in a row decide, with three in ten it takes fifteen
recipients. Known recipients do not count: an old address book has dead addresses.
"""

import math

UNKNOWN_H0, UNKNOWN_H1 = 0.02, 0.30
FALSE_ALARM, MISSED = 1e-4, 0.05
HIT = math.log(UNKNOWN_H1 / UNKNOWN_H0)  # +2.71
MISS = math.log((1 - UNKNOWN_H1) / (1 - UNKNOWN_H0))  # -0.336
UPPER = math.log((1 - MISSED) / FALSE_ALARM)  # 9.16
LOWER = math.log(MISSED / (1 - FALSE_ALARM))  # -3.0


def likelihood_after(likelihood: float, *, is_unknown: bool) -> float:
    """The logarithm of the likelihood ratio with one recipient more; at the lower bound the test begins anew."""
    after = likelihood + (HIT if is_unknown else MISS)
    return 0.0 if after <= LOWER else after


def is_list(likelihood: float) -> bool:
    """Whether the recipients are those of a bought list."""
    return likelihood >= UPPER
