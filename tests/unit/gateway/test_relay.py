"""The relay against next hops that behave in every way, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway import replies
from gateway.errors import RelayFailed
from gateway.relay import Envelope, HopReply, Relay, reply_for
from gateway.replies import Reply

MESSAGE = b"From: ada@example.org\r\n\r\n.dot\r\n"
HELLO = ("250-hop", "250-PIPELINING", "250-SIZE", "250-8BITMIME", "250-XFORWARD ADDR HELO IDENT", "250 CHUNKING")


def envelope(**changes: object) -> Envelope:
    values: dict[str, object] = {
        "reverse_path": "ada@example.org",
        "recipients": ("bob@x.example", "carl@x.example"),
        "client_address": "192.0.2.7",
        "client_name": "client name",
        "submission": "cafe",
        "message_bytes": len(MESSAGE),
        "is_eight_bit": False,
    }
    return Envelope(**(values | changes))  # type: ignore[arg-type]  # changed by name


class Hop:
    """A next hop that answers as `answer` says; None closes the connection."""

    def __init__(self, hello: tuple[str, ...] = HELLO, answer: Callable[[str], str | None] | None = None) -> None:
        self.hello = hello
        self.answer = answer or self.take_all
        self.lines: list[str] = []
        self.messages: list[bytes] = []
        self.connections = 0

    @staticmethod
    def take_all(line: str) -> str | None:
        if line == "DATA":
            return "354 go on"
        return "250 2.0.0 Ok: queued as AB12" if line.startswith(("BDAT", ".")) else "250 2.0.0 Ok"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"220 hop\r\n")
        try:
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                self.lines.append(line)
                if line.startswith("EHLO"):
                    writer.write("".join(f"{one}\r\n" for one in self.hello).encode())
                    continue
                if line.startswith("BDAT"):
                    self.messages.append(await reader.readexactly(int(line.split()[1])))
                said = self.answer(line)
                if said is None:
                    break
                writer.write(f"{said}\r\n".encode())
                if line == "DATA" and said.startswith("354"):
                    self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(f"{self.answer('.')}\r\n".encode())
        finally:
            writer.close()


@asynccontextmanager
async def relay_to(hop: Hop, timeout_s: float = 5) -> AsyncIterator[Relay]:
    server = await asyncio.start_server(hop.serve, "127.0.0.1", 0)
    relay = Relay("127.0.0.1", server.sockets[0].getsockname()[1], "gateway.test", connections=2, timeout_s=timeout_s)
    try:
        yield relay
    finally:
        relay.close()
        server.close()


async def test_envelope_and_message_arrive_as_they_are() -> None:
    """XFORWARD in xtext, MAIL with its parameters, each RCPT, and the message by its length, dots and all."""
    hop = Hop()
    async with relay_to(hop) as relay:
        assert await relay.relay(envelope(), MESSAGE) == "AB12"
    assert hop.lines == [
        "EHLO gateway.test",
        "XFORWARD ADDR=192.0.2.7 HELO=client+20name IDENT=cafe",
        f"MAIL FROM:<ada@example.org> SIZE={len(MESSAGE)}",
        "RCPT TO:<bob@x.example>",
        "RCPT TO:<carl@x.example>",
        f"BDAT {len(MESSAGE)} LAST",
    ]
    assert hop.messages == [MESSAGE]


async def test_without_chunking_dots_are_stuffed() -> None:
    """RFC 5321 section 4.5.2; and without PIPELINING each command waits for its reply."""
    hop = Hop(hello=("250 hop",))
    async with relay_to(hop) as relay:
        await relay.relay(envelope(), MESSAGE)
    assert hop.messages == [b"From: ada@example.org\r\n\r\n..dot\r\n.\r\n"]
    assert hop.lines[1:] == [
        "MAIL FROM:<ada@example.org>",
        "RCPT TO:<bob@x.example>",
        "RCPT TO:<carl@x.example>",
        "DATA",
    ]


async def test_eight_bit_messages_are_declared_or_refused() -> None:
    """RFC 6152: a next hop that does not offer 8BITMIME gets no eight-bit octet, and nothing is converted."""
    hop = Hop()
    async with relay_to(hop) as relay:
        await relay.relay(envelope(is_eight_bit=True), MESSAGE)
    assert hop.lines[2].endswith(" BODY=8BITMIME")
    async with relay_to(Hop(hello=("250 hop",))) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relay.relay(envelope(is_eight_bit=True), MESSAGE)
    assert failed.value.reply is replies.RELAY_REFUSED


async def test_an_ipv6_client_is_marked_as_such() -> None:
    """Postfix's XFORWARD_README: IPv6 addresses carry a prefix."""
    hop = Hop()
    async with relay_to(hop) as relay:
        await relay.relay(envelope(client_address="2001:db8::1"), MESSAGE)
    assert "ADDR=IPV6:2001:db8::1 " in hop.lines[1]


