"""Migrations let the version before go on: while a new one is rolled out, old policies read and write its schema.

A migration adds, and takes nothing away (docs/upgrading.md, "Schemas"). What is to go is first used by nobody, for one
version; the next one may take it away, and has its line in NO_LONGER_USED here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from policy.store.database import open_database
from policy.store.migrating import MIGRATIONS, migrate_on

# The rule is younger than those before: 0006 renames a column, and says so.
REVISIONS = sorted(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v[0-9]*.py") if path.name >= "v0006")
# By the migration that takes it away: a table, or table.column, that the version before has neither read nor written.
NO_LONGER_USED: Mapping[str, frozenset[str]] = {}


@dataclass(frozen=True, slots=True)
class Column:
    """What an older version's statements meet."""

    kind: str
    is_nullable: bool
    has_default: bool


@dataclass(slots=True)
class Table:
    """`conditions` are those that a row has to fulfil: keys, uniqueness, checks, foreign keys, triggers."""

    columns: dict[str, Column] = field(default_factory=dict)
    conditions: set[str] = field(default_factory=set)


def tables_of(connection: Connection) -> dict[str, Table]:
    looked_at = inspect(connection)
    found = {}
    for name in looked_at.get_table_names():
        one = found[name] = Table()
        for column in looked_at.get_columns(name):
            is_key = bool(column.get("primary_key"))  # a key of SQLite's is numbered by itself
            has_default = column["default"] is not None or is_key
            one.columns[column["name"]] = Column(str(column["type"]), bool(column["nullable"]), has_default)
        one.conditions.add(f"key {looked_at.get_pk_constraint(name)['constrained_columns']}")
        one.conditions |= {f"unique {made['column_names']}" for made in looked_at.get_unique_constraints(name)}
        one.conditions |= {f"unique {made['column_names']}" for made in looked_at.get_indexes(name) if made["unique"]}
        one.conditions |= {f"check {made['sqltext']}" for made in looked_at.get_check_constraints(name)}
        one.conditions |= {f"refers {made['constrained_columns']}" for made in looked_at.get_foreign_keys(name)}
        triggers = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name")
        one.conditions |= {f"trigger {made}" for (made,) in connection.execute(triggers, {"name": name})}
    return found


def faults(before: Mapping[str, Table], after: Mapping[str, Table]) -> list[str]:
    """What an older version would meet that goes on with the tables after."""
    said = [f"{name} is gone" for name in before if name not in after]
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        said += [f"{name}.{one} is gone" for one in old.columns if one not in new.columns]
        said += [f"{name} has to fulfil: {one}" for one in new.conditions - old.conditions]
        for column, now in new.columns.items():
            said += [f"{name}.{column} {why}" for why in _faults_of(old.columns.get(column), now)]
    return sorted(said)


def _faults_of(was: Column | None, now: Column) -> list[str]:
    if was is None:
        return [] if now.is_nullable or now.has_default else ["is new, and not null without a default"]
    return [
        why
        for why, is_so in (
            (f"is {now.kind} now", was.kind != now.kind),
            ("must not be null any more", was.is_nullable and not now.is_nullable),
            ("has no default any more", was.has_default and not now.has_default and not now.is_nullable),
        )
        if is_so
    ]


TABLE = "CREATE TABLE jar (id INTEGER PRIMARY KEY, label TEXT NOT NULL, size INTEGER, lid TEXT NOT NULL DEFAULT '')"
CHANGES = [
    # what it shows, statements, what is said of them
    ("nothing", [], []),
    ("a table more", ["CREATE TABLE shelf (id INTEGER PRIMARY KEY, height INTEGER NOT NULL)"], []),
    ("a column that may be null", ["ALTER TABLE jar ADD COLUMN colour TEXT"], []),
    ("a column with a default", ["ALTER TABLE jar ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'"], []),
    ("an index", ["CREATE INDEX by_size ON jar (size)"], []),
    ("a table is dropped", ["DROP TABLE jar"], ["jar is gone"]),
    ("a table is renamed", ["ALTER TABLE jar RENAME TO pot"], ["jar is gone"]),
    ("a column is dropped", ["ALTER TABLE jar DROP COLUMN size"], ["jar.size is gone"]),
    ("a column is renamed", ["ALTER TABLE jar RENAME COLUMN size TO volume"], ["jar.size is gone"]),
    (
        "a required column is renamed",
        ["ALTER TABLE jar RENAME COLUMN label TO name"],
        ["jar.label is gone", "jar.name is new, and not null without a default"],
    ),
    (
        "another key, kind and default",
        [
            "DROP TABLE jar",
            "CREATE TABLE jar (id INTEGER, label TEXT PRIMARY KEY, size TEXT NOT NULL, lid TEXT NOT NULL)",
        ],
        [
            "jar has to fulfil: key ['label']",
            "jar.lid has no default any more",
            "jar.size is TEXT now",
            "jar.size must not be null any more",
        ],
    ),
    ("uniqueness", ["CREATE UNIQUE INDEX one ON jar (label)"], ["jar has to fulfil: unique ['label']"]),
    (
        "a trigger",
        ["CREATE TRIGGER still BEFORE DELETE ON jar BEGIN SELECT RAISE(ABORT, 'no'); END"],
        ["jar has to fulfil: trigger still"],
    ),
    (
        "a column that has to fulfil something",
        ["ALTER TABLE jar ADD COLUMN age INTEGER CHECK (age > 0)"],
        ["jar has to fulfil: check age > 0"],
    ),
]


@pytest.mark.parametrize(("statements", "said"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_what_the_version_before_would_meet(statements: list[str], said: list[str]) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text(TABLE))
        before = tables_of(connection)
        for one in statements:
            connection.execute(text(one))
        assert faults(before, tables_of(connection)) == said
    engine.dispose()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "sallyport.db")


def test_each_migration_lets_the_version_before_go_on(engine: Engine) -> None:
    """Those that are to come, too: whoever writes one that does not needs a pause for everybody's mail."""
    seen = {}
    for revision in REVISIONS:
        with engine.begin() as connection:
            migrate_on(connection, revision)
            seen[revision] = tables_of(connection)
    engine.dispose()
    assert len(seen["0006"]) > 20
    for before, after in pairwise(REVISIONS):
        allowed = {f"{one} is gone" for one in NO_LONGER_USED.get(after, ())}
        assert [one for one in faults(seen[before], seen[after]) if one not in allowed] == [], f"{before} to {after}"
