"""The sockets of the policy delegation protocol: one answer for each request, in their order, and none on trouble.

    listening.py   where they are bound
    server.py      (you are here) connections, their bounds, and their end
    protocol.py    what a request is
    answers.py     what it is answered

Whatever goes wrong ends the connection without an answer. Postfix then asks once more on a new one, and after that
tells its client 451 4.3.5: nothing is let through because something broke.

Postfix keeps a connection for each of its processes, for up to a thousand seconds, so an idle one is left alone for
longer than that. A request that has begun has to end soon, and an answer to be read.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from policy import log
from policy.delegation.answers import Answers, key_of
from policy.delegation.envelopes import Key
from policy.delegation.listening import BACKLOG
from policy.delegation.protocol import Malformed, Request, Requests, answer

_READ_AT_ONCE = 8 * 1024

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of connections, and of time (seconds)."""

    connections: int = 1000  # default_process_limit of Postfix is 100
    idle_s: float = 1200.0  # smtpd_policy_service_max_ttl is 1000
    request_s: float = 30.0  # from its first octet to its last
    answer_s: float = 20.0  # until it is decided; and as long again until it is read
    closing_s: float = 5.0


@dataclass(slots=True)
class _Connection:
    """One of them."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: Requests = field(default_factory=Requests)
    began_at: float = 0.0  # the request of which a part is there
    about: Key | None = None  # the message that was asked about last
    owes_answer: bool = False


class Server:
    """Serves `sockets`, which are bound, from start to close."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        answers: Answers,
        bounds: Bounds | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._sockets = tuple(sockets)
        self._answers = answers
        self._bounds = bounds or Bounds()
        self._pause = pause
        self._opening: asyncio.Task[None] | None = None
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._is_closing = False

    def start(self) -> None:
        """From the event loop's next turn on."""
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        for one in self._sockets:
            serve = asyncio.start_unix_server if one.family == socket.AF_UNIX else asyncio.start_server
            self._servers.append(await serve(self._serve, sock=one, limit=_READ_AT_ONCE, backlog=BACKLOG))
            log.delegation_started(_spelled(one))

    async def close(self) -> None:
        """Who waits for an answer gets it, if that is soon; everybody else goes at once."""
        self._is_closing = True
        if self._opening:
            await asyncio.wait({self._opening})
        for server in self._servers:
            server.close()
        waiting = [task for task, connection in self._connections.items() if connection.owes_answer]
        for task in self._connections.keys() - set(waiting):
            task.cancel()
        if waiting:
            await asyncio.wait(waiting, timeout=self._bounds.closing_s)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._is_closing:
            writer.close()
            return
        if len(self._connections) >= self._bounds.connections:
            log.delegation_dropped("too many connections")
            writer.close()
            return
        self._connections[task] = _Connection(reader, writer)
        try:
            await self._converse(self._connections[task])
        except Malformed as error:
            log.delegation_dropped(str(error))
        except TimeoutError:
            log.delegation_dropped("too slow")
        except (ConnectionError, asyncio.CancelledError):
            pass  # Postfix went, or we go
        except Exception as error:  # noqa: BLE001 - whatever it is, Postfix hears nothing and asks again
            log.delegation_failed(error)
        finally:
            del self._connections[task]
            if writer.transport.get_write_buffer_size():  # who does not read his answers gets no more of them
                writer.transport.abort()
            writer.close()

    async def _converse(self, connection: _Connection) -> None:
        while octets := await self._received(connection):
            connection.requests.receive(octets)
            connection.owes_answer = True
            while request := connection.requests.next_request():
                await self._answer(request, connection)
                connection.began_at = asyncio.get_running_loop().time()
            connection.owes_answer = False
            if self._is_closing:
                return

    async def _received(self, connection: _Connection) -> bytes:
        """More octets; none where the other side has gone."""
        now = asyncio.get_running_loop().time()
        if connection.requests.has_begun:
            patience_s = connection.began_at + self._bounds.request_s - now
        else:
            patience_s = self._bounds.idle_s
        async with asyncio.timeout(patience_s):
            octets = await connection.reader.read(_READ_AT_ONCE)
        if not connection.requests.has_begun:
            connection.began_at = asyncio.get_running_loop().time()
        return octets

    async def _answer(self, request: Request, connection: _Connection) -> None:
        key = key_of(request)
        if connection.about and connection.about != key:
            self._answers.forget(connection.about)
        connection.about = key
        async with asyncio.timeout(self._bounds.answer_s):
            said = await self._answers.to(request)
        if said.delay_s:
            await self._pause(said.delay_s)
        connection.writer.write(answer(said.action))
        async with asyncio.timeout(self._bounds.answer_s):
            await connection.writer.drain()


def _spelled(listening: socket.socket) -> str:
    """For the log."""
    name = listening.getsockname()
    return name if isinstance(name, str) else f"{name[0]}:{name[1]}"
