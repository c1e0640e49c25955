"""`sallyport backup` and `sallyport restore`: the whole store in one file, from and to either database."""

import contextlib
import json as documents
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer
from sqlalchemy import Engine

from policy.budgets.location import server_of
from policy.cli.arguments import Yes, confirm
from policy.cli.output import JSON, when
from policy.cli.store import actor
from policy.location import location, open_existing
from policy.migrating.with_backups import filled_after, rows_of
from policy.opening import ADMINISTRATOR
from policy.settings import Settings
from policy.store.archive import ArchiveReader, Manifest, reading
from policy.store.audit import Wanted, newest
from policy.store.backup import DIGEST_KEY, back_up, note_backup, whole_file
from policy.store.database import open_database
from policy.store.errors import StoreError
from policy.store.held_book import count_on_hold
from policy.store.incident_advice import in_words
from policy.store.incidents import Counted
from policy.store.restore import contents
from policy.store.restore import restore as put_back
from service.settings import load

_STANDARD = "-"
_OUT_OF_A_CONTAINER = "./sallyport runs as a user of its own, so let your shell write it: ./sallyport backup - >"
_INTO_A_CONTAINER = "./sallyport runs as a user of its own, so let your shell read it: ./sallyport restore - <"
_WHAT_NOW = (
    "Logins are those of the backup now, the administrator's, too. Restart policy and the console, which work with the "
    "key that they have read; docs/database.md (Backup and restore) says how, wherever they run."
)
_HELD_APART = (
    "On hold: {counted}. Postfix's queue has them, and no backup does. Another machine shows them as gone, unless the "
    "queue comes along: docs/operating.md (Another machine)."
)
_LOOKED_AT = 100_000  # acts since the backup
# Acts that shut somebody out. The audit log keeps them; what they did is gone with a restore.
_SHUT_OUT = frozenset(
    (
        "contained",
        "credential-changed",
        "credential-renewed",
        "credential-revoked",
        "identity-removed",
        "identity-suspended",
        "incident-answered",
        "incident-purged",
        "network-distrusted",
        "network-forgotten",
        "token-revoked",
    )
)


def backup(
    file: Annotated[str, typer.Argument(help="The new file; - is standard output.", show_default=False)],
    json: JSON = False,
) -> None:
    """Write everything to one file, while everything runs: the database and the keys that belong to it.

    The file lets whoever has it verify secrets: keep it as you keep a key.

    Example: sallyport backup sallyport-2027-01-31.tar.gz
    """
    if file == _STANDARD and json:
        raise typer.BadParameter("standard output cannot be the backup and JSON at once")
    settings, now = load(Settings), time.time()
    engine = open_existing(settings)
    server = server_of(settings.budgets_url, settings.budgets_password_file)
    with _target(file) as target, rows_of(server, now) as elsewhere:
        made = back_up(engine, settings.state_dir, target, now, _tell, elsewhere, settings.digest_key_file)
    note_backup(engine, actor(), made, file, now)
    _tell_what_is_on_hold(engine)
    engine.dispose()
    if file != _STANDARD:
        _show(made, f"{file}: {_rows(made)} rows and {len(made.keys)} keys", json)


def restore(
    file: Annotated[str, typer.Argument(help="A backup; - is standard input.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Even where there are identities already.")] = False,
    yes: Yes = False,
    json: JSON = False,
) -> None:
    """Put a backup in place, from either database into the one that the settings name.

    Example: sallyport restore sallyport-2027-01-31.tar.gz
    """
    settings = load(Settings)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    where = location(settings)
    engine = open_database(where)
    with _source(file, settings.state_dir) as source, reading(source) as archive:
        elsewhere = _keys_elsewhere(settings, archive)
        there = contents(engine, ADMINISTRATOR)
        if there and not replace:
            raise StoreError(f"the store has {there} already; --replace puts the backup in their place")
        if there:
            confirm(f"Replace {there} with the backup of {when(archive.manifest.made_at)}?", yes)
        now, server = time.time(), server_of(settings.budgets_url, settings.budgets_password_file)
        with filled_after(engine, server, now, _tell):
            put_back(engine, settings.state_dir, archive, actor(), now, _tell, elsewhere)
        undone = _shut_out_since(engine, archive.manifest.made_at)
    _tell_what_is_on_hold(engine)
    engine.dispose()
    if isinstance(where, Path):
        where.chmod(0o600)
    _show(archive.manifest, f"restored {_rows(archive.manifest)} rows of {when(archive.manifest.made_at)}", json)
    print(_WHAT_NOW, file=sys.stderr)
    if undone:
        print(f"Undone by it, so do again what is to stay: {', '.join(undone)}.", file=sys.stderr)


