"""Many changes of the stores as one transaction: all of them are made, or none.

A store begins a transaction for each change. Here it begins a savepoint instead, within one that is the caller's: a
change that fails leaves no trace and the next one can be tried, and in the end all of it is committed, or forgotten.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, cast

from sqlalchemy import Connection, Engine


@contextmanager
def together(engine: Engine) -> Iterator[tuple[Engine, Connection]]:
    """An engine for stores, and the connection whose commit() makes all that they did last; otherwise it is undone."""
    with engine.connect() as connection:
        connection.begin()
        yield cast("Engine", _WithinTransaction(connection)), connection
        # Whatever was not committed is rolled back when the connection is given back.


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
