"""The relay against next hops that behave in every way, on real sockets: the pool, and what a client hears."""

import asyncio
import socket

import pytest
from harness import turning
from hops import (
    HELLO,
    MESSAGE,
    WAYS,
    Answer,
    Hop,
    answering,
    elapse,
    envelope,
    refusing,
    relay_to,
    relayed,
    saying,
    take_all,
)

from gateway import log, replies
from gateway import relay as relay_module
from gateway.errors import RelayFailed
from gateway.relay import Relay
from gateway.relay_commands import Recipient
from gateway.replies import Reply

each_way = pytest.mark.parametrize("recipients", WAYS.values(), ids=list(WAYS))


@each_way
async def test_envelope_and_message_arrive_as_they_are(recipients: tuple[Recipient, ...]) -> None:
    """XFORWARD in xtext, MAIL with its parameters, each RCPT, and the message by its length, dots and all."""
    hop = Hop()
    async with relay_to(hop) as relay:
        assert await relayed(relay, envelope(recipients=recipients)) == "AB12"
    assert hop.lines == [
        "EHLO gateway.test",
        "XFORWARD ADDR=192.0.2.7 HELO=client+20name IDENT=cafe",
        f"MAIL FROM:<ada@example.org> SIZE={len(MESSAGE)}",
        *(f"RCPT TO:<{recipient.address}>" for recipient in recipients),
        f"BDAT {len(MESSAGE)} LAST",
    ]
    assert hop.messages == [MESSAGE]


async def test_without_pipelining_each_command_waits() -> None:
    """RFC 2920: where it is not offered, and the same for CHUNKING and all the others."""
    hop = Hop(hello=("250 hop",))
    async with relay_to(hop) as relay:
        await relayed(relay)
    assert hop.lines[1:] == [
        "MAIL FROM:<ada@example.org>",
        "RCPT TO:<bob@x.example>",
        "RCPT TO:<carl@x.example>",
        "DATA",
    ]
    assert hop.messages == [b"From: ada@example.org\r\n\r\n..dot\r\n.\r\n"]


@each_way
async def test_a_next_hop_that_names_no_queue_id(recipients: tuple[Recipient, ...]) -> None:
    """Its text is its own affair."""
    async with relay_to(Hop(answer=answering("BDAT", "250"))) as relay:
        assert await relayed(relay, envelope(recipients=recipients)) == ""


# The pool


@each_way
async def test_one_connection_serves_many_messages(recipients: tuple[Recipient, ...]) -> None:
    """And it is opened anew, once and silently, where the other side has closed it meanwhile."""
    hop = Hop()
    async with relay_to(hop) as relay:
        for _ in range(3):
            await relayed(relay, envelope(recipients=recipients))
        assert hop.connections == 1
        pooled = relay._free[0]
        hop.open[0].close()
        await turning(lambda: not pooled.is_idle)
        await relayed(relay, envelope(recipients=recipients))
    assert hop.connections == 2
    assert len(hop.messages) == 4


@pytest.mark.parametrize(
    ("words", "recipients"),
    [
        ({"XFORWARD": None}, WAYS["two recipients"]),
        ({"RCPT": None}, WAYS["two recipients"]),
        ({"XFORWARD": "421 4.4.2 timeout", "MAIL": None}, WAYS["one recipient"]),
        ({"MAIL": "552 5.3.4 too big", "RCPT": None}, WAYS["one recipient"]),
    ],
    ids=str,
)
async def test_a_pooled_connection_is_lost_before_the_message(
    words: dict[str, str | None], recipients: tuple[Recipient, ...]
) -> None:
    """The next one gets it, as nothing counted: it was not sent, or refused before the connection went."""
    hop = Hop()
    lost = saying(words)
    async with relay_to(hop, connections=1) as relay:
        await relayed(relay)
        hop.answer = lambda line: lost(line) if hop.connections == 1 else take_all(line)
        assert await relayed(relay, envelope(recipients=recipients)) == "AB12"
    assert hop.connections == 2
    assert len(hop.messages) == 2


