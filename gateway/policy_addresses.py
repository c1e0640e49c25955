"""Where policy is: its name may have several addresses, and one that does not answer is left alone for a while.

    policy_client.py       asks, on connections that it keeps
    policy_addresses.py    (you are here) opens them

Several policies share one store, so that each answers as the others would. What was asked of one that then dies is not
asked of another: it may have been decided. A connection that cannot be opened has asked nothing, and the next address
is tried.
"""

import asyncio
import contextlib
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

    async def open(self) -> PolicyConnection:
        """A connection to one of them; OSError where none can be reached."""
        addresses = self._in_order(await self._resolved())
        for one in addresses[:-1]:
            with contextlib.suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(_PATIENCE_S):
                    return await self._opened(one)
            self.avoid(one)
        return await self._opened(addresses[-1])

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

    def _in_order(self, addresses: Sequence[str]) -> list[str]:
        """By chance, so that each gets its share; those last that did not answer a moment ago."""
        dealt = random.sample(addresses, len(addresses))
        self._avoided = {one: until for one, until in self._avoided.items() if one in addresses}
        return sorted(dealt, key=self.is_avoided)
