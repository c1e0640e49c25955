"""Signing in leads back to the page that was asked for before: a page of ours that the person may see, and no other."""

from urllib.parse import quote

import pytest
from browser import PASSWORD, Browser
from console_app import Console
from pocket import six_digits

from policy.people.roles import Role

COOKIE = "__Host-sallyport-wanted"


def wants(browser: Browser, wanted: str) -> None:
    """As if the browser had the cookie: whoever could write it should gain nothing."""
    browser.client.cookies.set(COOKIE, quote(wanted, safe=""), domain="mail.example.org", path="/")


async def signed_in(console: Console, browser: Browser, seed: str, name: str = "ada") -> str:
    """On both pages, with a wrong code between; where it leads."""
    console.now += 60
    await browser.get("/sign-in")
    await browser.follow(await browser.post("/sign-in", name=name, password=PASSWORD))
    assert (await browser.post("/sign-in/code", code="000000")).status_code == 400
    answer = await browser.post("/sign-in/code", code=six_digits(seed, console.now))
    assert answer.status_code == 303, browser.error
    return str(answer.headers["location"])


# What was asked for, by which role, where it leads
LED = [
    ("/incidents", Role.OWNER, "/incidents"),
    ("/incidents/12", Role.OWNER, "/incidents/12"),
    ("/networks", Role.OWNER, "/networks"),
    ("/sending?before=1700000000.5", Role.OWNER, "/sending?before=1700000000.5"),
    ("/devices/new", Role.OWNER, "/devices/new"),
    ("/confirm?back=/held", Role.OWNER, "/held"),
    ("/confirm?back=//evil.example", Role.OWNER, "/devices"),
    ("/staff/incidents/12", Role.HELP_DESK, "/staff/incidents/12"),
    ("/staff/incidents?state=open&identity=ada", Role.ADMINISTRATOR, "/staff/incidents?state=open&identity=ada"),
    ("/staff/policy/edit", Role.ADMINISTRATOR, "/staff/policy/edit"),
    # the role may not see it
    ("/staff/incidents/12", Role.OWNER, "/devices"),
    ("/staff", Role.OWNER, "/devices"),
    ("/staff/policy/edit", Role.HELP_DESK, "/staff"),
    ("/staff/held/4abcDEF/look/1", Role.HELP_DESK, "/staff"),
    # no page that somebody may sign in for
    ("/nowhere", Role.OWNER, "/devices"),
    ("/sign-out", Role.OWNER, "/devices"),
    ("/health/live", Role.OWNER, "/devices"),
]


@pytest.mark.parametrize(("asked", "role", "expected"), LED, ids=[f"{case[0]} by {case[1]}" for case in LED])
async def test_back_to_what_was_asked_for(console: Console, asked: str, role: Role, expected: str) -> None:
    async with await console.enrolled("ada") as first, console.browser() as browser:
        if role is not Role.OWNER:
            console.store.set_role("ada", role, console.now)
        await browser.get(asked)
        assert await signed_in(console, browser, first.seed) == expected
        assert not browser.cookie("wanted")


EVIL = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%2fevil.example",
    "/%5cevil.example",
    "%2f%2fevil.example",
    "/%252fevil.example",
    "https://evil.example",
    "https:evil.example",
    "HTTPS:/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "@evil.example",
    "/@evil.example",
    "/devices@evil.example/",
    "/incidents/../../evil",
    "/incidents//evil.example",
    "/./incidents",
    "/incidents/12#x",
    "/incidents?x=//evil.example",
    "/incidents?x=\r\nSet-Cookie:a=b",
    "/incidents/12\r\nSet-Cookie: a=b",
    "/incidents\n",
    "\t/incidents",
    " /incidents",
    "/\t/evil.example",
    "/incidents\x00",
    "/incidents/\u202e12",
    "/\u017fending",
    "/incident\u017f",
    "/static/console.css",
    "/sign-in",
    "/sign-in/issuer",
    "/mail/config-v1.1.xml",
    "/api/v1/identities",
    "",
    "x" * 4000,
]


