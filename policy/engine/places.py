"""What a network is to an identity: home, settled, or on probation.

    settled   its area (autonomous system and country) was used on some different days, or was vouched for
    home      the network itself was used on more of them, or was vouched for: the owner's beyond doubt
    unseen    the area, or its country, is used for the first time

Days are those of the calendar (UTC), and as many times 24 hours less one lie between the first use and the last: nobody
has three days with a minute before midnight, a noon and a minute after midnight. Rented machines are next door to those
of whoever pays for one: there an area says nothing of a network but the one from which it was used first.

A day on which a network on probation spends more than half of its small budget is in doubt and does not count: whoever
rides the limits stays on probation for ever, and every traveller leaves it. What was not used for a time is strange
again, and its days begin anew, unless somebody vouched for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from policy.engine.profile import Place
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from service.spans import DAY_S


@dataclass(frozen=True, slots=True)
class History:
    """Of an area or a network, with one identity. Times are seconds since the epoch."""

    first_used_at: float
    last_used_at: float
    days: int
    confirmed_at: float | None = None
    doubted_day: int | None = None

    def is_forgotten(self, kept_since: float) -> bool:
        """Where its last use was before that moment (Rulebook.forgotten_at)."""
        return self.last_used_at < kept_since and self.confirmed_at is None

    def is_settled(self, after_days: int) -> bool:
        return self.confirmed_at is not None or (self.days >= after_days and self.is_old(after_days))

    def is_old(self, days: int) -> bool:
        """Whether the last use is so many days behind the first, that one counted."""
        return self.last_used_at - self.first_used_at >= (days - 1) * DAY_S


def place_of(
    origin: Origin,
    areas: Mapping[str, History],
    network: History | None,
    rulebook: Rulebook,
    now: float,
    *,
    is_suspect: bool = False,
) -> Place:
    """`areas` are all of the identity's, by Origin.area; `network` is its history in this one.

    `is_suspect` is a kind of network that stays on probation whatever its days (engine/country_gate.py), but at home.
    """
    kept_since = rulebook.forgotten_at(now)
    kept = {name: one for name, one in areas.items() if not one.is_forgotten(kept_since)}
    area = kept.get(origin.area)
    here = network if network and not network.is_forgotten(kept_since) else None
    is_home = here is not None and here.is_settled(rulebook.home_after_days)
    telling = area if area and _tells_of(area, origin, here) else None
    has_days = any(one is not None and one.is_settled(rulebook.settled_after_days) for one in (telling, here))
    is_settled = is_home or (has_days and not is_suspect)
    is_unseen = not is_settled and area is None
    return Place(
        origin=origin,
        is_settled=is_settled,
        is_home=is_home,
        is_unseen_area=is_unseen,
        is_unseen_country=is_unseen and origin.country not in {_country(name) for name in kept},
        # Not by the days of an area: one that is in doubt may have made a home of a network there all the same.
        has_home=is_home or any(one.is_old(rulebook.home_after_days) for one in kept.values()),
    )


def _tells_of(area: History, origin: Origin, here: History | None) -> bool:
    """Whether what is known of the area holds for this network, too.

    A network may be written down a moment after its area: then the area was used once.
    """
    if not origin.is_hosting or origin.pool:
        return True
    return (here.first_used_at if here else area.last_used_at) <= area.first_used_at


class Trust(StrEnum):
    """What nothing but days of quiet use can make of a network."""

    SETTLED = "settled"
    HOME = "home"


class Gained(NamedTuple):
    """What it becomes, and the days that made it so; 0 where it was the first use of another device."""

    trust: Trust
    days: int


def gained(
    before: Place,
    areas: Mapping[str, History],
    network: History | None,
    rulebook: Rulebook,
    now: float,
    *,
    is_suspect: bool = False,
) -> Gained | None:
    """What a login makes of the place that was `before` it, where today counts."""
    if before.is_home:
        return None
    origin = before.origin
    area, here = used(areas.get(origin.area), rulebook, now), used(network, rulebook, now)
    after = place_of(origin, {**areas, origin.area: area}, here, rulebook, now, is_suspect=is_suspect)
    if after.is_home:
        return Gained(Trust.HOME, here.days)
    if after.is_settled and not before.is_settled:
        return Gained(Trust.SETTLED, max(area.days, here.days))
    return None


def used(history: History | None, rulebook: Rulebook, now: float) -> History:
    """With a login more: each day (UTC) counts once, and none of those that are forgotten."""
    if history is None or history.is_forgotten(rulebook.forgotten_at(now)):
        return History(first_used_at=now, last_used_at=now, days=1)
    is_new_day = day_of(history.last_used_at) < day_of(now)
    return replace(history, last_used_at=max(history.last_used_at, now), days=history.days + is_new_day)


def doubted(history: History, now: float) -> History:
    """Today does not count, whatever comes."""
    if history.doubted_day == day_of(now):
        return history
    return replace(history, doubted_day=day_of(now), days=max(history.days - 1, 0))


def area_in_doubt(place: Place) -> str:
    """Whose day does not count beside that of the network; empty where it is settled.

    What is wrong in one network of the owner's provider takes nothing from the others.
    """
    return "" if place.is_settled else place.origin.area


def vouched(history: History | None, now: float) -> History:
    """Somebody says that it is the owner's, or it is the first one of all."""
    return replace(history or History(now, now, 0), confirmed_at=now)


def day_of(now: float) -> int:
    """The day (UTC) since the epoch."""
    return int(now // DAY_S)


def _country(area: str) -> str:
    return area.rpartition(" ")[2]
