"""Restore: a backup in place of what a database holds, in one transaction, whichever database it came from.

The tables are made anew at the schema that the backup has, filled, and then brought up to date, so that a backup of an
older version goes the way that its database would have gone. What must not go back goes on from where it was: the
numbers of rows that others remember (a credential of an open session, the feed of revocations), the audit log, whose
acts since the backup stay in it, and budgets: what was spent since stays spent. Browsers have to sign in again.
"""

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, delete, insert, inspect, select, text
from sqlalchemy.exc import NoSuchTableError

from policy.store import audit, kept_budgets
from policy.store.archive import ArchiveReader, Manifest
from policy.store.backup import KEYS, Say, last_ids_of
from policy.store.errors import StoreError
from policy.store.filling import go_on_from, put_rows, reflected
from policy.store.first_0006 import is_of_the_first_form, turn_back
from policy.store.migrating import OF_A_MOVE, migrate_on, revision_is_known
from policy.store.models import Audit, ConsoleSessions
from policy.store.operation_models import HealthReports, Looks
from policy.store.schema import METADATA

_ROWS_AT_ONCE = 1000


def contents(engine: Engine, administrator: str) -> str:
    """What a restore would replace, in words; empty where there is no more than the first start has made.

    That is one identity of the name `administrator`, and its first credential where it was shown.
    """
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        if not inspect(connection).has_table("identity"):
            return ""
        identities = connection.execute(text("SELECT count(*) FROM identity")).scalar_one()
        credentials = connection.execute(text("SELECT count(*) FROM credential")).scalar_one()
        others = connection.execute(
            text("SELECT count(*) FROM identity WHERE name <> :administrator"), {"administrator": administrator}
        ).scalar_one()
    if not others and credentials <= 1:
        return ""
    return " and ".join(
        (
            f"{identities} {'identity' if identities == 1 else 'identities'}",
            f"{credentials} {'credential' if credentials == 1 else 'credentials'}",
        )
    )


def restore(
    engine: Engine,
    state_dir: Path,
    archive: ArchiveReader,
    actor: audit.Actor,
    now: float,
    say: Say,
    elsewhere: frozenset[str] = frozenset(),
) -> Manifest:
    """Put everything of the archive in place: the rows in one transaction, and then the keys but those `elsewhere`."""
    manifest = archive.manifest
    if not revision_is_known(manifest.revision):
        raise StoreError(
            f"the backup was made by version {manifest.version} with a newer schema ({manifest.revision}); "
            "restore it with that version or a newer one"
        )
    keys = {name: archive.key(name) for name in KEYS if name in manifest.keys and name not in elsewhere}
    with _drafts(state_dir, keys) as drafts:
        _replace(engine, archive, actor, now, say)
        for draft, path in drafts.items():
            draft.replace(path)
    return manifest


def _replace(engine: Engine, archive: ArchiveReader, actor: audit.Actor, now: float, say: Say) -> None:
    manifest = archive.manifest
    with engine.begin() as connection:
        acts, last_ids = _what_goes_on(connection)
        are_charges_kept = kept_budgets.keep(connection)
        drop_everything(connection)
        migrate_on(connection, manifest.revision)
        if is_of_the_first_form(manifest.revision, manifest.tables):
            turn_back(connection)
        for name in manifest.tables:
            _fill(connection, name, archive.rows(name), say)
        migrate_on(connection, "head")
        if are_charges_kept:
            kept_budgets.add(connection)
        go_on_from(connection, manifest.last_ids, last_ids)
        _append(connection, acts)
        for gone in (ConsoleSessions, HealthReports, Looks):  # of a moment, and of the parts that there were then
            connection.execute(delete(gone))
        _record(connection, manifest, actor, now)


def _what_goes_on(connection: Connection) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The acts in the audit log, and the last number that each table has given."""
    if not inspect(connection).has_table("audit"):
        return [], {}
    log = reflected(connection, "audit")
    return [dict(row) for row in connection.execute(select(log).order_by(log.c.id)).mappings()], last_ids_of(connection)


def drop_everything(connection: Connection) -> None:
    """Our own tables, of any revision; whatever else is in the database is somebody else's."""
    ours = {*METADATA.tables, "alembic_version", *OF_A_MOVE}
    there = MetaData()
    there.reflect(connection, only=lambda name, _: name in ours)
    there.drop_all(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("DROP FUNCTION IF EXISTS audit_stays()"))


def _fill(connection: Connection, name: str, rows: Iterator[dict[str, Any]], say: Say) -> None:
    try:
        table = reflected(connection, name)
    except NoSuchTableError:
        raise StoreError(f"the backup is damaged: its schema has no table {name}") from None
    done = 0
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        put_rows(connection, table, batch)
        done += len(batch)
        say(name, done)


def _append(connection: Connection, acts: Iterable[dict[str, Any]]) -> None:
    """Those that the backup does not know, with numbers of their own."""
    restored = {tuple(row) for row in connection.execute(select(Audit.__table__))}
    names = Audit.__table__.columns.keys()
    missing = [act for act in acts if tuple(act[name] for name in names) not in restored]
    for act in missing:
        connection.execute(insert(Audit).values({name: value for name, value in act.items() if name != "id"}))


def _record(connection: Connection, manifest: Manifest, actor: audit.Actor, now: float) -> None:
    rows = sum(part.rows for part in manifest.tables.values())
    after = {"made_at": manifest.made_at, "version": manifest.version, "revision": manifest.revision, "rows": rows}
    audit.record(connection, actor, now, "backup-restored", "database", {}, after)


@contextlib.contextmanager
def _drafts(state_dir: Path, keys: Mapping[str, bytes]) -> Iterator[dict[Path, Path]]:
    """The keys, on disk beside their places. They move there once the rows are: keys alone would lock everybody out."""
    drafts = dict[Path, Path]()
    try:
        for name, content in keys.items():
            path = state_dir / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            drafts[draft] = path
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        yield drafts
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
