"""Budgets in the embedded SQLite file: a log of charges with a running total for each budget.

One row for each reservation. What a window holds is the newest total less the total before the window's first charge:
a few steps down an index, and no more of them when there are more charges. Everything here runs in a transaction that
began IMMEDIATE (store/writer.py): SQLite's single write lock makes sum and insert one step for every process, and
synchronous=FULL keeps a charge across a power cut. Rows older than the longest window of their budget are deleted as
new ones come, so the log is bounded by the limits.
"""

import sqlite3
from functools import cache
from typing import NamedTuple

from policy.engine.charges import Charge

_CLOCK_STEP_S = 60.0  # the clocks of two processes differ by less; more than that is a clock that was set
_DELETED_AT_ONCE = 20  # more than one comes in, and what a quiet month has left holds nobody up

_INSERT = (
    "INSERT INTO charge (reservation, key, cost, at, total, open) VALUES (:reservation, :key, :cost, :at, :total, TRUE)"
)
_RESTAMP = "UPDATE charge SET at = :now WHERE key = :key AND at > :now"
_FORGET = (
    "DELETE FROM charge WHERE reservation IN (SELECT reservation FROM charge "
    "WHERE key = :key AND at <= :edge ORDER BY at, total LIMIT :most)"
)
_COMMIT = "UPDATE charge SET open = FALSE WHERE reservation = :reservation AND open"
_OPEN = "SELECT key, cost, at, total FROM charge WHERE reservation = :reservation AND open"
_DELETE = "DELETE FROM charge WHERE reservation = :reservation"
_LOWER = "UPDATE charge SET total = total - :cost WHERE key = :key AND at >= :at AND total > :total"


class _State(NamedTuple):
    """A budget as it is: `spent` in each window, in their order."""

    newest_at: float
    oldest_at: float
    total: int
    spent: list[int]


class SqliteBudgets:
    """See policy.budgets.Budgets for what each method promises."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def reserve(self, reservation: str, charge: Charge, now: float) -> bool:
        state, at = self._state(charge, now), now
        if state.newest_at > now:
            at = self._moment(charge, state, now)
            state = self._state(charge, at)
        if any(spent + charge.cost > window.limit for spent, window in zip(state.spent, charge.windows, strict=True)):
            return False
        edge = at - max((window.seconds for window in charge.windows), default=0.0)
        if state.oldest_at <= edge:
            self._connection.execute(_FORGET, {"key": charge.key, "edge": edge, "most": _DELETED_AT_ONCE})
        row = {"reservation": reservation, "key": charge.key, "cost": charge.cost, "at": at}
        self._connection.execute(_INSERT, row | {"total": state.total + charge.cost})
        return True

    def commit(self, reservation: str) -> bool:
        return self._connection.execute(_COMMIT, {"reservation": reservation}).rowcount == 1

    def release(self, reservation: str) -> bool:
        for key, cost, at, total in self._connection.execute(_OPEN, {"reservation": reservation}).fetchall():
            self._connection.execute(_DELETE, {"reservation": reservation})
            # The charges after it: few, because an outcome follows its reservation within seconds.
            self._connection.execute(_LOWER, {"key": key, "cost": cost, "at": at, "total": total})
            return True
        return False

    def spent(self, charge: Charge, now: float) -> list[int]:
        return self._state(charge, now).spent

    def _moment(self, charge: Charge, state: _State, now: float) -> float:
        """When a charge counts as made. The totals need an order, so never before the newest one of its budget.

        Where the clock was set back, what it wrote before must not count until it is there again: those charges were
        made no later than now.
        """
        if state.newest_at - now <= _CLOCK_STEP_S:
            return state.newest_at
        self._connection.execute(_RESTAMP, {"key": charge.key, "now": now})
        return now

    def _state(self, charge: Charge, now: float) -> _State:
        # A charge made exactly `seconds` ago has left the window: any span of `seconds` is half open.
        edges = {f"edge{number}": now - window.seconds for number, window in enumerate(charge.windows)}
        found = self._connection.execute(_question(len(charge.windows)), {"key": charge.key} | edges).fetchall()
        if not found:
            return _State(now, now, 0, [0] * len(charge.windows))
        newest_at, total, oldest_at, *before = found[0]
        return _State(newest_at, oldest_at, total, [0 if one is None else total - one for one in before])


@cache
def _question(windows: int) -> str:
    """Newest charge, oldest charge, and for each window the total before its first one; NULL where it is empty."""
    own = "FROM charge WHERE key = :key"
    before = [
        f"(SELECT total - cost {own} AND at > :edge{number} ORDER BY at, total LIMIT 1)" for number in range(windows)
    ]
    columns = ", ".join(["at", "total", f"(SELECT at {own} ORDER BY at, total LIMIT 1)", *before])
    return f"SELECT {columns} {own} ORDER BY at DESC, total DESC LIMIT 1"
