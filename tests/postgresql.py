"""A private PostgreSQL server for tests: one cluster for the whole run, a database of its own for each test.

On a socket in a folder of its own, as the user that Debian's package makes (PostgreSQL refuses to run as root). Without
fsync: no test cuts the power. Where the package is not installed, `is_possible` is false and the tests skip.
"""

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
from harness import until
from sqlalchemy import URL

from policy.store.database import open_database
from policy.store.migrating import migrate, newest_revision
from policy.store.schema import METADATA

NOT_INSTALLED = "PostgreSQL is not installed: apt-get install postgresql"
_TEMPLATE = "template_sallyport"
_SHRUNK_EACH = 50  # lendings: what was deleted is still in the files, and read on the way to what is there
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


class Cluster:
    """One server, with settings that differ from those of most tests."""

    def __init__(self, **settings: str) -> None:
        self._settings = _SETTINGS | settings
        self.folder = Path(tempfile.mkdtemp(prefix="sallyport-pg-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user, self._user)
        self._numbers = itertools.count()
        self._running: subprocess.Popen[bytes] | None = None
        self._shared: URL | None = None
        self._lent = 0
        self._emptying: psycopg.Connection | None = None
        self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8")

    def start(self) -> None:
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._running = subprocess.Popen(
                [_programs() / "postgres", "-D", self.folder / "data", "-k", self.folder, *options],
                stdout=log, stderr=log, user=self._user, group=self._user, extra_groups=[] if self._user else None,
            )  # fmt: skip
        until(self._answers, "PostgreSQL answers")

    def stop(self) -> None:
        """At once, as a server that lost its power; committed is what was committed."""
        if self._running:
            self._running.send_signal(signal.SIGQUIT)
            self._running.wait(20)
            self._running = None

    def pause(self) -> None:
        """All of it, the parent first: it takes connections, as the kernel does, and says nothing."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        if self._emptying:
            self._emptying.close()
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str) -> URL:
        return URL.create("postgresql", "postgres", database=database, query={"host": str(self.folder)})

    def create_empty(self) -> URL:
        """A new database without a schema."""
        return self._create("template0")

    def create(self) -> URL:
        """A new database with the schema, and nothing in it."""
        self._make_template()
        return self._create(_TEMPLATE)

    def lend(self) -> URL:
        """The database that most tests share, as if it were new; and new where a test left a lock or a schema behind.

        A new one costs a third of a second: its first connection reads the whole catalogue. Of that, each later
        connection reads a part again, so that one is kept for the emptying.
        """
        if self._shared is None:
            self._shared = self.create()
            return self._shared
        self._lent += 1
        try:
            self._empty(self._shared, is_to_shrink=self._lent % _SHRUNK_EACH == 0)
        except psycopg.Error:
            if self._emptying:
                self._emptying.close()
            self._emptying = None
            self.drop(self._shared)
            self._shared = self.create()
        return self._shared

    def _empty(self, where: URL, *, is_to_shrink: bool) -> None:
        """Delete what is there, which is little: to truncate makes new files of every table and index, even of none."""
        if self._emptying is None:
            self._emptying = psycopg.connect(host=str(self.folder), user="postgres", dbname=where.database)
            self._emptying.execute("SET lock_timeout = '1s'")
            self._emptying.execute("SET session_replication_role = replica")  # the audit log's triggers rest
            self._emptying.commit()
        connection, names = self._emptying, [table.name for table in METADATA.sorted_tables]
        with connection.transaction():
            connection.execute(f"LOCK TABLE {', '.join(names)}")  # nobody is at work there
            if is_to_shrink:
                connection.execute(f"TRUNCATE {', '.join(names)}")
            held = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608
            for (name,) in connection.execute(held).fetchall():
                connection.execute(f"DELETE FROM {name}")  # noqa: S608 - a table of ours
            connection.execute(
                "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) "
                "FROM pg_sequences WHERE last_value IS NOT NULL"
            )
            connection.execute("UPDATE alembic_version SET version_num = %s", [newest_revision()])

    def drop(self, where: URL) -> None:
        self._order(f'DROP DATABASE "{where.database}" WITH (FORCE)')

    @functools.cache  # noqa: B019 - there is one for the whole run
    def _make_template(self) -> None:
        self._order(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        engine = open_database(self.url(_TEMPLATE))
        migrate(engine)
        engine.dispose()

    def _signal_all(self, number: signal.Signals) -> None:
        if self._running:
            self._running.send_signal(number)
            found = subprocess.run(["pgrep", "--parent", str(self._running.pid)], capture_output=True, check=False)
            for one in found.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(one), number)

    def _create(self, template: str) -> URL:
        name = f"test_{next(self._numbers)}"
        self._order(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def _order(self, statement: str) -> None:
        with self._connected() as connection:
            connection.execute(statement)

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True)

    def _answers(self) -> bool:
        try:
            self._connected().close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [_programs() / program, "-D", self.folder / "data", *arguments],
            check=True, capture_output=True, user=self._user, group=self._user,
            extra_groups=[] if self._user else None, cwd=self.folder,
        )  # fmt: skip


def is_possible() -> bool:
    return _programs().is_dir()


@functools.cache
def cluster() -> Cluster:
    """The server of this run, started when the first test asks for it."""
    one = Cluster()
    atexit.register(one.close)
    one.start()
    return one


def _programs() -> Path:
    """Debian keeps the programs of each version apart, and off the path."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/bin"))
