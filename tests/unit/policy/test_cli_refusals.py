"""What is said of a database that cannot be used: the remedy is that of what it says."""

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from policy.cli.refusals import Refusal, refusal

SAID = [
    ("database or disk is full", "make room where it is"),
    ('could not extend file "base/5/16397": No space left on device', "make room where it is"),
    ("attempt to write a readonly database", "its file or its disk is read-only"),
    ("disk I/O error", "look at its disk: it is over a quota, or broken"),
    ("database is locked", "somebody else writes, as a restore does; try again"),
    ("canceling statement due to lock timeout", "somebody else writes, as a restore does; try again"),
    ("no such table: identity", "is `sallyport init` done?"),
]


@pytest.mark.parametrize(("said", "remedy"), SAID)
def test_a_database_that_cannot_be_used(said: str, remedy: str) -> None:
    error = OperationalError("INSERT", {}, sqlite3.OperationalError(said))
    assert refusal(error) == Refusal(f"the database cannot be used ({said}); {remedy}", 1)
