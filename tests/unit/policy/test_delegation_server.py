"""Connections of Postfix, real sockets of both kinds: one answer for each request, and none on trouble."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from delegation_parts import Scene, on_the_wire
from structlog.testing import capture_logs

from policy.contract import Action, Reason
from policy.delegation.listening import bind_all
from policy.delegation.server import Bounds, Server
from policy.engine.judging import Decision
from service.settings import SettingError

DUNNO = b"action=DUNNO\n\n"
A = "a@example.net"
FEW = Bounds(connections=3)


Connect = Callable[[], Awaitable["Postfix"]]


class Postfix:
    """One connection of one of its processes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def ask(self, octets: bytes) -> bytes:
        await self.send(octets)
        return await self.reader.readuntil(b"\n\n")

    async def rest(self) -> bytes:
        """What comes before the connection ends."""
        return await asyncio.wait_for(self.reader.read(), 60)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where to listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"unix:{tmp_path}/policy" if request.param == "unix" else f"127.0.0.1:{port}"


@pytest.fixture
async def connected(place: str) -> AsyncIterator[Connect]:
    """Makes a new connection."""
    opened = list[Postfix]()

    async def connect() -> Postfix:
        if place.startswith("unix:"):
            one = Postfix(*await asyncio.open_unix_connection(place[5:]))
        else:
            host, _, port = place.rpartition(":")
            one = Postfix(*await asyncio.open_connection(host, int(port)))
        opened.append(one)
        return one

    yield connect
    for one in opened:
        one.writer.transport.abort()


@pytest.fixture
def paused() -> list[float]:
    """How long answers were made to wait."""
    return []


@pytest.fixture
async def server(scene: Scene, place: str, paused: list[float]) -> AsyncIterator[Server]:
    """With a bound of connections that a test can come to."""

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    one = Server(bind_all([place]), scene.answers, FEW, pause)
    one.start()
    yield one
    await one.close()


@pytest.fixture
async def postfix(server: Server, connected: Connect) -> Postfix:
    return await connected()


@pytest.fixture
def events() -> Iterator[list[Any]]:
    with capture_logs() as captured:
        yield captured


async def test_many_requests_on_one_connection(postfix: Postfix, scene: Scene) -> None:
    """Each gets its answer, and the connection stays."""
    for number in range(5):
        assert await postfix.ask(on_the_wire("RCPT", recipient=A, instance=str(number))) == DUNNO
        assert await postfix.ask(on_the_wire("END-OF-MESSAGE", recipient_count=1, instance=str(number))) == DUNNO
    assert len(scene.judge.charged) == 5


async def test_pipelined_requests_get_an_answer_each(postfix: Postfix, scene: Scene) -> None:
    """Exactly one, in their order."""
    scene.judge.room = 1
    asked = [on_the_wire("RCPT", recipient=one) for one in (A, "b@example.net")] + [on_the_wire("DATA")]
    await postfix.send(b"".join(asked))
    postfix.writer.write_eof()
    assert (
        await postfix.rest()
        == DUNNO + b"action=451 4.7.1 Too many recipients in a short time, try again later\n\n" + DUNNO
    )


async def test_a_slow_writer(server: Server, connected: Connect) -> None:
    """Octet by octet."""
    one = await connected()
    for octet in on_the_wire("MAIL"):
        await one.send(bytes((octet,)))
    assert await one.reader.readuntil(b"\n\n") == DUNNO


@pytest.mark.parametrize("rubbish", [b"rubbish\n", b"x=" + b"y" * 9000, b"a=\0\n", b"a=\xff\n", b"\n"])
async def test_rubbish_ends_the_connection(postfix: Postfix, events: list[Any], rubbish: bytes) -> None:
    """Without an answer; what was asked before it was answered."""
    await postfix.send(on_the_wire("MAIL") + rubbish)
    assert await postfix.rest() == DUNNO
    assert [one["event"] for one in events] == ["delegation-dropped"]
    assert "rubbish" not in str(events)


async def test_a_judge_that_fails_gives_no_answer(postfix: Postfix, scene: Scene, events: list[Any]) -> None:
    """Neither yes nor no: Postfix asks again. What the error says is not in the log."""
    scene.judge.error = RuntimeError("secret of ada")
    await postfix.send(on_the_wire("END-OF-MESSAGE", recipient_count=1))
    assert await postfix.rest() == b""
    assert [(one["event"], one["error"]) for one in events] == [("delegation-failed", "RuntimeError")]
    assert "secret" not in str(events)


async def test_postfix_asks_again_on_a_new_connection(postfix: Postfix, scene: Scene, connected: Connect) -> None:
    """And the recipients that it told on the first one are still known."""
    assert await postfix.ask(on_the_wire("RCPT", recipient=A)) == DUNNO
    scene.judge.error = RuntimeError()
    await postfix.send(on_the_wire("END-OF-MESSAGE", recipient_count=1))
    assert await postfix.rest() == b""
    scene.judge.error = None
    again = await connected()
    assert await again.ask(on_the_wire("END-OF-MESSAGE", recipient_count=1)) == DUNNO
    assert scene.judge.charged[-1].recipients == (A,)


async def test_a_judge_that_does_not_answer(server: Server, postfix: Postfix, scene: Scene, events: list[Any]) -> None:
    """Is not waited for longer than Postfix would."""
    server._bounds = replace(FEW, answer_s=0.05)
    scene.judge.gate = asyncio.Event()
    await postfix.send(on_the_wire("END-OF-MESSAGE", recipient_count=1))
    assert await postfix.rest() == b""
    assert events[-1]["why"] == "too slow"
    scene.judge.gate.set()


