"""One connection to Valkey or Redis. Calls that come while others are under way wait, and then go together.

    location.py      where the server is
    valkey_line.py   (you are here) the connection; commands and replies, in as much of RESP2 as the budgets need
    valkey.py        what is asked, and what follows

A call has its replies within its patience, or it fails. Whatever fails, the connection is left: the next call connects
anew and asks the resolver again, so a name that follows the primary is followed. No call is made a second time here.

A reply is a number, a text, nothing or an error. budgets.lua answers with a text: a client library reads arrays of
numbers one by one, which took longer than all the rest of a decision.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_END = b"\r\n"


class ServerError(Exception):
    """What the server says in place of an answer, such as `READONLY You can't write against a read only replica.`"""


class NoReply(OSError):
    """The connection was lost, or what comes over it is no RESP2."""


Reply = int | bytes | ServerError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where it is, `path` or `host` and `port`, and who we are there."""

    path: str = ""  # of a socket
    host: str = ""
    port: int = 6379
    number: int = 0  # of the database
    user: str = ""
    password: str = field(default="", repr=False)
    is_tls: bool = False
    authority: str | None = None  # a file of certificates; None: the system's


class _Call(NamedTuple):
    commands: Sequence[bytes]
    done: "asyncio.Future[Sequence[Reply]]"
    asked_at: float  # on the loop's clock


class Line:
    """With `replicas`, what was asked counts where so many of them have it."""

    def __init__(self, server: Server, patience_s: float, replicas: int = 0) -> None:
        self._server, self._patience_s, self._replicas = server, patience_s, replicas
        # Less than the patience: it is the server that has to say how many have it.
        self._wait = (command("WAIT", str(replicas), str(int(patience_s * 700))),) if replicas else ()
        self._waiting: list[_Call] = []
        self._working: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None

    async def ask(self, commands: Sequence[bytes]) -> Sequence[Reply]:
        """A reply to each. OSError (TimeoutError is one) or ServerError: they may have been carried out."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Sequence[Reply]] = loop.create_future()
        self._waiting.append(_Call(commands, done, loop.time()))
        if not self._working or self._working.done():
            self._working = loop.create_task(self._work())
        return await done

    async def close(self) -> None:
        """Finish what was asked."""
        if self._working:
            await self._working
        self._leave()

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                async with asyncio.timeout_at(batch[0].asked_at + self._patience_s):
                    replies = await self._replies(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                self._leave()
                _fail(batch, error)
                continue
            if any(isinstance(one, ServerError) for one in replies):
                self._leave()  # one that is a replica now has left its name to another
            _tell(batch, replies)

    async def _replies(self, batch: Sequence[_Call]) -> Sequence[Reply]:
        if not self._connection or self._connection.is_closed:
            self._connection = await _connected(self._server)
        replies = await self._connection.ask([*(one for call in batch for one in call.commands), *self._wait])
        if not self._replicas:
            return replies
        *replies, have_it = replies
        if isinstance(have_it, ServerError):
            raise have_it
        number = have_it if isinstance(have_it, int) else 0
        if number < self._replicas:
            raise ServerError(f"{number} of {self._replicas} replicas have it")
        return replies

    def _leave(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


class _Connection(asyncio.Protocol):
    """One question at a time, of any number of commands."""

    def __init__(self) -> None:
        self.is_closed = False
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._wanted = 0
        self._replies: list[Reply] = []
        self._done: asyncio.Future[Sequence[Reply]] | None = None

    async def ask(self, commands: Sequence[bytes]) -> Sequence[Reply]:
        if not self._transport or self.is_closed:
            raise NoReply("the connection was lost")
        self._done = asyncio.get_running_loop().create_future()
        self._wanted, self._replies = len(commands), []
        self._transport.write(b"".join(commands))
        return await self._done

    async def greet(self, server: Server) -> None:
        """ServerError where it does not want us."""
        greeting = _greeting(server)
        refused = [one for one in await self.ask(greeting) if isinstance(one, ServerError)] if greeting else []
        if refused:
            raise refused[0]

    def close(self) -> None:
        """At once: a reply to a question that was given up must not be taken for another one's."""
        self.is_closed = True
        if self._transport:
            self._transport.abort()

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type alone
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        at = 0
        try:
            while self._received and (found := reply_at(self._received, at)):
                reply, at = found
                self._replies.append(reply)
        except ValueError:
            self._lose("it speaks another protocol")
            return
        self._received = self._received[at:]
        if self._done and not self._done.done() and len(self._replies) >= self._wanted:
            self._done.set_result(self._replies)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(str(exc or "the connection was lost"))

    def _lose(self, why: str) -> None:
        self.close()
        if self._done and not self._done.done():
            self._done.set_exception(NoReply(why))


async def _connected(server: Server) -> _Connection:
    """ServerError where it does not want us."""
    loop = asyncio.get_running_loop()
    if server.path:
        _, connection = await loop.create_unix_connection(_Connection, server.path)
    else:
        context = ssl.create_default_context(cafile=server.authority) if server.is_tls else None
        _, connection = await loop.create_connection(_Connection, server.host, server.port, ssl=context)
    try:
        await connection.greet(server)
    except BaseException:
        connection.close()
        raise
    return connection


def _greeting(server: Server) -> Sequence[bytes]:
    who = [server.user] if server.user else []
    return [
        *([command("AUTH", *who, server.password)] if server.user or server.password else []),
        *([command("SELECT", str(server.number))] if server.number else []),
    ]


def command(*words: str) -> bytes:
    """As an array of bulk strings."""
    pieces = [b"*%d\r\n" % len(words)]
    for word in words:
        octets = word.encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(octets), octets))
    return b"".join(pieces)


def reply_at(octets: bytes, at: int) -> tuple[Reply, int] | None:
    """The reply that begins there, and where the next one does; None where it is not whole. ValueError: it is none."""
    end = octets.find(_END, at)
    if end < 0:
        return None
    kind, rest, begin = octets[at : at + 1], octets[at + 1 : end], end + len(_END)
    if kind == b":":
        return int(rest), begin
    if kind == b"+":
        return rest, begin
    if kind == b"-":
        return ServerError(rest.decode(errors="replace")), begin
    if kind != b"$":
        raise ValueError(kind)
    if (length := int(rest)) < 0:
        return None, begin
    following = begin + length + len(_END)
    return (octets[begin : begin + length], following) if len(octets) >= following else None


def _fail(batch: Sequence[_Call], error: Exception) -> None:
    for call in batch:
        if not call.done.done():  # who asked may have gone
            call.done.set_exception(error)


def _tell(batch: Sequence[_Call], replies: Sequence[Reply]) -> None:
    at = 0
    for call in batch:
        if not call.done.done():
            call.done.set_result(replies[at : at + len(call.commands)])
        at += len(call.commands)
