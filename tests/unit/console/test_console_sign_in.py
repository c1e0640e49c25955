"""Signing in, staying signed in, and what a wrong password learns."""

import re

import pytest
from browser import PASSWORD, Browser
from console_app import Console
from pocket import six_digits

from policy.people.errors import Text

WRONG = "this is not the password"


async def sign_in(console: Console, browser: Browser, name: str, seed: str) -> None:
    """On both pages; the code is that of the next half minute, for none is taken twice."""
    console.now += 60
    await browser.get("/sign-in")
    await browser.follow(await browser.post("/sign-in", name=name, password=PASSWORD))
    answer = await browser.post("/sign-in/code", code=six_digits(seed, console.now))
    assert answer.headers["location"] == "/devices"
    await browser.get("/devices")


@pytest.mark.parametrize("name", ["ada", "ada@example.org", " ADA@Example.ORG "])
async def test_by_name_or_address(console: Console, name: str) -> None:
    """In any spelling; the session is another one than before."""
    async with await console.enrolled("ada") as first, console.browser() as browser:
        await sign_in(console, browser, name, first.seed)
        assert browser.cookie("session") not in {"", first.cookie("session")}
        assert not browser.cookie("sign-in")


async def test_what_is_wrong_is_not_told(console: Console) -> None:
    """An unknown name and a wrong password are the same page, but for the name that was typed."""
    async with await console.enrolled("ada"), console.browser() as browser:
        pages = set()
        for name in ("ada", "nobody", "nobody@example.org"):
            await browser.get("/sign-in")
            answer = await browser.post("/sign-in", name=name, password=WRONG)
            assert answer.status_code == 400
            assert browser.error == Text.WRONG_SIGN_IN
            assert WRONG not in answer.text
            pages.add(answer.text.replace(f'value="{name}"', ""))
        assert len(pages) == 1


async def test_too_many_wrong_passwords_have_to_wait(console: Console) -> None:
    """From a network where nobody was before; told with 429 and Retry-After."""
    async with await console.enrolled("ada"), console.browser("203.0.113.77") as browser:
        for number in range(60):
            await browser.get("/sign-in")
            answer = await browser.post("/sign-in", name="ada", password=f"{WRONG} {number}")
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert (await browser.post("/sign-in", name="ada", password=PASSWORD)).status_code == 429


async def test_the_second_page_needs_the_first(console: Console) -> None:
    """Without the ticket, with a made one, and with one that is too old: from the start."""
    async with await console.enrolled("ada") as first, console.browser() as browser:
        for ticket in ("", "totp.made-up"):
            if ticket:
                browser.client.cookies.set("__Host-sallyport-sign-in", ticket)
            await browser.get("/sign-in/factor")
            await browser.post("/sign-in/code", code=six_digits(first.seed, console.now + 30))
            assert browser.error == Text.TICKET_EXPIRED
            assert not browser.cookie("session")
        await browser.get("/sign-in")
        await browser.follow(await browser.post("/sign-in", name="ada", password=PASSWORD))
        console.now += 301
        await browser.post("/sign-in/code", code=six_digits(first.seed, console.now))
        assert browser.error == Text.TICKET_EXPIRED


async def test_a_wrong_code_can_be_followed_by_a_right_one(console: Console) -> None:
    async with await console.enrolled("ada") as first, console.browser() as browser:
        console.now += 60
        await browser.get("/sign-in")
        await browser.follow(await browser.post("/sign-in", name="ada", password=PASSWORD))
        wrong = await browser.post("/sign-in/code", code="000000")
        assert wrong.status_code == 400
        right = await browser.post("/sign-in/code", code=six_digits(first.seed, console.now))
        assert right.headers["location"] == "/devices"


async def test_a_session_ends_with_the_sign_out(console: Console) -> None:
    """The cookie is dropped, and worth nothing to who kept it."""
    async with await console.enrolled("ada") as browser, console.browser() as thief:
        thief.client.cookies.set("__Host-sallyport-session", browser.cookie("session"))
        assert (await thief.get("/devices")).status_code == 200
        answer = await browser.post("/sign-out")
        assert answer.headers["location"] == "/sign-in"
        assert not browser.cookie("session")
        for one in (browser, thief):
            assert (await one.get("/devices")).headers["location"] == "/sign-in"