async def test_a_request_that_does_not_end(server: Server, postfix: Postfix, events: list[Any]) -> None:
    """Who has begun one has to end it soon; who has not may stay."""
    server._bounds = replace(FEW, request_s=0.05)
    assert await postfix.ask(on_the_wire("MAIL")) == DUNNO
    await postfix.send(on_the_wire("MAIL")[:-1])
    assert await postfix.rest() == b""
    assert events[-1]["why"] == "too slow"


async def test_an_idle_connection_ends_at_last(scene: Scene, place: str, connected: Connect) -> None:
    """Long after Postfix would have ended it."""
    server = Server(bind_all([place]), scene.answers, replace(FEW, idle_s=0.05))
    server.start()
    one = await connected()
    assert await one.rest() == b""
    await server.close()


async def test_connections_have_a_bound(server: Server, connected: Connect, events: list[Any]) -> None:
    """One more than that is ended at once, and the others go on."""
    kept = [await connected() for _ in range(FEW.connections)]
    for one in kept:
        assert await one.ask(on_the_wire("MAIL")) == DUNNO
    beyond = await connected()
    assert await beyond.rest() == b""
    assert events[-1] == {"event": "delegation-dropped", "log_level": "warning", "why": "too many connections"}
    assert await kept[0].ask(on_the_wire("MAIL")) == DUNNO
    kept[0].writer.write_eof()
    assert await kept[0].rest() == b""
    another = await connected()
    assert await another.ask(on_the_wire("MAIL")) == DUNNO


async def test_who_does_not_read_his_answers_is_dropped(server: Server, connected: Connect, events: list[Any]) -> None:
    """What he asks is not read any more, and what he was told is not kept for ever."""
    server._bounds = replace(FEW, answer_s=0.05)
    server._sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel would keep thousands for him
    one = await connected()
    one.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    request = on_the_wire("DATA")
    one.writer.transport.set_write_buffer_limits(high=0)
    with pytest.raises(OSError, match=r"."):  # noqa: PT012 - until it is dropped
        while True:
            one.writer.write(request * 100)
            await asyncio.wait_for(one.writer.drain(), 60)
    assert events[-1]["why"] == "too slow"


async def test_an_answer_may_have_to_wait(postfix: Postfix, scene: Scene, paused: list[float]) -> None:
    scene.judge.decision = Decision(action=Action.DEFER, reason=Reason.BUDGET_SPENT, delay_s=4.0)
    assert (await postfix.ask(on_the_wire("END-OF-MESSAGE", recipient_count=1))).startswith(b"action=451 ")
    assert paused == [4.0]


async def test_another_message_on_the_connection_ends_the_one_before(postfix: Postfix, scene: Scene) -> None:
    """RSET, or a client that went: nobody tells, but the next instance does."""
    await postfix.ask(on_the_wire("RCPT", recipient=A))
    await postfix.ask(on_the_wire("MAIL", instance="1.2.3.1"))
    assert len(scene.envelopes) == 0


async def test_who_waits_for_an_answer_gets_it_at_the_end(scene: Scene, place: str, connected: Connect) -> None:
    """A stop lets nobody guess; idle connections go at once."""
    server = Server(bind_all([place]), scene.answers)
    server.start()
    idle, asking = await connected(), await connected()
    assert await idle.ask(on_the_wire("MAIL")) == DUNNO
    scene.judge.gate = asyncio.Event()
    await asking.send(on_the_wire("END-OF-MESSAGE", recipient_count=1))
    await scene.judge.was_asked.wait()
    closing = asyncio.ensure_future(server.close())
    assert await idle.rest() == b""
    scene.judge.gate.set()
    assert await asking.rest() == DUNNO
    await closing


def test_the_socket_is_its_groups(tmp_path: Path) -> None:
    """Nobody else on the machine may ask; and what another start left behind makes room."""
    place = f"unix:{tmp_path}/policy"
    for _ in range(2):
        (bound,) = bind_all([place])
        assert (tmp_path / "policy").stat().st_mode & 0o777 == 0o660
        bound.close()


PLACES = [
    # what it shows, a place that cannot be
    ("no port", "127.0.0.1"),
    ("a port that is none", "127.0.0.1:0"),
    ("a port beyond the last", "127.0.0.1:65536"),
    ("IPv6 without brackets", "::1:25"),
    ("a relative path", "unix:policy"),
    ("a path that is too long", "unix:/" + "x" * 107),
    ("a folder that is not there", "unix:/nowhere-at-all/policy"),
    ("rubbish", "!"),
]


@pytest.mark.parametrize("place", [case[1] for case in PLACES], ids=[case[0] for case in PLACES])
def test_a_place_that_cannot_be(place: str) -> None:
    """One sentence that names the setting."""
    with pytest.raises(SettingError, match=r"^POLICY_DELEGATION_LISTEN: .+; .+"):
        bind_all([place])


def test_a_file_is_never_removed(tmp_path: Path) -> None:
    """A path that was mistyped."""
    path = tmp_path / "precious"
    path.write_text("x")
    with pytest.raises(SettingError, match="cannot be bound"):
        bind_all([f"unix:{path}"])
    assert path.read_text() == "x"
