"""The stores that the versions before have left behind, opened by this one: nothing is lost, and no limit grew.

Their real data: a week and a day that their own code has played and written down (tests/previous/make.py).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import InProcess, is_one_sentence
from sqlalchemy import Connection, Engine, create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError

from policy.assembly import Parts, assemble
from policy.budgets.stored import StoredBudgets
from policy.contract import Action, LoginOutcome, LoginStep, MessageFacts
from policy.engine.budget import Distinct, Sum, Window
from policy.geo.opened import atlas_at
from policy.opening import digest_key
from policy.rulebook import shipped
from policy.settings import Settings
from policy.store.archive import reading
from policy.store.audit import Actor
from policy.store.database import Location, open_database
from policy.store.errors import StoreError
from policy.store.filling import put_rows, reflected
from policy.store.identities import IdentityStore
from policy.store.incident_notes import State
from policy.store.migrating import migrate, migrate_on, newest_revision, revision_of
from policy.store.reader import open_reader
from policy.store.schema import METADATA
from policy.store.statements import OnConnection
from policy.store.transactions import open_transactions
from tests.previous.left import EVERY, NOW, SPANS_S, Left, restored

WINDOWS = tuple(Window(10**9, span) for span in SPANS_S)
ACTOR = Actor("cli:test", "localhost")


@pytest.fixture(params=EVERY)
def before(request: pytest.FixtureRequest) -> Left:
    """Of each schema that a version had."""
    return EVERY[request.param]


@pytest.fixture
def left(empty: Location, before: Left, tmp_path: Path) -> Location:
    """As it was when that version was stopped."""
    engine = open_database(empty)
    with before.backup.open("rb") as file, reading(file) as archive, engine.begin() as connection:
        migrate_on(connection, archive.manifest.revision)
        for name in archive.manifest.tables:
            if found := list(archive.rows(name)):
                put_rows(connection, reflected(connection, name), found)
        if connection.dialect.name == "postgresql":  # its numbers come from elsewhere than its rows
            for name, last in archive.manifest.last_ids.items():
                number_on(connection, name, last)
            for name in ("area", "habit", "network", "signal"):
                number_on(connection, name, before.known["rows"][name])
        (tmp_path / "digest.key").write_bytes(archive.key("digest.key"))
    engine.dispose()
    return empty


def number_on(connection: Connection, table: str, last: int) -> None:
    connection.execute(text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)"), {"name": table, "last": last})


def counted(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        there = set(inspect(connection).get_table_names())
        return {
            one: connection.execute(text(f"SELECT count(*) FROM {one}")).scalar_one()  # noqa: S608
            for one in METADATA.tables
            if one in there
        }


def held(engine: Engine, before: Left) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """What counts of each budget that the version before knew."""
    with engine.connect() as connection:
        budgets = StoredBudgets(OnConnection(connection))
        counters = {
            key: list(budgets.peek((Sum("", key, 0, WINDOWS),), NOW).before[0]) for key in before.known["counters"]
        }
        sets = {
            key: list(budgets.peek((Distinct("", key, (), WINDOWS),), NOW).before[0]) for key in before.known["sets"]
        }
    return counters, sets


async def test_it_is_opened_and_goes_on(left: Location, before: Left, tmp_path: Path) -> None:
    """Rows, budgets, logins, mail and incidents: all of it, one after the other, as after an upgrade."""
    engine, known = open_database(left), before.known
    migrate(engine)
    after = counted(engine)
    assert {name: after[name] for name in known["rows"]} == known["rows"]
    assert held(engine, before) == (known["counters"], known["sets"])
    key = digest_key(Settings(state_dir=tmp_path))
    await people_go_on(left, key, known)
    store = IdentityStore(engine, key, ACTOR)
    numbers = [number for number, _, state in known["incidents"] if state == "open"]
    assert numbers
    for number in numbers:
        assert store.release_incident(number, "after the upgrade", NOW + 60).state == State.RELEASED
    with engine.connect() as connection:
        assert connection.execute(text("SELECT max(id) FROM audit")).scalar_one() > known["newest_act"]
    engine.dispose()


async def people_go_on(where: Location, key: bytes, known: dict[str, Any]) -> None:
    parts = Parts(
        reader=open_reader(where),
        transactions=open_transactions(where),
        key=key,
        rulebook=shipped,
        atlas=atlas_at("", ""),
        clock=lambda: NOW,
        domains=("example.org",),
        patience_s=0,
    )
    brain = replace(assemble(parts), clock=lambda: NOW)
    outcomes = {}
    for number, (label, (login, secret)) in enumerate(known["logins"].items()):
        step = LoginStep(
            session="s", exchange=label, client_address=f"192.0.{number}.7", listener="submissions", mechanism="PLAIN",
            responses=(f"\0{login}\0{secret}".encode(),),
        )  # fmt: skip
        outcomes[label] = await brain.login(step)
    found = {label: answer.outcome for label, answer in outcomes.items()}
    refused = LoginOutcome.REFUSED  # the printer's identity is contained, the telephone's login revoked
    assert found == {"laptop": LoginOutcome.GRANTED, "printer": refused, "lost telephone": refused}
    grants = outcomes["laptop"].grants
    assert grants
    facts = MessageFacts(
        submission="f" * 28, session="s", listener="submissions", client_address="91.198.174.7", client_name="laptop",
        credential=grants.credential, reverse_path="support@example.org", recipients=("anna@partner.example",),
        authors=("support@example.org",), senders=(), names=(), message_bytes=2000,
    )  # fmt: skip
    assert (await brain.judge(facts)).action is Action.ACCEPT
    await brain.close()


def test_its_backup_is_restored(empty: Location, before: Left, tmp_path: Path) -> None:
    """The same by way of the file, which is also the way back after an upgrade."""
    engine, known = open_database(restored(empty, tmp_path / "state", before)), before.known
    after = counted(engine)
    assert {name: after[name] for name in known["rows"]} == known["rows"] | {"audit": known["rows"]["audit"] + 1}
    assert held(engine, before) == (known["counters"], known["sets"])
    engine.dispose()


@pytest.mark.parametrize("before", ["0005"], indirect=True)
def test_a_policy_of_before_that_still_runs_gets_an_error(left: Location) -> None:
    """It would count under the keys of before, and nobody would add the two up. This is how it wrote a charge."""
    charge = text(
        "INSERT INTO charge (reservation, key, cost, at, total, open) VALUES ('r', 'recipients:ada', 1, 1, 1, TRUE)"
    )
    engine = open_database(left)
    with engine.begin() as connection:
        connection.execute(charge)
    migrate(engine)
    with engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(charge)
    engine.dispose()


def test_a_newer_schema_is_refused_in_words(empty: Location, tmp_path: Path) -> None:
    """By whatever starts on it; and nothing is changed."""
    engine = open_database(restored(empty, tmp_path / "state"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(
        StoreError, match=f"the schema 9999, of a newer version; this one works with {newest_revision()}"
    ):
        migrate(engine)
    with engine.connect() as connection:
        assert revision_of(connection) == "9999"
    engine.dispose()


def test_init_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    sallyport = InProcess(tmp_path)
    assert sallyport("init").returncode == 0
    engine = create_engine(f"sqlite:///{tmp_path / 'state' / 'sallyport.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    done = sallyport("init")
    assert (done.returncode, is_one_sentence(done.stderr), "start that version" in done.stderr) == (1, True, True)
    with engine.connect() as connection:
        assert connection.execute(select(text("count(*)")).select_from(text("identity"))).scalar_one() == 1
    engine.dispose()
