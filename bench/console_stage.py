"""A store with so many decisions as a busy server records in a month, and the console on it."""

import json
import random
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.identities import Policy
from policy.console.visit import Cookie
from policy.settings import Settings
from policy.store.console_sessions import Sessions, Visitor
from policy.store.database import kept_connection, open_database
from policy.store.tallies import KEPT_S
from policy.tally import GRAIN_S

KEPT_DAYS = 30
STAFF = "user"  # the first identity is who looks
# The share of each, of a day with trouble: what became of a message, and why.
OUTCOMES = (
    (0.90, "accept", ""),
    (0.95, "hold", "probation"),
    (0.98, "defer", "budget-spent"),
    (1.00, "reject", "sender-not-owned"),
)
# What one busy server counts in five minutes: rows of the tally.
COUNTED = (
    *[("message", action, reason) for _, action, reason in OUTCOMES],
    *[("message", "hold", reason) for reason in ("held", "new-recipients", "sending-delay")],
    *[("login", "refused", reason) for reason in ("secret", "revoked", "exchange", "gate")],
    *[("login", "later", reason) for reason in ("walled-network", "walled-login")],
    *[("delivery", outcome, "") for outcome in ("delivered", "unknown-recipient", "spam", "other")],
    ("login", "granted", ""),
    ("pickup", "granted", ""),
    ("pickup", "refused", "secret"),
    ("connect", "accepted", ""),
    ("connect", "later", ""),
    ("signal", "probation", "slow"),
    ("observed", "recipients", ""),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Can be sent to another process. `columns` and `like` are of one record that policy itself has written."""

    folder: Path
    columns: tuple[str, ...]
    like: tuple[object, ...]
    first: int  # the number of the first identity

    @property
    def settings(self) -> Settings:
        names = {"state_dir": "state", "tls_cert": "cert.pem", "tls_key": "key.pem"}
        return Settings(**{name: self.folder / file for name, file in names.items()})

    @property
    def database(self) -> Path:
        return self.folder / "state" / "sallyport.db"

    @property
    def host(self) -> str:
        return str(urlsplit(self.settings.console_origin).netloc)

    def cookie(self, whose: int = 0) -> str:
        """Of a session of the first administrator, or of one after him."""
        engine = open_database(self.database)
        key, now = bytes.fromhex(self.settings.digest_key_file.read_text()), time.time()
        opened = Sessions(engine, key).open_vouched(self.first + whose, Visitor("127.0.0.1", "bench"), now, now)
        engine.dispose()
        if opened is None:
            raise LookupError("nobody looks")
        return f"{Cookie.SESSION}={opened.cookie}"

    def row(self, number: str, at: float, chance: random.Random) -> list[object]:
        """A record like the one of policy's, of somebody else at another time."""
        drawn = chance.random()
        action, reason = next((action, reason) for share, action, reason in OUTCOMES if drawn <= share)
        whose = f"{STAFF}{self.first + chance.randrange(5000)}"
        changed = {"id": number, "at": at, "identity": whose, "action": action, "reason": reason}
        return [changed.get(column, value) for column, value in zip(self.columns, self.like, strict=True)]

    @property
    def insert(self) -> str:
        marks = ",".join("?" * len(self.columns))
        return f"INSERT INTO submission ({','.join(self.columns)}) VALUES ({marks})"  # noqa: S608 - names of ours


def staged(folder: Path, decisions: int) -> Stage:
    """Made by policy's own commands, and filled."""
    policy = Policy(folder, 20)
    policy.start()
    try:
        _ask(policy)
    finally:
        policy.stop()
    connection = kept_connection(open_database(policy.database))
    found = connection.execute("SELECT * FROM submission LIMIT 1")
    columns = tuple(name for name, *_ in found.description)
    stage = Stage(folder, columns, found.fetchall()[0], policy.first)
    connection.execute("UPDATE identity SET role = 'administrator' WHERE name LIKE 'user%'")
    connection.close()
    fill(stage, decisions, time.time())
    return stage


def fill(stage: Stage, decisions: int, now: float) -> None:
    """Over the days that they are kept, the newest a second ago; and the figures of two weeks."""
    connection = kept_connection(open_database(stage.database))
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(stage.insert, _rows(stage, decisions, now))
    moments = range(int(now - KEPT_S) // GRAIN_S * GRAIN_S, int(now), GRAIN_S)
    figures = ((at, *what, 7, 9) for at in moments for what in COUNTED)
    connection.executemany("INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", figures)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("ANALYZE")
    connection.close()


def _rows(stage: Stage, decisions: int, now: float) -> Iterator[list[object]]:
    chance, step = random.Random(decisions), KEPT_DAYS * 86400.0 / decisions  # noqa: S311 - a choice of rows
    for number in range(decisions):
        yield stage.row(f"{int(now)}-{number}", now - 1.0 - (decisions - 1 - number) * step, chance)


def _ask(policy: Policy) -> None:
    """One message to three recipients, so that there is a record to copy."""
    facts = {
        "submission": "first", "session": "s", "listener": "submission", "client_address": policy.devices[0].home,
        "client_name": "laptop.example", "credential": _credential(policy), "recipients": ["a@example.net"] * 3,
        "reverse_path": f"user{policy.first}@example.org", "authors": [f"user{policy.first}@example.org"],
        "senders": [], "names": ["Somebody"], "message_bytes": 3000,
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {policy.token}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{policy.port}/v1/message"
    request = urllib.request.Request(url, json.dumps(facts).encode(), headers)
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - http


def _credential(policy: Policy) -> int:
    connection = kept_connection(open_database(policy.database))
    ((found,),) = connection.execute("SELECT id FROM credential WHERE identity_id = ?", (policy.first,)).fetchall()
    connection.close()
    return int(found)
