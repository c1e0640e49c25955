"""`sallyport contain`, `release`, `purge`, `incidents`, `incident` and `held`, as people and scripts call them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine, InProcess, is_one_sentence, prepared
from incident_scene import T, bad_day, held_id
from sqlalchemy import Engine, delete, update

from policy.cli import waiting
from policy.cli.waiting import Left, tell_what_is_left, wait_until_done
from policy.containment import queues
from policy.containment.queue_client import QueueClient
from policy.queue_contract import Queued, QueuedMessage, QueueName
from policy.store.database import open_database
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages, Measures

HOLDS = [held_id(f"{6:016x}"), held_id(f"{7:016x}")]  # and one that was on its way


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store after a bad day, and the login of that."""
    folder = tmp_path_factory.mktemp("incidents")
    sallyport = prepared(InProcess, folder)
    sallyport.json("identity", "add", "ada", "--address", "ada@example.org")
    login = sallyport.json("credential", "add", "ada", "--label", "laptop")["login"]
    engine = open_database(folder / "state" / "sallyport.db")
    bad_day(engine, login)
    engine.dispose()
    return folder, login


@pytest.fixture
def sallyport(template: tuple[Path, str], tmp_path: Path) -> InProcess:
    for path in template[0].rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(template[0])
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return InProcess(tmp_path)


@pytest.fixture
def login(template: tuple[Path, str]) -> str:
    return template[1]


@pytest.fixture
def engine(sallyport: InProcess) -> Iterator[Engine]:
    opened = open_database(sallyport.folder / "state" / "sallyport.db")
    yield opened
    opened.dispose()


def settle(engine: Engine) -> None:
    """As policy does with the queue agent."""
    with engine.begin() as connection:
        connection.execute(update(Measures).where(Measures.done_at.is_(None)).values(done_at=T, outcome="1 messages"))
        for before, after in (("releasing", HeldState.RELEASED), ("purging", HeldState.PURGED)):
            connection.execute(update(HeldMessages).where(HeldMessages.state == before).values(state=after))


def test_contain_a_login_and_release_it(sallyport: InProcess, engine: Engine, login: str) -> None:
    """What was done, what is still to be done, and how to undo it."""
    done = sallyport("contain", login, "--note", "stolen", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "incident 1: ada is contained",
        f"suspended  {login}",
        "on hold    3 messages to 16 recipients",
        "undo it: sallyport release 1",
        "delete what is held: sallyport purge 1",
        "all about it: sallyport incident 1",
    ]
    assert done.stderr.startswith("note: not done yet: retro-hold")
    assert "`sallyport incident 1` shows how far it is" in done.stderr
    settle(engine)
    released = sallyport("release", "1", "--no-wait")
    assert released.returncode == 0
    assert "on their way out 3 messages to 16 recipients" in released.stdout
    assert "so that it does not happen again: sallyport incident 1\n" in released.stdout  # which names the networks
    settle(engine)
    assert "released   3 messages to 16 recipients" in sallyport("incident", "1").stdout
    again = sallyport("release", "1")
    assert again.returncode == 1
    assert again.stderr == "sallyport: incident 1 was released already, and nothing of it is on hold\n"
    assert sallyport.json("incident", "1")["incident"]["suspended"] == []


def test_contain_an_identity_by_its_name(sallyport: InProcess, login: str) -> None:
    contained = sallyport.json("contain", "ada", "--no-wait")
    assert (contained["number"], contained["suspended"], contained["state"]) == (1, [login], "open")
    assert contained["since"] == "2025-06-15T16:05:00Z"
    assert contained["is_settled"] is False
    again = sallyport.json("contain", login, "--no-wait")
    assert again["measures"] == contained["measures"]


def test_purge_asks(sallyport: InProcess, engine: Engine) -> None:
    """How many, and whose: without a terminal a script has to be sure."""
    refused = sallyport("purge", "1")
    assert refused.returncode == 1
    assert refused.stderr == (
        "sallyport: Delete 3 messages to 16 recipients of ada for ever? There is no terminal to ask at: say --yes\n"
    )
    assert sallyport.json("incident", "1")["incident"]["state"] == "open"
    done = sallyport("purge", "1", "--yes", "--no-wait")
    assert "being deleted 3 messages to 16 recipients" in done.stdout
    settle(engine)
    again = sallyport("purge", "1")  # it asks no more: nothing is left to be lost
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "sallyport: incident 1 was purged already, and nothing of it is on hold\n"