async def test_one_connection_serves_many_messages() -> None:
    """And it is opened anew, once and silently, where the other side has closed it meanwhile."""
    hop = Hop()
    async with relay_to(hop) as relay:
        for _ in range(3):
            await relay.relay(envelope(), MESSAGE)
        assert hop.connections == 1
        hop.answer = lambda line: None if hop.connections == 1 else Hop.take_all(line)
        await relay.relay(envelope(), MESSAGE)
    assert hop.connections == 2
    assert len(hop.messages) == 4


def answering(verb: str, reply: str | None) -> Callable[[str], str | None]:
    return lambda line: reply if line.startswith(verb) else Hop.take_all(line)


CASES = [
    # what it shows, verb, what the next hop says to it, reply to the client, certain
    ("recipient refused", "RCPT", "550 5.1.1 no such user", replies.RELAY_REFUSED, True),
    ("recipient deferred", "RCPT", "450 4.2.0 later", replies.RELAY_DEFERRED, True),
    ("we are not trusted", "RCPT", "554 5.7.1 Relay access denied", replies.RELAY_DEFERRED, True),
    ("no space", "MAIL", "452 4.3.1 Insufficient system storage", replies.RELAY_FULL, True),
    ("too big", "MAIL", "552 5.3.4 too big", replies.RELAY_TOO_BIG, True),
    ("shutting down at MAIL", "MAIL", "421 4.3.2 bye", replies.RELAY_UNAVAILABLE, True),
    ("message refused", "BDAT", "554 5.6.0 bad content", replies.RELAY_REFUSED, True),
    ("message deferred", "BDAT", "451 4.3.0 queue file write error", replies.RELAY_DEFERRED, True),
    ("shutting down at the message", "BDAT", "421 4.3.2 bye", replies.RELAY_DEFERRED, True),
    ("gone at RCPT", "RCPT", None, replies.RELAY_UNAVAILABLE, True),
    ("gone after the message", "BDAT", None, replies.RELAY_BROKE_OFF, False),
    ("no SMTP at RCPT", "RCPT", "hello there", replies.RELAY_UNAVAILABLE, True),
    ("no SMTP after the message", "BDAT", "hello there", replies.RELAY_BROKE_OFF, False),
    ("endless reply line", "RCPT", "250 " + "x" * 10_000, replies.RELAY_UNAVAILABLE, True),
]


@pytest.mark.parametrize(("verb", "said", "reply", "certain"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
async def test_what_the_client_hears(verb: str, said: str | None, reply: Reply, certain: bool) -> None:
    """Never the next hop's text; and whether the message may be out, for the budget."""
    hop = Hop(answer=answering(verb, said))
    async with relay_to(hop) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relay.relay(envelope(), MESSAGE)
        assert (failed.value.reply, failed.value.is_certain) == (reply, certain)
        # A connection that saw trouble is never used again.
        hop.answer = Hop.take_all
        assert await relay.relay(envelope(), MESSAGE) == "AB12"
    assert hop.connections == 2


@pytest.mark.parametrize(("silent_at", "certain"), [("MAIL", True), ("BDAT", False)])
async def test_silence_ends_in_time(silent_at: str, certain: bool) -> None:
    """No answer within the time for one relay."""
    hop = Hop(answer=answering(silent_at, ""))
    hop.answer = answering(silent_at, "250-and")  # a reply that never ends
    async with relay_to(hop, timeout_s=0.2) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relay.relay(envelope(), MESSAGE)
    assert failed.value.is_certain is certain


async def test_nobody_listens() -> None:
    """Refused at once, and certain."""
    with pytest.raises(RelayFailed) as failed:
        await Relay("127.0.0.1", 1, "gateway.test", connections=1, timeout_s=5).relay(envelope(), MESSAGE)
    assert (failed.value.reply, failed.value.is_certain) == (replies.RELAY_UNAVAILABLE, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5.7.1 no", replies.RELAY_DEFERRED), ("no status", replies.RELAY_DEFERRED), ("5.1.2 no", replies.RELAY_REFUSED)],
)
def test_a_refusal_of_us_is_no_refusal_of_the_message(text: str, expected: Reply) -> None:
    """5yz about the gateway itself, or about nobody knows what, leaves the message with the client."""
    assert reply_for(HopReply(550, text)) is expected
