"""The live view: what is new comes by itself, once for all who look, and ends when it has to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
from browser import Browser
from console_app import Console, T
from live_viewer import Viewer
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from policy.console import live
from policy.console.live import MOST_OF_ONE, event
from policy.console.staff.figures import Span
from policy.console.staff.painting import PIECES, Fragments, View
from policy.people.desk import Session
from policy.people.roles import Role
from policy.store.models import Submissions

VIEW = View("en", Span.DAY)


@pytest.fixture
async def staff(console: Console) -> AsyncIterator[Browser]:
    """A help desk that has signed in; and everything is fast."""
    console.parts.live.period_s = console.parts.live.check_s = 0.001
    browser = await console.enrolled("bob")
    console.store.set_role("bob", Role.HELP_DESK, T)
    yield browser
    console.parts.live.end()


def decide(console: Console, number: str) -> None:
    """A decision that another process writes down."""
    row = {
        "id": number, "at": T, "session": "s", "identity": "ada", "login": "heron", "listener": "submission",
        "client_address": "192.0.2.1", "client_name": "laptop", "reverse_path": "ada@example.org", "recipients": 3,
        "message_bytes": 1000, "action": "accept", "reason": "", "outcome": "relayed", "queue_id": "4F2C",
    }  # fmt: skip
    with console.engine.begin() as connection:
        connection.execute(insert(Submissions), row)
    console.now += 1  # what was read a second ago is fresh no more


async def test_every_piece_comes_first_and_then_what_is_new(console: Console, staff: Browser) -> None:
    """And nothing of what has not changed."""
    viewer = Viewer(staff)
    async with asyncio.timeout(60):
        pieces = [await viewer.events.get() for _ in PIECES]
    assert [name for name, _ in pieces] == list(PIECES)
    assert (viewer.status, viewer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert "content-length" not in viewer.headers
    assert viewer.headers["cache-control"] == "no-store"
    decide(console, "m1")
    async with asyncio.timeout(60):
        (stand, _), (decisions, data) = [await viewer.events.get() for _ in range(2)]
    assert (stand, decisions) == ("stand", "decisions")  # it is a second later
    assert 'href="/staff/decisions/m1"' in data
    assert viewer.events.empty()
    await viewer.leave()


async def test_the_pieces_are_those_of_the_page(console: Console, staff: Browser) -> None:
    """In the reader's language, and over the span that the page has."""
    page = (await staff.get("/staff?span=1h")).text
    viewer = Viewer(staff, "/staff/live?span=1h")
    for name in PIECES:
        piece = await viewer.next(name)
        assert piece.strip() in page
    await viewer.leave()


async def test_all_who_look_have_one_painter(console: Console, staff: Browser) -> None:
    """It begins with the first of them and ends with the last, and paints each view once in a round."""
    painted: list[tuple[View, ...]] = []
    paint = console.parts.live.paint

    def watched(views: Iterable[View]) -> dict[View, Fragments]:
        painted.append(tuple(views))
        return paint(painted[-1])

    console.parts.live.paint = watched
    viewers = [Viewer(staff), Viewer(staff), Viewer(staff, "/staff/live?span=7d")]
    for viewer in viewers:
        await viewer.next("tiles")
    assert set(painted[-1]) == {VIEW, View("en", Span.WEEK)}
    assert console.parts.live._polling
    for viewer in viewers:
        await viewer.leave()
    assert console.parts.live._polling is None
    assert console.parts.live.streams == 0
    again = Viewer(staff)
    await again.next("tiles")
    assert painted[-1] == (VIEW,)
    await again.leave()


def sign_out(console: Console) -> None:
    console.parts.desk.sign_in._sessions.end("bob", 1)


def lose_the_role(console: Console) -> None:
    console.store.set_role("bob", Role.OWNER, T)


def suspend(console: Console) -> None:
    console.store.suspend("bob", T)


def let_time_pass(console: Console) -> None:
    console.now += 31 * 60


@pytest.mark.parametrize("happens", [sign_out, lose_the_role, suspend, let_time_pass])
async def test_it_ends_with_the_session(console: Console, staff: Browser, happens: Callable[[Console], None]) -> None:
    """Also when nobody has touched the page for half an hour: to look is no use of the session."""
    viewer = Viewer(staff)
    await viewer.next("decisions")
    happens(console)
    assert "your session has ended" in await viewer.next("end")
    await viewer.ended()
    assert console.parts.live.streams == 0


async def test_a_second_factor_in_another_tab_ends_nothing(console: Console, staff: Browser) -> None:
    """It makes another cookie of the same session."""
    viewer = Viewer(staff)
    await viewer.next("decisions")
    (session,) = console.parts.desk.sign_in.sessions("bob", T)
    assert console.parts.desk.confirming._sessions.prove(session, T)
    await checked(console)
    decide(console, "m1")
    await viewer.until("decisions", "m1")
    await viewer.leave()


