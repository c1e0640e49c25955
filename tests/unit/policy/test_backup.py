"""Backup and restore on real databases: everything comes back, from either into either, or nothing is changed."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Boolean, Engine, Integer, LargeBinary, delete, insert, inspect, select, text

import postgresql
from policy.store import audit
from policy.store.archive import Manifest, reading
from policy.store.backup import back_up, last_ids_of, note_backup, whole_file
from policy.store.database import Location, open_database
from policy.store.directory import Directory
from policy.store.errors import StoreError
from policy.store.identities import IdentityStore, NewCredential
from policy.store.migrating import MIGRATIONS, migrate, newest_revision
from policy.store.models import Audit, ConsoleSessions, Credentials, Identities, Revocations
from policy.store.reader import open_reader
from policy.store.restore import contents, restore
from policy.store.schema import METADATA

T = 1_000_000.0  # any moment
ACTOR = audit.Actor("cli:test", "localhost")
KEY = bytes(range(32))


def say(table: str, rows: int) -> None:
    """Nobody is looking."""


def saved(engine: Engine, state_dir: Path) -> bytes:
    """A backup, as a file holds it."""
    file = io.BytesIO()
    back_up(engine, state_dir, file, T, say)
    return file.getvalue()


def put_back(engine: Engine, state_dir: Path, backup: bytes, now: float = T + 1) -> Manifest:
    """The same backup in place."""
    with reading(io.BytesIO(backup)) as archive:
        return restore(engine, state_dir, archive, ACTOR, now, say)


def manifest_of(backup: bytes) -> Manifest:
    """What it says of itself."""
    with reading(io.BytesIO(backup)) as archive:
        return archive.manifest


def rows(engine: Engine, *but: str) -> dict[str, list[Any]]:
    """All that is in the store."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in METADATA.sorted_tables
            if table.name not in but
        }


def fill_every_table(engine: Engine) -> None:
    """Two rows in each, with the values that are the hardest for a format."""
    for table in METADATA.sorted_tables:
        for number in (1, 2):
            values: dict[str, Any] = {}
            for column in table.columns:
                if column.foreign_keys or (column.name == "id" and isinstance(column.type, Integer)):
                    values[column.name] = number
                elif isinstance(column.type, LargeBinary):
                    values[column.name] = bytes(range(256)) + bytes([number])
                elif isinstance(column.type, Boolean):
                    values[column.name] = number == 1
                elif column.type.python_type is str:
                    values[column.name] = f'Ünï "\\ \n \u2028 {{"base64": "x"}} {number}'
                else:
                    values[column.name] = number if isinstance(column.type, Integer) else T + number / 3
            with engine.begin() as connection:
                connection.execute(insert(table).values(values))


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """With the keys of this store."""
    folder = tmp_path / "state"
    (folder / "client-ca").mkdir(parents=True)
    for name in ("digest.key", "client-ca/key.pem", "client-ca/cert.pem"):
        (folder / name).write_text(f"{name} of the store")
    return folder


