"""“Was this you?” and held mail in the console: own ones alone, with a fresh second factor, once; no markup."""

import re

import pytest
from browser import Browser
from console_app import Console
from markupsafe import escape
from pocket import six_digits
from sqlalchemy import insert, select, update
from stolen import ABROAD, HOSTING, Thief

from policy.engine.ladder import SignalKind, Step
from policy.engine.sources import Origin
from policy.people.confirming import FRESH_S
from policy.people.roles import Role
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages, Notices
from policy.store.incident_notes import State
from policy.store.models import Identities, Networks

XSS = "\"><script>alert(1)</script>'&{{7*7}}"
HOUR = 3600.0


async def stolen(console: Console, browser: Browser, name: str = "ada", label: str = "laptop") -> Thief:
    """A device of the person was stolen: mail went out, mail is held, the identity is locked. An incident is open."""
    login, _ = await console.add_device(browser, name, label)
    thief = Thief(console.engine, name, login, console.now)
    thief.hand_in("accept")
    thief.hand_in("hold")
    thief.raise_signal(Step.LOCK)
    return thief


async def confirm(console: Console, browser: Browser) -> None:
    """Show the second factor once more, with the next code."""
    await browser.get("/confirm?back=/held")
    done = await browser.post("/confirm/code", back="/held", code=six_digits(browser.seed, console.now))
    assert done.headers["location"] == "/held", browser.error
    await browser.follow(done)


def states(console: Console) -> list[str]:
    with console.engine.connect() as connection:
        return list(connection.scalars(select(HeldMessages.state).order_by(HeldMessages.id)))


async def test_the_question_comes_first_and_yes_gives_everything_back(console: Console) -> None:
    """On the start page; with the networks that were ticked."""
    async with await console.enrolled("ada") as browser:
        thief = await stolen(console, browser)
        home = await browser.get("/devices")
        assert home.text.index("Was this you?") < home.text.index("Add a device")
        page = await browser.get("/incidents/1")
        for part in (
            "<h3>Netherlands</h3>",
            "203.0.113.0/24",
            "laptop",
            "<dt>Went out</dt><dd>1 (recipients: 3)</dd>",
            "<dt>On hold</dt><dd>1 (recipients: 3)",
            '<a href="/held">see subjects and recipients</a>',
            "Yes, all of this",
        ):
            assert part in page.text, part
        assert re.search(r'value="203.0.113.0/24" checked', page.text)
        done = await browser.post("/incidents/answer", incident="1", said="yes", **{"trust-1": "203.0.113.0/24"})
        answered = await browser.follow(done)
        assert "You said that it was you." in answered.text
        assert "Your answer" not in answered.text
        assert "Was this you?" not in (await browser.get("/devices")).text
    assert console.store.incident(1).state == State.RELEASED
    assert "203.0.113.0/24" in [one.network for one in console.store.networks("ada") if one.confirmed_at]
    assert states(console) == [HeldState.RELEASING]
    assert console.store.credential(thief.login).revoked_at is None


@pytest.mark.parametrize(("days", "is_home"), [(1, False), (30, True)])
async def test_a_network_with_logins_alone_is_explained(console: Console, days: int, is_home: bool) -> None:
    """Whether it is home, and what that means: to the owner, and shorter to the staff."""
    where = "192.0.2.0/24"
    async with await console.enrolled("ada") as browser:
        thief = await stolen(console, browser)
        console.now, thief.now = console.now + 1, thief.now + 1
        thief.raise_signal(Step.LOCK, SignalKind.SPAM, address="192.0.2.77")
        console.store.confirm_network("ada", where, console.now)
        used = {"first_used_at": console.now - days * 86400.0, "last_used_at": console.now, "confirmed_at": None}
        with console.engine.begin() as connection:
            connection.execute(update(Networks).where(Networks.network == where).values(days=days, **used))
        page = (await browser.get("/incidents/1")).text
        card = page[page.rindex("<li", 0, page.index(where)) : page.index("</li>", page.index(where))]
        assert "From here somebody only logged in, to read mail for instance. Nothing was sent." in card
        assert ("It is a network that you use" in card) is is_home
        assert ("It is not known as a network of yours" in card) is not is_home
        assert (f'value="{where}"' in page) is not is_home  # it need not be ticked
        console.store.set_role("ada", Role.HELP_DESK, console.now)
        page = (await browser.get("/staff/incidents/1")).text
        row = page[page.index(f"{where}</th>") :]
        assert f">logins alone, {'home' if is_home else 'not home'}</span>" in row[: row.index("</tr>")]


