"""Backup: the whole store as one moment saw it, while everything goes on.

The rows come from one snapshot that waits for no writer and keeps none waiting. The keys beside the database belong to
it: without the digest key no secret in it can be verified. restore.py is the way back.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from sqlalchemy import Connection, Engine, Table, select, text

from policy.store import audit
from policy.store.archive import FORMAT, Manifest, Row, writing
from policy.store.errors import StoreError
from policy.store.migrating import newest_revision, revision_of
from policy.store.schema import METADATA
from service import VERSION

DIGEST_KEY = "digest.key"
KEYS = (DIGEST_KEY, "client-ca/key.pem", "client-ca/cert.pem")  # in POLICY_STATE_DIR

Say = Callable[[str, int], None]  # how far it is: a table's name, and how many of its rows are done

_ROWS_AT_ONCE = 5000


def back_up(
    engine: Engine,
    state_dir: Path,
    file: IO[bytes],
    now: float,
    say: Say,
    elsewhere: Mapping[str, Iterable[Row]] = MappingProxyType({}),
    digest_key: Path | None = None,
) -> Manifest:
    """Write everything to `file`. `elsewhere` has the rows of tables that are not kept in the database: budgets.

    They are read after the database's moment, so that they may know of a little more than it. `digest_key`: where
    that key is, if not in `state_dir`.
    """
    with writing(file, now, state_dir) as writer, snapshot(engine) as connection:
        revision = revision_of(connection)
        if revision != newest_revision():
            raise StoreError("the database has not the schema of this version; run `sallyport init` first")
        tables = {
            table.name: writer.add_table(table.name, elsewhere.get(table.name) or _rows(connection, table, say))
            for table in METADATA.sorted_tables
        }
        places = {name: state_dir / name for name in KEYS} | ({DIGEST_KEY: digest_key} if digest_key else {})
        keys = {name: path.read_bytes() for name, path in places.items() if path.exists()}
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            revision=revision,
            made_at=now,
            database=engine.dialect.name,
            tables=tables,
            last_ids=last_ids_of(connection),
            keys={name: writer.add_key(name, content) for name, content in keys.items()},
        )
        writer.add_manifest(manifest)
    return manifest


def note_backup(engine: Engine, actor: audit.Actor, made: Manifest, target: str, now: float) -> None:
    """Whoever has the file has the store: the audit log says who made one."""
    rows = sum(part.rows for part in made.tables.values())
    with engine.begin() as connection:
        audit.record(connection, actor, now, "backup-made", target, {}, {"rows": rows, "revision": made.revision})


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file of mode 0600 that appears complete or not at all, and in place of no other."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.exists():
            raise StoreError(f"{path} is there already; choose another name")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        finally:
            draft.unlink()
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror})") from None


def last_ids_of(connection: Connection) -> dict[str, int]:
    """The last number that each table has given, of those that keep count beside their rows."""
    if connection.dialect.name == "sqlite":
        return {name: int(last) for name, last in connection.execute(text("SELECT name, seq FROM sqlite_sequence"))}
    found = {}
    for name, sequence in connection.execute(
        text(
            "SELECT table_name, pg_get_serial_sequence(table_name, 'id') FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND column_name = 'id' AND column_default LIKE 'nextval(%'"
        )
    ).all():
        last = connection.execute(text(f"SELECT last_value FROM {sequence} WHERE is_called")).scalar()  # noqa: S608
        if last is not None:
            found[str(name)] = int(last)
    return found


@contextlib.contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """One moment of the database for as long as it takes, without the write lock."""
    words = "BEGIN" if engine.dialect.name == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(words)
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


def _rows(connection: Connection, table: Table, say: Say) -> Iterator[Row]:
    number = 0
    wanted = select(table).order_by(*table.primary_key).execution_options(yield_per=_ROWS_AT_ONCE)
    with connection.execute(wanted) as found:
        for number, row in enumerate(found.mappings(), 1):
            yield dict(row)
            if number % _ROWS_AT_ONCE == 0:
                say(table.name, number)
    say(table.name, number)
