"""kill -9 of policy, of the queue agent and of Postfix at each step of contain, release and purge. Real ones of all.

What is to be done is in the database before anybody does it, and whoever does it can do it twice: so it does not matter
who dies, nor when. One stage for all; each case has an identity and a hundred messages of its own.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from harness import PLENTY, Login, Postfix, Sallyport, Sink, policy_file, until
from queue_stage import TOKEN, QueueStage, staged

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
]

MESSAGES = 100
NUMBERS = count(1)


@dataclass
class Stage:
    """Policy and gateway, Postfix and its agent, and a world that is down until it is started."""

    sallyport: Sallyport
    queue: QueueStage
    world: Sink
    decided: list[int] = field(default_factory=list)  # the incidents that were released or purged

    def kill(self, who: str) -> None:
        if who == "postfix":
            self.queue.postfix.kill()
            return
        process = self.sallyport.policy if who == "policy" else self.queue.agent.process
        assert process.running
        os.killpg(process.running.pid, signal.SIGKILL)
        process.ended()

    def revive(self, who: str) -> None:
        if who == "policy":
            self.sallyport.start_policy()
        elif who == "agent":
            self.queue.agent.start()
        else:
            self.queue.postfix.start()

    def is_settled(self, number: int) -> bool:
        """Whether the command line says that nothing is left to be done."""
        (one,) = (one for one in json.loads(self.sallyport.cli("incidents", "--json")) if one["number"] == number)
        return bool(one["is_settled"])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("bad-day")
    world = Sink(folder / "world")
    token = folder / "queue.token"
    token.write_text(TOKEN)
    postfix_folder = folder / "queue"
    with staged(postfix_folder, next_hop=world.smtp_port) as queue:
        one = Sallyport(
            folder / "sallyport",
            queue.postfix.port,
            policy_file(folder, person=PLENTY)
            | {"POLICY_QUEUE_URL": queue.agent.url, "POLICY_QUEUE_TOKEN_FILE": str(token)},
            {"GATEWAY_HOLD_RELAY": f"127.0.0.1:{queue.postfix.hold_port}"},
        )
        queue.agent.process.environment["QUEUE_AGENT_POLICY_URL"] = f"http://127.0.0.1:{one.policy_port}"
        queue.agent.stop()
        queue.agent.start()
        try:
            one.start()
            yield Stage(one, queue, world)
        finally:
            one.stop()
            world.stop()


def hand_in(stage: Stage, login: Login, name: str) -> list[str]:
    """A hundred messages to one recipient each; nobody takes them yet. The queue ids."""
    before = set(stage.queue.queue())
    with stage.sallyport.client(login) as client:
        for number in range(MESSAGES):
            client.sendmail(
                f"{name}@sallyport.test",
                f"r{number}@elsewhere.example",
                f"From: {name}@sallyport.test\r\nSubject: {name}-{number}\r\n\r\nbuy\r\n",
            )
    until(lambda: len(stage.queue.queue().keys() - before) == MESSAGES, "all are queued")
    return sorted(stage.queue.queue().keys() - before)


def all_on_hold(stage: Stage, queue_ids: list[str]) -> bool:
    queue = stage.queue.queue()
    return all(queue.get(one) == "hold" for one in queue_ids)


def received(stage: Stage, name: str) -> Counter[str]:
    subjects = (one["subject"] for one in stage.world.messages())
    return Counter(subject for subject in subjects if subject.startswith(f"{name}-"))


@pytest.mark.parametrize("who", ["policy", "agent", "postfix"])
@pytest.mark.parametrize("is_dead_before", [True, False], ids=["dead-before", "dies-in-between"])
@pytest.mark.parametrize("what", ["contain", "release", "purge"])
def test_whoever_dies_the_end_is_right(stage: Stage, what: str, is_dead_before: bool, who: str) -> None:
    name = f"u{next(NUMBERS)}"
    login = stage.sallyport.new_login(name, f"{name}@sallyport.test")
    queue_ids = hand_in(stage, login, name)
    if what != "contain":
        contained(stage, name, queue_ids)
    if what == "release":
        stage.world.start()
    try:
        if is_dead_before:
            stage.kill(who)
        number = order(stage, what, name)
        if not is_dead_before:
            until(lambda: begun(stage, what, queue_ids), "somebody has begun")
            stage.kill(who)
        stage.revive(who)
        ENDS[what](stage, name, queue_ids)
        if what != "contain":
            stage.decided.append(number)
    finally:
        stage.world.stop()


def test_of_what_was_decided_nothing_is_left_to_be_done(stage: Stage) -> None:
    """Policy looks again for a quarter of a minute, which the cases above need not wait for one after the other."""
    for number in stage.decided:
        until(lambda number=number: stage.is_settled(number), f"nothing is left to be done of {number}", 60)


def begun(stage: Stage, what: str, queue_ids: list[str]) -> bool:
    """Whether the first message has been moved."""
    queue = stage.queue.queue()
    is_held = [queue.get(one) == "hold" for one in queue_ids]
    return any(is_held) if what == "contain" else not all(is_held)


def all_held(stage: Stage, _name: str, queue_ids: list[str]) -> None:
    until(lambda: all_on_hold(stage, queue_ids), "all are on hold", 60)


def all_delivered_once(stage: Stage, name: str, queue_ids: list[str]) -> None:
    every = Counter(f"{name}-{one}" for one in range(MESSAGES))
    until(lambda: received(stage, name).keys() == every.keys(), "all have arrived", 60)
    until(lambda: not stage.queue.queue().keys() & set(queue_ids), "the queue has none of them")
    assert received(stage, name) == every, "one came twice"


def all_deleted(stage: Stage, _name: str, queue_ids: list[str]) -> None:
    until(lambda: not stage.queue.queue().keys() & set(queue_ids), "the queue has none of them", 60)


ENDS = {"contain": all_held, "release": all_delivered_once, "purge": all_deleted}


def contained(stage: Stage, name: str, queue_ids: list[str]) -> None:
    order(stage, "contain", name)
    until(lambda: all_on_hold(stage, queue_ids), "contained", 60)


def order(stage: Stage, what: str, name: str) -> int:
    """The command, not waiting for what follows from it; the incident's number."""
    if what == "contain":
        stage.sallyport.cli("contain", name, "--no-wait")
    incidents = json.loads(stage.sallyport.cli("incidents", "--json"))
    (number,) = (one["number"] for one in incidents if one["identity"] == name)
    if what != "contain":
        stage.sallyport.cli(what, str(number), "--no-wait", *(["--yes"] if what == "purge" else []))
    assert isinstance(number, int)
    return number
