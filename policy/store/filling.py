"""Rows into tables as they are in a database, whatever their revision: what restore.py and policy/migrating share.

PostgreSQL gets them by COPY, which takes five times as many in a second as INSERT.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Integer, MetaData, Table, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from policy.store.errors import StoreError
from policy.store.schema import METADATA


def reflected(connection: Connection, name: str) -> Table:
    """A table as it is in the database, whatever its revision."""
    return Table(name, MetaData(), autoload_with=connection, resolve_fks=False)


def put_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """All of them, within the caller's transaction. They have the same columns."""
    try:
        if connection.dialect.name == "postgresql":
            _copy(connection, table.name, rows)
        else:
            connection.execute(insert(table), rows)
    except (SQLAlchemyError, psycopg.Error) as error:
        reason = str(getattr(error, "orig", None) or error or type(error).__name__).splitlines()[0]
        raise StoreError(f"a row of table {table.name} cannot be stored ({reason})") from None


def go_on_from(connection: Connection, *last_ids: Mapping[str, int]) -> None:
    """No number comes twice, neither one of a row that is here nor one that was given before."""
    for table in METADATA.sorted_tables:
        number = table.c.get("id")
        if number is None or not isinstance(number.type, Integer):
            continue
        highest = connection.execute(select(func.max(number))).scalar() or 0
        last = max(highest, *[given.get(table.name, 0) for given in last_ids])
        if last == 0:
            continue
        if connection.dialect.name == "postgresql":
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)"), {"name": table.name, "last": last}
            )
        elif table.dialect_options["sqlite"]["autoincrement"]:
            connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"),
                {"name": table.name, "last": last},
            )


def _copy(connection: Connection, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - for the type alone
    columns = list(rows[0])
    words = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(name), sql.SQL(", ").join([sql.Identifier(column) for column in columns])
    )
    with driver.cursor() as cursor, cursor.copy(words) as copy:
        for row in rows:
            copy.write_row([row[column] for column in columns])
