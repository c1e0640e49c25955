"""The move itself, from its first look to the moment from which the other place is a store.

    1  the source is nobody else's           source.py
    2  the target is empty, or an attempt with the same source was cut off there
    3  the tables, and then the budgets      what was cut off goes on when it is run again
    4  all of it is read back and compared
    5  the target is a store                 one transaction

The source is not changed in any of them. Where budgets alone are moved, both have one database.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import valkey
from sqlalchemy import Connection, Engine, Table

from policy.budgets.valkey_line import Server
from policy.location import spelled
from policy.migrating import budgets
from policy.migrating.budgets import Compared
from policy.migrating.in_valkey import IN_USE, InValkey, connect, told
from policy.migrating.places import InDatabase, Place
from policy.migrating.source import frozen, refuse_sessions
from policy.migrating.sums import TableSum
from policy.migrating.tables import copy, count_in, sum_in
from policy.migrating.target import MOVED, Origin, Target, in_target, store_of
from policy.store import audit
from policy.store.backup import Say, last_ids_of, snapshot
from policy.store.database import Location, open_database
from policy.store.errors import StoreError
from policy.store.schema import METADATA
from service import VERSION

_OF_BUDGETS = ("charge", "member")
_ANEW = "begin anew with --anew"


@dataclass(frozen=True, slots=True)
class Where:
    """A store: its database, and the server of its budgets where they are not in there."""

    database: Location
    budgets: Server | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """What is over there now, or would be; `went_on` where an attempt before had begun."""

    tables: dict[str, TableSum] = field(default_factory=dict)
    budgets: Compared | None = None  # None where they are rows of the tables, or stay where they are
    went_on: bool = False


@dataclass(frozen=True, slots=True)
class _Ends:
    """Both ends, opened. `target` is None where the database stays, `place` where no budgets go elsewhere."""

    source: Connection
    budgets: Place
    target: Target | None
    valkey: InValkey | None
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """From `source` to `target`, by whom and when."""

    source: Where
    target: Where
    actor: audit.Actor
    now: float
    say: Say
    is_anew: bool = False  # what an attempt before has left is not gone on with

    def plan(self) -> Moved:
        """What would be moved. Looks at everything, and changes nothing."""
        with self._open() as ends:
            went_on = self._look(ends)
            tables = {one.name: TableSum(count_in(ends.source, one)) for one in self._tables()} if ends.target else {}
        return Moved(tables, went_on=went_on)

    def run(self) -> Moved:
        """All of it."""
        with self._open() as ends:
            went_on = self._look(ends)
            if not ends.target:
                moved = Moved(budgets=self._move_budgets(ends, None), went_on=went_on)
                self._finish_budgets(ends)
                return moved
            return self._whole(ends, ends.target, went_on)

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Ends]:
        if self.source == self.target:
            raise StoreError("source and target are the same: there is nothing to be moved")
        if self.source.database == self.target.database and not self.target.budgets:
            raise StoreError(
                "budgets go back into a database only together with it: name an empty one, too (--to-database)"
            )
        with contextlib.ExitStack() as stack:
            try:
                source = stack.enter_context(frozen(self.source.database))
                target = None if self.source.database == self.target.database else Target(self._opened(stack))
                here = self.source.budgets
                place = InValkey(_connected(stack, here), self.now) if here else InDatabase(source)
                there = self.target.budgets if self.target.budgets != here else None
                other = InValkey(_connected(stack, there), self.now) if there else None
                yield _Ends(source, place, target, other, self._origin(source))
            except valkey.ValkeyError as error:
                raise told(error) from None

    def _opened(self, stack: contextlib.ExitStack) -> Engine:
        engine = open_database(self.target.database)
        stack.callback(engine.dispose)
        if not isinstance(self.target.database, Path):
            with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                refuse_sessions(connection)
        return engine

    def _origin(self, source: Connection) -> Origin:
        return Origin(spelled(self.source.database), store_of(source), VERSION)

    def _look(self, ends: _Ends) -> bool:
        """Whether it goes on with what an attempt before has left; StoreError where there is anything else."""
        begun = ends.target.begun(ends.origin) if ends.target else None
        if begun and begun != ends.origin and not self.is_anew:
            raise StoreError(
                f"the target is half filled from {begun.source}, by version {begun.version}: finish that, or {_ANEW}"
            )
        went_on = bool(begun) and not self.is_anew
        state = ends.valkey.state() if ends.valkey else None
        if state == IN_USE and not begun:
            raise StoreError(
                "the server of the target's budgets has budgets already; name an empty one, or another number"
            )
        if state not in (None, IN_USE, _mark(ends.origin)) and not self.is_anew:
            raise StoreError(f"the server of the target's budgets is half filled from another store: {_ANEW}")
        return went_on

    def _tables(self) -> list[Table]:
        """Budgets are rows like others where they stay in databases; elsewhere what is in their tables is old."""
        are_rows = not self.source.budgets and not self.target.budgets
        return [one for one in METADATA.sorted_tables if are_rows or one.name not in _OF_BUDGETS]

    def _whole(self, ends: _Ends, target: Target, went_on: bool) -> Moved:
        if not went_on:
            target.begin(ends.origin)
        sent = {one.name: copy(ends.source, target, one, self.say) for one in self._tables()}
        self._compare_tables(ends.source, target, sent, went_on)
        compared = self._move_budgets(ends, target)
        self._finish_budgets(ends)
        if isinstance(self.target.database, Path):
            self.target.database.chmod(0o600)
        with target.engine.begin() as connection:
            target.finish(connection, last_ids_of(ends.source))
            after = {"from": spelled(self.source.database), "rows": sum(one.rows for one in sent.values())}
            audit.record(connection, self.actor, self.now, MOVED, "database", {}, after)
        return Moved(sent, compared, went_on)

    def _compare_tables(self, source: Connection, target: Target, sent: dict[str, TableSum], went_on: bool) -> None:
        """What arrived is what was sent; and what was sent by attempts before is what is here still."""
        with snapshot(target.engine) as connection:
            for table in self._tables():
                if sum_in(connection, in_target(table), f"{table.name} read back", self.say) != sent[table.name]:
                    raise StoreError(f"table {table.name} is not over there what it is here: {_ANEW}")
                if went_on and sum_in(source, table, f"{table.name} looked at again", self.say) != sent[table.name]:
                    raise StoreError(f"table {table.name} has changed here since the move began: {_ANEW}")

    def _move_budgets(self, ends: _Ends, target: Target | None) -> Compared | None:
        if ends.valkey:
            ends.valkey.begin(_mark(ends.origin))
            ends.valkey.empty()
            budgets.move(ends.budgets, ends.valkey, self.say)
            return budgets.compare(ends.budgets, ends.valkey, self.now, self.say)
        if target and self.source.budgets != self.target.budgets:
            with target.engine.begin() as connection:
                place = InDatabase(connection)
                place.empty()
                budgets.move(ends.budgets, place, self.say)
                return budgets.compare(ends.budgets, place, self.now, self.say)
        if target and not self.source.budgets:
            with snapshot(target.engine) as connection:
                return budgets.compare(ends.budgets, InDatabase(connection), self.now, self.say)
        return None

    def _finish_budgets(self, ends: _Ends) -> None:
        if ends.valkey:
            ends.valkey.finish()


def _connected(stack: contextlib.ExitStack, server: Server) -> valkey.Valkey:
    client = connect(server)
    stack.callback(client.close)
    return client


def _mark(origin: Origin) -> str:
    return json.dumps(asdict(origin), sort_keys=True)
