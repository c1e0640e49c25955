"""A store with many identities, made in seconds, and a real policy process on it."""

import base64
import copy
import json
import secrets
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.processes import PROC, parse_kib
from policy.opening import digest_key
from policy.settings import Settings
from policy.setup import init
from policy.store.database import kept_connection, open_database
from policy.store.handles import digest, new_login, new_secret
from tests.harness import Process, answers, free_port

_DAY_S = 86400.0
_START_LIMIT_S = 60.0
# Dovecot's default, of the secret "secret": fifty milliseconds or so of one processor.
_FOREIGN_HASH = "{BLF-CRYPT}$2b$10$ZrIH0UFIRna6gX4ukdglqOz6n0v9x2ec3dZJfvw.xN2nt6hzzzkf6"


@dataclass(frozen=True, slots=True)
class Device:
    """One credential. `home` is an address in its network with history."""

    login: str
    secret: str
    home: str


class Policy:
    """A policy process in front of `identities` identities with one device each, and `migrated` old logins."""

    def __init__(self, folder: Path, identities: int, migrated: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._folder = folder
        names = {"state_dir": "state", "gateway_token_file": "gateway.token", "dovecot_token_file": "dovecot.token"}
        names |= {"tls_cert": "cert.pem", "tls_key": "key.pem"}
        paths = {f"POLICY_{name.upper()}": str(folder / file) for name, file in names.items()}
        self._environment = paths | {"POLICY_PORT": str(self.port)}
        settings = Settings(**{name: folder / file for name, file in names.items()})
        init(settings, time.time())
        self.key = digest_key(settings)
        self.database = folder / "state" / "sallyport.db"
        self.devices = [Device(new_login(), new_secret(), _address(number)) for number in range(identities)]
        self.migrated = [f"old{number}@example.org" for number in range(migrated)]
        self.first = 0  # number of the first one: userN
        self._fill()
        self.token = (folder / "gateway.token").read_text().strip()
        self._process = self._new_process()

    def set(self, name: str, value: str) -> None:
        """Another setting, before the start."""
        self._environment = self._environment | {name: value}
        self._process = self._new_process()

    def another(self) -> "Policy":
        """A second process on the same store."""
        twin = copy.copy(self)
        twin.port = free_port()
        twin.set("POLICY_PORT", str(twin.port))
        return twin

    def _new_process(self) -> Process:
        log = self._folder / f"policy-{self.port}.log"
        return Process([sys.executable, "-m", "policy"], self._environment, log, is_fresh=True)

    def start(self) -> float:
        """Until it is ready; how many seconds that took."""
        begun = time.perf_counter()
        self._process.start()
        while not self._is_ready():
            if time.perf_counter() - begun > _START_LIMIT_S:
                raise BenchError(f"policy does not start, see the logs in {self._folder}")
            time.sleep(0.01)
        return time.perf_counter() - begun

    def stop(self) -> None:
        self._process.stop()

    @property
    def process_id(self) -> int:
        assert self._process.running  # noqa: S101 - for the type alone
        return self._process.running.pid

    def memory_mib(self) -> float:
        """Resident, with what it shares with nobody and with others."""
        return parse_kib((PROC / str(self.process_id) / "status").read_text())["VmRSS"] / 1024

    def question(self, login: str, secret: str, address: str) -> bytes:
        """An HTTP request: PLAIN of this login from this address."""
        response = base64.b64encode(f"\0{login}\0{secret}".encode()).decode()
        facts = {
            "session": secrets.token_hex(6),
            "exchange": secrets.token_hex(16),
            "client_address": address,
            "listener": "submission",
            "mechanism": "PLAIN",
            "responses": [response],
        }
        return self.request("/v1/login", facts)

    def request(self, path: str, asked: object) -> bytes:
        """An HTTP request with a question of the gateway's."""
        body = json.dumps(asked).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: policy\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _is_ready(self) -> bool:
        if not answers(self.port):
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004
        except (OSError, urllib.error.URLError):
            return False

    def _fill(self) -> None:
        """Rows as the store makes them, without its checks, which would take minutes."""
        now = time.time()
        connection = kept_connection(open_database(self.database))
        connection.execute("BEGIN IMMEDIATE")
        count = len(self.devices)
        first = connection.execute("SELECT max(id) + 1 FROM identity").fetchall()[0][0]
        self.first = first
        numbers = range(first, first + count)
        _insert(connection, "identity (id, name, created_at)", [(n, f"user{n}", now) for n in numbers])
        _insert(connection, "address (address, identity_id)", [(f"user{n}@example.org", n) for n in numbers])
        owned = list(zip(numbers, self.devices, strict=True))
        columns = "credential (identity_id, login, kind, digest, label, created_at, last_used_at)"
        key = self.key
        _insert(
            connection, columns, [(n, d.login, "secret", digest(d.secret, key), "laptop", now, now) for n, d in owned]
        )
        columns = "network (identity_id, network, first_used_at, last_used_at, days)"
        _insert(connection, columns, [(n, _network(d.home), now, now, 1) for n, d in owned])
        columns = "credential (identity_id, login, kind, password, label, created_at, expires_at)"
        old = [(first + n % count, login, "migrated", _FOREIGN_HASH, "old server", now, now + 30 * _DAY_S)
               for n, login in enumerate(self.migrated)]  # fmt: skip
        _insert(connection, columns, old)
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.close()


def _insert(connection: sqlite3.Connection, where: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        marks = ",".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {where} VALUES ({marks})", rows)  # noqa: S608 - names of ours


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255 or 1}"


def _network(address: str) -> str:
    return f"{address.rpartition('.')[0]}.0/24"
