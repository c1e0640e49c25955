"""The schema brought up to date: which migrations there are, and running those that are due.

Alembic is imported when there is one to run: it takes longer than most of what else a command does. What a migration
does is in policy/migrations/versions.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; nothing happens where it is."""
    with engine.begin() as connection:
        if revision_of(connection) != newest_revision():
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
