"""What Postfix is told in each state, what is charged, and what is charged once."""

import asyncio

import pytest
from delegation_parts import OpenDoor, Scene, ScriptedJudge, request
from harness import ROOT
from structlog.testing import capture_logs

from gateway import replies
from gateway.replies import FOR_REASON as OF_GATEWAY
from policy.arrivals import Stop
from policy.authpolicy.verdicts import MESSAGES
from policy.contract import Action, ConnectOutcome, Reason
from policy.delegation import wording
from policy.delegation.answers import ANSWERS_KEPT, ANSWERS_KEPT_S
from policy.engine.judging import Decision

A, B, C = "a@example.net", "b@example.net", "c@example.net"
QUIET = ["CONNECT", "EHLO", "HELO", "MAIL", "DATA", "VRFY", "ETRN", "", "SOMETHING-NEW"]


@pytest.mark.parametrize("state", QUIET)
async def test_a_state_that_charges_nothing(state: str) -> None:
    """DUNNO and never OK: the restrictions behind us still have their say."""
    scene = Scene()
    assert await scene.told(state) == "DUNNO"
    assert (scene.judge.charged, scene.judge.foreseen) == ([], [])


async def test_a_recipient_is_looked_at_and_not_charged() -> None:
    scene = Scene()
    assert await scene.told("RCPT", recipient=A) == "DUNNO"
    assert scene.judge.charged == []
    assert [one.recipients for one in scene.judge.foreseen] == [(A,)]


async def test_the_end_of_a_message_is_charged() -> None:
    """With everybody that was told, from whatever connection, and what Postfix knows of the session."""
    scene = Scene()
    for recipient in (A, B):
        await scene.told("RCPT", recipient=recipient)
    assert await scene.told("END-OF-MESSAGE", recipient_count=3, size=1234, queue_id="4bXyz") == "DUNNO"
    (handed,) = scene.judge.charged
    assert (handed.recipients, handed.strangers, handed.message_bytes) == ((A, B), 1, 1234)
    assert (handed.identity, handed.login, handed.credential) == ("ada", "ada", 7)
    assert (handed.client_address, handed.client_name, handed.mechanism) == ("192.0.2.1", "laptop.example", "PLAIN")
    assert (handed.reverse_path, handed.queue_id) == ("ada@example.org", "4bXyz")


async def test_without_its_recipients_a_message_is_of_strangers() -> None:
    """Where only the end is asked about: each of them counts as new."""
    scene = Scene()
    await scene.told("END-OF-MESSAGE", recipient_count=5)
    (handed,) = scene.judge.charged
    assert (handed.recipients, handed.strangers) == ((), 5)


async def test_a_message_that_is_asked_about_twice_is_charged_once() -> None:
    """Two restrictions name us, or our first answer got lost; in capitals the login is no other one."""
    scene = Scene(ScriptedJudge(decision=Decision(action=Action.HOLD, reason=Reason.HELD)))
    first = await scene.told("END-OF-MESSAGE", recipient_count=1)
    assert await scene.told("END-OF-MESSAGE", recipient_count=1, sasl_username="ADA") == first == "HOLD held"
    assert len(scene.judge.charged) == 1


async def test_who_asks_again_while_it_is_judged_waits_for_the_same_answer() -> None:
    """And when the first connection breaks meanwhile, the message is still judged once."""
    scene = Scene()
    scene.judge.gate = asyncio.Event()
    first = asyncio.ensure_future(scene.told("END-OF-MESSAGE", recipient_count=1))
    second = asyncio.ensure_future(scene.told("END-OF-MESSAGE", recipient_count=1))
    await scene.judge.was_asked.wait()
    first.cancel()
    scene.judge.gate.set()
    assert await second == "DUNNO"
    assert len(scene.judge.charged) == 1


async def test_messages_are_charged_each() -> None:
    """Another instance, another login, and messages of which Postfix tells no instance."""
    scene = Scene()
    for attributes in (
        {},
        {"instance": "1.2.3.1"},
        {"sasl_username": "bob"},
        {"instance": ""},
        {"instance": ""},
    ):
        await scene.told("END-OF-MESSAGE", recipient_count=1, **attributes)
    assert len(scene.judge.charged) == 5


