"""What recipient history costs as it grows, and what a policy process needs with five million known recipients.

python -m bench.history                       some minutes, 1 GB of disk, no root
python -m bench.history --largest 100000 --rows 500000

Three parts, each on SQLite. Lookups and learning alone: an identity that knows 1,000 recipients, ten times as many and
so on, in a store of its own each; half of the recipients that are asked for are known. Decisions: a real process on a
store with all of that and 10,000 identities beside it, messages of two known recipients, and the reports after them.
Memory: the same process after a message of each identity. Sizes take turns, and time is that of the processor, so that
what else the machine does falls on all of them alike.
"""

import argparse
import asyncio
import json
import random
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import BenchError
from bench.identities import Policy
from bench.processes import PROC
from bench.questions import Connection, connected
from policy.marks import Marks
from policy.store.database import kept_connection, open_database
from policy.store.migrating import migrate
from policy.store.reader import open_reader
from policy.store.recipients import KnownRecipients, RecipientBook, day_of
from policy.store.transactions import open_transactions

IDENTITIES = 10_000
SMALLEST = 1000
COUNTS = (1, 10, 100)  # of a message's recipients
COMMITTED = 50  # messages in one commit, as many as wait for it
TURNS, QUESTIONS = 9, 400
DECISIONS = 100  # of a turn
REPORTED_TOGETHER = 10
FRIENDS = 1000  # known recipients that have addresses; of the others there are marks alone
MB = 1_000_000
TARGETS = {"decision_ratio": (1.2, "<="), "memory_mb": (400, "<")}
_NO_LIMITS = """[profiles.person]
recipients = "none"
messages = "none"
bytes = "none"
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """A store in which `identity` knows `count` recipients; `marks` are some of them."""

    path: Path
    identity: int
    count: int
    marks: Sequence[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=1_000_000, help="recipients of one identity; default 1,000,000")
    parser.add_argument("--rows", type=int, default=5_000_000, help="recipients of the others; default 5,000,000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.largest, options.rows)
    print(json.dumps(figures, indent=1))
    for name, (limit, sign) in TARGETS.items():
        is_met = figures[name] <= limit if sign == "<=" else figures[name] < limit
        print(f"{name:<16} {figures[name]:>10.2f}   {sign} {limit:<6} {'met' if is_met else 'NOT MET'}")


def measure(folder: Path, largest: int, rows: int) -> dict[str, float]:
    """Everything, one after the other."""
    counts = [SMALLEST]
    while counts[-1] * 10 <= largest:
        counts.append(counts[-1] * 10)
    figures = asyncio.run(_alone([_alone_in_a_store(folder / f"{count}.db", count) for count in counts]))
    return figures | _in_a_process(Policy(folder / "policy", IDENTITIES), counts, rows)


# Stores


def _alone_in_a_store(path: Path, count: int) -> Memory:
    engine = open_database(path)
    migrate(engine)
    connection = kept_connection(engine)
    connection.execute("INSERT INTO identity (id, name, created_at) VALUES (1, 'ada', 0)")
    _fill(connection, 1, 1, count)
    found = connection.execute("SELECT mark FROM known_recipient LIMIT 100000").fetchall()
    connection.close()
    return Memory(path, 1, count, [mark for (mark,) in found])


def _fill(connection: sqlite3.Connection, first: int, identities: int, rows: int) -> None:
    """In the order of life, people and recipients by chance: that leaves pages two thirds full."""
    connection.execute("PRAGMA cache_size = -400000")
    connection.execute(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :rows)"
        " INSERT OR IGNORE INTO known_recipient (identity_id, mark, last_used_day)"
        " SELECT :first + abs(random()) % :identities, random(), :today - abs(random()) % 400 FROM number",
        {"rows": rows, "first": first, "identities": identities, "today": day_of(time.time())},
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# Lookups and learning alone


async def _alone(memories: Sequence[Memory]) -> dict[str, float]:
    """Medians, in microseconds of the processor for one message."""
    figures: dict[str, float] = {}
    for what, work in (("lookup", _lookups), ("learn", _learning)):
        for count in COUNTS:
            costs = await _in_turns(memories, partial(work, count=count))
            figures |= {f"{what}_{count}_of_{size}_us": round(us, 1) for size, us in costs.items()}
    return figures


async def _in_turns(memories: Sequence[Memory], work: Callable[[Memory], Awaitable[float]]) -> dict[int, float]:
    seconds: dict[int, list[float]] = {memory.count: [] for memory in memories}
    for _ in range(TURNS):
        for memory in memories:
            seconds[memory.count].append(await work(memory))
    return {count: statistics.median(some) * 1e6 for count, some in seconds.items()}


async def _lookups(memory: Memory, count: int) -> float:
    """On a connection that has answered others before."""
    reader = open_reader(memory.path)
    known, now = KnownRecipients(reader), time.time()
    messages = [_recipients(memory, count) for _ in range(2 * QUESTIONS)]
    for marks in messages[QUESTIONS:]:
        await known.known(memory.identity, marks, now)
    begun = time.process_time()
    for marks in messages[:QUESTIONS]:
        await known.known(memory.identity, marks, now)
    took = time.process_time() - begun
    await reader.close()
    return took / QUESTIONS


async def _learning(memory: Memory, count: int) -> float:
    """With its share of a commit that many messages have together."""
    transactions = open_transactions(memory.path)
    book, now = RecipientBook(transactions), time.time()
    messages = [_recipients(memory, count) for _ in range(COMMITTED)]
    begun = time.process_time()
    await transactions.commit([partial(book.learn, memory.identity, marks, now) for marks in messages])
    took = time.process_time() - begun
    transactions.close()
    return took / COMMITTED


def _recipients(memory: Memory, count: int) -> list[int]:
    """Half of them known, or the one that there is."""
    known = random.choices(memory.marks, k=(count + 1) // 2)  # noqa: S311 - which ones does not matter
    return known + [random.getrandbits(64) - 2**63 for _ in range(count // 2)]


# A process


def _in_a_process(policy: Policy, counts: Sequence[int], rows: int) -> dict[str, float]:
    """Decisions for identities of all sizes, then one of each of the others."""
    (policy.database.parent / "policy.toml").write_text(_NO_LIMITS)
    begun = time.perf_counter()
    credentials = _furnish(policy, counts, rows)
    figures: dict[str, float] = {"filled_s": round(time.perf_counter() - begun, 1), "rows": rows + sum(counts)}
    figures["file_mb"] = round(policy.database.stat().st_size / MB, 1)
    policy.start()
    try:
        return figures | asyncio.run(_decisions(policy, credentials, counts))
    finally:
        policy.stop()


def _furnish(policy: Policy, counts: Sequence[int], rows: int) -> list[int]:
    """The first identities know as many as `counts` says, and friends; the others share `rows`. All credentials."""
    connection = kept_connection(open_database(policy.database))
    marks, today = Marks(policy.key), day_of(time.time())
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE network SET days = 30, first_used_at = first_used_at - 30 * 86400")
    friends = [
        (policy.first + sender, marks.recipient(_friend(number)), today - 1)
        for sender in range(IDENTITIES)
        for number in range(FRIENDS if sender < len(counts) else 2)
    ]
    connection.executemany("INSERT INTO known_recipient VALUES (?, ?, ?)", friends)
    connection.execute("COMMIT")
    for sender, count in enumerate(counts):
        _fill(connection, policy.first + sender, 1, count)
    _fill(connection, policy.first + len(counts), IDENTITIES - len(counts), rows)
    found = connection.execute("SELECT id FROM credential WHERE kind = 'secret' ORDER BY identity_id").fetchall()
    connection.close()
    return [credential for (credential,) in found][-IDENTITIES:]


async def _decisions(policy: Policy, credentials: Sequence[int], counts: Sequence[int]) -> dict[str, float]:
    (connection,) = await connected(policy.port, 1)
    at_start = policy.memory_mib() * 1.048576
    milliseconds: dict[int, list[float]] = {count: [] for count in counts}
    for turn in range(TURNS + 1):
        for sender, count in enumerate(counts):
            messages = (_message(policy, credentials, sender, FRIENDS) for _ in range(DECISIONS))
            took = await _ask(policy, connection, messages)
            if turn:  # the first one is to warm up
                milliseconds[count].append(took * 1000)
    others = range(len(counts), IDENTITIES)
    await _ask(policy, connection, (_message(policy, credentials, sender, 2) for sender in others))
    connection.close()
    medians = {count: statistics.median(some) for count, some in milliseconds.items()}
    figures = {f"decision_of_{count}_ms": round(ms, 3) for count, ms in medians.items()}
    figures["decision_ratio"] = round(medians[counts[-1]] / medians[counts[0]], 2)
    return figures | {"memory_at_start_mb": round(at_start, 1), "memory_mb": round(policy.memory_mib() * 1.048576, 1)}


async def _ask(policy: Policy, connection: Connection, messages: Iterator[bytes]) -> float:
    """Seconds of the process's processor for each, with its share of the reports."""
    begun, asked, relayed = _processor_s(policy), 0, list[str]()
    for message in messages:
        answer = json.loads(await connection.ask(message))
        if answer["action"] != "accept":
            raise BenchError(f"policy did not accept a message: {answer}")
        relayed.append(answer["reservation"])
        asked += 1
        if len(relayed) == REPORTED_TOGETHER:
            reports = [{"reservation": one, "outcome": "relayed", "queue_id": "4Q8kXz0Zg"} for one in relayed]
            await connection.tell(policy.request("/v1/outcomes", {"outcomes": reports}))
            relayed.clear()
    return (_processor_s(policy) - begun) / asked


def _processor_s(policy: Policy) -> float:
    """Of all its threads, in seconds; proc(5), schedstat has nanoseconds."""
    threads = (PROC / str(policy.process_id) / "task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def _message(policy: Policy, credentials: Sequence[int], sender: int, friends: int) -> bytes:
    author = f"user{policy.first + sender}@example.org"
    facts = {
        "submission": secrets.token_hex(8),
        "session": secrets.token_hex(6),
        "listener": "submission",
        "client_address": policy.devices[sender].home,
        "client_name": "laptop.example",
        "credential": credentials[sender],
        "reverse_path": author,
        "recipients": [_friend(number) for number in random.sample(range(friends), 2)],
        "authors": [author],
        "senders": [],
        "names": [],
        "message_bytes": 4096,
    }
    return policy.request("/v1/message", facts)


def _friend(number: int) -> str:
    return f"friend{number}@example.net"


if __name__ == "__main__":
    main()
