"""A resolver that hangs or knows nothing any more, while those to whom its names led go on."""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator

import pytest

from gateway.next_hop import NextHop
from gateway.policy_addresses import PolicyAddresses
from service.names import Loop

HERE, THERE = "127.0.0.1", "127.0.0.2"


class Resolver:
    """In place of the machine's: leads every name to `address`; waits while it `hangs`, fails where there is none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.address, self.asked = HERE, 0
        self._answers, self._monkeypatch = threading.Event(), monkeypatch
        self.answers()

    def hangs(self) -> None:
        """And nobody has patience, which on a busy machine has to be long where an answer comes."""
        self._monkeypatch.setattr("service.names._PATIENCE_S", 0.05)
        self._answers.clear()

    def answers(self) -> None:
        self._monkeypatch.setattr("service.names._PATIENCE_S", 60.0)
        self._answers.set()

    def __call__(self, _host: str, port: int, *_: object, **__: object) -> list[object]:
        self.asked += 1
        self._answers.wait(60)
        if not self.address:
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.address, port))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    one = Resolver(monkeypatch)
    monkeypatch.setattr("socket.getaddrinfo", one)
    yield one
    one.answers()  # a thread of the loop's waits


def run(work: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(work)


async def led_to() -> str:
    """Where a new connection would go."""
    ((*_, address),) = await asyncio.get_running_loop().getaddrinfo("postfix", 25)
    return str(address[0])


def test_what_was_known_is_used_while_nobody_answers(resolver: Resolver) -> None:
    """By all who ask, over one thread: the others are needed for names that are not known yet."""

    async def work() -> None:
        assert await led_to() == HERE
        resolver.hangs()
        assert await asyncio.gather(*[led_to() for _ in range(20)]) == [HERE] * 20
        assert await led_to() == HERE
        assert resolver.asked == 2
        resolver.answers()

    run(work())


def test_a_name_that_leads_elsewhere_is_followed(resolver: Resolver) -> None:
    async def work() -> None:
        assert await led_to() == HERE
        resolver.address = THERE
        assert await led_to() == THERE

    run(work())


def test_what_is_answered_too_late_is_known_the_next_time(resolver: Resolver) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        assert await led_to() == HERE
        resolver.hangs()
        resolver.address = THERE
        assert await led_to() == HERE
        resolver.answers()
        assert isinstance(loop, Loop)
        await asyncio.wait(loop._looks.values())
        resolver.address = ""
        assert await led_to() == THERE

    run(work())


def test_a_name_that_never_was_known_fails(resolver: Resolver) -> None:
    """And one that was is of use where the resolver says that it does not know."""

    async def work() -> None:
        resolver.address = ""
        with pytest.raises(socket.gaierror):
            await led_to()
        resolver.address = HERE
        assert await led_to() == HERE
        resolver.address = ""
        assert await led_to() == HERE

    run(work())


def test_whoever_gives_up_waiting_keeps_nobody_else_from_the_answer(resolver: Resolver) -> None:
    async def work() -> None:
        resolver.hangs()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await led_to()
        waiting = asyncio.create_task(led_to())
        resolver.answers()
        assert await waiting == HERE
        assert resolver.asked == 1

    run(work())


def test_new_connections_are_opened_while_nobody_answers(resolver: Resolver) -> None:
    """To the next hop and to policy, as the gateway opens them."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 next hop\r\n")
        await reader.readline()
        writer.write(b"250 it\r\n")
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(greet, HERE, 0)
        port = server.sockets[0].getsockname()[1]
        policy = PolicyAddresses("policy", port, None, 1000)
        for is_hanging in (False, True):
            if is_hanging:
                resolver.hangs()
            (await NextHop.open("postfix", port, "test")).drop()
            (await policy.open()).close()
        resolver.answers()
        server.close()

    run(work())
