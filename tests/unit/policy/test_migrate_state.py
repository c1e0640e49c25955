"""A whole store moved: any kind into any kind, cut off anywhere, and never one that is half there."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import valkey
import valkey_server
from budget_backends import require_valkey, valkey_budgets
from command_line import InProcess, is_one_sentence
from sqlalchemy import select, text

import postgresql
from policy.budgets.location import server_at
from policy.budgets.stored import StoredBudgets
from policy.budgets.valkey import BudgetsAway
from policy.engine.budget import Distinct, Sum, Take, Window
from policy.location import spelled
from policy.migrating import budgets as budgets_moved
from policy.migrating import source as source_module
from policy.migrating import tables
from policy.migrating.in_valkey import InValkey
from policy.migrating.moving import Move, Moved, Where
from policy.migrating.target import Target
from policy.store.audit import Actor
from policy.store.database import Location, open_database
from policy.store.errors import StoreError
from policy.store.migrating import MOVING, migrate, revision_of
from policy.store.schema import METADATA
from policy.store.statements import OnConnection
from tests.previous.left import KNOWN, NOW, SPANS_S, restored

ACTOR = Actor("cli:test", "localhost")
WINDOWS = tuple(Window(10**9, span) for span in SPANS_S)
FEWEST_WORDS = 20  # to Valkey, of a move
OPEN = Take((Sum("r", "recipients:ada", 7, WINDOWS), Distinct("n", "new:ada", (1, -2, 2**63 - 1), WINDOWS)))

Say = Callable[[str, int], None]


def silent(_what: str, _number: int) -> None:
    """Nobody is looking."""


class CutOff(BaseException):
    """As a kill: nobody catches it."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of an organisation, and one reservation that is open."""
    folder = tmp_path_factory.mktemp("source")
    where = folder / "source.db"
    restored(where, folder / "state")
    engine = open_database(where)
    with engine.begin() as connection:
        assert StoredBudgets(OnConnection(connection)).reserve("message.open", OPEN, NOW).fits
    engine.dispose()
    return where


@pytest.fixture
def source(template: Path, tmp_path: Path) -> Path:
    """Its own for each test."""
    return Path(shutil.copy(template, tmp_path / "source.db"))


@pytest.fixture
def elsewhere() -> Iterator[Location]:
    """A database of PostgreSQL without a schema."""
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    where = postgresql.cluster().create_empty()
    yield where
    postgresql.cluster().drop(where)


@pytest.fixture
def server() -> Iterator[valkey_server.Server]:
    """A Valkey of its own, empty."""
    require_valkey()
    one = valkey_server.Server().start()
    yield one
    one.close()


def on(server: valkey_server.Server) -> Any:
    return server_at(f"unix://{server.socket}")


def moved(source: Where, target: Where, say: Say = silent, *, is_anew: bool = False) -> Moved:
    return Move(source=source, target=target, actor=ACTOR, now=NOW, say=say, is_anew=is_anew).run()


def rows(where: Location, *but: str) -> dict[str, list[Any]]:
    """All that is in a store."""
    engine = open_database(where)
    with engine.connect() as connection:
        found = {
            one.name: sorted(map(repr, connection.execute(select(one))))
            for one in METADATA.sorted_tables
            if one.name not in but
        }
    engine.dispose()
    return found


def is_being_filled(where: Location) -> bool:
    """Nobody can use it."""
    engine = open_database(where)
    with engine.connect() as connection:
        revision = revision_of(connection)
    engine.dispose()
    return revision == MOVING


def held_in_database(where: Location) -> dict[str, tuple[int, ...]]:
    """What the policy would count, in each span."""
    engine = open_database(where)
    with engine.connect() as connection:
        budgets = StoredBudgets(OnConnection(connection))
        counted = {key: budgets.peek((Sum("", key, 0, WINDOWS),), NOW).before[0] for key in KNOWN["counters"]}
        seen = {f"set {key}": budgets.peek((Distinct("", key, (), WINDOWS),), NOW).before[0] for key in KNOWN["sets"]}
    engine.dispose()
    return counted | seen


def held_on(server: valkey_server.Server) -> dict[str, tuple[int, ...]]:
    """The same."""
    with valkey_budgets(server) as budgets:
        counted = {key: budgets.peek((Sum("", key, 0, WINDOWS),), NOW).before[0] for key in KNOWN["counters"]}
        seen = {f"set {key}": budgets.peek((Distinct("", key, (), WINDOWS),), NOW).before[0] for key in KNOWN["sets"]}
        return counted | seen


