"""`sallyport trace`: what policy knows of a message and what Postfix says, in one column of moments."""

import json
from pathlib import Path

import pytest
from command_line import InProcess, is_one_sentence, prepared
from incident_scene import T, bad_day, held_id, queue_id
from sqlalchemy import insert

from policy.containment import queues
from policy.containment.queue_client import QueueClient, QueueUnavailable
from policy.queue_contract import Step, TrailAsked, TrailFound, TrailRow
from policy.store.database import open_database
from policy.store.incident_models import Complaints

URL = {"POLICY_QUEUE_URL": "http://queue-agent:7589"}
FIRST, HELD = f"{1:016x}", f"{6:016x}"


class Agent(QueueClient):
    """Knows what it was asked, and says these rows."""

    asked: TrailAsked
    found = TrailFound()
    away = ""

    async def trail(self, asked: TrailAsked) -> TrailFound:
        Agent.asked = asked
        if Agent.away:
            raise QueueUnavailable(Agent.away)
        return Agent.found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> InProcess:
    """A bad day: ada at home, and a thief."""
    folder: Path = tmp_path_factory.mktemp("trace")
    made = prepared(InProcess, folder)
    assert isinstance(made, InProcess)
    made.json("identity", "add", "ada", "--address", "ada@example.org")
    login = made.json("credential", "add", "ada", "--label", "laptop")["login"]
    engine = open_database(folder / "state" / "sallyport.db")
    bad_day(engine, login)
    complaint = {"at": T + 7000, "submission": FIRST, "identity": "ada", "recipient": "b@example.net"}
    with engine.begin() as connection:
        connection.execute(insert(Complaints).values(**complaint, reporter="example.net", kind="abuse"))
    engine.dispose()
    return made


