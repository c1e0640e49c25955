"""Where the database is that the settings name: a file in the state directory, or a database of a PostgreSQL server."""

from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError

from policy.settings import Settings
from policy.store.database import Location, open_database
from service.settings import SettingError, read_secret

_SETTING = "POLICY_DATABASE_URL"
_FORMS = "it should be postgresql://USER@HOST/DATABASE or sqlite:///PATH, or empty for a file in POLICY_STATE_DIR"


def location(settings: Settings) -> Location:
    """Where the database is; the password of PostgreSQL is read from its file."""
    where = named_location(settings)
    if isinstance(where, Path) or not settings.database_password_file:
        return where
    return where.set(password=read_secret("POLICY_DATABASE_PASSWORD_FILE", settings.database_password_file))


def named_location(settings: Settings) -> Location:
    """The same without a password. No sentence repeats the URL: somebody may have put a password into it."""
    if not settings.database_url:
        return settings.state_dir / "sallyport.db"
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError):
        raise SettingError(_SETTING, "it is no URL", _FORMS) from None
    if url.drivername == "sqlite" and url.database and not (url.host or url.query):
        return Path(url.database)
    if url.drivername != "postgresql" or not url.database or not 0 < (url.port or 5432) <= 65535:  # noqa: PLR2004
        raise SettingError(_SETTING, "it names no database that can be used", _FORMS)
    if url.password is not None or "password" in url.query:
        raise SettingError(
            _SETTING,
            "it holds a password, which every look at the environment would show",
            "put the password into a file of mode 0600 and the file's path into POLICY_DATABASE_PASSWORD_FILE",
        )
    return url


def open_existing(settings: Settings) -> Engine:
    """The database, which `sallyport init` must have made."""
    where = location(settings)
    if isinstance(where, Path) and not where.exists():
        raise SettingError(
            "POLICY_STATE_DIR" if not settings.database_url else _SETTING,
            f"there is no database {where}" if settings.database_url else f"there is no database in {where.parent}",
            "run `sallyport init` first",
        )
    return open_database(where)


def spelled(where: Location) -> str:
    """For people; without a password."""
    return str(where) if isinstance(where, Path) else where.set(password=None).render_as_string()
