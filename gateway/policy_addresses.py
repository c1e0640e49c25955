"""Where policy is: its name may have several addresses, and one that does not answer is left alone for a while.

    policy_client.py       asks, on connections that it keeps
    policy_addresses.py    (you are here) opens them

Several policies share one store, so that each answers as the others would. What was asked of one that then dies is not
asked of another: it may have been decided. A connection that cannot be opened has asked nothing, and the next address
is tried.

What each policy counts for itself are the guesses of a network. So all gateways ask the same one about a network, its
home: the first by a hash of both (rendezvous hashing). Where it is away, the next one is; of all others nothing moves.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import random
import socket
import ssl
from collections.abc import Sequence

from gateway.policy_connection import PolicyConnection

_NAME_GOOD_FOR_S = 1.0  # how soon a policy that was started is found, and one that is gone is not asked any more
_AVOIDED_S = 5.0  # while there are others
_PATIENCE_S = 1.0  # with one address, where there are others


class PolicyAddresses:
    """Within one event loop."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, limit: int) -> None:
        self._host, self._port, self._tls, self._limit = host, port, tls, limit
        self._known: Sequence[str] = ()
        self._known_until = 0.0
        self._avoided = dict[str, float]()  # until when
        self._resolving: asyncio.Task[Sequence[str]] | None = None

    async def open(self, client_address: str = "", preferred: str = "") -> PolicyConnection:
        """A connection to one of them, the preferred first; OSError where none can be reached."""
        addresses = self._in_order(await self._resolved(), client_address)
        if preferred in addresses:
            addresses.insert(0, addresses.pop(addresses.index(preferred)))
        for one in addresses[:-1]:
            with contextlib.suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(_PATIENCE_S):
                    return await self._opened(one)
            self.avoid(one)
        return await self._opened(addresses[-1])

    def preferred(self, client_address: str = "") -> str:
        """Which one to ask: the home of the client's network, or one by chance. Empty where there is no choice.

        Nobody waits for a name that has become old: it is looked up beside.
        """
        if not self._known:
            return ""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._known_until and (not self._resolving or self._resolving.done()):
            self._resolving = loop.create_task(self._resolved())
        return self._in_order(self._known, client_address)[0] if len(self._known) > 1 else ""

    def avoid(self, address: str) -> None:
        """It did not answer."""
        self._avoided[address] = asyncio.get_running_loop().time() + _AVOIDED_S

    def is_avoided(self, address: str) -> bool:
        """Where there is only one, there is no other to ask."""
        until = self._avoided.get(address, 0.0)
        return len(self._known) > 1 and until > asyncio.get_running_loop().time()

    async def _opened(self, address: str) -> PolicyConnection:
        return await PolicyConnection.open(address, self._port, self._tls, self._limit, self._host)

    async def _resolved(self) -> Sequence[str]:
        """What was known is of use longer than a resolver that does not answer."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._known_until:
            try:
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            except OSError:
                if not self._known:
                    raise
            else:
                self._known = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
            self._known_until = loop.time() + _NAME_GOOD_FOR_S
        return self._known

    def _in_order(self, addresses: Sequence[str], client_address: str) -> list[str]:
        """By chance or by the client's network, so that each gets its share; those last that did not answer lately."""
        if client_address:
            network = _network_of(client_address)
            dealt = sorted(addresses, key=lambda one: hashlib.blake2b(network + one.encode(), digest_size=8).digest())
        else:
            dealt = random.sample(addresses, len(addresses))
        self._avoided = {one: until for one, until in self._avoided.items() if one in addresses}
        return sorted(dealt, key=self.is_avoided)


def _network_of(client_address: str) -> bytes:
    """As policy counts them: an IPv4 /24, an IPv6 /48, and an IPv4 address in IPv6's clothes is one of IPv4."""
    address = ipaddress.ip_address(client_address)
    address = getattr(address, "ipv4_mapped", None) or address
    return address.packed[: 3 if address.version == 4 else 6]  # noqa: PLR2004
