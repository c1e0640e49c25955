"""One connection of the gateway with both its ends in memory: a kernel that gives and takes what the script says, a
client that seals any record (wire_client.py), and a session that says STARTTLS, shakes hands, and echoes what it hears.

Whatever the client, the kernel and somebody between them do:

- the session hears a beginning of what was said under TLS, and all of it where nobody cheats; never an octet in clear;
- the client hears a beginning of what the session says, and all of it where nobody cheats;
- nothing is called for nothing, nothing is read while something is unsent, and little waits;
- the session ends with its client, by an error of the connection or by none, and leaves nothing with the loop.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from fuzz.wire_client import READY, STARTTLS, Client, certificate
from gateway import client_hello
from gateway.client_hello import NotClientHello
from gateway.handshake import peek
from gateway.tls import Certificates, NoProtocol
from gateway.wire import Wire

MOST_UNREAD = 64 * 1024 + 256 * 1024
MUCH = 1 << 30
ALL = 255  # the greatest argument
CALLS = 64  # of the loop, for an octet that comes: far more than are needed, and far fewer than a busy loop has
PIECES = 64
QUIET = 4  # turns of the loop in which nothing is called: no task is on its way then
_IN_CLEAR = (
    *(b"Q", b"QUIT\r\n", STARTTLS, b"EHLO client.example\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x80\x2e\x01\0\x02"),
    *(b"\x15\x03\x03\0\x02\x01\0", b"\x15\x03\x03\0\x02\x02\x28", b"\x14\x03\x03\0\x01\x01", b"\x16\x03\x03\0\0"),
    *(b"\x17\x03\x03\0\0", b"\x17\x03\x03\x41\x01", b"\x17\x03\x03\0\x20" + bytes(32), b"\x16\x03\x01\xff\xff"),
    *(b"\x18\x03\x03\0\x03\x01\x40\0", b"\x16\x03\x01\0\x04\x01\0\0\0", b"\x17\x02\0\0\x10" + bytes(16)),
)


class Kernel:
    """The socket, as far as wire.py and handshake.py look at it."""

    def __init__(self) -> None:
        self.inbound, self.outbound = bytearray(), bytearray()
        self.room = MUCH
        self.is_ended = self.is_reset = self.is_closed = False
        self._low = 1

    @property
    def is_readable(self) -> bool:
        return len(self.inbound) >= self._low or self.is_ended or self.is_reset

    @property
    def is_writable(self) -> bool:
        return self.room > 0 or self.is_reset

    def fileno(self) -> int:
        return MUCH

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def setsockopt(self, level: int, name: int, value: int) -> None:
        if (level, name) == (socket.SOL_SOCKET, socket.SO_RCVLOWAT):
            self._low = value

    def recv(self, count: int, flags: int = 0) -> bytes:
        if self.is_reset:
            raise ConnectionResetError
        if not self.inbound and not self.is_ended:
            raise BlockingIOError
        octets = bytes(self.inbound[:count])
        if not flags & socket.MSG_PEEK:
            del self.inbound[:count]
        return octets

    def recv_into(self, buffer: memoryview, count: int = 0) -> int:
        octets = self.recv(count or len(buffer))
        buffer[: len(octets)] = octets
        return len(octets)

    def send(self, octets: bytes) -> int:
        if self.is_reset:
            raise ConnectionResetError
        if not self.room:
            raise BlockingIOError
        taken = octets[: self.room]
        self.room -= len(taken)
        self.outbound += taken
        return len(taken)

    def close(self) -> None:
        self.is_closed = True


class Loop(asyncio.SelectorEventLoop):
    """Remembers what is to be called for the one connection that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.reader: Callable[..., Any] | None = None
        self.writer: Callable[..., Any] | None = None
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def add_reader(self, fd: object, callback: Callable[..., Any], *_: object) -> None:  # noqa: ARG002 - asyncio's words
        self.reader = callback

    def remove_reader(self, fd: object) -> bool:  # noqa: ARG002
        self.reader, before = None, self.reader
        return bool(before)

    def add_writer(self, fd: object, callback: Callable[..., Any], *_: object) -> None:  # noqa: ARG002
        self.writer = callback

    def remove_writer(self, fd: object) -> bool:  # noqa: ARG002
        self.writer, before = None, self.writer
        return bool(before)


class Session:
    """What conversation.py does, as far as the octets are concerned; what it hears it says again."""

    def __init__(self, kernel: Kernel, listener: str, *, is_implicit: bool) -> None:
        self.wire = Wire(cast("socket.socket", kernel))
        self._listener, self._is_implicit = listener, is_implicit
        self.heard, self.said = bytearray(), bytearray()

    async def serve(self) -> None:
        try:
            if not self._is_implicit:
                await self._start_tls()
            hello = await peek(self.wire, client_hello.parse)
            await self.wire.shake_hands(_certificates().select(hello, self._listener).context)
            self.wire.resume()
            await self._echo()
            await self.wire.part(3600)
        except (OSError, NotClientHello, NoProtocol):
            pass
        finally:
            self.wire.close()

    async def _start_tls(self) -> None:
        wire = self.wire
        wire.resume()
        while b"\n" not in wire.received:
            await wire.more()
            if wire.is_at_end:
                raise ConnectionResetError
        wire.pause()
        if wire.received != STARTTLS:
            raise ConnectionResetError
        wire.received.clear()
        wire.write(READY)
        await wire.sent()

    async def _echo(self) -> None:
        wire = self.wire
        while not wire.is_at_end:
            await wire.more() if not wire.received else None
            octets = bytes(wire.received)
            wire.received.clear()
            self.heard += octets
            wire.write(octets)
            self.said += octets
            await wire.sent()


