"""What a reservation costs in each back end of the budgets, and how many there are in a second.

python -m bench.budgets                  memory, SQLite, PostgreSQL, Valkey (those that are installed); a minute
python -m bench.budgets --seconds 10

Two kinds of messages, of 1,000 identities that have sent before: an ordinary one (messages, recipients and octets of
the identity, recipients of the domain: four counters, ten windows), and one to new recipients from a strange network
(two counters and eight sets more). Every reservation is committed. "us" is one after the other: of the processor in
memory and in SQLite, in one open transaction; of the clock on the wall where there is a server. "a second" is with 16
askers at once, each answered when it is on disk; of Valkey from one process and from four. Servers are private ones on
this machine: PostgreSQL without fsync, Valkey with appendfsync always.
"""

import argparse
import asyncio
import importlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from policy.budgets import Budgets
from policy.budgets.location import server_at
from policy.budgets.memory import MemoryBudgets
from policy.budgets.stored import StoredBudgets
from policy.budgets.valkey import ValkeyBudgets
from policy.engine.budget import Charge, Distinct, Sum, Take, Window
from policy.store.database import Location, open_database
from policy.store.migrating import migrate
from policy.store.statements import prepared
from policy.store.transactions import Transactions, open_transactions
from policy.store.writer import Writer

ROOT = Path(__file__).parent.parent
IDENTITIES, ASKERS, PROCESSES = 1000, 16, 4
BEGUN = 1_750_000_000.0
STEP_S = 2.0  # between messages
TEN_MINUTES, HOUR, DAY = (Window(10**9, seconds) for seconds in (600.0, 3600.0, 86400.0))
_BEGIN, _COMMIT = prepared("BEGIN"), prepared("COMMIT")

Figure = tuple[str, float]
Clock = Callable[[], float]
Handle = Callable[[int], Awaitable[object]]  # one message, by its number: reserved and committed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement; default 3")
    parser.add_argument("--warm", type=int, default=20_000, help="messages before; default 20,000")
    options = parser.parse_args()
    for name, figure in measure(options.seconds, options.warm):
        print(f"{name:<50} {figure:>10,.0f}", flush=True)


