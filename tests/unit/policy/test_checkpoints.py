"""What is committed is carried over into the database file beside the commits."""

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from policy.store.checkpoints import Checkpoints
from policy.store.database import kept_connection, open_database
from policy.store.transactions import at_once


def rows_in_the_file_alone(database: Path) -> int:
    """Without the log beside it."""
    alone = sqlite3.connect(shutil.copy(database, database.with_name("alone.db")))
    (number,) = alone.execute("SELECT count(*) FROM decoy").fetchone()
    alone.close()
    return int(number)


@pytest.mark.parametrize(("rows", "carried"), [(1100, 0), (4100, 4100)], ids=["a few wait", "many do not"])
def test_many_changed_rows_are_carried_over(sqlite_database: Path, rows: int, carried: int) -> None:
    writer, other = (kept_connection(open_database(sqlite_database)) for _ in range(2))
    checkpoints, before = Checkpoints(other), writer.total_changes
    writer.execute("BEGIN")
    writer.executemany(
        "INSERT INTO decoy (login, label, created_at) VALUES (?, 'note', 0)", [(f"l{n}",) for n in range(rows)]
    )
    writer.execute("COMMIT")
    checkpoints.committed(writer.total_changes - before)
    checkpoints.close()
    assert rows_in_the_file_alone(sqlite_database) == carried
    writer.close()


def test_a_checkpoint_that_fails_is_nobodys_trouble(sqlite_database: Path) -> None:
    """The next commit says what is wrong with the disk."""
    broken = kept_connection(open_database(sqlite_database))
    checkpoints = Checkpoints(broken)
    broken.close()
    checkpoints.committed(5000)
    checkpoints.committed(10000)
    checkpoints.close()


def test_what_answers_at_once_needs_no_event_loop() -> None:
    async def answer() -> int:
        return 17

    assert at_once(answer()) == 17


def test_what_waits_is_not_asked_within_a_transaction() -> None:
    with pytest.raises(RuntimeError):
        at_once(asyncio.sleep(0))
