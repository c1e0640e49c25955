"""What kind of network an autonomous system or an address is, from lists: asns.csv, pools.toml, and the policy's own.

The shipped files say in their heads where they are from and how far they are to be trusted. What a site adds in the
table [sources] of its policy goes before them.
"""

import csv
import tomllib
from collections.abc import Iterable
from functools import cache
from ipaddress import ip_network
from pathlib import Path

from policy.engine.sources import Network, Sources
from policy.geo.database import Address

ASNS = Path(__file__).with_name("asns.csv")
POOLS = Path(__file__).with_name("pools.toml")

_COMMENT = "#"

HOSTING, MOBILE = "hosting", "mobile"


class Kinds:
    """The shipped lists with `sources` laid over them."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        shipped = shipped_asns()
        self._hosting = (shipped[HOSTING] | sources.hosting_asns) - sources.ordinary_asns
        self._mobile = (shipped[MOBILE] | sources.mobile_asns) - sources.ordinary_asns
        self._pools = _by_length((*shipped_pools(), *sources.pools))

    def is_hosting(self, asn: int) -> bool:
        return asn in self._hosting

    def is_mobile(self, asn: int) -> bool:
        return asn in self._mobile

    def pool(self, address: Address) -> str:
        """The provider whose published pool this is, or nothing. The smallest network that holds it decides."""
        number, bits = int(address), address.max_prefixlen
        for (version, length), names in self._pools:
            if version == address.version and (name := names.get(number >> (bits - length))):
                return name
        return ""


@cache
def shipped_asns() -> dict[str, frozenset[int]]:
    """By kind."""
    found: dict[str, set[int]] = {HOSTING: set(), MOBILE: set()}
    with ASNS.open(newline="", encoding="utf-8") as lines:
        for asn, kind, _name in csv.reader(line for line in lines if not line.startswith(_COMMENT)):
            found[kind].add(int(asn))
    return {kind: frozenset(asns) for kind, asns in found.items()}


@cache
def shipped_pools() -> tuple[tuple[str, Network], ...]:
    """Provider and network."""
    given = tomllib.loads(POOLS.read_text(encoding="utf-8"))
    return tuple((name, ip_network(network)) for name, networks in given.items() for network in networks)


def _by_length(pools: Iterable[tuple[str, Network]]) -> list[tuple[tuple[int, int], dict[int, str]]]:
    """Names by the leading bits of their networks, for each version and length; the longest first."""
    found: dict[tuple[int, int], dict[int, str]] = {}
    for name, network in pools:
        bits = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        found.setdefault((network.version, network.prefixlen), {})[bits] = name
    return sorted(found.items(), reverse=True)
