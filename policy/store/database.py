"""The SQLite file: how it is opened, and how its schema is brought up to date.

WAL lets readers go on while one writes. synchronous=FULL: a budget must not roll back in a power cut, and in WAL mode
NORMAL may lose the last commits (SQLite documentation, "Write-Ahead Logging"). Every transaction begins IMMEDIATE:
SQLite then takes its one write lock at the start and not in the middle, where two could no longer both go on.
"""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def open_database(path: Path, *, busy_timeout_s: float = 5.0) -> Engine:
    """The engine for the file at `path`, which need not exist yet; its folder must."""
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": busy_timeout_s},
        hide_parameters=True,  # an error must not carry into a log what was asked for
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


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
