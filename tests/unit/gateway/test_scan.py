"""The question to the scanner, with scanners on real sockets that answer as they are told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import turning
from hops import elapse, envelope

from gateway.scan import Scanner
from gateway.scoreboard import Scoreboard
from gateway.spool import MEMORY_LIMIT, Spool
from policy.contract import ScanResult

HEAD = b"Received: from submission\r\nFrom: ada@example.org\r\n\r\n"
CLEAN = json.dumps({"action": "no action", "is_skipped": False, "score": 0.5, "symbols": {}}).encode()
SIGNED = json.dumps(json.loads(CLEAN) | {"dkim-signature": "v=1; b=x"}).encode()

Speak = Callable[["Heard", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Heard:
    """What a scripted scanner was told."""

    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0


async def take(heard: Heard, reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    heard.heads.append(head)
    heard.bodies.append(await reader.readexactly(int(lines["Content-Length"])))


def saying(body: bytes, status: str = "200 OK") -> Speak:
    async def speak(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(heard, reader)
        writer.write(
            b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(body)) + body
        )

    return speak


async def say_nothing(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await take(heard, reader)
    await reader.read()  # until the gateway goes


async def close_at_once(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


async def say_rubbish(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await take(heard, reader)
    writer.write(b"220 mail.example ESMTP\r\n")


async def say_without_end(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await take(heard, reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    try:
        while True:
            writer.write(b" " * 65536)
            await writer.drain()
    except OSError:
        return


@dataclass
class Scene:
    scanner: Scanner
    heard: Heard
    scoreboard: Scoreboard

    def counted(self, name: str, outcome: str = "") -> int:
        return sum(
            total
            for counter, labels, _, total in self.scoreboard.totals()
            if counter == name and labels.get("outcome", "") == outcome
        )

    @property
    def is_shown_silent(self) -> bool:
        return any(name == "scanner_silent" and value for name, _, value in self.scoreboard.gauges())


@asynccontextmanager
async def scene(speak: Speak, *, timeout_s: float = 5.0, max_bytes: int = 10_000_000) -> AsyncIterator[Scene]:
    heard = Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.connections += 1
        try:
            await speak(heard, reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    scoreboard = Scoreboard(1)
    async with Scanner(f"http://127.0.0.1:{port}", timeout_s, 2, max_bytes, scoreboard) as scanner:
        yield Scene(scanner, heard, scoreboard)
    server.close()
    await server.wait_closed()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    one = Spool(tmp_path)
    one.append(b"From: ada@example.org\r\n\r\nhello\r\n")
    yield one
    one.close()


async def test_the_whole_message_is_sent_as_it_goes_out(spool: Spool) -> None:
    """With the header section as it was completed, and with nothing that says that somebody has logged in."""
    async with scene(saying(SIGNED)) as one:
        scanned = await one.scanner.scan(envelope(client_name="a\r\nUser: ada"), HEAD, spool, 25)
    assert one.heard.bodies == [HEAD + b"hello\r\n"]
    (head,) = one.heard.heads
    assert head.startswith("POST /checkv2 HTTP/1.1\r\n")
    assert "\r\nHelo: a%0D%0AUser:%20ada\r\n" in head
    assert head.count("\r\nRcpt: ") == 2
    assert "\r\nuser:" not in head.lower()
    assert "authorization" not in head.lower()
    assert scanned.scan.result is ScanResult.CLEAN
    assert scanned.signatures == b"DKIM-Signature: v=1; b=x\r\n"
    assert one.counted("scans_total", "clean") == 1
    assert not one.is_shown_silent


async def test_a_large_message_goes_in_pieces(spool: Spool) -> None:
    """Octet for octet, of what is in memory and of what is in the file."""
    content = bytes(range(256)) * 4096 * 3
    spool.append(content)
    assert spool.file
    async with scene(saying(CLEAN)) as one:
        await one.scanner.scan(envelope(), HEAD, spool, 25)
    assert one.heard.bodies == [HEAD + b"hello\r\n" + content]


async def test_of_a_message_that_is_too_large_the_beginning_is_scanned(spool: Spool) -> None:
    """It is said, and such a message is not signed."""
    spool.append(b"x" * MEMORY_LIMIT * 2)
    most = MEMORY_LIMIT + 1000
    async with scene(saying(SIGNED), max_bytes=most) as one:
        scanned = await one.scanner.scan(envelope(), HEAD, spool, 25)
    assert [len(body) for body in one.heard.bodies] == [most]
    assert scanned.signatures == b""
    assert scanned.scan.result is ScanResult.CLEAN
    assert scanned.scan.symbols[0] == "PARTIAL_SCAN"


@pytest.mark.parametrize("size", [len(HEAD) + 6, len(HEAD) + 7, len(HEAD) + 8])
async def test_the_limit_is_the_largest_that_is_scanned_whole(spool: Spool, size: int) -> None:
    async with scene(saying(SIGNED), max_bytes=size) as one:
        scanned = await one.scanner.scan(envelope(), HEAD, spool, 25)
    assert bool(scanned.signatures) == (size >= len(HEAD) + 7)


SILENCES: list[tuple[str, Speak]] = [
    ("it closes", close_at_once),
    ("it speaks another protocol", say_rubbish),
    ("its answer has no end", say_without_end),
    ("it has an error", saying(b'{"error": "x"}', "500 Internal Server Error")),
    ("it sends somewhere else", saying(CLEAN, "302 Found")),
    ("it says what is no answer", saying(b"[]")),
]


@pytest.mark.parametrize("speak", [case[1] for case in SILENCES], ids=[case[0] for case in SILENCES])
async def test_whatever_goes_wrong_is_silence(spool: Spool, speak: Speak) -> None:
    """No error, no signature; counted, and shown."""
    async with scene(speak) as one:
        scanned = await one.scanner.scan(envelope(), HEAD, spool, 25)
        assert scanned.scan.result is ScanResult.SILENT
        assert scanned.signatures == b""
        assert one.counted("scans_total", "silent") == 1
        assert one.is_shown_silent


async def test_one_that_hangs_costs_its_time_limit_a_few_times(spool: Spool) -> None:
    """After that it is left alone for a moment: messages of that moment do not wait, and it is not asked."""
    async with scene(say_nothing, timeout_s=0.05) as one:
        for _ in range(20):
            scanned = await one.scanner.scan(envelope(), HEAD, spool, 25)
            assert scanned.scan.result is ScanResult.SILENT
    assert one.heard.connections == 3
    assert one.counted("scans_total", "silent") == 20


async def test_nobody_there_is_silence(spool: Spool) -> None:
    async with Scanner("http://127.0.0.1:1", 5, 2, 1000, Scoreboard(1)) as scanner:
        assert (await scanner.scan(envelope(), HEAD, spool, 25)).scan.result is ScanResult.SILENT


async def test_a_probe_finds_that_it_is_there_again(spool: Spool) -> None:
    """Without a message: it is asked again, and shown as it is."""
    answers = iter((b"[]", b"[]", b"[]", CLEAN, CLEAN))

    async def speak(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(next(answers))(heard, reader, writer)

    async with scene(speak) as one:
        for _ in range(3):
            await one.scanner.probe()
        assert one.is_shown_silent
        assert (await one.scanner.scan(envelope(), HEAD, spool, 25)).scan.result is ScanResult.SILENT
        assert one.heard.connections == 3
        await one.scanner.probe()
        assert not one.is_shown_silent
        assert (await one.scanner.scan(envelope(), HEAD, spool, 25)).scan.result is ScanResult.CLEAN


async def test_no_more_at_a_time_than_connections(spool: Spool) -> None:
    """The others wait for one to end."""
    now, most, go = 0, 0, asyncio.Event()

    async def speak(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 2:
            go.set()
        await go.wait()
        await saying(CLEAN)(heard, reader, writer)
        now -= 1

    async with scene(speak) as one:
        done = await asyncio.gather(*(one.scanner.scan(envelope(), HEAD, spool, 25) for _ in range(6)))
    assert [scanned.scan.result for scanned in done] == [ScanResult.CLEAN] * 6
    assert most == 2


async def test_large_messages_keep_nobody_else_waiting(spool: Spool, tmp_path: Path) -> None:
    """One of them is asked about at a time, and their failures leave the scanner alone for large ones only."""
    large, asked, heard_of_one, is_to_fail = Spool(tmp_path), list[int](), asyncio.Event(), asyncio.Event()
    large.append(b"x" * (1024 * 1024 + 1))

    async def speak(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(heard, reader)
        asked.append(len(heard.bodies[-1]))
        if asked[-1] > 1024 * 1024:
            heard_of_one.set()
            await is_to_fail.wait()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CLEAN) + CLEAN)

    async with scene(speak, timeout_s=60, max_bytes=10**9) as one:
        hostile = [asyncio.create_task(one.scanner.scan(envelope(), HEAD, large, 0)) for _ in range(6)]
        await heard_of_one.wait()
        small = await asyncio.gather(*(one.scanner.scan(envelope(), HEAD, spool, 25) for _ in range(6)))
        at_a_time = sum(size > 1024 * 1024 for size in asked)
        is_to_fail.set()
        silent = [scanned.scan.result for scanned in await asyncio.gather(*hostile)]
        before = len(asked)
        assert (await one.scanner.scan(envelope(), HEAD, large, 0)).scan.result is ScanResult.SILENT
        assert len(asked) == before
        assert (await one.scanner.scan(envelope(), HEAD, spool, 25)).scan.result is ScanResult.CLEAN
    assert at_a_time == 1
    assert [scanned.scan.result for scanned in small] == [ScanResult.CLEAN] * 6
    assert silent == [ScanResult.SILENT] * 6
    large.close()


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Spool]:
    one = Spool(tmp_path)
    one.append(b"x" * (1024 * 1024 + 1))
    yield one
    one.close()


async def test_the_wait_for_a_turn_is_not_in_the_time_limit(large: Spool) -> None:
    """Each of some large messages at once has all of it, and none is unscanned because of those before it."""
    go = [asyncio.Event() for _ in range(4)]

    async def speak(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = go[heard.connections - 1]
        await take(heard, reader)
        await turn.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CLEAN) + CLEAN)

    async with scene(speak, timeout_s=8) as one:
        asked = [asyncio.create_task(one.scanner.scan(envelope(), HEAD, large, 0)) for _ in go]
        for number, turn in enumerate(go, 1):
            await turning(lambda: len(one.heard.bodies) == number)  # noqa: B023 - waited for at once
            elapse(6)
            turn.set()
        done = await asyncio.gather(*asked)
    assert [scanned.scan.result for scanned in done] == [ScanResult.CLEAN] * 4


async def test_the_wait_for_a_turn_ends_and_is_no_failure_of_the_scanner(large: Spool) -> None:
    """It is at work on another one, which is answered."""
    go = asyncio.Event()

    async def speak(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(heard, reader)
        await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CLEAN) + CLEAN)

    async with scene(speak, timeout_s=3600) as one:
        first, *others = [asyncio.create_task(one.scanner.scan(envelope(), HEAD, large, 0)) for _ in range(5)]
        await turning(lambda: len(one.heard.bodies) == 1)
        elapse(60)
        assert [(await scanned).scan.result for scanned in others] == [ScanResult.SILENT] * 4
        assert one.heard.connections == 1
        go.set()
        assert (await first).scan.result is ScanResult.CLEAN
        assert (await one.scanner.scan(envelope(), HEAD, large, 0)).scan.result is ScanResult.CLEAN


async def test_who_waits_while_the_scanner_hangs_is_told_when_it_is_left_alone(large: Spool) -> None:
    """And does not wait for the time limits of all that are before it."""
    async with scene(say_nothing, timeout_s=8) as one:
        asked = [asyncio.create_task(one.scanner.scan(envelope(), HEAD, large, 0)) for _ in range(8)]
        for number in (1, 2, 3):
            await turning(lambda: len(one.heard.bodies) == number)  # noqa: B023 - waited for at once
            elapse(8)
        assert [(await scanned).scan.result for scanned in asked] == [ScanResult.SILENT] * 8
    assert one.heard.connections == 3
