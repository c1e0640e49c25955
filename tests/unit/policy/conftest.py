"""What the tests of policy share: real databases in a folder of their own, and what works on them."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from policy.brain import Brain
from policy.budgets.sqlite import SqliteBudgets
from policy.engine.charges import Window
from policy.store.database import kept_connection, migrate, open_database
from policy.store.directory import Directory
from policy.store.identities import IdentityStore, NewCredential
from policy.store.records import Records
from policy.store.writer import Writer

T = 1_000_000.0  # any moment
WINDOWS = (Window(5, 600.0), Window(8, 3600.0))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the database of this test is, with its schema and nothing in it."""
    path = tmp_path / "sallyport.db"
    engine = open_database(path)
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    """An engine on it."""
    opened = open_database(database)
    yield opened
    opened.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[sqlite3.Connection]:
    """A connection of the driver, such as writers have."""
    kept = kept_connection(engine)
    yield kept
    kept.close()


@pytest.fixture
def key() -> bytes:
    """A digest key."""
    return bytes(range(32))


@pytest.fixture
def store(engine: Engine, key: bytes) -> IdentityStore:
    """An empty identity store."""
    return IdentityStore(engine, key)


@pytest.fixture
def directory(engine: Engine, key: bytes) -> Iterator[Directory]:
    """What the services ask of it."""
    kept = kept_connection(engine)
    yield Directory(kept, key, recipients_per_message=50)
    kept.close()


@pytest.fixture
def ada(store: IdentityStore) -> NewCredential:
    """The credential of ada's laptop."""
    store.add_identity("ada", ("ada@example.org",), T)
    return store.add_credential("ada", "laptop", T)


@pytest.fixture
async def brain(engine: Engine, directory: Directory) -> AsyncIterator[Brain]:
    """All of policy but its HTTP. The clock stands at T."""
    writing = kept_connection(engine)
    made = Brain(
        directory=directory,
        budgets=SqliteBudgets(writing),
        records=Records(writing, kept_s=86400.0),
        writer=Writer(writing, patience_s=0),
        recipient_windows=WINDOWS,
        clock=lambda: T,
    )
    yield made
    await made.writer.close()
