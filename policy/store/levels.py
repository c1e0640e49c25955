"""How much of what there is now: what is open, on hold, and waits to be told. For whoever watches from outside."""

from dataclasses import dataclass

from policy.store.notices import FORGOTTEN
from policy.store.reader import Reader
from policy.store.statements import prepared

GIVEN_UP_WITHIN_S = 7 * 86400.0

_LEVELS = prepared(
    "SELECT (SELECT COUNT(*) FROM incident WHERE state = 'open'),"
    " (SELECT COUNT(*) FROM held WHERE state = 'held'),"
    " (SELECT MIN(at) FROM held WHERE state = 'held'),"
    " (SELECT COUNT(*) FROM notice WHERE sent_at IS NULL AND given_up_at IS NULL),"
    " (SELECT COUNT(*) FROM notice WHERE at > :since AND given_up_at IS NOT NULL AND problem <> :forgotten),"
    " (SELECT COUNT(*) FROM measure WHERE done_at IS NULL AND due_at <= :now),"
    " (SELECT MAX(at) FROM tally)"
)


@dataclass(frozen=True, slots=True)
class Levels:
    """Of all processes that work on one store. A time is None where there is none."""

    incidents_open: int
    held: int
    held_oldest_at: float | None
    notices_waiting: int
    notices_given_up: int  # of the last GIVEN_UP_WITHIN_S
    measures_due: int  # what containment has still to do
    counted_at: float | None  # the first second of the newest five minutes of figures (policy.tally)


async def levels(reader: Reader, now: float) -> Levels:
    """Raises where the store does not answer."""
    ((*found,),) = await reader.rows(_LEVELS, {"now": now, "since": now - GIVEN_UP_WITHIN_S, "forgotten": FORGOTTEN})
    return Levels(*found)