class Play:
    """A script, from the first octet to the end of the session."""

    def __init__(self, loop: Loop, flags: int, choices: int) -> None:
        is_implicit = bool(flags & 1)
        self._loop, self._kernel = loop, Kernel()
        self._session = Session(self._kernel, ("strangers", "known")[flags >> 1 & 1], is_implicit=is_implicit)
        self._client = Client(choices, is_implicit=is_implicit)
        self._to_say = bytearray(b"" if is_implicit else STARTTLS)  # by the client, not yet with the kernel
        self._task = loop.create_task(self._session.serve())
        self._calls = CALLS

    async def act(self, code: int, argument: int) -> None:
        if code % (len(_ACTS) + 1) == len(_ACTS):
            await self._shake_hands(argument)
        else:
            _ACTS[code % (len(_ACTS) + 1)](self, argument)
        await self._settle()

    async def end(self) -> None:
        """What is on its way arrives, and the client leaves: whoever waits then would wait for ever."""
        self._kernel.room = MUCH
        await self._shake_hands(ALL)
        is_whole = self._client.is_honest and not self._kernel.is_reset
        self._kernel.is_ended = True
        await self._settle()
        self.hear()
        self._check(is_whole=is_whole)
        assert self._task.done(), "waits for nobody"
        assert self._task.exception() is None
        assert self._kernel.is_closed
        assert self._loop.reader is self._loop.writer is None
        assert not self._loop.failures, self._loop.failures

    # What a script is made of

    def hear(self, _: int = 0) -> None:
        octets = bytes(self._kernel.outbound)
        self._kernel.outbound.clear()
        self._to_say += self._client.hear(octets)

    def say(self, argument: int) -> None:
        self._to_say += self._client.say(argument)

    def say_odd(self, argument: int) -> None:
        self._to_say += self._client.say_odd(argument)

    def update_key(self, argument: int) -> None:
        self._to_say += self._client.update_key(argument)

    def part(self, _: int) -> None:
        self._to_say += self._client.part()

    def flush(self, argument: int) -> None:
        """So many octets arrive."""
        count = len(self._to_say) if argument == ALL else argument
        octets = self._to_say[:count]
        del self._to_say[:count]
        if self._kernel.is_ended:
            self._client.is_honest &= not octets
        else:
            self._kernel.inbound += octets
            self._calls += CALLS * len(octets)

    def spoil(self, argument: int) -> None:
        """One octet is another one when it arrives."""
        if self._to_say:
            self._to_say[argument % len(self._to_say)] ^= 1 + argument % 255
            self._client.is_honest = False

    def inject(self, argument: int) -> None:
        """Somebody who has no key says something, behind the client or before it."""
        at = len(self._to_say) if argument & 1 else 0
        self._to_say[at:at] = _IN_CLEAR[(argument >> 1) % len(_IN_CLEAR)]
        self._client.is_honest = False

    def give_room(self, argument: int) -> None:
        """What the kernel still takes; a client that does not read leaves none."""
        self._kernel.room = MUCH if argument == ALL else argument * argument

    def leave(self, argument: int) -> None:
        """The client closes its half, or resets."""
        self._client.is_honest &= not self._to_say and self._client.is_under_tls
        self._kernel.is_ended = True
        self._kernel.is_reset |= argument > ALL // 2

    async def _shake_hands(self, piece: int) -> None:
        """As far as the client needs no other word of the script; in not too many pieces."""
        for _ in range(4):
            await self._settle()
            self.hear()
            least = 1 + len(self._to_say) // PIECES
            while self._to_say:
                self.flush(max(piece, least))
                await self._settle()
        self.hear()

    # How the world goes on

    async def _settle(self) -> None:
        """Until nobody has anything to do."""
        self._calls += CALLS
        quiet = 0
        while quiet < QUIET:
            called = self._wanted()
            if called:
                self._loop.call_soon(called)
                self._calls -= 1
                assert self._calls, "called for nothing"
            quiet = 0 if called else quiet + 1
            await asyncio.sleep(0)
        self._check(is_whole=False)

    def _wanted(self) -> Callable[..., Any] | None:
        if self._loop.reader and self._kernel.is_readable:
            return self._loop.reader
        return self._loop.writer if self._kernel.is_writable else None

    def _check(self, *, is_whole: bool) -> None:
        session, client = self._session, self._client
        assert client.said.startswith(session.heard)
        assert session.said.startswith(client.heard)
        assert len(session.wire.received) <= MOST_UNREAD
        assert not (self._loop.reader and session.wire.is_sending), "is read, and does not read"
        assert not (is_whole and not client.is_under_tls), "no handshake"
        assert not (is_whole and session.heard != client.said), "something was lost"
        assert not (is_whole and session.said != client.heard), "something was not said"


_ACTS: tuple[Callable[[Play, int], None], ...] = (
    *(Play.hear, Play.say, Play.say_odd, Play.update_key, Play.part, Play.flush),
    *(Play.spoil, Play.inject, Play.give_room, Play.leave),
)


def one(octets: bytes) -> None:
    """Two octets say who meets, each other two are an act and its argument."""
    if len(octets) >= 2:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_played(octets))


async def _played(octets: bytes) -> None:
    loop = cast("Loop", asyncio.get_running_loop())
    play = Play(loop, octets[0], octets[1])
    for code, argument in zip(octets[2::2], octets[3::2], strict=False):
        await play.act(code, argument)
    await play.end()


@cache
def _certificates() -> Certificates:
    own = certificate("server")
    return Certificates([(own, own)], {"strangers": "no", "known": "optional"}, client_ca=own, clock=time.time)
