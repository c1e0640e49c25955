"""The questions to policy as octets: what is an answer, which connection is used again, what is PolicyUnavailable."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hops import elapse

from gateway.errors import PolicyUnavailable
from gateway.policy_client import PolicyClient
from gateway.policy_connection import HttpAnswer, NoAnswer, read_answer
from policy.contract import Action, ConnectFacts, ConnectOutcome, MessageFacts, MessageVerdict, Outcome, RelayOutcome
from service.shared_token import SharedToken

FACTS = ConnectFacts(listener="submission", client_address="192.0.2.7")
BODY = b'{"outcome":"accepted","seconds":10.0}'
GOOD = b"HTTP/1.1 200 OK\r\ndate: now\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
NO_CONTENT = b"HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"
LENGTHLESS = b"HTTP/1.1 200 OK\r\n\r\n"
LAST = b"HTTP/1.1 500 \r\nConnection: close\r\ncontent-length:0\r\n\r\n"
LIMIT = 1000


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        (GOOD, HttpAnswer(200, BODY, len(GOOD), is_last=False)),
        (NO_CONTENT, HttpAnswer(204, b"", len(NO_CONTENT), is_last=False)),
        (LAST, HttpAnswer(500, b"", len(LAST), is_last=True)),
    ],
    ids=["with a body", "without one", "the last one"],
)
def test_an_answer_is_read_octet_by_octet_and_with_something_behind(octets: bytes, answer: HttpAnswer) -> None:
    for end in range(len(octets)):
        assert read_answer(octets[:end], LIMIT) is None
    assert read_answer(octets, LIMIT) == answer
    assert read_answer(octets + b"HTTP/1.1", LIMIT) == answer


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
        LENGTHLESS,
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 9000,
    ],
    ids=["another protocol", "no status", "no length", "two", "less than none", "too long", "chunks", "204", "no end"],
)
def test_what_is_no_answer(octets: bytes) -> None:
    with pytest.raises(NoAnswer):
        read_answer(octets, LIMIT)


class Scripted:
    """Policy, that says what a test wants: `answers` one after the other; None is silence, an empty one hangs up."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.asked: list[bytes] = []
        self.was_asked = asyncio.Event()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                self.asked.append(head + await reader.readexactly(length))
                self.was_asked.set()
                answer = self._answers.pop(0)
                if answer is None:
                    continue
                writer.write(answer)
                if not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def asking(
    policy: Scripted, timeout_s: float = 60.0, tokens: tuple[str, ...] = ("token",)
) -> AsyncIterator[PolicyClient]:
    server = await asyncio.start_server(policy.serve, "127.0.0.1", 0)
    client = PolicyClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", SharedToken(*tokens), timeout_s)
    try:
        yield client
    finally:
        client.close()
        server.close()
        await server.wait_closed()


async def test_one_connection_serves_one_question_after_the_other() -> None:
    policy = Scripted(GOOD, GOOD, GOOD)
    async with asking(policy) as client:
        for _ in range(3):
            assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
    assert policy.connections == 1
    head, _, body = policy.asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/connect HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer token\r\n" in head
    assert ConnectFacts.model_validate_json(body) == FACTS


async def test_a_policy_of_another_contract_says_which_it_speaks() -> None:
    """For health; what was asked is refused for the time being, as with any other failure."""
    refused = b'{"error":"contract","spoken":[2,3]}'
    feed = b'{"newest":3,"credentials":[]}'
    policy = Scripted(
        b"HTTP/1.1 501 Not Implemented\r\ncontent-length: %d\r\n\r\n%b" % (len(refused), refused),
        b"HTTP/1.1 501 Not Implemented\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(feed), feed),
    )
    async with asking(policy) as client:
        seen = []
        for _ in range(2):
            with pytest.raises(PolicyUnavailable):
                await client.revocations(3)
            seen.append(client.other_contract)
        await client.revocations(3)
    assert (seen, client.other_contract) == ([3, 0], 0)