async def test_sessions_are_listed_and_ended(console: Console) -> None:
    """One, or all but this; only one's own."""
    async with (
        await console.enrolled("ada") as first,
        await console.enrolled("bob") as bob,
        console.browser() as second,
    ):
        await sign_in(console, second, "ada", first.seed)
        await second.get("/account")
        (number,) = re.findall(r'name="session" value="(\d+)"', second.seen)
        await bob.get("/account")
        await bob.post("/account/sessions/end", session=number)
        assert (await first.get("/devices")).status_code == 200
        await second.post("/account/sessions/end", session=number)
        assert (await first.get("/devices")).headers["location"] == "/sign-in"
        await sign_in(console, first, "ada", first.seed)
        await second.get("/account")
        await second.post("/account/sessions/end-all")
        assert (await first.get("/devices")).headers["location"] == "/sign-in"
        assert (await second.get("/devices")).status_code == 200
        assert (await bob.get("/devices")).status_code == 200


async def test_another_password(console: Console) -> None:
    """The old one has to be known; afterwards the new one signs in."""
    new = "four grey geese on the long canal"
    async with await console.enrolled("ada") as browser, console.browser() as other:
        await browser.get("/account")
        await browser.post("/account/password", current=WRONG, password=new, again=new)
        assert browser.error == Text.WRONG_PASSWORD
        done = await browser.post("/account/password", current=PASSWORD, password=new, again=new)
        assert done.status_code == 200
        assert 'role="status"' in done.text
        await other.get("/sign-in")
        assert (await other.post("/sign-in", name="ada", password=new)).status_code == 303


async def test_new_recovery_codes_replace_the_old_ones(console: Console) -> None:
    async with await console.enrolled("ada") as browser:
        await browser.get("/account")
        refused = await browser.post("/account/recovery-codes", current=WRONG)
        assert refused.status_code == 400
        assert "<li><code>" not in refused.text
        answer = await browser.post("/account/recovery-codes", current=PASSWORD)
        codes = re.findall(r"<li><code>([^<]+)</code>", answer.text)
        assert len(codes) == 10
        assert not [code for code in codes if code in (await browser.get("/account")).text]
        async with console.browser() as other:
            await other.get("/sign-in")
            await other.follow(await other.post("/sign-in", name="ada", password=PASSWORD))
            account = await other.follow(await other.post("/sign-in/code", code=codes[0]))
            assert "Recovery codes left: 9." in account.text
            assert 'role="status"' in account.text
            assert 'role="status"' not in (await other.get("/account")).text


# Forms that name something by its number
NUMBERED = [("/account/sessions/end", "session"), ("/account/factors/remove", "factor")]


@pytest.mark.parametrize("given", ["9" * 5000, "9" * 40, "4294967296", "-1", "", "one", "\u0663"])
@pytest.mark.parametrize(("path", "name"), NUMBERED)
async def test_what_no_number_of_ours_could_be(console: Console, path: str, name: str, given: str) -> None:
    """Longer than Python converts, larger than a database keeps, or none at all."""
    async with await console.enrolled("ada") as browser:
        await browser.get("/account")
        assert (await browser.post(path, current=PASSWORD, **{name: given})).status_code == 400


async def test_a_second_factor_is_added_and_removed(console: Console) -> None:
    """The last one stays; another person's is none."""
    async with await console.enrolled("ada") as browser, await console.enrolled("bob") as bob:
        await browser.get("/account/factors/new")
        code = six_digits(browser.shown("totp-key"), console.now)
        refused = await browser.post("/account/factors/code", code=code, label="tablet")
        assert refused.status_code == 400
        assert browser.error == Text.WRONG_PASSWORD
        assert 'value="tablet"' in refused.text
        assert 'value="this device"' in refused.text
        added = await browser.post("/account/factors/code", code=code, label="tablet", current=PASSWORD)
        assert (await browser.follow(added)).text.count("tablet") >= 1
        number, _ = re.findall(r'name="factor" value="(\d+)"', browser.seen)
        await bob.get("/account")
        await bob.post("/account/factors/remove", factor=number, current=PASSWORD)
        assert bob.error == Text.NO_SUCH_FACTOR
        await browser.get("/account")
        await browser.post("/account/factors/remove", factor=number, current=WRONG)
        assert browser.error == Text.WRONG_PASSWORD
        await browser.get("/account")
        await browser.follow(await browser.post("/account/factors/remove", factor=number, current=PASSWORD))
        assert "tablet" in browser.seen
        assert 'name="factor"' not in browser.seen
