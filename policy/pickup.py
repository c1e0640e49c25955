"""Ends the IMAP sessions of whoever has lost a credential: Dovecot is told through its doveadm HTTP API, "kick".

Dovecot knows sessions by mailbox, not by login: all of an identity's are ended, and its other devices log in again by
themselves. While Dovecot does not answer the same is tried again: what was not kicked must not be forgotten. And each
is kicked once more a little later: a login that was granted just before the revocation is no session yet at the first
time.
Credentials that come to their end by themselves are looked for twice a minute.
"""

import asyncio
from collections.abc import Callable

import aiohttp

from policy import log
from policy.doveadm import Doveadm
from policy.store.revocations import Feed

_PERIOD_S = 0.2
_EXPIRY_PERIOD_S = 30.0
_AGAIN_S = 5.0  # longer than Dovecot takes from our yes to the session
_TIMEOUT_S = 5.0
_LOOK_BACK_S = 600.0  # at the start: what was revoked while nobody was there to kick


class Pickup:
    """Goes on until it is closed."""

    def __init__(self, doveadm: Doveadm, feed: Feed, clock: Callable[[], float]) -> None:
        self._doveadm = doveadm
        self._feed = feed
        self._clock = clock
        self._is_failing = False
        self._expired_until = clock() - _LOOK_BACK_S  # whoever's credential ended before that has been kicked
        self._again: list[tuple[float, list[str]]] = []  # from when on, and whom; the oldest first
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow the feed from now on, in the background."""
        self._following = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        if self._following:
            self._following.cancel()
            await asyncio.wait({self._following})

    async def _follow(self) -> None:
        known: int | None = None
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                try:
                    if known is None:
                        known = await self._feed.before(self._clock() - _LOOK_BACK_S)
                    known = await self._kick_after(known, http)
                    await self._kick_expired(http)
                    await self._kick_again(http)
                    self._is_failing = False
                except Exception as error:  # noqa: BLE001 - Dovecot or the store is away; it is said once
                    if not self._is_failing:
                        log.kick_failed(error)
                    self._is_failing = True
                await asyncio.sleep(_PERIOD_S)

    async def _kick_after(self, known: int, http: aiohttp.ClientSession) -> int:
        newest = await self._feed.newest()
        if newest <= known:
            return newest  # a store that was restored goes on from there
        ended = await self._feed.after(known)
        names = sorted({one.identity for one in ended})
        await self._kick(names, http)
        log.sessions_kicked(names)
        self._again.append((self._clock() + _AGAIN_S, names))
        return ended[-1].id

    async def _kick_expired(self, http: aiohttp.ClientSession) -> None:
        now = self._clock()
        if 0 <= now - self._expired_until < _EXPIRY_PERIOD_S:  # below 0 the clock was set back
            return
        if names := await self._feed.expired(self._expired_until, now):
            await self._kick(names, http)
            log.sessions_kicked(names)
        self._expired_until = now

    async def _kick_again(self, http: aiohttp.ClientSession) -> None:
        while self._again and not 0 < self._again[0][0] - self._clock() <= _AGAIN_S:
            await self._kick(self._again[0][1], http)
            del self._again[0]

    async def _kick(self, names: list[str], http: aiohttp.ClientSession) -> None:
        """A mailbox that has no session is an error to doveadm and none to us: only the whole answer counts."""
        await self._doveadm.ask(http, [["kick", {"mask": [name]}, name] for name in names])
