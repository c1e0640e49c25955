"""What recipient history costs as it grows, and what a policy process needs with five million known recipients.

python -m bench.history                       about three minutes, 400 MB of disk, no root
python -m bench.history --largest 100000 --rows 500000

Lookups and learning: one identity that knows 1,000 recipients, ten times as many, and so on, in a store of its own each;
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