def test_what_is_under_way_is_waited_for_again(sallyport: InProcess) -> None:
    for _ in range(2):
        done = sallyport("purge", "1", "--yes", "--no-wait")
        assert done.returncode == 0
        assert "being deleted 3 messages to 16 recipients" in done.stdout
        assert done.stderr.startswith("note: not done yet: ")


@pytest.mark.parametrize(
    ("command", "says", "end"),
    [
        (
            ("purge", "1", "--yes"),
            "is closed; nothing of it was on hold, so nothing is deleted",
            "closed, nothing deleted",
        ),
        (("release", "1"), "is released; nothing of it was on hold", "released"),
    ],
    ids=["purge", "release"],
)
def test_where_nothing_is_on_hold(
    sallyport: InProcess, engine: Engine, command: tuple[str, ...], says: str, end: str
) -> None:
    """Nobody is to believe that something was deleted, or is on its way; and a script learns that nothing happened."""
    with engine.begin() as connection:
        connection.execute(delete(HeldMessages))
    if command[0] == "purge":
        asked = sallyport("purge", "1").stderr
        assert asked.startswith(
            "sallyport: Close incident 1 of ada as theft? Nothing of it is on hold. There is no terminal"
        )
    done = sallyport(*command, "--no-wait")
    assert done.stdout.splitlines()[0] == f"incident 1 of ada {says}"
    settle(engine)
    told = sallyport.json("incident", "1")["incident"]
    assert (told["end"], told["held"], told["parts"]) == (end, {}, [])
    for more in ((), ("--json",)):
        again = sallyport(*command, *more)
        assert (again.returncode, again.stdout) == (1, "")
        assert again.stderr == f"sallyport: incident 1 was {told['state']} already, and nothing of it is on hold\n"


