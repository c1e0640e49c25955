"""Clients' addresses become networks after their time, in every table that has them, and nothing else changes."""

import ipaddress
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, select

from policy.cutting import Cutting
from policy.engine.sources import network_of
from policy.geo.atlas import Atlas
from policy.store import incident_models, models, operation_models
from policy.store.database import Location
from policy.store.identities import NewCredential
from policy.store.kept_addresses import _NEXT, CHANGED, ROWS, STEP, Cut, Mark, cut, due, make
from policy.store.models import Base, ConsoleSessions, Credentials, Signals, Submissions, TrapHits
from policy.store.reader import open_reader
from policy.store.transactions import Statements, Transactions, open_transactions
from policy.store.writer import Writer

DAY_S = 86400.0
NOW = 100 * DAY_S
KEPT_S = 30 * DAY_S
OLD, NEW = NOW - KEPT_S, NOW - KEPT_S + 1
CASES = [
    # what it shows, before, after
    ("IPv4", "192.0.2.77", "192.0.2.0/24"),
    ("IPv6", "2001:db8:1:2::7", "2001:db8:1::/48"),
    ("cut already", "192.0.2.0/24", "192.0.2.0/24"),
    ("cut already, IPv6", "2001:db8:1::/48", "2001:db8:1::/48"),
    ("a name", "laptop.example.org", "laptop.example.org"),
    ("a name that is an address", "[192.0.2.77]", "[192.0.2.0/24]"),
    ("the same of IPv6", "[IPv6:2001:db8:1:2::7]", "[IPv6:2001:db8:1::/48]"),
    ("such a name, cut already", "[192.0.2.0/24]", "[192.0.2.0/24]"),
    ("brackets around no address", "[1.2.3]", "[1.2.3]"),
    ("nothing", "", ""),
]


