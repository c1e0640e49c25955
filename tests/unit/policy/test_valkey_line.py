"""The connection to Valkey: replies octet by octet, who goes together, and what is left when something fails."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from budget_backends import require_valkey
from harness import free_port
from valkey_server import Server as Running

from policy.budgets.location import server_at
from policy.budgets.valkey_line import Line, NoReply, Reply, Server, ServerError, command, reply_at
from policy.certificate import new_key, self_signed

REPLIES = [
    # what it shows, the octets, the reply
    ("a number", b":-17\r\n", -17),
    ("a word", b"+OK\r\n", b"OK"),
    ("a text", b"$6\r\none\r\n2\r\n", b"one\r\n2"),
    ("an empty text", b"$0\r\n\r\n", b""),
    ("nothing", b"$-1\r\n", None),
]


@pytest.mark.parametrize(("octets", "reply"), [row[1:] for row in REPLIES], ids=[row[0] for row in REPLIES])
def test_a_reply(octets: bytes, reply: Reply) -> None:
    """Nothing before the last octet is there; what follows is the next one's."""
    assert [reply_at(octets[:end], 0) for end in range(len(octets))] == [None] * len(octets)
    assert reply_at(octets, 0) == (reply, len(octets))
    assert reply_at(b":1\r\n" + octets + b"$", 4) == (reply, 4 + len(octets))


def test_an_error_is_a_reply() -> None:
    found = reply_at(b"-READONLY no\r\n", 0)
    assert found
    assert isinstance(found[0], ServerError)
    assert str(found[0]) == "READONLY no"


@pytest.mark.parametrize("octets", [b"HTTP/1.1 400 Bad Request\r\n", b"*1\r\n:1\r\n", b":one\r\n", b"\r\n"])
def test_what_is_no_reply(octets: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is Python's own
        reply_at(octets, 0)


def test_a_command_has_the_length_of_its_octets() -> None:
    assert command("GET", "käse") == b"*2\r\n$3\r\nGET\r\n$5\r\nk\xc3\xa4se\r\n"


class Scripted:
    """A server that answers each command with `reply`, as long as `may_answer` is set."""

    def __init__(self, path: Path, reply: bytes = b":1\r\n") -> None:
        self.path, self.reply = path, reply
        self.came: list[int] = []  # commands that came in one piece
        self.connections = 0
        self.serving = set[asyncio.Task[None]]()
        self.may_answer = asyncio.Event()
        self.has_come = asyncio.Event()
        self.may_answer.set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(65536):
            self.came.append(octets.count(b"*1\r\n"))
            self.has_come.set()
            await self.may_answer.wait()
            writer.write(self.reply * self.came[-1])
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def scripted(folder: Path, reply: bytes = b":1\r\n") -> AsyncIterator[Scripted]:
    server = Scripted(folder / "s", reply)
    running = await asyncio.start_unix_server(server.accept, server.path)
    try:
        yield server
    finally:
        server.may_answer.set()
        await asyncio.gather(*server.serving, return_exceptions=True)  # a client that has gone reads no reply
        running.close()


async def test_who_comes_while_others_are_under_way_goes_with_the_next_ones(tmp_path: Path) -> None:
    """Three calls of four commands: one piece, and each has its own replies; one who has gone stops nobody."""
    async with scripted(tmp_path) as server:
        line = Line(Server(path=str(server.path)), 20.0)
        server.may_answer.clear()
        first = asyncio.create_task(line.ask([command("A")]))
        await server.has_come.wait()
        others = [asyncio.create_task(line.ask([command("B")] * number)) for number in (1, 2, 1)]
        await asyncio.sleep(0)  # they ask
        others[0].cancel()
        server.may_answer.set()
        assert list(await first) == [1]
        assert list(await others[1]) == [1, 1]
        assert list(await others[2]) == [1]
        assert server.came == [1, 4]
        await line.close()


async def test_no_reply_within_its_patience(tmp_path: Path) -> None:
    """It fails, and a reply that comes late is nobody's: the next call has a connection of its own."""
    async with scripted(tmp_path) as server:
        line = Line(Server(path=str(server.path)), 0.05)
        server.may_answer.clear()
        with pytest.raises(TimeoutError):
            await line.ask([command("A")])
        server.may_answer.set()
        assert list(await line.ask([command("A")])) == [1]
        assert server.connections == 2
        await line.close()


@pytest.mark.parametrize(("reply", "error"), [(b"-OOM full\r\n", None), (b"HTTP/1.1 200\r\n", NoReply)])
async def test_whatever_fails_the_connection_is_left(tmp_path: Path, reply: bytes, error: type[Exception]) -> None:
    async with scripted(tmp_path, reply) as server:
        line = Line(Server(path=str(server.path)), 20.0)
        for _ in range(2):
            if error:
                with pytest.raises(error):
                    await line.ask([command("A")])
            else:
                (answer,) = await line.ask([command("A")])
                assert isinstance(answer, ServerError)
        assert server.connections == 2
        await line.close()


async def test_nobody_is_there(tmp_path: Path) -> None:
    line = Line(Server(path=str(tmp_path / "nobody")), 20.0)
    with pytest.raises(FileNotFoundError):
        await line.ask([command("A")])
    await line.close()


async def test_too_few_replicas(tmp_path: Path) -> None:
    """What was asked has its own replies, and only where enough of them have it."""
    async with scripted(tmp_path, b":1\r\n:1\r\n") as server:  # the second one is that of WAIT
        line = Line(Server(path=str(server.path)), 20.0, replicas=1)
        assert list(await line.ask([command("A")])) == [1]
        await line.close()
        line = Line(Server(path=str(server.path)), 20.0, replicas=2)
        with pytest.raises(ServerError, match=r"^1 of 2 replicas have it$"):
            await line.ask([command("A")])
        await line.close()


async def test_tls_with_a_user_and_a_number(tmp_path: Path) -> None:
    """A real server: its certificate has to be one that we trust, and it has to know us."""
    require_valkey()
    key, port = new_key(), free_port()
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "cert.pem").write_bytes(self_signed("localhost", key, time.time()))
    files = {name: str(tmp_path / file) for name, file in (("tls_cert_file", "cert.pem"), ("tls_key_file", "key.pem"))}
    server = Running(tls_port=str(port), tls_auth_clients="no", bind="127.0.0.1", **files)
    where = server_at(f"valkeys://ada@localhost:{port}/3?ca={tmp_path / 'cert.pem'}")
    asked = [command("CLIENT", "INFO"), command("PING")]
    try:
        server.start().order("ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all")
        line = Line(replace(where, password="secret"), 20.0)
        told, pong = await line.ask(asked)
        assert pong == b"PONG"
        assert isinstance(told, bytes)
        assert {b"user=ada", b"db=3"} <= set(told.split())
        await line.close()
        for wrong in (replace(where, password="other"), replace(where, password="secret", authority=None)):
            line = Line(wrong, 20.0)
            with pytest.raises((ServerError, OSError), match=r"WRONGPASS|certificate"):
                await line.ask(asked)
            await line.close()
    finally:
        server.close()
