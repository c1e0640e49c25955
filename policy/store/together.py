"""Many changes of the stores as one: all of them are made, or none, and nobody waits while they are tried.

They are tried on a copy, in memory, of what they look at, with the stores' own rules: a change that fails leaves no
trace there, and the next one can be tried. What came of them is written in one transaction of a moment, in which others
could not write. Where somebody has changed something since the copy was made, which the audit log knows, nothing is.

It is made for an import, which adds rows and changes some, deletes none, and only looks at passwords.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Engine,
    MetaData,
    NestedTransaction,
    Table,
    except_,
    func,
    insert,
    select,
    text,
    update,
)

from policy.store.database import open_database
from policy.store.errors import StoreError
from policy.store.models import Audit
from policy.store.schema import METADATA

_COPIED = ("identity", "address", "send_as", "password", "credential", "decoy", "invite")
_ADDED_TO = ("audit", "revocation")  # what is in them already, no change looks at
_TABLES = [one for one in METADATA.sorted_tables if one.name in (*_COPIED, *_ADDED_TO)]  # who is referred to is first
_WRITTEN = [one for one in _TABLES if "id" in one.c]
_AS_IT_WAS = {one.name: one.to_metadata(MetaData(), name=f"{one.name}_as_it_was") for one in _WRITTEN}
_ROWS_AT_ONCE = 1000

_Row = Mapping[str, Any]


class _Difference(NamedTuple):
    """What the copy of a table has that the store has not."""

    table: Table
    added: Sequence[_Row]
    changed: Sequence[tuple[int, _Row]]  # by its id, only what is another now


class Together:
    """`engine` is for stores; commit() makes all that they did."""

    def __init__(self, store: Engine, copy: Connection) -> None:
        self.engine = cast("Engine", _WithinTransaction(copy))
        self._store = store
        self._copy = copy
        METADATA.create_all(copy, _TABLES)
        with store.execution_options(isolation_level="AUTOCOMMIT").connect() as reading:
            self._last_act = _last_act(reading)
            for table in (one for one in _TABLES if one.name in _COPIED):
                for some in reading.execute(select(table)).mappings().partitions(_ROWS_AT_ONCE):
                    copy.execute(insert(table), [dict(row) for row in some])
        for name, kept in _AS_IT_WAS.items():
            copy.execute(text(f"CREATE TABLE {kept.name} AS SELECT * FROM {name}"))  # noqa: S608 - names of ours

    def attempt(self) -> NestedTransaction:
        """For one change of several acts: none of them is left where it fails."""
        return self._copy.begin_nested()

    def commit(self) -> None:
        """StoreError where it cannot be done as things are now."""
        differences = [self._difference(table) for table in _WRITTEN]
        numbers: dict[str, Mapping[int, int]] = {}
        with self._store.begin() as writing:
            if _last_act(writing) != self._last_act:
                raise StoreError("somebody has changed something meanwhile; nothing was imported: try again")
            for table, added, changed in differences:
                for number, values in changed:
                    writing.execute(update(table).where(table.c.id == number).values(values))
                numbers[table.name] = _add(writing, table, added, numbers)

    def _difference(self, table: Table) -> _Difference:
        kept = _AS_IT_WAS[table.name]
        after = self._rows(except_(select(table), select(kept)).order_by("id"))
        before = {row["id"]: row for row in self._rows(except_(select(kept), select(table)))}
        changed = [(row["id"], _changes(before[row["id"]], row)) for row in after if row["id"] in before]
        return _Difference(table, [row for row in after if row["id"] not in before], changed)

    def _rows(self, question: CompoundSelect[Any]) -> Sequence[_Row]:
        return [dict(row) for row in self._copy.execute(question).mappings()]


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


def _changes(before: _Row, after: _Row) -> _Row:
    return {name: value for name, value in after.items() if before[name] != value}


def _add(
    writing: Connection, table: Table, rows: Sequence[_Row], numbers: Mapping[str, Mapping[int, int]]
) -> Mapping[int, int]:
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