async def test_an_error_is_no_answer() -> None:
    """It is raised, and the next question about the same message is judged anew."""
    scene = Scene(ScriptedJudge(error=OSError("the database is away")))
    with pytest.raises(OSError, match="away"):
        await scene.told("END-OF-MESSAGE", recipient_count=1)
    scene.judge.error = None
    assert await scene.told("END-OF-MESSAGE", recipient_count=1) == "DUNNO"


async def test_answers_are_forgotten() -> None:
    """After some minutes, and the oldest of too many."""
    scene = Scene()
    await scene.told("END-OF-MESSAGE", recipient_count=1)
    scene.clock.now += ANSWERS_KEPT_S
    await scene.told("END-OF-MESSAGE", recipient_count=1)
    assert len(scene.judge.charged) == 2
    for number in range(ANSWERS_KEPT + 1):
        await scene.told("END-OF-MESSAGE", recipient_count=1, instance=f"x{number}")
    assert len(scene.answers._given) <= ANSWERS_KEPT


async def test_only_the_recipient_that_does_not_fit_is_refused() -> None:
    """And one that was refused is not among those of the message."""
    scene = Scene(ScriptedJudge(room=2))
    assert [await scene.told("RCPT", recipient=one) for one in (A, B, C)] == [
        "DUNNO",
        "DUNNO",
        wording.FOR_REASON[Reason.BUDGET_SPENT],
    ]
    assert await scene.told("END-OF-MESSAGE", recipient_count=2) == "DUNNO"
    assert scene.judge.charged[-1].recipients == (A, B)


async def test_a_refusal_at_rcpt_is_an_attempt() -> None:
    """Charged once for each message, however many of its recipients are refused: it may never come to its end."""
    scene = Scene(ScriptedJudge(room=0))
    for recipient in (A, B, C):
        assert (await scene.told("RCPT", recipient=recipient)).startswith("451 ")
    assert [one.recipients for one in scene.judge.charged] == [(A,)]
    await scene.told("RCPT", recipient=A, instance="1.2.3.1")
    assert len(scene.judge.charged) == 2


async def test_nobody_is_held_at_rcpt() -> None:
    """HOLD is of the whole message: it is said at its end."""
    scene = Scene(ScriptedJudge(decision=Decision(action=Action.ACCEPT, reason=Reason.NEW_RECIPIENTS, held=(0,))))
    assert await scene.told("RCPT", recipient=A) == "DUNNO"
    assert await scene.told("END-OF-MESSAGE", recipient_count=1) == "HOLD new-recipients"


@pytest.mark.parametrize("state", ["MAIL", "RCPT", "END-OF-MESSAGE"])
async def test_a_session_without_a_login_is_none_of_ours(state: str) -> None:
    scene = Scene(ScriptedJudge(room=0))
    assert await scene.told(state, sasl_username="", recipient=A, recipient_count=1) == "DUNNO"


@pytest.mark.parametrize("state", ["MAIL", "RCPT", "END-OF-MESSAGE"])
async def test_a_login_that_nobody_has(state: str) -> None:
    """Is refused for good: a client that tries again changes nothing."""
    scene = Scene()
    told = await scene.told(state, sasl_username="mallory", recipient=A, recipient_count=1)
    assert told == wording.NOBODY_HERE
    assert scene.judge.charged == []


@pytest.mark.parametrize("state", ["MAIL", "RCPT", "END-OF-MESSAGE"])
async def test_whose_login_nobody_has_is_in_the_log(state: str) -> None:
    """Postfix's own line about a refusal names the client and the addresses, and not the login."""
    with capture_logs() as logged:
        await Scene().told(state, sasl_username="Erika=X", recipient=A, recipient_count=1)
    assert [(one["event"], one["login"], one["client_address"]) for one in logged] == [
        ("delegation-unknown", "erika=x", "192.0.2.1")
    ]


async def test_more_recipients_than_a_message_may_have() -> None:
    """At RCPT the client may go on with those that it has, and send to the rest afterwards; at the end it cannot."""
    few = Decision(action=Action.REJECT, reason=Reason.TOO_MANY_RECIPIENTS)
    scene = Scene(ScriptedJudge(decision=few))
    assert await scene.told("RCPT", recipient=A) == str(replies.TOO_MANY_RECIPIENTS)
    assert await scene.told("END-OF-MESSAGE", recipient_count=101) == wording.FOR_REASON[Reason.TOO_MANY_RECIPIENTS]