async def test_what_was_idle_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next hop is about to close it; it gets a QUIT."""
    hop = Hop()
    async with relay_to(hop) as relay:
        await relayed(relay)
        monkeypatch.setattr("gateway.relay._IDLE_LIMIT_S", -1.0)
        await relayed(relay)
        await hop.heard("QUIT")
    assert hop.connections == 2


async def test_closing_says_goodbye() -> None:
    """RFC 5321 section 4.1.1.10; Postfix logs a connection that was lost otherwise."""
    hop = Hop()
    async with relay_to(hop) as relay:
        await relayed(relay)
        relay.close()
        await hop.heard("QUIT")


async def test_small_writes_go_out_at_once() -> None:
    """Without TCP_NODELAY two of them in a row cost 40 ms. asyncio sets it, and this holds it to that."""
    async with relay_to(Hop()) as relay:
        await relay.warm()
        connected = relay._free[0]._transport.get_extra_info("socket")
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_more_messages_than_connections_wait_for_their_turn() -> None:
    """None is lost, and none opens a connection too many."""
    hop = Hop()
    told = [envelope(recipients=recipients) for recipients in WAYS.values()] * 10
    async with relay_to(hop, connections=2) as relay:
        assert await asyncio.gather(*(relayed(relay, one) for one in told)) == ["AB12"] * 20
    assert hop.connections == 2


async def test_who_waits_too_long_for_a_turn_hears_it() -> None:
    """The time for one relay counts from the beginning, not from the first word to the next hop."""
    hop = Hop(answer=answering("MAIL", ""))
    async with relay_to(hop, connections=1, timeout_s=0.1) as relay:
        outcomes = await asyncio.gather(relayed(relay), relayed(relay), return_exceptions=True)
    assert all(isinstance(one, RelayFailed) and one.reply is replies.RELAY_UNAVAILABLE for one in outcomes)


async def test_who_waits_for_a_turn_at_a_next_hop_that_hangs_waits_no_longer_than_who_has_it() -> None:
    """Those before them were not answered, one after the other: the turn would come, and be as long again."""
    hop = Hop(answer=answering("MAIL", ""))
    async with relay_to(hop, connections=1, timeout_s=3600) as relay:
        asked = [asyncio.create_task(relayed(relay)) for _ in range(3)]
        await hop.heard("MAIL")
        elapse(30)
        outcomes = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 60)
        hop.answer = take_all
        assert await relayed(relay) == "AB12"
    assert [(one.reply, one.is_certain) for one in outcomes if isinstance(one, RelayFailed)] == [
        (replies.RELAY_UNAVAILABLE, True)
    ] * 3
    assert hop.connections == 2
    assert hop.messages == [MESSAGE]


async def test_one_message_that_hangs_costs_those_behind_it_no_more_than_time() -> None:
    """While they waited another one was taken: the next hop is there."""
    hop = Hop(answer=answering("RCPT TO:<slow@", ""))
    slow = envelope(recipients=(Recipient("slow@x.example"),))
    async with relay_to(hop, connections=1, timeout_s=3600) as relay:
        first, second, third = [asyncio.create_task(relayed(relay, told)) for told in (envelope(), slow, envelope())]
        await hop.heard("RCPT TO:<slow@")
        elapse(30)
        assert await asyncio.wait_for(third, 60) == "AB12"
        assert await first == "AB12"
        with pytest.raises(RelayFailed, match="TimeoutError"):
            await second


# What it offers


async def test_offers_are_known_before_the_first_message() -> None:
    """And the connection that was opened for it is used."""
    hop = Hop()
    async with relay_to(hop) as relay:
        assert relay.offers == frozenset()
        await relay.warm()
        assert relay.offers == {"PIPELINING", "SIZE", "8BITMIME", "XFORWARD", "CHUNKING"}
        await relayed(relay)
    assert hop.connections == 1


async def test_offers_follow_the_newest_connection() -> None:
    """A next hop that was changed is asked anew with its next connection."""
    hop = Hop(answer=answering("BDAT", None))
    async with relay_to(hop) as relay:
        await relay.warm()
        hop.hello = ("250-hop", "250 dsn")
        with pytest.raises(RelayFailed):
            await relayed(relay)
        await relay.warm()
        assert relay.offers == {"DSN"}


async def test_a_next_hop_that_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is no reason not to start: it is logged, and nothing is raised."""
    said: list[str] = []
    monkeypatch.setattr(log, "next_hop_not_reached", said.append)
    relay = Relay("127.0.0.1", 1, "gateway.test", 1, 5)
    await relay.warm()
    async with relay_to(Hop(greeting="554 5.7.1 not you")) as refused:
        await refused.warm()
    assert "1" in said[0]
    assert said[1] == "greeted with 554 5.7.1 not you"
    assert relay.offers == frozenset()
    assert (relay.is_reached, refused.is_reached) == (False, False)


