"""What only a database server can do to policy: be away, come back, break a connection in the middle."""

import asyncio
from collections.abc import Callable
from functools import partial

import psycopg
import pytest
from sqlalchemy import URL, bindparam, select

from policy.store.database import TAKE_WRITE_LOCK, conninfo, open_database
from policy.store.models import Identities
from policy.store.reader import PostgresqlReader, open_reader
from policy.store.statements import Prepared, prepared
from policy.store.transactions import PostgresqlTransactions, open_transactions
from policy.store.writer import Writer

ADD = prepared("INSERT INTO identity (name, created_at) VALUES (:name, 0)")
NAMES = prepared("SELECT name FROM identity WHERE name = :name OR :name = '' ORDER BY name")


def break_connections(where: URL) -> None:
    """Every session of the database but this one ends, as when the server is started anew."""
    with psycopg.connect(conninfo(where), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def found(reader: PostgresqlReader, name: str = "") -> list[str]:
    """The identities that there are."""
    return [row[0] for row in await reader.rows(NAMES, {"name": name})]


@pytest.fixture
def reader(postgresql_database: URL) -> PostgresqlReader:
    made = open_reader(postgresql_database)
    assert isinstance(made, PostgresqlReader)
    return made


async def test_a_question_survives_a_restart_of_the_server(reader: PostgresqlReader, postgresql_database: URL) -> None:
    """All connections that were kept are lost at once; each question is asked again on a new one."""
    assert await asyncio.gather(*[found(reader) for _ in range(4)]) == [[]] * 4
    for _ in range(2):
        break_connections(postgresql_database)
        assert await asyncio.gather(*[found(reader) for _ in range(8)]) == [[]] * 8
    await reader.close()


UNSTORABLE = [
    # what it shows, question, what is asked for
    ("a NUL", NAMES, "a\0b"),
    ("a number too large", prepared(select(Identities.name).where(Identities.id == bindparam("name"))), 2**40),
]


@pytest.mark.parametrize(("question", "asked"), [c[1:] for c in UNSTORABLE], ids=[c[0] for c in UNSTORABLE])
async def test_what_cannot_be_stored_is_not_there(reader: PostgresqlReader, question: Prepared, asked: object) -> None:
    """A login that no column can hold is nobody's, and no fault of ours."""
    assert await reader.rows(question, {"name": asked}) == []
    assert await found(reader) == []
    await reader.close()


async def test_a_server_that_does_not_answer_is_not_waited_for(
    reader: PostgresqlReader, postgresql_database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks hears "not now", and the next question is asked anew."""
    monkeypatch.setattr("policy.store.reader._PATIENCE_S", 0.2)
    slow = prepared("SELECT pg_sleep(60) WHERE :name = ''")
    with pytest.raises(TimeoutError):
        await reader.rows(slow, {"name": ""})
    monkeypatch.undo()
    assert await found(reader) == []
    await reader.close()


async def test_a_writer_survives_a_restart_of_the_server(reader: PostgresqlReader, postgresql_database: URL) -> None:
    """Between two transactions: nobody hears of it."""
    transactions = open_transactions(postgresql_database)
    writer = Writer(transactions)
    for name in ("ada", "bob"):
        await writer.make(partial(transactions.execute, ADD, {"name": name}))
        break_connections(postgresql_database)
    assert await found(reader) == ["ada", "bob"]
    await writer.close()
    await reader.close()


async def test_a_connection_that_breaks_within_a_transaction(
    reader: PostgresqlReader, postgresql_database: URL
) -> None:
    """Everybody in it hears "not now"; nothing of it was done, and nothing is tried twice."""
    transactions = open_transactions(postgresql_database)
    writer = Writer(transactions)
    calls = []

    def add(name: str) -> None:
        calls.append(name)
        transactions.execute(ADD, {"name": name})

    def break_it() -> None:
        break_connections(postgresql_database)

    changes: list[Callable[[], None]] = [partial(add, "ada"), break_it, partial(add, "eve")]
    answers = await asyncio.gather(*[writer.make(change) for change in changes], return_exceptions=True)
    assert [isinstance(one, psycopg.OperationalError) for one in answers] == [True] * 3
    assert calls == ["ada", "eve"]
    await writer.make(partial(add, "bob"))
    assert await found(reader) == ["bob"]
    await writer.close()
    await reader.close()


async def test_a_failure_that_a_change_hides_is_no_success(reader: PostgresqlReader, postgresql_database: URL) -> None:
    """The server has rolled back, and says so in the answer to COMMIT alone."""
    transactions = open_transactions(postgresql_database)
    writer = Writer(transactions)

    def hidden() -> None:
        transactions.execute(ADD, {"name": "ada"})
        with pytest.raises(psycopg.IntegrityError):
            assert transactions.execute(ADD, {"name": "ada"}).rowcount == 1  # heard of when it is asked

    with pytest.raises(psycopg.InternalError):
        await writer.make(hidden)
    assert await found(reader) == []
    await writer.close()
    await reader.close()


def test_commands_and_policy_write_one_after_the_other(postgresql_database: URL) -> None:
    """A command's transaction holds the lock from its beginning; reading needs none."""
    engine = open_database(postgresql_database)
    with psycopg.connect(conninfo(postgresql_database)) as other, engine.begin():
        other.execute("SET lock_timeout = '20ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(TAKE_WRITE_LOCK)
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as reading:
            assert reading.exec_driver_sql("SELECT count(*) FROM identity").scalar() == 0
    engine.dispose()


SESSION = [
    # what it shows, setting of the server, what the role or the database says, what our sessions have
    ("a commit is on disk", "synchronous_commit", "off", "on"),
    ("a stricter word of the server stays", "synchronous_commit", "remote_apply", "remote_apply"),
    ("each statement sees what was committed", "default_transaction_isolation", "serializable", "read committed"),
]


@pytest.mark.parametrize(("setting", "there", "ours"), [c[1:] for c in SESSION], ids=[c[0] for c in SESSION])
async def test_a_session_keeps_its_promises(postgresql_database: URL, setting: str, there: str, ours: str) -> None:
    """Whatever the server's own defaults are."""
    with psycopg.connect(conninfo(postgresql_database), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {postgresql_database.database} SET {setting} = '{there}'")
    engine = open_database(postgresql_database)
    with engine.connect() as connected:
        assert connected.exec_driver_sql(f"SHOW {setting}").scalar() == ours
    engine.dispose()
    transactions = PostgresqlTransactions(conninfo(postgresql_database))
    assert transactions.execute(prepared(f"SHOW {setting}"), {}).fetchall() == [(ours,)]
    transactions.close()
