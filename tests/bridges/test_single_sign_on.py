"""Signing in to the console at a real issuer over TLS: the way there and back, and everybody who goes another one."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from browser import ORIGIN, Browser
from console_app import Console, T
from issuer_server import AUTHORIZE, CLIENT, CLIENT_SECRET, DISCOVERY, KEYS, TOKEN, Issuer, new_key
from pydantic import ValidationError
from settling import connections_closed

from policy.people.errors import Text
from policy.settings import Settings
from policy.single_sign_on.errand import GOOD_FOR_S, Errand, read
from policy.single_sign_on.provider import BACK, open_provider
from policy.single_sign_on.settings import SignOnSettings
from policy.store.rows import Profile
from service.settings import SettingError

FINISH, BEGIN = "/sign-in/issuer/finish", "/sign-in/issuer"
ADA = {"email": "ada@example.org", "email_verified": True}


@dataclass
class Site:
    """The console and the issuer that signs its people in."""

    console: Console
    issuer: Issuer

    async def at_issuer(self, way: str) -> dict[str, str]:
        """What the issuer sends a browser back with."""
        trusting = ssl.create_default_context(cafile=self.issuer.ca)
        async with httpx.AsyncClient(verify=trusting) as browser:
            answer = await browser.get(way)
        assert answer.status_code == 302, answer.text
        back = answer.headers["location"]
        assert back.startswith(f"{ORIGIN}{BACK}?")
        return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}

    async def brought_back(self, browser: Browser, path: str = BEGIN) -> dict[str, str]:
        """Off to the issuer and back again, as far as the form of the page in between."""
        sent = await browser.get(path)
        assert sent.status_code == 303, sent.text
        given = await self.at_issuer(sent.headers["location"])
        async with self.console.browser() as without_cookies:  # as the browser comes from the issuer's page
            page = await without_cookies.client.get(BACK, params=given, headers={"Sec-Fetch-Site": "cross-site"})
            assert page.status_code == 200
            assert "set-cookie" not in page.headers
            assert f'name="code" value="{given["code"]}"' in page.text
        return given

    async def sign_in(self, browser: Browser, path: str = BEGIN) -> httpx.Response:
        return await browser.post(FINISH, **await self.brought_back(browser, path))


def settings_for(issuer: Issuer, folder: Path) -> dict[str, Any]:
    secret = folder / "client.secret"
    secret.write_text(CLIENT_SECRET + "\n")
    return {
        "console_oidc_issuer": issuer.url,
        "console_oidc_client_id": CLIENT,
        "console_oidc_client_secret_file": secret,
        "console_oidc_ca": issuer.ca,
        "console_oidc_name": "Example & Sons",
    }


@pytest.fixture
async def open_site(tmp_path: Path, issuer: Issuer) -> AsyncIterator[Callable[..., Site]]:
    """Makes the console of this issuer, with other settings where they are given; ada is somebody there."""
    made: list[Site] = []

    def build(**changed: object) -> Site:
        site = Site(Console(tmp_path, changed=settings_for(issuer, tmp_path) | changed), issuer)
        issuer.clock, issuer.visitor = (lambda: site.console.now), dict(ADA)
        site.console.store.add_identity("ada", ("ada@example.org",), site.console.now, owner="Ada")
        made.append(site)
        return site

    yield build
    for site in made:
        assert site.console.parts.sign_on
        await site.console.parts.sign_on.close()
        await site.console.parts.desk.close()
    issuer.released.set()
    await connections_closed()


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    return open_site()


async def test_there_and_back(site: Site) -> None:
    """The button says with whom; ada, who has no password here, is at her devices, and the errand is over."""
    async with site.console.browser() as browser:
        assert "Sign in with Example &amp; Sons" in (await browser.get("/sign-in")).text
        done = await site.sign_in(browser)
        assert (done.status_code, done.headers["location"]) == (303, "/devices")
        assert (await browser.follow(done)).status_code == 200
        assert not browser.cookie("errand")
        assert site.issuer.asked[DISCOVERY] == site.issuer.asked[KEYS] == 1


async def test_back_to_what_was_asked_for(site: Site) -> None:
    """The issuer is not told what it was; a page that takes another role is none."""
    for asked, expected in (("/networks", "/networks"), ("/staff/incidents", "/devices")):
        async with site.console.browser() as browser:
            assert (await browser.get(asked)).headers["location"] == "/sign-in"
            sent = await browser.get(BEGIN)
            assert asked.strip("/") not in sent.headers["location"]
            done = await site.sign_in(browser)
            assert (done.status_code, done.headers["location"]) == (303, expected)
            assert not browser.cookie("wanted")


async def test_what_the_issuer_is_asked(site: Site) -> None:
    """PKCE with S256, a state and a nonce of their own for each errand, and no redirect URI but ours."""
    ways = []
    async with site.console.browser() as browser:
        for _ in range(2):
            sent = await browser.get(BEGIN)
            ways.append({n: v[0] for n, v in parse_qs(urlsplit(sent.headers["location"]).query).items()})
            assert sent.headers["location"].startswith(site.issuer.url + AUTHORIZE + "?")
    for way in ways:
        assert way["redirect_uri"] == ORIGIN + BACK
        assert (way["response_type"], way["code_challenge_method"]) == ("code", "S256")
        assert not {"prompt", "max_age", "acr_values"} & set(way)
    for name in ("state", "nonce", "code_challenge"):
        assert ways[0][name] != ways[1][name]
        assert len(ways[0][name]) >= 43


async def test_an_administrator_begins_at_the_overview(site: Site) -> None:
    """The role is ours, whatever the token says of groups."""
    site.issuer.visitor |= {"groups": ["administrator"], "role": "administrator", "roles": ["administrator"]}
    async with site.console.browser() as browser:
        assert (await site.sign_in(browser)).headers["location"] == "/devices"


UNKNOWN = [
    # what it shows, claims of who has signed in there
    ("nobody here", {"email": "mallory@example.org"}),
    ("an address that nobody has verified", {"email_verified": False}),
    ("one that is said to be verified in words", {"email_verified": "true"}),
    ("no address", {"email": None}),
    ("a whole domain", {"email": "@example.org"}),
    ("two addresses", {"email": ["ada@example.org", "bob@example.org"]}),
    ("an address that only looks like hers", {"email": "\uff41da@example.org"}),
]


@pytest.mark.parametrize("claims", [case[1] for case in UNKNOWN], ids=[case[0] for case in UNKNOWN])
async def test_who_is_nobody_here_is_refused(site: Site, claims: dict[str, Any]) -> None:
    site.issuer.visitor |= claims
    async with site.console.browser() as browser:
        done = await site.sign_in(browser)
        assert done.status_code == 400
        assert browser.error in {Text.ISSUER_UNKNOWN, Text.ISSUER_REFUSED}
        assert not browser.cookie("session")


async def test_who_is_suspended_reads_the_same_as_nobody(site: Site) -> None:
    site.console.store.suspend("ada", site.console.now)
    async with site.console.browser() as browser:
        await site.sign_in(browser)
        assert browser.error == Text.ISSUER_UNKNOWN


async def test_an_application_is_no_person(site: Site) -> None:
    """Whoever can receive its mail could have its address verified at the issuer."""
    site.console.store.add_identity("printer", ("printer@example.org",), site.console.now, profile=Profile.APP)
    site.issuer.visitor["email"] = "printer@example.org"
    async with site.console.browser() as browser:
        await site.sign_in(browser)
        assert browser.error == Text.ISSUER_UNKNOWN


LIES = [
    # what it shows, changes of the ID token
    ("for another client", {"aud": "wiki"}),
    ("for two clients", {"aud": [CLIENT, "wiki"]}),
    ("given to another client", {"azp": "wiki"}),
    ("of another issuer", {"iss": "https://login.example.net"}),
    ("of another errand", {"nonce": "0" * 64}),
    ("of no errand", {"nonce": None}),
    ("expired", {"exp": T - 60}),
    ("without an end", {"exp": None}),
    ("made long ago", {"iat": T - 3600}),
    ("made nobody knows when", {"iat": None}),
    ("made in the future", {"iat": T + 3600}),
    ("a logout token", {"events": {}}),
    ("an access token by its claim", {"typ": "Bearer"}),
]


@pytest.mark.parametrize("claims", [case[1] for case in LIES], ids=[case[0] for case in LIES])
async def test_tokens_that_are_not_for_us(site: Site, claims: dict[str, Any]) -> None:
    site.issuer.visitor |= claims
    async with site.console.browser() as browser:
        assert (await site.sign_in(browser)).status_code == 400
        assert browser.error == Text.ISSUER_REFUSED
        assert not browser.cookie("session")


def put_errand(browser: Browser, value: str) -> None:
    """In place of the one that the browser has."""
    jar = browser.client.cookies.jar
    for cookie in [one for one in jar if one.name == "__Host-sallyport-errand"]:
        jar.clear(cookie.domain, cookie.path, cookie.name)
    browser.client.cookies.set("__Host-sallyport-errand", value)


def unsigned(token: str) -> str:
    """With alg none, which needs no key."""
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return f"{head}.{token.split('.')[1]}."


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims


def by_a_stranger(issuer: Issuer, token: str) -> str:
    """The same claims, and the name of the issuer's key."""
    return issuer.token(T, {"typ": "JWT", "kid": "rsa"}, new_key("RS256", "strange"), **claims_of(token))


