"""A message on its way: byte-exact whatever its size, by length or by dots, and cut off at any point."""

import asyncio
import random
from pathlib import Path

import pytest
from harness import Postfix, Sink, until
from hops import BOB, HELLO, WAYS, Hop, elapse, envelope, relay_to, spooled, take_all
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import next_hop, replies, spool
from gateway.errors import RelayFailed
from gateway.next_hop import Broken, NextHop
from gateway.relay import Relay
from gateway.relay_commands import Envelope, HopReply, Recipient
from gateway.spool import MEMORY_LIMIT

WITH_DATA = (*HELLO[:-1], "250 SIZE")
HEAD = b"Received: from submission\r\n"
RNG = random.Random(7)  # noqa: S311 - the same message each time


def text(size: int) -> bytes:
    """Lines of every length, many of which begin with dots, of exactly `size` octets."""
    lines = bytearray()
    while len(lines) < size:
        lines += b"." * RNG.choice((0, 0, 1, 2)) + RNG.randbytes(RNG.randrange(60)).hex().encode() + b"\r\n"
    return bytes(lines[: size - 2]) + b"\r\n"


SIZES = [
    # what it shows, octets in the spool
    ("in memory", 4096),
    ("as much as memory holds", MEMORY_LIMIT),
    ("two octets in the file", MEMORY_LIMIT + 2),
    ("a last piece and no more", MEMORY_LIMIT + 64 * 1024),
    ("a last piece and two octets", MEMORY_LIMIT + 64 * 1024 + 2),
    ("several pieces", MEMORY_LIMIT * 3 + 4097),
    ("20 MB", 20_000_000),
]


@pytest.mark.parametrize("size", [case[1] for case in SIZES], ids=[case[0] for case in SIZES])
@pytest.mark.parametrize(
    ("hello", "recipients"),
    [(HELLO, WAYS["one recipient"]), (HELLO, WAYS["two recipients"]), (WITH_DATA, WAYS["one recipient"])],
    ids=["BDAT to one", "BDAT to two", "DATA"],
)
@pytest.mark.parametrize("offset", [0, 1000])
async def test_every_octet_arrives(
    size: int, hello: tuple[str, ...], recipients: tuple[Recipient, ...], offset: int
) -> None:
    """The head, the rest of memory, the file; twice, because the spool is read and not used up."""
    message = text(size)
    offset = message.index(b"\r\n", offset) + 2 if offset else 0  # a header section ends with a line
    kept = spooled(message)
    hop = Hop(hello=hello)
    async with relay_to(hop) as relay:
        for _ in range(2):
            told = envelope(message_bytes=len(HEAD) + size - offset, recipients=recipients)
            assert await relay.relay(told, HEAD, kept, offset) == "AB12"
    kept.close()
    assert hop.connections == 1
    assert len(hop.messages) == 2
    for seen in hop.messages:
        plain = seen if hello is HELLO else seen.removesuffix(b".\r\n").replace(b"\r\n.", b"\r\n")
        assert plain == HEAD + message[offset:]


class Line:
    """The other end of a connection without a network: keeps each write, and answers."""

    def __init__(self, *offers: str, early: bool = False) -> None:
        self.early = early  # says that it has the message before it has it
        self.writes: list[bytes] = []
        self.options: list[tuple[int, int, int]] = []  # of the socket
        self.data: bytearray | None = None  # what came after DATA
        self.hop = NextHop()
        self.hop.connection_made(self)  # type: ignore[arg-type]  # as much of a transport as is needed
        self.hop.offers = dict.fromkeys(offers, "")
        self.say(b"220 hop")

    async def relay(self, told: Envelope, head: bytes, kept: spool.Spool, offset: int = 0) -> HopReply:
        async with asyncio.timeout(60):
            await self.hop._replies()  # the greeting
            return await self.hop.relay(told, head, kept, offset)

    def say(self, reply: bytes) -> None:
        reply += b"\r\n"
        self.hop.get_buffer(-1)[: len(reply)] = reply
        self.hop.buffer_updated(len(reply))

    def write(self, octets: bytes) -> None:
        self.writes.append(octets)
        if self.data is not None:
            self._take(octets)
            return
        commands, by_length, _ = octets.partition(b"BDAT")
        for command in commands.splitlines():
            if command == b"DATA":
                self.data = bytearray()
            self.say(b"354 go on" if command == b"DATA" else b"250 2.0.0 Ok")
        if by_length:
            self.say(b"250 2.0.0 Ok")

    def _take(self, octets: bytes) -> None:
        assert self.data is not None
        self.data += octets
        if self.early or self.data == b".\r\n" or self.data.endswith(b"\r\n.\r\n"):
            self.early = False
            self.say(b"250 2.0.0 Ok")
        else:
            # Whatever the end of a message is, it has not come yet.
            assert b"\r\n.\r\n" not in self.data

    def abort(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> "Line":
        assert name == "socket"
        return self

    def setsockopt(self, *option: int) -> None:
        level, name, value = option
        self.options.append((level, name, value))


def reference(written: bytes) -> bytes:
    """RFC 5321 section 4.5.2, from the receiver's side: line by line."""
    lines = written.split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2]
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])


