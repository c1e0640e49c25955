"""The octets of one connection: in clear at first, and under TLS from its handshake on.

    listener.py       accepts
    wire.py           (you are here)
    conversation.py   makes lines of what comes

In place of asyncio's transports, which pass each event through three layers and a dozen calls. TLS is done in memory
(ssl.SSLObject), so that OpenSSL never waits for a socket: over one it takes two system calls for each record, and every
one of its calls may want the other direction.

All connections read through the same two buffers, one for what the socket gives and one for what TLS makes of it:
neither holds anything between two events.

Back-pressure: a session that is busy lets at most _UNREAD_LIMIT wait; and who does not read is not read, so that what
he makes OpenSSL say (key updates, alerts) has an end, too. A client that has not logged in is read in small pieces, and
so is one that has as soon as much came that carries nothing: in 256 KiB there is room for ten thousand key updates, and
each takes as long as a record of 16 KiB does.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import cast

_UNREAD_LIMIT = 64 * 1024
_RECORD = 16 * 1024  # octets that a TLS record carries at most, RFC 8446 section 5.1
_PIECE = 2 * _RECORD  # for OpenSSL: its memory of a connection keeps the size that it once had
_AT_ONCE = 8 * _PIECE  # octets that one event reads
_OF_A_STRANGER = 8 * 1024
_FOR_NOTHING = _RECORD + 8 * 1024  # octets that an event may read and that carry none: half a record, and some heads
_FROM_SOCKET, _UNDER_TLS = memoryview(bytearray(_PIECE)), memoryview(bytearray(_RECORD))


class Wire:
    """One task uses it. Whatever waits raises ConnectionError once the connection is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self.socket = connection
        self._descriptor = connection.fileno()
        # For the session
        self.received = bytearray()  # read and not yet taken
        self.is_at_end = False  # the client has closed its half: nothing more comes
        self.is_gone = False
        self.on_loss: Callable[[], None] = _ignore  # called where the session waits for something else than the client
        self._waiting: asyncio.Future[None] | None = None  # where it waits for the client
        # Of the socket
        self._piece = self._at_once = _OF_A_STRANGER
        self._take: Callable[[], None] = self._take_octets  # what is done with what comes
        self._is_read = False
        self._unsent = b""  # what the kernel had no room for
        # Of TLS
        self._tls: ssl.SSLObject | None = None
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        connection.setblocking(False)
        # Two small writes in a row would cost 40 ms (Nagle, delayed acknowledgement).
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # The beginning and the end

    async def readable(self) -> None:
        """Until there is something to read, which stays where it is."""
        if self.is_at_end:
            raise ConnectionResetError
        self._take = self._notice
        await self._something()

    async def shake_hands(self, context: ssl.SSLContext) -> ssl.SSLObject:
        """TLS from here on. What is in the socket belongs to it; OSError where it fails."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._take = self._take_records
        while not self._is_done(tls):
            await self._something()
            if self._incoming.eof:
                raise ConnectionResetError("closed in the handshake")
        self._tls = tls
        self._decrypt()  # what came with the last octets of the handshake
        return tls

    async def part(self, within_s: float) -> None:
        """Close; under TLS say close_notify, and wait for the client's own (RFC 8446 section 6.1)."""
        if self._tls and not self.is_gone:
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(within_s):
                    await self._say_goodbye(self._tls)
        self.close()

    def cut(self) -> None:
        """Whatever the session does."""
        self._break()
        if self._waiting:
            self.interrupt(ConnectionResetError())
        else:
            self.on_loss()

    def close(self) -> None:
        """By the session's own task, or after it."""
        self._break()
        self.socket.close()

    def _break(self) -> None:
        self.pause()
        if self._unsent:
            self._loop.remove_writer(self._descriptor)
        self.is_gone, self._unsent = True, b""

    def _is_done(self, tls: ssl.SSLObject) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:  # an alert, too
            self._send(self._outgoing.read())
        return True

    async def _say_goodbye(self, tls: ssl.SSLObject) -> None:
        with contextlib.suppress(ssl.SSLError):  # wants the client's own, or finds a command in its place
            tls.unwrap()
        self._send(self._outgoing.read())
        await self.sent()
        while not self.is_at_end:
            self.received.clear()
            await self.more()

    # What a session waits for

    async def more(self) -> None:
        """Until more is in `received`, or the end has come."""
        before = len(self.received)
        while len(self.received) == before and not self.is_at_end:
            await self._something()

    @property
    def is_sending(self) -> bool:
        """The client does not read."""
        return bool(self._unsent)

    async def sent(self) -> None:
        """Until the kernel has all that was written."""
        while self._unsent:
            await self._something()

    def interrupt(self, error: Exception) -> None:
        """Let `error` end what the session waits for, if that is its client."""
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error)

    async def _something(self) -> None:
        if self.is_gone:
            raise ConnectionResetError
        self.resume()
        self._waiting = self._loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None
        if self.is_gone:
            raise ConnectionResetError

    def _wake(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    # Reading

    def pause(self) -> None:
        """What comes stays with the kernel."""
        if self._is_read:
            self._is_read = False
            self._loop.remove_reader(self._descriptor)

    def trust(self) -> None:
        """The client is known: one event may read much."""
        self._piece, self._at_once = _PIECE, _AT_ONCE

    def resume(self) -> None:
        """What comes is read, unless the client has to read first."""
        if not (self._is_read or self._unsent or self.is_at_end or self.is_gone):
            self._is_read = True
            self._loop.add_reader(self._descriptor, self._on_readable)

    def _on_readable(self) -> None:
        self._take()
        if self.is_gone:
            self._tell_loss()
        else:
            self._wake()
        if len(self.received) > _UNREAD_LIMIT and not self._waiting:
            self.pause()

    def _notice(self) -> None:
        """Once: it stays readable, and the next wait is for more."""
        self.pause()

    def _take_octets(self) -> None:
        count = self._from_socket()
        if count == 0:
            self._end()
        elif count:
            self.received += _FROM_SOCKET[:count]

    def _take_records(self) -> None:
        """In pieces, until nothing more is there or it is enough for one event, and for this client."""
        before, taken = len(self.received), 0
        count: int | None = self._piece
        while count == self._piece and taken < self._at_once:
            count = self._from_socket()
            if count is None:
                return
            if count:
                self._incoming.write(_FROM_SOCKET[:count])
            else:
                self._incoming.write_eof()
            self._decrypt()
            taken += count
            if not self._is_read:
                return
            if taken - (len(self.received) - before) > _FOR_NOTHING:
                self._piece = self._at_once = _OF_A_STRANGER

    def _from_socket(self) -> int | None:
        """How many octets are in the buffer; 0 at the end, None where there is nothing to do."""
        try:
            return self.socket.recv_into(_FROM_SOCKET, self._piece)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            self._break()
            return None

    def _decrypt(self) -> None:
        """Whatever is whole: OpenSSL takes no more than the record that it gives out."""
        if not self._tls:  # the handshake takes it
            return
        try:
            while self._incoming.pending or self._incoming.eof:
                count = cast("int", self._tls.read(_RECORD, _UNDER_TLS))
                if not count:
                    self._end()
                    break
                self.received += _UNDER_TLS[:count]
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # without close_notify; in reply to ours
            self._end()
        except ssl.SSLError:
            self._send(self._outgoing.read())  # the alert
            self._break()
        if self._outgoing.pending:  # in reply to a key update
            self._send(self._outgoing.read())

    def _end(self) -> None:
        self.is_at_end = True
        self.pause()

    # Writing

    def write(self, octets: bytes) -> None:
        """What the kernel does not take at once goes by and by, see sent(). ConnectionError where it cannot go."""
        if self._tls:
            try:
                self._tls.write(octets)
            except ssl.SSLError as error:  # after an end without close_notify; or half a handshake message came
                raise ConnectionResetError from error
            octets = self._outgoing.read()
        self._send(octets)
        if self.is_gone:
            raise ConnectionResetError

    def _send(self, octets: bytes) -> None:
        if self._unsent or not octets:
            self._unsent += octets
            return
        sent = self._to_socket(octets)
        if sent < len(octets):
            self.pause()
            self._unsent = octets[sent:]
            self._loop.add_writer(self._descriptor, self._on_writable)

    def _on_writable(self) -> None:
        self._unsent = self._unsent[self._to_socket(self._unsent) :]
        if self.is_gone:
            self._tell_loss()
        elif not self._unsent:
            self._loop.remove_writer(self._descriptor)
            self._wake()

    def _to_socket(self, octets: bytes) -> int:
        """How many the kernel took."""
        if self.is_gone:
            return len(octets)
        try:
            return self.socket.send(octets)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._break()
            return len(octets)

    def _tell_loss(self) -> None:
        if self._waiting:
            self._wake()
        else:
            self.on_loss()


def _ignore() -> None:
    """Nobody waits yet."""