@pytest.mark.parametrize(("before", "after"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_cut(before: str, after: str) -> None:
    assert cut(before) == after
    assert cut(after) == after


def test_a_network_is_still_somewhere() -> None:
    """Whoever reads the rows afterwards finds the same network, and the same place of it on the map."""
    for address in ("192.0.2.77", "2001:db8:1:2::7"):
        assert network_of(cut(address)) == network_of(address)
    atlas = Atlas(None, None)
    assert atlas.origin("192.0.2.0/24") == atlas.origin("192.0.2.77")


def _submission(connection: Connection, name: str, at: float, address: str, client: str = "laptop") -> None:
    words = dict.fromkeys(
        ("session", "login", "listener", "reverse_path", "action", "reason", "outcome", "queue_id"), ""
    )
    values = {"id": name, "at": at, "identity": "ada", "client_address": address, "client_name": client}
    connection.execute(insert(Submissions).values(recipients=1, message_bytes=1, **words, **values))


def _fill(engine: Engine, ada: NewCredential, at: float, mark: str) -> None:
    """One row of each table, used at `at`. There is one credential."""
    with engine.begin() as connection:
        identity = connection.execute(select(Credentials.identity_id)).scalar_one()
        _submission(connection, mark, at, "192.0.2.77", "[192.0.2.78]")
        signal = {"kind": "spread", "at_home": False, "evidence": mark, "credential_id": 1, "submission": ""}
        connection.execute(insert(Signals).values(identity_id=identity, at=at, client_address="192.0.2.77", **signal))
        trap = {
            "kind": "decoy",
            "network": "192.0.2.0/24",
            "protocol": "imap",
            "identity": "",
            "label": mark,
            "hits": 1,
        }
        connection.execute(insert(TrapHits).values(at=at, client_address="192.0.2.77", **trap))
        session = {"digest": mark.encode(), "user_agent": mark, "created_at": at, "seen_at": at, "expires_at": at}
        connection.execute(insert(ConsoleSessions).values(identity_id=identity, client_address="192.0.2.77", **session))
        connection.execute(
            Credentials.__table__.update()  # type: ignore[attr-defined]
            .where(Credentials.login == ada.login)
            .values(last_used_at=at, last_used_from="192.0.2.77")
        )


def _found(engine: Engine) -> dict[str, list[str]]:
    """The values of each table, in the order of the rows."""
    columns = {
        "submission": (Submissions.client_address, Submissions.client_name, Submissions.at),
        "signal": (Signals.client_address, Signals.at),
        "trap_hit": (TrapHits.client_address, TrapHits.at),
        "console_session": (ConsoleSessions.client_address, ConsoleSessions.seen_at),
        "credential": (Credentials.last_used_from, Credentials.last_used_at),
    }
    with engine.connect() as connection:
        return {
            table: [value for row in connection.execute(select(*of).order_by(of[-1])) for value in row[:-1]]
            for table, of in columns.items()
        }


@asynccontextmanager
async def cutting(database: Location) -> AsyncIterator[Cutting]:
    """On a reader and a writer of its own; nothing pauses."""
    reader, transactions = open_reader(database), open_transactions(database)
    writer = Writer(transactions, 0)
    yield Cutting(reader=reader, statements=transactions, writer=writer, kept_s=KEPT_S, clock=lambda: NOW, pause_s=0)
    await writer.close()
    await reader.close()


async def test_what_is_old_is_cut_and_nothing_else(database: Location, engine: Engine, ada: NewCredential) -> None:
    """In each table, to the second; a second round finds nothing."""
    _fill(engine, ada, OLD, "old")
    _fill(engine, ada, NEW, "new")  # the credential is used again
    address, network = "192.0.2.77", "192.0.2.0/24"
    async with cutting(database) as one:
        assert await one.round() == 5
        expected = {table: [network, address] for table in ("signal", "trap_hit", "console_session")}
        expected["submission"] = [network, "[192.0.2.0/24]", address, "[192.0.2.78]"]
        expected["credential"] = [address]
        assert _found(engine) == expected
        assert await one.round() == 0


async def test_an_unused_credential_forgets_where(database: Location, engine: Engine, ada: NewCredential) -> None:
    _fill(engine, ada, OLD, "old")
    async with cutting(database) as one:
        await one.round()
    assert _found(engine)["credential"] == ["192.0.2.0/24"]


async def test_more_than_one_step(database: Location, engine: Engine) -> None:
    """Rows of one moment that do not fit into a step are not passed over."""
    number = STEP * 2 + 3
    with engine.begin() as connection:
        for place in range(number):
            _submission(connection, f"m{place:04}", OLD, str(ipaddress.ip_address("198.51.100.0") + place))
    async with cutting(database) as one:
        assert await one.round() == number
    assert set(_found(engine)["submission"]) == {"198.51.100.0/24", "198.51.101.0/24", "laptop"}


async def test_no_message_waits_for_many(database: Location, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL each value is a journey, with the write lock."""
    with engine.begin() as connection:
        for place in range(CHANGED + 3):
            _submission(connection, f"m{place:04}", OLD, "192.0.2.77")
    portions = list[int]()

    def noted(statements: Statements, cuts: Sequence[Cut]) -> None:
        portions.append(len(cuts))
        make(statements, cuts)

    monkeypatch.setattr("policy.cutting.make", noted)
    async with cutting(database) as one:
        assert await one.round() == CHANGED + 3
    assert portions == [CHANGED, 3]


def test_no_step_reads_what_is_not_its_own(sqlite_database: Path) -> None:
    """Of the tables that grow with mail and attempts: without an index each step is a walk through all of it."""
    connection = sqlite3.connect(sqlite_database)
    for place in ROWS:
        if place.table in {"submission", "signal", "trap_hit"}:
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN {_NEXT[place].sqlite}", {"at": 0, "id": 0, "edge": 1, "step": 1}
            )
            assert "SEARCH" in plan.fetchone()[3], place.table
    connection.close()


async def test_who_was_faster(database: Location, engine: Engine, ada: NewCredential, statements: Transactions) -> None:
    """A login between the question and the change keeps its address."""
    _fill(engine, ada, OLD, "old")
    credential = next(place for place in ROWS if place.table == "credential")
    reader = open_reader(database)
    cuts, last = await due(reader, credential, Mark(0.0, credential.first), OLD)
    await reader.close()
    assert last == Mark(OLD, 1)
    with engine.begin() as connection:
        connection.execute(Credentials.__table__.update().values(last_used_at=NOW, last_used_from="203.0.113.5"))  # type: ignore[attr-defined]
    await statements.commit([lambda: make(statements, cuts)])
    assert _found(engine)["credential"] == ["203.0.113.5"]


def test_no_table_is_left_out() -> None:
    """A new column with an address is in ROWS, or here, with its reason."""
    others = {
        ("audit", "source"),  # nothing changes the audit log
        ("identity", "notice_address"),  # these are of mail
        ("address", "address"),
    }
    known = {(place.table, column) for place in ROWS for column in place.columns}
    found = {
        (table.name, column.name)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith(("address", "_from", "source"))
    }
    assert found - known == others
    assert {operation_models, incident_models, models}  # whose tables are in it
