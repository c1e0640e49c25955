"""One message's whole way, and how all parts are, on real ones: gateway, policy, Postfix and its agent, and a world.

The submission id of the gateway is in Postfix's log (XFORWARD IDENT, `orig_queue_id`), and that is how it is found.
"""

import json
import re
import signal
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from harness import Login, Postfix, Sallyport, policy_file, until
from queue_stage import TOKEN, QueueStage, staged
from scripted import ScriptedNextHop

from tests import forked

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
]

SENDER, FRIEND = "ada@sallyport.test", "friend@elsewhere.example"
PROFILE = {"new-recipients": ["3/hour"], "probation-new-recipients": ["3/hour"]}


@dataclass
class Stage:
    """All of it but Dovecot and the scanner. `world` is where Postfix delivers."""

    sallyport: Sallyport
    queue: QueueStage
    world: ScriptedNextHop
    login: Login

    def hand_in(self, *recipients: str) -> str:
        """One message; its submission id, from the next hop's log of policy."""
        before = set(self.submissions())
        with self.sallyport.client(self.login) as client:
            client.sendmail(SENDER, recipients, f"From: {SENDER}\r\nSubject: traced\r\n\r\nhello\r\n")
        until(lambda: set(self.submissions()) - before, "policy has written it down")
        (submission,) = set(self.submissions()) - before
        return submission

    def submissions(self) -> list[str]:
        return [one["id"] for one in json.loads(self.sallyport.cli("submission", "list", "--json"))]

    def trace(self, wanted: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.sallyport.cli("trace", wanted, "--json"))
        return told

    def steps(self, wanted: str) -> list[tuple[str, str]]:
        """Queue id and step of each row."""
        return [(row["queue_id"], row["step"]) for row in self.trace(wanted)["postfix"]["rows"]]

    def parts(self) -> dict[str, dict[str, Any]]:
        done = forked.run(("status", "--json"), dict(self.sallyport.policy_environment))
        return {one["part"]: one for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("trace")
    world = ScriptedNextHop().start()
    token = folder / "queue.token"
    token.write_text(TOKEN)
    with staged(folder / "queue", next_hop=world.port) as queue:
        one = Sallyport(
            folder / "sallyport",
            queue.postfix.port,
            policy_file(folder, person=PROFILE)
            | {"POLICY_QUEUE_URL": queue.agent.url, "POLICY_QUEUE_TOKEN_FILE": str(token)},
            {"GATEWAY_HOLD_RELAY": f"127.0.0.1:{queue.postfix.hold_port}", "GATEWAY_WORKERS": "1"},
        )
        queue.agent.process.environment["QUEUE_AGENT_POLICY_URL"] = f"http://127.0.0.1:{one.policy_port}"
        queue.agent.stop()
        queue.agent.start()
        try:
            one.start()
            yield Stage(one, queue, world, one.new_login("ada", SENDER))
        finally:
            one.stop()
            world.stop()


def test_a_message_that_is_delivered(stage: Stage) -> None:
    """From whom, why, and to whom it came; found by its own id and by that of the queue."""
    submission = stage.hand_in(FRIEND)
    until(lambda: "left" in [step for _, step in stage.steps(submission)], "it has left Postfix")
    told = stage.trace(submission)
    queue_id = told["submission"]["queue_id"]
    assert (told["submission"]["identity"], told["label"]) == ("ada", "test")
    assert [step for _, step in stage.steps(submission)] == ["received", "queued", "tried", "left"]
    (tried,) = [row for row in told["postfix"]["rows"] if row["step"] == "tried"]
    assert (tried["recipient"], tried["status"], tried["dsn"]) == (FRIEND, "sent", "2.0.0")
    assert f"orig_queue_id={submission}" in stage.queue.postfix.log()
    assert stage.trace(queue_id) == told
    shown = stage.sallyport.cli("trace", submission)
    for words in ("ACCEPTED", "device test", f"<{FRIEND}> sent 2.0.0 by 127.0.0.1", "left the queue"):
        assert words in shown


def test_a_message_that_comes_back(stage: Stage) -> None:
    """What the other server said; and that a report went back to the sender."""
    stage.world.behave({"RCPT": "550 5.1.1 nobody has this address"})
    try:
        submission = stage.hand_in("nobody@elsewhere.example")
        until(lambda: "left" in [step for _, step in stage.steps(submission)], "it has left Postfix")
    finally:
        stage.world.behave()
    rows = stage.trace(submission)["postfix"]["rows"]
    (tried,) = [row for row in rows if row["step"] == "tried"]
    assert (tried["status"], tried["dsn"]) == ("bounced", "5.1.1")
    assert "nobody has this address" in tried["text"]
    assert "reported" in [row["step"] for row in rows]


def test_a_message_that_was_split(stage: Stage) -> None:
    """Both queue ids, the one that is on hold and what was done with it; after `queued anew` the third one, too."""
    submission = stage.hand_in(*(f"new{number}@elsewhere.example" for number in range(4)))
    names = ("queue_id", "held_queue_id")  # the gateway reports them after it has answered the client
    until(lambda: all(stage.trace(submission)["submission"][name] for name in names), "policy knows both queue ids")
    ids = [stage.trace(submission)["submission"][name] for name in names]
    until(lambda: (ids[0], "left") in stage.steps(submission), "the one half has left Postfix")
    assert {(ids[1], "held"), (ids[1], "received")} <= set(stage.steps(submission))
    assert [part["queue_id"] for part in stage.trace(submission)["held"]] == [ids[1]]
    assert stage.queue.ask("requeue", [ids[1]]) == [ids[1]]
    until(lambda: "renewed" in [step for _, step in stage.steps(submission)], "it is queued anew")
    (renewed,) = [one for one, step in stage.steps(submission) if step == "renewed"]
    until(lambda: (renewed, "left") in stage.steps(submission), "that one has left Postfix")
    assert stage.trace(renewed)["submission"]["id"] == submission
    assert f"queued anew; before as {ids[1]}" in stage.sallyport.cli("trace", renewed)


def test_a_message_whose_record_is_gone(stage: Stage) -> None:
    """What Postfix says of it is shown."""
    submission = stage.hand_in(FRIEND)
    until(lambda: "left" in [step for _, step in stage.steps(submission)], "it has left Postfix")
    with stage.sallyport.store() as store:
        store.exec_driver_sql("DELETE FROM submission WHERE id = '" + submission + "'")  # noqa: S608 - ours
    told = stage.trace(submission)
    assert told["submission"] is None
    assert [row["step"] for row in told["postfix"]["rows"]] == ["received", "queued", "tried", "left"]
    assert "policy has no record of it" in stage.sallyport.cli("trace", submission)


def test_every_part_is_heard_of(stage: Stage) -> None:
    """By itself or by policy, with its figures; Postfix's lock says whether it runs."""
    until(lambda: {"gateway", "policy", "postfix", "queue-agent"} <= stage.parts().keys(), "all have reported")
    until(lambda: all(one["state"] != "silent" for one in stage.parts().values()), "and are heard of")
    parts = stage.parts()
    assert {name: one["state"] for name, one in parts.items()} == dict.fromkeys(parts, "up")
    assert parts["gateway"]["figures"]["sessions_most"] > 0
    assert parts["postfix"]["figures"]["hold"] >= 0
    picture = stage.sallyport.cli("top", "--once")
    assert re.search(r"postfix +\d+ act, \d+ def, \d+ hold", picture)
    assert re.search(r"messages accepted +[1-9]", picture)
    assert "newest" in picture


def test_a_gateway_without_its_next_hop_says_so(stage: Stage) -> None:
    """To whoever asks, and to policy; Postfix itself is known not to run; and all of it is over when it does."""
    stage.queue.postfix.stop()
    try:
        with stage.sallyport.client(stage.login) as client, pytest.raises(smtplib.SMTPException):
            client.sendmail(SENDER, FRIEND, f"From: {SENDER}\r\nSubject: traced\r\n\r\nhello\r\n")
        until(lambda: not stage.sallyport.status("health/ready"), "the gateway is not ready")
        until(lambda: stage.parts()["postfix"]["state"] == "degraded", "Postfix does not run")
        until(lambda: stage.parts()["gateway"]["state"] == "degraded", "policy knows of it")
        done = forked.run(("status",), dict(stage.sallyport.policy_environment))
        assert done.returncode == 1
        assert "the next hop does not answer: no message can be handed over" in done.stdout
    finally:
        stage.queue.postfix.start()
    until(lambda: stage.sallyport.status("health/ready"), "the gateway is ready again")


def test_what_ends_in_order_is_not_missed(stage: Stage) -> None:
    """Its row goes with it: of the gateway by policy's hand, of policy by its own."""

    def parts() -> set[str]:
        with stage.sallyport.store() as store:
            return set(store.exec_driver_sql("SELECT service FROM health_report").scalars())

    assert {"gateway", "policy"} <= parts()
    stage.sallyport.gateway.send(signal.SIGTERM)
    assert stage.sallyport.gateway.ended() == 0
    until(lambda: "gateway" not in parts(), "policy has written down that it left")
    assert stage.parts()["gateway"]["sentences"] == ["none of its kind was heard of for an hour"]
    stage.sallyport.policy.send(signal.SIGTERM)
    stage.sallyport.policy.ended()
    assert "policy" not in parts()
