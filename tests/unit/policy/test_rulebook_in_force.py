"""Which policy is in force: at a start, while its file changes, while it is broken; and what the store knows of it."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import turning
from sqlalchemy import Engine
from structlog.testing import capture_logs
from structlog.typing import EventDict

from policy.engine.rulebook import Rulebook
from policy.rulebook import parse, replacing, shipped
from policy.rulebook.in_force import InForce
from policy.rulebook.making import tables_of
from policy.rulebook.toml import written
from policy.store.database import Location
from policy.store.rulebooks import RulebookRecords, kept_rulebooks, last_in_force
from policy.store.transactions import Transactions
from service.settings import SettingError

SMALL = '[profiles.person]\nrecipients = "2/hour"\n'
BROKEN = "[profiles.person]\nrecipients = 2\n"
SMALL_DIGEST = parse(SMALL, "small").digest


class Keeper:
    """Writes down, or does not."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str]] = []
        self.is_broken = False
        self.refused = 0
        self.told = asyncio.Event()

    async def __call__(self, digest: str, content: str) -> None:
        if self.is_broken:
            self.refused += 1
            raise ConnectionError("no database")
        self.kept.append((digest, content))
        self.told.set()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file may be."""
    return tmp_path / "policy.toml"


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    """What was logged."""
    with capture_logs() as events:
        yield events


def never() -> str | None:
    """What was in force last, where nobody asks."""
    raise AssertionError


def say(path: Path, text: str) -> None:
    """The file is what it says."""
    path.write_text(text)


def remove(path: Path) -> None:
    """There is no file."""
    path.unlink()


def look_alike(path: Path, text: str) -> None:
    """Another file in its place, with the time of the one before."""
    before = path.stat()
    replacing.replace(path, text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def opened(path: Path, keeper: Keeper | None = None) -> InForce:
    return InForce(path, never, keeper or Keeper())


async def turns(in_force: InForce, number: int = 2) -> str:
    """So many looks; the digest of what is in force then."""
    for _ in range(number):
        await in_force.round()
    return in_force.rulebook.digest


# At a start


def test_no_file_is_the_shipped_policy(path: Path, logged: list[EventDict]) -> None:
    assert opened(path).rulebook == shipped()
    assert logged == [{"event": "rulebook-loaded", "log_level": "info", "digest": shipped().digest}]


def test_a_file_is_read_at_the_start(path: Path) -> None:
    say(path, SMALL)
    assert opened(path).rulebook.digest == SMALL_DIGEST


def test_a_broken_file_at_the_start_leaves_the_last_policy_in_force(path: Path, logged: list[EventDict]) -> None:
    """And says so: nobody reads a log in which all is well."""
    say(path, BROKEN)
    in_force = InForce(path, lambda: written(tables_of(parse(SMALL, "small"))), Keeper())
    assert in_force.rulebook.digest == SMALL_DIGEST
    [event] = logged
    assert (event["event"], event["log_level"], event["line"]) == ("rulebook-refused", "error", 2)
    assert event["in_force"] == SMALL_DIGEST
    assert "is no limit" in event["why"]


@pytest.mark.parametrize("last", [None, "of = 'another version'"])
def test_a_broken_file_and_no_last_policy_is_no_start(path: Path, last: str | None) -> None:
    """The shipped policy would let through what the site has forbidden."""
    say(path, BROKEN)
    with pytest.raises(
        SettingError, match=r"POLICY_FILE: .*policy\.toml:2: profiles\.person\.recipients: 2 is no limit"
    ):
        InForce(path, lambda: last, Keeper())


def test_a_folder_in_its_place_is_broken(path: Path) -> None:
    path.mkdir()
    with pytest.raises(SettingError, match="cannot be read"):
        InForce(path, lambda: None, Keeper())


# While it runs


async def test_a_change_counts_when_two_looks_see_the_same(path: Path) -> None:
    """A half that is still being written is none."""
    in_force = opened(path)
    say(path, SMALL)
    assert await turns(in_force, 1) == shipped().digest
    say(path, f"{SMALL}sessions = 9\n")
    assert await turns(in_force, 1) == shipped().digest
    assert await turns(in_force, 1) == parse(f"{SMALL}sessions = 9\n", "both").digest


async def test_a_broken_file_is_refused_once_and_changes_nothing(path: Path, logged: list[EventDict]) -> None:
    say(path, SMALL)
    in_force = opened(path)
    say(path, BROKEN)
    assert await turns(in_force, 5) == SMALL_DIGEST
    assert [event["event"] for event in logged] == ["rulebook-loaded", "rulebook-refused"]
    say(path, SMALL + "sessions = 9\n")
    assert await turns(in_force) != SMALL_DIGEST
    assert logged[-1]["event"] == "rulebook-loaded"


async def test_another_file_in_its_place_is_seen(path: Path) -> None:
    """Of the same length, and made at the same moment: its inode is another one."""
    say(path, SMALL)
    in_force = opened(path)
    look_alike(path, SMALL.replace("2/", "3/"))
    assert await turns(in_force) != SMALL_DIGEST


async def test_a_file_that_goes_away_is_the_shipped_policy(path: Path) -> None:
    say(path, SMALL)
    in_force = opened(path)
    remove(path)
    assert await turns(in_force) == shipped().digest


async def test_who_follows_hears_of_the_policy_now_and_of_each_later_one(path: Path) -> None:
    heard: list[Rulebook] = []
    in_force = opened(path)
    in_force.follow(heard.append)
    say(path, SMALL)
    await turns(in_force, 5)
    assert [one.digest for one in heard] == [shipped().digest, SMALL_DIGEST]


async def test_it_looks_by_itself_until_it_is_closed(path: Path) -> None:
    """Without waiting in between, here."""
    keeper = Keeper()
    in_force = InForce(path, never, keeper, period_s=0)
    in_force.start()
    await asyncio.wait_for(keeper.told.wait(), 60)
    keeper.told.clear()
    say(path, SMALL)
    await asyncio.wait_for(keeper.told.wait(), 60)
    assert in_force.rulebook.digest == SMALL_DIGEST
    await in_force.close()
    remove(path)
    for _ in range(5):
        await asyncio.sleep(0)
    assert in_force.rulebook.digest == SMALL_DIGEST


# What is written down


async def test_each_policy_in_force_is_written_down_once(path: Path) -> None:
    """Whole, so that it means the same when another version ships other numbers."""
    keeper = Keeper()
    in_force = opened(path, keeper)
    await turns(in_force, 3)
    say(path, SMALL)
    await turns(in_force, 3)
    assert [digest for digest, _ in keeper.kept] == [shipped().digest, SMALL_DIGEST]
    assert keeper.kept[1][1] == written(tables_of(in_force.rulebook))
    remove(path)
    await turns(in_force, 3)
    assert [digest for digest, _ in keeper.kept][2:] == [shipped().digest], "it is in force again"


async def test_a_store_that_is_not_there_is_tried_again(path: Path, logged: list[EventDict]) -> None:
    """Said once; what is in force does not depend on it."""
    keeper = Keeper()
    keeper.is_broken = True
    in_force = InForce(path, never, keeper, period_s=0)
    in_force.start()
    await turning(lambda: keeper.refused >= 3)
    assert [event["event"] for event in logged] == ["rulebook-loaded", "rulebook-not-kept"]
    keeper.is_broken = False
    await asyncio.wait_for(keeper.told.wait(), 60)
    await in_force.close()
    assert [digest for digest, _ in keeper.kept] == [shipped().digest]


async def test_the_store_knows_which_was_in_force_last(
    statements: Transactions, engine: Engine, database: Location
) -> None:
    """Also where an older one is in force again; and each has its first time for ever."""
    records = RulebookRecords(statements)
    assert last_in_force(database) is None
    for now, digest in enumerate(("aa01", "aa02", "aa01"), start=1):
        await statements.commit([lambda now=now, digest=digest: records.keep(digest, f"# {digest}", float(now))])  # type: ignore[misc]
    assert last_in_force(database) == "# aa01"
    assert [(one.digest, one.first_used_at, one.last_used_at) for one in kept_rulebooks(engine)] == [
        ("aa01", 1.0, 3.0),
        ("aa02", 2.0, 2.0),
    ]
    assert [one.digest for one in kept_rulebooks(engine, "aa02")] == ["aa02"]
    assert kept_rulebooks(engine, "a%") == []


def test_no_store_knows_nothing(tmp_path: Path) -> None:
    assert last_in_force(tmp_path / "nothing.db") is None


# A file in the place of another


def test_the_file_before_is_kept(path: Path) -> None:
    replacing.replace(path, SMALL)
    assert (path.read_text(), replacing.kept(path).read_text()) == (SMALL, ""), "no file was the shipped policy"
    replacing.replace(path, BROKEN)
    assert (path.read_text(), replacing.kept(path).read_text()) == (BROKEN, SMALL)
    assert sorted(one.name for one in path.parent.iterdir()) == ["policy.toml", "policy.toml.before"]


def test_nothing_changes_where_the_disk_refuses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full between the two files: neither is in its place."""
    replacing.replace(path, SMALL)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replacing.replace(path, BROKEN)
    assert (path.read_text(), replacing.kept(path).read_text()) == (SMALL, "")
