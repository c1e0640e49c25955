"""Handing accepted messages to the next hop over pooled connections.

    relay.py            (you are here) the pool
    next_hop.py         one connection
    relay_commands.py   what is said on it, and what a client learns of the answers

With CHUNKING (RFC 3030) the message goes by BDAT: its length stands before it, so no octet of it can be taken for a
command. A next hop without it gets DATA with transparency dots; the message has no bare CR or LF by then.
XFORWARD tells Postfix's log who the client was, and our submission id.

The envelope goes after policy's verdict. To send it while policy still decides was tried and measured slower, in
latency as well: Postfix makes its queue file at RCPT, and policy's fsync then has that to wait for.

Trust: a connection goes back to the pool only after a complete, matching exchange. Any error, timeout or cancellation
closes it, or the next message would read this one's replies.

All or nothing: where the next hop refuses one recipient the message is not relayed to the others; the client, which
was told that each is taken, would never learn of it.
"""

import asyncio
import math
import re
from collections import deque

from gateway import log, replies
from gateway.errors import RelayFailed
from gateway.next_hop import Broken, NextHop
from gateway.relay_commands import Envelope, HopReply
from gateway.spool import Spool

_CONNECT_TIMEOUT_S = 10.0
_IDLE_LIMIT_S = 60.0  # well below Postfix's smtpd_timeout of 300 s
_QUEUED_AS = re.compile(r"queued as ([A-Za-z0-9]+)")
_TROUBLE = (Broken, OSError)  # TimeoutError is an OSError


class Relay:
    """The pool. At most `connections` at a time; more messages wait for one to be free."""

    def __init__(self, host: str, port: int, hostname: str, connections: int, timeout_s: float) -> None:
        self._host, self._port, self._hostname, self._timeout_s = host, port, hostname, timeout_s
        self._free: deque[NextHop] = deque()
        self._slots = asyncio.Semaphore(connections)
        self.offers: frozenset[str] = frozenset()  # of the newest connection; empty where there never was one
        self.is_reached = True  # as of the newest attempt
        self._passed_at = self._hung_at = -math.inf  # when a message was taken last, and when one was not answered

    async def warm(self) -> None:
        """Open one connection: whether the next hop is there, and what may be offered to clients. Raises nothing."""
        self._part_from_old()
        try:
            async with self._slots:
                self._put_back(await self._open())
        except (RelayFailed, *_TROUBLE) as error:
            log.next_hop_not_reached(str(error) or type(error).__name__)

    async def relay(
        self, envelope: Envelope, head: bytes, spool: Spool, offset: int = 0, *, deadline: float = math.inf
    ) -> str:
        """The next hop's queue id once it has the message: `head`, and what `spool` holds from `offset` on.

        RelayFailed otherwise. Takes at most `timeout_s` in all, so that the client has its answer in time, and not
        beyond `deadline` on the loop's clock.
        """
        in_use: list[NextHop] = []  # the connection that is the message's own
        clock = asyncio.get_running_loop().time
        begun_at = clock()
        try:
            async with asyncio.timeout_at(min(begun_at + self._timeout_s, deadline)), self._slots:
                if self._passed_at < begun_at <= self._hung_at:
                    raise Broken("hung while this one waited")
                answer = await self._relayed(in_use, envelope, head, spool, offset)
            self._passed_at = clock()
            self._put_back(in_use.pop())
        except _TROUBLE as error:
            if isinstance(error, TimeoutError):
                self._hung_at = clock()
            sent = bool(in_use) and in_use[0].message_is_sent
            detail = f"{type(error).__name__} {error} {'after' if sent else 'before'} the message".strip()
            reply = replies.RELAY_BROKE_OFF if sent else replies.RELAY_UNAVAILABLE
            raise RelayFailed(detail, reply, is_certain=not sent) from error
        finally:
            if in_use:
                in_use[0].drop()
        queued = _QUEUED_AS.search(answer.text)
        return queued[1] if queued else ""

    def close(self) -> None:
        """Close what is idle; connections in use are their message's own."""
        while self._free:
            self._free.pop().quit()

    async def _relayed(
        self, in_use: list[NextHop], envelope: Envelope, head: bytes, spool: Spool, offset: int
    ) -> HopReply:
        """On a pooled connection or a fresh one.

        A pooled connection may have been closed by the other side at any time. As long as the message was not sent on
        it nothing counts, and the next one is tried.
        """
        while pooled := self._pooled():
            in_use[:] = [pooled]
            try:
                return await pooled.relay(envelope, head, spool, offset)
            except TimeoutError:
                raise
            except _TROUBLE:
                if pooled.message_is_sent:
                    raise
                pooled.drop()
        in_use[:] = [await self._open()]
        return await in_use[0].relay(envelope, head, spool, offset)

    def _pooled(self) -> NextHop | None:
        """One that is idle and was used lately; others are parted from."""
        oldest = asyncio.get_running_loop().time() - _IDLE_LIMIT_S
        while self._free:
            pooled = self._free.pop()
            if pooled.is_idle and pooled.used_at >= oldest:
                return pooled
            pooled.quit()
        return None

    def _part_from_old(self) -> None:
        """They stand in the order in which they were used."""
        oldest = asyncio.get_running_loop().time() - _IDLE_LIMIT_S
        while self._free and self._free[0].used_at < oldest:
            self._free.popleft().quit()

    async def _open(self) -> NextHop:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                fresh = await NextHop.open(self._host, self._port, self._hostname)
        except (RelayFailed, *_TROUBLE):
            self.is_reached = False
            raise
        self.is_reached = True
        self.offers = frozenset(fresh.offers)
        return fresh

    def _put_back(self, connection: NextHop) -> None:
        if connection.is_idle:
            connection.used_at = asyncio.get_running_loop().time()
            self._free.append(connection)
        else:
            connection.drop()
