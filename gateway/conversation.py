"""The octets of one session: lines in, replies out, deadlines, TLS. What the lines mean is session.py's concern.

It is a protocol of asyncio's own. aiosmtpd's SMTP, which it began as, had been overridden in every method by then: its
loop accepts bare LF, its replies lack enhanced codes and may carry an exception's text, its AUTH lines end at 512
octets, its DATA reader costs up to 75 times the message in memory, and it inspects itself with each connection.

Pipelining (RFC 2920): replies wait until no whole line is left to be answered, and leave in one write. After EHLO, AUTH
with a challenge, STARTTLS, DATA and before the greeting a client has to wait for us; one that does not is an injection
(CVE-2011-0411) or a program that was not made for this port, and the session ends.

Deadlines: every wait for the client sets `_expires_at`, and Edge.make_rounds looks at all sessions twice a second. A
client that does not read is waited for as long as one that does not write.
"""

import asyncio
import secrets
from abc import ABC, abstractmethod
from asyncio import sslproto
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import handshake, log, replies
from gateway.edge import Edge
from gateway.errors import SessionOver
from gateway.handshake import Secured
from gateway.replies import Reply
from gateway.settings import ListenerSettings
from gateway.tls import Selected
from policy.contract import ConnectOutcome

_REPLIES_AT_ONCE = 8 * 1024
_UNREAD_LIMIT = 64 * 1024  # octets that wait for a session that is busy; then the client is not read any more
_VERB_OCTETS = 5
_TURNED_AWAY: Mapping[ConnectOutcome, Reply] = {
    ConnectOutcome.REFUSED: replies.NOT_FROM_THERE,
    ConnectOutcome.LATER: replies.NOT_FROM_THERE_NOW,
}
_NEVER = float("inf")
TLS_GOODBYE_S = 2.0  # how long the client's own close_notify is waited for

