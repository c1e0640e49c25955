"""The store that is moved: nobody else has it open, and nobody changes it while it is read.

A policy that went on deciding on it would charge budgets that nobody takes along. So the move begins with proof that
none is there, and keeps everybody else out until its end.

SQLite: in its exclusive mode a connection gets a file in WAL mode only where no other one has it open, and none gets it
afterwards (SQLite documentation, "Write-Ahead Logging", section 8). PostgreSQL: sessions of ours have a name, and the
lock without which nobody writes is held.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, StaticPool, create_engine, text

from policy.store.database import WRITE_LOCK, Location, open_database
from policy.store.errors import StoreError
from policy.store.migrating import newest_revision, revision_of

_IN_USE = (
    "the store is in use: stop gateway, policy and console, and every command on it, and run this again "
    "(in containers: `docker compose stop gateway policy console`)"
)
_PATIENCE_S = 5.0


@contextlib.contextmanager
def frozen(where: Location) -> Iterator[Connection]:
    """A connection that sees one moment of it, for as long as it takes. StoreError where somebody has it open."""
    with contextlib.ExitStack() as stack:
        engine = _alone(where) if isinstance(where, Path) else open_database(where)
        stack.callback(engine.dispose)
        if not isinstance(where, Path):
            stack.enter_context(_locked(engine))
        connection = stack.enter_context(engine.execution_options(isolation_level="AUTOCOMMIT").connect())
        if not isinstance(where, Path):
            connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            stack.callback(connection.exec_driver_sql, "ROLLBACK")
        if (found := revision_of(connection)) != newest_revision():
            raise StoreError(
                f"the store has the schema {found or 'of no version'} and this version works with {newest_revision()}: "
                "bring it up to date with `sallyport init` first"
            )
        yield connection


def refuse_sessions(connection: Connection) -> None:
    """StoreError where another session of ours is open on this database of a PostgreSQL server."""
    others = connection.execute(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'sallyport' AND pid <> pg_backend_pid()"
        )
    ).scalar_one()
    if others:
        raise StoreError(_IN_USE)


def _alone(path: Path) -> Engine:
    connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=_PATIENCE_S, check_same_thread=False)
    connection.isolation_level = None
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")  # the lock stays until the connection is closed
    except sqlite3.OperationalError as error:
        connection.close()
        raise StoreError(_IN_USE if "locked" in str(error) else f"{path} cannot be read ({error})") from None
    return create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool, hide_parameters=True)


@contextlib.contextmanager
def _locked(engine: Engine) -> Iterator[None]:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as guard:
        refuse_sessions(guard)
        if not guard.execute(text(f"SELECT pg_try_advisory_lock({WRITE_LOCK})")).scalar_one():
            raise StoreError(_IN_USE)
        try:
            yield
        finally:
            guard.execute(text(f"SELECT pg_advisory_unlock({WRITE_LOCK})"))
