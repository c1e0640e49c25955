"""Notices in the store, on both databases: written with what they are about, bounded, claimed by one at a time."""

import asyncio
import json
from functools import partial

import pytest
from alerting_parts import NOON, Carried, post
from sqlalchemy import Engine, func, select

from policy.alerting.kinds import Kind
from policy.alerting.pacing import BY_MAIL, TO_PROGRAM
from policy.alerting.parcels import NotTaken, Parcel
from policy.store.database import Location
from policy.store.incident_models import Notices
from policy.store.notice_desk import CLAIMED_S, KEPT_S, NoticeDesk, due_channels, present_at
from policy.store.notices import CHANNEL_KEPT_S, NoticeBook, add_notice, thread_of
from policy.store.reader import open_reader
from policy.store.transactions import Transactions

OPENED, ESCALATED, SIGNAL = Kind.INCIDENT_OPENED, Kind.INCIDENT_ESCALATED, Kind.SIGNAL


def rows(engine: Engine) -> list[tuple[str, str, str, str, int]]:
    wanted = select(Notices.channel, Notices.thread, Notices.kind, Notices.subject, Notices.count).order_by(Notices.id)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(wanted)]  # type: ignore[misc]


def test_a_notice_is_a_row_for_each_who_is_told(engine: Engine, statements: Transactions) -> None:
    """The administrator, the owner where there is one, and every channel that has a sender."""
    NoticeDesk(statements).note_present(["channel:webhook:example.org", "gateway"], NOON)
    book = NoticeBook(statements)
    book.add(OPENED, "ada: held", ["one", "two"], NOON, thread=thread_of(7), facts={"incident": 7}, owner="ada")
    assert rows(engine) == [
        ("administrator", "incident:7", "incident-opened", "ada: held", 1),
        ("webhook:example.org", "incident:7", "incident-opened", "ada: held", 1),
        ("owner:ada", "incident:7", "incident-opened", "ada: held", 1),
    ]
    with engine.connect() as connection:
        content = connection.scalars(select(Notices.content)).first() or ""
    assert json.loads(content) == {"lines": ["one", "two"], "facts": {"incident": 7}}


def test_the_owner_alone(engine: Engine, statements: Transactions) -> None:
    """What is nobody else's business."""
    book = NoticeBook(statements)
    for _ in range(2):
        book.add_for_owner("ada", Kind.NOTICE_ADDRESS_CHANGED, "changed", NOON, facts={})
    assert rows(engine) == [("owner:ada", "notice-address-changed", "notice-address-changed", "changed", 2)]


def test_a_channel_that_is_gone_gets_nothing(engine: Engine, statements: Transactions) -> None:
    """Its sender has not been seen for a week."""
    NoticeDesk(statements).note_present(["channel:webhook:example.org"], NOON - CHANNEL_KEPT_S)
    NoticeBook(statements).add(SIGNAL, "one", [], NOON)
    assert [row[0] for row in rows(engine)] == ["administrator"]


def test_a_change_that_fails_tells_nobody(engine: Engine) -> None:
    """The notice is in the transaction of what it is about."""
    told = pytest.raises(ZeroDivisionError)
    with told, engine.begin() as connection:
        add_notice(connection, OPENED, "never", [], NOON, owner="ada")
        _ = 1 / 0
    assert rows(engine) == []
    with engine.begin() as connection:
        add_notice(connection, OPENED, "ever", [], NOON, thread="incident:1")
    assert [row[3] for row in rows(engine)] == ["ever"]


MERGED = [
    # what it shows, kinds in this order, kind, subject and count of the row
    ("the last one's words", [OPENED, OPENED], (OPENED, "1", 2)),
    ("a graver one's", [OPENED, ESCALATED], (ESCALATED, "1", 2)),
    ("what ends it is news, too", [ESCALATED, Kind.INCIDENT_RELEASED], (Kind.INCIDENT_RELEASED, "1", 2)),
    ("a further signal is none", [OPENED, SIGNAL, SIGNAL], (OPENED, "0", 3)),
    ("signals among themselves", [SIGNAL, SIGNAL], (SIGNAL, "1", 2)),
    ("an incident after signals", [SIGNAL, OPENED], (OPENED, "1", 2)),
]


@pytest.mark.parametrize(("kinds", "expected"), [c[1:] for c in MERGED], ids=[c[0] for c in MERGED])
def test_what_waits_is_added_to(
    engine: Engine, statements: Transactions, kinds: list[Kind], expected: tuple[Kind, str, int]
) -> None:
    """One row of a conversation and channel waits, whatever comes."""
    for number, kind in enumerate(kinds):
        NoticeBook(statements).add(kind, str(number), [], NOON, thread="incident:1", owner="ada")
    for _, _, *found in rows(engine):
        assert tuple(found) == expected
    assert len(rows(engine)) == 2