@pytest.mark.parametrize(
    ("outcome", "action"),
    [
        (ConnectOutcome.ACCEPTED, "DUNNO"),
        (ConnectOutcome.REFUSED, wording.NOT_FROM_THERE),
        (ConnectOutcome.LATER, wording.LATER),
    ],
)
async def test_connections_meet_the_gates(outcome: ConnectOutcome, action: str) -> None:
    assert await Scene(connect=outcome).told("CONNECT", sasl_username="") == action


async def test_a_message_is_a_login_from_there() -> None:
    """Once, however many recipients it has, and also where only its end is asked about."""
    scene = Scene()
    for recipient in (A, B):
        await scene.told("RCPT", recipient=recipient, encryption_protocol="TLSv1.3", encryption_cipher="AES")
    await scene.told("END-OF-MESSAGE", recipient_count=2)
    assert scene.door.seen == [("laptop.example", "PLAIN", "TLSv1.3 AES")]
    await scene.told("END-OF-MESSAGE", recipient_count=2, instance="1.2.3.1")
    assert len(scene.door.seen) == 2


@pytest.mark.parametrize(
    ("stop", "action"), [(Stop.CONTAINED, wording.FOR_REASON[Reason.LOCKED]), (Stop.GATE, wording.NOT_FROM_THERE)]
)
@pytest.mark.parametrize("state", ["RCPT", "END-OF-MESSAGE"])
async def test_who_may_not_come_in_sends_nothing(state: str, stop: Stop, action: str) -> None:
    scene = Scene(door=OpenDoor(stop))
    for _ in range(2):
        assert await scene.told(state, recipient=A, recipient_count=1) == action
    assert (scene.judge.charged, scene.judge.foreseen) == ([], [])


async def test_a_message_has_a_recipient() -> None:
    """Even where Postfix does not say so."""
    scene = Scene()
    await scene.told("END-OF-MESSAGE")
    assert scene.judge.charged[0].strangers == 1


async def test_a_message_that_has_ended_is_forgotten() -> None:
    """Whoever serves the connection says so."""
    scene = Scene()
    await scene.told("RCPT", recipient=A)
    scene.answers.forget(("1.2.3.0", "ada"))
    assert len(scene.envelopes) == 0


async def test_how_long_an_answer_waits() -> None:
    """Is the judge's to say."""
    scene = Scene(ScriptedJudge(decision=Decision(action=Action.DEFER, reason=Reason.BUDGET_SPENT, delay_s=5.0)))
    answer = await scene.answers.to(request("END-OF-MESSAGE", recipient_count=1))
    assert (answer.action, answer.delay_s) == (wording.FOR_REASON[Reason.BUDGET_SPENT], 5.0)


def test_every_reason_has_its_words() -> None:
    """One line of ASCII, with a status of the code's class (RFC 2034)."""
    assert set(wording.FOR_REASON) == set(Reason)
    others = (wording.NOBODY_HERE, wording.NOT_FROM_THERE, wording.LATER, wording.REST_IN_ANOTHER)
    for action in (*wording.FOR_REASON.values(), *others):
        code, status, text = action.split(" ", 2)
        assert code.isdigit()
        assert status[0] == code[0] in "45"
        assert text.isascii()
        assert text.isprintable()


def test_the_words_are_those_of_the_gateway() -> None:
    """People find one remedy for each, whoever refuses them."""
    assert {reason: str(OF_GATEWAY[reason]) for reason in OF_GATEWAY} == {
        reason: wording.FOR_REASON[reason] for reason in OF_GATEWAY
    }
    assert (str(replies.NOT_FROM_THERE), str(replies.NOT_FROM_THERE_NOW)) == (wording.NOT_FROM_THERE, wording.LATER)


def test_the_docs_have_the_words() -> None:
    """Those that are on no other page, and all that Dovecot hands on."""
    page = (ROOT / "docs" / "delegation.md").read_text()
    for told in (wording.NOBODY_HERE, wording.NOT_FROM_THERE, wording.LATER, *MESSAGES.values()):
        assert f"`{told}`" in page
