"""Rows from one database into the other, a batch and a note of how far it is in each transaction.

In the order of the primary key: what was cut off goes on behind the last row that is there. In memory is one batch.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, func, select, tuple_

from policy.migrating.sums import TableSum, sum_of
from policy.migrating.target import Done, Target, in_target
from policy.store.backup import Say
from policy.store.filling import put_rows

_ROWS_AT_ONCE = 10_000

Rows = list[dict[str, Any]]


def copy(source: Connection, target: Target, table: Table, say: Say) -> TableSum:
    """What has been sent of this table, by this attempt and those before."""
    done, there = target.done(table.name), in_target(table)
    if done.is_whole:
        return done.sum
    keys = [column.name for column in table.primary_key]
    for rows in _batches(source, table, done.last_key):
        last_key = tuple(rows[-1][name] for name in keys)
        done = Done(last_key, done.sum + sum_of(rows))
        with target.engine.begin() as connection:
            put_rows(connection, there, rows)
            target.note(connection, table.name, done)
        say(table.name, done.sum.rows)
    with target.engine.begin() as connection:
        target.note(connection, table.name, Done(done.last_key, done.sum, is_whole=True))
    return done.sum


def sum_in(connection: Connection, table: Table, what: str, say: Say) -> TableSum:
    """All of it, read; `what` is said with how much of it."""
    total = TableSum()
    for rows in _batches(connection, table, ()):
        total += sum_of(rows)
        say(what, total.rows)
    return total


def count_in(connection: Connection, table: Table) -> int:
    """Its rows, without reading them."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _batches(connection: Connection, table: Table, after: tuple[object, ...]) -> Iterator[Rows]:
    asked = select(table).order_by(*table.primary_key).execution_options(yield_per=_ROWS_AT_ONCE)
    if after:
        asked = asked.where(tuple_(*table.primary_key) > after)
    with connection.execute(asked) as found:
        for some in found.mappings().partitions():
            yield [dict(row) for row in some]
