"""Many changes of the stores as one: all of them are made, or none, and nobody waits while they are tried.

They are tried on a copy, in memory, of what they look at, with the stores' own rules: a change that fails leaves no
trace there, and the next one can be tried. What came of them is written in one transaction of a moment, in which others
could not write. Where somebody has changed something since the copy was made, which the audit log knows, nothing is.

It is made for an import, which adds rows and changes some, deletes none, and only looks at passwords.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, cast

from sqlalchemy import Connection, Engine, NestedTransaction, Table, func, insert, select, update

from policy.store.database import open_database
from policy.store.errors import StoreError
from policy.store.models import Audit
from policy.store.schema import METADATA

_COPIED = ("identity", "address", "send_as", "password", "credential", "decoy", "invite")
_ADDED_TO = ("audit", "revocation")  # what is in them already, no change looks at
_TABLES = [one for one in METADATA.sorted_tables if one.name in (*_COPIED, *_ADDED_TO)]  # who is referred to is first
_WRITTEN = [one for one in _TABLES if "id" in one.c]

_Rows = Mapping[int, Mapping[str, Any]]  # by their id


class Together:
    """`engine` is for stores; commit() makes all that they did."""

    def __init__(self, store: Engine, copy: Connection) -> None:
        self.engine = cast("Engine", _WithinTransaction(copy))
        self._store = store
        self._copy = copy
        with store.execution_options(isolation_level="AUTOCOMMIT").connect() as reading:
            self._last_act = _last_act(reading)
            METADATA.create_all(copy, _TABLES)
            for table in (one for one in _TABLES if one.name in _COPIED):
                if rows := _plain(reading, table):
                    copy.execute(insert(table), rows)
        self._before = {table.name: self._rows(table) for table in _WRITTEN}

    def attempt(self) -> NestedTransaction:
        """For one change of several acts: none of them is left where it fails."""
        return self._copy.begin_nested()

    def commit(self) -> None:
        """StoreError where it cannot be done as things are now."""
        numbers: dict[str, dict[int, int]] = {}
        with self._store.begin() as writing:
            if _last_act(writing) != self._last_act:
                raise StoreError("somebody has changed something meanwhile; nothing was imported: try again")
            for table in _WRITTEN:
                before, after = self._before[table.name], self._rows(table)
                _change(writing, table, before, after)
                numbers[table.name] = _add(writing, table, [after[one] for one in after if one not in before], numbers)

    def _rows(self, table: Table) -> _Rows:
        return {row["id"]: row for row in _plain(self._copy, table)}


@contextmanager
def together(engine: Engine) -> Iterator[Together]:
    """What was not committed was never there."""
    memory = open_database(Path(":memory:"))
    try:
        with memory.connect() as copy:
            yield Together(engine, copy)
    finally:
        memory.dispose()


def _last_act(connection: Connection) -> int:
    return connection.scalar(select(func.max(Audit.id))) or 0


def _plain(connection: Connection, table: Table) -> Sequence[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def _change(writing: Connection, table: Table, before: _Rows, after: _Rows) -> None:
    for number, row in after.items():
        changed = {name: value for name, value in row.items() if number in before and before[number][name] != value}
        if changed:
            writing.execute(update(table).where(table.c.id == number).values(changed))


def _add(
    writing: Connection, table: Table, rows: Sequence[Mapping[str, Any]], numbers: Mapping[str, Mapping[int, int]]
) -> dict[int, int]:
    """The number that the store gave to each, by that in the copy: one that was somebody's once is given to nobody."""
    if not rows:
        return {}
    owners = {key.parent.name: numbers[key.column.table.name] for key in table.foreign_keys}
    values = [
        {
            name: owners[name].get(value, value) if name in owners else value
            for name, value in row.items()
            if name != "id"
        }
        for row in rows
    ]
    statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    made = writing.scalars(statement, values).all()
    return dict(zip((row["id"] for row in rows), made, strict=True))


class _WithinTransaction:
    """As much of an engine as stores use."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._connection.begin_nested():
            yield self._connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """For reading: it must see what was changed, so it is the same connection."""
        yield self._connection

    def execution_options(self, **_options: object) -> Self:
        """Readers ask for AUTOCOMMIT."""
        return self
