"""Where a client is: its network, IPv4 /24 or IPv6 /48, which is what a household or a rented machine has; its origin.

An origin is what a database of addresses says of a network: autonomous system (who runs it) and country.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_IPV4_OCTETS = 3  # that name the network
_IPV6_PREFIX = 48
NOWHERE = "unknown"

UNKNOWN_COUNTRY = "??"  # a country of its own: what no database knows is counted like everything else

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one address is. `asn` is 0 and `country` is ?? where no database knows it."""

    network: str  # network_of(address)
    asn: int = 0
    country: str = UNKNOWN_COUNTRY  # ISO 3166-1 alpha-2
    is_hosting: bool = False  # rented machines: nobody's mail program runs there
    is_mobile: bool = False  # a carrier's network, in which telephones change their address all the time
    pool: str = ""  # a published pool of addresses that is one source, such as a webmail provider's

    @property
    def area(self) -> str:
        """What makes history beyond one network: the autonomous system in its country; `AS3320 DE`.

        Nowhere in particular is the network alone.
        """
        return f"AS{self.asn} {self.country}" if self.asn else f"{self.network} {self.country}"

    @property
    def source(self) -> str:
        """What counts as one source network."""
        if self.pool:
            return self.pool
        return f"AS{self.asn}" if self.is_mobile and self.asn else self.network


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a site adds to the shipped lists of networks: table [sources] of its policy file."""

    hosting_asns: frozenset[int] = frozenset()
    mobile_asns: frozenset[int] = frozenset()
    ordinary_asns: frozenset[int] = frozenset()  # neither of the two, whatever the shipped lists say
    pools: tuple[tuple[str, Network], ...] = ()  # the provider's name and one of its networks


@lru_cache(maxsize=32_768)
def network_of(address: str) -> str:
    """`192.0.2.0/24` or `2001:db8:1::/48`. Whoever has no address is NOWHERE, with all who have none.

    An address that was cut to its network (policy/store/kept_addresses.py) is in that one.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("/")[0])
    except ValueError:
        return NOWHERE
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    if isinstance(parsed, ipaddress.IPv4Address):
        return f"{'.'.join(str(parsed).split('.')[:_IPV4_OCTETS])}.0/24"
    return str(ipaddress.IPv6Network((int(parsed), _IPV6_PREFIX), strict=False))


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether `address` lies in one of `networks`; what is no address lies in none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in networks)
