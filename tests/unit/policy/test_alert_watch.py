"""What is measured from time to time: when it is told, and when it is told that it is over; never twice."""

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from alerting_parts import NOON, Carried, Post, post
from sqlalchemy import Engine, insert, select

from policy.alerting import watch
from policy.alerting.heard import Heard
from policy.alerting.nearly_spent import NearlySpent
from policy.alerting.watch import FINE, Measured, Said
from policy.alerting.watching import Watched, Watching
from policy.certificate import new_key, self_signed
from policy.containment.queue_client import QueueUnavailable
from policy.containment.queues import Queues
from policy.contract import Scan, ScanResult
from policy.engine.suspicion import Stood
from policy.geo.atlas import Atlas
from policy.queue_contract import QueueName, Statistics
from policy.store.database import Location
from policy.store.health_reports import HealthNotes, HealthReport, Service
from policy.store.incident_models import HeldMessages, Notices
from policy.store.notice_desk import NoticeDesk
from policy.store.notices import NoticeBook
from policy.store.transactions import Transactions
from service.spans import DAY_S, HOUR_S

LEVELS = [
    # what it shows, measured, level
    ("a gateway that asks", watch.gateway(299), FINE),
    ("one that does not", watch.gateway(300), "silent"),
    ("one that says nothing of itself", watch.gateway(0, [Said("g", 9)]), FINE),
    ("one that cannot work", watch.gateway(0, [Said("g", 9, ("f",), ("w",), 120)]), "faults"),
    ("for a moment", watch.gateway(0, [Said("g", 9, ("f",), ("w",), 119)]), FINE),
    ("one of two", watch.gateway(0, [Said("g", 9), Said("h", 9, ("f",), (), 120)]), "faults"),
    ("one that wants somebody to look", watch.gateway(0, [Said("g", 9, (), ("w",), 120)]), "warnings"),
    ("one that asks and does not report", watch.gateway(0, [Said("g", 180)]), "unreported"),
    ("beside one that does", watch.gateway(0, [Said("g", 180, ("f",), (), 900), Said("h", 9)]), "missing"),
    ("which is forgotten", watch.gateway(0, [Said("h", 9)]), FINE),
    ("of a version that cannot", watch.gateway(0, []), FINE),
    ("too few messages to say anything", watch.scanner(9, 9, ""), None),
    ("one in ten is not scanned", watch.scanner(100, 10, ""), FINE),
    ("one in five is not", watch.scanner(100, 20, ""), "silent"),
    ("and it is not over with one in ten", watch.scanner(100, 10, "silent"), "silent"),
    ("but with one in a hundred", watch.scanner(100, 1, "silent"), FINE),
    ("a certificate for weeks", watch.certificate("x", 22 * DAY_S), FINE),
    ("for three weeks", watch.certificate("x", 21 * DAY_S), "21"),
    ("for a week", watch.certificate("x", 7 * DAY_S), "7"),
    ("for three days", watch.certificate("x", 3 * DAY_S), "3"),
    ("for a day", watch.certificate("x", DAY_S), "1"),
    ("that has ended", watch.certificate("x", 0), "ended"),
    ("that cannot be read", watch.certificate("x", None), "unreadable"),
    ("no database of addresses", watch.geo_database([], NOON), None),
    ("a new one", watch.geo_database([("a", NOON)], NOON), FINE),
    ("an old one beside it", watch.geo_database([("a", NOON), ("b", NOON - 181 * DAY_S)], NOON), "6-months"),
    ("a very old one", watch.geo_database([("b", NOON - 366 * DAY_S)], NOON), "12-months"),
    ("a short queue", watch.queue(199, HOUR_S, ""), FINE),
    ("a long one", watch.queue(200, HOUR_S, ""), "long"),
    ("that is a little shorter", watch.queue(150, HOUR_S, "long"), "long"),
    ("that is short", watch.queue(99, HOUR_S, "long"), FINE),
    ("a short one that does not move", watch.queue(20, 4 * HOUR_S, ""), "long"),
    ("a few that nobody takes", watch.queue(19, DAY_S, ""), FINE),
]


@pytest.mark.parametrize(("measured", "level"), [c[1:] for c in LEVELS], ids=[c[0] for c in LEVELS])
def test_levels(measured: Measured | None, level: str | None) -> None:
    """At and beside each line."""
    assert (measured.level if measured else None) == level


NEWS = [
    ("it was always fine", "", FINE, False),
    ("it begins", "", "7", True),
    ("it goes on", "7", "7", False),
    ("it gets worse", "7", "3", True),
    ("it is over", "3", FINE, True),
    ("it has been over", FINE, FINE, False),
    ("it begins again", FINE, "7", True),
]


