"""What recipient history costs as it grows, and what a policy process needs with five million known recipients.

python -m bench.history                       about three minutes, 400 MB of disk, no root
python -m bench.history --largest 100000 --rows 500000

Lookups and learning: one identity that knows 1,000 recipients, ten times as many, and so on, in a store of its own each,
and the whole of 10,000 identities. Half of the recipients that are asked for are known. The stores take turns, so that
whatever else the machine does falls on all of them. Process: a real one on the large store, after a message of each
identity.
"""

import argparse
import asyncio
import json
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from bench.errors import BenchError
from bench.identities import Policy
from policy.marks import Marks
from policy.store.database import kept_connection, migrate, open_database
from policy.store.reader import SqliteReader
from policy.store.recipients import DAY_S, KnownRecipients, RecipientBook, day_of
from policy.store.transactions import SqliteTransactions

IDENTITIES = 10_000
SMALLEST = 1000
COUNTS = (1, 10, 100)  # of a message's recipients
COMMITTED = 50  # messages in one commit, as many as wait for it
TURNS, QUESTIONS = 9, 400
TARGETS = {"lookup_ratio": (1.2, "<="), "memory_mb": (400, "<")}


@dataclass(frozen=True, slots=True)
class Memory:
    """One store with recipients: `marks` are some that `identity` knows."""

    name: str
    path: Path
    identity: int
    marks: Sequence[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=1_000_000, help="recipients of one identity; default 1,000,000")
    parser.add_argument("--rows", type=int, default=5_000_000, help="recipients of all; default 5,000,000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.largest, options.rows)
    print(json.dumps(figures, indent=1))
    for name, (limit, sign) in TARGETS.items():
        is_met = figures[name] <= limit if sign == "<=" else figures[name] < limit
        print(f"{name:<16} {figures[name]:>10.2f}   {sign} {limit:<6} {'met' if is_met else 'NOT MET'}")


def measure(folder: Path, largest: int, rows: int) -> dict[str, float]:
    """Everything, one after the other."""
    policy = Policy(folder / "policy", IDENTITIES)
    first = _first_identity(policy.database)
    begun = time.perf_counter()
    everybody = _filled(policy.database, "everybody", range(first, first + IDENTITIES), rows)
    figures: dict[str, float] = {"rows": rows, "filled_s": round(time.perf_counter() - begun, 1)}
    figures["file_mb"] = round(everybody.path.stat().st_size / 1e6, 1)
    memories = [everybody]
    count = SMALLEST
    while count <= largest:
        path = folder / f"{count}.db"
        migrate(open_database(path))
        memories.append(_filled(path, str(count), range(1, 2), count))
        count *= 10
    figures |= asyncio.run(_costs(memories))
    smallest, most = f"lookup_10_of_{SMALLEST}_us", f"lookup_10_of_{count // 10}_us"
    figures["lookup_ratio"] = round(figures[most] / figures[smallest], 2)
    return figures | _process(policy)


def _filled(path: Path, name: str, identities: range, rows: int) -> Memory:
    """In the order of life: people and recipients by chance, which leaves the pages of the table two thirds full."""
    connection = kept_connection(open_database(path))
    connection.execute("PRAGMA cache_size = -400000")
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT OR IGNORE INTO identity (id, name, created_at) VALUES (?, ?, 0)", [(n, f"user{n}") for n in identities]
    )
    connection.execute(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :rows)"
        " INSERT OR IGNORE INTO known_recipient (identity_id, mark, last_used_day)"
        " SELECT :first + abs(random()) % :identities, random(), :today - abs(random()) % 400 FROM number",
        {"rows": rows, "first": identities[0], "identities": len(identities), "today": day_of(time.time())},
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = connection.execute(
        "SELECT mark FROM known_recipient WHERE identity_id = ? ORDER BY mark LIMIT 100000", (identities[0],)
    )
    memory = Memory(name, path, identities[0], [mark for (mark,) in found])
    connection.close()
    return memory


# Lookups and learning


async def _costs(memories: Sequence[Memory]) -> dict[str, float]:
    """Medians, in microseconds for one message."""
    figures: dict[str, float] = {}
    for count in COUNTS:
        looked = await _in_turns(memories, partial(_lookups, count=count))
        figures |= {f"lookup_{count}_of_{name}_us": round(us, 1) for name, us in looked.items()}
    for count in COUNTS:
        learnt = await _in_turns(memories, partial(_learning, count=count))
        figures |= {f"learn_{count}_of_{name}_us": round(us, 1) for name, us in learnt.items()}
    return figures


