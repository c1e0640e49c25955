"""What the tests of policy share: real databases in a folder of their own, one row of facts and one profile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from policy.store.database import migrate, open_database
from policy.store.identities import IdentityStore


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
def key() -> bytes:
    """A digest key."""
    return bytes(range(32))


@pytest.fixture
def store(engine: Engine, key: bytes) -> IdentityStore:
    """An empty identity store."""
    return IdentityStore(engine, key, recipients_per_message=50)
