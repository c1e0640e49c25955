"""The queue agent beside a real Postfix: orders are carried out, and every outcome arrives, whoever dies when."""

import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deliveries_taken import DeliveriesTaken
from harness import Postfix, Sink, free_port, until
from queue_stage import TOKEN, QueueStage, staged

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
]

NOBODY = "4jbChb4g7HzJ9Kw"  # an id that never was
MANY = int(os.environ.get("SALLYPORT_MANY", "3000"))  # 10,000 took a minute, most of it the disk's


@pytest.fixture(scope="module")
def policy() -> Iterator[DeliveriesTaken]:
    one = DeliveriesTaken(TOKEN).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, sink: Sink, policy: DeliveriesTaken) -> Iterator[QueueStage]:
    """In front of the sink: what is not on hold leaves."""
    with staged(tmp_path_factory.mktemp("stage"), next_hop=sink.smtp_port, policy_url=policy.url) as one:
        yield one


@pytest.fixture(scope="module")
def stuck(tmp_path_factory: pytest.TempPathFactory, policy: DeliveriesTaken) -> Iterator[QueueStage]:
    """In front of nobody: what comes in is deferred."""
    with staged(tmp_path_factory.mktemp("stuck"), policy_url=policy.url) as one:
        yield one


def arrived(sink: Sink, recipient: str) -> int:
    return len(sink.messages(f"recipient={recipient}"))


def test_what_is_released_leaves_at_once_and_once(stage: QueueStage, sink: Sink, policy: DeliveriesTaken) -> None:
    """And its outcome arrives with the submission's id."""
    held = stage.submit("released", "released@elsewhere.example", is_held=True)
    assert stage.queue()[held] == "hold"
    assert stage.ask("release", [held, NOBODY]) == [held]
    until(lambda: held not in stage.queue(), "it has left")
    assert arrived(sink, "released@elsewhere.example") == 1
    (told,) = until(lambda: policy.of("released"), "its outcome is reported")
    assert (told["recipient"], told["outcome"], told["status"]) == ("released@elsewhere.example", "delivered", "sent")
    assert (told["queue_id"], told["relay"]) == (held, "127.0.0.1[127.0.0.1]")
    assert stage.ask("release", [held]) == [held]
    assert arrived(sink, "released@elsewhere.example") == 1


def test_what_is_held_while_it_leaves_arrives_once(stage: QueueStage, sink: Sink, policy: DeliveriesTaken) -> None:
    """Postfix ends the delivery that it has begun, and the message is on hold nevertheless: nobody gets it again."""
    slow = "slow-3-held@elsewhere.example"
    leaving = stage.submit("leaving", slow)
    until(lambda: stage.queue().get(leaving) == "active", "it is being delivered", pause_s=0.1)
    assert stage.ask("hold", [leaving]) == [leaving]
    until(lambda: arrived(sink, slow) == 1, "what was begun is ended")
    until(lambda: [one["status"] for one in policy.of("leaving")] == ["sent"], "its outcome is reported")
    assert stage.queue()[leaving] == "hold"
    assert stage.ask("release", [leaving]) == [leaving]
    until(lambda: leaving not in stage.queue(), "it has left")
    assert arrived(sink, slow) == 1


def test_what_is_deleted_is_told_for_each_recipient(stage: QueueStage, sink: Sink, policy: DeliveriesTaken) -> None:
    """Also for those that Postfix's log has never named. What is not on hold is not deleted."""
    held = stage.submit("deleted", "d1@elsewhere.example", "d2@elsewhere.example", is_held=True)
    until(lambda: held_is_known(stage, held), "the agent has read of it")
    assert stage.ask("delete", [held]) == [held]
    assert held not in stage.queue()
    until(lambda: len(policy.of("deleted")) == 2, "both are reported")
    assert {(one["recipient"], one["status"]) for one in policy.of("deleted")} == {
        ("d1@elsewhere.example", "deleted"),
        ("d2@elsewhere.example", "deleted"),
    }
    assert arrived(sink, "d1@elsewhere.example") == 0
    assert stage.ask("delete", [held, NOBODY]) == [held, NOBODY]


