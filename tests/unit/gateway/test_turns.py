"""A session whose client sends much at once, and the turns that all others have meanwhile. Counted, not timed."""

import asyncio
import socket
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.conversation import Admission
from gateway.edge import Edge
from gateway.handshake import Secured
from gateway.replies import Reply
from gateway.scoreboard import Scoreboard
from gateway.session import Session
from gateway.settings import ListenerSettings, Settings
from gateway.wire import Wire
from policy.contract import ConnectOutcome, Grants, LoginAnswer, LoginOutcome, Owned

_MOST_IN_A_TURN = 32
_COMMANDS = 2000
_MANY = 1_000_000  # budgets that are not what is looked at
_TLS = Secured("TLSv1.3:TLS_AES_256_GCM_SHA384", {}, "", "")
_ENVELOPE = b"MAIL FROM:<ada@sallyport.test>\r\nRCPT TO:<bob@elsewhere.example>\r\n"
_GRANTS = Grants(
    credential=1,
    login="ada",
    identity="ada",
    owned=Owned(addresses=frozenset({"ada@sallyport.test"})),
    recipients_per_message=100,
    sessions=9,
)


class Counted(Session):
    """Knows how many of its client's lines it has answered."""

    answered = 0

    async def _answer(self, line: str) -> Reply | None:
        self.answered += 1
        return await super()._answer(line)


class Turns:
    """Each turn of the loop notes how far the session is."""

    def __init__(self, session: Counted) -> None:
        self._session, self._noted = session, [0]
        self._next = asyncio.get_running_loop().call_soon(self._note)

    def _note(self) -> None:
        self._noted.append(self._session.answered)
        self._next = asyncio.get_running_loop().call_soon(self._note)

    def most(self) -> int:
        """The most lines that were answered in one turn."""
        self._next.cancel()
        return max(after - before for before, after in zip(self._noted, self._noted[1:], strict=False))


async def _welcome() -> ConnectOutcome:
    return ConnectOutcome.ACCEPTED


async def _granted(_: object) -> LoginAnswer:
    return LoginAnswer(outcome=LoginOutcome.GRANTED, grants=_GRANTS)


def _session(wire: Wire) -> Counted:
    """In a gateway that grants every login; its TLS was somebody else's work."""
    settings = Settings.model_construct(
        max_commands=_MANY, max_commands_before_login=_MANY, max_errors=_MANY, max_messages=_MANY
    )
    edge = SimpleNamespace(
        settings=settings,
        scoreboard=Scoreboard(1),
        caps=SimpleNamespace(log_in=lambda *_: True),
        policy=SimpleNamespace(login=_granted),
        relay=SimpleNamespace(offers=frozenset()),
        sessions=set(),
    )
    listener = ListenerSettings(name="submissions", port=465, tls="implicit")
    return Counted(cast("Edge", edge), listener, Admission("192.0.2.1", 0, _welcome()), wire, _TLS)


async def _talk(client: socket.socket, *said: bytes) -> None:
    """Say each, and wait for an answer to it."""
    loop = asyncio.get_running_loop()
    for octets in said:
        await loop.sock_sendall(client, octets)
        await loop.sock_recv(client, 4096)


async def _read_to_the_end(client: socket.socket) -> bytes:
    octets = bytearray()
    while piece := await asyncio.get_running_loop().sock_recv(client, 65536):
        octets += piece
    return bytes(octets)


@pytest.mark.parametrize("is_logged_in", [False, True])
@pytest.mark.parametrize(
    ("before", "command"),
    [
        (b"", b"NOOP\r\n"),
        (b"", b"RSET\r\n"),
        (b"", b"\r\n"),
        (b"", b"XYZZY\r\n"),
        (b"", b"BDAT 1\r\nx"),
        (_ENVELOPE, b"BDAT 0\r\n"),
        (_ENVELOPE, b"BDAT 1\r\nx"),
        (b"", b"MAIL FROM:<ada@sallyport.test>\r\nRSET\r\n"),
        (_ENVELOPE, b"RCPT TO:<bob@elsewhere.example>\r\n"),
    ],
)
async def test_others_have_a_turn_between_commands_that_came_at_once(
    before: bytes, command: bytes, is_logged_in: bool
) -> None:
    """However many there are, a few are answered in a turn, and all in the end."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        client.setblocking(False)
        client.connect_ex(listening.getsockname())
        session = _session(Wire(listening.accept()[0]))
        serving = asyncio.create_task(session.serve())
        async with asyncio.timeout(60):
            await _talk(client, b"", b"EHLO client.example\r\n")
            if is_logged_in:
                await _talk(client, b"AUTH PLAIN AGFkYQBzZWNyZXQ=\r\n")
            turns, known = Turns(session), session.answered
            hearing = asyncio.create_task(_read_to_the_end(client))
            await asyncio.get_running_loop().sock_sendall(client, before + command * _COMMANDS + b"QUIT\r\n")
            assert (await hearing).endswith(b"221 2.0.0 Bye\r\n")
            await serving
    assert session.answered - known >= _COMMANDS
    assert turns.most() <= _MOST_IN_A_TURN
