"""One SMTP connection to the next hop: replies matched by count, a message in as few writes as there can be.

A protocol and no pair of streams: a message costs two awaited futures here (the envelope's replies, the message's
reply), where a StreamReader wakes its task for every line.

Trust: once anything is not as it must be - a reply too many, a line that is no reply, an error, a cancelled wait - the
connection is closed, or the next message would read this one's replies.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Self, cast

from gateway import replies
from gateway.errors import RelayFailed
from gateway.relay_commands import CLOSING, Envelope, HopReply, commands, octets, refusal, reply_for
from gateway.spool import Spool

_BUFFER = _LINE_LIMIT = 4096
_LINES_LIMIT = 100  # no reply has more
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_PIECE = 256 * 1024
_LAST_PIECE = 64 * 1024
_GO_ON = 354  # RFC 5321 section 4.2.2
# For the replies to an envelope, and a second more for each of its commands: a next hop may look something up for each.
_ENVELOPE_S = 20.0


class Broken(Exception):
    """The connection cannot be used any more."""


class NextHop(asyncio.BufferedProtocol):
    """A connection that was greeted. Whoever holds it is alone with it."""

    def __init__(self) -> None:
        # Of the connection
        self.offers: dict[str, str] = {}  # EHLO keyword -> its parameters
        self.used_at = 0.0
        self._transport: asyncio.Transport
        self._buffer = memoryview(bytearray(_BUFFER))  # a Protocol's transport would allocate 256 KiB for each read
        self._failure: Exception | None = None
        # Of the exchange that goes on; a fresh connection waits for the greeting
        self._awaited = 1
        self._answers: list[HopReply] = []
        self._waiter: asyncio.Future[None] | None = None
        self._received = b""  # a line that is not yet complete
        self._texts: list[str] = []  # lines of a reply that is not yet complete
        self._room: asyncio.Future[None] | None = None  # done when the transport takes more
        # Of the message
        self.message_is_sent = False

    @classmethod
    async def open(cls, host: str, port: int, hostname: str) -> Self:
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        try:
            await connection.greet(hostname)
        except BaseException:
            connection.drop()
            raise
        return connection

    async def greet(self, hostname: str) -> None:
        """Learn what is offered. A refusal here is the next hop's trouble with us, never the message's."""
        (answer,) = await self._replies()
        if answer.is_positive:
            hello = [f"EHLO {hostname}"]
            (answer,) = await self._exchange(hello, octets(hello))
        if not answer.is_positive:
            raise RelayFailed(f"greeted with {answer.code} {answer.text}", replies.RELAY_UNAVAILABLE)
        for line in answer.text.split("\n")[1:]:
            keyword, _, parameters = line.partition(" ")
            self.offers[keyword.upper()] = parameters.upper()

    @property
    def is_idle(self) -> bool:
        """Nothing is owed by either side, and as far as anybody knows the other side is still there."""
        return not self._failure and not self._awaited and not self._transport.get_write_buffer_size()

    async def relay(self, envelope: Envelope, head: bytes, spool: Spool, offset: int) -> HopReply:
        """The reply to the message; RelayFailed where it was refused, or its envelope was.

        The message follows once the envelope is accepted; one that hangs before is told from one that is slow to write
        a message to disk, and costs the client less time. In one write with it (RFC 3030 section 4.2) it is a tenth
        faster, and may be out where the next hop has not answered a word.
        `message_is_sent` from then on: nobody knows whether the next hop has it, until the reply says so.
        """
        self.message_is_sent = False
        said = commands(envelope, self.offers)
        written = octets(said, is_utf8=envelope.is_utf8)
        async with asyncio.timeout(_ENVELOPE_S + len(said)):
            answers = await self._exchange(said, written)
        _refuse(said, answers)
        if "CHUNKING" in self.offers:
            await self._send_by_length(head, spool, offset)
        else:
            await self._send_by_dots(head, spool, offset)
        (answer,) = await self._replies()
        return _accepted(answer)

    def fail(self, error: Exception) -> None:
        """Close, and let whoever waits know why."""
        self._failure = self._failure or error
        self._transport.abort()
        for future in (self._waiter, self._room):
            if future and not future.done():
                future.set_result(None)

    def drop(self) -> None:
        """Close at once: what is still to be written is not written."""
        self.fail(Broken("dropped"))

    def quit(self) -> None:
        """RFC 5321 section 4.1.1.10; nobody waits for the reply."""
        if not self._failure:
            self._failure = Broken("quit")
            self._transport.write(b"QUIT\r\n")
            self._transport.close()

    # The message

    async def _send_by_length(self, head: bytes, spool: Spool, offset: int) -> None:
        """BDAT with the whole message as one chunk (RFC 3030): no octet of it can be taken for a command."""
        size = len(head) + len(spool) - offset
        start = b"".join((b"BDAT %d LAST\r\n" % size, head, memoryview(spool.start)[offset:]))
        self._awaited = 1
        if not spool.file:
            self._write_last(start)
            return
        self._write(start)
        # Until its last piece is written, the next hop cannot have the message: what fails before is certain.
        rest = min(spool.file_bytes, _LAST_PIECE)
        if spool.file_bytes > rest:
            try:
                await asyncio.get_running_loop().sendfile(self._transport, spool.file, 0, spool.file_bytes - rest)
            except RuntimeError as error:  # "Transport is closing"
                raise Broken("closed before the message was sent") from error
        spool.file.seek(spool.file_bytes - rest)
        self._write_last(spool.file.read(rest))

    async def _send_by_dots(self, head: bytes, spool: Spool, offset: int) -> None:
        """DATA with transparency dots, RFC 5321 section 4.5.2. Piece by piece: whether one begins a line is remembered.

        A dot is doubled after any LF: if there were a bare one, who takes it for a line end would see no end of data.
        """
        (go_on,) = await self._exchange(["DATA"], b"DATA\r\n")
        if go_on.code != _GO_ON:
            raise RelayFailed(f"DATA refused: {go_on.code} {go_on.text}", reply_for(go_on))
        self._awaited = 1
        begins_line = True
        for piece in _pieces(head, spool, offset):
            stuffed = piece.replace(b"\n.", b"\n..")
            self._write(b"." + stuffed if begins_line and piece.startswith(b".") else stuffed)
            begins_line = piece.endswith(b"\n")
            if self._room:
                await self._room
        # A message that came by BDAT may lack its last CRLF; DATA cannot say so.
        self._write_last(b".\r\n" if begins_line else b"\r\n.\r\n")

    def _write_last(self, piece: bytes) -> None:
        """What completes the message, so that the next hop may take it from here on."""
        if self._answers and self._answers[0].is_positive:
            raise Broken("message taken before it was sent")
        if self._failure:
            raise self._failure
        self.message_is_sent = True
        self._transport.write(piece)

    # Commands and replies

    async def _exchange(self, lines: Sequence[str], written: bytes) -> list[HopReply]:
        """All commands in one write and then their replies; one by one where PIPELINING (RFC 2920) is not offered."""
        if len(lines) == 1 or "PIPELINING" in self.offers:
            self._awaited = len(lines)
            self._write(written)
            return await self._replies()
        answers: list[HopReply] = []
        for command in written.splitlines(keepends=True):
            self._awaited = 1
            self._write(command)
            answers += await self._replies()
        return answers

    async def _replies(self) -> list[HopReply]:
        """As many as are awaited, once all are there."""
        if len(self._answers) < self._awaited and not self._failure:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        if len(self._answers) < self._awaited:
            raise self._failure or Broken("closed")
        answers, self._answers, self._awaited = self._answers, [], 0
        return answers

    def _write(self, written: bytes) -> None:
        if self._failure:
            raise self._failure
        self._transport.write(written)

    def _take_lines(self, received: bytes) -> None:
        *lines, self._received = (self._received + received).split(b"\r\n")
        for line in lines:
            self._take_line(line)
        if len(self._received) > _LINE_LIMIT:
            raise Broken("reply line too long")
        missing = self._awaited - len(self._answers)
        if missing < 0 or (not missing and (self._received or self._texts)):
            raise Broken("a reply too many")
        if not missing and self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _take_line(self, line: bytes) -> None:
        """One line of a reply, without its CRLF."""
        match = _REPLY_LINE.fullmatch(line)
        if not match or len(line) > _LINE_LIMIT:
            raise Broken("not an SMTP reply")
        self._texts.append((match[3] or b"").decode(errors="replace").rstrip())
        if match[2] != b"-":
            self._answers.append(HopReply(int(match[1]), "\n".join(self._texts)))
            self._texts.clear()
        elif len(self._texts) > _LINES_LIMIT:
            raise Broken("reply without end")

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio has set TCP_NODELAY: two small writes in a row would cost 40 ms (Nagle, delayed acknowledgement).
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        if self._failure:
            return
        try:
            self._take_lines(bytes(self._buffer[:count]))
        except Broken as error:
            # Which reply belongs to which command is not known any more: none of them counts.
            self._answers.clear()
            self._awaited = self._awaited or 1
            self.fail(error)

    def eof_received(self) -> None:
        """The transport closes, and says so in connection_lost."""

    def connection_lost(self, error: Exception | None) -> None:
        self.fail(error or Broken("closed by the next hop"))

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._room and not self._room.done():
            self._room.set_result(None)
        self._room = None


def _pieces(head: bytes, spool: Spool, offset: int) -> Iterator[bytes]:
    """The message in order; none is empty."""
    if head:
        yield head
    if len(spool.start) > offset:
        yield bytes(memoryview(spool.start)[offset:])
    if spool.file:
        spool.file.seek(0)
        while piece := spool.file.read(_PIECE):
            yield piece


def _refuse(said: Sequence[str], answers: Sequence[HopReply]) -> None:
    """RelayFailed where an envelope was not accepted whole; Broken where the next hop says that it goes away."""
    if any(answer.code == CLOSING for answer in answers):
        raise Broken("421 in reply to the envelope")
    failed = refusal(said, answers)
    if failed:
        raise failed


def _accepted(answer: HopReply) -> HopReply:
    if not answer.is_positive:
        raise RelayFailed(f"message refused: {answer.code} {answer.text}", reply_for(answer))
    return answer