async def test_that_mail_is_on_hold_is_told_where_the_ladder_never_went(console: Console) -> None:
    """A scan or a rule has it held: nobody need stand anywhere for that."""
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "laptop")
        Thief(console.engine, "ada", login, console.now).hand_in("hold")
        assert console.store.incident(1).step == "free"
        assert "mail that is not like you is on hold" in (await browser.get("/incidents/1")).text


async def test_who_is_contained_is_not_told_that_he_can_go_on_at_home(console: Console) -> None:
    """The ladder leaves the owner's own networks open; an administrator who contains does not."""
    async with await console.enrolled("ada") as browser:
        await stolen(console, browser)
        assert "At home you can go on." in (await browser.get("/incidents/1")).text
        console.store.contain_identity("ada", "", console.now)
        text = (await browser.get("/incidents/1")).text
        assert "At home you can go on." not in text
        assert "nobody can log in with them, from your own networks neither" in text


async def test_no_revokes_and_the_deletion_can_be_stopped(console: Console) -> None:
    """What to do next is told, a new device first of all."""
    async with await console.enrolled("ada") as browser:
        thief = await stolen(console, browser)
        await browser.get("/incidents/1")
        page = await browser.follow(await browser.post("/incidents/answer", incident="1", said="no"))
        assert 'href="/devices/new"' in page.text
        assert ">2023-11-15 22:13 UTC</time>, and nobody gets it" in page.text
        assert console.store.credential(thief.login).revoked_at == console.now
        assert states(console) == [HeldState.HELD]
        stopped = await browser.follow(await browser.post("/incidents/keep", incident="1"))
        assert "will be deleted" not in stopped.text
        again = await browser.post("/incidents/keep", incident="1")
        assert (again.status_code, browser.error) == (409, "It is too late to stop that.")


async def test_the_owner_reads_what_an_administrator_decided(console: Console) -> None:
    """Theft, or nothing, or over after both; and what became of the mail."""
    async with await console.enrolled("ada") as browser:
        await stolen(console, browser)
        console.store.purge_incident(1, "", console.now)
        page = (await browser.get("/incidents/1")).text
        assert "An administrator has decided that it was not you." in page
        assert "Devices of yours are suspended because of it" in page
        assert "<dt>Was on hold</dt><dd>deleted: 1 (recipients: 3), <time" in page
        console.store.release_incident(1, "", console.now + 60)
        page = (await browser.get("/incidents/1")).text
        assert "An administrator has decided, and it is over" in page
        assert "is on its way" not in page
    async with await console.enrolled("eve") as browser:
        await stolen(console, browser, "eve")
        console.store.release_incident(2, "", console.now)
        page = (await browser.get("/incidents/2")).text
        assert "An administrator has decided that it was nothing." in page
        assert "<dt>Was on hold</dt><dd>released: 1 (recipients: 3), <time" in page


async def test_answering_twice_says_so(console: Console) -> None:
    """Also from a page that was loaded before the first answer."""
    async with await console.enrolled("ada") as browser:
        await stolen(console, browser)
        await browser.get("/incidents/1")
        token = browser.token
        await browser.post("/incidents/answer", incident="1", said="no")
        again = await browser.post("/incidents/answer", token=token, incident="1", said="yes")
        assert again.status_code == 409
        assert browser.error.startswith("This question was answered before.")
        assert console.store.incident(1).answer == "no"


# What it shows, fields beside the token, what is answered
BAD_ANSWERS = [
    ("no answer", {"incident": "1"}, 400),
    ("neither yes nor no", {"incident": "1", "said": "maybe"}, 400),
    ("no number", {"said": "yes"}, 400),
    ("a number that is none", {"incident": "1; DROP", "said": "yes"}, 400),
    ("a network that was not shown", {"incident": "1", "said": "yes", "trust-1": "192.0.2.0/24"}, 400),
    ("a network that is none", {"incident": "1", "said": "yes", "trust-1": XSS}, 400),
    ("an incident that never was", {"incident": "99", "said": "yes"}, 404),
]


