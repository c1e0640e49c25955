"""What runs beside the questions: reports that are sent until they are taken, and messages that never came."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from sqlite3 import OperationalError

import pytest
from structlog.testing import capture_logs

from policy.queue_contract import Delivery, DeliveryOutcome, QueueName
from queue_agent import reporting, watch
from queue_agent.following import Log
from queue_agent.ledger import Ledger
from queue_agent.reporting import Answer, Reporting
from queue_agent.spool import Listing
from queue_agent.watch import Watch

NOW = 1_795_736_984.0


class PlayedPolicy:
    """Says these, one after the other; then it takes everything, and says when it has."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.told = list[list[str]]()
        self.done = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def deliveries(self, deliveries: Sequence[Delivery]) -> Answer:
        self.told.append([one.recipient for one in deliveries])
        why = self.answers.pop(0) if self.answers else ""
        if not why:
            self._loop.call_soon_threadsafe(self.done.set)
        return Answer(why)


class PlayedQueue:
    """One message is on hold."""

    async def listing(self) -> Listing:
        return Listing({"BBBBBBBB": QueueName.HOLD}, 0)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    one = Ledger(tmp_path / "queue.db", NOW)
    yield one
    await one.close()


def delivery(recipient: str) -> Delivery:
    return Delivery(submission="s", recipient=recipient, outcome=DeliveryOutcome.DELIVERED)


async def test_a_report_is_kept_until_it_is_taken(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policy is away, then it is not well, then it takes them: told once that it does not, and once that it does."""
    monkeypatch.setattr(reporting, "_FIRST_RETRY_S", 1e-6)
    for recipient in ("a@b.example", "c@b.example"):
        ledger._store.report(delivery(recipient))
    policy = PlayedPolicy("ConnectionRefusedError", "it answered 500")
    with capture_logs() as events:
        running = asyncio.create_task(Reporting(ledger, policy).run())  # type: ignore[arg-type]  # stands in for it
        await asyncio.wait_for(policy.done.wait(), 60)
        async with asyncio.timeout(60):
            while await ledger.unreported():  # noqa: ASYNC110 - each question is a turn of the ledger's own thread
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
    assert policy.told == [["a@b.example", "c@b.example"]] * 3
    names = [(one["event"], one.get("why", "")) for one in events]
    assert names[0] == ("reports-not-taken", "ConnectionRefusedError")
    assert [name for name, _ in names].count("reports-not-taken") == 1


async def test_a_full_disk_does_not_end_the_reporting(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What policy has taken cannot be crossed off at first; it is told once more, and then it is."""
    monkeypatch.setattr(reporting, "AFTER_FAILURE_S", 1e-6)
    ledger._store.report(delivery("a@b.example"))
    taken, failures = ledger.taken, [OperationalError("database or disk is full")]

    async def taken_later(number: int, deliveries: Iterable[Delivery]) -> None:
        if failures:
            raise failures.pop()
        await taken(number, deliveries)

    monkeypatch.setattr(ledger, "taken", taken_later)
    policy = PlayedPolicy()
    with capture_logs() as events:
        running = asyncio.create_task(Reporting(ledger, policy).run())  # type: ignore[arg-type]  # stands in for it
        async with asyncio.timeout(60):
            while await ledger.unreported():  # noqa: ASYNC110 - each question is a turn of the ledger's own thread
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
    assert policy.told == [["a@b.example"]] * 2
    assert [one["event"] for one in events] == ["reports-failed"]
    assert dict(ledger.delivered) == {DeliveryOutcome.DELIVERED: 1}


async def test_pauses_grow_while_policy_is_away(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a minute, and no further."""
    pauses = list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(reporting.asyncio, "sleep", pause)
    one = Reporting(ledger, PlayedPolicy())  # type: ignore[arg-type]  # as above
    for _ in range(8):
        await one._not_taken("TimeoutError")
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


async def test_what_never_came_is_forgotten(ledger: Ledger, tmp_path: Path) -> None:
    """A client went away after MAIL. What is in the queue stays known, and what has only just begun."""
    for queue_id, at in (("AAAAAAAA", NOW), ("BBBBBBBB", NOW), ("CCCCCCCC", NOW + 2 * watch._COME_WITHIN_S)):
        ledger._store.begin(queue_id, "s", at)
    one = Watch(
        log=Log(tmp_path / "postfix.log"),
        ledger=ledger,
        queue=PlayedQueue(),  # type: ignore[arg-type]  # stands in for it
        clock=lambda: NOW + 2 * watch._COME_WITHIN_S,
        log_bytes=1000,
        logs_kept=1,
    )
    await one._step()
    assert sorted(await ledger.all_known(["AAAAAAAA", "BBBBBBBB", "CCCCCCCC"])) == ["BBBBBBBB", "CCCCCCCC"]


async def test_what_never_came_is_forgotten_after_the_clock_was_set_back(ledger: Ledger, tmp_path: Path) -> None:
    """By a day: the next look is due at once, and not when the clock is again where it was."""
    times = iter((NOW + 86_400.0, NOW + 2 * watch._COME_WITHIN_S))
    one = Watch(
        log=Log(tmp_path / "postfix.log"),
        ledger=ledger,
        queue=PlayedQueue(),  # type: ignore[arg-type]  # stands in for it
        clock=lambda: next(times),
        log_bytes=1000,
        logs_kept=1,
    )
    await one._step()
    ledger._store.begin("AAAAAAAA", "s", NOW)
    await one._step()
    assert await ledger.all_known(["AAAAAAAA"]) == {}


async def test_a_failure_ends_nothing(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and tried again after a pause."""
    pauses = list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    def fail() -> float:
        raise OSError

    monkeypatch.setattr(watch.asyncio, "sleep", pause)
    one = Watch(
        log=Log(tmp_path / "postfix.log"),
        ledger=ledger,
        queue=PlayedQueue(),  # type: ignore[arg-type]  # as above
        clock=fail,
        log_bytes=1000,
        logs_kept=1,
    )
    with capture_logs() as events, pytest.raises(asyncio.CancelledError):
        await one.run()
    assert pauses == [watch._AFTER_FAILURE_S] * 3
    assert [one["event"] for one in events] == ["log-not-followed"] * 3
