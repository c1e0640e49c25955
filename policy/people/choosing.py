"""Choosing a new password: judged and hashed off the event loop, with a look at other lists where that is wanted."""

from policy.people.breached import BreachedList
from policy.people.errors import PasswordRefused, Text
from policy.people.hashing import Hashing
from policy.people.hibp import RangeServer
from policy.people.passwords import About, check_new


class Choosing:
    """One for a process."""

    def __init__(self, known: BreachedList, server: RangeServer, hashing: Hashing) -> None:
        self._known = known
        self._server = server
        self._hashing = hashing

    async def hash_of(self, given: str, about: About) -> str:
        """The hash of a password that nothing speaks against; PasswordRefused says what does."""
        password = await self._hashing.pool.run(check_new, given, about, self._known)
        if await self._server.knows(password):
            raise PasswordRefused(Text.KNOWN)
        return await self._hashing.hash(password)
