"""Held mail on the pages of the staff: filters, pages, what becomes of messages, and looks into them."""

import re

import pytest
from browser import Browser
from console_app import Console
from markupsafe import escape
from sqlalchemy import select
from staff_scene import XSS, answered, staff, stage
from stolen import Thief

from policy.console.looking import decoded
from policy.console.staff.held import PAGE
from policy.console.visit import _MOST_FIELDS
from policy.people.confirming import FRESH_S
from policy.people.roles import Role
from policy.queue_contract import QueueName
from policy.store.audit import Wanted, newest
from policy.store.held import HeldState
from policy.store.looks import KEPT_S, MOST_OF_A_PERSON
from policy.store.operation_models import Looks
from tests.unit.policy.queue_of_test import QueueOfTest

DESK, ADMINISTRATOR = Role.HELP_DESK, Role.ADMINISTRATOR
HEAD = f'Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?= {XSS}\nFrom: "{XSS}" <eve@example.org>\nTo: a@example.net\n'

# Each route: method, path, fields beside the token; who may
ROUTES = [
    ("GET", "/staff/held", {}, {DESK, ADMINISTRATOR}),
    ("GET", "/staff/held/{message}", {}, {DESK, ADMINISTRATOR}),
    ("POST", "/staff/held/{message}/look", {"text": "yes"}, {ADMINISTRATOR}),
    ("GET", "/staff/held/{message}/look/1", {}, {ADMINISTRATOR}),
    ("POST", "/staff/held/move", {"what": "release", "m-1": "{message}"}, {ADMINISTRATOR}),
    ("POST", "/staff/held/move", {"what": "delete", "sure": "yes", "m-1": "{message}"}, {ADMINISTRATOR}),
    ("POST", "/staff/held/move-all", {"what": "release", "incident": "1"}, {ADMINISTRATOR}),
]


def shown(text: str) -> list[str]:
    """The messages of a page."""
    return re.findall(r'href="/staff/held/(\w+)"', text)


def looks(console: Console) -> int:
    with console.engine.connect() as connection:
        return len(connection.execute(select(Looks.id)).all())


def queue_with(*messages: str, head: str = HEAD) -> QueueOfTest:
    queue = QueueOfTest(content=(head, "Dear all,\n"))
    for one in messages:
        queue.add(one, QueueName.HOLD)
    return queue


async def look(browser: Browser, message: str, text: str = "yes") -> str:
    """Ask for it; where it will be shown."""
    await browser.get(f"/staff/held/{message}")
    answer = await browser.post(f"/staff/held/{message}/look", text=text)
    assert answer.status_code == 303
    return str(answer.headers["location"])


@pytest.mark.parametrize("role", [None, *Role])
async def test_who_may(console: Console, role: Role | None) -> None:
    """Whoever may not changes nothing and looks at nothing."""
    staged = stage(console)
    async with console.browser() if role is None else await staff(console, "ada", role) as browser:
        for number, (method, route, fields, allowed) in enumerate(ROUTES):
            message = staged.held[number % len(staged.held)]
            path, before = route.format(message=message), [staged.state(one) for one in staged.held]
            given = {name: value.format(message=message) for name, value in fields.items()}
            await browser.get("/account")
            answer = await (browser.get(path) if method == "GET" else browser.post(path, **given))
            if role in allowed:
                assert answer.status_code == (200 if method == "GET" else 303), path
            else:
                assert answer.status_code == (303 if role is None else 403), path
                assert [staged.state(one) for one in staged.held] == before
    assert looks(console) == (1 if role is ADMINISTRATOR else 0)