def as_access_token(issuer: Issuer, token: str) -> str:
    """Of the issuer's own, for this client, and for another use (RFC 9068)."""
    return issuer.token(T, {"typ": "at+jwt"}, **claims_of(token))


FORGERIES: list[tuple[str, Callable[[Issuer, str], str]]] = [
    ("alg none", lambda _, token: unsigned(token)),
    ("no signature", lambda _, token: token.rpartition(".")[0] + "."),
    ("another signature", lambda _, token: token[:-8] + "AAAAAAAA"),
    ("a stranger's key under the name of ours", by_a_stranger),
    ("an access token by its type", as_access_token),
    ("rubbish", lambda *_: "rubbish"),
]  # fmt: skip


@pytest.mark.parametrize("forge", [case[1] for case in FORGERIES], ids=[case[0] for case in FORGERIES])
async def test_tokens_that_the_issuer_has_not_made_for_this(
    site: Site, forge: Callable[[Issuer, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even from its own token endpoint."""
    signed = site.issuer.id_token
    monkeypatch.setattr(site.issuer, "id_token", lambda asked: forge(site.issuer, signed(asked)))
    async with site.console.browser() as browser:
        assert (await site.sign_in(browser)).status_code == 400
        assert browser.error == Text.ISSUER_REFUSED
        assert not browser.cookie("session")


async def test_an_answer_serves_once(site: Site) -> None:
    """Neither the form again, nor with the errand's cookie put back, nor the code in another errand."""
    async with site.console.browser() as browser:
        given = await site.brought_back(browser)
        errand = browser.cookie("errand")
        assert (await browser.post(FINISH, **given)).status_code == 303
        assert (await browser.post(FINISH, **given)).status_code == 403
        put_errand(browser, errand)
        assert (await browser.post(FINISH, **given)).status_code == 400
        assert browser.error == Text.ISSUER_REFUSED
    async with site.console.browser() as another:
        other = await site.brought_back(another)
        assert (await another.post(FINISH, **(other | {"code": given["code"]}))).status_code == 400


async def test_a_token_serves_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an issuer gives the same token for another code of the same errand."""
    kept: list[str] = []
    signed = site.issuer.id_token
    monkeypatch.setattr(
        site.issuer, "id_token", lambda asked: kept[0] if kept else kept.append(signed(asked)) or kept[0]
    )
    async with site.console.browser() as browser:
        sent = await browser.get(BEGIN)
        errand = browser.cookie("errand")
        first, second = [await site.at_issuer(sent.headers["location"]) for _ in range(2)]
        assert (await browser.post(FINISH, **first)).status_code == 303
        put_errand(browser, errand)
        assert (await browser.post(FINISH, **second)).status_code == 400


async def test_a_stolen_code_is_worth_nothing(site: Site) -> None:
    """In the thief's browser, with the thief's errand: the verifier is another one, and ada's errand goes on."""
    async with site.console.browser() as ada, site.console.browser("203.0.113.66") as thief:
        hers, his = await site.brought_back(ada), await site.brought_back(thief)
        assert (await thief.post(FINISH, **(his | {"code": hers["code"]}))).status_code == 400
        assert not thief.cookie("session")
        assert (await thief.post(FINISH, **hers)).status_code == 403


async def test_codes_that_are_none_are_counted_before_the_issuer_is_asked(site: Site) -> None:
    """From the sixth on nobody asks it, from this network; many at once come through no further than a few."""

    async def guess(number: int, address: str = "203.0.113.66") -> int:
        async with site.console.browser(address) as stranger:
            sent = await stranger.get(BEGIN)
            state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
            return (await stranger.post(FINISH, code=f"guess-{number}", state=state)).status_code

    assert [await guess(number) for number in range(5)] == [400] * 5
    asked = site.issuer.asked[TOKEN]
    assert [await guess(number) for number in range(5, 8)] == [429] * 3
    assert site.issuer.asked[TOKEN] == asked
    async with site.console.browser("203.0.113.66") as ada:  # with a code that is good
        answer = await ada.post(FINISH, **await site.brought_back(ada))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    async with site.console.browser("198.51.100.7") as ada:
        assert (await site.sign_in(ada)).status_code == 303
    storm = await asyncio.gather(*(guess(100 + number, "192.0.2.9") for number in range(60)))
    assert storm.count(429) >= 60 - 5 - 8
    site.console.now += 3601
    async with site.console.browser("203.0.113.66") as ada:
        assert (await site.sign_in(ada)).status_code == 303


async def test_an_issuer_that_is_down_walls_nobody(site: Site) -> None:
    """A whole office that tries again finds it open when the issuer is back."""
    async with site.console.browser() as ada:
        for _ in range(8):
            given = await site.brought_back(ada)
            site.issuer.behaviour[TOKEN] = "down"
            assert (await ada.post(FINISH, **given)).status_code == 503
            site.issuer.behaviour.clear()
        assert (await site.sign_in(ada)).status_code == 303


async def test_nobody_is_signed_in_as_somebody_else(site: Site) -> None:
    """A code that a stranger has got for himself and sends to ada (login CSRF): she has no errand, or another one."""
    async with site.console.browser() as ada, site.console.browser("203.0.113.66") as stranger:
        his = await site.brought_back(stranger)
        assert (await ada.post(FINISH, **his)).status_code == 403
        hers = await site.brought_back(ada)
        assert (await ada.post(FINISH, **(hers | {"state": his["state"]}))).status_code == 403
        assert (await ada.post(FINISH, **(his | {"state": hers["state"]}))).status_code == 400
        assert not ada.cookie("session")


BROKEN_ERRANDS = ["", "rubbish", "\u00e9", "a" * 5000, Errand(secret="x", begun_at=T).written()]


@pytest.mark.parametrize("cookie", BROKEN_ERRANDS, ids=["none", "rubbish", "not ascii", "long", "made up"])
async def test_an_errand_that_is_not_ours(site: Site, cookie: str) -> None:
    async with site.console.browser() as browser:
        given = await site.brought_back(browser)
        headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"__Host-sallyport-errand={cookie}".encode()}
        browser.client.cookies.clear()
        assert (await browser.client.post(FINISH, data=given, headers=headers)).status_code == 403  # type: ignore[arg-type]  # octets


async def test_an_errand_that_was_altered(site: Site) -> None:
    """The way back, the session and the time in the cookie are what state and verifier were made of."""
    async with site.console.browser() as browser:
        given = await site.brought_back(browser)
        kept = read(browser.cookie("errand"))
        assert kept
        for changed in ({"begun_at": kept.begun_at + 60}, {"session": 1}, {"back": "/staff"}):
            fields = {name: getattr(kept, name) for name in ("secret", "begun_at", "session", "back")} | changed
            put_errand(browser, Errand(**fields).written())
            assert (await browser.post(FINISH, **given)).status_code == 403


async def test_an_errand_that_took_too_long(site: Site) -> None:
    async with site.console.browser() as browser:
        given = await site.brought_back(browser)
        site.console.now += GOOD_FOR_S
        await browser.post(FINISH, **given)
        assert browser.error == Text.TICKET_EXPIRED


async def test_an_answer_of_another_issuer(site: Site) -> None:
    """RFC 9207: an issuer that says that it is another one."""
    async with site.console.browser() as browser:
        given = await site.brought_back(browser)
        await browser.post(FINISH, **(given | {"iss": "https://login.example.net"}))
        assert browser.error == Text.ISSUER_REFUSED


async def test_whoever_is_refused_there_reads_so_here(site: Site) -> None:
    """What the issuer says of it is for its own pages: nobody writes onto ours."""
    async with site.console.browser() as browser:
        answer = await browser.get(f"{BACK}?error=access_denied&error_description=call+the+boss&state=x")
        assert (answer.status_code, browser.error) == (400, Text.ISSUER_REFUSED)
        assert "boss" not in answer.text


async def test_fresh_is_who_has_signed_in_there_just_now(site: Site) -> None:
    """A sign-in of this morning, which the issuer remembers, proves nothing now: it has to be shown again, there."""
    site.issuer.signed_in_at = site.console.now - 3600
    async with site.console.browser() as browser:
        await site.sign_in(browser)
        assert "Confirm that it is you, to change it" in (await browser.get("/account")).text
        before = browser.cookie("session")
        page = await browser.get("/confirm?back=/account")
        assert 'href="/confirm/issuer?back=/account"' in page.text
        assert 'action="/confirm/code"' not in page.text  # she has no factor here
        site.console.now += 60
        done = await site.sign_in(browser, "/confirm/issuer?back=/account")
        assert done.headers["location"] == "/account"
        assert browser.cookie("session") not in {"", before}
        assert "Save this address" in (await browser.get("/account")).text
        site.console.now += 15 * 60
        assert "Confirm that it is you, to change it" in (await browser.get("/account")).text


NOT_AFRESH = [
    ("signed in before", {"auth_time": T - 3600}),
    ("does not say when", {"auth_time": None}),
    ("in the future", {"auth_time": T + 3600}),
    ("no time", {"auth_time": "now"}),
]


@pytest.mark.parametrize("claims", [case[1] for case in NOT_AFRESH], ids=[case[0] for case in NOT_AFRESH])
async def test_an_issuer_that_did_not_ask_again(site: Site, claims: dict[str, Any]) -> None:
    """It was told to; what it remembers does not confirm anybody."""
    async with site.console.browser() as browser:
        await site.sign_in(browser)
        before = browser.cookie("session")
        site.issuer.visitor |= claims
        await site.sign_in(browser, "/confirm/issuer?back=/account")
        assert browser.error == Text.ISSUER_REFUSED
        assert browser.cookie("session") == before


async def test_confirmed_is_who_is_signed_in_here(site: Site) -> None:
    """Somebody else at the issuer is not; nor does an errand end in another session than it began in."""
    site.console.store.add_identity("bob", ("bob@example.org",), site.console.now)
    async with site.console.browser() as browser:
        await site.sign_in(browser)
        site.issuer.visitor["email"] = "bob@example.org"
        await site.sign_in(browser, "/confirm/issuer?back=/account")
        assert browser.error == Text.ISSUER_OTHER
        site.issuer.visitor["email"] = "ada@example.org"
        given = await site.brought_back(browser, "/confirm/issuer?back=/account")
        errand = browser.cookie("errand")
        await site.sign_in(browser)
        put_errand(browser, errand)
        assert (await browser.post(FINISH, **given)).headers["location"] == "/sign-in"


async def test_a_confirmation_needs_a_session(site: Site) -> None:
    async with site.console.browser() as browser:
        assert (await browser.get("/confirm/issuer?back=/account")).headers["location"] == "/sign-in"


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_the_way_back_is_a_page_of_ours(site: Site, back: str) -> None:
    async with site.console.browser() as browser:
        await site.sign_in(browser)
        done = await site.sign_in(browser, f"/confirm/issuer?back={back}")
        assert done.headers["location"] == "/devices"


@pytest.mark.parametrize("behaviour", ["down", "html", "[]", "{}", '{"id_token": 1}', '{"error": "invalid_client"}'])
async def test_a_token_endpoint_that_is_bad(site: Site, behaviour: str) -> None:
    """Not the person's fault, and told so; it works again when the issuer does."""
    async with site.console.browser() as browser:
        given = await site.brought_back(browser)
        site.issuer.behaviour[TOKEN] = behaviour
        answer = await browser.post(FINISH, **given)
        assert (answer.status_code, browser.error) == (503, Text.ISSUER_DOWN)
        assert answer.headers["retry-after"] == "60"
        site.issuer.behaviour.clear()
        assert (await site.sign_in(browser)).status_code == 303


@pytest.mark.parametrize("where", [None, "http://login.example.net/authorize", "javascript:alert(1)"])
async def test_an_issuer_that_is_down_or_lies_about_itself(site: Site, where: str | None) -> None:
    """Nobody is sent anywhere."""
    document = {"issuer": site.issuer.url, "jwks_uri": site.issuer.url + KEYS, "token_endpoint": "x"}
    site.issuer.documents[DISCOVERY] = document | ({"authorization_endpoint": where} if where else {})
    async with site.console.browser() as browser:
        assert (await browser.get(BEGIN)).status_code == 503
        assert "location" not in (await browser.get(BEGIN)).headers


async def test_weaker_means_than_are_asked_for(open_site: Callable[..., Site]) -> None:
    """POLICY_CONSOLE_OIDC_ACR is asked for, and a token without it is not taken."""
    site = open_site(console_oidc_acr="urn:example:two-factors")
    async with site.console.browser() as browser:
        assert "acr_values=urn%3Aexample%3Atwo-factors" in (await browser.get(BEGIN)).headers["location"]
        assert (await site.sign_in(browser)).status_code == 400
        site.issuer.visitor["acr"] = "urn:example:two-factors"
        assert (await site.sign_in(browser)).status_code == 303


async def test_by_another_claim(open_site: Callable[..., Site]) -> None:
    """Its value is a name or an address here."""
    site = open_site(console_oidc_claim="preferred_username")
    site.issuer.visitor = {"preferred_username": "ada"}
    async with site.console.browser() as browser:
        assert (await site.sign_in(browser)).status_code == 303


async def test_the_issuer_alone(open_site: Callable[..., Site]) -> None:
    """No password, no second factor and no invitation of ours is left, neither to see nor to send."""
    site = open_site(console_oidc_only=True)
    link = f"/invite/{site.console.people.invite('ada', 7, site.console.now).token}"
    async with site.console.browser() as browser:
        page = await browser.get("/sign-in")
        assert "Sign in with" in page.text
        assert 'type="password"' not in page.text
        assert (await browser.get(link)).status_code == 404
        assert (await browser.post("/sign-in", name="ada", password="x")).status_code == 405
        await site.sign_in(browser)
        account = (await browser.get("/account")).text
        assert 'type="password"' not in account
        assert "Second address" in account
        for path in ("/account/password", "/account/recovery-codes", "/account/factors/new", "/confirm/code"):
            assert (await browser.post(path)).status_code == 404
        assert "/confirm/issuer" in (await browser.get("/confirm?back=/account")).text


async def test_without_an_issuer_there_is_nothing_of_it(tmp_path: Path) -> None:
    console = Console(tmp_path)
    async with console.browser() as browser:
        assert "Sign in with" not in (await browser.get("/sign-in")).text
        for path in (BEGIN, BACK, "/confirm/issuer"):
            assert (await browser.get(path)).status_code == 404
    await console.parts.desk.close()


def test_how_the_console_says_who_it_is(site: Site) -> None:
    """Encoded, as RFC 6749 section 2.3.1 has it; in the body where the issuer takes nothing else; or not at all."""
    provider = site.console.parts.sign_on
    assert provider
    fields, headers = provider._credentials({})
    assert not fields
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == (
        b"console%20%26%20more:s3cret%3A%20with%20%25%20and%20%2B"
    )
    fields, headers = provider._credentials({"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    assert (fields, headers) == ({"client_id": CLIENT, "client_secret": CLIENT_SECRET}, {})


def test_settings(tmp_path: Path) -> None:
    """One sentence for each that will not do; without an issuer the others mean nothing."""
    assert open_provider(SignOnSettings(), ORIGIN) is None
    with pytest.raises(ValidationError, match="it should be the https:// address"):
        Settings(console_oidc_issuer="http://login.example.org")
    with pytest.raises(SettingError, match="POLICY_CONSOLE_OIDC_CLIENT_ID: is not set"):
        open_provider(SignOnSettings(console_oidc_issuer="https://login.example.org"), ORIGIN)
    there = {"console_oidc_issuer": "https://login.example.org", "console_oidc_client_id": "console"}
    with pytest.raises(SettingError, match="POLICY_CONSOLE_OIDC_CLIENT_SECRET_FILE"):
        open_provider(SignOnSettings(**there, console_oidc_client_secret_file=tmp_path / "none"), ORIGIN)
    with pytest.raises(SettingError, match="POLICY_CONSOLE_OIDC_CA"):
        open_provider(SignOnSettings(**there, console_oidc_ca=tmp_path / "none"), ORIGIN)
    public = open_provider(SignOnSettings(**there), ORIGIN)
    assert public
    assert public.name == "login.example.org"
    assert public._credentials({}) == ({"client_id": "console"}, {})
