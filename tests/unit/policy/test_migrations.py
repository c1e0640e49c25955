"""The schema: what the migrations make, on real data, up and down, on both databases."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from policy.budgets.stored import StoredBudgets, stored_key
from policy.engine.budget import Sum, Window
from policy.engine.places import day_of
from policy.opening import ITSELF
from policy.store.database import Location, open_database
from policy.store.days import Days
from policy.store.identities import IdentityStore
from policy.store.migrating import MIGRATIONS, migrate, newest_revision, revision_is_known
from policy.store.models import Audit, Charges, Credentials
from policy.store.reader import open_reader
from policy.store.schema import METADATA
from policy.store.transactions import open_transactions

T = 1_750_000_000.0  # any moment


@pytest.fixture
def engine(empty: Location) -> Iterator[Engine]:
    """An engine on it."""
    opened = open_database(empty)
    yield opened
    opened.dispose()


def turn(engine: Engine, how: Callable[[Config, str], None], revision: str) -> None:
    """To a schema that is not the newest."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        how(config, revision)


def differences(engine: Engine) -> list[object]:
    """Where the schema is not what the models say."""
    with engine.connect() as connection:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), METADATA)
        return found


def described(engine: Engine) -> dict[str, object]:
    """Every table as the database describes it."""
    with engine.connect() as connection:
        seen = inspect(connection)
        return {
            table: (
                [(one["name"], str(one["type"]), one["nullable"], one["default"]) for one in seen.get_columns(table)],
                sorted((one["name"], *one["column_names"]) for one in seen.get_indexes(table)),
                sorted((one["name"], *one["constrained_columns"]) for one in seen.get_foreign_keys(table)),
            )
            for table in seen.get_table_names()
        }


def test_migrations_make_what_the_models_say(engine: Engine) -> None:
    """A model that was changed without a migration would fail on the first database that is not new."""
    migrate(engine)
    assert differences(engine) == []


def test_the_numbers_of_the_files_are_the_revisions() -> None:
    """What is asked at each start is answered by names of files, without reading them."""
    script = ScriptDirectory(str(MIGRATIONS))
    assert newest_revision() == script.get_current_head()
    assert all(revision_is_known(one.revision) for one in script.walk_revisions())
    assert not revision_is_known("9999")


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    """Every start migrates; a schema that is up to date is left alone."""
    migrate(engine)
    before = described(engine)
    migrate(engine)
    assert described(engine) == before


def test_an_sqlite_file_that_is_up_to_date_is_not_written(sqlite_database: Path) -> None:
    """Not one octet."""
    before = sqlite_database.read_bytes()
    engine = open_database(sqlite_database)
    migrate(engine)
    engine.dispose()
    assert sqlite_database.read_bytes() == before


def test_each_migration_can_be_undone_and_made_again(engine: Engine) -> None:
    """Step by step to the first schema and up again: each step alone leads back to the same tables."""
    migrate(engine)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    revisions = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    for newer, older in itertools.pairwise(revisions):
        after = described(engine)
        turn(engine, command.downgrade, older)
        turn(engine, command.upgrade, newer)
        assert described(engine) == after
        turn(engine, command.downgrade, older)
    migrate(engine)
    assert differences(engine) == []


def test_what_was_there_before_a_migration_is_there_after_it(empty: Location, engine: Engine) -> None:
    """A store of the first schema: its credentials go on, and its charges have the totals that budgets count with."""
    turn(engine, command.upgrade, "0001")
    with engine.begin() as connection:
        _fill_first_schema(connection)
    migrate(engine)
    (credential,) = IdentityStore(engine, bytes(32), ITSELF).credentials()
    assert (credential.login, credential.kind, credential.certificate) == ("fosem-4k7q-talir", "secret", None)
    assert (credential.label, credential.revoked_at) == ("laptop", 2)
    with engine.connect() as connection:
        wanted = select(Charges.reservation, Charges.total).order_by(Charges.key, Charges.at, Charges.total)
        assert connection.execute(wanted).all() == [("a", 1), ("b", 3), ("c", 6), ("x", 7)]
    windows = (Window(100, 5.0), Window(100, 15.0))
    transactions = open_transactions(empty)
    budgets = StoredBudgets(transactions)
    asked = (Sum("recipients", "recipients:ada", 1, windows),)
    assert budgets.peek(asked, 21.0).before == ((3, 6),)
    assert budgets.release("b", 21.0)
    assert budgets.peek(asked, 21.0).before == ((3, 4),)
    transactions.close()


