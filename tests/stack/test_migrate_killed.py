"""`sallyport migrate-state` as a real process, killed (kill -9) at moments that nobody chose, and run again.

From SQLite to PostgreSQL and Valkey, and back. In the end there is what a run without that leaves, row by row and
budget by budget; and as long as it is not whole, nobody can use it. SALLYPORT_MOVED_ROWS=100000 makes the store
larger: so many known recipients, and as many charges. With -s it says how long the moves took.
"""

import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import valkey_server
from harness import ROOT, until

import postgresql
from tests.previous.left import restored

ROWS, MOST_KILLS = int(os.environ.get("SALLYPORT_MOVED_ROWS", "24000")), 4
_MAIN = "from policy.cli import main; main()"
_OF_BUDGETS = {"charge": "key, at, cost, total", "member": "key, mark, at"}  # names of reservations are made anew


@dataclass(frozen=True, slots=True)
class Place:
    """A database and a server of budgets, both empty at first."""

    database: str
    server: valkey_server.Server

    @property
    def settings(self) -> dict[str, str]:
        url = postgresql.cluster().url(self.database)
        return {"POLICY_DATABASE_URL": url.render_as_string(), "POLICY_BUDGETS_URL": f"unix://{self.server.socket}"}

    @property
    def options(self) -> list[str]:
        database, budgets = self.settings.values()
        return ["--to-database", database, "--to-budgets", budgets]

    def has_begun(self) -> bool:
        return bool(self.asked("SELECT 1 FROM pg_tables WHERE tablename = 'state_move'"))

    def asked(self, statement: str) -> list[Any]:
        folder = str(postgresql.cluster().folder)
        with psycopg.connect(host=folder, user="postgres", dbname=self.database) as connection:
            return connection.execute(statement.encode()).fetchall()

    def tables(self) -> dict[str, str]:
        """Of each all that is in it, but for the act itself."""
        names = self.asked("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        but = {"audit": "WHERE action <> 'state-moved'"}
        rows = "coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), 'empty')"
        return {one: self.asked(f"SELECT {rows} FROM {one} t {but.get(one, '')}")[0][0] for (one,) in names}  # noqa: S608

    def budgets(self) -> dict[str, object]:
        keys = self.server.order("KEYS", "{sallyport}:[cs]:*")
        assert isinstance(keys, list)
        return {key: self.server.order("ZRANGE", key, "0", "-1", "WITHSCORES") for key in keys}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A week of an organisation; one of its people knows many, and another has a budget with many charges."""
    where = tmp_path / "source.db"
    restored(where, tmp_path / "state")
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"  # noqa: S608
    with sqlite3.connect(where) as connection:
        connection.execute(f"{numbers} INSERT INTO known_recipient SELECT 1, -i, 20000 FROM n")  # noqa: S608
        connection.execute(
            f"{numbers} INSERT INTO charge (reservation, key, cost, at, total, is_open)"  # noqa: S608
            " SELECT 'many' || i, 'many' || (i % :keys) || ':recipients', 1, :at + i, i / :keys + 1, FALSE FROM n",
            {"keys": ROWS // 60, "at": time.time() - 2 * ROWS},
        )
    connection.close()
    return where


@pytest.fixture
def places() -> Iterator[list[Place]]:
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    if not valkey_server.is_possible():
        pytest.skip(valkey_server.NOT_INSTALLED)
    made = [Place(str(postgresql.cluster().create_empty().database), valkey_server.Server().start()) for _ in range(2)]
    yield made
    for one in made:
        one.server.close()
        postgresql.cluster().drop(postgresql.cluster().url(one.database))


@dataclass(frozen=True, slots=True)
class File:
    """A store in SQLite, budgets included."""

    path: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"POLICY_DATABASE_URL": f"sqlite:///{self.path}", "POLICY_BUDGETS_URL": ""}

    @property
    def options(self) -> list[str]:
        return ["--to-database", self.settings["POLICY_DATABASE_URL"]]

    def has_begun(self) -> bool:
        if not self.path.exists():
            return False
        try:
            with sqlite3.connect(self.path) as connection:
                found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'state_move'").fetchone()
        except sqlite3.OperationalError:  # it is being written
            return False
        connection.close()
        return bool(found)

    def rows(self) -> dict[str, list[Any]]:
        """Of each table all that is in it, but for the acts of moves."""
        with sqlite3.connect(self.path) as connection:
            names = [one for (one,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            but = {"audit": "WHERE action <> 'state-moved'"}
            found = {
                name: sorted(
                    connection.execute(f"SELECT {_OF_BUDGETS.get(name, '*')} FROM {name} {but.get(name, '')}"),  # noqa: S608
                    key=repr,
                )
                for name in names
                if not name.startswith("sqlite_")
            }
        connection.close()
        return found


def begun(source: Place | File, target: Place | File, state_dir: Path) -> subprocess.Popen[str]:
    environment = os.environ | source.settings | {"POLICY_STATE_DIR": str(state_dir)}
    command = [sys.executable, "-c", _MAIN, "migrate-state", "--json", *target.options]
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str], *, may_be_finished: bool = False) -> dict[str, Any]:
    """What it says of the move, which succeeded; or nothing: it was killed between its end and these words."""
    printed, said = process.communicate(timeout=120)
    if may_be_finished and process.returncode and " was finished at " in said:
        return {}
    assert process.returncode == 0, said
    told: dict[str, Any] = json.loads(printed)
    return told


def wait_for_the_move(process: subprocess.Popen[str], target: Place | File) -> None:
    """Until the first of it is there: what is before that is Python's start."""
    until(lambda: target.has_begun() or process.poll() is not None, "the move has begun", 60)
    assert process.poll() is None, process.communicate()


def at_once(source: Place | File, target: Place | File, state_dir: Path) -> tuple[dict[str, Any], float]:
    """What it says, and how long it took from its first step on."""
    process = begun(source, target, state_dir)
    wait_for_the_move(process, target)
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    told, took_s = ended(process), time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"\n{told['rows']} rows to {target.options[1].partition(':')[0]}: {took_s:.1f} s, {used_s:.1f} s of a processor"
    )
    return told, took_s


