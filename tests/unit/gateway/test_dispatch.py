"""An accepted message: which way each recipient goes, in which order, and what is reported when a way is closed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hops import BOB, CARL, envelope, spooled

from gateway import replies
from gateway.dispatch import Handover, dispatch
from gateway.edge import Edge
from gateway.envelope import MailCommand
from gateway.errors import RelayFailed
from gateway.handover import Message, Transaction, hand_over
from gateway.relay_commands import Envelope, Recipient
from gateway.replies import FOR_REASON, Reply
from gateway.scoreboard import Scoreboard
from gateway.spool import Spool
from policy.contract import Action, MessageFacts, MessageVerdict, Outcome, Reason, RelayOutcome

HEAD = b"Message-ID: <1@x>\r\n"
SURE = RelayFailed("refused", replies.RELAY_FULL)
UNSURE = RelayFailed("lost", replies.RELAY_BROKE_OFF, is_certain=False)
RELAYED, FAILED, UNKNOWN = RelayOutcome.RELAYED, RelayOutcome.FAILED, RelayOutcome.UNKNOWN

ACCEPT = MessageVerdict(action=Action.ACCEPT, reservation="r")
HOLD = MessageVerdict(action=Action.HOLD, reason=Reason.PROBATION, reservation="r")
SPLIT = MessageVerdict(action=Action.ACCEPT, reason=Reason.NEW_RECIPIENTS, reservation="r", held=(1,))
ALL_HELD = MessageVerdict(action=Action.ACCEPT, reason=Reason.NEW_RECIPIENTS, reservation="r", held=(0, 1))


class Way:
    """A relay that takes everything as `queue_id`, or fails; `way` is the order over both of them."""

    def __init__(self, queue_id: str, way: list[str], failure: RelayFailed | None = None) -> None:
        self.queue_id, self.way, self.failure = queue_id, way, failure
        self.deadlines: list[float] = []
        self.got: list[tuple[tuple[Recipient, ...], bytes, int]] = []

    async def relay(self, told: Envelope, head: bytes, _: Spool, offset: int, *, deadline: float) -> str:
        self.way.append(self.queue_id)
        self.deadlines.append(deadline)
        if self.failure:
            raise self.failure
        self.got.append((told.recipients, head, offset))
        return self.queue_id


class World:
    """What a session's edge is to dispatch: two ways, reports, counters."""

    def __init__(self, relay: RelayFailed | None = None, hold: RelayFailed | None = None) -> None:
        self.way: list[str] = []
        self.relay, self.hold_relay = Way("OUT1", self.way, relay), Way("HELD2", self.way, hold)
        self.reports: list[Outcome] = []
        self.scoreboard = Scoreboard(1)
        self.verdict = ACCEPT

    def edge(self, *, holds: bool = True) -> Edge:
        async def judge(_: MessageFacts) -> MessageVerdict:
            return self.verdict

        edge = SimpleNamespace(
            relay=self.relay,
            hold_relay=self.hold_relay if holds else None,
            policy=SimpleNamespace(report=self.reports.append, judge=judge),
            scoreboard=self.scoreboard,
            settings=SimpleNamespace(relay_timeout_s=75, hostname="gateway.test"),
            scanner=None,
            clock=lambda: 0.0,
        )
        return cast("Edge", edge)

    def counted(self, name: str) -> int:
        return sum(total for counter, _, _, total in self.scoreboard.totals() if counter == name)


@pytest.fixture
def spool() -> Iterator[Spool]:
    one = spooled(b"From: ada@example.org\r\n\r\nhi\r\n")
    yield one
    one.close()


def handover() -> Handover:
    facts = MessageFacts(
        submission="cafe",
        session="s",
        listener="submission",
        client_address="192.0.2.7",
        client_name="client",
        credential=1,
        reverse_path="ada@example.org",
        recipients=(BOB.address, CARL.address),
        authors=("ada@example.org",),
        senders=(),
        names=(),
        message_bytes=28,
    )
    return Handover(facts, envelope(), HEAD, 3)


WAYS = [
    # what it shows, verdict, who is relayed, who is held, queue id, held queue id
    ("accepted", ACCEPT, (BOB, CARL), (), "OUT1", ""),
    ("held whole: its one id", HOLD, (), (BOB, CARL), "HELD2", ""),
    ("split", SPLIT, (BOB,), (CARL,), "OUT1", "HELD2"),
    ("each is held: as if whole", ALL_HELD, (), (BOB, CARL), "HELD2", ""),
]


@pytest.mark.parametrize(
    ("verdict", "relayed", "held", "own_id", "held_id"), [w[1:] for w in WAYS], ids=[w[0] for w in WAYS]
)
async def test_each_recipient_goes_its_way(
    spool: Spool,
    verdict: MessageVerdict,
    relayed: tuple[Recipient, ...],
    held: tuple[Recipient, ...],
    own_id: str,
    held_id: str,
) -> None:
    """With the same head and offset on both; the outcome has the ids."""
    world = World()
    reply = await dispatch(world.edge(), spool, handover(), verdict)
    assert str(reply) == "250 2.0.0 Ok: queued as cafe"
    assert world.relay.got == ([(relayed, HEAD, 3)] if relayed else [])
    assert world.hold_relay.got == ([(held, HEAD, 3)] if held else [])
    assert world.reports == [Outcome(reservation="r", outcome=RELAYED, queue_id=own_id, held_queue_id=held_id)]
    assert world.counted("messages_held_total") == bool(held)
    assert world.counted("message_bytes_total") == 28


