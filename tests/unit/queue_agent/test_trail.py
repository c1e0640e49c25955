"""What Postfix's log says of a few messages: found by submission or queue id, over files, within bounds."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from policy.queue_contract import TRAIL_LIMIT, Step, TrailAsked, TrailFound, TrailRow
from queue_agent import trail as module
from queue_agent.trail import Trail

OURS, HELD, RENEWED = "4jbCvX3bs2zJB60", "4jbCvX3f0czJB61", "4jbCvX3jPxzJB5r"
SUBMISSION = "019aab7c4d80f00dcafe0123456789ab"
_NOW = time.time()
STAMP = time.strftime("%b %e %H:%M:%S", time.localtime(_NOW - 60))


def line(text: str, daemon: str = "qmgr") -> str:
    return f"{STAMP} mail postfix-sallyport/{daemon}[7]: {text}\n"


def received(queue_id: str, submission: str = SUBMISSION) -> str:
    return line(f"{queue_id}: client=unknown[127.0.0.1], orig_queue_id={submission}, orig_client=x[192.0.2.1]", "smtpd")


def tried(queue_id: str, recipient: str, said: str = "dsn=2.0.0, status=sent (250 ok)") -> str:
    return line(
        f"{queue_id}: to=<{recipient}>, relay=mx.b.example[192.0.2.7]:25, delay=1, delays=0/0/1/0, {said}", "smtp"
    )


def left(queue_id: str) -> str:
    return line(f"{queue_id}: removed")


LOG = [
    received("4jbCvX0000zJB00", "0" * 32),
    received(OURS),
    line(f"{OURS}: message-id=<{SUBMISSION}@mail.example>", "cleanup"),
    line(f"{OURS}: from=<ada@a.example>, size=400, nrcpt=2 (queue active)"),
    received(HELD),
    line(f"{HELD}: hold: DATA from unknown[127.0.0.1]: <x>: Client host triggers HOLD action; from=<a>", "hold/smtpd"),
    tried(OURS, "one@b.example"),
    tried(OURS, "two@b.example", "dsn=4.2.0, status=deferred (450 4.2.0 later)"),
    tried("4jbCvX0000zJB00", "other@b.example"),
    tried(OURS, "two@b.example", "dsn=4.2.0, status=deferred (450 4.2.0 later)"),
    line(f"{HELD}: released from hold", "postsuper"),
    line(f"{HELD}: requeued", "postsuper"),
    line(f"{RENEWED}: uid=0 from=<ada@a.example> orig_id={HELD}", "pickup"),
    tried(RENEWED, "three@b.example", "dsn=5.1.1, status=bounced (host said: 550 5.1.1 nobody)"),
    line(f"{RENEWED}: sender non-delivery notification: 4jbCvX9999zJB99", "bounce"),
    left(RENEWED),
    tried(OURS, "two@b.example"),
    left(OURS),
    left("4jbCvX0000zJB00"),
]  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "postfix.log"
    path.write_text("".join(LOG))
    return path


def followed(log: Path, *queue_ids: str, submission: str = "", since: float = 0.0) -> TrailFound:
    return asyncio.run(
        Trail(log, ticks=lambda: 0.0).follow(TrailAsked(submission=submission, queue_ids=queue_ids, since=since))
    )


def steps(found: TrailFound, queue_id: str) -> list[str]:
    return [row.step.value for row in found.rows if row.queue_id == queue_id]


def test_all_of_a_submission(log: Path) -> None:
    """Both halves of what was split, and what was queued anew; of others nothing."""
    found = followed(log, submission=SUBMISSION)
    assert steps(found, OURS) == ["received", "queued", "tried", "tried", "tried", "left"]
    assert steps(found, HELD) == ["received", "held", "freed"]
    assert steps(found, RENEWED) == ["renewed", "tried", "reported", "left"]
    assert {row.queue_id for row in found.rows} == {OURS, HELD, RENEWED}
    assert (found.submission, found.is_whole) == (SUBMISSION, True)
    assert found.log_from


def test_what_a_row_says(log: Path) -> None:
    """The same said again is one row, with its last time."""
    rows = [row for row in (followed(log, OURS)).rows if row.step is Step.TRIED]
    assert [(row.recipient, row.status, row.dsn, row.relay, row.text, row.times) for row in rows] == [
        ("one@b.example", "sent", "2.0.0", "mx.b.example[192.0.2.7]:25", "250 ok", 1),
        ("two@b.example", "deferred", "4.2.0", "mx.b.example[192.0.2.7]:25", "450 4.2.0 later", 2),
        ("two@b.example", "sent", "2.0.0", "mx.b.example[192.0.2.7]:25", "250 ok", 1),
    ]
    assert isinstance(rows[0], TrailRow)


def test_by_a_queue_id(log: Path) -> None:
    """Its own rows and those of what it became; whose it is, for the next question."""
    found = followed(log, HELD)
    assert {row.queue_id for row in found.rows} == {HELD, RENEWED}
    assert found.submission == SUBMISSION
    nobody = followed(log, "4jbCvXaaaazJB00")
    assert (nobody.rows, nobody.submission, nobody.is_whole) == ((), "", True)


@pytest.mark.parametrize("cut", [1, 5, 13, len(LOG)])
def test_over_a_rotation(log: Path, cut: int) -> None:
    """The older file first, wherever it was cut."""
    log.with_name("postfix.log.20261126-233418").write_text("".join(LOG[:cut]))
    os.utime(log.with_name("postfix.log.20261126-233418"), (_NOW - 30, _NOW - 30))
    log.write_text("".join(LOG[cut:]))
    found = followed(log, submission=SUBMISSION)
    assert len(found.rows) == 13
    assert found.rows[0].step is Step.RECEIVED
    later = followed(log, submission=SUBMISSION, since=_NOW - 10)
    assert len(later.rows) < 13 or cut == 1


def test_a_line_may_be_cut_anywhere(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two reads; and the last one may have no end yet."""
    whole = (followed(log, submission=SUBMISSION)).rows
    log.write_text(log.read_text().rstrip("\n"))
    for size in (1, 7, 97, 1000):
        monkeypatch.setattr(module, "_CHUNK", size)
        assert (followed(log, submission=SUBMISSION)).rows == whole


