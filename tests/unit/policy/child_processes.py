"""Processes that work on one store side by side, forked from one that has loaded policy, which takes a second."""

import asyncio
import multiprocessing
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection

from policy.budgets.location import server_at
from policy.budgets.stored import StoredBudgets
from policy.budgets.valkey import ValkeyBudgets
from policy.counting import Counting
from policy.engine.budget import Sum, Take, Taken, Window
from policy.store.database import Location
from policy.store.tallies import TallyNotes
from policy.store.transactions import open_transactions
from policy.store.writer import Writer
from policy.tally import Tally, What

T = 1_000_000.0  # any moment
FORKING = multiprocessing.get_context("forkserver")
# What each imports: of ours, and by looking at what the tests were started with. Modules of tests are not found there.
FORKING.set_forkserver_preload(["pytest", "policy.budgets.stored", "policy.budgets.valkey", "policy.counting"])


def one_of(limit: int, cost: int = 1) -> Take:
    """Two charges, so that a step between them would show."""
    windows = (Window(limit, 60.0), Window(limit, 3600.0))
    return Take((Sum("recipients", "recipients:ada", cost, windows), Sum("messages", "messages:ada", cost, windows)))


class Reserving:
    """A process that reserves until it is told no, or is killed. `where` is a database, or the URL of a Valkey."""

    def __init__(self, where: Location | str, name: str, limit: int) -> None:
        self._answers, answers = FORKING.Pipe(duplex=False)
        self.process = FORKING.Process(target=_reserve, args=(answers, where, name, limit))
        self.process.start()
        answers.close()

    def heard(self, most: float) -> int:
        """How many reservations were answered with yes, of so many; fewer where it has ended."""
        number = 0
        try:
            while number < most:
                self._answers.recv_bytes()
                number += 1
        except EOFError:
            self._answers.close()
            self.process.join(60)
        return number


def _reserve(answers: Connection, where: Location | str, name: str, limit: int) -> None:
    asyncio.run(_reserve_all(answers, where, name, one_of(limit)))


async def _reserve_all(answers: Connection, where: Location | str, name: str, take: Take) -> None:
    valkey = ValkeyBudgets(server_at(where)) if isinstance(where, str) else None
    transactions = None if isinstance(where, str) else open_transactions(where)
    writer = Writer(transactions) if transactions else None

    async def reserve(reservation: str) -> Taken:
        if valkey:
            return await valkey.reserve(reservation, take, T)
        assert transactions
        assert writer
        return await writer.make(partial(StoredBudgets(transactions).reserve, reservation, take, T))

    number = 0
    while (await reserve(f"{name}-{number}")).fits:
        answers.send_bytes(b".")
        number += 1


def count(where: Location, each: Sequence[What], rounds: int) -> None:
    """Figures of two recipients each, noted in this order and written down, again and again."""

    async def work() -> None:
        transactions = open_transactions(where)
        tally, writer = Tally(), Writer(transactions, patience_s=0)
        one = Counting(tally=tally, notes=TallyNotes(transactions), writer=writer, clock=lambda: T)
        for _ in range(rounds):
            for what in each:
                tally.note(what, T, 2)
            await one.round()
        await writer.close()

    asyncio.run(work())
