"""Backup, restore and budgets: after a restore nobody may spend more than before it, wherever budgets are kept."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkey_server
from budget_backends import require_valkey, valkey_budgets
from command_line import InProcess
from sqlalchemy import Engine

from policy.budgets.stored import StoredBudgets
from policy.engine.budget import Distinct, Sum, Take, Window
from policy.store.archive import reading
from policy.store.audit import Actor
from policy.store.backup import back_up
from policy.store.restore import restore
from policy.store.statements import OnConnection

T = 1_000_000.0
ACTOR = Actor("cli:test", "localhost")
WINDOWS = (Window(10, 3600.0),)
ASKED = (Sum("r", "recipients:ada", 0, WINDOWS), Distinct("n", "new:ada", (), WINDOWS))


def take(cost: int, *members: int) -> Take:
    return Take((Sum("r", "recipients:ada", cost, WINDOWS), Distinct("n", "new:ada", members, WINDOWS)))


def saved(engine: Engine, folder: Path) -> bytes:
    file = io.BytesIO()
    back_up(engine, folder, file, T, lambda _table, _rows: None)
    return file.getvalue()


def put_back(engine: Engine, folder: Path, backup: bytes) -> None:
    with reading(io.BytesIO(backup)) as archive:
        restore(engine, folder, archive, ACTOR, T, lambda _table, _rows: None)


@pytest.fixture
def server() -> Iterator[valkey_server.Server]:
    require_valkey()
    one = valkey_server.Server().start()
    yield one
    one.close()


def test_what_was_spent_since_the_backup_stays_spent(engine: Engine, tmp_path: Path) -> None:
    """And what was given back since counts once more: no limit is ever larger for it."""
    with engine.begin() as connection:
        budgets = StoredBudgets(OnConnection(connection))
        assert budgets.reserve("before", take(2, 1, 2), T).fits
        assert budgets.reserve("given back", take(1, 3), T + 1).fits
    backup = saved(engine, tmp_path)
    with engine.begin() as connection:
        budgets = StoredBudgets(OnConnection(connection))
        budgets.commit("before", T + 2)
        budgets.release("given back", T + 2)
        assert budgets.reserve("since", take(4, 2, 4), T + 3).fits
    put_back(engine, tmp_path, backup)
    with engine.begin() as connection:
        budgets = StoredBudgets(OnConnection(connection))
        assert budgets.peek(ASKED, T + 4).before == ((7,), (4,))
        assert not budgets.release("before", T + 4)  # it was committed since
        assert budgets.release("since", T + 4)
        assert budgets.peek(ASKED, T + 4).before == ((3,), (3,))
        assert not budgets.reserve("more", take(8), T + 5).fits
        assert budgets.reserve("less", take(7), T + 5).fits


def test_a_restore_twice_counts_nothing_twice(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        assert StoredBudgets(OnConnection(connection)).reserve("one", take(2, 1, 2), T).fits
    backup = saved(engine, tmp_path)
    for _ in range(2):
        put_back(engine, tmp_path, backup)
    with engine.begin() as connection:
        assert StoredBudgets(OnConnection(connection)).peek(ASKED, T + 4).before == ((2,), (2,))


def test_a_backup_has_the_budgets_of_valkey(server: valkey_server.Server, tmp_path: Path) -> None:
    """Into an empty Valkey and into a database they come back; a Valkey that has budgets keeps its own."""
    sallyport = InProcess(tmp_path)
    there = {"POLICY_BUDGETS_URL": f"unix://{server.socket}"}
    (tmp_path / "state").mkdir()
    assert sallyport("init").returncode == 0
    with valkey_budgets(server) as budgets:
        now = float(str(server.order("TIME")[0]))  # type: ignore[index]
        assert budgets.reserve("one", take(3, 1, 2), now).fits
        file = tmp_path / "backup.tar.gz"
        assert sallyport.json("backup", str(file), **there)["tables"]["charge"] == 1
        assert budgets.reserve("two", take(4, 5), now).fits
        assert sallyport("restore", str(file), "--replace", "--yes", **there).returncode == 0
        assert budgets.peek(ASKED, now).before == ((7,), (3,))
        server.order("FLUSHALL")
        assert sallyport("restore", str(file), "--replace", "--yes", **there).returncode == 0
        assert budgets.peek(ASKED, now).before == ((3,), (2,))
        assert budgets.release("one", now)
        shutil.rmtree(tmp_path / "state")
        assert sallyport("restore", str(file), "--replace", "--yes").returncode == 0


def test_a_restore_that_fails_leaves_the_server_as_it_was(server: valkey_server.Server, tmp_path: Path) -> None:
    sallyport = InProcess(tmp_path)
    (tmp_path / "state").mkdir()
    assert sallyport("init").returncode == 0
    broken = tmp_path / "broken.tar.gz"
    assert sallyport("backup", str(broken)).returncode == 0
    broken.write_bytes(broken.read_bytes()[:-40])
    there = {"POLICY_BUDGETS_URL": f"unix://{server.socket}"}
    assert sallyport("restore", str(broken), "--replace", "--yes", **there).returncode == 1
    assert server.order("DBSIZE") == 0


def test_a_backup_without_an_answer_of_valkey_is_none(server: valkey_server.Server, tmp_path: Path) -> None:
    sallyport = InProcess(tmp_path)
    (tmp_path / "state").mkdir()
    assert sallyport("init").returncode == 0
    server.kill()
    done = sallyport("backup", str(tmp_path / "backup.tar.gz"), POLICY_BUDGETS_URL=f"unix://{server.socket}")
    assert (done.returncode, (tmp_path / "backup.tar.gz").exists()) == (1, False)
    assert "the server of the budgets cannot be used" in done.stderr