def test_bounds(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of octets, of time and of rows: it says that there is more."""
    monkeypatch.setattr(module, "_CHUNK", 500)
    monkeypatch.setattr(module, "OCTETS_LIMIT", 1500)
    found = followed(log, submission=SUBMISSION)
    assert not found.is_whole
    assert 0 < len(found.rows) < 13
    monkeypatch.undo()
    seconds = iter([0.0, 30.0])
    found = asyncio.run(Trail(log, ticks=lambda: next(seconds)).follow(TrailAsked(submission=SUBMISSION)))
    assert (found.is_whole, found.rows) == (False, ())
    with log.open("a") as more:
        more.writelines(tried(OURS, f"{number}@b.example") for number in range(TRAIL_LIMIT + 10))
    assert len((followed(log, OURS)).rows) == TRAIL_LIMIT


def test_there_is_no_log(tmp_path: Path) -> None:
    found = followed(tmp_path / "postfix.log", OURS)
    assert (found.rows, found.log_from, found.is_whole) == ((), None, True)


def test_a_stranger_writes_the_id_of_another(log: Path) -> None:
    """In a recipient, or in what a server says: the line stays with the message that it is of."""
    with log.open("a") as more:
        more.write(tried("4jbCvX0000zJB00", f"{OURS}@b.example", f"dsn=5.0.0, status=bounced ({OURS}: removed)"))
        more.write(line(f"4jbCvX0000zJB00: client=unknown[127.0.0.1], orig_queue_id=x, orig_client={OURS}", "smtpd"))
    assert all(row.recipient != f"{OURS}@b.example" for row in (followed(log, OURS)).rows)


def test_many_octets_take_seconds_at_most(log: Path) -> None:
    """A log of 64 MiB in which nothing is found but at its end."""
    filler = line(
        "4jbCvX0000zJB00: to=<x@y.example>, relay=none, delay=1, delays=0/0/0/0, dsn=4.4.1, status=deferred (x)"
    )
    head = log.read_text()
    log.write_text(filler * (64 * 1024 * 1024 // len(filler)) + head)
    begun = time.process_time()
    assert len((followed(log, submission=SUBMISSION)).rows) == 13
    assert time.process_time() - begun < 60


def test_a_message_that_is_in_every_line(log: Path) -> None:
    """Thousands of recipients, deferred for days: what is looked for beside it costs nothing more."""
    rows = [tried(OURS, f"{number}@b.example", "dsn=4.2.0, status=deferred (later)") for number in range(2000)]
    log.write_text(received(OURS) + "".join(rows) * 20)
    begun = time.process_time()
    found = followed(log, OURS, *(f"4jbCvXabs{number:04}zJB" for number in range(19)), submission=SUBMISSION)
    assert [row.times for row in found.rows[1:]] == [20] * 2000
    assert time.process_time() - begun < 60
