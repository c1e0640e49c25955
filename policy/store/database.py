"""The database: where it is, and how it is opened. Its schema is brought up to date in migrating.py.

Two kinds with the same schema and the same promises. SQLite is a file beside policy and needs nothing; PostgreSQL is a
server, for whoever runs more than one policy or has backups and replicas there already.

One transaction writes at a time in both, so that sum and insert of a budget are one step for every process, and the
rows of the audit log and of the feed of revocations get their numbers in the order in which they become visible.
SQLite: BEGIN IMMEDIATE takes its one write lock. PostgreSQL: an advisory lock, taken as the transaction begins.

A commit is on disk when it returns. SQLite: WAL with synchronous=FULL (NORMAL may lose the last commits in a power cut,
SQLite documentation, "Write-Ahead Logging"). PostgreSQL: synchronous_commit, which a connection of ours has never off.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from psycopg import OperationalError, connect
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from policy.store.errors import StoreError

WRITE_LOCK = int.from_bytes(b"sallypor")
TAKE_WRITE_LOCK = f"SELECT pg_advisory_xact_lock({WRITE_LOCK})"

Location = Path | URL  # of the SQLite file, or of the database of a PostgreSQL server

_TRIES, _PAUSE_S = 60, 1.0
_BUSY_TIMEOUT_S = 5.0  # as long as one writer waits for another one
_SESSION = (
    # Each statement sees what was committed before it: a snapshot from before the lock would be an old one.
    "-c default_transaction_isolation=read\\ committed",
    f"-c lock_timeout={_BUSY_TIMEOUT_S:.0f}s",
    # Who is stopped in the middle of a transaction must not keep everybody else from writing.
    "-c idle_in_transaction_session_timeout=60s",
    # What was asked for may be a secret in the wrong field: the server's log has no parameters of what failed.
    "-c log_parameter_max_length_on_error=0",
)
_NETWORK: dict[str, str | int] = {
    "application_name": "sallyport",
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms; a server that is gone without a word is noticed
}
ALWAYS_ON_DISK = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)


def open_database(where: Location, *, busy_timeout_s: float = _BUSY_TIMEOUT_S) -> Engine:
    """The engine for the database at `where`. An SQLite file need not exist yet; its folder must."""
    if isinstance(where, Path):
        return _open_sqlite(where, busy_timeout_s)
    engine = create_engine(
        where.set(drivername="postgresql+psycopg"),
        connect_args=_arguments(where),
        pool_pre_ping=True,
        hide_parameters=True,  # an error must not carry into a log what was asked for
    )
    event.listen(engine, "connect", _configure_postgresql)
    event.listen(engine, "begin", _begin)
    return engine


def kept_connection(engine: Engine) -> sqlite3.Connection:
    """A connection of SQLite's driver, opened as the engine opens its own, that is the caller's to close."""
    pooled = engine.raw_connection()
    kept = pooled.driver_connection
    if not isinstance(kept, sqlite3.Connection):
        raise TypeError(kept)
    pooled.detach()
    return kept


def conninfo(where: URL) -> str:
    """The same database in the words of PostgreSQL's own driver."""
    given = {name: value if isinstance(value, str) else ",".join(value) for name, value in where.query.items()}
    return make_conninfo(
        **(where.translate_connect_args(username="user", database="dbname") | given | _arguments(where))
    )


def wait_for(where: Location, say: Callable[[str], None]) -> None:
    """Return as soon as PostgreSQL answers, which may be starting, too; StoreError after a minute.

    `say` hears once what is waited for.
    """
    if isinstance(where, Path):
        return
    for tries_left in reversed(range(_TRIES)):
        try:
            connect(conninfo(where)).close()
        except OperationalError as error:
            reason = str(error).splitlines()[0]
            if tries_left == 0:
                raise StoreError(f"PostgreSQL does not answer ({reason}); is POLICY_DATABASE_URL right?") from None
            if tries_left == _TRIES - 1:
                say(reason)
            time.sleep(_PAUSE_S)
        else:
            return


def _open_sqlite(path: Path, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        # One thread at a time has a connection: the pool's borrower, or whoever keeps it (see kept_connection).
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Readers (AUTOCOMMIT) begin nothing: they see the last commit and wait for nobody."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else TAKE_WRITE_LOCK)


def _arguments(where: URL) -> dict[str, str | int]:
    """What the URL says goes first, but for the session's settings, without which the promises above do not hold."""
    given = where.query.get("options", ())
    options = " ".join([*([given] if isinstance(given, str) else given), *_SESSION])
    return {name: value for name, value in _NETWORK.items() if name not in where.query} | {"options": options}


def _configure_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(connection)
    connection.isolation_level = None  # the driver begins no transaction of its own; the listener above does
    # Whoever closes the last other connection has the file to himself for a moment: that is waited for, always.
    ((patience_ms,),) = connection.execute("PRAGMA busy_timeout").fetchall()
    opening_ms = round(_BUSY_TIMEOUT_S * 1000)
    waits = (f"busy_timeout={opening_ms}", f"busy_timeout={patience_ms}")
    for pragma in (waits[0], "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", waits[1]):
        connection.execute(f"PRAGMA {pragma}")


def _configure_postgresql(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(ALWAYS_ON_DISK)
    cursor.close()
    connection.commit()
