"""What holds for every path: headers, cookies, host names, foreign forms, bodies without end."""

import asyncio
import dataclasses
import re
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from browser import ORIGIN, PASSWORD, Browser
from console_app import Console
from harness import until
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import Scope, Send

from policy.console.app import hosts_of, make_app
from policy.console.guard import Guard, Hosts, host_name, is_our_form
from policy.console.health import STORE_AWAY, reported
from policy.enrolment import autoconfig, autodiscover
from policy.store.health_reports import health_reports
from service.ailments import Ailment
from service.steadiness import LASTING_S

CLIENTS = ("/mail/", "/.well-known/", "/autodiscover/", "/Autodiscover/", "/AutoDiscover/")
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://www.example.org:8443"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "https://mail.example.org"},  # another port
    {"Origin": "http://mail.example.org:8443"},
    {},
]


def routes_of(console: Console, method: str) -> Iterator[str]:
    """Every path of this method, with a token that is nobody's."""
    for one in console.app._app.routes:  # type: ignore[attr-defined]  # a Starlette application
        if isinstance(one, Route) and one.methods and method in one.methods:
            yield one.path.replace("{token}", "nobodys-token")


def check_headers(answer: httpx.Response) -> None:
    headers = answer.headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


async def test_every_answer_has_the_headers(console: Console) -> None:
    """Signed in and not, pages and errors, for every route there is."""
    async with await console.enrolled("ada") as ada, console.browser() as stranger:
        for browser in (stranger, ada):
            for path in (*routes_of(console, "GET"), "/nowhere", "/devices/new?x=%00"):
                check_headers(await browser.get(path))
            for path in routes_of(console, "POST"):
                check_headers(await browser.post(path))
        check_headers(
            await stranger.client.put("/devices", headers={"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN})
        )


async def test_no_page_has_anything_inline(console: Console) -> None:
    """The policy would forbid it: no style, no handler, no script but from a file."""
    async with await console.enrolled("ada") as browser:
        await console.add_device(browser, "ada", "phone")
        pages = [browser.seen]
        for path in ("/devices", "/devices/new", "/account", "/account/factors/new", "/sign-in/factor"):
            await browser.get(path)
            pages.append(browser.seen)
    for page in pages:
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
        assert all('src="/static/' in tag for tag in re.findall(r"<script[^>]*>", page))
        assert not re.search(r'(src|href)="(https?:)?//', page)


async def test_static_files_are_asked_for_again(console: Console) -> None:
    """They may be kept, but not past the next version."""
    async with console.browser() as browser:
        for name in ("console.css", "passkey.js", "password.js", "icon.svg"):
            answer = await browser.get(f"/static/{name}")
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-cache"
            kept = await browser.get(f"/static/{name}", **{"If-None-Match": answer.headers["etag"]})
            assert kept.status_code == 304
        for path in ("/static/../app.py", "/static/..%2fapp.py", "/static/"):
            assert (await browser.get(path)).status_code == 404


async def test_cookies_are_locked_to_this_host(console: Console) -> None:
    """Each of them, as it is set and as it is dropped."""
    set_cookies: list[str] = []
    async with console.browser() as browser:
        browser.client.event_hooks["response"] = [lambda answer: _collect(answer, set_cookies)]
        path = console.invite("ada")
        await browser.get(path)
        await browser.follow(await browser.post(path, password=PASSWORD, again=PASSWORD))
        await browser.get("/sign-in")
        await browser.post("/sign-in", name="ada", password=PASSWORD)
        await browser.post("/sign-in/code", code="000000")
    assert len({one.split("=")[0] for one in set_cookies}) >= 2
    for one in set_cookies:
        assert one.startswith("__Host-sallyport-")
        attributes = {part.strip().lower() for part in one.split(";")[1:]}
        assert {"path=/", "secure", "httponly", "samesite=strict"} <= attributes
        assert not [part for part in attributes if part.startswith("domain")]


async def _collect(answer: httpx.Response, into: list[str]) -> None:
    into += answer.headers.get_list("set-cookie")


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_foreign_page_cannot_send_a_form(console: Console, headers: dict[str, str]) -> None:
    """Even with the right token, on every page that takes one; nothing happens."""
    async with await console.enrolled("ada") as browser:
        for path in routes_of(console, "POST"):
            if not path.startswith(CLIENTS):
                answer = await browser.client.post(path, data={"token": browser.token}, headers=headers)
                assert answer.status_code == 403, path
        assert (await browser.get("/devices")).status_code == 200


async def test_every_form_needs_its_token(console: Console) -> None:
    """None, another browser's, and one from before the sign-in."""
    async with await console.enrolled("ada") as ada, console.browser() as other:
        await other.get("/sign-in")
        for token in ("", "0" * 64, "ä", other.token):
            for path in routes_of(console, "POST"):
                if not path.startswith(CLIENTS):
                    answer = await ada.post(path, token=token)
                    assert answer.status_code == 403, path
        assert (await ada.get("/devices")).status_code == 200


async def test_a_form_is_a_form(console: Console) -> None:
    """No JSON, no parts, and no more fields than any page has."""
    async with console.browser() as browser:
        await browser.get("/sign-in")
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}
        fields = {"token": browser.token, "name": "ada", "password": PASSWORD}
        assert (await browser.client.post("/sign-in", json=fields, headers=headers)).status_code == 403
        parts = {name: (None, value) for name, value in fields.items()}
        assert (await browser.client.post("/sign-in", files=parts, headers=headers)).status_code == 403
        many = fields | {f"field{number}": "x" for number in range(100)}
        assert (await browser.client.post("/sign-in", data=many, headers=headers)).status_code == 400


@pytest.mark.parametrize("is_told", [True, False], ids=["with its length", "in pieces"])
async def test_a_body_without_reasonable_end(console: Console, is_told: bool) -> None:
    """Refused before it is kept, whether or not it says how long it will be."""
    body = b"token=" + b"a" * 100_000

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    async with console.browser() as browser:
        headers = {
            "Sec-Fetch-Site": "same-origin",
            "Origin": ORIGIN,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = await browser.client.post("/sign-in", content=body if is_told else pieces(), headers=headers)
        assert answer.status_code == 413
        check_headers(answer)


@pytest.mark.parametrize(("host", "length", "status"), [("evil.example", 2, 421), ("mail.example.org", 2**21, 413)])
async def test_programs_are_refused_in_their_own_form(console: Console, host: str, length: int, status: int) -> None:
    """As by the API itself, RFC 9457, though it is not asked."""
    async with console.browser() as browser:
        answer = await browser.client.post("/api/v1/identities", content=b"x" * length, headers={"Host": host})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.json()["status"] == status
        check_headers(answer)


# path, Host, whether it is answered
NAMES = [
    ("/sign-in", "mail.example.org:8443", True),
    ("/sign-in", "MAIL.example.org.", True),
    ("/sign-in", "evil.example", False),
    ("/sign-in", "autoconfig.example.org", False),
    ("/sign-in", "mail.example.org.evil.example", False),
    ("/sign-in", "", False),
    ("/health/live", "10.0.0.7:8443", True),
    ("/mail/config-v1.1.xml", "autoconfig.example.org", True),
    ("/mail/config-v1.1.xml", "example.org", True),
    ("/mail/config-v1.1.xml", "evil.example", False),
    ("/.well-known/autoconfig/mail/config-v1.1.xml", "example.org", True),
]


@pytest.mark.parametrize(("path", "host", "is_answered"), NAMES)
async def test_only_its_own_names_are_answered(console: Console, path: str, host: str, is_answered: bool) -> None:
    """A name of somebody else that leads here gets no page of ours."""
    async with console.browser() as browser:
        answer = await browser.get(path, Host=host)
        assert (answer.status_code == 421) is not is_answered
        check_headers(answer)


async def test_the_browsers_list_of_tls_only_hosts_is_spared_for_localhost() -> None:
    """It would hold for every port of the reader's own machine."""

    async def empty(scope: object, receive: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(empty, Hosts(console=frozenset({"localhost"}), setup=frozenset()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="https://localhost:8443") as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers


async def test_an_error_of_ours_shows_nothing_of_itself(
    console: Console, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither on the page nor in the log, where its class and place are."""

    def broken(*_: object) -> None:
        raise RuntimeError("the secret plan")

    async with console.browser() as browser:
        monkeypatch.setattr(console.parts.desk.invitations, "look", broken)
        answer = await browser.get("/invite/a-token-of-somebody")
        assert answer.status_code == 500
        check_headers(answer)
        logged = capsys.readouterr().out
        for text in (answer.text, logged):
            assert "secret plan" not in text
            assert "a-token-of-somebody" not in text
        assert "console-failed" in logged
        assert "RuntimeError" in logged


async def test_autoconfig_and_autodiscover_are_served(console: Console) -> None:
    """Without cookie, token and Origin: mail clients have none."""
    async with console.browser() as browser:
        for path in autoconfig.PATHS:
            found = await browser.client.get(f"{path}?emailaddress=ada@example.org")
            assert found.status_code == 200
            assert found.headers["content-type"].startswith("text/xml")
            nobody = await browser.client.get(f"{path}?emailaddress=nobody@example.org")
            assert nobody.content == found.content.replace(b"ada@", b"nobody@")
            assert (await browser.client.get(f"{path}?emailaddress=ada@elsewhere.example")).status_code == 404
        for path in autodiscover.PATHS:
            assert (await browser.client.get(path)).status_code == 405
            assert (await browser.client.post(path, content=b"<not xml")).status_code == 400
            long = b" " * (autodiscover.MAX_REQUEST_OCTETS + 1)
            assert (await browser.client.post(path, content=long)).status_code == 413


async def test_health(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready only as long as the store answers; one lost question turns nothing."""
    async with console.browser() as browser:
        assert (await browser.get("/health/live")).json() == {"live": True}
        assert (await browser.get("/health/ready")).json() == {"ready": True, "faults": [], "warnings": []}
        (console.folder / "sallyport.db").rename(console.folder / "elsewhere.db")
        console.parts.desk.sign_in._sessions._engine.dispose()
        first = (await browser.get("/health/ready")).json()
        assert (first["ready"], first["warnings"]) == (True, [STORE_AWAY])
        console.now += LASTING_S
        answer = await browser.get("/health/ready")
        assert answer.status_code == 503
        said = answer.json()
        assert (said["ready"], said["faults"], said["warnings"]) == (False, [STORE_AWAY], [])


async def test_a_store_that_hangs_is_told_of_in_time(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks has five seconds of patience."""
    monkeypatch.setattr("policy.condition._PATIENCE_S", 0.01)
    answers = threading.Event()
    monkeypatch.setattr(type(console.parts.desk.sign_in), "session", lambda *_: answers.wait(60))
    async with console.browser() as browser:
        said = (await browser.get("/health/ready")).json()
        answers.set()
    assert said["faults"] == [STORE_AWAY]


async def test_what_the_console_says_of_its_certificate(console: Console) -> None:
    """Who asks its health is told, and `sallyport status` by the row that it writes."""
    warning = Ailment.CONSOLE_CERTIFICATE_EXPIRED.of()
    parts = dataclasses.replace(console.parts, warnings=lambda: (warning,))
    async with Browser(make_app(parts, hosts_of(console.settings))) as browser:
        said = (await browser.get("/health/ready")).json()
    assert (said["ready"], said["warnings"]) == (True, [warning])
    async with reported(parts):
        reports = await asyncio.to_thread(until, lambda: health_reports(console.engine), "the console's row")
    assert reports[0].warnings == (warning,)


async def test_the_api_has_its_place(console: Console) -> None:
    """Below /api/v1, without forms and cookies of the pages."""

    async def api(scope: Scope, receive: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = make_app(console.parts, hosts_of(console.settings), api)
    async with Browser(app) as browser:
        assert (await browser.client.post("/api/v1/identities", json={})).status_code == 204
    async with console.browser() as browser:
        assert (await browser.get("/api/v1/identities")).status_code == 404


HOST_NAMES = [
    ("mail.example.org", "mail.example.org"),
    ("Mail.Example.ORG:8443", "mail.example.org"),
    ("mail.example.org.", "mail.example.org"),
    ("[2001:db8::1]:8443", "[2001:db8::1]"),
    ("mail.example.org:", "mail.example.org"),
    ("mail.example.org:x@evil.example", ""),  # an address that is made of it would lead there
    ("[2001:db8::1]@evil.example", ""),
    ("", ""),
]


@pytest.mark.parametrize(("given", "expected"), HOST_NAMES)
def test_host_name(given: str, expected: str) -> None:
    assert host_name(given) == expected


OURS = [
    ("a browser of today", {"sec-fetch-site": "same-origin", "origin": "null"}, True),
    ("an old browser, no-referrer", {"origin": "null"}, True),
    ("an old browser", {"origin": "https://mail.example.org:8443"}, True),
    ("no Origin, but it says the same", {"sec-fetch-site": "same-origin"}, True),
    ("another site that strips its origin", {"sec-fetch-site": "cross-site", "origin": "null"}, False),
    ("another site", {"origin": "https://evil.example"}, False),
    ("nothing at all", {}, False),
]


@pytest.mark.parametrize(("headers", "expected"), [case[1:] for case in OURS], ids=[case[0] for case in OURS])
def test_is_our_form(headers: dict[str, str], expected: bool) -> None:
    assert is_our_form(Headers({"host": "mail.example.org:8443", **headers})) is expected