LINES = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a", b"a.", b"a\xff.b"]), min_size=1, max_size=30)


@settings(deadline=None)
@given(LINES, st.integers(0, 40), st.integers(1, 20), st.integers(1, 9), st.booleans())
def test_dots_wherever_a_message_is_cut(lines: list[bytes], offset: int, memory: int, piece: int, ends: bool) -> None:
    """Dots do not depend on where the head ends, where memory ends, and where a piece of the file begins."""
    message = b"\r\n".join(lines) + (b"\r\n" if ends else b"x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "MEMORY_LIMIT", memory)
        patch.setattr(next_hop, "_PIECE", piece)
        kept = spooled(message)
        offset = min(offset, len(kept.start))

        async def send() -> bytes:
            line = Line()
            await line.relay(envelope(), message[:offset], kept, offset)
            return bytes(line.data or b"")

        written = asyncio.run(send())
        kept.close()
    assert reference(written) == (message if ends else message + b"\r\n")


# In as few writes as there can be

WRITES = [
    # what it shows, what is offered, recipients, how each write begins
    ("envelope and message", ("PIPELINING", "CHUNKING"), "one recipient", ["MAIL", "BDAT"]),
    ("two recipients", ("PIPELINING", "CHUNKING"), "two recipients", ["MAIL", "BDAT"]),
    ("no PIPELINING", ("CHUNKING",), "one recipient", ["MAIL", "RCPT", "BDAT"]),
    ("no CHUNKING", ("PIPELINING",), "one recipient", ["MAIL", "DATA", "Rece", "aaaa", "\r\n.\r"]),
]


@pytest.mark.parametrize(("offers", "way", "writes"), [case[1:] for case in WRITES], ids=[case[0] for case in WRITES])
async def test_writes(offers: tuple[str, ...], way: str, writes: list[str]) -> None:
    """One for the envelope and one for the message, and not one more."""
    kept = spooled(b"a" * 4096)
    line = Line(*offers)
    assert (await line.relay(envelope(recipients=WAYS[way]), HEAD, kept)).code == 250
    assert line.hop.is_idle
    assert [one.decode()[: len(start)] for one, start in zip(line.writes, writes, strict=True)] == writes


async def test_a_connection_that_is_gone_already() -> None:
    """Nothing is written on it, so nothing is sent."""
    kept = spooled(b"x\r\n")
    line = Line("PIPELINING", "CHUNKING")
    await line.hop._replies()
    line.hop.connection_lost(None)
    with pytest.raises(Broken):
        await line.hop.relay(envelope(recipients=(BOB,)), HEAD, kept, 0)
    assert line.writes == []
    assert not line.hop.message_is_sent


# Cut off


def stuck(hello: tuple[str, ...] = HELLO) -> Hop:
    """It says yes to the envelope and then reads no more."""

    def answer(line: str) -> str | None:
        return "" if line.startswith("BDAT") else take_all(line)

    hop = Hop(hello=hello, answer=answer)
    hop.reads_messages = False
    return hop


each_way = pytest.mark.parametrize("recipients", WAYS.values(), ids=["one recipient", "two recipients"])
LARGE = text(30_000_000)  # more than the kernel takes from us without a reader


@each_way
async def test_gone_in_the_middle_of_a_message(recipients: tuple[Recipient, ...]) -> None:
    """It cannot have all of it, so nothing can be out: certain, and the budget is given back."""
    hop = Hop()
    hop.reads_messages = False
    hop.answer = lambda line: None if line.startswith("BDAT") else take_all(line)
    kept = spooled(LARGE)
    async with relay_to(hop, connections=1) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relay.relay(envelope(recipients=recipients), HEAD, kept)
        assert (failed.value.reply, failed.value.is_certain) == (replies.RELAY_UNAVAILABLE, True)
        hop.reads_messages, hop.answer = True, take_all
        assert await relay.relay(envelope(recipients=recipients), HEAD, kept) == "AB12"
    kept.close()
    assert hop.messages == [HEAD + LARGE]


@pytest.mark.parametrize("ends_by", ["cancellation", "timeout"])
async def test_a_next_hop_that_does_not_read(ends_by: str) -> None:
    """The transfer of the file ends with the relay, and the descriptor is not written to any more."""
    hop = stuck()
    kept = spooled(LARGE)
    async with relay_to(hop, connections=1) as relay:
        task = asyncio.create_task(relay.relay(envelope(), HEAD, kept))
        await hop.heard("BDAT")
        if ends_by == "cancellation":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            elapse(60)
            with pytest.raises(RelayFailed, match="TimeoutError") as failed:
                await task
            assert (failed.value.reply, failed.value.is_certain) == (replies.RELAY_UNAVAILABLE, True)
        kept.close()
        hop.reads_messages, hop.answer = True, take_all
        small = spooled(b"x\r\n")
        assert await relay.relay(envelope(), HEAD, small) == "AB12"
    assert hop.messages == [HEAD + b"x\r\n"]


async def test_a_next_hop_that_reads_slowly_gets_it_in_pieces() -> None:
    """By DATA: what it has not read yet waits in the file, and not in our memory."""
    hop = Hop(hello=WITH_DATA)
    kept = spooled(LARGE)
    async with relay_to(hop) as relay:
        await relay.warm()
        transport = relay._free[0]._transport
        sending = asyncio.create_task(relay.relay(envelope(), HEAD, kept))
        most = 0
        while not sending.done():
            most = max(most, transport.get_write_buffer_size())
            await asyncio.sleep(0)
        assert await sending == "AB12"
    kept.close()
    assert most < 1024 * 1024


@each_way
async def test_refused_before_all_of_it_was_read(recipients: tuple[Recipient, ...]) -> None:
    """The refusal is heard where the next hop reads on, as RFC 5321 section 4.5.3.1.9 would have it."""
    hop = Hop(answer=lambda line: "552 5.3.4 too big" if line.startswith("BDAT") else take_all(line))
    kept = spooled(LARGE)
    async with relay_to(hop) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relay.relay(envelope(recipients=recipients), HEAD, kept)
    kept.close()
    assert (failed.value.reply, failed.value.is_certain) == (replies.RELAY_TOO_BIG, True)


async def test_taken_before_all_of_it_was_sent() -> None:
    """Nobody can have taken what was not there: the connection is out of step, and nothing was taken."""
    kept = spooled(b"x\r\n")
    line = Line(early=True)
    with pytest.raises(Broken):
        await line.relay(envelope(), HEAD, kept)
    assert not line.hop.message_is_sent


# Real Postfix


with_postfix = pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine")


@pytest.mark.native
@with_postfix
async def test_postfix(tmp_path: Path, sink: Sink) -> None:
    """Extensions, a message from a file, one too big, and its log that says who the client was."""
    postfix = Postfix(tmp_path, sink.smtp_port).start()
    relay = Relay("127.0.0.1", postfix.port, "gateway.test", 2, 30)
    try:
        await relay.warm()
        assert relay.offers >= {"PIPELINING", "CHUNKING", "DSN", "SMTPUTF8", "8BITMIME", "XFORWARD", "SIZE"}
        small, large = b"Subject: small\r\n\r\n.\r\n", b"Subject: large\r\n\r\n" + text(3_000_000)
        await _to_postfix(relay, small, recipients=(Recipient("söm@x.example"),), is_utf8=True, is_eight_bit=True)
        asked = (Recipient("bob@x.example", "FAILURE,DELAY", "rfc822;b+2Bob@x.example"),)
        await _to_postfix(relay, large, recipients=asked, ret="HDRS", envid="cafe")
        with pytest.raises(RelayFailed) as failed:
            await _to_postfix(relay, small, message_bytes=30_000_000)
        assert failed.value.reply is replies.RELAY_TOO_BIG
        found = _arrived(sink, "small", "large")
        assert found["small"].endswith(small)
        assert found["large"].endswith(HEAD + large)
        assert postfix.log().count("orig_client=unknown[192.0.2.7]") >= 2
    finally:
        relay.close()
        postfix.stop()


def _arrived(sink: Sink, *subjects: str) -> dict[str, bytes]:
    """The messages of these subjects, once each."""

    def found() -> list[tuple[str, str]]:
        return [(one["subject"], one["id"]) for one in sink.messages() if one["subject"] in subjects]

    until(lambda: {subject for subject, _ in found()} == set(subjects), "the sink has them")
    assert len(found()) == len(subjects)
    return {subject: sink.raw(number) for subject, number in found()}


async def _to_postfix(relay: Relay, message: bytes, **changes: object) -> None:
    kept = spooled(message)
    told: Envelope = envelope(**({"message_bytes": len(HEAD) + len(kept)} | changes))
    assert await relay.relay(told, HEAD, kept)
    kept.close()