def test_there_and_back_between_databases(source: Location, elsewhere: Location, tmp_path: Path) -> None:
    """Every row of every table; the source stays as it was; numbers go on; and the act is in the audit log."""
    before = rows(source)
    told = moved(Where(source), Where(elsewhere))
    assert (rows(source), rows(elsewhere, "audit")) == (
        before,
        {name: one for name, one in before.items() if name != "audit"},
    )
    assert {name: one.rows for name, one in told.tables.items()} == {name: len(one) for name, one in before.items()}
    assert told.budgets
    assert (told.budgets.counters, told.budgets.more) == (len(KNOWN["counters"]), 0)
    new = [one for one in rows(elsewhere)["audit"] if one not in before["audit"]]
    assert ["state-moved" in one for one in new] == [True]
    back = tmp_path / "back.db"
    moved(Where(elsewhere), Where(back))
    assert rows(back, "audit") == {name: one for name, one in before.items() if name != "audit"}
    assert back.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(back) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM audit")


def test_numbers_go_on(source: Location, elsewhere: Location) -> None:
    """A credential that is made after the move has a number that none had before."""
    moved(Where(source), Where(elsewhere))
    engine = open_database(elsewhere)
    with engine.begin() as connection:
        last = connection.execute(text("SELECT max(id) FROM audit")).scalar_one()
        new = connection.execute(
            text(
                "INSERT INTO audit (at, actor, source, action, subject, before, after) "
                "VALUES (1, 'a', 's', 'x', 'y', '{}', '{}') RETURNING id"
            )
        ).scalar_one()
    engine.dispose()
    assert new == last + 1


def test_budgets_into_valkey_and_back(
    source: Location, elsewhere: Location, server: valkey_server.Server, tmp_path: Path
) -> None:
    """What each may still take is the same in every span, there and back; an open reservation is given back there."""
    before = held_in_database(source)
    assert before["recipients:ada"][0] == KNOWN["counters"]["recipients:ada"][0] + 7
    told = moved(Where(source), Where(elsewhere, on(server)))
    assert told.budgets
    assert (told.budgets.counters, told.budgets.sets, told.budgets.more) == (
        len(KNOWN["counters"]),
        len(KNOWN["sets"]),
        0,
    )
    assert held_on(server) == before
    assert rows(elsewhere)["charge"] == rows(elsewhere)["member"] == []
    back = tmp_path / "back.db"
    assert moved(Where(elsewhere, on(server)), Where(back)).budgets == told.budgets
    assert held_in_database(back) == before
    with valkey_budgets(server) as budgets:
        assert budgets.release("message.open", NOW)
        assert not budgets.release("message.open", NOW)
    given_back = held_on(server)
    assert [was - now for was, now in zip(before["recipients:ada"], given_back["recipients:ada"], strict=True)] == [
        7
    ] * 5
    assert [was - now for was, now in zip(before["set new:ada"], given_back["set new:ada"], strict=True)] == [3] * 5
    engine = open_database(back)
    with engine.begin() as connection:
        assert StoredBudgets(OnConnection(connection)).release("message.open", NOW)
    engine.dispose()
    assert held_in_database(back) == given_back


def test_a_limit_that_was_reached_stays_reached(source: Location, server: valkey_server.Server) -> None:
    """Budgets alone into Valkey; what follows is counted on top of what was."""
    limit = held_in_database(source)["recipients:grace"][2] + 5
    moved(Where(source), Where(source, on(server)))
    with valkey_budgets(server) as budgets:
        window = (Window(limit, SPANS_S[2]),)
        assert not budgets.reserve("large", Take((Sum("r", "recipients:grace", 6, window),)), NOW).fits
        assert budgets.reserve("small", Take((Sum("r", "recipients:grace", 5, window),)), NOW).fits
        assert not budgets.reserve("more", Take((Sum("r", "recipients:grace", 1, window),)), NOW).fits


