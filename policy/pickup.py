"""Ends the IMAP sessions of whoever has lost a credential: Dovecot is told through its doveadm HTTP API, "kick".

Dovecot knows sessions by mailbox, not by login: all of an identity's are ended, and its other devices log in again by
themselves. While Dovecot does not answer the same is tried again: what was not kicked must not be forgotten. And each
is kicked once more a little later: a login that was granted just before the revocation is no session yet at the first
time.
Credentials that come to their end by themselves are looked for twice a minute.
"""

from collections.abc import Callable

import aiohttp

from policy import log
from policy.doveadm import Doveadm
from policy.rounds import Rounds
from policy.store.revocations import Feed

_EXPIRY_PERIOD_S = 30.0
_AGAIN_S = 5.0  # longer than Dovecot takes from our yes to the session
_TIMEOUT_S = 5.0
_LOOK_BACK_S = 600.0  # at the start: what was revoked while nobody was there to kick


class Pickup(Rounds):
    """One of what goes on beside the questions."""

    period_s = 0.2

    def __init__(self, doveadm: Doveadm, feed: Feed, clock: Callable[[], float]) -> None:
        self._doveadm = doveadm
        self._feed = feed
        self._clock = clock
        self._known: int | None = None  # of the feed, the newest that was kicked
        self._expired_until = clock() - _LOOK_BACK_S  # whoever's credential ended before that has been kicked
        self._again: list[tuple[float, list[str]]] = []  # from when on, and whom; the oldest first

    async def round(self) -> None:
        if self._known is None:
            self._known = await self._feed.before(self._clock() - _LOOK_BACK_S)
        self._known = await self._kick_after(self._known)
        await self._kick_expired()
        await self._kick_again()

    def failed(self, error: Exception) -> None:
        log.kick_failed(error)

    async def _kick_after(self, known: int) -> int:
        newest = await self._feed.newest()
        if newest <= known:
            return newest  # a store that was restored goes on from there
        ended = await self._feed.after(known)
        names = sorted({one.identity for one in ended})
        await self._kick(names)
        log.sessions_kicked(names)
        self._again.append((self._clock() + _AGAIN_S, names))
        return ended[-1].id

    async def _kick_expired(self) -> None:
        now = self._clock()
        if 0 <= now - self._expired_until < _EXPIRY_PERIOD_S:  # below 0 the clock was set back
            return
        if names := await self._feed.expired(self._expired_until, now):
            await self._kick(names)
            log.sessions_kicked(names)
        self._expired_until = now

    async def _kick_again(self) -> None:
        while self._again and not 0 < self._again[0][0] - self._clock() <= _AGAIN_S:
            await self._kick(self._again[0][1])
            del self._again[0]

    async def _kick(self, names: list[str]) -> None:
        """A mailbox that has no session is an error to doveadm and none to us: only the whole answer counts."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as http:
            await self._doveadm.ask(http, [["kick", {"mask": [name]}, name] for name in names])
