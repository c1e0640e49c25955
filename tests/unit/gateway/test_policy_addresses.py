"""A name with several addresses: whoever does not answer is left alone while there are others."""

import asyncio
import itertools
import math
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest

from gateway.errors import PolicyUnavailable
from gateway.policy_addresses import PolicyAddresses, _network_of
from gateway.policy_client import PolicyClient
from policy.contract import ConnectFacts, ConnectOutcome
from policy.engine.sources import network_of
from service.shared_token import SharedToken

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
async def policies(
    monkeypatch: pytest.MonkeyPatch, *up: bool, timeout_s: float = 60
) -> AsyncIterator[tuple[PolicyClient, list[Policy]]]:
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
        client = PolicyClient(f"http://policy.test:{port}", SharedToken("token"), timeout_s)
        stack.callback(client.close)
        yield client, all_of_them


@contextmanager
def impatient(client: PolicyClient) -> Iterator[None]:
    """As long as no answer will come."""
    usual, client._timeout_s = client._timeout_s, 0.2
    yield
    client._timeout_s = usual


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
        with impatient(client), pytest.raises(PolicyUnavailable):
            await client.connect(FACTS)
        assert (first.asked, second.asked) == (2, 0)
        for _ in range(3):
            await client.connect(FACTS)
        assert (first.asked, second.asked) == (2, 3)


async def test_where_all_were_silent_they_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with policies(monkeypatch, True, True) as (client, both):
        for one in both:
            one.is_silent = True
            with impatient(client), pytest.raises(PolicyUnavailable):
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


async def test_whose_sessions_end_is_asked_of_another_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that hangs nobody waits for as long as for a decision: sessions have to end meanwhile."""
    monkeypatch.setattr("gateway.policy_client._PATIENCE_S", {"revocations": 0.1})
    async with policies(monkeypatch, True, True) as (client, (first, second)):
        first.is_silent = True
        with pytest.raises(PolicyUnavailable):
            await client.revocations(0)
        monkeypatch.setattr("gateway.policy_client._PATIENCE_S", {})
        with pytest.raises(PolicyUnavailable, match="not an answer"):  # this policy says the same to all questions
            await client.revocations(0)
        assert (first.asked, second.asked) == (1, 1)


async def test_a_name_that_nobody_knows_is_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(PolicyUnavailable):
        await PolicyClient("http://policy.invalid:7587", SharedToken("token"), 5.0).connect(FACTS)


def knowing(*addresses: str) -> PolicyAddresses:
    """Addresses that were looked up."""
    one = PolicyAddresses("policy.test", 7587, None, 1024)
    one._known, one._known_until = addresses, math.inf
    return one


THREE = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
NETWORKS = [
    # what it shows, two clients, whether their network is one
    ("an IPv4 /24", "198.51.100.1", "198.51.100.254", True),
    ("another IPv4 /24", "198.51.100.1", "198.51.101.1", False),
    ("an IPv6 /48", "2001:db8:1::1", "2001:db8:1:ffff::9", True),
    ("another IPv6 /48", "2001:db8:1::1", "2001:db8:2::1", False),
    ("IPv4 in IPv6's clothes", "198.51.100.1", "::ffff:198.51.100.9", True),
]


@pytest.mark.parametrize(("one", "other", "is_same"), [c[1:] for c in NETWORKS], ids=[c[0] for c in NETWORKS])
def test_what_a_network_is(one: str, other: str, is_same: bool) -> None:
    """As policy/engine/sources.py has it, whose walls these are."""
    assert (network_of(one) == network_of(other)) is is_same
    assert (_network_of(one) == _network_of(other)) is is_same


async def test_a_network_has_one_home_whoever_asks() -> None:
    """In whatever order the resolver names them; and each policy is the home of its share."""
    clients = [f"198.51.{number}.7" for number in range(240)]
    homes = [knowing(*THREE).preferred(one) for one in clients]
    assert homes == [knowing(*reversed(THREE)).preferred(one) for one in clients]
    assert all(50 <= homes.count(one) <= 110 for one in THREE)


async def test_only_the_networks_of_one_that_is_gone_move() -> None:
    clients = [f"198.51.{number}.7" for number in range(240)]
    all_of_them, fewer = knowing(*THREE), knowing(*THREE[:2])
    for one in clients:
        if all_of_them.preferred(one) != THREE[2]:
            assert fewer.preferred(one) == all_of_them.preferred(one)
    away = knowing(*THREE)
    away.avoid(THREE[2])
    assert [away.preferred(one) for one in clients] == [fewer.preferred(one) for one in clients]


async def test_with_one_policy_nobody_looks_for_a_home() -> None:
    assert knowing(THREE[0]).preferred("198.51.100.1") == ""
    assert knowing().preferred("198.51.100.1") == ""


async def test_questions_of_a_network_go_to_its_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a connection to another one is free; and to the next one, where the home is away."""
    async with policies(monkeypatch, True, True) as (client, both):
        homes = {knowing(*ADDRESSES).preferred(f"198.51.{n}.7"): f"198.51.{n}.7" for n in range(20)}
        assert set(homes) == set(ADDRESSES)
        for address, policy in zip(ADDRESSES, both, strict=True):
            before = policy.asked
            for _ in range(3):
                await client.connect(FACTS.model_copy(update={"client_address": homes[address]}))
            assert policy.asked == before + 3
        both[0].is_silent = True
        with impatient(client), pytest.raises(PolicyUnavailable):
            await client.connect(FACTS.model_copy(update={"client_address": homes[ADDRESSES[0]]}))
        before = both[1].asked
        await client.connect(FACTS.model_copy(update={"client_address": homes[ADDRESSES[0]]}))
        assert both[1].asked == before + 1


async def test_other_questions_are_dealt(monkeypatch: pytest.MonkeyPatch) -> None:
    """All people of an office come from one network; what their messages cost is not left to one policy."""
    async with policies(monkeypatch, True, True) as (client, both):
        for _ in range(3):
            await client.connect(FACTS)
        turns = itertools.cycle([list(ADDRESSES), list(reversed(ADDRESSES))])
        monkeypatch.setattr("gateway.policy_addresses.random.sample", lambda *_: next(turns))
        before = [one.asked for one in both]
        for _ in range(6):
            with pytest.raises(PolicyUnavailable, match="not an answer"):
                await client.revocations(0)
        assert [one.asked - was for one, was in zip(both, before, strict=True)] == [3, 3]


async def test_a_name_that_has_become_old_is_looked_up_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that is new gets its networks, although connections to the others are free."""
    one = knowing(*THREE[:2])
    one._known_until = 0.0
    asked = asyncio.Event()

    async def resolved(*_: object, **__: object) -> list[Any]:
        asked.set()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 7587)) for address in THREE]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    assert one.preferred("198.51.100.1") in THREE[:2]
    await asked.wait()
    await asyncio.sleep(0)
    assert {one.preferred(f"198.51.{number}.1") for number in range(50)} == set(THREE)
