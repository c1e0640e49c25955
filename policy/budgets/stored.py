"""Budgets in the database: a log of charges with a running total for each budget.

One row for each reservation. What a window holds is the newest total less the total before the window's first charge:
a few steps down an index, and no more of them when there are more charges. Everything here runs in a transaction that
began with the write lock (store/transactions.py): sum and insert are one step for every process, and a charge survives
a power cut. Rows older than the longest window of their budget are deleted as new ones come, so the log is bounded by
the limits.
"""

from functools import cache
from typing import NamedTuple

from policy.engine.charges import Charge
from policy.store.statements import Prepared, prepared
from policy.store.transactions import Statements

_CLOCK_STEP_S = 60.0  # the clocks of two processes differ by less; more than that is a clock that was set
_DELETED_AT_ONCE = 20  # more than one comes in, and what a quiet month has left holds nobody up

_INSERT = prepared(
    "INSERT INTO charge (reservation, key, cost, at, total, open) VALUES (:reservation, :key, :cost, :at, :total, TRUE)"
)
_RESTAMP = prepared("UPDATE charge SET at = :now WHERE key = :key AND at > :now")
_FORGET = prepared(
    "DELETE FROM charge WHERE reservation IN (SELECT reservation FROM charge "
    "WHERE key = :key AND at <= :edge ORDER BY at, total LIMIT :most)"
)
_COMMIT = prepared("UPDATE charge SET open = FALSE WHERE reservation = :reservation AND open")
_OPEN = prepared("SELECT key, cost, at, total FROM charge WHERE reservation = :reservation AND open")
_DELETE = prepared("DELETE FROM charge WHERE reservation = :reservation")
_LOWER = prepared("UPDATE charge SET total = total - :cost WHERE key = :key AND at >= :at AND total > :total")


class _State(NamedTuple):
    """A budget as it is: `spent` in each window, in their order."""

    newest_at: float
    oldest_at: float
    total: int
    spent: list[int]


class StoredBudgets:
    """See policy.budgets.Budgets for what each method promises."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def reserve(self, reservation: str, charge: Charge, now: float) -> bool:
        state, at = self._state(charge, now), now
        if state.newest_at > now:
            at = self._moment(charge, state, now)
            state = self._state(charge, at)
        if any(spent + charge.cost > window.limit for spent, window in zip(state.spent, charge.windows, strict=True)):
            return False
        edge = at - max((window.seconds for window in charge.windows), default=0.0)
        if state.oldest_at <= edge:
            self._statements.execute(_FORGET, {"key": charge.key, "edge": edge, "most": _DELETED_AT_ONCE})
        row = {"reservation": reservation, "key": charge.key, "cost": charge.cost, "at": at}
        self._statements.execute(_INSERT, row | {"total": state.total + charge.cost})
        return True

    def commit(self, reservation: str) -> bool:
        return self._statements.execute(_COMMIT, {"reservation": reservation}).rowcount == 1

    def release(self, reservation: str) -> bool:
        for key, cost, at, total in self._statements.execute(_OPEN, {"reservation": reservation}).fetchall():
            self._statements.execute(_DELETE, {"reservation": reservation})
            # The charges after it: few, because an outcome follows its reservation within seconds.
            self._statements.execute(_LOWER, {"key": key, "cost": cost, "at": at, "total": total})
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
        self._statements.execute(_RESTAMP, {"key": charge.key, "now": now})
        return now

    def _state(self, charge: Charge, now: float) -> _State:
        # A charge made exactly `seconds` ago has left the window: any span of `seconds` is half open.
        edges = {f"edge{number}": now - window.seconds for number, window in enumerate(charge.windows)}
        asked = {"key": charge.key, **edges}
        found = self._statements.execute(_question(len(charge.windows)), asked).fetchall()
        if not found:
            return _State(now, now, 0, [0] * len(charge.windows))
        newest_at, total, oldest_at, *before = found[0]
        return _State(newest_at, oldest_at, total, [0 if one is None else total - one for one in before])


@cache
def _question(windows: int) -> Prepared:
    """Newest charge, oldest charge, and for each window the total before its first one; NULL where it is empty."""
    own = "FROM charge WHERE key = :key"
    before = [
        f"(SELECT total - cost {own} AND at > :edge{number} ORDER BY at, total LIMIT 1) AS before{number}"
        for number in range(windows)
    ]
    columns = ", ".join(["at", "total", f"(SELECT at {own} ORDER BY at, total LIMIT 1) AS oldest", *before])
    return prepared(f"SELECT {columns} {own} ORDER BY at DESC, total DESC LIMIT 1")
