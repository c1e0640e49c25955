"""Walls as rows: one for each network, so that people see which are walled, and can let one in.

    WallBook    the part of the identity store that has them: shown and lifted by administrators, each act audited
    WallNotes   what policy writes down (policy/walling.py)
    KeptWalls   what policy asks: those of before its start, and those that were lifted

Rows are bounded like the walls in memory: they go a day after the wall's end, when the next one would be a first one
again, and where there are too many, whose end comes first goes first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select, update

from policy.engine.guessing import NETWORKS_KEPT, PENALTY_REMEMBERED_S
from policy.store.changes import Changes
from policy.store.errors import Unknown
from policy.store.models import Walled
from policy.store.networks import checked_network
from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.transactions import Statements

ROWS_KEPT = NETWORKS_KEPT
_FORGOTTEN_AT_ONCE = 1000  # more than come in

# Several policies may have walled the same network: the row is of the wall that stands longest. A lift counts for the
# walls that went up before it, also for one that is written down late.
_ADD = prepared(
    "INSERT INTO wall (network, since, until, why, times) VALUES (:network, :since, :until, :why, :times)"
    " ON CONFLICT (network) DO UPDATE SET since = excluded.since, until = excluded.until, why = excluded.why,"
    " times = excluded.times, lifted_at = CASE WHEN wall.lifted_at >= excluded.since THEN wall.lifted_at END"
    " WHERE wall.lifted_at IS NOT NULL OR wall.until <= excluded.until"
)
_FORGET_OLD = prepared(
    "DELETE FROM wall WHERE network IN (SELECT network FROM wall WHERE until <= :edge ORDER BY until LIMIT :most)"
)
_FORGET_MANY = prepared(
    "DELETE FROM wall WHERE network IN (SELECT network FROM wall ORDER BY until DESC LIMIT :most OFFSET :kept)"
)
_LIFT = prepared("UPDATE wall SET lifted_at = :now WHERE network = :network AND until > :now AND lifted_at IS NULL")
_REMEMBERED = prepared(
    "SELECT network, until, times FROM wall WHERE until > :edge AND lifted_at IS NULL ORDER BY until"
)
_LIFTED = prepared("SELECT network, lifted_at FROM wall WHERE lifted_at IS NOT NULL")


@dataclass(frozen=True, slots=True)
class StoredWall:
    """One wall, as lists show it."""

    network: str
    since_at: float
    ends_at: float
    why: str  # policy.engine.guessing.Why
    times: int  # how many in a row, this one included; no more than six are counted


class Remembered(NamedTuple):
    """What is walled again after a start, or would be for longer the next time."""

    network: str
    until: float
    times: int


class KeptWalls:
    """What is asked. `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def remembered(self, now: float) -> list[Remembered]:
        """Those that were not lifted, and count still; whose end comes first is first."""
        rows = await self._reader.rows(_REMEMBERED, {"edge": now - PENALTY_REMEMBERED_S})
        return [Remembered(*row) for row in rows]

    async def lifted(self) -> dict[str, float]:
        """When each network was lifted. People do that: there are few."""
        return dict(await self._reader.rows(_LIFTED, {}))


class WallNotes:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def add(self, walls: Iterable[StoredWall], now: float) -> None:
        """Write walls down, and forget what is too old or too much."""
        for one in walls:
            values = {"network": one.network, "since": one.since_at, "until": one.ends_at}
            self._statements.execute(_ADD, values | {"why": one.why, "times": one.times})
        most = {"most": _FORGOTTEN_AT_ONCE}
        self._statements.execute(_FORGET_OLD, most | {"edge": now - PENALTY_REMEMBERED_S})
        self._statements.execute(_FORGET_MANY, most | {"kept": ROWS_KEPT})

    def lift(self, network: str, now: float) -> None:
        """The same as WallBook.lift_wall, for a program; nothing where there is no wall."""
        self._statements.execute(_LIFT, {"network": network, "now": now})


class WallBook(Changes):
    """The part of the identity store that has the walls."""

    def walls(self, now: float, limit: int | None = None) -> list[StoredWall]:
        """Those that stand, the newest first."""
        with self._reading.connect() as connection:
            return _read(connection, now, limit=limit)

    def lift_wall(self, given: str, now: float) -> StoredWall:
        """Let a network in, or the one of an address: its wall falls, and the next one is a first one."""
        network = checked_network(given)
        with self._engine.begin() as connection:
            for one in _read(connection, now, Walled.network == network):
                connection.execute(update(Walled).where(Walled.network == network).values(lifted_at=now))
                before = {"since_at": one.since_at, "ends_at": one.ends_at, "why": one.why, "times": one.times}
                self._record(connection, now, "wall-lifted", network, before, {})
                return one
        raise Unknown(f"{network} is not walled; `sallyport wall list` shows what is")


def _read(
    connection: Connection, now: float, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[StoredWall]:
    question = (
        select(Walled.network, Walled.since, Walled.until, Walled.why, Walled.times)
        .where(Walled.until > now, Walled.lifted_at.is_(None), *conditions)
        .order_by(Walled.since.desc(), Walled.network)
        .limit(limit)
    )
    return [StoredWall(*row) for row in connection.execute(question)]