def measure(seconds: float, warm: int) -> Iterator[Figure]:
    """Name and figure, one after the other."""
    sys.path.append(str(ROOT / "tests"))  # its servers import each other by their bare names
    yield from _here("memory", MemoryBudgets(), seconds, warm)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sallyport.db"
        engine = open_database(database)
        migrate(engine)
        engine.dispose()
        yield from _of_database("SQLite", database, seconds, warm)
    servers = importlib.import_module("postgresql")
    if servers.is_possible():
        yield from _of_database("PostgreSQL", servers.cluster().create(), seconds, warm // 10)
    servers = importlib.import_module("valkey_server")
    if servers.is_possible():
        server = servers.Server(appendonly="yes", appendfsync="always").start()
        try:
            yield from _of_valkey(f"unix://{server.socket}", seconds, warm // 10)
        finally:
            server.close()


def _here(name: str, budgets: Budgets, seconds: float, warm: int, clock: Clock = time.process_time) -> Iterator[Figure]:
    numbers = count()
    for kind, message in (("ordinary", ordinary), ("strange", strange)):
        for number in range(warm):
            budgets.reserve(f"warm-{kind}-{number}", message(number), _moment(next(numbers)))
        done, end, begun = 0, time.perf_counter() + seconds, clock()
        while time.perf_counter() < end:
            number = next(numbers)
            budgets.reserve(f"{kind}-{number}", message(number), _moment(number))
            budgets.commit(f"{kind}-{number}", _moment(number))
            done += 1
        yield f"{name}: us, {kind}", (clock() - begun) / done * 1e6


def _of_database(name: str, where: Location, seconds: float, warm: int) -> Iterator[Figure]:
    transactions = open_transactions(where)
    budgets = StoredBudgets(transactions)
    with _one_transaction(transactions):
        yield from _here(name, budgets, seconds, warm, time.process_time if name == "SQLite" else time.perf_counter)
    writer = Writer(transactions)

    async def handle(number: int) -> None:
        reservation, now = f"written-{number}", _moment(number) + 1e7
        await writer.make(partial(budgets.reserve, reservation, ordinary(number), now))
        writer.make_later(partial(budgets.commit, reservation, now))

    async def measured() -> float:
        rate = await _rate(handle, seconds)
        await writer.close()
        return rate

    yield f"{name}: a second, {ASKERS} askers", asyncio.run(measured())


@contextmanager
def _one_transaction(transactions: Transactions) -> Iterator[None]:
    transactions.execute(_BEGIN, {})
    yield
    transactions.execute(_COMMIT, {})


def _of_valkey(url: str, seconds: float, warm: int) -> Iterator[Figure]:
    asyncio.run(_valkey_rate(url, 0, warm, ordinary, 1))
    for kind, message in (("ordinary", ordinary), ("strange", strange)):
        rate = asyncio.run(_valkey_rate(url, seconds, 0, message, 1))
        yield f"Valkey: us, {kind}", 1e6 / rate
    yield f"Valkey: a second, {ASKERS} askers", asyncio.run(_valkey_rate(url, seconds, 0, ordinary, ASKERS))
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as processes:
        rates = processes.starmap(_in_process, [(url, seconds)] * PROCESSES)
    yield f"Valkey: a second, {PROCESSES} processes of {ASKERS} askers", sum(rates)


def _in_process(url: str, seconds: float) -> float:
    return asyncio.run(_valkey_rate(url, seconds, 0, ordinary, ASKERS))


async def _valkey_rate(url: str, seconds: float, most: int, message: Callable[[int], Take], askers: int) -> float:
    """`most` messages, or for so many seconds."""
    budgets = ValkeyBudgets(server_at(url))
    begun = time.time()

    async def handle(number: int) -> None:
        reservation, now = f"{begun}-{askers}-{number}", time.time()
        await budgets.reserve(reservation, message(number), now)
        await budgets.commit(reservation, now)

    for number in range(most):
        await handle(number)
    rate = await _rate(handle, seconds, askers) if seconds else 0.0
    await budgets.close()
    return rate


async def _rate(handle: Handle, seconds: float, askers: int = ASKERS) -> float:
    """Messages in a second, of all askers together."""
    numbers, begun = count(), time.perf_counter()

    async def ask() -> int:
        done = 0
        while time.perf_counter() < begun + seconds:
            await handle(next(numbers))
            done += 1
        return done

    done = await asyncio.gather(*[ask() for _ in range(askers)])
    return sum(done) / (time.perf_counter() - begun)


def _moment(number: int) -> float:
    return BEGUN + number * STEP_S


def ordinary(number: int) -> Take:
    """From home, to recipients that are known."""
    return Take(tuple(_counters(number)))


def strange(number: int) -> Take:
    """From one of twenty networks that the identity has not used before, to a recipient that it has not written to."""
    who, place = number % IDENTITIES, number // IDENTITIES % 20
    sets = ("networks", "many-networks", "asns", "countries", "unseen-asns", "unseen-countries")
    return Take(
        (
            *_counters(number),
            Sum("probation-recipients", f"probation:{who}", 1, (HOUR, DAY)),
            Sum("host-new-recipients", "host-new", 1, (HOUR,)),
            Distinct("new-recipients", f"new:{who}", (number,), (HOUR, DAY), is_enforced=False),
            Distinct("probation-new-recipients", f"probation-new:{who}", (number,), (HOUR, DAY), is_enforced=False),
            *[Distinct(name, f"{name}:{who}", (place,), (HOUR, DAY)) for name in sets],
        )
    )


def _counters(number: int) -> Iterator[Charge]:
    who, windows = number % IDENTITIES, (TEN_MINUTES, HOUR, DAY)
    yield Sum("messages", f"messages:{who}", 4, windows)
    yield Sum("recipients", f"recipients:{who}", 2, windows)
    yield Sum("bytes", f"bytes:{who}", 30_000, windows)
    yield Sum("domain-recipients", "domain:example.org", 2, (DAY,))


if __name__ == "__main__":
    main()
