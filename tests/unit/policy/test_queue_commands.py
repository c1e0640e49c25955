"""`sallyport queue`: what is queued at Postfix, and whose it is."""

import json
from pathlib import Path

import pytest
from command_line import InProcess, is_one_sentence, prepared
from incident_scene import T, bad_day

from policy.containment import queues
from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.queue_contract import Queue, Queued, QueueName, Statistics
from policy.store.database import open_database

URL = "http://queue-agent:7589"


def queued(queue_id: str, queue: QueueName, at: float, submission: str = "", reason: str = "") -> Queued:
    return Queued(
        queue_id=queue_id,
        queue=queue,
        at=at,
        message_bytes=2000,
        reverse_path="ada@example.org",
        recipients=("a@example.net", "b@example.net"),
        submission=submission,
        reason=reason,
    )


MESSAGES = (
    queued("4Qdeferred", QueueName.DEFERRED, T + 2, f"{2:016x}", "450 4.2.0 \x1b[31mGreylisted"),
    queued("4Qhold", QueueName.HOLD, T + 3, f"{6:016x}"),
    queued("4Qbounce", QueueName.ACTIVE, T + 1),
)


class Agent(QueueClient):
    """Has three messages: two of ada's, and a bounce."""

    async def queue(self, *, only_held: bool = False) -> Queue:
        return Queue(messages=tuple(one for one in MESSAGES if not only_held or one.queue is QueueName.HOLD))

    async def statistics(self) -> Statistics:
        return Statistics(
            messages={QueueName.HOLD: 1, QueueName.DEFERRED: 12345}, octets=678, oldest_at=T, log_at=None, unreported=3
        )


class Away(QueueClient):
    """Does not answer."""

    async def queue(self, *, only_held: bool = False) -> Queue:  # noqa: ARG002 - the shape of the question
        raise QueueUnavailable("the queue agent does not answer (ClientConnectorError)")


@pytest.fixture(scope="module")
def sallyport(tmp_path_factory: pytest.TempPathFactory) -> InProcess:
    folder: Path = tmp_path_factory.mktemp("queue")
    made = prepared(InProcess, folder)
    assert isinstance(made, InProcess)
    made.json("identity", "add", "ada", "--address", "ada@example.org")
    engine = open_database(folder / "state" / "sallyport.db")
    bad_day(engine, "fosem-4k7q-talir")
    engine.dispose()
    return made


@pytest.fixture(autouse=True)
def agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "QueueClient", Agent)


LISTED = [
    # what is asked for, options, what is listed: the oldest first
    ("everything", (), ["4Qbounce", "4Qdeferred", "4Qhold"]),
    ("of an identity", ("--identity", "ada"), ["4Qdeferred", "4Qhold"]),
    ("by a login", ("--login", "fosem-4k7q-talir"), ["4Qdeferred", "4Qhold"]),
    ("by another login", ("--login", "other-4k7q-talir"), []),
    ("one submission", ("--submission", f"{6:016x}"), ["4Qhold"]),
    ("what is deferred", ("--state", "deferred"), ["4Qdeferred"]),
    ("what is held", ("--state", "hold"), ["4Qhold"]),
    ("two at once", ("--identity", "ada", "--state", "active"), []),
]


@pytest.mark.parametrize(("options", "expected"), [case[1:] for case in LISTED], ids=[case[0] for case in LISTED])
def test_queue_list(sallyport: InProcess, options: tuple[str, ...], expected: list[str]) -> None:
    listed = sallyport.json("queue", "list", *options, POLICY_QUEUE_URL=URL)
    assert [one["queue_id"] for one in listed] == expected


def test_queue_list_for_people(sallyport: InProcess) -> None:
    """No recipient's address, and nothing that another server said does anything to the terminal."""
    done = sallyport("queue", "list", POLICY_QUEUE_URL=URL)
    assert done.returncode == 0, done.stderr
    _, bounce, deferred, _ = done.stdout.splitlines()
    assert bounce.split()[:3] == ["4Qbounce", "active", "2025-06-15T16:00:01Z"]
    assert deferred.split()[3:8] == ["ada", "fosem-4k7q-talir", f"{2:016x}", "2", "2,000"]
    assert "450 4.2.0 \\u001b[31mGreylisted" in deferred
    assert "example.net" not in done.stdout
    first = sallyport.json("queue", "list", POLICY_QUEUE_URL=URL)[0]
    assert (first["recipient_addresses"], first["identity"]) == (["a@example.net", "b@example.net"], "")


def test_queue_statistics(sallyport: InProcess) -> None:
    found = sallyport.json("queue", "statistics", POLICY_QUEUE_URL=URL)
    assert found["messages"] == {"hold": 1, "deferred": 12345, "active": 0, "incoming": 0, "maildrop": 0}
    assert (found["oldest_at"], found["log_at"], found["unreported"]) == ("2025-06-15T16:00:00Z", None, 3)
    shown = sallyport("queue", "statistics", POLICY_QUEUE_URL=URL).stdout
    assert "deferred     12,345\n" in shown
    assert "log read to  nothing yet\n" in shown


@pytest.mark.parametrize(
    ("queue", "shown"),
    [(QueueName.DEFERRED, "not known (short queue ids)"), (QueueName.HOLD, "nothing waits")],
)
def test_a_queue_whose_ids_do_not_say_when(
    sallyport: InProcess, monkeypatch: pytest.MonkeyPatch, queue: QueueName, shown: str
) -> None:
    """What another Postfix, or a version from before, has queued may have short ids."""

    async def statistics(_: Agent) -> Statistics:
        return Statistics(messages={queue: 3}, octets=9, oldest_at=None, log_at=None, unreported=0)

    monkeypatch.setattr(Agent, "statistics", statistics)
    assert f"oldest       {shown}\n" in sallyport("queue", "statistics", POLICY_QUEUE_URL=URL).stdout


def test_what_cannot_be_shown(sallyport: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence says what to do."""
    monkeypatch.setattr(queues, "QueueClient", Away)
    for options, url, says in (
        ((), URL, "the queue agent does not answer (ClientConnectorError); is it running"),
        ((), "", "POLICY_QUEUE_URL is empty"),
        (("--identity", "adda"), URL, "there is no identity 'adda'"),
    ):
        done = sallyport("queue", "list", *options, POLICY_QUEUE_URL=url)
        assert (done.returncode, done.stdout) == (1, "")
        assert is_one_sentence(done.stderr)
        assert says in done.stderr


def test_who_looks_at_one_persons_queue_is_in_the_audit_log(sallyport: InProcess) -> None:
    """Who looks how long the queue is has looked at nobody's mail."""

    def looks() -> list[str]:
        acts = map(json.loads, sallyport("audit", "list", "--json").stdout.splitlines())
        return [act["subject"] for act in acts if act["action"] == "queue-read"]

    before = len(looks())
    sallyport.json("queue", "list", POLICY_QUEUE_URL=URL)
    assert len(looks()) == before
    sallyport.json("queue", "list", "--identity", "ada", POLICY_QUEUE_URL=URL)
    assert looks()[: len(looks()) - before] == ["ada"]
