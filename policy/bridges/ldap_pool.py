"""Connections to the directory, used again, and a bound for all that wait for one."""

import asyncio
from collections.abc import Awaitable, Callable

from policy.bridges.ldap_connection import Connection, Unavailable
from policy.bridges.ldap_messages import Answer

_WAITING_FOR_EACH = 16  # connection: more could not be served within anybody's patience
_IDLE_LIMIT_S = 60.0  # longer than this firewalls and directories forget a connection without saying so


class Pool:
    """At most `size` connections. `opened` makes one, ready for requests; `seconds` is a clock that never goes back."""

    def __init__(self, size: int, opened: Callable[[], Awaitable[Connection]], seconds: Callable[[], float]) -> None:
        self._size = size
        self._opened = opened
        self._seconds = seconds
        self._free = asyncio.Semaphore(size)
        self._asking = 0
        self._idle: list[tuple[Connection, float]] = []  # with the time since when; the latest is used first

    async def ask(self, operation: bytes) -> list[Answer]:
        """The answers to a request that does no harm when it is made twice. Unavailable where there are none."""
        if self._asking >= self._size * (1 + _WAITING_FOR_EACH):
            raise Unavailable("too many logins at a time")
        self._asking += 1
        try:
            async with self._free:
                return await self._ask_on_one(operation)
        finally:
            self._asking -= 1

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()

    async def _ask_on_one(self, operation: bytes) -> list[Answer]:
        used = self._taken()
        if used:
            try:
                return await self._ask(used, operation)
            except Unavailable:
                # Closed by the directory while nobody looked: a new one tells whether there is more to it.
                self.close()
        return await self._ask(await self._opened(), operation)

    async def _ask(self, connection: Connection, operation: bytes) -> list[Answer]:
        try:
            answers = await connection.ask(operation)
        except BaseException:
            # The end of our patience, too: what comes on it later would be somebody else's answer.
            connection.close()
            raise
        self._idle.append((connection, self._seconds()))
        return answers

    def _taken(self) -> Connection | None:
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_lost and self._seconds() - since <= _IDLE_LIMIT_S:
                return connection
            connection.close()
        return None
