"""Where the database is: what the settings may say, and the sentence where they may not."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from policy.location import location, named_location, open_existing
from policy.settings import Settings
from service.settings import SettingError

GIVEN = [
    # what it shows, POLICY_DATABASE_URL, expected
    ("nothing", "", "STATE/sallyport.db"),
    ("another file", "sqlite:////srv/store.db", "/srv/store.db"),
    ("a file where the process runs", "sqlite:///store.db", "store.db"),
    ("a server", "postgresql://sallyport@db.example.org/store", "postgresql://sallyport@db.example.org/store"),
    ("a socket", "postgresql://s@/store?host=/run/postgresql", "postgresql://s@/store?host=%2Frun%2Fpostgresql"),
]


@pytest.mark.parametrize(("given", "expected"), [c[1:] for c in GIVEN], ids=[c[0] for c in GIVEN])
def test_location(tmp_path: Path, given: str, expected: str) -> None:
    """A path is SQLite, a URL is PostgreSQL."""
    where = location(Settings(state_dir=tmp_path, database_url=given))
    told = where.render_as_string() if isinstance(where, URL) else str(where).replace(str(tmp_path), "STATE")
    assert told == expected


def test_the_password_comes_from_its_file(tmp_path: Path) -> None:
    """And is in no text that a location is shown as."""
    (tmp_path / "password").write_text("s3cret/@:word\n")
    settings = Settings(database_url="postgresql://s@db/store", database_password_file=tmp_path / "password")
    where = location(settings)
    assert isinstance(where, URL)
    assert where.password == "s3cret/@:word"
    assert "s3cret" not in f"{where} {where!r} {settings!r}"


REFUSED = [
    # what it shows, POLICY_DATABASE_URL, a part of the sentence
    ("no URL", "the database", "it is no URL"),
    ("a port that is none", "postgresql://db:x/store", "it is no URL"),
    ("another database", "mysql://s@db/store", "it names no database that can be used"),
    ("another driver", "postgresql+asyncpg://s@db/store", "it names no database that can be used"),
    ("a server without a database", "postgresql://s@db", "it names no database that can be used"),
    ("a file without a name", "sqlite://", "it names no database that can be used"),
    ("a file in memory of a host", "sqlite://host/store.db", "it names no database that can be used"),
    ("a password", "postgresql://s:geheim@db/store", "it holds a password"),
    ("an empty password", "postgresql://s:@db/store", "it holds a password"),
    ("a password behind it", "postgresql://s@db/store?password=geheim", "it holds a password"),
]


@pytest.mark.parametrize(("given", "sentence"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_cannot_be_used(given: str, sentence: str) -> None:
    """The sentence does not repeat the URL, because somebody may have put a password into it."""
    with pytest.raises(SettingError, match=f"^POLICY_DATABASE_URL: {sentence}") as refused:
        named_location(Settings(database_url=given))
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(("given", "setting"), [("", "POLICY_STATE_DIR"), ("sqlite:///{}/x.db", "POLICY_DATABASE_URL")])
def test_a_command_does_not_make_a_database(tmp_path: Path, given: str, setting: str) -> None:
    """A wrong path must not look like an empty store."""
    with pytest.raises(SettingError, match=rf"^{setting}: there is no database .*sallyport init"):
        open_existing(Settings(state_dir=tmp_path, database_url=given.format(tmp_path)))
    assert list(tmp_path.iterdir()) == []