def held_is_known(stage: QueueStage, queue_id: str) -> bool:
    status, told = stage.agent.request(f"/v1/queue/{queue_id}")
    return status == 200 and bool(told["queued"]["submission"])


def test_a_message_that_is_queued_anew_goes_by_its_old_id(stage: QueueStage, sink: Sink) -> None:
    """It has another one then, which policy need not know."""
    held = stage.submit("anew", "anew@elsewhere.example", is_held=True)
    assert stage.ask("requeue", [held, NOBODY]) == [held]
    until(lambda: arrived(sink, "anew@elsewhere.example"), "it has arrived")
    until(lambda: not stage.queue(), "nothing is queued")
    assert until(lambda: stage.ask("requeue", [held]), "the log has told") == [held]
    assert stage.ask("release", [held]) == [held]
    assert arrived(sink, "anew@elsewhere.example") == 1


def test_one_message_is_shown(stage: QueueStage) -> None:
    """Header section and first lines; what is gone, or never was, is 404."""
    held = stage.submit("shown", "shown@elsewhere.example", is_held=True)
    status, told = stage.agent.request(f"/v1/queue/{held}")
    assert status == 200
    assert told["head"].endswith("From: ada@sallyport.test\nSubject: staged\n")
    assert told["start"] == "hello\n"
    assert told["queued"]["recipients"] == ["shown@elsewhere.example"]
    stage.ask("delete", [held])
    assert stage.agent.request(f"/v1/queue/{held}")[0] == 404
    assert stage.agent.request(f"/v1/queue/{NOBODY}")[0] == 404


def test_nobody_elses_mail_is_hurried(stuck: QueueStage, policy: DeliveriesTaken) -> None:
    """What is held and released is tried again at once; what is deferred beside it waits for its own time."""
    ours, others = stuck.submit("ours"), stuck.submit("others")
    stuck.moved([ours, others], "deferred")
    spool = Path(stuck.postfix.queue or "")
    due = {path.name: path.stat().st_mtime for path in (spool / "deferred").rglob("*") if path.is_file()}
    assert stuck.ask("hold", [ours]) == [ours]
    assert stuck.ask("hold", [ours]) == [ours]
    assert stuck.queue() == {ours: "hold", others: "deferred"}
    assert stuck.ask("release", [ours]) == [ours]
    until(lambda: stuck.postfix.log().count(f"{ours}: to=<") == 2, "it is tried again")
    stuck.moved([ours], "deferred")
    assert stuck.postfix.log().count(f"{others}: to=<") == 1
    assert next((spool / "deferred").rglob(others)).stat().st_mtime == due[others]
    until(lambda: policy.of("ours"), "the deferral is told")
    assert [one["status"] for one in policy.of("ours")] == ["deferred"]
    stuck.ask("hold", [ours, others])
    stuck.ask("delete", [ours, others])


