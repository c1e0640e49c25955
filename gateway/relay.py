"""Handing accepted messages to the next hop: pooled connections, one write for the envelope, one for the message.

    relay.py            (you are here) the pool, and the two steps of a relay: `begin` and `send`
    next_hop.py         one connection
    relay_commands.py   what is said on it, and what a client learns of the answers

With CHUNKING (RFC 3030) the message goes by BDAT: its length stands before it, so no octet of it can be taken for a
command. A next hop without it gets DATA with transparency dots; the message has no bare CR or LF by then.
XFORWARD tells Postfix's log who the client was, and our submission id.

Two steps, because the envelope may be sent while policy is still deciding: until `send` nothing counts.

Trust: a connection goes back to the pool only after a complete, matching exchange. Any error, timeout or cancellation
closes it, or the next message would read this one's replies.

All or nothing: where the next hop refuses one recipient the message is not relayed to the others; the client, which
was told that each is taken, would never learn of it.
"""

import asyncio
import re
from collections import deque

from gateway import log, replies
from gateway.errors import RelayFailed
from gateway.next_hop import Broken, NextHop
from gateway.relay_commands import Envelope, HopReply, Recipient, reply_for
from gateway.spool import Spool

__all__ = ["Begun", "Envelope", "HopReply", "Recipient", "Relay", "reply_for"]

_CONNECT_TIMEOUT_S = 10.0
_IDLE_LIMIT_S = 60.0  # well below Postfix's smtpd_timeout of 300 s
_QUEUED_AS = re.compile(r"queued as ([A-Za-z0-9]+)")
_TROUBLE = (Broken, OSError)  # TimeoutError is an OSError


class Begun:
    """A relay that was begun, and the connection that is its own until `send` or `abandon` ends it.

    One that is forgotten ends by itself when its time is over, so that no slot is lost.
    """

    __slots__ = ("_slots", "_timer", "connection", "deadline")

    def __init__(self, slots: asyncio.Semaphore, deadline: float) -> None:
        self.connection: NextHop | None = None
        self.deadline = deadline
        self._slots = slots
        self._timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_at(deadline, self._expire)

    @property
    def is_over(self) -> bool:
        return self._timer is None

    def end(self) -> None:
        """Give the slot back. A second time does nothing."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
            self._slots.release()

    def stop_clock(self) -> None:
        """The caller watches the deadline by itself."""
        if self._timer:
            self._timer.cancel()

    def _expire(self) -> None:
        if self.connection:
            self.connection.fail(TimeoutError("the next hop took too long"))
        self.end()


class Relay:
    """The pool. At most `connections` at a time; more messages wait for one to be free."""

    def __init__(self, host: str, port: int, hostname: str, connections: int, timeout_s: float) -> None:
        self._host, self._port, self._hostname, self._timeout_s = host, port, hostname, timeout_s
        self._free: deque[NextHop] = deque()
        self._slots = asyncio.Semaphore(connections)
        self.offers: frozenset[str] = frozenset()  # of the newest connection; empty where there never was one

    async def warm(self) -> None:
        """Open one connection, to know at the start what may be offered to clients; without one nothing is lost."""
        try:
            async with self._slots:
                self._put_back(await self._open())
        except (RelayFailed, *_TROUBLE) as error:
            log.next_hop_not_reached(str(error) or type(error).__name__)

    async def begin(self, envelope: Envelope) -> Begun:
        """Have the whole envelope accepted; RelayFailed otherwise. What it returns goes to `send` or to `abandon`.

        From here the whole relay takes at most `timeout_s`, so that the client has its answer in time.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            if self._slots.locked():
                async with asyncio.timeout_at(deadline):
                    await self._slots.acquire()
            else:
                await self._slots.acquire()
        except TimeoutError as error:
            raise RelayFailed("all connections to the next hop are busy", replies.RELAY_UNAVAILABLE) from error
        begun = Begun(self._slots, deadline)
        try:
            await self._begin(begun, envelope)
        except BaseException as error:
            begun.end()
            if begun.connection:
                begun.connection.drop()
            if isinstance(error, _TROUBLE):
                raise _failed(error, sent=False) from error
            raise
        return begun

    async def send(self, begun: Begun, head: bytes, spool: Spool, offset: int = 0) -> str:
        """The next hop's queue id once it has the message: `head`, and what `spool` holds from `offset` on."""
        connection = begun.connection
        if not connection or begun.is_over:
            raise RelayFailed("the time for this relay was over before its message", replies.RELAY_UNAVAILABLE)
        try:
            if spool.file:
                # A connection that is closed under loop.sendfile would leave it waiting for ever: cancel it instead.
                begun.stop_clock()
                async with asyncio.timeout_at(begun.deadline):
                    answer = await connection.send(head, spool, offset)
            else:
                answer = await connection.send(head, spool, offset)
        except BaseException as error:
            begun.end()
            connection.drop()
            if isinstance(error, _TROUBLE):
                raise _failed(error, sent=connection.message_is_sent) from error
            raise
        begun.end()
        self._put_back(connection)
        queued = _QUEUED_AS.search(answer.text)
        return queued[1] if queued else ""

    def abandon(self, begun: Begun) -> None:
        """Nothing is to be sent. RSET goes out with the connection's next envelope, so that nobody waits for it."""
        if begun.connection and not begun.is_over:
            begun.end()
            begun.connection.needs_reset = True
            self._put_back(begun.connection)

    def close(self) -> None:
        """Close what is idle; connections in use are their message's own."""
        while self._free:
            self._free.pop().quit()

    async def _begin(self, begun: Begun, envelope: Envelope) -> None:
        """On a pooled connection or a fresh one.

        A pooled connection may have been closed by the other side at any time; nothing was sent on it that counts, so
        the envelope is tried once more on the next one.
        """
        oldest = asyncio.get_running_loop().time() - _IDLE_LIMIT_S
        while self._free:
            pooled = self._free.pop()
            if not pooled.is_idle or pooled.used_at < oldest:
                pooled.quit()
                continue
            begun.connection = pooled
            try:
                await pooled.begin(envelope)
            except TimeoutError:
                raise
            except _TROUBLE:
                pooled.drop()
            else:
                return
        async with asyncio.timeout_at(begun.deadline):
            begun.connection = await self._open()
        await begun.connection.begin(envelope)

    async def _open(self) -> NextHop:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            fresh = await NextHop.open(self._host, self._port, self._hostname)
        self.offers = frozenset(fresh.offers)
        return fresh

    def _put_back(self, connection: NextHop) -> None:
        if connection.is_idle:
            connection.used_at = asyncio.get_running_loop().time()
            self._free.append(connection)
        else:
            connection.drop()


def _failed(error: BaseException, *, sent: bool) -> RelayFailed:
    detail = f"{type(error).__name__} {error} {'after' if sent else 'before'} the message".strip()
    return RelayFailed(detail, replies.RELAY_BROKE_OFF if sent else replies.RELAY_UNAVAILABLE, is_certain=not sent)