UNKNOWN = b'HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"error":"token"}'


async def test_the_next_token_is_shown_where_the_first_is_not_known() -> None:
    """On another connection: policy reads the one on which it did not know who asks in its slower way."""
    policy = Scripted(UNKNOWN, GOOD, GOOD)
    async with asking(policy, tokens=("new", "old")) as client:
        for _ in range(2):
            assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
    shown = [head.partition(b"Bearer ")[2].partition(b"\r\n")[0] for head in policy.asked]
    assert (shown, policy.connections) == ([b"new", b"old", b"old"], 2)


async def test_where_no_token_is_known_nobody_is_let_in() -> None:
    policy = Scripted(UNKNOWN, UNKNOWN)
    async with asking(policy, tokens=("new", "old")) as client:
        with pytest.raises(PolicyUnavailable, match="status 401"):
            await client.connect(FACTS)
    assert len(policy.asked) == 2


async def test_questions_at_the_same_time_have_connections_of_their_own() -> None:
    policy = Scripted(GOOD, GOOD, GOOD, GOOD)
    async with asking(policy) as client:
        await asyncio.gather(client.connect(FACTS), client.connect(FACTS))
        await asyncio.gather(client.connect(FACTS), client.connect(FACTS))
    assert policy.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        LENGTHLESS,
        GOOD.replace(b"200", b"401"),
        GOOD.replace(b"accepted", b"whatever"),
        GOOD + GOOD,
    ],
    ids=["hangs up", "no answer", "another status", "not an outcome", "more than was asked for"],
)
async def test_no_sensible_answer_is_never_a_yes(answer: bytes) -> None:
    """And the next question gets its own answer."""
    policy = Scripted(answer, GOOD)
    async with asking(policy) as client:
        with pytest.raises(PolicyUnavailable):
            await client.connect(FACTS)
        assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED


async def test_silence_ends_in_time_and_its_connection_is_not_used_again() -> None:
    policy = Scripted(None, GOOD)
    async with asking(policy) as client:
        asked = asyncio.create_task(client.connect(FACTS))
        await policy.was_asked.wait()
        elapse(60)
        with pytest.raises(PolicyUnavailable):
            await asked
        assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
    assert policy.connections == 2


async def test_a_question_that_is_cancelled_leaves_no_answer_for_the_next_one() -> None:
    policy = Scripted(None, GOOD)
    async with asking(policy) as client:
        cancelled = asyncio.ensure_future(client.connect(FACTS))
        await policy.was_asked.wait()
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
    assert policy.connections == 2


async def test_a_connection_that_policy_has_closed_is_not_used() -> None:
    """A policy that was started anew."""
    policy = Scripted(GOOD.replace(b"date: now", b"connection: close"), GOOD)
    async with asking(policy) as client:
        assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
        assert (await client.connect(FACTS)).outcome is ConnectOutcome.ACCEPTED
    assert policy.connections == 2


