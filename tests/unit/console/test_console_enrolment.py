"""From the link to the first session; and what a second opener, a crash and an old link meet."""

from browser import PASSWORD, Browser
from console_app import Console
from pocket import six_digits

from policy.people.errors import Text

ANOTHER_PASSWORD = "nine loud herons under the bridge"
DAY_S = 86400.0


async def choose(browser: Browser, path: str) -> None:
    await browser.get(path)
    await browser.follow(await browser.post(path, password=PASSWORD, again=PASSWORD))


async def test_a_person_enrols_alone(console: Console) -> None:
    """Password, second factor, recovery codes, devices; the link has done its work then."""
    path = console.invite("ada", "Ada Lovelace")
    async with console.browser() as browser:
        first = await browser.get(path)
        assert first.status_code == 200
        assert "Ada Lovelace" in first.text
        factors = await browser.follow(await browser.post(path, password=PASSWORD, again=PASSWORD))
        assert "<svg" in factors.text
        code = six_digits(browser.shown("totp-key"), console.now)
        done = await browser.post(f"{path}/code", code=code, label="phone")
        assert done.text.count("<li><code>") == 10
        assert (await browser.get("/devices")).status_code == 200
        # Back in the history, the link leads on; to anybody else it is nothing.
        assert (await browser.get(path)).headers["location"] == "/devices"
    async with console.browser() as other:
        assert (await other.get(path)).status_code == 404


async def test_the_recovery_codes_are_shown_once(console: Console) -> None:
    """Sent again, the form finds the link used up, and no other page has the codes."""
    path = console.invite("ada")
    async with console.browser() as browser:
        await choose(browser, path)
        fields = {"code": six_digits(browser.shown("totp-key"), console.now), "label": "phone"}
        token = browser.token
        done = await browser.post(f"{path}/code", **fields)
        codes = [line.split("</code>")[0] for line in done.text.split("<code>")[1:]]
        again = await browser.post(f"{path}/code", **{**fields, "token": token})
        assert again.status_code in {403, 404}
        for page in ("/devices", "/account", path):
            text = (await browser.get(page)).text
            assert not [code for code in codes if code in text]


async def test_links_that_lead_nowhere_look_the_same(console: Console) -> None:
    """Unknown, expired and revoked without a newer one: one page, one status, for reading and for sending."""
    expired, revoked, good = console.invite("ada", days=1), console.invite("bob"), console.invite("eve")
    console.people.revoke_invite(console.people.invites()[1].id, console.now)
    console.now += 2 * DAY_S
    pages = set()
    async with console.browser() as browser:
        await browser.get(good)
        token = browser.token
        for path in ("/invite/unknown", expired, revoked):
            answer = await browser.get(path)
            assert answer.status_code == 404
            assert (await browser.post(path, token=token, password=PASSWORD, again=PASSWORD)).status_code == 404
            pages.add(answer.text)
    assert len(pages) == 1
    assert Text.NO_INVITE in pages.pop()


async def test_a_link_that_was_used_says_so(console: Console) -> None:
    """Two clicks without script: the browser shows the second answer, and the first has the session and the codes."""
    path = console.invite("ada")
    async with console.browser() as browser:
        await choose(browser, path)
        fields = {"code": six_digits(browser.shown("totp-key"), console.now), "label": "phone", "token": browser.token}
        cookies = dict(browser.client.cookies)
        await browser.post(f"{path}/code", **fields)
        browser.client.cookies.clear()
        browser.client.cookies.update(cookies)
        again = await browser.post(f"{path}/code", **fields)
        assert (again.status_code, browser.error) == (404, Text.INVITE_USED)
        assert 'href="/devices"' in again.text


async def test_a_link_that_was_replaced_says_so(console: Console) -> None:
    """Two resets at once, by two administrators: whoever has the first link learns that it is void."""
    console.invite("ada")
    first, second = (console.people.reset("ada", 7, console.now).token for _ in range(2))
    async with console.browser() as browser:
        assert (await browser.get(f"/invite/{first}")).status_code == 404
        assert browser.error == Text.INVITE_REPLACED
        assert (await browser.get(f"/invite/{second}")).status_code == 200
        await browser.post(f"/invite/{first}", password=PASSWORD, again=PASSWORD)
        assert browser.error == Text.INVITE_REPLACED


async def test_a_second_opener_cannot_take_over(console: Console) -> None:
    """With the link alone there is no seed, no password to replace and no way to finish."""
    path = console.invite("ada")
    async with console.browser() as owner, console.browser("203.0.113.9") as thief:
        await choose(owner, path)
        key = owner.shown("totp-key")
        assert (await thief.get(path)).status_code == 200
        refused = await thief.post(path, password=ANOTHER_PASSWORD, again=ANOTHER_PASSWORD)
        assert refused.status_code == 400
        assert thief.error == Text.INVITE_BEGUN
        seeds = await thief.get(f"{path}/factor")
        assert seeds.headers["location"] == path
        assert key not in seeds.text
        await thief.get(path)
        finished = await thief.post(f"{path}/code", code=six_digits(key, console.now), label="mine")
        assert finished.headers["location"] == path
        assert not thief.cookie("session")
        # And the owner goes on undisturbed.
        await owner.get(f"{path}/factor")
        done = await owner.post(f"{path}/code", code=six_digits(key, console.now), label="phone")
        assert done.status_code == 200


async def test_a_crash_in_the_middle_locks_nobody_out(console: Console) -> None:
    """Another browser, the same password: the same application can still be confirmed."""
    path = console.invite("ada")
    async with console.browser() as crashed:
        await choose(crashed, path)
        key = crashed.shown("totp-key")
    async with console.browser() as browser:
        await choose(browser, path)
        assert browser.shown("totp-key") == key
        done = await browser.post(f"{path}/code", code=six_digits(key, console.now), label="phone")
        assert done.status_code == 200


async def test_two_passwords_that_differ(console: Console) -> None:
    """Neither comes back in the page."""
    path = console.invite("ada")
    async with console.browser() as browser:
        await browser.get(path)
        refused = await browser.post(path, password=PASSWORD, again=ANOTHER_PASSWORD)
        assert refused.status_code == 400
        assert PASSWORD not in refused.text
        assert ANOTHER_PASSWORD not in refused.text


async def test_a_password_that_is_too_short_is_told_in_a_sentence(console: Console) -> None:
    """In the language of the reader."""
    path = console.invite("ada")
    async with console.browser() as browser:
        await browser.get(path)
        await browser.post(path, password="too short", again="too short")
        assert browser.error == Text.TOO_SHORT.format(length=9, least=15)
        browser.client.headers["Accept-Language"] = "de-AT,en;q=0.5"
        await browser.post(path, password="too short", again="too short")
        assert browser.error.startswith("Das Passwort hat 9 Zeichen.")


async def test_a_wrong_code_keeps_what_was_typed(console: Console) -> None:
    """The label comes back, the seed stays the same."""
    path = console.invite("ada")
    async with console.browser() as browser:
        await choose(browser, path)
        key = browser.shown("totp-key")
        refused = await browser.post(f"{path}/code", code="000000", label="my old phone")
        assert refused.status_code == 400
        assert 'value="my old phone"' in refused.text
        assert browser.shown("totp-key") == key


async def test_a_passkey_that_is_none_is_refused(console: Console) -> None:
    """Rubbish in the field, and the other way stays open."""
    path = console.invite("ada")
    async with console.browser() as browser:
        await choose(browser, path)
        refused = await browser.post(f"{path}/passkey", answer='{"id": "AAAA"}', label="key")
        assert refused.status_code == 400
        assert browser.error
        assert browser.shown("totp-key")
