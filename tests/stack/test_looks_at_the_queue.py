"""A look at held mail on a real queue: asked for in the database, fetched from Postfix, sealed, shown."""

from pathlib import Path

import pytest
from harness import Postfix
from queue_stage import TOKEN, QueueStage, staged
from sqlalchemy import insert

from policy.containment.looks import LookDesk
from policy.containment.queue_client import QueueClient
from policy.store.audit import Actor
from policy.store.database import open_database
from policy.store.held import HeldState
from policy.store.identities import IdentityStore
from policy.store.incident_models import HeldMessages
from policy.store.looks import LookNotes, Problem
from policy.store.reader import open_reader
from policy.store.transactions import open_transactions
from policy.store.writer import Writer
from service.shared_token import SharedToken
from tests.migrated import migrated

T = 1_700_000_000.0
KEY = bytes(range(32))

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
]


def on_hold(stage: QueueStage, where: Path) -> str:
    """A message of ada's to two; its queue id."""
    queue_id = stage.submit("m1", "friend@elsewhere.example", "other@elsewhere.example", is_held=True)
    stage.moved([queue_id], "hold")
    whose = {"queue_id": queue_id, "submission": "m1", "identity": "ada", "login": "heron-4k7q-vale"}
    what = {"at": T, "reason": "held", "recipients": 2, "message_bytes": 80, "state": HeldState.HELD, "state_at": T}
    with open_database(where).begin() as connection:
        connection.execute(insert(HeldMessages).values(**whose, **what))
    return queue_id


async def test_a_look_at_a_real_queue(tmp_path: Path) -> None:
    """And what has left is not shown."""
    where = migrated(tmp_path / "sallyport.db")
    store = IdentityStore(open_database(where), KEY, Actor("console:grace", "198.51.100.7"))
    with staged(tmp_path) as stage:
        queue_id = on_hold(stage, where)
        reader, transactions = open_reader(where), open_transactions(where)
        writer, notes = Writer(transactions, 0), LookNotes(transactions, KEY)
        async with QueueClient(stage.agent.url, SharedToken(TOKEN)) as queue:
            desk = LookDesk(reader=reader, notes=notes, writer=writer, queue=queue, clock=lambda: T)
            first = store.ask_look(queue_id, T, with_text=True)
            await desk.round()
            content = store.look(first, T).content
            assert content
            assert "Subject: staged" in content.head
            assert content.text.strip() == "hello"
            assert content.reverse_path == "ada@sallyport.test"
            assert content.recipients == ("friend@elsewhere.example", "other@elsewhere.example")
            second = store.ask_look(queue_id, T, with_text=True)
            stage.ask("release", [queue_id])
            await desk.round()
            assert store.look(second, T).problem in {Problem.NOT_HELD, Problem.GONE}
        await writer.close()
        await reader.close()
