"""My networks: which count as the owner's, and since when; "this was not me" takes a fresh second factor."""

from browser import Browser
from console_app import Console
from sqlalchemy import insert, select
from stolen import Thief

from policy.engine.ladder import SignalKind, Step
from policy.people.confirming import FRESH_S
from policy.store.models import Identities, Networks

NETWORK = "203.0.113.0/24"


async def lurking(console: Console, browser: Browser) -> str:
    """Somebody has read along for seven days, with a device of hers; its login."""
    login, _ = await console.add_device(browser, "ada", "laptop")
    Thief(console.engine, "ada", login, console.now).raise_signal(Step.FREE, SignalKind.TRUSTED_NETWORK)
    with console.engine.begin() as connection:
        (ada,) = connection.scalars(select(Identities.id).where(Identities.name == "ada"))
        used = {"first_used_at": console.now - 6 * 86400, "last_used_at": console.now, "days": 7}
        connection.execute(insert(Networks).values(identity_id=ada, network=NETWORK, **used))
    return login


async def test_what_counts_as_ones_own_and_since_when(console: Console) -> None:
    async with await console.enrolled("ada") as browser:
        await lurking(console, browser)
        page = (await browser.get("/networks")).text
        card = page[page.index(f"<h2>{NETWORK}") : page.index("</li>", page.index(NETWORK))]
        assert ">home</span>" in card
        assert "Yours, by use alone, since" in card
        own = page[page.index("<h2>198.51.100.0/24") :]
        assert "Yours, because somebody said so, since" in own[: own.index("</li>")]


async def test_what_was_told_is_shown_however_many_came_after_it(console: Console) -> None:
    """Or a thief would hide his among sixty others of the same provider, which nobody is told of."""
    async with await console.enrolled("ada") as browser:
        await lurking(console, browser)
        with console.engine.begin() as connection:
            (ada,) = connection.scalars(select(Identities.id).where(Identities.name == "ada"))
            used = {"identity_id": ada, "first_used_at": console.now, "last_used_at": console.now + 60, "days": 1}
            every = [{"network": f"100.64.{number}.0/24", **used} for number in range(60)]
            connection.execute(insert(Networks), every)
        page = (await browser.get("/networks")).text
        assert f"<h2>{NETWORK}" in page
        assert "more networks that were not used since" in page


async def test_it_was_not_me(console: Console) -> None:
    """The device that was used there is suspended, and the question that is left has a page."""
    async with await console.enrolled("ada") as browser:
        login = await lurking(console, browser)
        other, _ = await console.add_device(browser, "ada", "tablet")
        await browser.get("/networks")
        done = await browser.post("/networks/distrust", network=NETWORK)
        assert done.headers["location"] == "/incidents/1", browser.error
        page = await browser.follow(done)
        assert "Devices of yours are suspended because of it" in page.text
        assert f"<dt>Network</dt><dd>{NETWORK}</dd>" in page.text  # it is what is asked about
        assert f'value="{NETWORK}">' in page.text  # and it is not ticked: that would take the no back
        assert console.store.credential(login).contained_by == 1
        assert console.store.credential(other).contained_by is None
        assert NETWORK not in [one.network for one in console.store.networks("ada")]
        await browser.get("/networks")
        again = await browser.post("/networks/distrust", network=NETWORK)
        assert "You have no such network." in again.text
        assert "This is no network." in (await browser.post("/networks/distrust", network="everywhere")).text


async def test_a_browser_that_was_left_open_takes_nothing_back(console: Console) -> None:
    async with await console.enrolled("ada") as browser:
        login = await lurking(console, browser)
        await browser.get("/networks")
        console.now += FRESH_S + 1
        page = (await browser.get("/networks")).text
        assert "/networks/distrust" not in page
        first = await browser.post("/networks/distrust", network=NETWORK)
        assert first.headers["location"] == "/confirm?back=/networks"
        assert console.store.credential(login).contained_by is None
