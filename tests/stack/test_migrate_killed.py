"""`sallyport migrate-state` as a real process, killed (kill -9) at moments that nobody chose, and run again.

In the end there is what a run without that leaves, row by row and budget by budget; and as long as it is not whole,
nobody can use it.
"""

import json
import os
import random
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

ROWS, MOST_KILLS = 24_000, 4
_MAIN = "from policy.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Place:
    """A database and a server of budgets, both empty at first."""

    database: str
    server: valkey_server.Server

    @property
    def options(self) -> list[str]:
        url = postgresql.cluster().url(self.database)
        return ["--to-database", url.render_as_string(), "--to-budgets", f"unix://{self.server.socket}"]

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
            " SELECT 'many' || i, 'many' || (i % 400) || ':recipients', 1, ? + i, i / 400 + 1, FALSE FROM n",
            [time.time() - 2 * ROWS],
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


def begun(source: Path, place: Place) -> subprocess.Popen[str]:
    environment = os.environ | {
        "POLICY_DATABASE_URL": f"sqlite:///{source}",
        "POLICY_STATE_DIR": str(source.parent / "state"),
    }
    command = [sys.executable, "-c", _MAIN, "migrate-state", "--json", *place.options]
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it says of the move, which succeeded."""
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    told: dict[str, Any] = json.loads(printed)
    return told


def wait_for_the_move(process: subprocess.Popen[str], place: Place) -> None:
    """Until the first of it is there: what is before that is Python's start."""
    begun_sql = "SELECT 1 FROM pg_tables WHERE tablename = 'state_move'"
    until(lambda: place.asked(begun_sql) or process.poll() is not None, "the move has begun", 60)
    assert process.poll() is None, process.communicate()


def test_killed_at_any_moment_it_goes_on(source: Path, places: list[Place]) -> None:
    whole, killed = places
    process = begun(source, whole)
    wait_for_the_move(process, whole)
    began = time.monotonic()
    at_once, took_s = ended(process), time.monotonic() - began
    seed = random.SystemRandom().randrange(10**6)
    chosen, kills, process = random.Random(seed), 0, begun(source, killed)  # noqa: S311 - no secret
    wait_for_the_move(process, killed)
    while kills < MOST_KILLS:
        try:
            process.wait(chosen.uniform(0.0, 1.0 if kills else 0.7) * took_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            process = begun(source, killed)
        else:
            break
    told = ended(process)
    assert kills
    assert told["went_on"], f"seed {seed}"
    assert (told["tables"], told["budgets"]) == (at_once["tables"], at_once["budgets"]), f"seed {seed}"
    assert killed.tables() == whole.tables(), f"seed {seed}"
    assert killed.budgets() == whole.budgets(), f"seed {seed}"
    acts = "SELECT count(*) FROM audit WHERE action = 'state-moved'"
    assert killed.asked(acts) == whole.asked(acts) == [(1,)]