def _tell_what_is_on_hold(engine: Engine) -> None:
    """Nobody is to believe that the file has it."""
    with engine.connect() as connection:
        messages, recipients = count_on_hold(connection)
    if messages:
        print(_HELD_APART.format(counted=in_words(Counted(messages, recipients))), file=sys.stderr)


def _shut_out_since(engine: Engine, made_at: float) -> list[str]:
    """What was done since the backup to keep somebody out, each once, the oldest first: he is in again."""
    acts = reversed(newest(engine, Wanted(since=made_at), _LOOKED_AT))
    return list(dict.fromkeys(f"{one.action} {one.subject}" for one in acts if one.action in _SHUT_OUT))


def _keys_elsewhere(settings: Settings, archive: ArchiveReader) -> frozenset[str]:
    """A key outside of POLICY_STATE_DIR is not ours to replace (a secret of Kubernetes): it has to be the backup's."""
    place = settings.digest_key_file
    if place == settings.state_dir / DIGEST_KEY or DIGEST_KEY not in archive.manifest.keys:
        return frozenset()
    if not place.is_file() or place.read_bytes().strip() != archive.key(DIGEST_KEY).strip():
        raise StoreError(
            f"the backup has another digest key than {place} (POLICY_DIGEST_KEY_FILE), under which no login of it "
            "is valid; put its own there first: tar -xzOf FILE keys/digest.key"
        )
    return frozenset({DIGEST_KEY})


@contextlib.contextmanager
def _target(file: str) -> Iterator[IO[bytes]]:
    if file != _STANDARD:
        if not os.access(Path(file).parent, os.W_OK):
            raise StoreError(f"{Path(file).parent} is not there or cannot be written; {_OUT_OF_A_CONTAINER} {file}")
        with whole_file(Path(file)) as target:
            yield target
        return
    if sys.stdout.isatty():
        raise StoreError("a backup is nothing for a terminal; name a file, or send standard output to one")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def _source(file: str, folder: Path) -> Iterator[IO[bytes]]:
    """Standard input is collected first: what is in a backup is not read in its order."""
    if file == _STANDARD:
        with tempfile.TemporaryFile(dir=folder) as collected:
            shutil.copyfileobj(sys.stdin.buffer, collected)
            collected.seek(0)
            yield collected
        return
    if not os.access(file, os.R_OK):
        raise StoreError(f"{file} is not there or cannot be read; {_INTO_A_CONTAINER} {file}")
    with Path(file).open("rb") as source:
        yield source


def _tell(table: str, rows: int) -> None:
    """How far it is, for whoever is looking."""
    if sys.stderr.isatty():
        print(f"{table}: {rows} rows", file=sys.stderr)


def _show(manifest: Manifest, sentence: str, as_json: bool) -> None:
    if not as_json:
        print(sentence)
        return
    told = manifest.model_dump(include={"version", "revision", "database"})
    tables = {name: part.rows for name, part in manifest.tables.items()}
    print(documents.dumps(told | {"made_at": when(manifest.made_at), "tables": tables, "keys": list(manifest.keys)}))


def _rows(manifest: Manifest) -> int:
    return sum(part.rows for part in manifest.tables.values())
