"""The short way for the gateway's questions: it answers as the long one does, and takes nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from harness import turning
from pydantic import BaseModel
from test_policy_app import GATEWAY, QUEUE, message
from uvicorn.server import ServerState

from gateway.policy_client import PolicyClient
from policy.app import BODY_LIMIT, App, Tokens
from policy.brain import Brain
from policy.contract import Action, ConnectFacts, ConnectOutcome, MessageFacts, MessageVerdict
from policy.gateway_line import Line
from service.shared_token import SharedToken

_FACTS = {"listener": "submission", "client_address": "192.0.2.1"}


class Served:
    """Policy on a port of loopback, and what its connections did."""

    def __init__(self, brain: Brain) -> None:
        self.app = App(brain, Tokens(gateway=SharedToken(GATEWAY), dovecot=SharedToken(), queue=SharedToken(QUEUE)))
        self.config = uvicorn.Config(self.app, http=Line, log_config=None, access_log=False)
        self.config.load()
        self.state = ServerState()
        self.lines: list[Line] = []
        self.port = 0
        self.keep_alive_s = 60.0

    def new_line(self) -> Line:
        self.lines.append(Line(config=self.config, server_state=self.state, app_state={}))
        self.lines[-1].timeout_keep_alive = self.keep_alive_s  # type: ignore[assignment]  # uvicorn's setting knows whole seconds
        return self.lines[-1]

    def answer(self, path: str, answer: Callable[[Any], Awaitable[BaseModel]]) -> None:
        """In place of the brain."""
        questions = dict(self.app._questions)
        self.app._questions = questions | {path: replace(questions[path], answer=answer)}

    @property
    def are_uvicorns(self) -> list[bool]:
        return [one._is_uvicorns for one in self.lines]


@pytest.fixture
async def served(brain: Brain) -> AsyncIterator[Served]:
    served = Served(brain)
    server = await asyncio.get_running_loop().create_server(served.new_line, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    yield served
    server.close()


def question(path: str, asked: object, token: str = GATEWAY, more: str = "") -> bytes:
    """As the gateway writes it; with `more` header fields, not quite."""
    body = json.dumps(asked).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: policy:8080\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


async def said(served: Served, *pieces: bytes, answers: int = 1) -> list[tuple[int, bytes]]:
    """Status and body of each answer, in the order in which they come."""
    place = len(served.lines)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    await turning(lambda: len(served.lines) > place)
    sent = 0
    for piece in pieces:
        await turning(lambda: not sent or _has_heard(served.lines[place], sent))  # noqa: B023 - awaited at once
        writer.write(piece)
        sent += len(piece)
    found = [await answered(reader) for _ in range(answers)]
    writer.close()
    return found


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
    return int(head.split()[1]), await reader.readexactly(length)


def _has_heard(line: Line, octets: int) -> bool:
    return line._is_uvicorns or len(line._received) >= octets


async def test_the_gateways_own_client_never_goes_the_long_way(served: Served) -> None:
    client = PolicyClient(f"http://127.0.0.1:{served.port}", SharedToken(GATEWAY), 5.0)
    for _ in range(3):
        verdict = await client.connect(ConnectFacts(**_FACTS))
        assert verdict.outcome is ConnectOutcome.ACCEPTED
    client.close()
    assert served.are_uvicorns == [False]


@pytest.mark.parametrize("more", ["", "X-Other: 1\r\n"])
async def test_both_ways_answer_alike(served: Served, more: str) -> None:
    for asked, status in ((_FACTS, 200), ({"listener": 1}, 422), (_FACTS | {"unknown": 1}, 422)):
        (found,) = await said(served, question("/v1/connect", asked, more=more))
        assert found[0] == status
        assert json.loads(found[1])
    assert set(served.are_uvicorns) == {bool(more)}


async def test_a_report_is_answered_without_a_body(served: Served) -> None:
    outcomes = {"outcomes": [{"reservation": "m1.1", "outcome": "relayed"}]}
    assert await said(served, question("/v1/outcomes", outcomes)) == [(204, b"")]


async def test_a_message_in_pieces(served: Served) -> None:
    octets = question("/v1/message", message())
    head_end = octets.index(b"\r\n\r\n") + 4
    for cut in (head_end, head_end + 1, len(octets) - 1):
        ((status, body),) = await said(served, octets[:cut], octets[cut:])
        assert status == 200
        assert "action" in json.loads(body)
    assert not any(served.are_uvicorns)
    for cut in (1, head_end - 1):  # a stranger's head in pieces is uvicorn's
        assert (await said(served, octets[:cut], octets[cut:]))[0][0] == 200
    assert served.are_uvicorns[-2:] == [True, True]


async def test_messages_that_come_together_are_judged_together(served: Served) -> None:
    """Whatever the network makes of what the gateway wrote; with the same verdicts, in the order of the questions."""
    began = list[str]()

    async def judge(facts: MessageFacts) -> MessageVerdict:
        began.append(facts.submission)
        await turning(lambda: len(began) % 3 == 0)  # nobody is answered before all have been asked
        return MessageVerdict(action=Action.ACCEPT, reservation=facts.submission)

    served.answer("/v1/message", judge)
    connect = question("/v1/connect", _FACTS)
    octets = b"".join(question("/v1/message", message(submission=f"m{number}")) for number in range(3))
    found = await said(served, octets + connect, answers=4)
    assert [json.loads(body).get("reservation") for _, body in found] == ["m0", "m1", "m2", None]
    assert served.are_uvicorns == [False]


async def test_a_head_in_pieces_behind_a_question_is_waited_for(served: Served) -> None:
    octets = question("/v1/connect", _FACTS)
    for cut in (1, octets.index(b"\r\n\r\n") + 2):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(octets + octets[:cut])
        assert (await answered(reader))[0] == 200
        writer.write(octets[cut:])
        assert (await answered(reader))[0] == 200
        writer.close()
    assert served.are_uvicorns == [False, False]


async def test_questions_that_do_not_wait_are_answered_in_their_order(served: Served) -> None:
    connect = question("/v1/connect", _FACTS)
    outcomes = question("/v1/outcomes", {"outcomes": [{"reservation": "m1.1", "outcome": "relayed"}]})
    found = await said(served, connect + outcomes + connect + b"GET /health/live HTTP/1.1\r\n\r\n", answers=4)
    assert [status for status, _ in found] == [200, 204, 200, 200]
    assert b"live" in found[3][1]
    assert served.are_uvicorns == [True]


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (question("/v1/connect", _FACTS, token="another"), 401),
        (question("/v1/deliveries", {}, token=GATEWAY), 401),
        (question("/v1/deliveries", {}, token=QUEUE), 422),
        (question("/v1/unknown", {}), 404),
        (b"GET /health/live HTTP/1.1\r\nHost: policy\r\n\r\n", 200),
    ],
)
async def test_who_may_ask_what(served: Served, octets: bytes, status: int) -> None:
    assert (await said(served, octets))[0][0] == status


async def test_nothing_is_kept_of_a_stranger_or_of_what_is_too_long(served: Served) -> None:
    octets = question("/v1/connect", "x" * (BODY_LIMIT + 1))
    assert (await said(served, octets))[0][0] == 413
    assert (await said(served, question("/v1/connect", "x" * 100_000, token="another")))[0][0] == 401
    assert served.are_uvicorns == [True, True]


async def test_what_is_being_answered_when_policy_stops_is_answered(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(question("/v1/message", message()))
    await turning(lambda: bool(served.lines) and served.lines[0]._is_answering)
    served.lines[0].shutdown()
    assert b'"action"' in await reader.read()  # to its end: the connection is closed behind it
    writer.close()


async def test_a_connection_that_nobody_uses_is_closed(served: Served) -> None:
    served.keep_alive_s = 0.2
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(question("/v1/connect", _FACTS))
    assert b"accepted" in await asyncio.wait_for(reader.read(), 30)
    writer.close()
