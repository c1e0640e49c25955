"""A name of policy that leads to an address where nothing answers at all, not even "nobody listens"."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from test_policy_addresses import ADDRESSES, FACTS, policies

from gateway.errors import PolicyUnavailable
from gateway.policy_connection import PolicyConnection
from policy.contract import ConnectOutcome

SHORT_S, LONG_S = 0.2, 60.0  # the kernel gives up after two minutes


@contextmanager
def dead(address: str, port: int) -> Iterator[None]:
    """A queue of connections that is full: the kernel answers no further one, as a host that is gone."""
    with ExitStack() as opened:
        listening = opened.enter_context(socket.socket())
        listening.bind((address, port))
        listening.listen(0)
        for _ in range(3):  # one more than the queue holds
            one = opened.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex((address, port))
        yield


async def test_an_address_that_is_dead_costs_one_question_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was asked there, so the next address is; and the dead one is left alone for a while."""
    monkeypatch.setattr("gateway.policy_addresses._PATIENCE_S", SHORT_S)
    monkeypatch.setattr("gateway.policy_addresses._AVOIDED_S", LONG_S)
    async with policies(monkeypatch, False, True, timeout_s=LONG_S) as (client, (_, second)):
        opened, tried = client._addresses._opened, list[str]()

        async def noted(address: str) -> PolicyConnection:
            tried.append(address)
            return await opened(address)

        monkeypatch.setattr(client._addresses, "_opened", noted)
        with dead(ADDRESSES[0], client._addresses._port):
            for _ in range(3):
                assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
            client.close()
            assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
        assert second.asked == 4
    assert tried == [ADDRESSES[0], ADDRESSES[1], ADDRESSES[1]]


async def test_where_the_only_address_is_dead_nothing_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """In as much time as any question has. When the name leads elsewhere, that is found within a second."""
    monkeypatch.setattr("gateway.policy_addresses._NAME_GOOD_FOR_S", 0.0)
    async with policies(monkeypatch, False, True, timeout_s=SHORT_S) as (client, (_, second)):
        port, loop = client._addresses._port, asyncio.get_running_loop()
        led_to = [ADDRESSES[0]]

        async def resolved(*_: object, **__: object) -> list[object]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (led_to[0], port))]

        monkeypatch.setattr(loop, "getaddrinfo", resolved)
        with dead(ADDRESSES[0], port):
            with pytest.raises(PolicyUnavailable):
                async with asyncio.timeout(LONG_S):
                    await client.connect(FACTS)
            assert second.asked == 0
            client._timeout_s = LONG_S
            led_to[0] = ADDRESSES[1]
            assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