def test_what_is_being_sent_is_not_touched(engine: Engine, statements: Transactions) -> None:
    """Nor what was tried: under its number somebody may have it already."""
    book, desk = NoticeBook(statements), NoticeDesk(statements)
    book.add(OPENED, "first", [], NOON)
    assert desk.claim("administrator", BY_MAIL, NOON)
    book.add(OPENED, "second", [], NOON)
    desk.note_failed([1], "refused", NOON + 5, None)
    book.add(OPENED, "third", [], NOON)
    assert [row[3:] for row in rows(engine)] == [("first", 1), ("third", 2)]


def test_a_graver_one_that_joins_a_row_does_not_wait_with_it(statements: Transactions) -> None:
    """The row waited for its turn."""
    book, desk = NoticeBook(statements), NoticeDesk(statements)
    for number in range(2):
        book.add(OPENED, str(number), [], NOON, thread="incident:1")
        if desk.claim("administrator", BY_MAIL, NOON):
            desk.note_sent([1], NOON)
    book.add(ESCALATED, "worse", [], NOON + 1, thread="incident:1")
    parcel = desk.claim("administrator", BY_MAIL, NOON + 1)
    assert parcel
    assert (parcel.newest.subject, parcel.newest.count) == ("worse", 2)


async def test_ten_thousand_events_are_few_rows_and_few_mails(database: Location, engine: Engine) -> None:
    """Within one hour, in one conversation: at once, then after 5, 15 and 30 minutes."""
    carried = Carried()
    async with post(database, {"administrator": carried}) as one:
        for second in range(0, 3600, 36):
            events = [
                partial(one.book.add, SIGNAL, f"{second}.{n}", ["line"], NOON + second, thread="incident:1")
                for n in range(100)
            ]
            await asyncio.gather(*map(one.writer.make, events))
            await one.at(NOON + second)
        await one.at(NOON + 3599)
    assert [round(float(subject) / 60) for subject in carried.subjects] == [0, 5, 21, 52]  # looked at every 36 s
    assert len(rows(engine)) == 5
    assert sum(row[4] for row in rows(engine)) == 10_000
    assert carried.parcels[1].newest.count > 800


async def test_thousands_of_conversations_are_few_mails(database: Location) -> None:
    """What is too much goes together, and says so: at once, and each quarter of an hour."""
    carried = Carried()
    async with post(database, {"administrator": carried}) as one:
        events = [partial(one.book.add, OPENED, f"number {n}", [], NOON, thread=thread_of(n)) for n in range(5000)]
        await asyncio.gather(*map(one.writer.make, events))
        for minute in range(60):
            await one.at(NOON + 60 * minute)
    alone, together = carried.parcels[: BY_MAIL.per_hour - 1], carried.parcels[BY_MAIL.per_hour - 1 :]
    assert [len(parcel.notices) for parcel in alone] == [1] * 11
    assert [len(parcel.notices) for parcel in together] == [1000] * 4


async def test_two_senders_share_the_work(database: Location) -> None:
    """Each notice is sent by one of them, and once."""
    gate = asyncio.Event()  # until each has one: one may be done with all of them before the other has begun
    first, second = Carried(TO_PROGRAM, gate=gate), Carried(TO_PROGRAM, gate=gate)
    async with post(database, {"webhook:x": first}) as one, post(database, {"webhook:x": second}) as other:
        await one.writer.make(partial(NoticeDesk(one.transactions).note_present, ["channel:webhook:x"], NOON))
        for number in range(40):
            await one.writer.make(partial(one.book.add, OPENED, f"{number:02}", [], NOON, thread=thread_of(number)))
        for count, sender in enumerate((one, other), start=1):
            await sender.courier.round()
            while await asyncio.to_thread(_claimed, database) < count:  # noqa: ASYNC110 - it is in the database
                await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*(sender.courier.idle() for sender in (one, other)))
    assert sorted(first.subjects + second.subjects) == [f"{number:02}" for number in range(40)]
    assert first.subjects
    assert second.subjects


async def test_what_somebody_was_sending_when_he_died_is_sent(database: Location) -> None:
    """By another one, when the claim is over, and not before."""
    never, carried = Carried(gate=asyncio.Event()), Carried()
    async with post(database, {"administrator": never}) as dying:
        await dying.writer.make(partial(dying.book.add, OPENED, "one", [], NOON))
        await dying.courier.round()
        while not await asyncio.to_thread(_claimed, database):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0)
    async with post(database, {"administrator": carried}) as other:
        await other.at(NOON + CLAIMED_S - 1)
        assert carried.subjects == []
        await other.at(NOON + CLAIMED_S)
        await other.at(NOON + 2 * CLAIMED_S)
    assert carried.subjects == ["one"]


def _claimed(where: Location) -> int:
    from policy.store.database import open_database  # noqa: PLC0415

    engine = open_database(where)
    with engine.connect() as connection:
        found = connection.scalar(select(func.count()).where(Notices.claimed_until > 0))
    engine.dispose()
    return found or 0