def test_thousands(stuck: QueueStage) -> None:
    """All of them in one question, each way, within the patience of who asks."""
    stuck.fill(MANY // 10)
    stuck.fill(MANY - MANY // 10, is_held=True)  # which is quicker: they are not tried first
    ids = list(stuck.queue())
    assert len(ids) == MANY
    began = time.monotonic()
    assert stuck.ask("hold", ids) == ids
    assert set(stuck.queue().values()) == {"hold"}
    status, told = stuck.agent.request("/v1/queue?queue=hold")
    assert (status, len(told["messages"])) == (200, MANY)
    assert stuck.agent.request("/v1/statistics")[1]["messages"]["hold"] == MANY
    few = ids[: MANY // 100]
    assert stuck.ask("release", few) == few
    assert time.monotonic() - began < 30
    rest = ids[len(few) :]  # how long they take is the disk's affair
    assert stuck.ask("delete", rest) == rest
    assert set(stuck.queue()) == set(few)
    assert stuck.ask("delete", stuck.ask("hold", few)) == few


@pytest.mark.parametrize("what", ["hold", "release", "requeue", "delete"])
def test_killed_in_the_middle_of_a_change(stuck: QueueStage, what: str) -> None:
    """At any moment of it. Asked again, the end is the same: nothing lost, nothing twice."""
    for step in range(4):
        ids = [stuck.submit(f"{what}-{step}-{number}", is_held=what != "hold") for number in range(5)]
        if what == "hold":
            stuck.moved(ids, "deferred")
        asking = threading.Thread(target=lost, args=(stuck, what, ids), daemon=True)
        asking.start()
        asking.join(0.015 * step)
        stuck.agent.process.send(signal.SIGKILL)
        stuck.agent.process.ended()
        asking.join()
        stuck.agent.start()
        until(all_changed(stuck, what, ids), f"{what} is answered for all")
        if what == "requeue":
            until(lambda: "maildrop" not in stuck.queue().values(), "pickup has taken them")
        remaining = stuck.queue()
        if what in ("hold", "release"):
            assert sorted(remaining) == sorted(ids)
            assert {queue == "hold" for queue in remaining.values()} == {what == "hold"}
        else:
            assert not set(remaining) & set(ids)
            assert len(remaining) == (len(ids) if what == "requeue" else 0)
        until(lambda: emptied(stuck), "all is cleared away")


def emptied(stage: QueueStage) -> bool:
    queued = list(stage.queue())
    stage.ask("delete", stage.ask("hold", queued))
    return not stage.queue()


def lost(stage: QueueStage, what: str, queue_ids: list[str]) -> None:
    """A question whose answer may never come."""
    try:
        stage.ask(what, queue_ids)
    except (OSError, http.client.HTTPException):  # not at all, or the beginning of it
        return


def all_changed(stage: QueueStage, what: str, queue_ids: list[str]) -> Callable[[], bool]:
    """What a killed question did is known to the log a moment later."""
    return lambda: stage.ask(what, queue_ids) == queue_ids


def test_every_outcome_arrives_whoever_dies_when(tmp_path: Path, sink: Sink) -> None:
    """Mail flows; the agent is killed again and again, its log is moved away under it, and policy comes and goes."""
    policy = DeliveriesTaken(TOKEN).start()
    settings = {"QUEUE_AGENT_LOG_BYTES": "20000", "QUEUE_AGENT_LOGS_KEPT": "2"}
    wanted = set[tuple[str, str]]()
    with staged(tmp_path, next_hop=sink.smtp_port, policy_url=policy.url, settings=settings) as stage:
        for step in range(8):
            for number in range(12):
                recipients = [f"s{step}n{number}r{one}@elsewhere.example" for one in range(3)]
                submission = f"s{step}n{number}"
                stage.submit(submission, *recipients)
                wanted |= {(submission, recipient) for recipient in recipients}
            if step % 4 == 1:
                policy.stop()
            elif step % 4 == 3:
                policy.start()
            stage.agent.process.send(signal.SIGKILL)
            stage.agent.process.ended()
            stage.agent.start()
        until(lambda: policy.said("sent") == wanted, "every recipient is reported", 60)
        until(lambda: stage.agent.request("/v1/statistics")[1]["unreported"] == 0, "nothing waits")
        times = Counter((one["submission"], one["recipient"]) for one in policy.taken)
        assert set(times) == wanted
        logs = [path.name for path in stage.postfix.folder.glob("postfix.log*")]
        assert "log-rotated" in stage.agent.process.text()
        assert len(logs) <= 1 + 2 + 1
    policy.stop()


def test_without_a_postfix_it_is_not_ready(tmp_path: Path) -> None:
    """The queue can be read from its files, but nobody answers for it: 503 without a word of why."""
    with staged(tmp_path, next_hop=free_port()) as stage:
        stage.postfix.stop()
        status, told = stage.agent.request("/v1/queue")
        assert (status, told) == (503, {"error": "postfix"})
        assert stage.agent.request("/v1/statistics")[0] == 200
