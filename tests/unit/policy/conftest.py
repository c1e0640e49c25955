"""What the tests of policy share: real databases of both kinds, and what works on them.

A test that asks for `database`, or for what stands on it, runs on SQLite and on PostgreSQL.
"""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

import postgresql
from policy.assembly import Parts, assemble
from policy.brain import Brain
from policy.engine.rulebook import Rulebook
from policy.geo.atlas import Atlas
from policy.rulebook import parse
from policy.store.audit import Actor
from policy.store.database import Location, open_database
from policy.store.directory import Directory
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import Notices
from policy.store.reader import open_reader
from policy.store.transactions import Transactions, open_transactions
from tests.migrated import migrated

T = 1_000_000.0  # any moment
ACTOR = Actor("cli:test", "localhost")
# Rates alone, and small ones.
RATES = """
[profiles.person]
recipients-per-message = 50
recipients = ["5/10 minutes", "8/hour"]
new-recipients = "none"
probation-new-recipients = "none"
probation-recipients = "none"
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Location]:
    """A database without a schema."""
    if request.param == "sqlite":
        yield tmp_path / "sallyport.db"
        return
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    where = postgresql.cluster().create_empty()
    yield where
    postgresql.cluster().drop(where)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the schema, and nothing in it."""
    return migrated(tmp_path_factory.mktemp("template") / "sallyport.db")


@pytest.fixture
def sqlite_database(tmp_path: Path, sqlite_template: Path) -> Path:
    """Where the SQLite file of this test is, with its schema and nothing in it."""
    return Path(shutil.copy(sqlite_template, tmp_path / "sallyport.db"))


@pytest.fixture
def postgresql_database() -> Iterator[Location]:
    """The same on a PostgreSQL server."""
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    where = postgresql.cluster().create()
    yield where
    postgresql.cluster().drop(where)


@pytest.fixture
def shared_postgresql_database() -> Location:
    """The one that tests share, emptied: for whatever leaves the server and the schema alone."""
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    return postgresql.cluster().lend()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Location:
    """Where the database of this test is, of either kind."""
    names = {"sqlite": "sqlite_database", "postgresql": "shared_postgresql_database"}
    where: Location = request.getfixturevalue(names[request.param])
    return where


@pytest.fixture
def engine(database: Location) -> Iterator[Engine]:
    """An engine on it."""
    opened = open_database(database)
    yield opened
    opened.dispose()


@pytest.fixture
def statements(database: Location) -> Iterator[Transactions]:
    """Where a writer's statements run; each is a transaction of its own, as long as a test begins none."""
    opened = open_transactions(database)
    yield opened
    opened.close()


@pytest.fixture
def key() -> bytes:
    """A digest key."""
    return bytes(range(32))


@pytest.fixture
def store(engine: Engine, key: bytes) -> IdentityStore:
    """An empty identity store."""
    return IdentityStore(engine, key, ACTOR)


@pytest.fixture
async def directory(database: Location, key: bytes) -> AsyncIterator[Directory]:
    """What the services ask of it."""
    made = Directory(open_reader(database), key)
    yield made
    await made.close()


@pytest.fixture
def ada(store: IdentityStore) -> NewCredential:
    """The credential of ada's laptop."""
    store.add_identity("ada", ("ada@example.org",), T)
    return store.add_credential("ada", "laptop", T)


@pytest.fixture
def rulebook() -> Rulebook:
    """The policy in force."""
    return parse(RATES, "test")


@pytest.fixture
def told(engine: Engine) -> Callable[[], list[tuple[str, str]]]:
    """What the administrator is told until now: kind and subject."""
    row = Notices
    wanted = select(row.kind, row.subject).where(row.channel == "administrator").order_by(row.id)

    def read() -> list[tuple[str, str]]:
        with engine.connect() as connection:
            return [(kind, subject) for kind, subject in connection.execute(wanted)]

    return read


@pytest.fixture
async def brain(statements: Transactions, directory: Directory, rulebook: Rulebook) -> AsyncIterator[Brain]:
    """All of policy but its HTTP. The clock stands at T."""
    made = assemble(
        Parts(
            reader=directory._reader,
            transactions=statements,
            key=bytes(range(32)),
            rulebook=lambda: rulebook,
            atlas=Atlas(None, None),
            clock=lambda: T,
            domains=("example.org",),
            unwalled=(ip_network("203.0.113.0/24"),),
            walls_key=bytes(32),
            submissions_kept_s=86400.0,
            patience_s=0,
        )
    )
    yield made
    await made.writer.close()
    await made.logins.close()