@pytest.mark.parametrize("at", [1, 9, 40])
def test_cut_off_anywhere_it_goes_on(
    at: int, source: Location, elsewhere: Location, server: valkey_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is whole the place is of no use to anybody, and afterwards it is what it would have been at once."""
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", 100)
    steps = list[str]()

    def say(what: str, number: int) -> None:
        steps.append(f"{what} {number}")
        if len(steps) == at:
            raise CutOff

    target = Where(elsewhere, on(server))
    with pytest.raises(CutOff):
        moved(Where(source), target, say)
    engine = open_database(elsewhere)
    with pytest.raises(StoreError, match="has not finished: run it again"):
        migrate(engine)
    engine.dispose()
    sent = list[str]()
    told = moved(Where(source), target, lambda what, number: sent.append(f"{what} {number}"))
    assert told.went_on
    written = {one for one in steps if "back" not in one and "budgets" not in one}
    assert written
    assert not written & set(sent)
    assert rows(elsewhere, "audit", "charge", "member") == rows(source, "audit", "charge", "member")
    assert held_on(server) == held_in_database(source)


def test_cut_off_at_every_word_to_valkey_it_goes_on(
    source: Location, server: valkey_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt is cut off one word later than the one before, until one is whole: none before it is of any use."""
    monkeypatch.setattr(budgets_moved, "_AT_ONCE", 5)
    line = valkey.connection.AbstractConnection
    said, most, send = 0, -1, line.send_packed_command

    def cut(self: Any, command: Any, check_health: bool = True) -> Any:
        nonlocal said
        said += 1
        if said > most:
            raise CutOff
        return send(self, command, check_health)

    is_whole = False
    while not is_whole:
        said, most = 0, most + 1
        with monkeypatch.context() as each:
            each.setattr(line, "send_packed_command", cut)
            try:
                is_whole = bool(moved(Where(source), Where(source, on(server))).budgets)
            except CutOff:
                assert said == most + 1
        assert (server.order("TYPE", "{sallyport}:state") == "hash") == is_whole
    assert most > FEWEST_WORDS
    assert held_on(server) == held_in_database(source)


def test_cut_off_between_the_budgets_and_the_store(
    source: Location, elsewhere: Location, server: valkey_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budgets are whole already, and no store has them yet: it goes on, too."""

    def cut(*_: object) -> None:
        raise CutOff

    with monkeypatch.context() as once:
        once.setattr(Target, "finish", cut)
        with pytest.raises(CutOff):
            moved(Where(source), Where(elsewhere, on(server)))
    assert server.order("TYPE", "{sallyport}:state") == "hash"
    assert is_being_filled(elsewhere)
    assert moved(Where(source), Where(elsewhere, on(server))).went_on
    assert held_on(server) == held_in_database(source)


def test_after_its_end_it_says_that_it_was_finished(source: Path, elsewhere: Location, tmp_path: Path) -> None:
    """Who was cut off between the end and its words runs it again. A target of another store is as any that is full."""
    moved(Where(source), Where(elsewhere))
    with pytest.raises(
        StoreError, match=r"the move from .*source\.db was finished at 2\S+ \S+ UTC, and the target is a"
    ):
        moved(Where(source), Where(elsewhere))
    other = Path(shutil.copy(source, tmp_path / "other.db"))
    with pytest.raises(StoreError, match="the target has 14 identities and 27 credentials already"):
        moved(Where(other), Where(elsewhere))


def test_a_server_that_is_half_filled_lets_nothing_pass(source: Location, server: valkey_server.Server) -> None:
    def say(_what: str, _number: int) -> None:
        raise CutOff

    with pytest.raises(CutOff):
        moved(Where(source), Where(source, on(server)), say)
    with valkey_budgets(server) as budgets, pytest.raises(BudgetsAway):
        budgets.reserve("one", OPEN, NOW)
    moved(Where(source), Where(source, on(server)))
    with valkey_budgets(server) as budgets:
        assert budgets.reserve("one", OPEN, NOW).fits


def test_a_source_that_changed_meanwhile_is_noticed(source: Path, elsewhere: Location) -> None:
    """Policy was started again between two attempts: nothing half old becomes a store, and --anew takes all of it."""

    def say(what: str, _number: int) -> None:
        if what == "submission":
            raise CutOff

    with pytest.raises(CutOff):
        moved(Where(source), Where(elsewhere), say)
    with sqlite3.connect(source) as connection:
        connection.execute("UPDATE identity SET owner = 'Somebody else' WHERE name = 'ada'")
    connection.close()
    with pytest.raises(
        StoreError, match="table identity has changed here since the move began: begin anew with --anew"
    ):
        moved(Where(source), Where(elsewhere))
    assert not moved(Where(source), Where(elsewhere), is_anew=True).went_on
    assert rows(elsewhere)["identity"] == rows(source)["identity"]


def test_rows_that_arrive_otherwise_are_noticed(
    source: Location, elsewhere: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that keeps something else than it was given: the move ends before that is a store."""
    put = tables.put_rows
    monkeypatch.setattr(
        tables, "put_rows", lambda there, table, given: put(there, table, given[table.name == "audit" :])
    )
    with pytest.raises(StoreError, match="is not over there what it is here"):
        moved(Where(source), Where(elsewhere))


def test_a_budget_with_less_in_it_is_noticed(
    source: Location, server: valkey_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = InValkey.put
    monkeypatch.setattr(
        InValkey, "put", lambda place, some: put(place, [one for one in some if one.key != "recipients:ada"])
    )
    with pytest.raises(StoreError, match="the budget recipients:ada holds"):
        moved(Where(source), Where(source, on(server)))


def test_a_store_in_use_is_not_moved(
    source: Path, elsewhere: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy that goes on deciding would charge what nobody takes along."""
    monkeypatch.setattr(source_module, "_PATIENCE_S", 0.0)
    reading = sqlite3.connect(source)
    reading.execute("SELECT count(*) FROM identity").fetchone()
    with pytest.raises(StoreError, match="in use: stop gateway, policy and console"):
        moved(Where(source), Where(elsewhere))
    reading.close()
    moved(Where(source), Where(elsewhere))
    engine = open_database(elsewhere)
    with engine.connect(), pytest.raises(StoreError, match="in use"):
        moved(Where(elsewhere), Where(tmp_path / "back.db"))
    engine.dispose()


def test_nobody_opens_the_source_meanwhile(source: Path, elsewhere: Location) -> None:
    refused = list[str]()

    def say(_what: str, _number: int) -> None:
        with sqlite3.connect(source, timeout=0) as other:
            try:
                other.execute("SELECT count(*) FROM identity")
            except sqlite3.OperationalError as error:
                refused.append(str(error))
        other.close()

    moved(Where(source), Where(elsewhere), say)
    assert set(refused) == {"database is locked"}


def test_what_is_taken_is_not_filled(source: Location, server: valkey_server.Server) -> None:
    """A server of budgets that is in use, and the store itself."""
    with valkey_budgets(server) as budgets:
        budgets.reserve("one", OPEN, NOW)
    with pytest.raises(StoreError, match="has budgets already"):
        moved(Where(source), Where(source, on(server)))
    with pytest.raises(StoreError, match="the same"):
        moved(Where(source), Where(source))


def test_a_plan_changes_nothing(source: Location, elsewhere: Location, server: valkey_server.Server) -> None:
    move = Move(source=Where(source), target=Where(elsewhere, on(server)), actor=ACTOR, now=NOW, say=silent)
    assert move.plan().tables["submission"].rows == KNOWN["rows"]["submission"]
    assert server.order("DBSIZE") == 0
    engine = open_database(elsewhere)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar() == 0
    engine.dispose()


def test_the_command(source: Path, elsewhere: Location, server: valkey_server.Server, tmp_path: Path) -> None:
    """As it is typed: what is wrong is one sentence, a plan and a move are told as JSON."""
    (tmp_path / "state").mkdir(exist_ok=True)
    sallyport = InProcess(tmp_path)
    of_source = {"POLICY_DATABASE_URL": f"sqlite:///{source}"}
    assert sallyport("migrate-state", **of_source).returncode == 2
    there = ["--to-database", spelled(elsewhere), "--to-budgets", f"unix://{server.socket}"]
    wrong = sallyport("migrate-state", "--to-database", "mysql://db", **of_source)
    assert (wrong.returncode, is_one_sentence(wrong.stderr), "--to-database" in wrong.stderr) == (1, True, True)
    plan = sallyport.json("migrate-state", "--dry-run", *there, **of_source)
    assert (plan["is_plan"], plan["tables"]["submission"]) == (True, {"rows": KNOWN["rows"]["submission"]})
    done = sallyport.json("migrate-state", *there, **of_source)
    assert done["rows"] == plan["rows"]
    assert done["budgets"]["counters"] == len(KNOWN["counters"])
    again = sallyport("migrate-state", *there, **of_source)
    assert (again.returncode, is_one_sentence(again.stderr)) == (1, True)
