"""Drives a decision to its end: what the engine asks of the budgets is asked, until it knows.

run_here     with back ends that answer at once: in the database, within a writer's transaction; in memory
run_there    with those that answer over the network
"""

from collections.abc import Generator
from typing import Protocol, TypeVar

from policy.engine.budget import Take, Taken

Decision = TypeVar("Decision")


class Reserving(Protocol):
    """The part of policy.budgets.Budgets that a decision needs."""

    def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        """Take the charges if they fit."""


class RemoteBudgets(Protocol):
    """The part of policy.budgets.Budgets that a decision needs, from far away."""

    async def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        """Take the charges if they fit."""


def run_here(asking: Generator[Take, Taken, Decision], budgets: Reserving, reservation: str, now: float) -> Decision:
    """What `asking` returns in the end. All that it takes is one reservation."""
    try:
        take = next(asking)
        while True:
            take = asking.send(budgets.reserve(reservation, take, now))
    except StopIteration as end:
        decision: Decision = end.value
        return decision


async def run_there(
    asking: Generator[Take, Taken, Decision], budgets: RemoteBudgets, reservation: str, now: float
) -> Decision:
    """The same, one question over the network after the other."""
    try:
        take = next(asking)
        while True:
            take = asking.send(await budgets.reserve(reservation, take, now))
    except StopIteration as end:
        decision: Decision = end.value
        return decision
