"""The database that is filled: empty before, and of no use to anybody until it is whole.

Until then its schema has the revision MOVING, which no version works with, and the table of identities, without which
nothing is decided, has another name: who opens it all the same gets an error, and lets nothing pass. How far the move
is stands in a table of its own, written in the transaction that writes the rows.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    insert,
    select,
    text,
    update,
)

from policy.migrating.sums import TableSum
from policy.opening import ADMINISTRATOR
from policy.store.errors import StoreError
from policy.store.filling import go_on_from
from policy.store.migrating import MOVING, OF_A_MOVE, migrate_on, newest_revision, revision_of
from policy.store.models import Audit, Identities
from policy.store.restore import contents, drop_everything

MOVED = "state-moved"  # the act
_HIDDEN = "identity"
_MOVE, _HIDDEN_AS = OF_A_MOVE
_BOOK = Table(
    _MOVE,
    MetaData(),
    Column("name", String, primary_key=True),  # of a table; empty: what is moved
    Column("last_key", String, nullable=False),  # JSON: the primary key of the last row that is here
    Column("rows", Integer, nullable=False),
    Column("sum", String, nullable=False),
    Column("is_whole", Boolean, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What is moved: a move goes on only where it began with the same."""

    source: str
    store: str  # store_of
    version: str


@dataclass(frozen=True, slots=True)
class Done:
    """How far one table is."""

    last_key: tuple[object, ...] = ()
    sum: TableSum = field(default_factory=TableSum)
    is_whole: bool = False


class Target:
    """A database on its way to be a store."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def begun(self, origin: Origin) -> Origin | None:
        """What an attempt before has begun with; None where there was none, StoreError where the place is taken."""
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            if revision_of(connection) == MOVING:
                return Origin(**json.loads(connection.execute(_of("")).one().last_key))
        if there := contents(self.engine, ADMINISTRATOR):
            raise StoreError(self._finished(origin) or f"the target has {there} already; name an empty database")
        return None

    def _finished(self, origin: Origin) -> str:
        """When such a move came to its end, for who was not told; empty where this is another store."""
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            moves = select(Audit.at, Audit.after).where(Audit.action == MOVED).order_by(Audit.id.desc())
            last = connection.execute(moves.limit(1)).one_or_none()
            if last is None or json.loads(last.after)["from"] != origin.source or store_of(connection) != origin.store:
                return ""
        at = datetime.fromtimestamp(last.at, UTC)
        return (
            f"the move from {origin.source} was finished at {at:%Y-%m-%d %H:%M:%S} UTC, and the target is a store:"
            " point the settings at it; to move once more, name an empty database"
        )

    def begin(self, origin: Origin) -> None:
        """The schema, and nothing in it."""
        with self.engine.begin() as connection:
            drop_everything(connection)
            migrate_on(connection, "head")
            connection.execute(text(f"ALTER TABLE {_HIDDEN} RENAME TO {table_name(_HIDDEN)}"))
            _BOOK.create(connection)
            note = {"name": "", "last_key": json.dumps(asdict(origin)), "rows": 0, "sum": "0", "is_whole": False}
            connection.execute(insert(_BOOK), [note])
            connection.execute(text("UPDATE alembic_version SET version_num = :moving"), {"moving": MOVING})

    def done(self, name: str) -> Done:
        """How far it is with this table."""
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            row = connection.execute(_of(name)).one_or_none()
        if row is None:
            return Done()
        return Done(tuple(json.loads(row.last_key)), TableSum(row.rows, int(row.sum, 16)), row.is_whole)

    def note(self, connection: Connection, name: str, done: Done) -> None:
        """Within the transaction that writes the rows."""
        values = {
            "last_key": json.dumps(done.last_key),
            "rows": done.sum.rows,
            "sum": done.sum.digest,
            "is_whole": done.is_whole,
        }
        if not connection.execute(update(_BOOK).where(_BOOK.c.name == name).values(values)).rowcount:
            connection.execute(insert(_BOOK).values(name=name, **values))

    def finish(self, connection: Connection, last_ids: dict[str, int]) -> None:
        """It is a store from the end of this transaction on."""
        connection.execute(text(f"ALTER TABLE {table_name(_HIDDEN)} RENAME TO {_HIDDEN}"))
        go_on_from(connection, last_ids)
        _BOOK.drop(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": newest_revision()})


def store_of(connection: Connection) -> str:
    """What tells a store from another one: its first identity's moment."""
    first = connection.execute(select(Identities.created_at).order_by(Identities.id).limit(1)).scalar()
    return repr(first)


def table_name(name: str) -> str:
    """What a table is called as long as the store is not whole."""
    return _HIDDEN_AS if name == _HIDDEN else name


def in_target(table: Table) -> Table:
    """The same table as it is called there."""
    return table.to_metadata(MetaData(), name=table_name(table.name))


def _of(name: str) -> Select[Any]:
    return select(_BOOK).where(_BOOK.c.name == name)
