"""Made-up networks: each asked for has its place in the world, and its addresses are nobody's.

Networks are numbered from 10.0.0.0/24 and fd00::/48 on. An address that the atlas did not hand out is nowhere.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from policy.engine.sources import Origin, network_of

_FIRST_IPV4 = int(ipaddress.IPv4Address("10.0.0.0"))
_FIRST_IPV6 = int(ipaddress.IPv6Address("fd00::"))
_HOSTS = 254  # of an IPv4 /24


@dataclass(frozen=True, slots=True)
class Network:
    """`origin` is that of each of its addresses; `first` is the network's own address as a number."""

    origin: Origin
    first: int
    is_ipv6: bool = False

    def address(self, host: int = 1) -> str:
        """One of its addresses: the same number, the same address."""
        if self.is_ipv6:
            return str(ipaddress.IPv6Address(self.first + host))
        return str(ipaddress.IPv4Address(self.first + 1 + (host - 1) % _HOSTS))


@dataclass(slots=True)
class Atlas:
    """All networks of one run."""

    _origins: dict[str, Origin] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def network(
        self,
        country: str,
        asn: int,
        *,
        is_ipv6: bool = False,
        is_hosting: bool = False,
        is_mobile: bool = False,
        pool: str = "",
    ) -> Network:
        """A network that nobody had before."""
        number = next(self._numbers)
        first = _FIRST_IPV6 + (number << 80) if is_ipv6 else _FIRST_IPV4 + (number << 8)
        name = network_of(str(ipaddress.IPv6Address(first) if is_ipv6 else ipaddress.IPv4Address(first)))
        origin = Origin(network=name, asn=asn, country=country, is_hosting=is_hosting, is_mobile=is_mobile, pool=pool)
        self._origins[name] = origin
        return Network(origin, first, is_ipv6)

    def origin_of(self, address: str) -> Origin:
        """Where an address is: what policy/geo/ answers in the services."""
        name = network_of(address)
        return self._origins.get(name) or Origin(network=name)