async def test_a_next_hop_that_goes_and_comes_back() -> None:
    """As of the newest attempt, whether a message made it or a probe."""
    hop = Hop()
    async with relay_to(hop) as relay:
        assert relay.is_reached
        hop.greeting = "421 4.3.2 going"
        with pytest.raises(RelayFailed):
            await relayed(relay)
        assert not relay.is_reached
        hop.greeting = "220 hop"
        await relay.warm()
        assert relay.is_reached


async def test_probes_leave_no_connections_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no message comes that would take an old one and part from it."""
    hop = Hop()
    async with relay_to(hop) as relay:
        monkeypatch.setattr(relay_module, "_IDLE_LIMIT_S", -1.0)
        for _ in range(5):
            await relay.warm()
        assert hop.connections == 5
        assert len(relay._free) == 1


# What the client hears

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
    ("gone after the message", "BDAT", None, replies.RELAY_BROKE_OFF, False),
    ("no SMTP after the message", "BDAT", "hello there", replies.RELAY_BROKE_OFF, False),
    ("a code that is none", "BDAT", "650 what", replies.RELAY_BROKE_OFF, False),
    ("a reply too many to the message", "BDAT", "250 2.0.0 Ok\r\n250 2.0.0 Ok", replies.RELAY_BROKE_OFF, False),
    ("half a reply too many", "BDAT", "250 2.0.0 Ok\r\n250-2.0.0", replies.RELAY_BROKE_OFF, False),
]


@each_way
@pytest.mark.parametrize(("verb", "said", "reply", "certain"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
async def test_what_the_client_hears(
    verb: str, said: str | None, reply: Reply, certain: bool, recipients: tuple[Recipient, ...]
) -> None:
    """Never the next hop's text; and whether the message may be out, for the budget."""
    await heard(Hop(answer=refusing(verb, said)), recipients, reply, certain)


async def heard(hop: Hop, recipients: tuple[Recipient, ...], reply: Reply, certain: bool) -> None:
    """The client hears this; the slot comes back, and a connection that saw trouble is never used again."""
    async with relay_to(hop, connections=1) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relayed(relay, envelope(recipients=recipients))
        assert (failed.value.reply, failed.value.is_certain) == (reply, certain)
        hop.answer = take_all
        assert await relayed(relay, envelope(recipients=recipients)) == "AB12"
    assert hop.connections == 2


BROKEN = [
    # what it shows, verb, what the next hop says to it
    ("gone at XFORWARD", "XFORWARD", None),
    ("gone at RCPT", "RCPT", None),
    ("no SMTP at RCPT", "RCPT", "hello there"),
    ("endless reply line", "RCPT", "250 " + "x" * 10_000),
    ("endless reply", "RCPT", "\r\n".join(["250-x"] * 200)),
    *((f"a reply too many to {verb}", verb, "250 2.0.0 Ok\r\n250 2.0.0 Ok") for verb in ("XFORWARD", "MAIL", "RCPT")),
]


@each_way
@pytest.mark.parametrize(("verb", "said"), [c[1:] for c in BROKEN], ids=[c[0] for c in BROKEN])
async def test_an_envelope_that_breaks(verb: str, said: str | None, recipients: tuple[Recipient, ...]) -> None:
    """The message never left us."""
    hop = Hop(answer=answering(verb, said))
    await heard(hop, recipients, replies.RELAY_UNAVAILABLE, True)
    assert len(hop.messages) == 1


@each_way
async def test_xforward_is_refused(recipients: tuple[Recipient, ...]) -> None:
    """Ours to mend: the client keeps its message."""
    hop = Hop(answer=answering("XFORWARD", "501 5.5.4 bad"))
    await heard(hop, recipients, replies.RELAY_DEFERRED, True)


@pytest.mark.parametrize("reply", ["550 5.1.1 no such user", "450 4.2.0 later"])
async def test_all_recipients_or_none(reply: str) -> None:
    """Where one of them is refused nobody gets the message."""
    hop = Hop(answer=answering("RCPT TO:<carl", reply))
    async with relay_to(hop) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relayed(relay)
        await turning(lambda: not hop.open)
    assert failed.value.is_certain
    assert not any(line.startswith(("BDAT", "DATA")) for line in hop.lines)


