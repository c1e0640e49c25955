"""The allow list and the block list: networks, logins, and logins from a network, each until a moment.

A network is found by all networks that an address lies in: 33 for IPv4, 129 for IPv6, each a look into the index, so
that a long list is no slower than a short one.
"""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from policy.store.reader import Reader
from policy.store.statements import Prepared, prepared
from policy.store.transactions import Statements

_FORGOTTEN_AT_ONCE = 10  # more than one comes in
_LISTED_AT_ONCE = 100_000


class Side(StrEnum):
    """Which of the two; where both have an entry, the first one decides."""

    ALLOW = "allow"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Listing:
    """One entry. `network` (CIDR) or `login` (canonical) may be empty, and never both."""

    side: Side
    network: str
    login: str
    reason: str
    expires_at: float


def _hit(networks: int) -> Prepared:
    """The question about an address that lies in so many networks."""
    names = ", ".join(f":network_{number}" for number in range(networks))
    return prepared(
        "SELECT side, network, login, reason, expires_at FROM listed"  # noqa: S608 - names of parameters
        f" WHERE side IN ('{Side.ALLOW}', '{Side.BLOCK}') AND network IN ('', {names}) AND login IN ('', :login)"
        " AND expires_at > :now"
    )


_HITS = {networks: _hit(networks) for networks in (1, 33, 129)}
_ALL = prepared(
    "SELECT side, network, login, reason, expires_at FROM listed WHERE side = :side AND expires_at > :now"
    " ORDER BY id LIMIT :most"
)
_ADD = prepared(
    "INSERT INTO listed (side, network, login, reason, expires_at)"
    " VALUES (:side, :network, :login, :reason, :expires_at)"
    " ON CONFLICT (side, network, login) DO UPDATE SET reason = :reason, expires_at = :expires_at"
)
_REMOVE = prepared("DELETE FROM listed WHERE side = :side AND network = :network AND login = :login")
_FORGET = prepared("DELETE FROM listed WHERE id IN (SELECT id FROM listed WHERE expires_at <= :now LIMIT :most)")


class Lists:
    """What is asked. `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def hits(self, client_address: str, login: str, now: float) -> list[Listing]:
        """The entries about an address and a login, the one that decides first.

        The allow list goes before the block list; on each a network before a login and that before both, and a small
        network before a large one.
        """
        networks = _networks_of(client_address)
        values = {f"network_{number}": network for number, network in enumerate(networks)}
        rows = await self._reader.rows(_HITS[len(networks)], values | {"login": login, "now": now})
        return sorted((Listing(Side(side), *rest) for side, *rest in rows), key=_rank)

    async def all(self, side: Side, now: float) -> list[Listing]:
        """Those of one list, in the order in which they came."""
        rows = await self._reader.rows(_ALL, {"side": side, "now": now, "most": _LISTED_AT_ONCE})
        return [Listing(Side(found), *rest) for found, *rest in rows]


class ListBook:
    """What is changed. Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def add(self, listing: Listing, now: float) -> None:
        """The same one again gets another end."""
        self._statements.execute(_FORGET, {"now": now, "most": _FORGOTTEN_AT_ONCE})
        values = {"side": listing.side, "network": listing.network, "login": listing.login}
        self._statements.execute(_ADD, values | {"reason": listing.reason, "expires_at": listing.expires_at})

    def remove(self, side: Side, network: str, login: str) -> bool:
        """Whether it was there."""
        return self._statements.execute(_REMOVE, {"side": side, "network": network, "login": login}).rowcount > 0


def _networks_of(client_address: str) -> list[str]:
    """All networks that an address lies in, and for what is none a network that is nowhere."""
    try:
        found = ipaddress.ip_address(client_address)
    except ValueError:
        return ["-"]
    bits, number = found.max_prefixlen, int(found)
    make = ipaddress.IPv4Address if found.version == 4 else ipaddress.IPv6Address  # noqa: PLR2004 - the version
    return [f"{make(number >> (bits - length) << (bits - length))}/{length}" for length in range(bits, -1, -1)]


def _rank(listing: Listing) -> tuple[bool, int, int]:
    kind = 2 if listing.network and listing.login else 1 if listing.login else 0
    length = int(listing.network.rpartition("/")[2]) if listing.network else 0
    return (listing.side is Side.BLOCK, kind, -length)