async def test_a_clock_that_was_set_back_keeps_nobody_waiting(database: Location) -> None:
    """A channel that failed rests for seconds, and not until the clock is again where it was."""
    carried = Carried(refusals=[NotTaken("it answered 500")])
    async with post(database, {"administrator": carried}) as one:
        await one.writer.make(partial(one.book.add, OPENED, "tomorrow", [], NOON + 86_400))
        await one.at(NOON + 86_400)
        await one.writer.make(partial(one.book.add, OPENED, "today", [], NOON, thread="b"))
        await one.at(NOON)
    assert carried.subjects == ["today"]


async def test_what_is_not_taken_is_tried_again_and_given_up(database: Location, engine: Engine) -> None:
    """After three days and ten more tries; each failure says why, and the last that it was the last."""
    carried = Carried(refusals=[NotTaken("it answered 500") for _ in range(100)])
    async with post(database, {"administrator": carried}) as one:
        await one.writer.make(partial(one.book.add, OPENED, "one", [], NOON))
        tried, now = list[float](), NOON
        while await due_channels(one.reader, now + 90_000):
            before = len(carried.refusals)
            await one.at(now)
            if len(carried.refusals) < before:
                tried.append(now - NOON)
            now += 5 if now < NOON + 600 else 600
    assert len(tried) == 11
    assert (tried[0], 5 <= tried[1] <= 10, 65 <= tried[2] <= 80) == (0, True, True)
    assert 3 * 86_400 < tried[-1] < 4 * 86_400
    with engine.connect() as connection:
        ((problem, tries, given_up_at),) = connection.execute(
            select(Notices.problem, Notices.tries, Notices.given_up_at)
        )
    assert (problem, tries) == ("it answered 500", 11)
    assert given_up_at == pytest.approx(NOON + tried[-1])


def test_a_conversation_has_a_root(statements: Transactions) -> None:
    """An incident has one; of anything else there is one a day."""
    book, desk = NoticeBook(statements), NoticeDesk(statements)
    roots = dict[str, list[str]]()
    for day in range(2):
        for number, kind in enumerate((OPENED, ESCALATED)):
            for thread in ("incident:1", "trap-hit"):
                now = NOON + 86_400 * day + number * 4000
                book.add(kind, "x", [], now, thread=thread)
                parcel = desk.claim("administrator", BY_MAIL, now)
                assert parcel
                desk.note_sent([parcel.newest.id], now)
                roots.setdefault(thread, []).append(parcel.root)
    first = f"notice-1-{round(NOON * 1000)}"
    assert roots["incident:1"] == ["", first, first, first]
    assert roots["trap-hit"] == [
        "",
        f"notice-2-{round(NOON * 1000)}",
        "",
        f"notice-6-{round((NOON + 86_400) * 1000)}",
    ]


def test_old_notices_are_forgotten(engine: Engine, statements: Transactions) -> None:
    """But not the last of a conversation, and not what has not been sent; what nobody sends is given up."""
    book, desk = NoticeBook(statements), NoticeDesk(statements)
    for number in range(3):
        book.add(SIGNAL, f"old {number}", [], NOON + number, thread="a")
        desk.claim("administrator", BY_MAIL, NOON + number)
        desk.note_sent([number + 1], NOON + number)
    desk.note_present(["channel:webhook:x"], NOON + KEPT_S)
    book.add(SIGNAL, "now", [], NOON + KEPT_S, thread="b")
    desk.keep_house([], NOON + KEPT_S + 10)
    assert [(row[0], row[3]) for row in rows(engine)] == [
        ("administrator", "old 2"),
        ("administrator", "now"),
        ("webhook:x", "now"),
    ]
    desk.keep_house([], NOON + KEPT_S + CHANNEL_KEPT_S + 10)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).where(Notices.given_up_at.is_not(None))) == 2


async def test_who_is_there(database: Location, statements: Transactions) -> None:
    """A clock that was set back takes nothing away."""
    desk, reader = NoticeDesk(statements), open_reader(database)
    assert await present_at(reader, "gateway") is None
    for at in (5.0, 9.0, 7.0):
        desk.note_present(["gateway"], at)
    assert await present_at(reader, "gateway") == 9.0
    await reader.close()


def test_what_a_stranger_chose_is_one_plain_line(statements: Transactions) -> None:
    """And a long one is cut."""
    NoticeBook(statements).add(SIGNAL, "A\r\nBcc: x" + "y" * 1000, ["one\r\n.\r\n", *["z" * 2000] * 100], NOON)
    parcel: Parcel | None = NoticeDesk(statements).claim("administrator", BY_MAIL, NOON)
    assert parcel
    one = parcel.newest
    assert one.subject.startswith("A  Bcc: x")
    assert (len(one.subject), len(one.lines), max(map(len, one.lines))) == (150, 50, 500)
    assert one.lines[0] == "one  .  "
