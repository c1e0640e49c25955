"""What a decision costs policy, PostgreSQL and Valkey: the real ones, asked as the gateway asks, in three ways.

PostgreSQL writes to disk before it answers (fsync on). How long the write lock is held for a message is the share of
time in which it is, divided by the messages of a second (the utilisation law); a connection of its own looks.
"""

import argparse
import asyncio
import contextlib
import importlib
import io
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from bench.decisions import decided, with_history
from bench.identities import Policy
from bench.processes import cpu_seconds
from policy.store.archive import reading
from policy.store.audit import Actor
from policy.store.backup import back_up
from policy.store.database import open_database
from policy.store.restore import restore
from tests.harness import ROOT

WAYS = ("sqlite", "postgresql", "postgresql and valkey")
_LOOK_EVERY_S = 0.003
_LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run. CPU in ms for each message; what the server does not have is 0."""

    way: str
    processes: int
    messages_per_s: float
    p99_ms: float
    policy_ms: float
    database_ms: float = 0.0
    valkey_ms: float = 0.0
    lock_ms: float = 0.0
    wal_kib: float = 0.0
    disk_kib: float = 0.0  # by which the database grew
    valkey_kib: float = 0.0  # for each identity that sent


def measure(folder: Path, options: argparse.Namespace, way: str, processes: int) -> Point:
    """One run of `options.seconds` with so many policy processes."""
    policy = Policy(folder, options.identities)
    credentials = with_history(policy, options.known)
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(_postgres(policy)) if way != "sqlite" else None
        valkey = running.enter_context(_valkey(policy)) if "valkey" in way else None
        policies = [policy, *(policy.another() for _ in range(processes - 1))]
        for one in policies:
            running.callback(one.stop)
            one.start()
        work = (policies, credentials, options.known, options.connections)
        asyncio.run(decided(*work, 1.0))  # warm
        groups = {f"policy{number}": one.process_id for number, one in enumerate(policies)}
        groups |= {"database": postgres.process_id} if postgres else {}
        groups |= {"valkey": valkey.process_id} if valkey else {}
        before, at_first = cpu_seconds(groups), _sizes(policy, postgres)
        with _LockWatch(postgres) as watch:
            answers = asyncio.run(decided(*work, options.seconds))
        used = {name: seconds - before[name] for name, seconds in cpu_seconds(groups).items()}
        count = len(answers.seconds)
        grown = [(now - then) / 1024 / count for now, then in zip(_sizes(policy, postgres), at_first, strict=True)]
        of_policies = sum(seconds for name, seconds in used.items() if name.startswith("policy"))
        return Point(
            way=way,
            processes=processes,
            messages_per_s=count / answers.elapsed,
            p99_ms=answers.at(0.99),
            policy_ms=1000 * of_policies / count,
            database_ms=1000 * used.get("database", 0.0) / count,
            valkey_ms=1000 * used.get("valkey", 0.0) / count,
            lock_ms=1000 * watch.share * answers.elapsed / count,
            disk_kib=grown[0],
            wal_kib=grown[1],
            valkey_kib=valkey.used_kib() / options.identities if valkey else 0.0,
        )


class _Postgres:
    """A cluster of its own, filled with the store of `policy`."""

    def __init__(self, cluster: Any, policy: Policy) -> None:  # noqa: ANN401 - of the tests, loaded by name
        self._cluster = cluster
        url = cluster.create_empty()
        self._dsn = {"host": str(cluster.folder), "user": "postgres", "dbname": url.database}
        _copy(policy, url)
        policy.set("POLICY_DATABASE_URL", url.render_as_string())

    @property
    def process_id(self) -> int:
        return int((self._cluster.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])

    def connected(self) -> psycopg.Connection:
        return psycopg.connect(**self._dsn, autocommit=True)

    def sizes(self) -> tuple[float, float]:
        """Octets of the database, and of the log that was ever written."""
        with self.connected() as connection:
            row = connection.execute(
                "SELECT pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
            ).fetchone()
        assert row  # noqa: S101 - a SELECT without FROM has one row
        return float(row[0]), float(row[1])


class _Valkey:
    """Each write on disk before the answer, as docs/budgets.md has it."""

    def __init__(self, server: Any, policy: Policy) -> None:  # noqa: ANN401 - as above
        self._server = server
        policy.set("POLICY_BUDGETS_URL", f"unix://{server.socket}")
        self._empty = self._used()

    @property
    def process_id(self) -> int:
        return int(self._info("server")["process_id"])

    def used_kib(self) -> float:
        return (self._used() - self._empty) / 1024

    def _used(self) -> float:
        return float(self._info("memory")["used_memory"])

    def _info(self, section: str) -> dict[str, Any]:
        found = self._server.order("INFO", section)
        return dict(found)


class _LockWatch:
    """In which share of the looks the write lock was held, as long as the body of `with` runs."""

    def __init__(self, postgres: _Postgres | None) -> None:
        self._postgres = postgres
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._looks = self._held = 0

    @property
    def share(self) -> float:
        return self._held / self._looks if self._looks else 0.0

    def __enter__(self) -> "_LockWatch":
        if self._postgres:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._postgres:
            self._thread.join()

    def _look(self) -> None:
        assert self._postgres  # noqa: S101 - for the type alone
        with self._postgres.connected() as connection:
            while not self._over.wait(_LOOK_EVERY_S):
                row = connection.execute(_LOCKS).fetchone()
                self._looks += 1
                self._held += bool(row and row[0])


@contextlib.contextmanager
def _postgres(policy: Policy) -> Iterator[_Postgres]:
    cluster = _servers("postgresql").Cluster(fsync="on", full_page_writes="on", shared_buffers="256MB", autovacuum="on")
    try:
        cluster.start()
        yield _Postgres(cluster, policy)
    finally:
        cluster.close()


@contextlib.contextmanager
def _valkey(policy: Policy) -> Iterator[_Valkey]:
    server = _servers("valkey_server").Server(appendonly="yes", appendfsync="always").start()
    try:
        yield _Valkey(server, policy)
    finally:
        server.close()


def _servers(name: str) -> Any:  # noqa: ANN401 - modules have no type of their own
    """Modules of the tests, which import each other by their bare names."""
    if (folder := str(ROOT / "tests")) not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def _copy(policy: Policy, url: URL) -> None:
    """From the file to PostgreSQL, as a backup and its restore do it."""
    packed = io.BytesIO()
    source, target = open_database(policy.database), open_database(url)
    state = policy.database.parent
    back_up(source, state, packed, time.time(), _say_nothing)
    packed.seek(0)
    with reading(packed) as archive:
        restore(target, state, archive, Actor("cli:bench", "localhost"), time.time(), _say_nothing)
    source.dispose()
    target.dispose()


def _say_nothing(_table: str, _rows: int) -> None:
    """Nobody looks on."""


def _sizes(policy: Policy, postgres: _Postgres | None) -> tuple[float, float]:
    if postgres:
        return postgres.sizes()
    return float(policy.database.stat().st_size), 0.0
