"""Secrets of a migration, verified beside the event loop: as slow as the other server chose, and bounded.

Somebody who is not logged in can ask for any number of them. Two are computed at a time, some wait, and the rest are
told to come later; logins of devices, which take microseconds, notice nothing of it.
"""

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass

from policy import foreign_hashes
from policy.bridges.answers import Right, Wrong
from policy.people.errors import Busy
from policy.people.hashing import HashingPool

_PARALLEL, _QUEUE = 2, 20
_REFUSALS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Full:
    """There is too much to verify; what was offered was not looked at."""


class ForeignSecrets:
    """One for a process, on its event loop."""

    def __init__(self, pool: HashingPool | None = None) -> None:
        self._pool = pool or HashingPool(_PARALLEL, _QUEUE)
        self._refusals = deque[float](maxlen=_REFUSALS_KEPT)  # how long each took

    async def check(self, stored: str, secret: str) -> Right | Wrong | Full:
        """Whether `secret` is the one that `stored` was made of; Full where too many wait for that already."""
        began = _seconds()
        try:
            is_right = await self._pool.run(foreign_hashes.verify, stored, secret)
        except Busy:
            return Full()
        if is_right:
            return Right("")
        self._refusals.append(_seconds() - began)
        return Wrong("no such login or wrong secret")

    async def wait_like_a_refusal(self) -> None:
        """For a refusal that was not looked up here: as long as one of the latest took.

        Without it, the time would tell which logins were brought along.
        """
        if self._refusals:
            await asyncio.sleep(secrets.choice(self._refusals))

    def close(self) -> None:
        self._pool.close()


def _seconds() -> float:
    return asyncio.get_running_loop().time()