@pytest.mark.parametrize(("fields", "status"), [c[1:] for c in BAD_ANSWERS], ids=[c[0] for c in BAD_ANSWERS])
async def test_answers_that_are_none(console: Console, fields: dict[str, str], status: int) -> None:
    async with await console.enrolled("ada") as browser:
        await stolen(console, browser)
        await browser.get("/incidents/1")
        answer = await browser.post("/incidents/answer", **fields)
        assert answer.status_code == status
        assert XSS not in answer.text
    assert console.store.incident(1).state == State.OPEN


# Each route that names something of a person's: method, path, fields
ROUTES = [
    ("GET", "/incidents/{incident}", {}),
    ("POST", "/incidents/answer", {"incident": "{incident}", "said": "yes"}),
    ("POST", "/incidents/answer", {"incident": "{incident}", "said": "no"}),
    ("POST", "/incidents/keep", {"incident": "{incident}"}),
    ("POST", "/held/release", {"message": "{message}"}),
    ("POST", "/held/delete", {"message": "{message}"}),
]


@pytest.mark.parametrize(("method", "path", "fields"), ROUTES)
async def test_another_person_s_is_as_unknown_as_nobody_s(
    console: Console, method: str, path: str, fields: dict[str, str]
) -> None:
    """The very same answer, and nothing is done; neither is it on any page of eve's."""
    async with await console.enrolled("ada") as ada, await console.enrolled("eve") as eve:
        thief = await stolen(console, ada)
        queue_id = thief.hand_in("hold", is_home=True)
        answers = []
        for names in ({"incident": "1", "message": queue_id}, {"incident": "99", "message": "4NOBODYS0001"}):
            await eve.get("/held")
            if method == "GET":
                answer = await eve.get(path.format(**names))
            else:
                answer = await eve.post(path, **{name: value.format(**names) for name, value in fields.items()})
            answers.append((answer.status_code, re.sub(r'value="[0-9a-f]{64}"', "", answer.text)))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        for page in ("/devices", "/incidents", "/held"):
            text = (await eve.get(page)).text
            assert not [part for part in ("/incidents/1", queue_id, thief.login) if part in text], page
    assert console.store.incident(1).answer == ""
    assert set(states(console)) == {HeldState.HELD}
    assert console.store.credential(thief.login).revoked_at is None


@pytest.mark.parametrize("language", ["en", "de"])
async def test_no_text_becomes_markup(console: Console, language: str) -> None:
    async with await console.enrolled("ada") as browser:
        browser.client.headers["Accept-Language"] = language
        thief = await stolen(console, browser, label=XSS)
        thief.client_name = XSS
        thief.hand_in("hold", reason=XSS)
        for path in ("/devices", "/incidents", "/incidents/1", "/held", "/account"):
            text = (await browser.get(path)).text
            assert "<script>alert" not in text, path
            assert "49" not in re.findall(r"&amp;(\d+)", text), path
        assert str(escape(XSS)) in (await browser.get("/incidents/1")).text
        assert str(escape(XSS)) in (await browser.get("/held")).text


NEEDS_FACTOR = [
    ("/incidents/answer", {"incident": "1", "said": "yes"}, "/confirm?back=/incidents/1"),
    ("/incidents/answer", {"incident": "1", "said": "no"}, "/confirm?back=/incidents/1"),
    ("/incidents/keep", {"incident": "1"}, "/confirm?back=/incidents/1"),
    ("/held/release", {"message": "x"}, "/confirm?back=/held"),
    ("/held/delete", {"message": "x"}, "/confirm?back=/held"),
    ("/account/notice-address", {"address": "ada@elsewhere.example"}, "/confirm?back=/account"),
]


@pytest.mark.parametrize(("path", "fields", "where"), NEEDS_FACTOR)
async def test_a_browser_that_was_left_open_answers_nothing(
    console: Console, path: str, fields: dict[str, str], where: str
) -> None:
    """A quarter of an hour after the second factor it is asked for again; pages can be read, and have no buttons."""
    async with await console.enrolled("ada") as browser:
        thief = await stolen(console, browser)
        queue_id = thief.hand_in("hold", is_home=True)
        fields = {name: queue_id if value == "x" else value for name, value in fields.items()}
        console.now += FRESH_S
        back = where.partition("=")[2]
        page = await browser.get(back)
        assert f'action="{path}"' not in page.text
        assert "/confirm?back=" in page.text
        assert (await browser.post(path, **fields)).headers["location"] == where
        assert console.store.incident(1).answer == ""
        assert set(states(console)) == {HeldState.HELD}
        assert console.store.identity("ada").notice_address == ""
        await confirm(console, browser)
        await browser.get(back)
        await browser.post(path, **fields)
        with_it = (console.store.incident(1).answer, set(states(console)), console.store.identity("ada").notice_address)
        assert with_it != ("", {HeldState.HELD}, "") or path == "/incidents/keep"