# asyncio reads TLS through a zeroed buffer of 256 KiB for each connection. 16 KiB is one TLS record (RFC 8446 section
# 5.1); measured: a quarter more sessions in a second. After the handshake all connections read through the same two
# buffers, one for what the socket gives and one for what TLS makes of it: neither holds anything between two events.
sslproto.SSLProtocol.max_size = 16 * 1024
_FROM_SOCKET, _UNDER_TLS = bytearray(256 * 1024), bytearray(256 * 1024)
_FROM_SOCKET_VIEW, _UNDER_TLS_VIEW = memoryview(_FROM_SOCKET), memoryview(_UNDER_TLS)


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line that was longer than it may be; `start` has its verb."""

    start: bytes


@dataclass(frozen=True, slots=True)
class Admission:
    """What a connection comes with: the client's own address, its slot of the caps, policy's word on it (door.py).

    `is_probe`: somebody only looks whether we are there, and is counted nowhere.
    """

    client_address: str
    slot: int
    outcome: Awaitable[ConnectOutcome]
    is_probe: bool = False


class Conversation(asyncio.BufferedProtocol, ABC):
    """One connection. `ended` is done when it is gone."""

    def __init__(self, edge: Edge, listener: ListenerSettings, admission: Admission, selected: Selected | None) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        # Shared by all sessions
        self._edge = edge
        self._listener = listener
        # Of this connection
        self.ended: asyncio.Future[None] = loop.create_future()
        self._id = secrets.token_hex(6)
        self._admission = admission
        self._client_address = admission.client_address
        self._selected = selected  # where TLS comes before the greeting
        self._tls: Secured | None = None
        self.transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._received = bytearray()  # octets that were read and not yet understood
        self._replies = bytearray()  # replies that were given and not yet written
        self._arrival: asyncio.Future[None] | None = None  # what a session waits for that waits for the client
        self._room: asyncio.Future[None] | None = None  # what it waits for while the client does not read
        self._is_paused = self._is_at_eof = False
        self._waiting = False  # for a command
        self._draining = False
        self._over: Reply | None = None  # what to say at the next wait for the client, which is the last one
        # Deadlines, on the loop's clock
        self._opened_at = loop.time()
        self._expires_at = self._unread_until = _NEVER
        self._ends_at = self._opened_at + edge.settings.session_timeout_s

    # The life of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type alone
        self.transport = transport
        self._task = self.loop.create_task(self._serve())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._edge.sessions.discard(self)
        self.transport = None
        if self._task:
            self._task.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return _UNDER_TLS_VIEW

    def buffer_updated(self, nbytes: int) -> None:
        self._received += _UNDER_TLS_VIEW[:nbytes]
        if len(self._received) > _UNREAD_LIMIT and self.transport and not self._is_paused:
            self.transport.pause_reading()
            self._is_paused = True
        _settle(self._arrival)

    def eof_received(self) -> bool:
        """The client has closed its half: what it has sent is still answered."""
        self._is_at_eof = True
        _settle(self._arrival)
        return False

    def pause_writing(self) -> None:
        self._room = self.loop.create_future()

    def resume_writing(self) -> None:
        _settle(self._room)
        self._room = None

    def drain(self) -> None:
        """End as soon as no transaction is open: at once where the client has nothing to wait for."""
        self._draining = True
        if self._waiting and self._is_idle() and self._task:
            self._task.cancel()

    def cut(self) -> None:
        """The time to drain is over."""
        if self.transport:
            self.transport.abort()

    def end_with(self, last: Reply) -> None:
        """Say `last` and close, as soon as the session waits for its client: a message under way is still answered."""
        self._over = last
        if self._arrival and not self._arrival.done():
            self._arrival.set_exception(SessionOver(last))

    def check(self, now: float) -> None:
        """Enforce the deadline of whatever is waited for; `now` is the loop's clock."""
        if now >= self._unread_until:
            self._edge.scoreboard.count("sessions_expired_total")
            self.cut()
        elif now >= self._expires_at and self._arrival and not self._arrival.done():
            self._edge.scoreboard.count("sessions_expired_total")
            late = replies.SESSION_TOO_LONG if self._expires_at == self._ends_at else replies.TIMED_OUT
            self._arrival.set_exception(SessionOver(late))

    async def _serve(self) -> None:
        self._edge.sessions.add(self)
        log.session_opened(self._id, self._listener.name, self._client_address)
        last: Reply | None = None
        try:
            if self._selected:
                self._is_under_tls(self._selected)
            await self._converse()
        except SessionOver as over:
            last = over.reply
        except asyncio.CancelledError:
            if not self._draining or self.transport is None:
                raise
            last = replies.SHUTTING_DOWN
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the client learns nothing of it
            log.failed(self._id, error)
            last = replies.INTERNAL_ERROR
        finally:
            self._end()
            await self._part(last)

    async def _part(self, last: Reply | None) -> None:
        """Say the last line if there is still somebody, and close; TLS says close_notify first."""
        if self.transport is None:
            return
        try:
            if last:
                self._say(last)
            await self._flush()
        except SessionOver:  # nobody is there any more
            return
        finally:
            if self.transport:
                self.transport.close()

    async def _pass_the_door(self) -> None:
        """Until policy's word is there. SessionOver, with what is said in place of a greeting, where it is no."""
        outcome = await self._admission.outcome
        reply = _TURNED_AWAY.get(outcome)
        if reply:
            log.connection_refused(self._listener.name, self._client_address, outcome)
            raise SessionOver(reply)

    # What session.py has to say

    @abstractmethod
    async def _converse(self) -> None:
        """From greeting to QUIT."""

    @abstractmethod
    def _is_idle(self) -> bool:
        """No transaction is open."""

    @abstractmethod
    def end_if_revoked(self, credentials: frozenset[int]) -> None:
        """End where it was opened by one of these."""

    @abstractmethod
    def _end(self) -> None:
        """Called once, whatever ended the session: give back what it holds."""

    # Writing

    def _say(self, reply: Reply) -> None:
        self._replies += f"{reply}\r\n".encode("ascii")

    def _say_lines(self, lines: Sequence[str]) -> None:
        """A 250 of several lines, RFC 5321 section 4.2.1."""
        self._replies += "".join(f"250-{line}\r\n" for line in lines[:-1]).encode()
        self._replies += f"250 {lines[-1]}\r\n".encode()

    async def _flush(self) -> None:
        """Write what was said; wait where the client does not read."""
        if not self._replies:
            return
        if self.transport is None or self.transport.is_closing():
            raise SessionOver
        self.transport.write(bytes(self._replies))
        self._replies.clear()
        if self._room:
            self._unread_until = self.loop.time() + self._edge.settings.command_timeout_s
            await self._room
            self._unread_until = _NEVER

    # Reading

    def _must_have_waited(self) -> None:
        """Called where a client has to wait for our reply: what came already was sent by somebody who did not."""
        if self._received:
            raise SessionOver(replies.TALKED_EARLY)

    async def _more(self, expires_at: float) -> None:
        """Wait until more is in `_received`. `expires_at` is on the loop's clock; the whole session ends before it."""
        before = len(self._received)
        await self._flush()
        if self._over:
            raise SessionOver(self._over)
        if len(self._received) > before:
            return
        if self._is_at_eof:
            raise SessionOver
        if self._is_paused and self.transport:
            self.transport.resume_reading()
            self._is_paused = False
        self._arrival = self.loop.create_future()
        self._expires_at = min(expires_at, self._ends_at)
        try:
            await self._arrival
        finally:
            self._arrival, self._expires_at = None, _NEVER
        if len(self._received) == before:  # the end, and nothing before it
            raise SessionOver

    async def _line(self, limit: int, expires_at: float) -> bytes | TooLong:
        """The next line with its end, unless it is longer than `limit`; its octets are gone then."""
        too_long: TooLong | None = None
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > limit:
                too_long = too_long or TooLong(bytes(self._received[:_VERB_OCTETS]))
                self._received.clear()
            await self._more(expires_at)
        line = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        if len(self._replies) > _REPLIES_AT_ONCE:
            await self._flush()
        if len(line) > limit:
            too_long = too_long or TooLong(line[:_VERB_OCTETS])
        return too_long or line

    # TLS

    async def _start_tls(self, ready: Reply) -> None:
        """Say `ready` and shake hands. SessionOver where that fails, or where somebody did not wait for `ready`."""
        if self.transport is None:
            raise SessionOver
        # From here on nothing is read but by the handshake: what comes in clear is taken for no command under TLS.
        self.transport.pause_reading()
        self._must_have_waited()
        self._say(ready)
        await self._flush()
        settings = self._edge.settings
        try:
            selected = await handshake.choose(
                self.transport.get_extra_info("socket").dup(), self._edge, self._listener, settings.handshake_timeout_s
            )
            transport = await self.loop.start_tls(
                self.transport,
                self,
                selected.context,
                server_side=True,
                ssl_handshake_timeout=settings.handshake_timeout_s,
                ssl_shutdown_timeout=TLS_GOODBYE_S,
            )
        except OSError as error:
            self._edge.scoreboard.count("handshakes_total", "failed")
            log.handshake_failed(self._listener.name, self._client_address, error)
            raise SessionOver from None
        self.transport = transport
        self._is_under_tls(selected)

    def _is_under_tls(self, selected: Selected) -> None:
        """The handshake is done. Read through the shared buffers from now on."""
        if not self._admission.is_probe:
            self._edge.scoreboard.count("handshakes_total", "done")
        transport: Any = self.transport  # asyncio's own class has no public name
        self._tls = handshake.secured(transport, selected, self._listener)
        protocol = transport._ssl_protocol  # noqa: SLF001 - see max_size above
        protocol._ssl_buffer, protocol._ssl_buffer_view = _FROM_SOCKET, _FROM_SOCKET_VIEW  # noqa: SLF001
        transport.set_read_buffer_limits(high=_UNREAD_LIMIT)


def _settle(waited_for: "asyncio.Future[None] | None") -> None:
    if waited_for and not waited_for.done():
        waited_for.set_result(None)
