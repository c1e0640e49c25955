"""The bench of logins: its statistics, its client, and a small run of all of it."""

import asyncio
import random
from pathlib import Path

import pytest

from bench import logins, timing
from bench.errors import BenchError
from bench.questions import Answers, Connection

RANKS = [
    # what it shows, one, other, lowest and highest p
    ("the same", list(range(100)), list(range(100)), 0.99, 1.0),
    ("all equal but one", [1.0] * 50, [1.0] * 49 + [2.0], 0.3, 1.0),
    ("far apart", list(range(100)), list(range(200, 300)), 0.0, 1e-30),
    ("a little apart", list(range(100)), list(range(20, 120)), 1e-6, 1e-4),
]


@pytest.mark.parametrize(("one", "other", "lowest", "highest"), [c[1:] for c in RANKS], ids=[c[0] for c in RANKS])
def test_mann_whitney(one: list[float], other: list[float], lowest: float, highest: float) -> None:
    """Small where one is slower, and the same whichever comes first."""
    for pair in ((one, other), (other, one)):
        assert lowest <= timing.mann_whitney(*pair) <= highest


def test_mann_whitney_is_seldom_wrong() -> None:
    """Of two samples of one kind, one in twenty is told apart at 0.05."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    samples = [[chance.gauss(0, 1) for _ in range(100)] for _ in range(400)]
    wrong = sum(timing.mann_whitney(samples[n], samples[n + 1]) <= 0.05 for n in range(0, 400, 2))
    assert 2 <= wrong <= 20


def test_answers() -> None:
    """Quantiles in milliseconds; an answer without an outcome ends the bench."""
    answers = Answers()
    for number in range(100):
        answers.add(number / 1000, b'{"outcome":"granted"}')
    assert [answers.at(share) for share in (0, 0.5, 0.99, 1)] == [0, 50, 99, 99]
    assert answers.outcomes == {"granted": 100}
    with pytest.raises(BenchError):
        answers.add(0.1, b'{"error":"internal"}')


async def test_an_answer_in_pieces() -> None:
    """However the network cuts it; and a connection that is closed is an error."""
    served = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        for octet in b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody":
            writer.write(bytes([octet]))
            await writer.drain()
        await reader.readexactly(1)
        writer.close()
        served.set_result(None)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, "127.0.0.1", listening.sockets[0].getsockname()[1]
    )
    assert await connection.ask(b"?") == b"body"
    with pytest.raises(BenchError):
        await connection.ask(b"?")
    await served
    listening.close()


def test_a_small_run(tmp_path: Path) -> None:
    """Everything is measured, devices are let in, and a storm is verified in part."""
    figures = logins.measure(tmp_path, identities=50, seconds=0.2, connections=2)
    assert figures["identities"] == 50
    assert figures["decisions_per_s"] > 0
    assert figures["storm_verified"] > 0
    assert set(logins.TARGETS) <= set(figures)


def test_a_small_timing(tmp_path: Path) -> None:
    """As many of each kind as was asked for, and all refused."""
    times = timing.measure(tmp_path, attempts=6)
    assert {kind: len(found) for kind, found in times.items()} == dict.fromkeys((timing.BASE, *timing.OTHERS), 6)