async def test_filters_and_pages(console: Console) -> None:
    """The oldest first, each once; by identity, incident, reason and state."""
    staged = stage(console)
    other = stage(console, "bob")
    other.thief.hand_in("hold", reason="spam")
    for _ in range(PAGE + 5):
        staged.thief.now += 1
        staged.held.append(staged.thief.hand_in("hold"))
    console.store.release_held([other.held[0]], console.now)
    async with await staff(console, "ada", DESK) as browser:
        path, seen = "/staff/held?identity=eve", list[str]()
        while path:
            text = (await browser.get(path)).text
            assert len(shown(text)) <= PAGE
            seen += shown(text)
            onward = re.search(r'href="(/staff/held\?[^"]*after=[^"]*)"', text)
            path = onward[1].replace("&amp;", "&") if onward else ""
        assert seen == staged.held
        for query, found in (
            ("incident=2", 3), ("incident=2&reason=spam", 1), ("reason=spam", 1), ("identity=bob&state=releasing", 1),
            ("identity=bob&state=all", 4), ("identity=nobody", 0), ("state=purged", 0),
        ):  # fmt: skip
            assert len(shown((await browser.get(f"/staff/held?{query}")).text)) == found, query
        for bad in ("state=x", "incident=x", "incident=-1", "identity=%00", f"incident={'9' * 30}"):
            assert (await browser.get(f"/staff/held?{bad}")).status_code == 400, bad


def test_a_form_has_room_for_a_page() -> None:
    """All that can be ticked, the filter, what is to be done, and the token."""
    assert PAGE + len(("token", "identity", "incident", "reason", "state", "what", "sure")) <= _MOST_FIELDS


async def test_several_at_once(console: Console) -> None:
    """What is deleted is asked about first; what was not ticked stays."""
    staged = stage(console)
    first, second, third = staged.held
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        await browser.get("/staff/held?identity=eve")
        ticked = {"identity": "eve", "state": "held", "m-1": first, "m-3": third}
        asked = await browser.post("/staff/held/move", what="delete", **ticked)
        assert asked.status_code == 200
        assert "Messages: 2, recipients: 6" in asked.text
        assert staged.state(first) == HeldState.HELD
        hidden = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)">', asked.text))
        done = await browser.post("/staff/held/move", **{k: v for k, v in hidden.items() if k != "token"})
        assert done.headers["location"] == "/staff/held?identity=eve&incident=&reason=&state=held"
        assert [staged.state(one) for one in staged.held] == [HeldState.PURGING, HeldState.HELD, HeldState.PURGING]
        await browser.get("/staff/held")
        assert (await browser.post("/staff/held/move", what="release", **{"m-1": second})).status_code == 303
        assert staged.state(second) == HeldState.RELEASING
        await browser.get("/staff/held")
        empty = await browser.post("/staff/held/move", what="release")
        assert (empty.status_code, browser.error) == (409, "No message is ticked.")


@pytest.mark.parametrize(("first", "second"), [("delete", "release"), ("release", "delete")])
async def test_two_administrators_at_once(console: Console, first: str, second: str) -> None:
    """The second hears what it is by now, and of all that he has ticked nothing is done."""
    staged = stage(console)
    one, other, _ = staged.held
    async with await staff(console, "ada", ADMINISTRATOR) as ada, await staff(console, "bob", ADMINISTRATOR) as bob:
        for browser in (ada, bob):
            await browser.get("/staff/held")
        assert (await ada.post("/staff/held/move", what=first, sure="yes", **{"m-1": one})).status_code == 303
        late = await bob.post("/staff/held/move", what=second, sure="yes", **{"m-1": one, "m-2": other})
        assert late.status_code == 409
        assert f"{one}: {staged.state(one)}" in bob.error
    assert staged.state(other) == HeldState.HELD


async def test_all_of_an_incident(console: Console) -> None:
    """It stays open, and its logins stay as they are. The second one hears that somebody was faster."""
    staged = stage(console)
    other = stage(console, "bob")
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        page = await browser.get("/staff/held?incident=1")
        assert "messages: 3, recipients: 9" in page.text
        token = browser.token
        await browser.follow(await browser.post("/staff/held/move-all", what="delete", incident="1"))
        again = await browser.post("/staff/held/move-all", token=token, what="release", incident="1")
        assert (again.status_code, "somebody was faster" in browser.error) == (409, True)
    assert {staged.state(one) for one in staged.held} == {HeldState.PURGING}
    assert {other.state(one) for one in other.held} == {HeldState.HELD}
    assert console.store.incident(1).state == "open"
    (act, *_) = newest(console.engine, Wanted(actor="console:ada"))
    assert (act.action, act.after) == ("held-messages-purged", {"incident": 1, "messages": 3})


