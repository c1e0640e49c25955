"""`sallyport alert`: test, list, replay and secret, as people and scripts call them."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import InProcess, is_one_sentence, prepared
from sqlalchemy import Engine, insert, select, update

from policy.alerting.kinds import Kind
from policy.cli import alerts
from policy.store.database import open_database
from policy.store.incident_models import Notices, Presences
from policy.store.levels import levels
from policy.store.notices import add_notice, thread_of
from policy.store.reader import open_reader

HOOK = "webhook:hooks.example.org"


@pytest.fixture
def sallyport(tmp_path: Path) -> InProcess:
    return prepared(InProcess, tmp_path)


@pytest.fixture
def engine(sallyport: InProcess) -> Iterator[Engine]:
    """With a channel that somebody sends by."""
    opened = open_database(sallyport.folder / "state" / "sallyport.db")
    with opened.begin() as connection:
        connection.execute(insert(Presences).values(name=f"channel:{HOOK}", at=time.time()))
    yield opened
    opened.dispose()


def told(engine: Engine, subject: str, at: float) -> None:
    with engine.begin() as connection:
        add_notice(connection, Kind.INCIDENT_OPENED, subject, ["a line"], at, thread=thread_of(round(at)))


def carried(engine: Engine, channel: str, **values: object) -> None:
    """As a sender writes down what became of its notices."""
    with engine.begin() as connection:
        connection.execute(update(Notices).where(Notices.channel == channel).values(**values))


def given_up(sallyport: InProcess) -> int:
    """What Prometheus is told."""

    async def asked() -> int:
        reader = open_reader(sallyport.folder / "state" / "sallyport.db")
        found = await levels(reader, time.time())
        await reader.close()
        return found.notices_given_up

    return asyncio.run(asked())


def test_each_channel_says_whether_it_took_the_test(
    sallyport: InProcess, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policy and the sender answer while the command waits: one takes it, the other has a reason."""

    def meanwhile(_: float) -> None:
        carried(engine, "administrator", sent_at=1.0)
        carried(engine, HOOK, problem="it answered 503")

    monkeypatch.setattr(alerts.time, "sleep", meanwhile)
    done = sallyport("alert", "test")
    assert done.returncode == 1
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["administrator", "taken"],
        [HOOK, "not", "taken:", "it", "answered", "503"],
    ]
    carried(engine, HOOK, problem="", sent_at=2.0)
    assert sallyport("alert", "test", "--channel", "administrator", "--json").returncode == 0


def test_nobody_sends(sallyport: InProcess, engine: Engine) -> None:
    done = sallyport("alert", "test", "--channel", HOOK, "--wait", "0")
    assert done.returncode == 1
    assert "nobody has tried; is policy running, or the sender of that channel?" in done.stdout


def test_a_channel_that_is_none(sallyport: InProcess, engine: Engine) -> None:
    done = sallyport("alert", "test", "--channel", "webhook:elsewhere.example")
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)
    assert HOOK in done.stderr


def test_the_list_is_newest_first_and_says_what_became_of_it(sallyport: InProcess, engine: Engine) -> None:
    told(engine, "the first", 1_764_000_000.0)
    told(engine, "the second", 1_764_000_060.0)
    carried(engine, "administrator", sent_at=1_764_000_100.0)
    listed = json.loads(sallyport("alert", "list", "--json", "--channel", "administrator").stdout)
    assert [one["subject"] for one in listed] == ["the second", "the first"]
    assert all(one["sent_at"] for one in listed)
    assert listed[0]["at"].startswith("2025-11-24T16:01:00")
    assert "the second" in sallyport("alert", "list", "--limit", "1").stdout


def test_replay_sends_again_what_a_receiver_has_lost(sallyport: InProcess, engine: Engine) -> None:
    told(engine, "old", 1_763_000_000.0)
    told(engine, "new", 1_764_000_000.0)
    carried(engine, HOOK, sent_at=1_764_000_001.0)
    assert sallyport("alert", "replay", "--since", "2025-11-24").stdout == "1 notices are sent again\n"
    with engine.connect() as connection:
        row = Notices
        again = connection.scalars(select(row.subject).where(row.channel == HOOK, row.sent_at.is_(None)))
        assert list(again) == ["new"]


@pytest.mark.parametrize(
    ("since", "sent"),
    [("2025-11-24T15:00", 1), ("2025-11-24T17:00:00+02:00", 1), ("2025-11-24T16:30", 0), ("36500d", 2)],
)
def test_replay_takes_moments_as_other_commands_do(sallyport: InProcess, engine: Engine, since: str, sent: int) -> None:
    """The second notice is of 16:00, UTC."""
    told(engine, "old", 1_763_000_000.0)
    told(engine, "new", 1_764_000_000.0)
    carried(engine, HOOK, sent_at=1_764_000_001.0)
    assert sallyport("alert", "replay", "--since", since).stdout == f"{sent} notices are sent again\n"


def test_a_moment_that_is_none(sallyport: InProcess) -> None:
    done = sallyport("alert", "replay", "--since", "yesterday")
    assert done.returncode == 2
    assert "'yesterday' is no date such as" in done.stderr


def test_the_secret_is_made_once_and_told_again(sallyport: InProcess) -> None:
    first = sallyport("alert", "secret").stdout
    assert first.startswith("whsec_")
    assert sallyport("alert", "secret").stdout == first


def test_a_channel_that_was_taken_out_is_forgotten(sallyport: InProcess, engine: Engine) -> None:
    """What waits for it is given up, nothing new is written for it, and nobody else's notices are touched."""
    told(engine, "before", 1_764_000_000.0)
    carried(engine, HOOK, at=time.time())
    assert sallyport("alert", "forget", HOOK).stdout == f"{HOOK} is forgotten; 1 notices are given up\n"
    told(engine, "after", time.time())
    with engine.connect() as connection:
        row = Notices
        found = connection.execute(select(row.channel, row.subject, row.given_up_at.is_(None)).order_by(row.id)).all()
    assert [tuple(one) for one in found if one[0] == HOOK] == [(HOOK, "before", False)]
    assert [tuple(one)[1:] for one in found if one[0] == "administrator"] == [("before", True), ("after", True)]
    assert given_up(sallyport) == 0  # nobody has to miss it, and no alert is to go on for a week
    carried(engine, "administrator", given_up_at=time.time(), at=time.time(), problem="refused")
    assert given_up(sallyport) == 2
    again = sallyport("alert", "forget", HOOK)
    assert again.returncode == 1
    assert is_one_sentence(again.stderr)