@pytest.mark.parametrize("wanted", EVIL, ids=repr)
async def test_nothing_but_a_page_of_ours(console: Console, wanted: str) -> None:
    """Whatever is in the cookie."""
    async with await console.enrolled("ada") as first, console.browser() as browser:
        wants(browser, wanted)
        assert await signed_in(console, browser, first.seed) == "/devices"


async def test_addresses_that_look_like_another_site(console: Console) -> None:
    """As a request has them; none is kept."""
    async with console.browser() as browser:
        for path in ("//evil.example", "/%2f%2fevil.example", "/%5cevil.example", "/https://evil.example"):
            await browser.client.get(f"https://mail.example.org:8443{path}", headers={"Sec-Fetch-Site": "none"})
            assert not browser.cookie("wanted"), path


async def test_it_is_in_no_address(console: Console) -> None:
    """And the cookie goes with the browser to this host alone, for ten minutes."""
    async with console.browser() as browser:
        answer = await browser.get("/incidents/12")
        assert answer.headers["location"] == "/sign-in"
        (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(COOKIE)]
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=strict", "Max-Age=600"} <= {*cookie.split("; ")}
        assert "/incidents" not in (await browser.get("/sign-in")).text


async def test_what_script_asks_for_is_no_page(console: Console) -> None:
    """Parts of a page whose session ended, pictures, and forms."""
    async with await console.enrolled("ada") as ada, console.browser() as browser:
        for headers in ({"HX-Request": "true"}, {"Sec-Fetch-Dest": "image"}, {"Accept": "text/event-stream"}):
            await browser.get("/staff/incidents/1/progress", **headers)
            assert not browser.cookie("wanted"), headers
        await browser.get("/sign-in")
        await browser.post("/networks/distrust", network="192.0.2.0/24")
        assert not browser.cookie("wanted")
        await browser.get("/networks", **{"Sec-Fetch-Dest": "document"})
        assert await signed_in(console, browser, ada.seed) == "/networks"


async def test_it_is_forgotten(console: Console) -> None:
    """With the sign-out, and once it has been used."""
    async with await console.enrolled("ada") as first, console.browser() as browser:
        await browser.get("/held")
        assert await signed_in(console, browser, first.seed) == "/held"
        await browser.get("/devices")
        wants(browser, "/incidents")
        await browser.post("/sign-out")
        assert not browser.cookie("wanted")
        assert await signed_in(console, browser, first.seed) == "/devices"


async def test_with_a_passkey(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a passkey proves is tested with a browser; here it stands for a code."""
    async with await console.enrolled("ada") as first, console.browser() as browser:
        monkeypatch.setattr(console.parts.desk.sign_in, "passkey", console.parts.desk.sign_in.code)
        console.now += 60
        await browser.get("/held")
        await browser.get("/sign-in")
        await browser.follow(await browser.post("/sign-in", name="ada", password=PASSWORD))
        answer = await browser.post("/sign-in/passkey", answer=six_digits(first.seed, console.now))
        assert answer.headers["location"] == "/held"


async def test_a_recovery_code_comes_first(console: Console) -> None:
    """Whoever has used one up is told so, whatever he wanted."""
    async with await console.enrolled("ada") as first, console.browser() as browser:
        await first.get("/account")
        codes = await first.post("/account/recovery-codes", current=PASSWORD)
        code = codes.text.partition("<li><code>")[2].partition("<")[0]
        await browser.get("/held")
        await browser.get("/sign-in")
        await browser.follow(await browser.post("/sign-in", name="ada", password=PASSWORD))
        answer = await browser.post("/sign-in/code", code=code)
        assert answer.headers["location"] == "/account?by=recovery-code"


async def test_in_a_second_window(console: Console) -> None:
    """Signed in elsewhere meanwhile, the page of the sign-in leads on as well."""
    async with await console.enrolled("ada") as browser:
        wants(browser, "/sending")
        assert (await browser.get("/sign-in")).headers["location"] == "/sending"
