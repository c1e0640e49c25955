"""A store of the first form of the schema 0006, which says 0006 and lacks a table and two columns: made whole.

Its real data: store-0006-first.tar.gz, made by that version's own code (tests/previous/make.py).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from policy.budgets.stored import StoredBudgets
from policy.engine.budget import Sum, Window
from policy.store.archive import reading
from policy.store.audit import Actor
from policy.store.database import Location, open_database
from policy.store.filling import put_rows, reflected
from policy.store.first_0006 import turn_back
from policy.store.migrating import migrate, migrate_on, newest_revision, revision_of
from policy.store.restore import drop_everything, restore
from policy.store.schema import METADATA
from policy.store.statements import OnConnection
from tests.previous.left import FOLDER, NOW, SPANS_S

BACKUP = FOLDER / "store-0006-first.tar.gz"
KNOWN: dict[str, Any] = json.loads((FOLDER / "store-0006-first.json").read_text())


@pytest.fixture
def engine(empty: Location) -> Iterator[Engine]:
    """On a store as that version has left it."""
    opened = open_database(empty)
    with BACKUP.open("rb") as file, reading(file) as archive, opened.begin() as connection:
        migrate_on(connection, archive.manifest.revision)
        turn_back(connection)
        for name in archive.manifest.tables:
            if found := list(archive.rows(name)):
                put_rows(connection, reflected(connection, name), found)
    yield opened
    opened.dispose()


def is_whole(engine: Engine) -> bool:
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
        return not differences and revision_of(connection) == newest_revision()


def rows(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {one: connection.execute(text(f"SELECT count(*) FROM {one}")).scalar_one() for one in KNOWN["rows"]}  # noqa: S608


def counters(engine: Engine) -> dict[str, list[int]]:
    """What that version counted, by its names of keys, and what this one does."""
    windows = tuple(Window(10**9, span) for span in SPANS_S)
    with engine.connect() as connection:
        budgets = StoredBudgets(OnConnection(connection))
        turned = {key: f"{key.rpartition(':')[2]}:{key.rpartition(':')[0]}" for key in KNOWN["counters"] if ":" in key}
        return {
            key: list(budgets.peek((Sum("", turned.get(key, key), 0, windows),), NOW).before[0])
            for key in KNOWN["counters"]
        }


def test_its_store_is_made_whole(engine: Engine) -> None:
    """A message would be charged, and its fate written down: with the columns as they were, each question fails."""
    assert not is_whole(engine)
    migrate(engine)
    assert is_whole(engine)
    assert rows(engine) == KNOWN["rows"]
    assert counters(engine) == KNOWN["counters"]


def test_its_backup_is_restored(empty: Location, tmp_path: Path) -> None:
    """Into a store of today."""
    engine = open_database(empty)
    migrate(engine)
    (tmp_path / "state").mkdir()
    with BACKUP.open("rb") as file, reading(file) as archive:
        restore(engine, tmp_path / "state", archive, Actor("cli:test", "localhost"), NOW, lambda _table, _rows: None)
    assert is_whole(engine)
    assert rows(engine) == KNOWN["rows"] | {"audit": KNOWN["rows"]["audit"] + 1}
    assert counters(engine) == KNOWN["counters"]
    engine.dispose()


@pytest.mark.parametrize("older", ["0005", "0006"])
def test_forward_again_after_the_way_back(empty: Location, older: str) -> None:
    """A restore with an old version leaves the tables that it does not know: the next upgrade meets them."""
    engine = open_database(empty)
    migrate(engine)
    with engine.begin() as connection:
        newer = {"fate"} if older == "0006" else {"fate", "tally", "health_report", "look"}
        kept = [METADATA.tables[name] for name in newer]
        drop_everything(connection)
        migrate_on(connection, older)
        if older == "0006":
            turn_back(connection)
        METADATA.create_all(connection, kept)
    migrate(engine)
    assert is_whole(engine)
    engine.dispose()
