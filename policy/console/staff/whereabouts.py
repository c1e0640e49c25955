"""The country and the network behind an address, for pages. Waits for the database of addresses the first time."""

from collections.abc import Iterable

from policy.console.visit import Visit
from policy.engine.places import History
from policy.engine.sources import UNKNOWN_COUNTRY, Origin
from policy.geo.atlas import Atlas
from policy.store.rows import Network


def atlas_of(visit: Visit) -> Atlas:
    """With what the policy in force adds, and with files that are new."""
    atlas = visit.parts.atlas()
    atlas.extend(visit.parts.rulebook().sources)
    atlas.refresh()
    return atlas


def homes_of(visit: Visit, networks: Iterable[Network]) -> set[str]:
    """Those of an identity's networks that are its home now: vouched for, or used on enough days."""
    rulebook = visit.parts.rulebook()
    kept_since = rulebook.forgotten_at(visit.now)
    known = {one.network: History(one.first_used_at, one.last_used_at, one.days, one.confirmed_at) for one in networks}
    return {
        network
        for network, history in known.items()
        if not history.is_forgotten(kept_since) and history.is_settled(rulebook.home_after_days)
    }


def in_words(visit: Visit, address: str) -> str:
    """`192.0.2.7, Germany, AS3320`; empty for no address."""
    return f"{address}, {origin_in_words(visit, atlas_of(visit).origin(address))}" if address else ""


def country_of_area(visit: Visit, area: str) -> str:
    """Of `AS3320 DE`, in words."""
    return visit.language.country(area.rpartition(" ")[2] or UNKNOWN_COUNTRY)


def origin_in_words(visit: Visit, origin: Origin) -> str:
    """`Germany, AS3320`."""
    country = visit.language.country(origin.country)
    return f"{country}, AS{origin.asn}" if origin.asn else country
