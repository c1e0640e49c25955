"""Budgets in the embedded SQLite file: a log of charges, summed over each window.

One row for each reservation. BEGIN IMMEDIATE takes SQLite's single write lock before the sum is read, so sum and
insert are one step for every thread and process; synchronous=FULL keeps a charge across a power cut.
Rows older than the longest window of their budget are deleted as new ones come, so the log is bounded by the limits.
"""

from sqlalchemy import Engine, Select, delete, func, insert, select, update

from policy.engine.charges import Charge, Window
from policy.store.models import Charges


class SqliteBudgets:
    """See policy.budgets.Budgets for what each method promises."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reserve(self, reservation: str, charge: Charge, now: float) -> bool:
        with self._engine.begin() as connection:
            for window in charge.windows:
                spent = connection.scalar(_sum(charge, window, now))
                if (spent or 0) + charge.cost > window.limit:
                    return False
            longest = max((window.seconds for window in charge.windows), default=0.0)
            connection.execute(delete(Charges).where(Charges.key == charge.key, Charges.at <= now - longest))
            connection.execute(
                insert(Charges).values(reservation=reservation, key=charge.key, cost=charge.cost, at=now, open=True)
            )
        return True

    def commit(self, reservation: str) -> bool:
        with self._engine.begin() as connection:
            done = connection.execute(
                update(Charges).where(Charges.reservation == reservation, Charges.open).values(open=False)
            )
        return done.rowcount == 1

    def release(self, reservation: str) -> bool:
        with self._engine.begin() as connection:
            done = connection.execute(delete(Charges).where(Charges.reservation == reservation, Charges.open))
        return done.rowcount == 1

    def spent(self, charge: Charge, now: float) -> list[int]:
        with self._engine.begin() as connection:
            return [connection.scalar(_sum(charge, window, now)) or 0 for window in charge.windows]


def _sum(charge: Charge, window: Window, now: float) -> Select[int | None]:
    # A charge made exactly `seconds` ago has left the window: any span of `seconds` is half open.
    return select(func.sum(Charges.cost)).where(Charges.key == charge.key, Charges.at > now - window.seconds)