async def test_a_confirmed_session_has_another_cookie(console: Console) -> None:
    """Whoever had copied the old one has nothing: neither what was confirmed nor the session."""
    async with await console.enrolled("ada") as browser, console.browser() as thief:
        console.now += FRESH_S
        stolen_cookies = dict(browser.client.cookies)
        await confirm(console, browser)
        assert (await browser.get("/devices")).status_code == 200
        thief.client.cookies.update(stolen_cookies)
        assert (await thief.get("/devices")).headers["location"] == "/sign-in"


async def test_a_wrong_code_confirms_nothing(console: Console) -> None:
    """One that was used is wrong, too; ten of them are enough: five are there for whoever has no session."""
    async with await console.enrolled("ada") as browser:
        used = six_digits(browser.seed, console.now)
        console.now += FRESH_S
        await browser.get("/confirm?back=/account")
        for code in (used, "000000", "", "111111", "222222") * 2:
            answer = await browser.post("/confirm/code", back="/account", code=code)
            assert answer.status_code == 400
            assert 'name="back" value="/account"' in answer.text
        last = await browser.post("/confirm/code", back="/account", code=six_digits(browser.seed, console.now))
        assert last.status_code == 429
        assert "account/notice-address" not in (await browser.get("/account")).text


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/held/../x", "/held//x", "", XSS])
async def test_it_leads_back_to_pages_of_ours_alone(console: Console, back: str) -> None:
    async with await console.enrolled("ada") as browser:
        console.now += FRESH_S
        page = await browser.client.get("/confirm", params={"back": back}, headers={"Sec-Fetch-Site": "same-origin"})
        browser.seen = page.text
        assert 'href="/devices">Back' in page.text
        done = await browser.post("/confirm/code", back=back, code=six_digits(browser.seed, console.now))
        assert done.headers["location"] == "/devices"


async def test_rented_machines_are_never_ticked_beforehand(console: Console) -> None:
    """A word of warning stands beside them; who ticks it himself is believed."""
    async with await console.enrolled("ada") as browser:
        thief = await stolen(console, browser)
        thief.hand_in("hold", address=HOSTING)
        page = (await browser.get("/incidents/1")).text
        assert re.search(r'value="203.0.113.0/24" checked', page)
        assert re.search(r'value="95.216.0.0/24"> Finland, 95.216.0.0/24 . rented machines', page)
        await browser.post("/incidents/answer", incident="1", said="yes", **{"trust-2": "95.216.0.0/24"})
    confirmed = {one.network for one in console.store.networks("ada") if one.confirmed_at == console.now}
    assert "95.216.0.0/24" in confirmed
    assert "203.0.113.0/24" not in confirmed


async def test_what_the_question_is_not_about_is_not_ticked_beforehand(console: Console) -> None:
    """A thief who reads along, or writes a little, would have a home by the owner's yes to an invitation of his own."""
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "laptop")
        thief = Thief(console.engine, "ada", login, console.now)
        thief.hand_in("accept", address="198.18.7.1")
        thief.hand_in("hold", address="198.18.8.1")
        whose = select(Identities.id).where(Identities.name == "ada").scalar_subquery()
        used = {"first_used_at": console.now - HOUR, "last_used_at": console.now, "days": 1}
        with console.engine.begin() as connection:
            connection.execute(insert(Networks).values(identity_id=whose, network="198.18.9.0/24", **used))
        page = (await browser.get("/incidents/1")).text
        ticks = {f"198.18.{one}.0/24": f'value="198.18.{one}.0/24" checked' in page for one in (7, 8, 9)}
        assert all(f'value="{one}"' in page for one in ticks)
        assert [one for one, is_ticked in ticks.items() if is_ticked] == ["198.18.8.0/24"]