async def _in_turns(memories: Sequence[Memory], work: Callable[[Memory], Awaitable[float]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {memory.name: [] for memory in memories}
    for _ in range(TURNS):
        for memory in memories:
            seconds[memory.name].append(await work(memory))
    return {name: statistics.median(some) * 1e6 for name, some in seconds.items()}


async def _lookups(memory: Memory, count: int) -> float:
    """Seconds for one, of many in a row."""
    reader = SqliteReader(kept_connection(open_database(memory.path)))
    known, now = KnownRecipients(reader), time.time()
    messages = [_recipients(memory, count) for _ in range(QUESTIONS)]
    for marks in messages:  # what is asked once is in the cache; each store has the same number of pages in it
        await known.known(memory.identity, marks, now)
    begun = time.perf_counter()
    for marks in messages:
        await known.known(memory.identity, marks, now)
    took = time.perf_counter() - begun
    await reader.close()
    return took / QUESTIONS


async def _learning(memory: Memory, count: int) -> float:
    """The same for what is learnt, with its share of a commit that reaches the disk."""
    transactions = SqliteTransactions(kept_connection(open_database(memory.path, busy_timeout_s=0)))
    book, now = RecipientBook(transactions), time.time()
    messages = [_recipients(memory, count) for _ in range(COMMITTED)]
    begun = time.perf_counter()
    await transactions.commit([partial(book.learn, memory.identity, marks, now) for marks in messages])
    took = time.perf_counter() - begun
    transactions.close()
    return took / COMMITTED


def _recipients(memory: Memory, count: int) -> list[int]:
    """Half of them known, or the one that there is."""
    known = random.choices(memory.marks, k=(count + 1) // 2)
    return known + [random.getrandbits(64) - 2**63 for _ in range(count // 2)]


# A process


def _process(policy: Policy) -> dict[str, float]:
    """One message of each identity to a recipient that it knows; what the process needs afterwards."""
    credentials = _befriended(policy)
    policy.start()
    try:
        figures = {"memory_at_start_mb": round(policy.memory_mib() * 1.048576, 1)}
        milliseconds = sorted(_messages(policy, credentials))
        figures["message_p50_ms"] = round(milliseconds[len(milliseconds) // 2], 2)
        figures["message_p99_ms"] = round(milliseconds[len(milliseconds) * 99 // 100], 2)
        figures["memory_mb"] = round(policy.memory_mib() * 1.048576, 1)
        return figures
    finally:
        policy.stop()


def _befriended(policy: Policy) -> list[tuple[int, int]]:
    """The credentials, each with its identity; everybody has a friend."""
    connection = sqlite3.connect(policy.database, isolation_level=None)
    found = connection.execute("SELECT id, identity_id FROM credential WHERE kind = 'secret' ORDER BY id").fetchall()
    marks, day = Marks(policy.key), int(time.time() // DAY_S)
    friends = [(identity, marks.recipient(_friend(identity)), day) for _, identity in found]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR IGNORE INTO known_recipient VALUES (?, ?, ?)", friends)
    connection.execute("COMMIT")
    connection.close()
    return found


def _messages(policy: Policy, credentials: Sequence[tuple[int, int]]) -> list[float]:
    connection = HTTPConnection("127.0.0.1", policy.port, timeout=10)
    heads = {"Authorization": f"Bearer {policy.token}", "Content-Type": "application/json"}
    took = []
    for (credential, identity), device in zip(credentials, policy.devices, strict=True):
        body = json.dumps(_facts(credential, identity, device.home))
        begun = time.perf_counter()
        connection.request("POST", "/v1/message", body, heads)
        answer = json.loads(connection.getresponse().read())
        took.append((time.perf_counter() - begun) * 1000)
        if answer.get("action") != "accept":
            raise BenchError(f"policy did not accept a message: {answer}")
    return took


def _facts(credential: int, identity: int, address: str) -> dict[str, object]:
    return {
        "submission": os.urandom(8).hex(),
        "session": os.urandom(6).hex(),
        "listener": "submission",
        "client_address": address,
        "client_name": "bench",
        "credential": credential,
        "reverse_path": f"user{identity}@example.org",
        "recipients": [_friend(identity)],
        "authors": [f"user{identity}@example.org"],
        "senders": [],
        "names": [],
        "message_bytes": 4096,
    }


def _friend(identity: int) -> str:
    return f"friend{identity}@example.net"


def _first_identity(database: Path) -> int:
    connection = sqlite3.connect(database)
    (first,) = connection.execute("SELECT min(identity_id) FROM credential WHERE kind = 'secret'").fetchone()
    connection.close()
    return int(first)


if __name__ == "__main__":
    main()
