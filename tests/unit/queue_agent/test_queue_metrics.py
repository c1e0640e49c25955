"""What the queue agent tells Prometheus: of the log that is not read yet, of a Postfix that is away."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from maillog.syslog import Calendar
from queue_agent.commands import PostfixFailed
from queue_agent.following import Log
from queue_agent.ledger import Ledger, follow
from queue_agent.metrics import written
from queue_agent.queue import Queue
from queue_agent.store import Store

NOW = 1_795_736_984.0
LINE = "Nov 27 03:06:09 mail postfix/qmgr[1]: 4jbCvX3bs2zJB60: removed\n"


class Commands:
    """Postfix with one message on hold, until it is away."""

    is_away = False

    async def list_files(self, *_: object) -> str:
        if self.is_away:
            raise PostfixFailed("find ended with 1")
        return "hold 4jbCvX3bs2zJB60 1000\ndeferred 4jbCvX3f0czJB61 500\n"

    def __getattr__(self, name: str) -> object:
        if name.startswith("is_"):
            return lambda: True
        raise AttributeError(name)


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    ledger = Ledger(tmp_path / "queue.db", NOW)
    yield Queue(commands=Commands(), ledger=ledger)  # type: ignore[arg-type]  # stands in for them
    await ledger.close()


def numbers(text: bytes) -> dict[str, float]:
    """`name` or `name label` -> value."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found[" ".join([sample.name.removeprefix("sallyport_queue_agent_"), *sample.labels.values()])] = (
                sample.value
            )
    return found


async def test_queue_and_log(queue: Queue, tmp_path: Path) -> None:
    """Each queue has its number, the empty ones, too; the log is behind by what was not read, and then it is not."""
    log = Log(tmp_path / "postfix.log")
    log.path.write_text(LINE * 3)
    await queue.ledger.follow(log, NOW)  # learns which file it is
    found = numbers(await written(queue))
    queues = {name: found[f"messages {name}"] for name in ("hold", "deferred", "active", "incoming", "maildrop")}
    assert queues == {"hold": 1, "deferred": 1, "active": 0, "incoming": 0, "maildrop": 0}
    assert (found["queue_bytes"], found["postfix_up"], found["reports_waiting"]) == (1500, 1, 0)
    assert found["oldest_timestamp_seconds"] > 0
    assert found["log_behind_bytes"] == len(LINE) * 3
    while not (await queue.ledger.follow(log, NOW))[1]:
        pass
    found = numbers(await written(queue))
    assert found["log_behind_bytes"] == 0
    assert found["log_timestamp_seconds"] > 0


async def test_a_postfix_that_is_away(queue: Queue) -> None:
    """It is said, and what does not come from it is there all the same."""
    queue.commands.is_away = True  # type: ignore[attr-defined]  # of the stand-in
    found = numbers(await written(queue))
    assert found["postfix_up"] == 0
    assert not [name for name in found if name.startswith(("messages", "queue_bytes"))]
    assert found["reports_waiting"] == 0
    assert found["deliveries_total delivered"] == 0


def test_behind_over_a_rotation(store: Store, tmp_path: Path) -> None:
    """What is left of the old file, and all of the new one."""
    log, calendar = Log(tmp_path / "postfix.log"), Calendar(None, NOW)
    assert log.behind(None) == 0
    log.path.write_text(LINE)
    assert log.behind(None) == len(LINE)
    while not follow(store, log, calendar, NOW)[1]:
        pass
    assert log.behind(store.position()) == 0
    with log.path.open("a") as file:
        file.write(LINE)
    log.path.rename(tmp_path / "postfix.log.20261127-030609")
    log.path.write_text(LINE * 2)
    assert log.behind(store.position()) == len(LINE) * 3
