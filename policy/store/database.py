"""The SQLite file: how it is opened, and how its schema is brought up to date.

WAL lets readers go on while one writes. synchronous=FULL: a budget must not roll back in a power cut, and in WAL mode
NORMAL may lose the last commits (SQLite documentation, "Write-Ahead Logging"). Every transaction begins IMMEDIATE:
SQLite then takes its one write lock at the start and not in the middle, where two could no longer both go on.

Commands use SQLAlchemy as it is. What is asked for each login and each message goes to the driver itself: a statement
of SQLAlchemy Core, made into text once, on a connection that is kept. The same question costs 5 us there, not 100.
"""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql import ClauseElement

MIGRATIONS = Path(__file__).parent.parent / "migrations"

_DIALECT = sqlite.dialect(paramstyle="named")


def open_database(path: Path, *, busy_timeout_s: float = 5.0) -> Engine:
    """The engine for the file at `path`, which need not exist yet; its folder must."""
    engine = create_engine(
        f"sqlite:///{path}",
        # One thread at a time has a connection: the pool's borrower, or whoever keeps it (see kept_connection).
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        hide_parameters=True,  # an error must not carry into a log what was asked for
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def kept_connection(engine: Engine) -> sqlite3.Connection:
    """A connection of the driver, opened as the engine opens its own, that is the caller's to close."""
    pooled = engine.raw_connection()
    kept = pooled.driver_connection
    if not isinstance(kept, sqlite3.Connection):
        raise TypeError(kept)
    pooled.detach()
    return kept


def prepared(statement: ClauseElement) -> str:
    """The text of a statement for a kept connection; its bindparams are named parameters there."""
    return str(statement.compile(dialect=_DIALECT))


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; nothing happens where it is."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _begin(connection: Connection) -> None:
    """Readers (AUTOCOMMIT) begin nothing: they see the last commit and wait for nobody."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(connection)
    connection.isolation_level = None  # the driver begins no transaction of its own; the listener above does
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
