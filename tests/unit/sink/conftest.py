"""A sink within the test's own event loop: free ports, a clock that stands still, and a sleep that only takes notes."""

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest
from sink_clients import NOW, Running, Wire, bound

from sink.service import Sink
from sink.store import Store


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """As __main__ does: aiosmtpd's own log names peers and commands."""
    logging.getLogger("mail.log").disabled = True


@pytest.fixture
def store() -> Store:
    return Store(max_messages=5, max_bytes=100_000)


@pytest.fixture
async def running(store: Store) -> AsyncIterator[Running]:
    async with aiohttp.ClientSession() as http:
        naps: list[float] = []

        async def nap(seconds: float) -> None:
            naps.append(seconds)

        sink = Sink(store, bound(), bound(), clock=lambda: NOW, sleep=nap)
        await sink.start()
        yield Running(sink, http, naps)
        await sink.stop()


@pytest.fixture
async def wire(running: Running) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.sink.smtp_port)
    one = Wire(reader, writer)
    await one.reply()
    await one.say(b"EHLO client.test")
    yield one
    writer.close()
    await writer.wait_closed()
