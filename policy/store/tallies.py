"""The figures of policy/tally.py on disk: added up over all processes, kept for two weeks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Engine, func, literal, select

from policy.store.operation_models import Tallies
from policy.store.statements import prepared
from policy.store.transactions import Statements
from policy.tally import GRAIN_S, Count, Stage, What

KEPT_S = 14 * 86400

_ADD = prepared(
    "INSERT INTO tally (at, stage, outcome, reason, number, recipients)"
    " VALUES (:at, :stage, :outcome, :reason, :number, :recipients)"
    " ON CONFLICT (at, stage, outcome, reason) DO UPDATE SET"
    " number = tally.number + excluded.number, recipients = tally.recipients + excluded.recipients"
)
_FORGET = prepared("DELETE FROM tally WHERE at < :edge")


@dataclass(frozen=True, slots=True)
class Figure:
    """What happened within `GRAIN_S` from `at` on, or in the whole span that was asked for."""

    at: int
    what: What
    number: int
    recipients: int


@dataclass(frozen=True, slots=True)
class TallyNotes:
    """Runs in the transactions of a writer (store/writer.py)."""

    statements: Statements

    def add(self, taken: Mapping[int, Mapping[What, Count]]) -> None:
        for at, counts in sorted(taken.items()):
            for what, count in sorted(counts.items()):  # in one order, or two processes would wait for each other
                self.statements.execute(
                    _ADD,
                    {
                        "at": at,
                        "stage": what.stage.value,
                        "outcome": what.outcome,
                        "reason": what.reason,
                        "number": count.number,
                        "recipients": count.recipients,
                    },
                )

    def forget(self, now: float) -> None:
        self.statements.execute(_FORGET, {"edge": int(now) - KEPT_S})


def figures_by(engine: Engine, since: float, seconds: int) -> list[Figure]:
    """Summed up by so many seconds, in order; `at` is where those begin, which the first of them may do earlier."""
    row = Tallies
    # Not a parameter: PostgreSQL would take two of them for two values, and its groups for others than what is asked.
    at = (row.at - row.at % literal(seconds, literal_execute=True)).label("begin")
    wanted = (
        select(at, row.stage, row.outcome, row.reason, func.sum(row.number), func.sum(row.recipients))
        .where(row.at > since - GRAIN_S)
        .group_by(at, row.stage, row.outcome, row.reason)
        .order_by(at, row.stage, row.outcome, row.reason)
    )
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return [_figure(*found) for found in connection.execute(wanted).all()]


def sums_since(engine: Engine, since: float) -> list[Figure]:
    """The same, summed up over the whole span; `at` is the first five minutes that are in it."""
    row = Tallies
    wanted = (
        select(func.min(row.at), row.stage, row.outcome, row.reason, func.sum(row.number), func.sum(row.recipients))
        .where(row.at > since - GRAIN_S)
        .group_by(row.stage, row.outcome, row.reason)
        .order_by(row.stage, row.outcome, row.reason)
    )
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return [_figure(*found) for found in connection.execute(wanted).all()]


def _figure(at: int, stage: str, outcome: str, reason: str, number: int, recipients: int) -> Figure:
    return Figure(at, _what(stage, outcome, reason), int(number), int(recipients))


@lru_cache(maxsize=1024)  # closed lists: there are some hundred, and thousands of rows of them each time
def _what(stage: str, outcome: str, reason: str) -> What:
    return What(Stage(stage), outcome, reason)
