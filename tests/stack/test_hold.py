"""Mail that is held: in Postfix's hold queue, whole or for some recipients, until it is released. Real Postfix."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Login, Postfix, Sallyport, Sink, until
from scripted import ScriptedPolicy

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
]

SENDER = "ada@sallyport.test"
MESSAGE = f"From: {SENDER}\r\nTo: undisclosed-recipients:;\r\nSubject: held\r\n\r\nhello\r\n"
HELD = '{"action": "hold", "reason": "held", "reservation": "r"}'
SPLIT = '{"action": "accept", "reason": "new-recipients", "reservation": "r", "held": [1, 2]}'


@pytest.fixture(scope="module")
def postfix(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Postfix]:
    """A private Postfix that delivers to the sink."""
    one = Postfix(tmp_path_factory.mktemp("postfix"), sink.smtp_port).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def policy(
    tmp_path_factory: pytest.TempPathFactory, postfix: Postfix
) -> Iterator[tuple[Sallyport, Login, ScriptedPolicy]]:
    """A gateway in front of both listeners of Postfix, a login, and a policy that says what a test wants."""
    settings = {"GATEWAY_WORKERS": "1", "GATEWAY_HOLD_RELAY": f"127.0.0.1:{postfix.hold_port}"}
    one = Sallyport(tmp_path_factory.mktemp("sallyport"), postfix.port, gateway_settings=settings)
    scripted = ScriptedPolicy(one.policy_port).start()
    one.gateway.environment["GATEWAY_POLICY_URL"] = f"http://127.0.0.1:{scripted.port}"
    try:
        one.cli("init")
        one.start_policy()
        one.start_gateway()
        yield one, one.new_login("ada", SENDER), scripted
    finally:
        one.stop()
        scripted.stop()


def submitted(policy: tuple[Sallyport, Login, ScriptedPolicy], verdict: str, *recipients: str, body: str = "") -> str:
    """Hand one message in; the submission id, which only 250 has."""
    sallyport, login, scripted = policy
    scripted.answers = {"message": verdict}
    scripted.bodies.pop("outcomes", None)
    with sallyport.client(login) as client:
        client.mail(SENDER)
        for recipient in recipients:
            client.rcpt(recipient)
        code, text = client.data((MESSAGE + body).encode())
    assert code == 250, text
    return text.decode().rpartition(" ")[2]


def outcome_of(policy: tuple[Sallyport, Login, ScriptedPolicy]) -> dict[str, Any]:
    scripted = policy[2]
    until(lambda: "outcomes" in scripted.bodies, "the outcome is reported")
    (outcome,) = json.loads(scripted.bodies["outcomes"])["outcomes"]
    assert isinstance(outcome, dict)
    return outcome


def on_hold(postfix: Postfix) -> dict[str, list[str]]:
    """The recipients of each message in the hold queue, by queue id."""
    told = subprocess.run(["postqueue", "-c", postfix.config, "-j"], capture_output=True, text=True, check=True).stdout
    queue = [json.loads(line) for line in told.splitlines()]
    return {
        one["queue_id"]: [recipient["address"] for recipient in one["recipients"]]
        for one in queue
        if one["queue_name"] == "hold"
    }


def release(postfix: Postfix, queue_id: str) -> None:
    """As docs/flow.md tells the administrator."""
    subprocess.run(["postsuper", "-c", postfix.config, "-H", queue_id], check=True, capture_output=True)
    subprocess.run(["postqueue", "-c", postfix.config, "-i", queue_id], check=True)


def arrived(sink: Sink, recipient: str, *, wait_s: int = 60) -> bytes:
    """What came for this recipient, without the field that Postfix has put on top; nothing if nothing came."""
    found = sink.messages(f"recipient={recipient}&wait={wait_s}")
    if not found:
        return b""
    (one,) = found
    fields = sink.raw(one["id"]).split(b"\r\nReceived: ", 1)
    return b"Received: " + fields[1]


def test_a_message_that_is_held_waits_for_somebody(
    policy: tuple[Sallyport, Login, ScriptedPolicy], postfix: Postfix, sink: Sink
) -> None:
    """250, in the hold queue under the id that was reported; delivered when it is released, and not before."""
    submission = submitted(policy, HELD, "whole@elsewhere.example")
    outcome = outcome_of(policy)
    assert (outcome["outcome"], outcome["held_queue_id"]) == ("relayed", "")
    assert on_hold(postfix)[outcome["queue_id"]] == ["whole@elsewhere.example"]
    assert f"orig_queue_id={submission}" in postfix.log()
    # What is handed in afterwards overtakes it.
    submitted(policy, '{"action": "accept", "reservation": "r"}', "after@elsewhere.example")
    outcome_of(policy)  # or the next test would take it for its own
    assert arrived(sink, "after@elsewhere.example")
    assert not arrived(sink, "whole@elsewhere.example", wait_s=0)
    release(postfix, outcome["queue_id"])
    assert f"Message-ID: <{submission}@mail.sallyport.test>".encode() in arrived(sink, "whole@elsewhere.example")
    assert outcome["queue_id"] not in on_hold(postfix)


@pytest.mark.parametrize("kilobytes", [0, 900], ids=["in memory", "in a file"])
def test_a_message_that_is_split_is_the_same_for_all(
    policy: tuple[Sallyport, Login, ScriptedPolicy], postfix: Postfix, sink: Sink, kilobytes: int
) -> None:
    """The first recipient has it at once, the others when it is released: every octet alike, Message-ID included."""
    names = [f"{name}-{kilobytes}@elsewhere.example" for name in ("now", "later", "last")]
    submission = submitted(policy, SPLIT, *names, body=kilobytes * 16 * (62 * "x" + "\r\n"))
    outcome = outcome_of(policy)
    assert outcome["outcome"] == "relayed"
    at_once = arrived(sink, names[0])
    assert f"Message-ID: <{submission}@mail.sallyport.test>".encode() in at_once
    assert len(at_once) > kilobytes * 1000
    assert on_hold(postfix)[outcome["held_queue_id"]] == names[1:]
    assert outcome["queue_id"] not in on_hold(postfix)
    assert f"{outcome['queue_id']}: to=<{names[0]}>" in postfix.log()
    assert not arrived(sink, names[1], wait_s=0)
    release(postfix, outcome["held_queue_id"])
    assert arrived(sink, names[1]) == at_once


def test_a_fresh_login_reaches_fifty_strangers_at_once(tmp_path: Path, postfix: Postfix, sink: Sink) -> None:
    """Real policy, as it is shipped. The first network of a login is settled, also for a message right behind it."""
    settings = {"GATEWAY_HOLD_RELAY": f"127.0.0.1:{postfix.hold_port}"}
    stack = Sallyport(tmp_path, postfix.port, gateway_settings=settings)
    strangers = [f"p{number}@strangers.example" for number in range(60)]
    try:
        ada = stack.start().new_login("ada", SENDER)
        with stack.client(ada) as client:
            assert client.sendmail(SENDER, strangers, MESSAGE) == {}
    finally:
        stack.stop()
    assert arrived(sink, strangers[49])
    assert strangers[50:] in on_hold(postfix).values()
    assert "reason=new-recipients" in stack.policy.text()