async def test_a_look(console: Console) -> None:
    """Asked for, waited for, shown; written down; and over after five minutes."""
    staged = stage(console)
    message = staged.held[0]
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        where = await look(browser, message)
        page = (await browser.get(where)).text
        assert f'hx-get="/staff/held/{message}/look/1"' in page
        assert "It is being fetched" in page
        assert 'hx-trigger="every 1s"' in (await browser.get(f"/staff/held/{message}/look/1")).text
        await answered(console, queue_with(message))
        fragment = (await browser.get(f"/staff/held/{message}/look/1")).text
        assert "hx-get" not in fragment
        assert "<h1" not in fragment
        for part in (f"grüße {escape(XSS)}", "Dear all,", "eve@example.org"):
            assert part in fragment, part
        assert "<script>alert" not in fragment + (await browser.get(where)).text
        acts = newest(console.engine, Wanted(actor="console:ada"))
        assert [act.after["queue_id"] for act in acts if act.action == "held-message-read"] == [message]
        console.now += KEPT_S
        over = (await browser.get(where)).text
        assert "Dear all," not in over
        assert "This look is over" in over


async def test_the_header_section_alone(console: Console) -> None:
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        where = await look(browser, staged.held[0], "no")
        await answered(console, queue_with(staged.held[0]))
        page = (await browser.get(where)).text
        assert "grüße" in page
        assert "Dear all," not in page


async def test_a_browser_that_was_left_open_shows_nothing(console: Console) -> None:
    """Neither what was fetched before, nor the next one."""
    staged = stage(console)
    message = staged.held[0]
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        console.now += FRESH_S - 60
        where = await look(browser, message)
        await answered(console, queue_with(message))
        assert "Dear all," in (await browser.get(where)).text
        console.now += 60
        assert "Dear all," not in (await browser.get(where)).text
        assert "Dear all," not in (await browser.get(f"/staff/held/{message}/look/1")).text
        await browser.get("/account")
        again = await browser.post(f"/staff/held/{message}/look", text="yes")
        assert again.headers["location"] == f"/confirm?back=/staff/held/{message}"


async def test_somebody_else_s_look(console: Console) -> None:
    """Another administrator's is nobody's, and one at another message, too."""
    staged = stage(console)
    one, other, _ = staged.held
    async with await staff(console, "ada", ADMINISTRATOR) as ada, await staff(console, "bob", ADMINISTRATOR) as bob:
        await look(ada, one)
        await answered(console, queue_with(one))
        for browser, path in ((bob, f"/staff/held/{one}?look=1"), (bob, f"/staff/held/{one}/look/1"),
                              (ada, f"/staff/held/{other}?look=1"), (ada, f"/staff/held/{other}/look/1")):  # fmt: skip
            assert "Dear all," not in (await browser.get(path)).text, path


async def test_looks_that_are_refused(console: Console) -> None:
    """At what is not on hold any more, at what never was, and at too many at once."""
    staged = stage(console)
    one, other, _ = staged.held
    console.store.release_held([one], console.now)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        await browser.get("/account")
        token = browser.token
        assert (await browser.post(f"/staff/held/{one}/look", token=token, text="yes")).status_code == 409
        assert (await browser.post("/staff/held/4NOBODYS0001/look", token=token, text="yes")).status_code == 404
        for _ in range(MOST_OF_A_PERSON):
            assert (await browser.post(f"/staff/held/{other}/look", token=token, text="yes")).status_code == 303
        assert (await browser.post(f"/staff/held/{other}/look", token=token, text="yes")).status_code == 429
        await answered(console, None)
        assert "Nobody at the queue answers" in (await browser.get(f"/staff/held/{other}/look/1")).text
    assert looks(console) == MOST_OF_A_PERSON


async def test_forms_that_are_none_of_ours(console: Console) -> None:
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        await browser.get("/staff/held")
        token, message = browser.token, staged.held[0]
        for path, fields, status in (
            ("move", {"what": XSS, "m-1": message}, 400),
            ("move", {"m-1": message}, 400),
            ("move", {"what": "release", "m-1": XSS}, 404),
            ("move", {"what": "delete", "m-1": XSS}, 404),
            ("move", {"what": "release", "m-1": message, "state": XSS}, 400),
            ("move-all", {"what": "release", "incident": XSS}, 400),
            ("move-all", {"what": "release", "incident": "99"}, 409),
            ("move-all", {"what": XSS, "incident": "1"}, 400),
        ):
            answer = await browser.post(f"/staff/held/{path}", token=token, **fields)
            assert (answer.status_code, "<script>alert" in answer.text) == (status, False), (path, fields)
        too_many = {f"m-{number}": message for number in range(_MOST_FIELDS)}
        assert (await browser.post("/staff/held/move", token=token, what="release", **too_many)).status_code == 400
    assert {staged.state(one) for one in staged.held} == {HeldState.HELD}