async def test_days_before_there_was_elsewhere_are_the_owners_past(empty: Location, engine: Engine) -> None:
    """Or a week of alarms would follow the upgrade."""
    turn(engine, command.upgrade, "0007")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO identity (id, name, created_at) VALUES (1, 'ada', 0)"))
        connection.execute(text("INSERT INTO day VALUES (1, :day, 9, 9, 8, 0, 0, 0)"), {"day": day_of(T) - 1})
    migrate(engine)
    reader = open_reader(empty)
    assert await Days(reader).baseline(1, T) == (8.0, 0)
    await reader.close()


def _fill_first_schema(connection: Connection) -> None:
    connection.execute(text("INSERT INTO identity (id, name, created_at) VALUES (1, 'ada', 0)"))
    connection.execute(
        text(
            "INSERT INTO credential (id, identity_id, login, digest, label, created_at, last_used_at, revoked_at) "
            "VALUES (1, 1, 'fosem-4k7q-talir', :digest, 'laptop', 1, NULL, 2)"
        ),
        {"digest": bytes(32)},
    )
    charges = [
        ("c", "ada", 3, 20, False),
        ("a", "ada", 1, 10, False),
        ("b", "ada", 2, 10, True),
        ("x", "bob", 7, 15, True),
    ]
    for reservation, name, cost, at, is_open in charges:
        connection.execute(
            text("INSERT INTO charge (reservation, key, cost, at, open) VALUES (:r, :key, :cost, :at, :open)"),
            {"r": reservation, "key": f"recipients:{name}", "cost": cost, "at": at, "open": is_open},
        )


def test_keys_of_budgets_are_turned_and_turned_back(engine: Engine) -> None:
    """With colons in a name, with nobody's name, and without any."""
    keys = ["host-new", "recipients:ada", "refusals:", "visitors:2001:db8::/48"]
    turn(engine, command.upgrade, "0005")
    charge = text("INSERT INTO charge (reservation, key, cost, at, total, open) VALUES (:key, :key, 1, 1, 1, FALSE)")
    member = text("INSERT INTO member (key, mark, at, reservation) VALUES (:key, 1, 1, '')")
    with engine.begin() as connection:
        for key in keys:
            connection.execute(charge, {"key": key})
            connection.execute(member, {"key": key})
    migrate(engine)
    for table in ("charge", "member"):
        assert _keys_in(engine, table) == sorted(map(stored_key, keys))
    turn(engine, command.downgrade, "0005")
    for table in ("charge", "member"):
        assert _keys_in(engine, table) == keys


def _keys_in(engine: Engine, table: str) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.scalars(text(f"SELECT key FROM {table}")))  # noqa: S608 - a name of this module


def test_going_back_keeps_what_the_old_schema_can_hold(engine: Engine) -> None:
    """For whoever has to go back to the version before; a certificate is nothing that it knew."""
    migrate(engine)
    store = IdentityStore(engine, bytes(32), ITSELF)
    store.add_identity("ada", ("ada@example.org",), T)
    kept = store.add_credential("ada", "laptop", T)
    store.add_certificate("ada", "server", "ab" * 32, T)
    turn(engine, command.downgrade, "0001")
    migrate(engine)
    assert [one.login for one in store.credentials()] == [kept.login]
    assert store.identity("ada").addresses == ("ada@example.org",)


def test_a_total_may_grow_beyond_32_bits(engine: Engine) -> None:
    """It is never set back, so that a busy sender comes there some day."""
    migrate(engine)
    row = {"reservation": "r", "key": "k", "cost": 1, "at": T, "total": 2**40, "is_open": False}
    with engine.begin() as connection:
        connection.execute(insert(Charges), [row])
        assert connection.execute(select(Charges.total)).scalar() == 2**40


@pytest.mark.parametrize("act", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
def test_the_audit_log_is_append_only(engine: Engine, act: str) -> None:
    """The database itself refuses, whoever asks."""
    migrate(engine)
    IdentityStore(engine, bytes(32), ITSELF).add_identity("ada", (), T)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(act))
    with engine.connect() as connection:
        assert connection.execute(select(Audit.actor)).scalars().all() == [ITSELF.name]


def test_the_id_of_a_removed_credential_does_not_come_again(engine: Engine) -> None:
    """A session that is open knows its credential by that number alone."""
    migrate(engine)
    store = IdentityStore(engine, bytes(32), ITSELF)
    ids = []
    for name in ("ada", "bob"):
        store.add_identity(name, (), T)
        store.add_credential(name, "laptop", T)
        with engine.connect() as connection:
            ids += connection.execute(select(Credentials.id)).scalars().all()
        store.remove_identity(name, T)
    assert ids == [1, 2]
