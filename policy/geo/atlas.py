"""An address in, its Origin out: what the databases and the lists of networks say of it.

    origin()    country, ASN, kind; the same address again costs a look into a table of bounded size
    refresh()   the files are looked at again, and a new one is in use from the next question on
    extend()    what the policy in force adds to the lists of networks

What no database knows is in the country `??` and counts like everything else: private addresses, those of new networks,
and what is no address at all.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from policy.engine.sources import UNKNOWN_COUNTRY, Origin, Sources, network_of
from policy.geo.database import Address, Database, Edition, News
from policy.geo.kinds import Kinds

_KEPT = 32_768  # origins in memory, some 400 octets each


@dataclass(slots=True)
class Coverage:
    """How many questions there were about public addresses, and for how many of them the country was known."""

    asked: int = 0
    found: int = 0

    @property
    def share(self) -> float:
        """1.0 before the first question."""
        return self.found / self.asked if self.asked else 1.0


class Atlas:
    """Country and ASN may come from one file or from two; without any, every origin is unknown."""

    def __init__(self, country_db: Path | None, asn_db: Path | None) -> None:
        opened = {path: Database(path) for path in dict.fromkeys((country_db, asn_db)) if path}
        self._countries = opened[country_db] if country_db else None
        self._asns = opened[asn_db] if asn_db else None
        self._databases = tuple(opened.values())
        self._kinds = Kinds(Sources())
        self._cached = self._new_cache()
        self.coverage = Coverage()
        self.first_news = self.refresh()

    def origin(self, address: str) -> Origin:
        """Never fails."""
        origin, is_public = self._cached(address)
        if is_public:
            self.coverage.asked += 1
            self.coverage.found += origin.country != UNKNOWN_COUNTRY
        return origin

    def refresh(self) -> list[News]:
        """Cheap where nothing has changed: one look at each file's date. May run in a thread beside questions."""
        news = [one for database in self._databases if (one := database.refresh())]
        if any(one.is_loaded for one in news):
            self._cached = self._new_cache()
        return news

    def extend(self, sources: Sources) -> None:
        """Another policy is in force."""
        if sources != self._kinds.sources:
            self._kinds = Kinds(sources)
            self._cached = self._new_cache()

    @property
    def editions(self) -> Sequence[Edition]:
        """What is in use."""
        return [database.edition for database in self._databases if database.edition]

    @property
    def faults(self) -> Sequence[tuple[Path, str]]:
        """Files that are not in use as they are now, and why."""
        return [(database.path, database.fault) for database in self._databases if database.fault]

    def built_at(self) -> float | None:
        """Of the oldest file in use; None where there is none."""
        return min((edition.built_at for edition in self.editions), default=None)

    def _new_cache(self) -> Callable[[str], tuple[Origin, bool]]:
        """A whole one instead of clearing the old one: a look-up that has just begun may still write into that."""
        return lru_cache(_KEPT)(self._look_up)

    def _look_up(self, given: str) -> tuple[Origin, bool]:
        """The origin, and whether a database could know it."""
        address = _parsed(given)
        if address is None:
            return Origin(network=network_of(given)), False
        asn = self._asns.asn(address) if self._asns else 0
        country = self._countries.country(address) if self._countries else UNKNOWN_COUNTRY
        pool = self._kinds.pool(address)
        origin = Origin(
            network=network_of(given),
            asn=asn,
            country=country,
            # A mail provider's own machines are its own, though it rents out others.
            is_hosting=not pool and self._kinds.is_hosting(asn),
            is_mobile=self._kinds.is_mobile(asn),
            pool=pool,
        )
        return origin, country != UNKNOWN_COUNTRY or address.is_global  # the second is slow


def _parsed(given: str) -> Address | None:
    """None for what is no address. IPv4 in an IPv6 socket's clothes is IPv4; of a network it is the first one."""
    try:
        address = ipaddress.ip_address(given.partition("/")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
