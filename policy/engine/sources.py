"""Where a login comes from: its network, IPv4 /24 or IPv6 /48, which is what a household or a rented machine has."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

_IPV4_OCTETS = 3  # that name the network
_IPV6_PREFIX = 48
NOWHERE = "unknown"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """`192.0.2.0/24` or `2001:db8:1::/48`. Whoever has no address is NOWHERE, with all who have none."""
    try:
        parsed = ipaddress.ip_address(address)
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