@pytest.mark.parametrize(("told", "level", "expected"), [c[1:] for c in NEWS], ids=[c[0] for c in NEWS])
def test_what_is_news(told: str, level: str, expected: bool) -> None:
    """A level that was told is not told again."""
    assert watch.is_news(Measured(kind=watch.Kind.QUEUE_GROWING, level=level, subject="x"), told) is expected


@dataclass
class Queue:
    """An agent beside the queue that answers as it is told."""

    waiting: int | None = 0
    asked: list[int | None] = field(default_factory=list)

    async def statistics(self) -> Statistics:
        self.asked.append(self.waiting)
        if self.waiting is None:
            raise QueueUnavailable("away")
        messages = {QueueName.DEFERRED: self.waiting, QueueName.HOLD: 10_000}
        return Statistics(messages=messages, octets=0, oldest_at=None, log_at=None, unreported=0)


def watching(one: Post, folder: Path, queue: Queue, heard: Heard) -> Watching:
    certificate = folder / "cert.pem"
    if not certificate.exists():
        certificate.write_bytes(self_signed("mail.example.org", new_key(), NOON))
    watched = Watched(
        reader=one.reader,
        writer=one.writer,
        notices=one.book,
        desk=NoticeDesk(one.transactions),
        heard=heard,
        certificate=certificate,
        atlas=Atlas(None, None),
        queue=cast("Queues", queue),
        held_s=lambda: 14 * DAY_S,
        clock=lambda: one.now,
    )
    return Watching(watched)


