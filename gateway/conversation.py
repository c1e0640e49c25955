"""What one session hears and says: lines in, replies out, deadlines. What the lines mean is session.py's concern.

    wire.py           the octets, in clear and under TLS
    conversation.py   (you are here)
    session.py        the verbs

aiosmtpd's SMTP, which it began as, had been overridden in every method by then: its loop accepts bare LF, its replies
lack enhanced codes and may carry an exception's text, its AUTH lines end at 512 octets, its DATA reader costs up to 75
times the message in memory, and it inspects itself with each connection.

Pipelining (RFC 2920): replies wait until no whole line is left to be answered, and leave in one write. After EHLO, AUTH
with a challenge, STARTTLS, DATA and before the greeting a client has to wait for us; one that does not is an injection
(CVE-2011-0411) or a program that was not made for this port, and the session ends.

Turns: commands that have come already are answered without a wait for anything, so after some of them all other
sessions have a turn.

Deadlines: every wait for the client sets `_expires_at`, and Edge.make_rounds looks at all sessions twice a second. A
client that does not read is waited for as long as one that does not write.
"""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

from gateway import handshake, log, replies
from gateway.edge import Edge
from gateway.errors import SessionOver
from gateway.handshake import Secured
from gateway.replies import Reply
from gateway.settings import ListenerSettings
from gateway.wire import Wire
from policy.contract import ConnectOutcome

_REPLIES_AT_ONCE = 8 * 1024
_LINES_AT_ONCE = 32  # a millisecond's work, and more than most sessions have in all
_VERB_OCTETS = 5
_TURNED_AWAY: Mapping[ConnectOutcome, Reply] = {
    ConnectOutcome.REFUSED: replies.NOT_FROM_THERE,
    ConnectOutcome.LATER: replies.NOT_FROM_THERE_NOW,
}
_NEVER = float("inf")
_TLS_GOODBYE_S = 2.0  # how long the client's own close_notify is waited for


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


class Conversation(ABC):
    """One connection, for as long as serve() runs."""

    def __init__(
        self, edge: Edge, listener: ListenerSettings, admission: Admission, wire: Wire, tls: Secured | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        # Shared by all sessions
        self._edge = edge
        self._listener = listener
        # Of this connection
        self._id = secrets.token_hex(6)
        self._admission = admission
        self._client_address = admission.client_address
        self._wire = wire
        self._tls = tls
        self._task: asyncio.Task[object] | None = None
        self._received = wire.received  # octets that were read and not yet understood
        self._replies = bytearray()  # replies that were given and not yet written
        self._lines = 0  # taken so far
        self._waiting = False  # for a command
        self._is_handing_over = False  # a message: nothing ends the session before there is a reply to it
        self._draining = False
        self._over: Reply | None = None  # what to say at the next wait for the client, which is the last one
        # Deadlines, on the loop's clock
        self._opened_at = loop.time()
        self._expires_at = self._unread_until = _NEVER
        self._ends_at = self._opened_at + edge.settings.session_timeout_s

    # The life of the connection

    async def serve(self) -> None:
        """To its end; the wire is closed then."""
        self._task = asyncio.current_task()
        self._wire.on_loss = self._stop
        self._wire.resume()
        self._edge.sessions.add(self)
        log.session_opened(self._id, self._listener.name, self._client_address)
        last: Reply | None = None
        try:
            await self._converse()
        except SessionOver as over:
            last = over.reply
        except asyncio.CancelledError:
            if not self._draining or self._wire.is_gone:
                raise
            last = replies.SHUTTING_DOWN
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the client learns nothing of it
            log.failed(self._id, error)
            last = replies.INTERNAL_ERROR
        finally:
            self._waiting = False
            self._end()
            try:
                await self._part(last)
            finally:
                self._edge.sessions.discard(self)

    def drain(self) -> None:
        """End as soon as no transaction is open: at once where the client has nothing to wait for."""
        self._draining = True
        if self._waiting and self._is_idle():
            self._stop()

    def cut(self) -> None:
        """The time to drain is over, or the client does not read."""
        self._wire.cut()

    def end_with(self, last: Reply) -> None:
        """Say `last` and close, as soon as the session waits for its client: a message under way is still answered."""
        self._over = last
        if self._expires_at < _NEVER:
            self._wire.interrupt(SessionOver(last))

    def check(self, now: float) -> None:
        """Enforce the deadline of whatever is waited for; `now` is the loop's clock."""
        if now >= self._unread_until:
            self._edge.scoreboard.count("sessions_expired_total")
            self.cut()
        elif now >= self._expires_at:
            self._edge.scoreboard.count("sessions_expired_total")
            late = replies.SESSION_TOO_LONG if self._expires_at == self._ends_at else replies.TIMED_OUT
            self._wire.interrupt(SessionOver(late))

    def _stop(self) -> None:
        """What is begun with a message runs to its end, whether or not the client is still there."""
        if self._task and not self._is_handing_over:
            self._task.cancel()

    async def _part(self, last: Reply | None) -> None:
        """Say the last line if there is still somebody, and close; TLS says close_notify first."""
        try:
            if last:
                self._say(last)
            await self._flush()
            await self._wire.part(_TLS_GOODBYE_S)
        except ConnectionError:  # nobody is there any more
            return
        finally:
            self._wire.close()

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
        octets = bytes(self._replies)
        self._replies.clear()
        self._wire.write(octets)
        if self._wire.is_sending:
            self._unread_until = self.loop.time() + self._edge.settings.command_timeout_s
            await self._wire.sent()
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
        self._expires_at = min(expires_at, self._ends_at)
        try:
            await self._wire.more()
        finally:
            self._expires_at = _NEVER
        if len(self._received) == before:  # the end, and nothing before it
            raise SessionOver

    async def _line(self, limit: int, expires_at: float) -> bytes | TooLong:
        """The next line with its end, unless it is longer than `limit`; its octets are gone then."""
        self._lines += 1
        if self._lines % _LINES_AT_ONCE == 0:
            await asyncio.sleep(0)
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
        # From here on nothing is read but by the handshake: what comes in clear is taken for no command under TLS.
        self._wire.pause()
        self._must_have_waited()
        self._say(ready)
        await self._flush()
        try:
            self._tls = await handshake.shake_hands(self._wire, self._edge, self._listener)
        except OSError as error:
            self._edge.scoreboard.count("handshakes_total", "failed")
            log.handshake_failed(self._listener.name, self._client_address, error)
            raise SessionOver from None
        if not self._admission.is_probe:
            self._edge.scoreboard.count("handshakes_total", "done")