DATA_CASES = [
    # what it shows, line (. is the end of the message), what the next hop says to it, reply to the client, certain
    ("DATA refused", "DATA", "554 5.5.1 no valid recipients", replies.RELAY_REFUSED, True),
    ("DATA answered with 250", "DATA", "250 2.0.0 Ok", replies.RELAY_DEFERRED, True),
    ("gone at DATA", "DATA", None, replies.RELAY_UNAVAILABLE, True),
    ("message refused", ".", "552 5.3.4 too big", replies.RELAY_TOO_BIG, True),
    ("gone after the message", ".", None, replies.RELAY_BROKE_OFF, False),
    ("taken before it was sent", "DATA", "354 go on\r\n250 2.0.0 Ok", replies.RELAY_UNAVAILABLE, True),
]


@pytest.mark.parametrize(
    ("verb", "said", "reply", "certain"), [c[1:] for c in DATA_CASES], ids=[c[0] for c in DATA_CASES]
)
async def test_what_the_client_hears_without_chunking(verb: str, said: str | None, reply: Reply, certain: bool) -> None:
    """The same with DATA."""
    hop = Hop(hello=(*HELLO[:-1], "250 SIZE"), answer=answering(verb, said))
    async with relay_to(hop, connections=1) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relayed(relay)
        assert (failed.value.reply, failed.value.is_certain) == (reply, certain)
        hop.answer = take_all
        assert await relayed(relay) == "AB12"
    assert hop.connections == 2


async def test_what_was_sent_before_says_nothing_of_this_message() -> None:
    """The second message on a connection never left us, and it is certain that it did not."""
    hop = Hop(hello=(*HELLO[:-1], "250 SIZE"))
    async with relay_to(hop, connections=1) as relay:
        await relayed(relay)
        hop.answer = answering("DATA", None)
        with pytest.raises(RelayFailed) as failed:
            await relayed(relay)
    assert failed.value.is_certain


@pytest.mark.parametrize("greeting", ["554 5.7.1 not you", "421 4.3.2 bye", "SSH-2.0-x", "220 hop\r\n220 hop"])
async def test_a_next_hop_that_does_not_greet_us(greeting: str) -> None:
    """Whatever it says: its trouble with us, and the message stays the client's."""
    async with relay_to(Hop(greeting=greeting)) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relayed(relay)
    assert (failed.value.reply, failed.value.is_certain) == (replies.RELAY_UNAVAILABLE, True)


SILENCE = [
    # verb, to how many, certain
    *((verb, way, verb == "MAIL") for verb in ("MAIL", "BDAT") for way in WAYS),
]


@pytest.mark.parametrize(("silent_at", "way", "certain"), SILENCE)
@pytest.mark.parametrize("said", ["", "250-and"], ids=["nothing", "half a reply"])
async def test_silence_ends_in_time(silent_at: str, way: str, certain: bool, said: str) -> None:
    """No answer within the time for one relay."""
    words: dict[str, str | None] = {"RCPT": "", "BDAT": ""} if silent_at == "MAIL" else {}
    hop = Hop(answer=saying({silent_at: said} | words))
    async with relay_to(hop, connections=1) as relay:
        asked = asyncio.create_task(relayed(relay, envelope(recipients=WAYS[way])))
        await hop.heard(silent_at)
        elapse(60)
        with pytest.raises(RelayFailed, match="TimeoutError") as failed:
            await asked
        assert failed.value.is_certain is certain
        hop.answer = take_all
        assert await relayed(relay) == "AB12"
    assert hop.connections == 2


@pytest.mark.parametrize("is_pooled", [True, False])
async def test_silence_in_the_envelope_ends_sooner(is_pooled: bool) -> None:
    """Nothing of the message is out, so that it need not be waited for as long as the reply to a message."""
    hop = Hop()
    async with relay_to(hop, connections=1, timeout_s=3600) as relay:
        if is_pooled:
            await relayed(relay)
        hop.answer = answering("MAIL", "")
        hop.lines.clear()
        asked = asyncio.create_task(relayed(relay))
        await hop.heard("MAIL")
        elapse(30)
        with pytest.raises(RelayFailed, match="TimeoutError") as failed:
            await asyncio.wait_for(asked, 60)
    assert (failed.value.reply, failed.value.is_certain) == (replies.RELAY_UNAVAILABLE, True)
    assert hop.messages == [MESSAGE] * is_pooled