REFUSED = [
    # what is wrong, arguments, exit code, what it says
    ("no such login", ("contain", "nobody"), 1, "there is neither an identity nor a login 'nobody'"),
    ("no such incident", ("release", "7"), 1, "there is no incident 7; `sallyport incidents` shows all"),
    ("none to be deleted", ("purge", "7", "--yes"), 1, "there is no incident 7"),
    ("none to be shown", ("incident", "7"), 1, "there is no incident 7"),
    ("a misspelt name", ("incidents", "--identity", "adda"), 1, "there is no identity 'adda'"),
    ("the same for held mail", ("held", "list", "--identity", "adda"), 1, "there is no identity 'adda'"),
    ("and for complaints", ("complaint", "list", "--identity", "adda"), 1, "there is no identity 'adda'"),
    ("a note of many lines", ("release", "1", "--note", "a\nb"), 1, "a note is at most 200 printable characters"),
    ("never held", ("held", "release", "4Qnever"), 1, "no message '4Qnever' was ever on hold"),
    ("no queue agent", ("held", "show", HOLDS[0]), 1, "POLICY_QUEUE_URL is empty"),
    ("deleting without a yes", ("held", "purge", HOLDS[0]), 1, "Delete 1 message to 10 recipients for ever?"),
    ("a page that cannot be", ("incident", "1", "--html", "/nowhere/x.html"), 1, "/nowhere/x.html cannot be written"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_cannot_be_done(sallyport: InProcess, arguments: tuple[str, ...], code: int, says: str) -> None:
    """A sentence on standard error, and nothing on standard output."""
    done = sallyport(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert is_one_sentence(done.stderr)
    assert says in done.stderr


def test_released_mail_cannot_be_purged(sallyport: InProcess) -> None:
    """Nor is it said that mail is on its way, which may have been deleted before the release."""
    sallyport("release", "1", "--no-wait")
    done = sallyport("purge", "1", "--yes")
    assert done.returncode == 1
    assert "incident 1 was released: nothing of it can be deleted any more" in done.stderr


def test_incidents(sallyport: InProcess) -> None:
    """Open ones first; an empty list is a list."""
    (listed,) = sallyport.json("incidents", "--open", "--identity", "ada")
    assert (listed["number"], listed["identity"], listed["held"]["held"]["messages"]) == (1, "ada", 3)
    shown = sallyport("incidents").stdout.splitlines()
    assert shown[0].split()[:4] == ["incident", "identity", "state", "step"]
    assert shown[1].split()[:4] == ["1", "ada", "open", "hold"]
    sallyport("release", "1", "--no-wait")
    assert sallyport.json("incidents", "--open") == []
    assert "released, under way" in sallyport("incidents").stdout


def test_one_incident(sallyport: InProcess, tmp_path: Path) -> None:
    """On a terminal, as a page, and as JSON: moments are ISO 8601, everything is in it."""
    page = tmp_path / "incident.html"
    done = sallyport("incident", "1", "--html", str(page))
    assert done.returncode == 0, done.stderr
    for words in ("Incident 1: ada, open", "botnet.example", "10.0.1.0/24", "victim0@example.net", "What to do next"):
        assert words in done.stdout, done.stdout
        assert words in page.read_text() or words.startswith("Incident"), words
    story = sallyport.json("incident", "1")
    assert story["begin"] == story["first"]["at"] == "2025-06-15T16:00:00Z"
    assert story["networks"][0]["first_used_at"] == "2025-06-15T16:00:00Z"
    assert story["networks"][-1]["country"]  # of a network that only logged in: from a database of addresses
    assert story["strange"]["reached"] == 13
    assert [one["recipient"] for one in story["to_warn"]] == [f"victim{one}@example.net" for one in range(4)]
    assert "sallyport release 1" in [command for one in story["advice"] for command in one["commands"]]
    assert all(one["at"].endswith("Z") for one in story["timeline"])


def test_held_list(sallyport: InProcess) -> None:
    """The oldest first; by identity, incident and age."""
    listed = sallyport.json("held", "list", "--identity", "ada", "--incident", "1")
    assert [one["queue_id"] for one in listed[:2]] == HOLDS
    assert {one["reason"] for one in listed} == {"new-recipients", "retro-hold"}
    assert [one["queue_id"] for one in sallyport.json("held", "list", "--older-than", "2025-06-15T16:05:30")] == HOLDS[
        :1
    ]
    assert sallyport.json("held", "list", "--incident", "2") == []
    assert sallyport("held", "list").stdout.splitlines()[1].split()[:3] == [HOLDS[0], "2025-06-15T16:05:00Z", "ada"]


def test_held_release_and_purge(sallyport: InProcess, engine: Engine) -> None:
    """Single messages: the incident stays open."""
    done = sallyport("held", "release", HOLDS[0], "--no-wait")
    assert done.returncode == 0, done.stderr
    assert "releasing" in done.stdout
    assert "1 messages are still releasing" in done.stderr
    settle(engine)
    for more in ((), ("--json",)):  # a script learns that nothing happened
        again = sallyport("held", "release", HOLDS[0], *more)
        assert (again.returncode, again.stdout) == (1, "")
        assert again.stderr == f"sallyport: nothing of it is on hold: {HOLDS[0]} was released already\n"
    assert sallyport.json("held", "purge", HOLDS[1], "--yes", "--no-wait")[0]["state"] == "purging"
    settle(engine)
    assert f"{HOLDS[1]} was purged already" in sallyport("held", "purge", HOLDS[1]).stderr
    states = {one["queue_id"]: one["state"] for one in sallyport.json("held", "list", "--all")}
    assert [states[one] for one in HOLDS] == ["released", "purged"]
    assert sallyport.json("incident", "1")["incident"]["state"] == "open"


def test_one_login_of_two_is_contained_in_part(sallyport: InProcess, login: str) -> None:
    """Nobody is to believe that the thief is out, who may have the other one."""
    other = json.loads(sallyport("credential", "add", "ada", "--label", "phone", "--json").stdout)["login"]
    said = sallyport("contain", login, "--no-wait").stdout
    assert said.startswith(f"incident 1: ada is contained in part; still working: {other}\n")
    assert "shut these out, too: sallyport contain ada\n" in said
    assert sallyport("contain", "ada", "--no-wait").stdout.startswith("incident 1: ada is contained\n")


def test_a_look_is_in_the_audit_log_though_nothing_was_seen(sallyport: InProcess) -> None:
    """It is written down before the queue is asked."""
    sallyport("held", "show", HOLDS[0], POLICY_QUEUE_URL="http://127.0.0.1:9")
    act = json.loads(sallyport("audit", "list", "--limit", "1", "--json").stdout)
    assert (act["action"], act["subject"], act["after"]) == ("held-message-read", "ada", {"queue_id": HOLDS[0]})


def test_as_a_process(sallyport: InProcess) -> None:
    """It waits as long as it may, and says what is left to policy."""
    done = CommandLine(sallyport.folder)("contain", "ada", "--wait", "0.3")
    assert done.returncode == 0
    assert done.stdout.startswith("incident 1: ada is contained\n")
    assert done.stderr.startswith("note: not done yet: retro-hold")


def test_waiting_until_nothing_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(waiting, "_PAUSE_S", 0)
    reads = iter([Left(3, ("3 messages",)), Left(1, ("1 messages",)), Left(0, ())])
    left = wait_until_done(lambda: next(reads), 60)
    tell_what_is_left(left, "nothing")
    assert (left, list(reads), capsys.readouterr().err) == (Left(0, ()), [], "")


def test_waiting_no_longer_than_the_limit() -> None:
    """Without a limit to wait for, it looks once."""
    reads = iter([Left(3, ("3 messages",))])
    assert wait_until_done(lambda: next(reads), 0) == Left(3, ("3 messages",))


def test_a_suspended_login_is_listed_as_that(sallyport: InProcess, login: str) -> None:
    """Whoever asks why it does not work finds the incident."""
    assert sallyport.json("credential", "show", login)["contained_by"] is None
    sallyport("contain", login, "--no-wait")
    assert sallyport.json("credential", "show", login)["contained_by"] == 1
    assert sallyport("credential", "list").stdout.splitlines()[1].split()[-2:] == ["incident", "1"]


class Agent(QueueClient):
    """Has one message, of a stranger's making."""

    async def message(self, queue_id: str) -> QueuedMessage | None:
        if queue_id != HOLDS[0]:
            return None
        queued = Queued(
            queue_id=queue_id,
            queue=QueueName.HOLD,
            at=T,
            message_bytes=2000,
            reverse_path="ada@example.org",
            recipients=("a@example.net", "b@example.net"),
        )
        return QueuedMessage(queued=queued, head="Subject: \x1b[2Jhello\nX: y\n", start="first line\n\u202esecond\n")


def test_held_show(sallyport: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose, to whom, and how it begins; what would do something to a terminal is shown by its number."""
    monkeypatch.setattr(queues, "QueueClient", Agent)
    url = "http://queue-agent:7589"
    done = sallyport("held", "show", HOLDS[0], POLICY_QUEUE_URL=url)
    assert done.returncode == 0, done.stderr
    for line in (
        f"{HOLDS[0]}: on hold since 2025-06-15T16:05:00Z (new-recipients), now held",
        "incident 1: sallyport incident 1",
        "recipient    <b@example.net>",
        "    Subject: \\u001b[2Jhello",
        "    \\u202esecond",
    ):
        assert line in done.stdout.splitlines(), line
    shown = sallyport.json("held", "show", HOLDS[0], POLICY_QUEUE_URL=url)
    assert (shown["recipient_addresses"], shown["queue"]) == (["a@example.net", "b@example.net"], "hold")
    assert shown["head"].startswith("Subject: \x1b")
    gone = sallyport("held", "show", HOLDS[1], POLICY_QUEUE_URL=url)
    assert gone.returncode == 1
    assert is_one_sentence(gone.stderr)
    assert "is not in the queue any more; `sallyport held list --all` says what became of it" in gone.stderr


def test_a_release_after_a_purge_says_what_is_true(sallyport: InProcess) -> None:
    """In the list, of one, and as JSON: nothing of it has gone out."""
    sallyport("purge", "1", "--yes", "--no-wait")
    assert "is over: what it held was deleted before" in sallyport("release", "1", "--no-wait").stdout
    for words in (("incidents",), ("incident", "1")):
        printed = sallyport(*words).stdout
        assert "deleted, account given back" in printed, words
        assert "deleted 3 messages to " in printed, words
        assert "account given back, 20" in printed, words
        assert " by cli:" in printed, words
    incident = sallyport.json("incident", "1")["incident"]
    assert (incident["state"], incident["end"]) == ("released", "deleted, account given back")
    assert [(one["fate"], one["counted"]["messages"]) for one in incident["parts"]] == [
        ("deleted", 3),
        ("account given back", 0),
    ]