def killed_again(source: Place | File, target: Place | File, state_dir: Path, took_s: float) -> dict[str, Any]:
    """What the last attempt says, as `ended`. The first is killed as soon as it has begun, as nobody knows how quick
    it will be; when each of those after it is killed nobody chose.
    """
    seed = random.SystemRandom().randrange(10**6)
    chosen, kills, process = random.Random(seed), 0, begun(source, target, state_dir)  # noqa: S311 - no secret
    wait_for_the_move(process, target)
    while kills < MOST_KILLS:
        try:
            process.wait(chosen.uniform(0.0, 1.0) * took_s if kills else 0.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            process = begun(source, target, state_dir)
        else:
            break
    told = ended(process, may_be_finished=True)
    print(f"killed {kills} times, seed {seed}{'' if told else ', once after its end'}")
    assert kills
    assert not told or told["went_on"]
    return told


def test_killed_at_any_moment_it_goes_on(source: Path, places: list[Place]) -> None:
    (whole, killed), state_dir = places, source.parent / "state"
    told, took_s = at_once(File(source), whole, state_dir)
    again = killed_again(File(source), killed, state_dir, took_s)
    assert not again or (again["tables"], again["budgets"]) == (told["tables"], told["budgets"])
    assert killed.tables() == whole.tables()
    assert killed.budgets() == whole.budgets()
    acts = "SELECT count(*) FROM audit WHERE action = 'state-moved'"
    assert killed.asked(acts) == whole.asked(acts) == [(1,)]
    back, other = File(source.parent / "back.db"), File(source.parent / "other.db")
    _, took_s = at_once(whole, back, state_dir)
    killed_again(whole, other, state_dir, took_s)
    assert back.rows() == other.rows() == File(source).rows()