async def test_nobody_there_is_unavailable() -> None:
    server = await asyncio.start_server(Scripted().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(PolicyUnavailable):
        await PolicyClient(f"http://127.0.0.1:{port}", SharedToken("token"), 5.0).connect(FACTS)


def message(number: int) -> MessageFacts:
    return MessageFacts(
        submission=f"m{number}",
        session="s",
        listener="submission",
        client_address="192.0.2.7",
        client_name="client.test",
        credential=1,
        reverse_path="ada@example.org",
        recipients=("bob@example.net",),
        authors=(),
        senders=(),
        names=(),
        message_bytes=10,
    )


def verdict(number: int) -> bytes:
    body = MessageVerdict(action=Action.ACCEPT, reservation=f"r{number}").model_dump_json().encode()
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def judged(client: PolicyClient, *numbers: int) -> list[str]:
    """The reservation that each message got; empty where policy was unavailable."""
    told = await asyncio.gather(*[client.judge(message(number)) for number in numbers], return_exceptions=True)
    assert all(isinstance(one, MessageVerdict | PolicyUnavailable) for one in told)
    return [one.reservation if isinstance(one, MessageVerdict) else "" for one in told]


async def test_messages_of_one_turn_share_a_connection_and_each_has_its_own_verdict() -> None:
    policy = Scripted(*[verdict(number) for number in range(5)])
    async with asking(policy) as client:
        assert await judged(client, 0, 1, 2) == ["r0", "r1", "r2"]
        assert await judged(client, 3, 4) == ["r3", "r4"]
    assert policy.connections == 1
    asked = [MessageFacts.model_validate_json(one.partition(b"\r\n\r\n")[2]) for one in policy.asked]
    assert asked == [message(number) for number in range(5)]


@pytest.mark.parametrize(
    ("answers", "reservations"),
    [
        ((b"",), ["", "", ""]),
        ((verdict(0), b""), ["r0", "", ""]),
        ((verdict(0) + LENGTHLESS, None, None), ["", "", ""]),
        ((verdict(0), LAST, None), ["r0", "", ""]),
        ((verdict(0), UNKNOWN, verdict(2)), ["r0", "", "r2"]),
    ],
    ids=["none", "hangs up", "no answer", "the last one", "not known"],
)
async def test_a_message_whose_verdict_does_not_come_is_not_accepted(
    answers: tuple[bytes | None, ...], reservations: list[str]
) -> None:
    """Whatever the others hear; and the next one gets its own verdict, on another connection."""
    policy = Scripted(*answers, verdict(3))
    async with asking(policy) as client:
        assert await judged(client, 0, 1, 2) == reservations
        assert await judged(client, 3) == ["r3"]
    assert policy.connections == 2


async def test_a_message_whose_verdict_is_late_is_not_accepted() -> None:
    """Those before it have theirs, and the next one gets its own on another connection."""
    policy = Scripted(verdict(0), verdict(1), None, verdict(3))
    async with asking(policy) as client:
        first, second, late = (asyncio.ensure_future(client.judge(message(number))) for number in range(3))
        assert [(await one).reservation for one in (first, second)] == ["r0", "r1"]
        elapse(60)
        with pytest.raises(PolicyUnavailable):
            await late
        assert await judged(client, 3) == ["r3"]
    assert policy.connections == 2


async def test_one_verdict_too_many_is_a_yes_to_nobody() -> None:
    policy = Scripted(verdict(0) + verdict(1) + verdict(2), None, verdict(3))
    async with asking(policy) as client:
        assert await judged(client, 0, 1) == ["", ""]
        assert await judged(client, 3) == ["r3"]


async def test_who_gives_up_leaves_the_others_their_verdicts() -> None:
    policy = Scripted(None, verdict(0) + verdict(1), verdict(2))
    async with asking(policy) as client:
        gives_up = asyncio.ensure_future(client.judge(message(0)))
        other = asyncio.ensure_future(client.judge(message(1)))
        never_asked = asyncio.ensure_future(client.judge(message(9)))
        asyncio.get_running_loop().call_soon(never_asked.cancel)  # before it is written
        await policy.was_asked.wait()
        gives_up.cancel()
        assert (await other).reservation == "r1"
        assert await judged(client, 2) == ["r2"]
        await asyncio.gather(gives_up, never_asked, return_exceptions=True)
    assert policy.connections == 2
    assert b"m9" not in b"".join(policy.asked)


async def test_outcomes_go_together() -> None:
    policy = Scripted(NO_CONTENT)
    async with asking(policy) as client:
        for number in range(3):
            client.report(Outcome(reservation=f"m{number}.x", outcome=RelayOutcome.RELAYED, queue_id="4Q8"))
        await client.flush()
    assert len(policy.asked) == 1
    assert policy.asked[0].count(b'"reservation"') == 3
