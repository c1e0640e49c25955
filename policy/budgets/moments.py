"""When a charge counts as made: what all back ends agree on about clocks, and how long a set may grow. Pure.

Two processes differ by a little, and a charge is never put before one that was made already: time stands still for
that key until the slower clock is there. More than CLOCK_STEP_S is a clock that was set: what it wrote from the future
counts as made now, which is no later than it truly was, so nothing is forgotten and nobody is locked out until that
future.
"""

from policy.engine.budget import MEMBERS_KEPT, Charge, Window

CLOCK_STEP_S = 60.0
_KEPT = 17 / 16  # of the longest window


def moment(now: float, newest_at: float) -> float:
    """`newest_at` is the newest charge of the same key."""
    return newest_at if now < newest_at <= now + CLOCK_STEP_S else now


def longest(windows: tuple[Window, ...]) -> float:
    return max([window.seconds for window in windows], default=0.0)


def forgotten(at: float, oldest_at: float, longest_s: float) -> float | None:
    """Up to which moment a key's charges are deleted, now that one comes at `at`; None is not yet.

    What has left the longest window waits for a while, so that not every charge has to delete one.
    """
    return at - longest_s if oldest_at <= at - longest_s * _KEPT else None


def members_kept(charge: Charge) -> int:
    """The newest so many stay. No limit is larger, so what is not kept decides nothing."""
    return max([MEMBERS_KEPT, *[window.limit for window in charge.windows]])


def has_room(charge: Charge, after: tuple[int, ...]) -> bool:
    """A charge that is not enforced always fits."""
    if charge.is_enforced:
        for window, held in zip(charge.windows, after, strict=True):
            if held > window.limit:
                return False
    return True