OF_A_MOMENT = ("console_session", "health_report", "look")


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Another database, without a schema."""
    if request.param == "sqlite":
        engine = open_database(tmp_path / "other.db")
        yield engine
        engine.dispose()
        return
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    where = postgresql.cluster().create_empty()
    engine = open_database(where)
    yield engine
    engine.dispose()
    postgresql.cluster().drop(where)


def test_everything_comes_back_from_either_into_either(engine: Engine, other: Engine, state_dir: Path) -> None:
    """Every column of every table, and the keys; browsers sign in again, and the parts tell anew how they are."""
    fill_every_table(engine)
    before = rows(engine, *OF_A_MOMENT, "audit")
    elsewhere = state_dir.parent / "elsewhere"
    manifest = put_back(other, elsewhere, saved(engine, state_dir))
    assert rows(other, *OF_A_MOMENT, "audit") == before
    assert [rows(other)[name] for name in OF_A_MOMENT] == [[], [], []]
    acts = rows(other)["audit"]
    assert acts[:2] == rows(engine)["audit"]
    assert [act[4] for act in acts[2:]] == ["backup-restored"]
    assert {part.rows for part in manifest.tables.values()} == {2}
    for name in ("digest.key", "client-ca/key.pem", "client-ca/cert.pem"):
        assert (elsewhere / name).read_text() == f"{name} of the store"
        assert (elsewhere / name).stat().st_mode & 0o777 == 0o600
    with other.connect() as connection:
        connection.execute(insert(Identities).values(name="new", created_at=T))


def test_the_same_backup_again_is_the_same_store(engine: Engine, other: Engine, state_dir: Path) -> None:
    """From one database to the other and back: what is in the file does not depend on either."""
    fill_every_table(engine)
    first = saved(engine, state_dir)
    put_back(other, state_dir, first)
    second = manifest_of(saved(other, state_dir))
    for name, part in manifest_of(first).tables.items():
        assert name in (*OF_A_MOMENT, "audit") or second.tables[name] == part


async def test_credentials_go_on(
    store: IdentityStore, ada: NewCredential, engine: Engine, database: Location, state_dir: Path
) -> None:
    """Also for a policy that runs all the time: what it asks after the restore is what the backup says."""
    directory = Directory(open_reader(database), KEY)
    before = await directory.mailbox("ada@example.org")
    backup = saved(engine, state_dir)
    store.remove_identity("ada", T)
    assert await directory.mailbox("ada@example.org") is None
    put_back(engine, state_dir, backup)
    assert await directory.mailbox("ada@example.org") == before == "ada"
    assert [one.login for one in store.credentials()] == [ada.login]
    await directory.close()


def test_numbers_that_others_remember_do_not_come_again(
    store: IdentityStore, ada: NewCredential, engine: Engine, other: Engine, state_dir: Path
) -> None:
    """An open session knows its credential by its number, and a gateway the end of the feed that it has read."""
    backup = saved(engine, state_dir)
    for _ in range(3):
        store.revoke(store.add_credential("ada", "phone", T).login, T)
    put_back(engine, state_dir, backup)
    newest = store.add_credential("ada", "phone", T)
    store.revoke(newest.login, T)
    with engine.connect() as connection:
        assert connection.execute(select(Credentials.id).where(Credentials.login == newest.login)).scalar() == 5
        assert connection.execute(select(Revocations.id)).scalars().all() == [4]
    store.remove_identity("ada", T)
    put_back(other, state_dir, saved(engine, state_dir))
    with other.connect() as connection:
        assert last_ids_of(connection)["credential"] == 5


def test_the_audit_log_loses_nothing(store: IdentityStore, ada: NewCredential, engine: Engine, state_dir: Path) -> None:
    """A restore is no way to make an act undone: what was done since the backup stays, then the restore itself."""
    backup = saved(engine, state_dir)
    store.revoke(ada.login, T + 1)
    put_back(engine, state_dir, backup, T + 2)
    with engine.connect() as connection:
        acts = connection.execute(select(Audit.action).order_by(Audit.id)).scalars().all()
    assert acts == ["identity-added", "credential-added", "credential-revoked", "backup-restored"]
    with pytest.raises(Exception, match="append-only"), engine.begin() as connection:
        connection.execute(delete(Audit))


def test_a_backup_is_in_the_audit_log(engine: Engine, state_dir: Path) -> None:
    """Whoever has the file has the store."""
    made = back_up(engine, state_dir, io.BytesIO(), T, say)
    note_backup(engine, ACTOR, made, "backup.tar.gz", T)
    with engine.connect() as connection:
        (act,) = connection.execute(select(Audit)).all()
    assert (act.action, act.subject, act.actor) == ("backup-made", "backup.tar.gz", "cli:test")


def test_a_backup_is_of_one_moment(store: IdentityStore, engine: Engine, state_dir: Path) -> None:
    """What is written while it is being made is not in it, or an address would be there without its identity."""

    def write(table: str, _rows: int) -> None:
        if table == "identity":
            store.add_identity("eve", ("eve@example.org",), T)

    store.add_identity("ada", ("ada@example.org",), T)
    file = io.BytesIO()
    manifest = back_up(engine, state_dir, file, T, write)
    assert store.identity("eve")
    assert (manifest.tables["identity"].rows, manifest.tables["address"].rows) == (1, 1)


def test_browsers_sign_in_again(engine: Engine, state_dir: Path) -> None:
    """A session that was ended since the backup must not be open again."""
    fill_every_table(engine)
    put_back(engine, state_dir, saved(engine, state_dir))
    with engine.connect() as connection:
        assert connection.execute(select(ConsoleSessions)).all() == []


def test_a_backup_of_an_older_version(other: Engine, state_dir: Path) -> None:
    """It is restored at its own schema and goes the way of its database from there."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with other.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text("INSERT INTO identity (id, name, created_at) VALUES (7, 'ada', 1.5)"))
    older = rewritten(saved_at(other, "0002"), revision="0002")
    migrate(other)
    put_back(other, state_dir, older)
    (ada,) = IdentityStore(other, KEY, ACTOR).identities()
    assert (ada.name, ada.profile, ada.created_at) == ("ada", "person", 1.5)
    with other.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == newest_revision()