def subjects(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        wanted = select(Notices.subject).where(Notices.channel == "administrator").order_by(Notices.id)
        return list(connection.scalars(wanted))


async def test_each_is_told_once_and_when_it_is_over(database: Location, engine: Engine, tmp_path: Path) -> None:
    """By whichever process looks, before and after a restart."""
    queue, heard = Queue(), Heard()
    async with post(database, {"administrator": Carried()}) as one:
        await watching(one, tmp_path, queue, heard).look()
        assert subjects(engine) == []
        queue.waiting = 500
        heard.note_gateway(one.now)
        for second in range(3):
            await watching(one, tmp_path, queue, Heard() if second else heard).look()
            await one.at(one.now + 3600)
        queue.waiting = None
        await watching(one, tmp_path, queue, heard).look()
        queue.waiting = 3
        await watching(one, tmp_path, queue, heard).look()
        await one.at(one.now + 3600)
    assert subjects(engine) == ["500 messages wait in the queue", "The queue is short again: 3 messages"]


async def test_a_gateway_that_falls_silent(database: Location, engine: Engine, tmp_path: Path) -> None:
    """Missed where it was there; another policy may have heard it; and not right after a start."""
    heard = Heard()
    async with post(database, {"administrator": Carried()}) as one:
        first, second = (watching(one, tmp_path, Queue(), each) for each in (heard, Heard()))
        one.now += 3600
        await first.look()
        assert subjects(engine) == []
        heard.note_gateway(one.now)
        await first.look()
        one.now += 200
        await second.look()
        one.now += 200
        late = watching(one, tmp_path, Queue(), Heard())
        await late.look()
        assert subjects(engine) == []
        await second.look()
        assert subjects(engine) == ["No gateway has asked policy anything for some minutes"]
        heard.note_gateway(one.now)
        await one.at(one.now)
        await first.look()
    assert subjects(engine)[1:] == ["The gateway is well again"]


async def test_a_gateway_that_says_what_is_wrong_with_it(database: Location, engine: Engine, tmp_path: Path) -> None:
    """When it has said so for two minutes, whichever words it uses; a restart of the next hop is no news."""
    heard = Heard()
    async with post(database, {"administrator": Carried()}) as one:
        looks, notes = watching(one, tmp_path, Queue(), heard), HealthNotes(one.transactions)

        async def look(*faults: str) -> None:
            one.now += 60
            heard.note_gateway(one.now)
            notes.put(HealthReport(Service.GATEWAY, "gw", one.now, faults=faults))
            await looks.look()

        for faults in (("next hop",), ("next hop",), (), ("next hop",), ("policy",), ("next hop",)):
            assert subjects(engine) == []
            await look(*faults)
        assert subjects(engine) == ["The gateway cannot do its work"]
        await look("next hop")
        await one.at(one.now)
        await look()
        assert subjects(engine)[1:] == ["The gateway is well again"]
        await one.at(one.now + 3600)
        heard.note_gateway(one.now)
        await looks.look()
    assert subjects(engine)[2:] == ["The gateway asks, and does not report how it is"]


async def test_a_scanner_that_does_not_answer(database: Location, engine: Engine, tmp_path: Path) -> None:
    """Counted anew after each look."""
    heard = Heard()
    async with post(database, {"administrator": Carried()}) as one:
        looks = watching(one, tmp_path, Queue(), heard)
        for result in [ScanResult.CLEAN] * 15 + [ScanResult.SILENT] * 5:
            heard.note_scan(Scan(result=result))
        heard.note_scan(None)
        await looks.look()
        assert (heard.scanned, heard.unscanned) == (0, 0)
    assert subjects(engine) == ["The scanner does not answer as it should"]


async def test_held_mail_that_expires(database: Location, engine: Engine, tmp_path: Path) -> None:
    """Its owner is told, too; once a day."""
    old = {"queue_id": "A", "at": NOON - 12.5 * DAY_S}
    young = {"queue_id": "B", "at": NOON - 11 * DAY_S}
    more = {
        "submission": "s", "identity": "ada", "login": "", "reason": "held", "recipients": 1, "message_bytes": 1,
        "state": "held", "state_at": NOON,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(HeldMessages), [old | more, young | more])
    async with post(database, {"administrator": Carried(), "owner": Carried()}) as one:
        looks = watching(one, tmp_path, Queue(), Heard())
        for _ in range(3):
            await looks.look()
            await one.at(one.now + DAY_S / 2)
    assert subjects(engine) == [
        "ada: 1 held messages expire within two days",
        "ada: 2 held messages expire within two days",
    ]
    with engine.connect() as connection:
        assert list(connection.scalars(select(Notices.channel)).unique()) == ["administrator", "owner:ada"]


def test_a_budget_that_is_nearly_spent(engine: Engine, statements: Transactions) -> None:
    """Of a day, in force, at nine tenths; once for each of them and day, by whichever process."""
    day, hour = 86_400.0, 3600.0
    stood = (
        Stood("recipients", "k", 100, day, 89, 90),
        Stood("recipients", "k", 100, hour, 89, 100),
        Stood("messages", "k", 100, day, 88, 89),
        Stood("bytes", "k", 100, day, 99, 100, is_enforced=False),
        Stood("host-new-recipients", "k", 100, day, 99, 100),
    )
    one, other = NearlySpent(NoticeBook(statements)), NearlySpent(NoticeBook(statements))
    for spent in (one, other):
        for _ in range(3):
            spent.note("ada", stood, NOON)
    assert subjects(engine) == ["ada: 90 of 100 recipients of a day are used"]
    one.note("bob", stood, NOON)
    assert len(subjects(engine)) == 2
    NoticeDesk(statements).claim("administrator", Carried().pace, NOON)
    one.note("ada", stood, NOON + day)
    assert len(subjects(engine)) == 3


async def test_what_was_not_written_is_told_with_the_next_message(engine: Engine, statements: Transactions) -> None:
    """Another change of the same commit fails, and all of them are made once more, each alone."""
    spent = NearlySpent(NoticeBook(statements))
    stood = (Stood("recipients", "k", 100, 86_400.0, 89, 90),)

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await statements.commit([lambda: spent.note("ada", stood, NOON), fail])
    assert subjects(engine) == []
    await statements.commit([lambda: spent.note("ada", stood, NOON)])
    assert subjects(engine) == ["ada: 90 of 100 recipients of a day are used"]


def test_what_all_have_together_is_spent(engine: Engine, statements: Transactions) -> None:
    """Many logins that are each quiet show nowhere else. Once for each of these budgets and day."""
    day, hour = 86_400.0, 3600.0
    stood = (
        Stood("host-new-recipients", "host-new", 2000, hour, 2000, 2001),
        Stood("domain-recipients", "elsewhere-domain:example.org", 875, day, 870, 880),
        Stood("domain-recipients", "domain:example.org", 1000, day, 990, 1000),
        Stood("host-new-recipients", "elsewhere-host-new", 1750, hour, 1750, 1751, is_enforced=False),
    )
    spent = NearlySpent(NoticeBook(statements))
    spent.note("ada", stood, NOON)
    spent.note("bob", stood, NOON)
    assert subjects(engine) == [
        "the server: host-new-recipients: 2001 in an hour, 2000 are allowed",
        "example.org: domain-recipients: 880 in a day, 875 are allowed",
    ]


def test_a_certificate_is_looked_at(tmp_path: Path) -> None:
    """How long it is good for, on this clock."""
    from policy.alerting.watching import _left_s  # noqa: PLC0415

    path = tmp_path / "cert.pem"
    assert _left_s(path, NOON) is None
    path.write_bytes(b"nonsense")
    assert _left_s(path, NOON) is None
    path.write_bytes(self_signed("mail.example.org", new_key(), NOON))
    left_s = _left_s(path, NOON)
    assert left_s
    assert datetime.timedelta(days=300) < datetime.timedelta(seconds=left_s)
