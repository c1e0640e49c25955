"""What a line of the log changes: reports, who waits, and which id a message has."""

from pathlib import Path

import pytest

from maillog.events import LogLine
from policy.queue_contract import Delivery, DeliveryOutcome
from queue_agent import store as store_module
from queue_agent.store import DELETED, LEFT, RENEWED, Known, Position, Store, Waiting
from queue_agent.tracking import track

AT = 1_795_736_984.0
DEFERRED = "relay=mx.elsewhere.example[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (later)"
BOUNCED = "relay=mx.elsewhere.example[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no such user)"
SENT = "relay=mx.elsewhere.example[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"


def log(store: Store, *lines: tuple[str, str]) -> None:
    with store.transaction():
        for daemon, text in lines:
            track(store, LogLine(AT, "mail", f"postfix-sallyport/{daemon}", text))


def told(store: Store) -> list[tuple[str, str, str]]:
    return [(one.recipient, one.status, one.outcome.value) for one in store.reports(1000)[1]]


COME = ("smtpd", "AAAAAAAA: client=gateway[10.0.0.1], orig_queue_id=sub-1, orig_client=h[192.0.2.1]")
CASES = [
    # what it shows, lines, reports
    ("delivered", [("smtp", f"AAAAAAAA: to=<a@b.example>, {SENT}")], [("a@b.example", "sent", "delivered")]),
    (
        "nobody has the address",
        [("smtp", f"AAAAAAAA: to=<a@b.example>, {BOUNCED}")],
        [("a@b.example", "bounced", "unknown-recipient")],
    ),
    (
        "deferred is told once",
        [("smtp", f"AAAAAAAA: to=<a@b.example>, {DEFERRED}"), ("error", f"AAAAAAAA: to=<a@b.example>, {DEFERRED}")],
        [("a@b.example", "deferred", "other")],
    ),
    (
        "deferred, then delivered",
        [("smtp", f"AAAAAAAA: to=<a@b.example>, {DEFERRED}"), ("smtp", f"AAAAAAAA: to=<a@b.example>, {SENT}")],
        [("a@b.example", "deferred", "other"), ("a@b.example", "sent", "delivered")],
    ),
    (
        "expired: those that wait, and no others",
        [
            ("smtp", f"AAAAAAAA: to=<a@b.example>, {SENT}"),
            ("smtp", f"AAAAAAAA: to=<c@b.example>, {DEFERRED}"),
            ("qmgr", "AAAAAAAA: from=<x@y.example>, status=expired, returned to sender"),
            ("qmgr", "AAAAAAAA: removed"),
        ],
        [
            ("a@b.example", "sent", "delivered"),
            ("c@b.example", "deferred", "other"),
            ("c@b.example", "expired", "other"),
        ],
    ),
    (
        "deleted",
        [("smtp", f"AAAAAAAA: to=<c@b.example>, {DEFERRED}"), ("postsuper", "AAAAAAAA: removed")],
        [("c@b.example", "deferred", "other"), ("c@b.example", "deleted", "other")],
    ),
    (
        "queued anew, and still the same submission",
        [
            ("smtp", f"AAAAAAAA: to=<c@b.example>, {DEFERRED}"),
            ("postsuper", "AAAAAAAA: requeued"),
            ("pickup", "BBBBBBBB: uid=102 from=<x@y.example> orig_id=AAAAAAAA"),
            ("smtp", f"BBBBBBBB: to=<c@b.example>, {DEFERRED}"),
            ("smtp", f"BBBBBBBB: to=<c@b.example>, {SENT}"),
        ],
        [("c@b.example", "deferred", "other"), ("c@b.example", "sent", "delivered")],
    ),
    (
        "an alias: the recipient that was handed in",
        [("smtp", f"AAAAAAAA: to=<new@b.example>, orig_to=<a@b.example>, {SENT}")],
        [("a@b.example", "sent", "delivered")],
    ),
    ("nobody's message", [("smtp", f"CCCCCCCC: to=<a@b.example>, {SENT}")], []),
    (
        "a message without a submission",
        [("smtpd", "DDDDDDDD: client=h[192.0.2.1]"), ("smtp", f"DDDDDDDD: to=<a@b.example>, {SENT}")],
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "reports"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_told(store: Store, lines: list[tuple[str, str]], reports: list[tuple[str, str, str]]) -> None:
    log(store, COME, *lines)
    assert told(store) == reports


def test_a_report_has_all_that_the_log_knows(store: Store) -> None:
    """Without the port: it is the same server."""
    log(store, COME, ("smtp", f"AAAAAAAA: to=<a@b.example>, {SENT}"))
    assert store.reports(10)[1] == [
        Delivery(
            submission="sub-1",
            recipient="a@b.example",
            outcome=DeliveryOutcome.DELIVERED,
            queue_id="AAAAAAAA",
            status="sent",
            dsn="2.0.0",
            relay="mx.elsewhere.example[192.0.2.9]",
            at=AT,
        )
    ]


def test_how_a_message_ended(store: Store) -> None:
    log(
        store,
        COME,
        (COME[0], COME[1].replace("AAAAAAAA", "BBBBBBBB")),
        (COME[0], COME[1].replace("AAAAAAAA", "CCCCCCCC")),
    )
    log(store, ("qmgr", "AAAAAAAA: removed"), ("postsuper", "BBBBBBBB: removed"))
    log(store, ("pickup", "DDDDDDDD: uid=102 from=<> orig_id=CCCCCCCC"))
    assert store.all_known(["AAAAAAAA", "BBBBBBBB", "CCCCCCCC", "DDDDDDDD", "EEEEEEEE"]) == {
        "AAAAAAAA": Known("sub-1", LEFT),
        "BBBBBBBB": Known("sub-1", DELETED),
        "CCCCCCCC": Known("sub-1", RENEWED),
        "DDDDDDDD": Known("sub-1", ""),
    }


def test_an_old_id_leads_to_the_newest(store: Store) -> None:
    """However often it was queued anew; nobody else's id changes."""
    log(
        store,
        COME,
        ("pickup", "BBBBBBBB: uid=102 from=<> orig_id=AAAAAAAA"),
        ("pickup", "CCCCCCCC: uid=102 from=<> orig_id=BBBBBBBB"),
    )
    assert store.current(["AAAAAAAA", "BBBBBBBB", "CCCCCCCC", "EEEEEEEE"]) == {
        "AAAAAAAA": "CCCCCCCC",
        "BBBBBBBB": "CCCCCCCC",
        "CCCCCCCC": "CCCCCCCC",
        "EEEEEEEE": "EEEEEEEE",
    }


def test_what_is_kept_has_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ended goes first, then the oldest; whom it still had to reach goes with it."""
    monkeypatch.setattr(store_module, "MESSAGES_LIMIT", 5)
    monkeypatch.setattr(store_module, "_PRUNED_AFTER", 1)
    ids = [f"AAAAAAA{number}" for number in range(9)]
    for queue_id in ids[:5]:
        store.begin(queue_id, "s", AT)
        store.wait(queue_id, Waiting("a@b.example", "", ""))
    store.end(ids[3], LEFT)
    for queue_id in ids[5:]:
        store.begin(queue_id, "s", AT)
    assert sorted(store.all_known(ids)) == [ids[2], *ids[4:]][-5:]
    assert store.waiting(ids[0]) == []


def test_recipients_that_wait_have_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it each deferral is told: too often is right, and unbounded is not."""
    monkeypatch.setattr(store_module, "WAITING_LIMIT", 2)
    log(store, COME, *(("smtp", f"AAAAAAAA: to=<r{number}@b.example>, {DEFERRED}") for number in (1, 2, 3, 3)))
    assert [one[0] for one in told(store)] == ["r1@b.example", "r2@b.example", "r3@b.example", "r3@b.example"]
    assert len(store.waiting("AAAAAAAA")) == 2


def test_what_never_came_is_forgotten(store: Store) -> None:
    store.begin("AAAAAAAA", "s", AT)
    store.begin("BBBBBBBB", "s", AT + 10)
    assert store.on_their_way(AT + 5) == ["AAAAAAAA"]
    store.forget(["AAAAAAAA"])
    assert list(store.all_known(["AAAAAAAA", "BBBBBBBB"])) == ["BBBBBBBB"]


def test_a_failure_takes_nothing_with_it(store: Store) -> None:
    """Neither what the lines changed nor the position."""

    def fail() -> None:
        with store.transaction():
            store.begin("AAAAAAAA", "s", AT)
            store.wait("AAAAAAAA", Waiting("a@b.example", "", ""))
            store.move(Position(1, 2, b"x", AT))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (store.known("AAAAAAAA"), store.position()) == (None, None)


def test_the_file_is_nobody_elses(store: Store, tmp_path: Path) -> None:
    """It names who writes to whom."""
    assert (tmp_path / "queue.db").stat().st_mode & 0o777 == 0o600
