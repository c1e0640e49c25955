"""HTTP questions to policy over connections that are kept, as the gateway asks them, and how long each answer takes."""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.errors import BenchError

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_NO_CONTENT = b"HTTP/1.1 204"
_OUTCOME = re.compile(rb'"(?:outcome|action)":"(\w+)"')


@dataclass(slots=True)
class Answers:
    """Seconds of each answer, and how many there were of each outcome."""

    seconds: list[float] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    elapsed: float = 0.0

    def at(self, share: float) -> float:
        """The quantile, in milliseconds."""
        return 1000 * sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]

    def add(self, seconds: float, body: bytes) -> None:
        found = _OUTCOME.search(body)
        if not found:
            raise BenchError(f"policy gave no answer: {body[:200]!r}")
        self.seconds.append(seconds)
        outcome = found[1].decode()
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


class Connection(asyncio.Protocol):
    """One question at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._waiting: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type alone
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(BenchError("policy closed a connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        is_whole = head.startswith(_NO_CONTENT) or (length and len(body) >= int(length[1]))
        if blank and is_whole and self._waiting and not self._waiting.done():
            self._received = b""
            self._waiting.set_result(body)

    async def tell(self, report: bytes) -> None:
        """What is answered without a body."""
        await self.ask(report)

    async def ask(self, question: bytes) -> bytes:
        if self._transport is None:
            raise BenchError("there is no connection")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(question)
        return await self._waiting

    def close(self) -> None:
        if self._transport:
            self._transport.close()


async def connected(port: int, count: int) -> list[Connection]:
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(count)]


async def flat_out(port: int, connections: int, questions: Iterator[bytes], seconds: float) -> Answers:
    """Each connection asks again as soon as it has its answer."""
    answers, begun = Answers(), time.perf_counter()
    pool = await connected(port, connections)
    await asyncio.gather(*(_keep_asking(one, questions, answers, begun + seconds) for one in pool))
    answers.elapsed = time.perf_counter() - begun
    for one in pool:
        one.close()
    return answers


async def paced(port: int, connections: int, questions: Iterator[bytes], seconds: float, rate: float) -> Answers:
    """So many questions in each second, whether or not the ones before have their answer."""
    answers, begun = Answers(), time.perf_counter()
    free = asyncio.Queue[Connection]()
    for one in await connected(port, connections):
        free.put_nowait(one)
    tasks = set[asyncio.Task[None]]()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        tasks.add(asyncio.create_task(_ask_one(free, next(questions), answers)))
    await asyncio.gather(*tasks)
    answers.elapsed = time.perf_counter() - begun
    while not free.empty():
        free.get_nowait().close()
    return answers


async def _keep_asking(connection: Connection, questions: Iterator[bytes], answers: Answers, until: float) -> None:
    for question in questions:
        asked = time.perf_counter()
        if asked > until:
            return
        body = await connection.ask(question)
        answers.add(time.perf_counter() - asked, body)


async def _ask_one(free: "asyncio.Queue[Connection]", question: bytes, answers: Answers) -> None:
    """The wait for a connection counts, too."""
    asked = time.perf_counter()
    connection = await free.get()
    body = await connection.ask(question)
    free.put_nowait(connection)
    answers.add(time.perf_counter() - asked, body)