@each_way
async def test_silence_on_a_pooled_connection_is_not_tried_again(recipients: tuple[Recipient, ...]) -> None:
    """The time is over, whatever another connection might say."""
    hop = Hop()
    async with relay_to(hop, connections=1) as relay:
        await relayed(relay)
        hop.answer = answering("MAIL", "")
        hop.lines.clear()
        asked = asyncio.create_task(relayed(relay, envelope(recipients=recipients)))
        await hop.heard("MAIL")
        elapse(60)
        with pytest.raises(RelayFailed, match="TimeoutError"):
            await asked
    assert hop.connections == 1


async def test_nobody_listens() -> None:
    """Refused at once, and certain."""
    with pytest.raises(RelayFailed) as failed:
        await relayed(Relay("127.0.0.1", 1, "gateway.test", 1, 5))
    assert (failed.value.reply, failed.value.is_certain) == (replies.RELAY_UNAVAILABLE, True)


async def test_a_missing_extension_costs_no_slot() -> None:
    """The message is refused, and the next one goes out."""
    async with relay_to(Hop(), connections=1) as relay:
        with pytest.raises(RelayFailed) as failed:
            await relayed(relay, envelope(is_utf8=True))
        assert failed.value.reply is replies.RELAY_NOT_UTF8
        assert await relayed(relay) == "AB12"


# Out of step


def later(hop: Hop, said: bytes) -> None:
    """The next hop speaks unasked on each of its connections."""
    for writer in hop.open:
        writer.write(said)


@pytest.mark.parametrize("said", [b"250 2.0.0 Ok\r\n", b"421 4.4.2 timeout\r\n", b"2"], ids=repr)
@each_way
async def test_a_word_too_many_between_messages(said: bytes, recipients: tuple[Recipient, ...]) -> None:
    """It would be read as a reply to the next message. Postfix says 421 before it closes what was idle for long."""
    hop = Hop()
    async with relay_to(hop) as relay:
        await relayed(relay)
        pooled = relay._free[0]
        later(hop, said)
        await turning(lambda: not pooled.is_idle)
        assert await relayed(relay, envelope(recipients=recipients)) == "AB12"
    assert hop.connections == 2


# Cancelled

STEPS = [
    # verb, whether the connection is pooled, to how many
    ("EHLO", False, "one recipient"),
    *(
        (verb, is_pooled, way)
        for way in WAYS
        for verb in ("XFORWARD", "MAIL", "RCPT", "DATA", "BDAT")
        for is_pooled in (False, True)
    ),
]


@pytest.mark.parametrize(
    ("verb", "is_pooled", "way"),
    STEPS,
    ids=[f"{verb}, {way}, {'pooled' if is_pooled else 'fresh'}" for verb, is_pooled, way in STEPS],
)
async def test_cancelled_at_each_step(verb: str, is_pooled: bool, way: str) -> None:
    """The connection is closed, the slot comes back, and the next message reads its own replies."""
    hello = HELLO if verb != "DATA" else (*HELLO[:-1], "250 SIZE")
    silent: Answer = answering(verb, "")
    hop = Hop(hello=hello, answer=silent)
    async with relay_to(hop, connections=1) as relay:
        if is_pooled:
            hop.answer = take_all
            await relayed(relay)
            hop.lines.clear()
            hop.messages.clear()
            hop.answer = silent
        if verb == "EHLO":
            hop.hello = ("",)
        task = asyncio.create_task(relayed(relay, envelope(recipients=WAYS[way])))
        await hop.heard(verb)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await turning(lambda: not hop.open)
        hop.hello, hop.answer = hello, take_all
        before = hop.connections
        assert await relayed(relay, envelope(recipients=WAYS[way])) == "AB12"
        assert hop.connections == before + 1


async def test_cancelled_while_it_waits_for_a_turn() -> None:
    """Who waited behind it comes to its turn."""
    hop = Hop(answer=answering("MAIL", ""))
    async with relay_to(hop, connections=1) as relay:
        first, second = asyncio.create_task(relayed(relay)), asyncio.create_task(relayed(relay))
        await hop.heard("MAIL")
        second.cancel()
        hop.answer = take_all
        third = asyncio.create_task(relayed(relay))
        await asyncio.sleep(0)
        first.cancel()
        assert await third == "AB12"
        assert first.cancelled()
        assert second.cancelled()
