"""Where the budgets of a run are kept: in memory, in an SQLite file, in Valkey.

A run may be interrupted: everything is written down, closed and opened again. What was spent is spent afterwards, too.
"""

import asyncio
import copy
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from valkey import Valkey
from valkey.exceptions import ValkeyError

from policy.budgets import Budgets
from policy.budgets.location import server_at
from policy.budgets.memory import MemoryBudgets
from policy.budgets.stored import StoredBudgets
from policy.budgets.valkey import BudgetsAway, ValkeyBudgets
from policy.engine.budget import Charge, Take, Taken
from policy.store.database import open_database
from policy.store.migrating import migrate
from policy.store.reader import Values
from policy.store.statements import Prepared
from policy.store.transactions import Answer

_SERVERS = ("valkey-server", "redis-server")
_PAUSE_S, _TRIES = 0.01, 6000  # until a server that was started answers
_PATIENCE_S = 60.0  # nobody waits for a message here, and the machine may be busy

_Answer = TypeVar("_Answer")


class BackEnd(StrEnum):
    """By the name that the command line has for it."""

    MEMORY = "memory"
    SQLITE = "sqlite"
    VALKEY = "valkey"


class Opened(Protocol):
    """Budgets that can be closed and opened again."""

    @property
    def budgets(self) -> Budgets: ...

    def reopen(self) -> Budgets:
        """As after a restart."""


class NoBackEnd(Exception):
    """It is not there; str(self) is a sentence."""


class _Memory:
    def __init__(self) -> None:
        self.budgets = MemoryBudgets()

    def reopen(self) -> Budgets:
        """Its values alone, in objects of their own."""
        self.budgets = copy.deepcopy(self.budgets)
        return self.budgets


class _Connection:
    """One transaction from its opening to its end: a run is played by nobody else, and a disk would make it slow."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")

    def execute(self, statement: Prepared, values: Values) -> Answer:
        return self._connection.execute(statement.sqlite, values)

    def close(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.close()


class _Sqlite:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _Connection(path)
        self.budgets = StoredBudgets(self._connection)

    def reopen(self) -> Budgets:
        self.close()
        self._connection = _Connection(self._path)
        self.budgets = StoredBudgets(self._connection)
        return self.budgets

    def close(self) -> None:
        self._connection.close()


class _Here:
    """Budgets of the network, asked one question after the other."""

    def __init__(self, runner: asyncio.Runner, path: Path) -> None:
        self._runner = runner
        self._there = ValkeyBudgets(server_at(f"unix://{path}"), patience_s=_PATIENCE_S)

    def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        return self._ask(self._there.reserve(reservation, take, now))

    def peek(self, charges: Sequence[Charge], now: float) -> Taken:
        return self._ask(self._there.peek(charges, now))

    def commit(self, reservation: str, now: float) -> bool:
        return self._ask(self._there.commit(reservation, now))

    def release(self, reservation: str, now: float) -> bool:
        return self._ask(self._there.release(reservation, now))

    def _ask(self, question: Coroutine[Any, Any, _Answer]) -> _Answer:
        try:
            return self._runner.run(question)
        except BudgetsAway as error:
            raise NoBackEnd(f"the server of the budgets that was started for this does not answer ({error})") from None

    def close(self) -> None:
        self._runner.run(self._there.close())


class _Valkey:
    """A server of our own, which writes everything down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "valkey.sock"
        self._runner = asyncio.Runner()
        self._open()

    def _open(self) -> None:
        program = next((found for name in _SERVERS if (found := shutil.which(name))), None)
        if not program:
            raise NoBackEnd(
                f"there is no {' or '.join(_SERVERS)} here; install one, or keep budgets in memory or sqlite"
            )
        place = ("--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._folder))
        self._server = subprocess.Popen(  # noqa: S603 - no shell, and no argument from outside
            [program, *place, "--appendonly", "yes", "--appendfsync", "no", "--save", ""], stdout=subprocess.DEVNULL
        )
        self.budgets = _Here(self._runner, self._socket)
        if not self._answers():
            self._stop()
            raise NoBackEnd(f"{program} was started for the budgets, and does not answer: does it run by itself?")

    def _answers(self) -> bool:
        """At once, or when it has started; a minute is enough."""
        with Valkey(unix_socket_path=str(self._socket)) as client:
            for _ in range(_TRIES):
                try:
                    return bool(client.ping())
                except (ValkeyError, OSError):
                    if self._server.poll() is not None:
                        return False
                time.sleep(_PAUSE_S)
        return False

    def reopen(self) -> Budgets:
        self._stop()
        self._open()
        return self.budgets

    def close(self) -> None:
        self._stop()
        self._runner.close()

    def _stop(self) -> None:
        self.budgets.close()
        self._server.terminate()
        self._server.wait()


@contextmanager
def opened(back_end: BackEnd) -> Iterator[Opened]:
    """Empty budgets for one run."""
    if back_end is BackEnd.MEMORY:
        yield _Memory()
        return
    with tempfile.TemporaryDirectory(prefix="sallyport-") as folder:
        made = _new_sqlite(Path(folder)) if back_end is BackEnd.SQLITE else _Valkey(Path(folder))
        try:
            yield made
        finally:
            made.close()


def _new_sqlite(folder: Path) -> _Sqlite:
    path = folder / "budgets.db"
    engine = open_database(path)
    migrate(engine)
    engine.dispose()
    return _Sqlite(path)