def saved_at(engine: Engine, revision: str) -> dict[str, bytes]:
    """What a version of that schema would have written."""
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(text("SELECT id, name, created_at FROM identity")).mappings()]
    return {"tables/identity.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in found)}


def rewritten(files: dict[str, bytes], **changed: object) -> bytes:
    """An archive with these files, vouched for, and a manifest that differs from an ordinary one."""
    tables = {
        name.removeprefix("tables/").removesuffix(".jsonl"): {"sha256": hashlib.sha256(content).hexdigest(), "rows": 1}
        for name, content in files.items()
    }
    manifest = {"format": 1, "version": "0", "revision": "0003", "made_at": T, "database": "sqlite"} | changed
    manifest |= {"tables": tables, "last_ids": {}, "keys": {}}
    return packed(files | {"manifest.json": json.dumps(manifest).encode()})


def packed(files: dict[str, bytes]) -> bytes:
    """A gzipped tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def unpacked(backup: bytes) -> dict[str, bytes]:
    """The files of one."""
    with tarfile.open(fileobj=io.BytesIO(backup), mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def changed(name: str, old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """A change of one file of the archive."""

    def change(backup: bytes) -> bytes:
        files = unpacked(backup)
        assert old in files[name]
        return packed(files | {name: files[name].replace(old, new)})

    return change


def without(name: str) -> Callable[[bytes], bytes]:
    """Leave one file out."""
    return lambda backup: packed({other: content for other, content in unpacked(backup).items() if other != name})


def deep(name: str) -> Callable[[bytes], bytes]:
    """One file becomes JSON that is nested deeper than any reader goes."""
    return lambda backup: packed(unpacked(backup) | {name: b"[" * 100_000 + b"]" * 100_000 + b"\n"})


BAD = [
    # what it shows, what becomes of a good backup, a part of the sentence
    ("empty", lambda _: b"", "damaged"),
    ("no archive", lambda _: b"hello", "damaged"),
    ("cut off", lambda backup: backup[: len(backup) // 2], "damaged"),
    ("without its end", lambda backup: backup[:-20], "damaged"),
    ("without a manifest", without("manifest.json"), "manifest.json is missing"),
    ("a manifest that is none", changed("manifest.json", b"revision", b"revisiom"), "manifest.json is none"),
    ("a format to come", changed("manifest.json", b'"format": 1', b'"format": 2'), "of format 2"),
    ("a schema to come", changed("manifest.json", b'"revision": "0', b'"revision": "9'), "newer schema"),
    ("without a table", without("tables/credential.jsonl"), "credential.jsonl is missing"),
    ("another row", changed("tables/identity.jsonl", b"ada", b"eve"), "identity is not what was written"),
    ("a row that is none", changed("tables/identity.jsonl", b"{", b"("), "damaged"),
    ("a row of nothing but depth", deep("tables/identity.jsonl"), "nested too deeply"),
    ("a manifest of nothing but depth", deep("manifest.json"), "nested too deeply"),
    ("another key", changed("keys/digest.key", b"store", b"thief"), "digest.key is not what was written"),
    ("without a key", without("keys/digest.key"), "digest.key is missing"),
]


@pytest.mark.parametrize(("change", "sentence"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_a_bad_backup_changes_nothing(
    store: IdentityStore,
    ada: NewCredential,
    engine: Engine,
    state_dir: Path,
    change: Callable[[bytes], bytes],
    sentence: str,
) -> None:
    """Neither a row nor a key, and no draft is left."""
    backup = change(saved(engine, state_dir))
    store.add_identity("bob", (), T)
    before, files = rows(engine), sorted(state_dir.rglob("*"))
    (state_dir / "digest.key").write_text("the key that is there")
    with pytest.raises(StoreError, match=sentence):
        put_back(engine, state_dir, backup)
    assert rows(engine) == before
    assert sorted(state_dir.rglob("*")) == files
    assert (state_dir / "digest.key").read_text() == "the key that is there"


def test_a_row_that_the_database_refuses(engine: Engine, state_dir: Path) -> None:
    """The sentence says which table; nothing is changed."""
    row = b'{"id": 1, "name": "ada", "profile": "person", "owner": "", "created_at": 1.5, "suspended_at": null}\n'
    before = rows(engine)
    with pytest.raises(StoreError, match="a row of table identity cannot be stored"):
        put_back(engine, state_dir, rewritten({"tables/identity.jsonl": row * 2}))
    assert rows(engine) == before


def test_tables_of_others_are_left_alone(engine: Engine, state_dir: Path) -> None:
    """A database may be somebody else's, too."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (x INTEGER)"))
    put_back(engine, state_dir, saved(engine, state_dir))
    with engine.connect() as connection:
        assert inspect(connection).has_table("theirs")


def test_what_a_restore_would_replace(other: Engine) -> None:
    """Nothing, as long as there is no more than the first start makes."""
    assert contents(other, "administrator") == ""
    migrate(other)
    store = IdentityStore(other, KEY, ACTOR)
    store.add_identity("administrator", ("postmaster@example.org",), T)
    assert contents(other, "administrator") == ""
    assert contents(other, "ada") == "1 identity and 0 credentials"
    store.add_credential("administrator", "first login", T)
    assert contents(other, "administrator") == ""
    store.add_credential("administrator", "laptop", T)
    assert contents(other, "administrator") == "1 identity and 2 credentials"
    store.add_identity("ada", (), T)
    assert contents(other, "administrator") == "2 identities and 2 credentials"


def test_a_store_of_another_schema_is_not_backed_up(other: Engine, state_dir: Path) -> None:
    """What this version cannot name it cannot save."""
    with pytest.raises(StoreError, match="sallyport init"):
        back_up(other, state_dir, io.BytesIO(), T, say)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """With the mode of a key, and in place of no other file."""
    path = tmp_path / "backup.tar.gz"

    def fail_halfway() -> Iterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.writelines(fail_halfway())
    assert list(tmp_path.iterdir()) == []
    with whole_file(path) as file:
        file.write(b"all")
        assert not path.exists()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"all", 0o600)
    with pytest.raises(StoreError, match="is there already"), whole_file(path):
        pass
    with pytest.raises(StoreError, match="cannot be written"), whole_file(tmp_path / "nowhere" / "backup"):
        pass