# The owner's own


async def test_an_owner_sees_subject_date_and_recipients(console: Console) -> None:
    """Of one message, and nothing else of it."""
    async with await console.enrolled("eve") as browser:
        login, _ = await console.add_device(browser, "eve", "laptop")
        message = Thief(console.engine, "eve", login, console.now).hand_in("hold")
        await browser.get("/held")
        where = (await browser.post("/held/look", message=message)).headers["location"]
        waiting = (await browser.get(where)).text
        assert 'hx-get="/held/look/1"' in waiting
        await answered(
            console, queue_with(message, head=f"{HEAD}Date: Tue, 14 Nov 2023 22:13:20 +0000\nX-Other: seen\n")
        )
        for path in (where, "/held/look/1"):
            text = (await browser.get(path)).text
            for part in (f"grüße {escape(XSS)}", "Tue, 14 Nov 2023"):
                assert part in text, part
            for part in ("X-Other", "seen", "Dear all,", "<script>alert"):
                assert part not in text, part
        console.now += FRESH_S
        assert "grüße" not in (await browser.get("/held")).text


async def test_nobody_else_s(console: Console) -> None:
    """Another person's message is as unknown as nobody's; what the owner asked for is not for others either."""
    async with await console.enrolled("eve") as eve, await console.enrolled("mallory") as mallory:
        staged = stage(console, "bob")
        login, _ = await console.add_device(eve, "eve", "laptop")
        message = Thief(console.engine, "eve", login, console.now).hand_in("hold")
        await eve.get("/held")
        await eve.post("/held/look", message=message)
        await answered(console, queue_with(message))
        answers = []
        for named in (message, staged.held[0], "4NOBODYS0001", XSS, ""):
            await mallory.get("/held")
            answer = await mallory.post("/held/look", message=named)
            answers.append((answer.status_code, re.sub(r'value="[0-9a-f]{64}"', "", answer.text)))
        assert answers == [answers[0]] * 5
        assert answers[0][0] == 404
        for path in ("/held?look=1", "/held/look/1"):
            assert "grüße" not in (await mallory.get(path)).text
            assert "grüße" in (await eve.get(path)).text
    assert looks(console) == 1


async def test_an_owner_needs_a_fresh_second_factor(console: Console) -> None:
    async with await console.enrolled("eve") as browser:
        login, _ = await console.add_device(browser, "eve", "laptop")
        message = Thief(console.engine, "eve", login, console.now).hand_in("hold")
        console.now += FRESH_S
        page = await browser.get("/held")
        assert "/held/look" not in page.text
        assert (await browser.post("/held/look", message=message)).headers["location"] == "/confirm?back=/held"
    assert looks(console) == 0


DECODED = [
    ("plain", "hello", "hello"),
    ("encoded", "=?utf-8?b?Z3LDvMOfZQ==?=", "grüße"),
    ("folded", "one\n two", "one two"),
    ("an encoding that is none", "=?x-none?q?a?=", "=?x-none?q?a?="),
    ("octets that are none", "=?utf-8?q?=FF=FE?=", "=?utf-8?q?=FF=FE?="),
    ("marks that turn writing around", "=?utf-8?b?4oCuZ25wLmV4ZQ==?=", "\\u202egnp.exe"),
    ("a broken base64", "=?utf-8?b?a?=", "=?utf-8?b?a?="),
    ("a name of an encoding that is none", "=?\u202eü?q?a?=", "=?\\u202eü?q?a?="),
    ("very long", "x" * 900, "x" * 500 + " …"),
]


@pytest.mark.parametrize(("raw", "expected"), [c[1:] for c in DECODED], ids=[c[0] for c in DECODED])
def test_a_field_of_a_stranger(raw: str, expected: str) -> None:
    assert decoded(raw) == expected
