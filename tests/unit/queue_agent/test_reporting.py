"""What became of recipients, as policy hears it."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome
from queue_agent import reporting
from queue_agent.condition import Condition
from queue_agent.ledger import Ledger
from queue_agent.reporting import Answer, PolicySays, Reporting
from service.shared_token import SharedToken

TAKEN = Answer()


@dataclass
class Policy:
    """Takes whatever comes, but for what has `unread` in it, to which it says `status`."""

    port: int
    bodies: list[bytes] = field(default_factory=list)
    unread: bytes = b"UNREAD"
    status: int = 422
    refusals: int = 0

    def answer(self, body: bytes) -> int:
        if self.unread in body:
            self.refusals += 1
            return self.status
        self.bodies.append(body)
        return 204

    @property
    def recipients(self) -> list[str]:
        return [one.recipient for body in self.bodies for one in Deliveries.model_validate_json(body).deliveries]


@pytest.fixture
def policy() -> Iterator[Policy]:
    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept

        def do_POST(self) -> None:
            self.send_response(taken.answer(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = True  # as policy does a minute later, and says nothing

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    taken = Policy(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield taken
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "recipient", ["ren\u00e9@example.org", "\u0438\u0440\u0430@\u043f\u0440\u0438\u043c\u0435\u0440.example"]
)
def test_recipients_in_utf8_are_reported(policy: Policy, recipient: str) -> None:
    """The oldest goes first: one that policy can never take kept it from all that came later, for ever."""
    told = Delivery(submission="s1", recipient=recipient, outcome=DeliveryOutcome.UNKNOWN_RECIPIENT)
    assert PolicySays(f"http://127.0.0.1:{policy.port}", SharedToken("t" * 20)).deliveries([told]) == TAKEN
    (body,) = policy.bodies
    assert Deliveries.model_validate_json(body).deliveries == (told,)


def test_a_report_after_a_quiet_while_is_taken_at_once(policy: Policy) -> None:
    """The first one failed, with a warning in the log, because the connection had been closed meanwhile."""
    says = PolicySays(f"http://127.0.0.1:{policy.port}", SharedToken("t" * 20))
    told = Delivery(submission="s1", recipient="eve@example.org", outcome=DeliveryOutcome.DELIVERED)
    assert [says.deliveries([told]) for _ in range(3)] == [TAKEN] * 3
    assert len(policy.bodies) == 3


@dataclass
class Reported:
    """The agent's reports, while they are told."""

    ledger: Ledger
    condition: Condition
    now: float = 0.0

    def note(self, *recipients: str) -> None:
        for one in recipients:
            self.ledger._store.report(Delivery(submission="s1", recipient=one, outcome=DeliveryOutcome.DELIVERED))

    async def until(self, condition: Callable[[], bool], *, unreported: int) -> None:
        async with asyncio.timeout(60):
            while await self.ledger.unreported() != unreported or not condition():  # each is a turn of its thread
                pass

    def warnings(self) -> tuple[str, ...]:
        return self.condition.health(is_queue_read=True, unreported=0).warnings


@asynccontextmanager
async def reported(policy: Policy, folder: Path, *recipients: str) -> AsyncIterator[Reported]:
    ledger, condition = Ledger(folder / "queue.db", 0.0), Condition()
    one = Reported(ledger, condition)
    one.note(*recipients)
    says = PolicySays(f"http://127.0.0.1:{policy.port}", SharedToken("t" * 20))
    running = asyncio.create_task(Reporting(ledger, says, condition, lambda: one.now).run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.wait({running})
        await ledger.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "PAUSE_S", 1e-6)
    monkeypatch.setattr(reporting, "_FIRST_RETRY_S", 1e-6)


@pytest.mark.parametrize("status", [413, 422])
@pytest.mark.parametrize("place", [0, 3, 599])
async def test_a_report_that_policy_cannot_read_keeps_no_other(
    policy: Policy, tmp_path: Path, status: int, place: int
) -> None:
    """It is found among the others, set aside, and said; the others arrive once each, in their order."""
    policy.status = status
    recipients = [f"{number}@b.example" for number in range(600)]
    recipients[place] = "UNREAD@b.example"
    others = [one for one in recipients if one != "UNREAD@b.example"]
    with capture_logs() as events:
        async with reported(policy, tmp_path, *recipients) as one:
            await one.until(lambda: policy.recipients == others and bool(one.warnings()), unreported=1)
            assert "1 of the reports" in one.warnings()[0]
    assert [(event["event"], event["why"]) for event in events] == [("report-set-aside", f"it answered {status}")]


