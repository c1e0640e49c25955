"""A port that cannot be had: the sentence names the setting that is wrong, the port or the address.

And one that can be had, while there is no descriptor for who connects.
"""

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service.listening import listen
from service.settings import SettingError

WRONG = [
    # what it shows, address, the sentence
    ("a name that nobody knows", "nosuchname.invalid", "POLICY_BIND: nosuchname.invalid:7587 cannot be bound"),
    ("what is no name", "ä..b", "POLICY_BIND: ä..b:7587 cannot be bound (no name of a host)"),
    ("somebody else's address", "192.0.2.1", "POLICY_BIND: 192.0.2.1:7587 cannot be bound"),
]


@pytest.mark.parametrize(("address", "sentence"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_an_address_that_is_not_ours(address: str, sentence: str) -> None:
    with pytest.raises(SettingError) as told:
        listen("POLICY_PORT", address, 7587)
    assert sentence in str(told.value)
    assert str(told.value).endswith("; choose an address of this machine")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held, pytest.raises(SettingError) as told:
        listen("POLICY_PORT", "127.0.0.1", held.getsockname()[1])
    assert str(told.value).startswith("POLICY_PORT: 127.0.0.1:")
    assert str(told.value).endswith("; choose another port, or stop what holds it")


async def test_no_descriptor_is_left() -> None:
    """It is said once and not as often as the backlog is long; who waits is served when there is one again."""
    loop, said, connected = asyncio.get_running_loop(), list[str](), asyncio.Event()
    told = asyncio.Event()

    def tell(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        said.append(str(context["message"]))
        told.set()

    def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        connected.set()

    loop.set_exception_handler(tell)
    listening = listen("POLICY_PORT", "127.0.0.1", 0)
    async with await asyncio.start_server(serve, sock=listening, backlog=2048):
        with socket.socket() as client:
            client.setblocking(False)
            with no_descriptor():
                await loop.sock_connect(client, listening.getsockname())
                await told.wait()
            assert said == ["socket.accept() out of system resource"]
            await connected.wait()


@contextmanager
def no_descriptor() -> Iterator[None]:
    """As long as it lasts, this process gets none."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