async def test_a_network_that_was_disowned_is_not_ticked_beforehand(console: Console) -> None:
    """Who has said that it is not his would take that back by one careless yes."""
    async with await console.enrolled("ada") as browser:
        await stolen(console, browser)
        assert re.search(r'value="203.0.113.0/24" checked', (await browser.get("/incidents/1")).text)
        whose = select(Identities.id).where(Identities.name == "ada").scalar_subquery()
        used = {"network": "203.0.113.0/24", "days": 1, "first_used_at": console.now, "last_used_at": console.now}
        with console.engine.begin() as connection:
            connection.execute(insert(Networks).values(identity_id=whose, **used))
        console.store.distrust_network("ada", "203.0.113.0/24", lambda where: Origin(network=where), console.now)
        page = (await browser.get("/incidents/1")).text
        assert 'value="203.0.113.0/24">' in page


async def test_many_networks_are_hardly_one_person(console: Console) -> None:
    """None is ticked beforehand, and the page does not grow with them."""
    async with await console.enrolled("ada") as browser:
        thief = await stolen(console, browser)
        for number in range(30):
            thief.hand_in("hold", address=f"198.18.{number}.1")
        page = (await browser.get("/incidents/1")).text
        assert page.count('type="checkbox"') == 20
        assert " checked" not in page
        assert "And 11 more networks." in page


async def test_held_mail_is_released_and_deleted_one_by_one(console: Console) -> None:
    """What was handed in at home and met a budget; the other one goes with the answer."""
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "laptop")
        thief = Thief(console.engine, "ada", login, console.now)
        own, other, third = (thief.hand_in("hold", is_home=is_home) for is_home in (True, False, False))
        page = (await browser.get("/held")).text
        assert page.count('action="/held/release"') == 1
        assert page.count('action="/held/delete"') == 3
        assert "was this you?" in page
        assert ">2023-11-28 22:13 UTC</time> (if nobody decides)" in page
        await browser.follow(await browser.post("/held/release", message=own))
        refused = await browser.post("/held/release", message=other)
        assert refused.status_code == 409
        await browser.follow(await browser.post("/held/delete", message=third))
        twice = await browser.post("/held/release", message=third)
        assert twice.status_code == 409
    assert states(console) == [HeldState.RELEASING, HeldState.HELD, HeldState.PURGING]


ADDRESSES = [
    ("elsewhere", "Ada@Elsewhere.example", "ada@elsewhere.example", 303),
    ("none", "", "", 303),
    ("letters of any script", "ödä@exämple.org", "ödä@xn--exmple-cua.org", 303),
    ("her own", "ada@example.org", "old@elsewhere.example", 400),
    ("her own with a detail", "ada+x@example.org", "old@elsewhere.example", 400),
    ("a domain", "@elsewhere.example", "old@elsewhere.example", 400),
    ("no address", XSS, "old@elsewhere.example", 400),
    ("two", "a@elsewhere.example, b@elsewhere.example", "old@elsewhere.example", 400),
]


@pytest.mark.parametrize(("typed", "kept", "status"), [c[1:] for c in ADDRESSES], ids=[c[0] for c in ADDRESSES])
async def test_the_second_address(console: Console, typed: str, kept: str, status: int) -> None:
    """Each change is told to the one before, too."""
    async with await console.enrolled("ada") as browser:
        console.store.change_identity("ada", console.now - HOUR, notice_address="old@elsewhere.example")
        page = await browser.get("/account")
        assert 'type="email"' not in page.text  # in which browsers refuse ödä@example.org
        answer = await browser.post("/account/notice-address", address=typed)
        assert answer.status_code == status
        if status != 303:
            assert f'value="{escape(typed)}"' in answer.text
    assert console.store.identity("ada").notice_address == kept
    with console.engine.connect() as connection:
        told = connection.scalars(
            select(Notices.content).where(Notices.channel == "owner:ada", Notices.at == console.now)
        ).all()
    assert len(told) == (1 if status == 303 else 0)
    assert all('"also_to": ["old@elsewhere.example"]' in one for one in told)


async def test_a_stranger_sees_nothing(console: Console) -> None:
    """Nor whoever has a mail credential alone: it opens no page."""
    async with await console.enrolled("ada") as browser, console.browser(ABROAD) as stranger:
        await stolen(console, browser)
        for path in ("/incidents", "/incidents/1", "/held", "/confirm"):
            assert (await stranger.get(path)).headers["location"] == "/sign-in"
        login, secret = await console.add_device(browser, "ada", "phone")
        await stranger.get("/sign-in")
        for name in (login, "ada"):
            assert (await stranger.post("/sign-in", name=name, password=secret)).status_code == 400
