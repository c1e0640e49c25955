"""The schema brought up to date: which migrations there are, and running those that are due.

Alembic is imported when there is one to run: it takes longer than most of what else a command does. What a migration
does is in policy/migrations/versions.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from policy.store.errors import StoreError
from policy.store.statements import prepared

MIGRATIONS = Path(__file__).parent.parent / "migrations"
MOVING = "moving"  # in place of a revision, as long as policy/migrating fills the database
REVISION_FOUND = prepared("SELECT version_num FROM alembic_version")
OF_A_MOVE = ("state_move", "state_move_identity")  # its tables


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; nothing happens where it is."""
    with engine.begin() as connection:
        found = revision_of(connection)
        if found == MOVING:
            raise StoreError(
                "the database is being filled by `sallyport migrate-state`, which has not finished: run it again"
            )
        if found is not None and not revision_is_known(found):
            raise StoreError(
                f"the database has the schema {found}, of a newer version; this one works with {newest_revision()}: "
                "start that version, or restore a backup of before the upgrade"
            )
        if found != newest_revision():
            migrate_on(connection, "head")


def migrate_on(connection: Connection, revision: str) -> None:
    """The schema up to `revision`, within a transaction."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def newest_revision() -> str:
    """The one that this version works with."""
    return max(_revisions())


def revision_is_known(revision: str) -> bool:
    """Whether this version, or one before it, has worked with it."""
    return revision in _revisions()


def revision_of(connection: Connection) -> str | None:
    """The one of a database, where Alembic keeps it; None of an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _revisions() -> set[str]:
    """Their numbers, which are in the names of their files: v0001_first.py."""
    return {path.name[1:5] for path in (MIGRATIONS / "versions").glob("v[0-9]*.py")}