@pytest.fixture
def sallyport(scene: InProcess, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """The agent has nothing to say, until a test says otherwise."""
    monkeypatch.setattr(queues, "QueueClient", Agent)
    Agent.found, Agent.away = TrailFound(log_from=T - 9000), ""
    return scene


def row(step: Step, at: float, name: str = FIRST, **more: object) -> TrailRow:
    return TrailRow.model_validate({"at": at, "last_at": at, "queue_id": queue_id(name), "step": step} | more)


def test_the_whole_way(sallyport: InProcess) -> None:
    """Who, from where, why, and what became of each recipient; complaints at the end."""
    said = {"recipient": "b@example.net", "status": "deferred", "dsn": "4.2.0", "relay": "mx[192.0.2.7]:25"}
    Agent.found = TrailFound(
        rows=(
            row(Step.RECEIVED, T + 1),
            row(Step.TRIED, T + 2, **said, text="450 \x1b[2Jlater", times=3, last_at=T + 600),
            row(Step.TRIED, T + 900, **said | {"status": "sent", "dsn": "2.0.0"}, text="250 ok"),
            row(Step.LEFT, T + 901),
        ),
        log_from=T - 9000,
    )
    done = sallyport("trace", FIRST, **URL)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "device laptop" in done.stdout
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    table = lines[next(number for number, line in enumerate(lines) if line.startswith("at where")) + 1 :]
    again = " (3 times, the last 2025-06-15T16:10:00Z)"
    assert [line.split(" ", 1)[1] for line in table if line] == [
        "policy accept",
        f"postfix {queue_id(FIRST)} taken from the gateway",
        f"postfix {queue_id(FIRST)} <b@example.net> deferred 4.2.0 by mx[192.0.2.7]:25: 450 \\u001b[2Jlater{again}",
        f"postfix {queue_id(FIRST)} <b@example.net> sent 2.0.0 by mx[192.0.2.7]:25: 250 ok",
        f"postfix {queue_id(FIRST)} left the queue",
        "world complaint (abuse) by example.net of <b@example.net>",
    ]
    told = sallyport.json("trace", FIRST, **URL)
    assert (told["submission"]["identity"], told["complaints"][0]["kind"]) == ("ada", "abuse")
    assert told["postfix"]["rows"][1]["last_at"] == "2025-06-15T16:10:00Z"


def test_what_the_agent_is_asked(sallyport: InProcess) -> None:
    """For the submission and its queue ids, no earlier than it was handed in."""
    sallyport("trace", FIRST, **URL)
    assert Agent.asked.submission == FIRST
    assert queue_id(FIRST) in Agent.asked.queue_ids
    assert T - 3600 < Agent.asked.since < T + 60


@pytest.mark.parametrize("wanted", [FIRST, queue_id(FIRST), held_id(FIRST)])
def test_any_of_its_names(sallyport: InProcess, wanted: str) -> None:
    assert sallyport.json("trace", wanted, **URL)["submission"]["id"] == FIRST


def test_held_mail_and_its_incident(sallyport: InProcess) -> None:
    """Since when, in which incident, and what that made necessary."""
    told = sallyport.json("trace", HELD, **URL)
    (part,) = told["held"]
    assert (part["queue_id"], part["state"], part["incident"]) == (held_id(HELD), "held", 1)
    assert "incident 1 was opened by" in told["happenings"][0]["text"]
    shown = sallyport("trace", HELD, **URL).stdout
    assert "held for" in shown
    assert "HELD" in shown


def test_the_agent_is_away(sallyport: InProcess) -> None:
    """The first half is shown all the same."""
    Agent.away = "the queue agent does not answer (TimeoutError)"
    done = sallyport("trace", FIRST, **URL)
    assert done.returncode == 0
    assert "What became of it at Postfix is not known: the queue agent does not answer (TimeoutError)" in done.stdout
    problem = sallyport.json("trace", FIRST, **URL)["postfix"]["problem"]
    assert problem == f"{Agent.away}; is it running, and is POLICY_QUEUE_URL right?"
    assert "POLICY_QUEUE_URL is empty" in sallyport("trace", FIRST).stdout


def test_a_log_that_begins_later_or_is_too_long(sallyport: InProcess) -> None:
    """It says what cannot be known."""
    Agent.found = TrailFound(log_from=T + 9000, is_whole=False)
    shown = sallyport("trace", FIRST, **URL).stdout
    assert "Postfix's log begins at 2025-06-15T18:30:00Z; what was before is not in it." in shown
    assert "was not read to its end" in shown
    Agent.found = TrailFound()
    assert "Postfix's log begins at no time: there is none" in sallyport("trace", FIRST, **URL).stdout


def test_only_postfix_knows_it(sallyport: InProcess) -> None:
    """The record is forgotten, or it came from elsewhere; the log may know whose it was."""
    Agent.found = TrailFound(rows=(row(Step.LEFT, T, "x"),), submission="f" * 28, log_from=T)
    shown = sallyport("trace", "4jbCvX3bs2zJB60", **URL).stdout
    assert f"{'f' * 28}: policy has no record of it" in shown
    assert Agent.asked.submission == "f" * 28
    Agent.found = TrailFound(rows=(row(Step.LEFT, T, "x"),), submission=FIRST, log_from=T)
    assert sallyport.json("trace", "4jbCvX3bs2zJB60", **URL)["submission"]["id"] == FIRST


NO_ID = (
    "is neither the id of a submission nor one of Postfix's queue; our Received field of a message has the one,"
    " Postfix's log both"
)
NOBODY = [
    ("nobody knows it", "4jbCvX3bs2zJB60", "", "the store does not know '4jbCvX3bs2zJB60'"),
    ("and the agent is away", "4jbCvX3bs2zJB60", "away", "(submissions are kept for 30 days), away"),
    ("it is no id", "../../etc", "", f"'../../etc' {NO_ID}"),
    ("it is too short", "x", "", f"'x' {NO_ID}"),
]


@pytest.mark.parametrize(("wanted", "away", "says"), [case[1:] for case in NOBODY], ids=[case[0] for case in NOBODY])
def test_there_is_nothing(sallyport: InProcess, wanted: str, away: str, says: str) -> None:
    Agent.away = away
    done = sallyport("trace", wanted, **URL)
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)
    assert says in done.stderr


def test_who_traces_is_in_the_audit_log(sallyport: InProcess) -> None:
    """Whatever was asked for; not where nothing was found, and so nothing seen."""

    def traced() -> list[tuple[str, str]]:
        acts = map(json.loads, sallyport("audit", "list", "--json").stdout.splitlines())
        return [(act["subject"], act["after"]["submission"]) for act in acts if act["action"] == "message-traced"]

    before = len(traced())
    sallyport("trace", FIRST, **URL)
    sallyport.json("trace", held_id(HELD), **URL)
    sallyport("trace", "nothing0such", **URL)
    assert traced()[: len(traced()) - before] == [("ada", HELD), ("ada", FIRST)]
