"""The first of two forms that the schema 0006 had: a backup of it is filled into that one, and then brought up to date.

policy/migrations/versions/v0007_one_form.py makes them one; here is the way back, for restore.py alone.
"""

from collections.abc import Collection

from sqlalchemy import Connection, text

_BACK = (
    "DROP TABLE fate",
    "ALTER TABLE submission DROP COLUMN delivered",
    "ALTER TABLE charge RENAME COLUMN is_open TO open",
)


def is_of_the_first_form(revision: str, tables: Collection[str]) -> bool:
    """Whether a backup is: it has no table of what became of recipients."""
    return revision == "0006" and "fate" not in tables


def turn_back(connection: Connection) -> None:
    """A schema of the second form, with nothing in it, into one of the first."""
    for statement in _BACK:
        connection.execute(text(statement))
