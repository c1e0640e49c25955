"""The country and the network behind an address, for pages. Waits for the database of addresses the first time."""

from policy.console.visit import Visit
from policy.engine.sources import UNKNOWN_COUNTRY, Origin
from policy.geo.atlas import Atlas


def atlas_of(visit: Visit) -> Atlas:
    """With what the policy in force adds, and with files that are new."""
    atlas = visit.parts.atlas()
    atlas.extend(visit.parts.rulebook().sources)
    atlas.refresh()
    return atlas


def country_of_area(visit: Visit, area: str) -> str:
    """Of `AS3320 DE`, in words."""
    return visit.language.country(area.rpartition(" ")[2] or UNKNOWN_COUNTRY)


def origin_in_words(visit: Visit, origin: Origin) -> str:
    """`Germany, AS3320`."""
    country = visit.language.country(origin.country)
    return f"{country}, AS{origin.asn}" if origin.asn else country
