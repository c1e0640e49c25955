"""What Valkey keeps of a message while it counts: the real one, filled with two days of people who write all day.

Policy judges with a clock of its own, so that two days pass in seconds. The shipped policy's longest window is a day.
"""

import asyncio
import importlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from policy.assembly import Parts, assemble
from policy.brain import Brain
from policy.budgets.location import server_at
from policy.budgets.valkey import ValkeyBudgets
from policy.contract import Action, MessageFacts, Outcome, Outcomes, RelayOutcome
from policy.geo.atlas import Atlas
from policy.rulebook import shipped
from policy.store.audit import Actor
from policy.store.database import open_database
from policy.store.identities import IdentityStore
from policy.store.migrating import migrate
from policy.store.reader import open_reader
from policy.store.transactions import open_transactions
from tests.harness import ROOT

_DAY_S, _DAYS = 86400.0, 2
_KEY = bytes(range(32))


def message_kib(people: int, messages_a_day: int) -> float:
    """Of one message of the last day, on top of what an empty server has."""
    if (folder := str(ROOT / "tests")) not in sys.path:
        sys.path.append(folder)  # its modules import each other by their bare names
    server = importlib.import_module("valkey_server").Server().start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            empty = _used(server)
            asyncio.run(_filled(Path(folder) / "sallyport.db", str(server.socket), people, messages_a_day))
            return (_used(server) - empty) / 1024 / (people * messages_a_day)
    finally:
        server.close()


async def _filled(database: Path, socket: str, people: int, messages_a_day: int) -> None:
    credentials, now = _people(database, people), [1_000_000.0]
    brain = assemble(
        Parts(
            reader=open_reader(database),
            transactions=open_transactions(database),
            key=_KEY,
            rulebook=shipped,
            atlas=Atlas(None, None),
            clock=lambda: now[0],
            domains=("example.org",),
            counts=ValkeyBudgets(server_at(f"unix://{socket}")),
            patience_s=0,
        )
    )
    for number in range(_DAYS * messages_a_day):
        for credential in credentials:
            await _send(brain, credential, number)
        now[0] += _DAY_S / messages_a_day
    await brain.close()


async def _send(brain: Brain, person: int, number: int) -> None:
    """To one recipient, a tenth of them new."""
    facts = MessageFacts(
        submission=f"m{person}-{number}",
        session="s1",
        listener="submission",
        client_address=f"192.0.2.{person}",
        client_name="laptop.example",
        credential=person,
        reverse_path=f"p{person}@example.org",
        recipients=(f"friend{number if number % 10 == 0 else 0}@example.net",),
        authors=(f"p{person}@example.org",),
        senders=(),
        names=(),
        message_bytes=75_000,
    )
    verdict = await brain.judge(facts)
    assert verdict.action is Action.ACCEPT, verdict  # noqa: S101 - what is refused is not what is measured
    outcome = Outcome(reservation=verdict.reservation, outcome=RelayOutcome.RELAYED, queue_id="4Q000001")
    await brain.end(Outcomes(outcomes=(outcome,)))


def _people(database: Path, number: int) -> Sequence[int]:
    """By the numbers of their credentials; each at home in a network."""
    engine = open_database(database)
    migrate(engine)
    store = IdentityStore(engine, _KEY, Actor("cli:bench", "localhost"))
    for one in range(1, number + 1):
        store.add_identity(f"p{one}", (f"p{one}@example.org",), 0.0)
        store.add_credential(f"p{one}", "laptop", 0.0)
        store.confirm_network(f"p{one}", f"192.0.2.{one}", 0.0)
    engine.dispose()
    return range(1, number + 1)


def _used(server: Any) -> float:  # noqa: ANN401 - of the tests, loaded by name
    return float(dict(server.order("INFO", "memory"))["used_memory"])