async def checked(console: Console) -> None:
    """Return when a stream has looked once more whether its session goes on."""
    desk, done = console.parts.desk.sign_in, asyncio.Event()
    loop, look = asyncio.get_running_loop(), desk.sessions

    def watched(identity: str, now: float) -> list[Session]:
        loop.call_soon_threadsafe(done.set)
        return look(identity, now)

    desk.sessions = watched  # type: ignore[method-assign]  # for this once
    async with asyncio.timeout(60):
        await done.wait()
    desk.sessions = look  # type: ignore[method-assign]


async def test_where_nobody_can_say_it_ends(console: Console, staff: Browser) -> None:
    viewer = Viewer(staff)
    await viewer.next("decisions")

    def away(identity: str, now: float) -> list[Session]:
        raise OperationalError("", None, OSError())

    console.parts.desk.sign_in.sessions = away  # type: ignore[method-assign]
    with capture_logs() as lines:
        await viewer.ended()
    assert "console-failed" in [line["event"] for line in lines]


async def test_one_person_has_some_of_them(console: Console, staff: Browser) -> None:
    """So that the browser has connections left for pages; and others have theirs."""
    viewers = [Viewer(staff) for _ in range(MOST_OF_ONE)]
    for viewer in viewers:
        await viewer.next("tiles")
    refused = Viewer(staff)
    await refused.ended()
    assert (refused.status, refused.headers["retry-after"]) == (503, "30")
    assert (await staff.get("/staff")).status_code == 200
    eve = await console.enrolled("eve")
    console.store.set_role("eve", Role.ADMINISTRATOR, T)
    hers = Viewer(eve)
    await hers.next("tiles")
    await viewers.pop().leave()
    again = Viewer(staff)
    await again.next("tiles")
    for viewer in (*viewers, hers, again):
        await viewer.leave()


async def test_all_together_have_some_of_them(
    console: Console, staff: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS", 1)
    viewer = Viewer(staff)
    await viewer.next("tiles")
    refused = Viewer(staff)
    await refused.ended()
    assert refused.status == 503
    await viewer.leave()


async def test_who_reads_slowly_keeps_nobody_waiting(console: Console, staff: Browser) -> None:
    """And hears the newest state when he reads again, not all that was."""
    slow, other = Viewer(staff), Viewer(staff)
    for viewer in (slow, other):
        await viewer.next("decisions")
    slow.reads.clear()
    for number in range(3):
        decide(console, f"m{number}")
        await other.until("decisions", f"m{number}")
    slow.reads.set()
    await slow.until("decisions", "m2")
    assert slow.events.qsize() <= len(PIECES)
    for viewer in (slow, other):
        await viewer.leave()


async def test_who_reads_no_more_loses_his_place(
    console: Console, staff: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_SEND_WITHIN_S", 0.001)
    viewer = Viewer(staff)
    viewer.reads.clear()
    await viewer.ended()
    assert console.parts.live.streams == 0


async def test_a_database_that_is_away_is_said_once(console: Console, staff: Browser) -> None:
    """The stream goes on, and so do the figures as soon as it is back."""
    paint, rounds = console.parts.live.paint, asyncio.Queue[None]()
    loop = asyncio.get_running_loop()

    def away(_: Iterable[View]) -> dict[View, Fragments]:
        loop.call_soon_threadsafe(rounds.put_nowait, None)
        raise OSError("away")

    console.parts.live.paint = away
    with capture_logs() as lines:
        viewer = Viewer(staff)
        async with asyncio.timeout(60):
            for _ in range(5):
                await rounds.get()
        console.parts.live.paint = paint
        await viewer.next("tiles")
    assert [line["event"] for line in lines if line["event"] != "console-visited"] == ["console-failed"]
    await viewer.leave()


async def test_it_beats_while_nothing_happens(console: Console, staff: Browser) -> None:
    console.parts.live.heartbeat_s = 0.001
    viewer = Viewer(staff)
    await viewer.next("decisions")
    await checked(console)
    await checked(console)
    assert viewer.comments
    await viewer.leave()


async def test_it_ends_with_the_console(console: Console, staff: Browser) -> None:
    """At once; no other one begins."""
    console.parts.live.check_s = 3600.0
    viewer = Viewer(staff)
    await viewer.next("decisions")
    console.parts.live.end()
    await viewer.ended()
    late = Viewer(staff)
    await late.ended()
    assert late.status == 503


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("one", "event: x\ndata: one\n\n"),
        ("one\ntwo\n", "event: x\ndata: one\ndata: two\n\n"),
        ("", "event: x\ndata: \n\n"),
        (
            "one\r\revent: end\r\n\ndata: two",
            "event: x\ndata: one\ndata: \ndata: event: end\ndata: \ndata: data: two\n\n",
        ),
    ],
)
def test_no_text_begins_an_event_of_its_own(data: str, said: str) -> None:
    assert event("x", data) == said
