"""A name with several addresses: whoever does not answer is left alone while there are others."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from gateway.errors import PolicyUnavailable
from gateway.policy_client import PolicyClient
from policy.contract import ConnectFacts, ConnectOutcome

FACTS = ConnectFacts(listener="submission", client_address="198.51.100.7")
BODY = b'{"outcome":"accepted","seconds":10}'
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
ADDRESSES = ("127.0.0.2", "127.0.0.3")


class Policy:
    """Listens on one address, and answers while it is well."""

    def __init__(self) -> None:
        self.is_silent = False
        self.asked = 0
        self.was_asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]))
                self.asked += 1
                self.was_asked.set()
                if not self.is_silent:
                    writer.write(GOOD)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def policies(monkeypatch: pytest.MonkeyPatch, *up: bool) -> AsyncIterator[tuple[PolicyClient, list[Policy]]]:
    """One on each address that is up; the name that the client has stands for all addresses."""
    port, all_of_them = 0, [Policy() for _ in up]
    async with AsyncExitStack() as stack:
        for one, address, is_up in zip(all_of_them, ADDRESSES, up, strict=True):
            if is_up:
                server = await stack.enter_async_context(await asyncio.start_server(one.serve, address, port))
                port = server.sockets[0].getsockname()[1]

        async def resolved(*_: object, **__: object) -> list[Any]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, (address, port)) for address in ADDRESSES]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
        monkeypatch.setattr("gateway.policy_addresses.random.sample", lambda these, _: list(these))
        client = PolicyClient(f"http://policy.test:{port}", "token", 0.2)
        stack.callback(client.close)
        yield client, all_of_them


async def test_the_next_address_is_tried_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async with policies(monkeypatch, False, True) as (client, (_, second)):
        for _ in range(3):
            assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
        assert second.asked == 3


async def test_one_that_is_silent_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question that it did not answer is asked of nobody else: it may have been decided."""
    async with policies(monkeypatch, True, True) as (client, (first, second)):
        await client.connect(FACTS)
        first.is_silent = True
        with pytest.raises(PolicyUnavailable):
            await client.connect(FACTS)
        assert (first.asked, second.asked) == (2, 0)
        for _ in range(3):
            await client.connect(FACTS)
        assert (first.asked, second.asked) == (2, 3)


async def test_where_all_were_silent_they_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with policies(monkeypatch, True, True) as (client, both):
        for one in both:
            one.is_silent = True
            with pytest.raises(PolicyUnavailable):
                await client.connect(FACTS)
        both[0].is_silent = False
        await client.connect(FACTS)


async def test_whoever_gives_up_waiting_says_nothing_of_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that hung up."""
    async with policies(monkeypatch, True, True) as (client, (first, second)):
        first.is_silent = True
        asking = asyncio.create_task(client.connect(FACTS))
        await first.was_asked.wait()
        asking.cancel()
        await asyncio.wait({asking})
        first.is_silent = False
        await client.connect(FACTS)
        assert (first.asked, second.asked) == (2, 0)


async def test_a_name_that_nobody_knows_is_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(PolicyUnavailable):
        await PolicyClient("http://policy.invalid:7587", "token", 5.0).connect(FACTS)