async def test_a_policy_that_is_back_is_told_of_though_it_cannot_read_what_is_left(
    policy: Policy, tmp_path: Path
) -> None:
    policy.status = 503
    async with reported(policy, tmp_path, "UNREAD@b.example") as one:
        await one.until(lambda: "does not take reports" in "".join(one.warnings()), unreported=1)
        policy.status = 422
        await one.until(lambda: ["cannot read" in said for said in one.warnings()] == [True], unreported=1)


async def test_what_was_set_aside_is_offered_again_every_hour(policy: Policy, tmp_path: Path) -> None:
    """Policy may be of an older version than the agent for a while: nothing is lost that it reads later."""
    async with reported(policy, tmp_path, "UNREAD@b.example", "UNREAD2@b.example") as one:
        await one.until(lambda: "2 of the reports" in "".join(one.warnings()), unreported=2)
        policy.unread = b"nothing"
        one.note("eve@b.example")
        await one.until(lambda: policy.recipients == ["eve@b.example"], unreported=2)
        one.now = reporting._OFFERED_AGAIN_S
        await one.until(lambda: not one.warnings(), unreported=0)
        assert sorted(policy.recipients) == ["UNREAD2@b.example", "UNREAD@b.example", "eve@b.example"]


async def test_what_was_set_aside_is_offered_again_after_a_start(policy: Policy, tmp_path: Path) -> None:
    async with reported(policy, tmp_path, "UNREAD@b.example") as one:
        await one.until(lambda: bool(one.warnings()), unreported=1)
    policy.unread = b"nothing"
    async with reported(policy, tmp_path) as one:
        await one.until(lambda: policy.recipients == ["UNREAD@b.example"], unreported=0)


async def test_what_is_never_read_is_dropped_after_a_week(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of so many hours that it was offered in; the first refusal and the last are said."""
    assert reporting._REFUSALS_LIMIT * reporting._OFFERED_AGAIN_S == 7 * 86_400
    monkeypatch.setattr(reporting, "_REFUSALS_LIMIT", 3)
    with capture_logs() as events:
        async with reported(policy, tmp_path, "UNREAD@b.example") as one:
            for refusals in (1, 2):
                await one.until(lambda: policy.refusals == refusals, unreported=1)  # noqa: B023 - asked at once
                one.now += reporting._OFFERED_AGAIN_S
            await one.until(lambda: policy.refusals == 3 and not one.warnings(), unreported=0)
    assert [event["event"] for event in events] == ["report-set-aside", "report-dropped"]


async def test_the_state_of_an_older_agent_is_taken_over(policy: Policy, tmp_path: Path) -> None:
    """Its outbox had no place for refusals; what is in it is told all the same, and the older one reads it still."""
    older = sqlite3.connect(tmp_path / "queue.db")
    older.executescript(_OLDER)
    older.close()
    policy.unread = b"eve"
    async with reported(policy, tmp_path) as one:
        await one.until(lambda: policy.recipients == ["ada@b.example"] and bool(one.warnings()), unreported=1)
    older = sqlite3.connect(tmp_path / "queue.db")
    assert older.execute("SELECT recipient FROM outbox").fetchall() == [("eve@b.example",)]
    older.close()


_OLDER = """
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, submission TEXT NOT NULL, recipient TEXT NOT NULL, outcome TEXT NOT NULL,
    queue_id TEXT NOT NULL, status TEXT NOT NULL, dsn TEXT NOT NULL, relay TEXT NOT NULL, at REAL NOT NULL);
INSERT INTO outbox (submission, recipient, outcome, queue_id, status, dsn, relay, at) VALUES
    ('s1', 'eve@b.example', 'delivered', 'AAAAAAAA', 'sent', '2.0.0', 'mx.b.example', 1.0),
    ('s1', 'ada@b.example', 'delivered', 'AAAAAAAA', 'sent', '2.0.0', 'mx.b.example', 1.0);
"""
