"""Next hops for tests of the relay: servers on real sockets that answer as they are told."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from harness import turning

from gateway.relay import Relay
from gateway.relay_commands import Envelope, Recipient
from gateway.spool import Spool

MESSAGE = b"From: ada@example.org\r\n\r\n.dot\r\n"
HEAD = 25  # octets of MESSAGE that handover would put before the rest, with changes of its own
HELLO = ("250-hop", "250-PIPELINING", "250-SIZE", "250-8BITMIME", "250-XFORWARD ADDR HELO IDENT", "250 CHUNKING")

BOB, CARL = Recipient("bob@x.example"), Recipient("carl@x.example")
WAYS = {"one recipient": (BOB,), "two recipients": (BOB, CARL)}

Answer = Callable[[str], str | None]


def envelope(**changes: object) -> Envelope:
    values: dict[str, object] = {
        "reverse_path": "ada@example.org",
        "recipients": (BOB, CARL),
        "client_address": "192.0.2.7",
        "client_name": "client name",
        "submission": "cafe",
        "message_bytes": len(MESSAGE),
        "is_eight_bit": False,
    }
    return Envelope(**(values | changes))  # type: ignore[arg-type]  # changed by name


def spooled(octets: bytes) -> Spool:
    spool = Spool(Path(tempfile.gettempdir()))
    spool.append(octets)
    return spool


async def relayed(relay: Relay, told: Envelope | None = None, message: bytes = MESSAGE) -> str:
    """As handover does it: the head apart, the rest from the spool."""
    spool = spooled(message)
    try:
        return await relay.relay(told or envelope(), message[:HEAD], spool, HEAD)
    finally:
        spool.close()


def elapse(seconds: float) -> None:
    """So much time passes at once for the event loop of this test, between two things that it waited for.

    A limit that is short enough to be waited for is one that a busy machine comes to in the middle of something else.
    """
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + seconds  # type: ignore[method-assign]  # for the rest of the test


def take_all(line: str) -> str | None:
    if line == "DATA":
        return "354 go on"
    return "250 2.0.0 Ok: queued as AB12" if line.startswith(("BDAT", ".")) else "250 2.0.0 Ok"


def answering(verb: str, reply: str | None) -> Answer:
    return lambda line: reply if line.startswith(verb) else take_all(line)


def saying(words: Mapping[str, str | None]) -> Answer:
    """A reply for each verb that is named; the others are taken."""
    return lambda line: next((said for verb, said in words.items() if line.startswith(verb)), take_all(line))


def refusing(verb: str, reply: str | None) -> Answer:
    """As a real server does it: what follows in the same breath is refused as well."""
    has_refused = False

    def answer(line: str) -> str | None:
        nonlocal has_refused
        if line.startswith(verb):
            has_refused = True
            return reply
        return "503 5.5.1 bad sequence" if has_refused else take_all(line)

    return answer


class Hop:
    """A next hop that answers as `answer` says: None closes the connection, an empty text says nothing at all."""

    def __init__(self, hello: tuple[str, ...] = HELLO, answer: Answer = take_all, greeting: str = "220 hop") -> None:
        self.hello, self.answer, self.greeting = hello, answer, greeting
        self.reads_messages = True
        self.lines: list[str] = []
        self.messages: list[bytes] = []  # that came whole, whatever was answered
        self.connections = 0
        self.open: list[asyncio.StreamWriter] = []
        self._heard = asyncio.Condition()

    async def heard(self, verb: str) -> None:
        """Until a line that begins so has come."""
        async with self._heard:
            await self._heard.wait_for(lambda: any(line.startswith(verb) for line in self.lines))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.append(writer)
        try:
            self._say(writer, self.greeting)
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.remove(writer)
            writer.transport.abort() if not self.reads_messages else writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            async with self._heard:
                self.lines.append(line)
                self._heard.notify_all()
            if line.startswith("EHLO"):
                self._say(writer, "\r\n".join(self.hello))
                continue
            if line.startswith("BDAT") and self.reads_messages:
                self.messages.append(await reader.readexactly(int(line.split()[1])))
            said = self.answer(line)
            if said is None:
                return
            self._say(writer, said)
            if line.startswith("BDAT") and not self.reads_messages:
                writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport has it
                await writer.wait_closed()
                return
            if line == "DATA" and said.startswith("354"):
                self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                said = self.answer(".")
                if said is None:
                    return
                self._say(writer, said)

    @staticmethod
    def _say(writer: asyncio.StreamWriter, said: str) -> None:
        if said:
            writer.write(f"{said}\r\n".encode())


@asynccontextmanager
async def relay_to(hop: Hop, *, timeout_s: float = 60, connections: int = 2) -> AsyncIterator[Relay]:
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0, limit=64 * 1024 * 1024)
    relay = Relay("127.0.0.1", server.sockets[0].getsockname()[1], "gateway.test", connections, timeout_s)
    try:
        yield relay
    finally:
        relay.close()
        server.close()
        for writer in tuple(hop.open):
            writer.transport.abort()
        await turning(lambda: not hop.open)