FAILURES = [
    # what fails, verdict, how relay and hold fail, the ways that were tried, reply, outcome, held queue id
    ("accepted, surely", ACCEPT, (SURE, None), ["OUT1"], replies.RELAY_FULL, FAILED, ""),
    ("accepted, perhaps", ACCEPT, (UNSURE, None), ["OUT1"], replies.RELAY_BROKE_OFF, UNKNOWN, ""),
    ("held whole, surely", HOLD, (None, SURE), ["HELD2"], replies.RELAY_FULL, FAILED, ""),
    ("held whole, perhaps", HOLD, (None, UNSURE), ["HELD2"], replies.RELAY_BROKE_OFF, UNKNOWN, ""),
    ("the held part, surely", SPLIT, (None, SURE), ["HELD2"], replies.RELAY_FULL, FAILED, ""),
    ("the held part, perhaps", SPLIT, (None, UNSURE), ["HELD2"], replies.RELAY_BROKE_OFF, UNKNOWN, ""),
    ("the other part, surely", SPLIT, (SURE, None), ["HELD2", "OUT1"], replies.RELAY_FULL, UNKNOWN, "HELD2"),
    ("the other part, perhaps", SPLIT, (UNSURE, None), ["HELD2", "OUT1"], replies.RELAY_BROKE_OFF, UNKNOWN, "HELD2"),
]


@pytest.mark.parametrize(
    ("verdict", "failures", "way", "reply", "outcome", "held_id"),
    [f[1:] for f in FAILURES],
    ids=[f[0] for f in FAILURES],
)
async def test_a_closed_way(
    spool: Spool,
    verdict: MessageVerdict,
    failures: tuple[RelayFailed | None, RelayFailed | None],
    way: list[str],
    reply: Reply,
    outcome: RelayOutcome,
    held_id: str,
) -> None:
    """The held part first; no 250; given back only where nothing can be anywhere."""
    world = World(*failures)
    assert await dispatch(world.edge(), spool, handover(), verdict) == reply
    assert world.way == way
    assert world.reports == [Outcome(reservation="r", outcome=outcome, held_queue_id=held_id)]
    assert world.counted("relay_failures_total") == 1
    assert world.counted("messages_held_total") == 0


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (HOLD, Reason.PROBATION),
        (SPLIT, Reason.NEW_RECIPIENTS),
        (HOLD.model_copy(update={"reason": None}), Reason.HELD),
    ],
)
async def test_nothing_that_holds(
    spool: Spool, verdict: MessageVerdict, reason: Reason, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deferred whole, the reservation given back, and the log says which setting is missing."""
    world = World()
    assert await dispatch(world.edge(holds=False), spool, handover(), verdict) == FOR_REASON[reason]
    assert world.way == []
    assert world.reports == [Outcome(reservation="r", outcome=FAILED)]
    assert "GATEWAY_HOLD_RELAY is not set" in capsys.readouterr().out


async def test_both_parts_share_one_span(spool: Spool) -> None:
    """The client has one patience, and RFC 6409 section 5.3 gives it two minutes."""
    world = World()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await dispatch(world.edge(), spool, handover(), SPLIT)
    assert world.hold_relay.deadlines == world.relay.deadlines
    assert began + 75 <= world.relay.deadlines[0] <= loop.time() + 75


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (MessageVerdict(action=Action.ACCEPT, reservation="r", delay_s=5), 250),
        (MessageVerdict(action=Action.DEFER, reason=Reason.BUDGET_SPENT, delay_s=5), 451),
    ],
)
async def test_the_reply_waits_as_long_as_policy_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verdict: MessageVerdict, code: int
) -> None:
    """Yes and no alike; and before the message goes, so that a worker that is killed meanwhile has sent nothing."""
    world = World()
    world.verdict = verdict
    waited: list[tuple[float, list[str]]] = []

    async def sleep(seconds: float) -> None:
        waited.append((seconds, list(world.way)))

    monkeypatch.setattr("gateway.handover.asyncio.sleep", sleep)
    command = MailCommand(path="ada@example.org")
    transaction = Transaction(
        session="s",
        listener="submission",
        gate="default",
        client_address="192.0.2.7",
        client_name="client",
        credential=1,
        tls="TLSv1.3:X",
        command=command,
        recipients=[BOB],
    )
    message = Message(tmp_path)
    message.keep(b"From: ada@example.org\r\n\r\nhi\r\n")
    assert (await hand_over(world.edge(), transaction, message)).code == code
    assert waited == [(5, [])]
    assert bool(world.way) == (code == 250)
