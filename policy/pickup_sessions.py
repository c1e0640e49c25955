"""How many IMAP sessions an identity has open: Dovecot has room for so many, and all share them.

Dovecot itself counts those of one address. Whoever has a secret and a network of addresses would take all the room, and
nobody else here could pick up mail. It is asked only where there may be too many: of what was granted since it was
asked last some have ended. Where it does not answer nobody is kept out.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

_PATIENCE_S = 2.0  # Dovecot waits five seconds for the answer to its login
_UNDER_WAY_S = 2.0  # from our yes until Dovecot counts the session


class Sessions(Protocol):
    """Dovecot, by way of policy/neighbours.py."""

    async def sessions(self, mailbox: str) -> int | None: ...


@dataclass(slots=True)
class _Open:
    """Of one identity: no more than `most` are open. `granted` are the newest yeses."""

    most: int
    granted: deque[float] = field(default_factory=deque)


class PickupSessions:
    """Knows identities of ours, and nobody else."""

    def __init__(self, dovecot: Sessions, clock: Callable[[], float]) -> None:
        self._dovecot = dovecot
        self._clock = clock
        self._open: dict[str, _Open] = {}

    async def is_room(self, identity: str, limit: int) -> bool:
        """Whether one more may be opened; if so, it is counted."""
        known = self._open.get(identity)
        if known is None or known.most >= limit:
            counted = await self._count(identity)
            known = self._open.setdefault(identity, _Open(0))
            known.most = (counted or 0) + self._under_way(known)
        if known.most >= limit:
            return False
        known.most += 1
        known.granted.append(self._clock())
        return True

    async def _count(self, identity: str) -> int | None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._dovecot.sessions(identity)
        except TimeoutError:
            return None

    def _under_way(self, known: _Open) -> int:
        """Those that were granted a moment ago, and may not have been counted."""
        now = self._clock()
        while known.granted and not 0 <= now - known.granted[0] < _UNDER_WAY_S:
            known.granted.popleft()
        return len(known.granted)
