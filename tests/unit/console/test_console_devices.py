"""Devices: the secret is shown once, everybody has only their own, and nothing that was typed becomes markup."""

import asyncio
import plistlib
import re

import pytest
from browser import HOME, PASSWORD
from console_app import Console
from cryptography.hazmat.primitives.serialization import pkcs7
from markupsafe import escape
from pocket import six_digits
from sqlalchemy import update

from policy.certificate import new_key, self_signed
from policy.console import devices
from policy.store.audit import Wanted, newest
from policy.store.database import open_database
from policy.store.handles import Scope
from policy.store.models import Credentials

XSS = "\"><script>alert(1)</script>'&{{7*7}}"


async def test_a_device_is_added_and_its_secret_shown_once(console: Console) -> None:
    """On the answer of the form and on no page after it; not in the address, not in a cookie."""
    async with await console.enrolled("ada") as browser:
        login, secret = await console.add_device(browser, "ada", "phone")
        assert secret not in str(browser.client.cookies)
        assert "<svg" in browser.seen
        for path in ("/devices", "/devices/new", "/account"):
            assert secret not in (await browser.get(path)).text
        (kept,) = console.store.credentials("ada")
        assert (kept.login, kept.label, set(kept.scopes)) == (login, "phone", {Scope.SUBMIT, Scope.IMAP})


# The kind that was chosen, and what stands first on the page
FIRST = [
    ("android", "Thunderbird on Android, K-9 Mail"),
    ("apple", "iPhone, iPad, Mac"),
    ("thunderbird", "Step by step"),
    ("outlook", "Step by step"),
    ("other", "Step by step"),
    ("no kind", "Step by step"),
]


@pytest.mark.parametrize(("kind", "first"), FIRST)
async def test_the_chosen_kind_comes_first(console: Console, kind: str, first: str) -> None:
    async with await console.enrolled("ada") as browser:
        await console.add_device(browser, "ada", "phone", kind=kind)
        headings = re.findall(r"<h2>([^<]*)</h2>", browser.seen)
        assert headings[0] == first
        assert sorted(headings) == ["Step by step", "Thunderbird on Android, K-9 Mail", "iPhone, iPad, Mac"]


async def test_a_single_address_is_not_asked_for(console: Console) -> None:
    """There is nothing to choose; with two there is."""
    async with await console.enrolled("ada") as browser:
        assert "<select" not in (await browser.get("/devices/new")).text
        console.store.add_address("ada", "countess@example.org", console.now)
        assert "<select" in (await browser.get("/devices/new")).text


async def test_the_form_sent_again_makes_no_second_device(console: Console) -> None:
    """A reload of the page with the secret: it is refused, and what was typed is still there."""
    async with await console.enrolled("ada") as browser:
        await console.add_device(browser, "ada", "phone")
        fields = {"label": "phone", "address": "ada@example.org", "scope_imap": "yes", "kind": "apple"}
        again = await browser.post("/devices/new", **fields)
        assert again.status_code == 400
        assert 'value="phone"' in again.text
        assert len(console.store.credentials("ada")) == 1


async def test_a_double_click_makes_one_device(console: Console) -> None:
    """The second secret would be shown, and the first would belong to a device that nobody has."""
    async with await console.enrolled("ada") as browser:
        await browser.get("/devices/new")
        fields = {"label": "phone", "address": "ada@example.org", "scope_imap": "yes", "kind": "apple"}
        answers = await asyncio.gather(*(browser.post("/devices/new", **fields) for _ in range(4)))
        assert sorted(one.status_code for one in answers) == [200, 400, 400, 400]
        assert len(console.store.credentials("ada")) == 1


async def test_the_network_of_the_enrolment_is_known_from_the_start(console: Console) -> None:
    async with await console.enrolled("ada") as browser:
        await console.add_device(browser, "ada", "phone")
    (network,) = console.store.networks("ada")
    assert (network.network, network.confirmed_at) == ("198.51.100.0/24", console.now)


async def test_where_a_device_was_used_last(console: Console) -> None:
    """With the country and the network's system, as staff see it; of an address that nobody knows, too."""
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "phone")
        for address, where in (("95.216.0.9", "Finland, AS24940"), ("198.51.100.7", "an unknown country")):
            with console.engine.begin() as connection:
                used = {"last_used_at": console.now, "last_used_from": address}
                connection.execute(update(Credentials).where(Credentials.login == login).values(**used))
            assert f"from {address}, {where}" in (await browser.get("/devices")).text


async def test_scopes_are_what_was_chosen(console: Console) -> None:
    """None at all is told, and never the console's own."""
    async with await console.enrolled("ada") as browser:
        await browser.get("/devices/new")
        fields = {"label": "scanner", "address": "ada@example.org", "kind": "other"}
        refused = await browser.post("/devices/new", **fields, scope_console="yes")
        assert refused.status_code == 400
        await browser.post("/devices/new", **fields, scope_submit="yes", scope_console="yes")
        (kept,) = console.store.credentials("ada")
        assert kept.scopes == (Scope.SUBMIT,)


@pytest.mark.parametrize("label", ["", "   ", "a" * 101, "two\nlines", "bell\x07", "\u202egnp.exe"])
async def test_labels_that_cannot_be_shown(console: Console, label: str) -> None:
    async with await console.enrolled("ada") as browser:
        await browser.get("/devices/new")
        fields = {"address": "ada@example.org", "kind": "other", "scope_imap": "yes"}
        assert (await browser.post("/devices/new", label=label, **fields)).status_code == 400
    assert console.store.credentials("ada") == []


async def test_the_profile_holds_what_the_page_held(console: Console) -> None:
    """As a download that nothing keeps."""
    async with await console.enrolled("ada", "Ada Lovelace") as browser:
        login, secret = await console.add_device(browser, "ada", "phone")
        fields = {"login": login, "secret": secret, "address": "ada@example.org"}
        answer = await browser.post("/devices/profile", **fields)
        assert answer.headers["content-type"] == "application/x-apple-aspen-config"
        assert answer.headers["cache-control"] == "no-store"
        (mail,) = plistlib.loads(answer.content)["PayloadContent"]
        assert mail["IncomingMailServerUsername"] == login
        assert mail["IncomingPassword"] == secret


async def test_the_profile_is_signed_where_there_is_a_certificate(console: Console) -> None:
    """With the console's own; the profile itself is in it as it was."""
    key = new_key()
    console.settings.tls_key.write_bytes(key)
    console.settings.tls_cert.write_bytes(self_signed("mail.example.org", key, console.now))
    async with await console.enrolled("ada") as browser:
        login, secret = await console.add_device(browser, "ada", "phone")
        fields = {"login": login, "secret": secret, "address": "ada@example.org"}
        answer = await browser.post("/devices/profile", **fields)
    assert not answer.content.startswith(b"<?xml")
    (certificate,) = pkcs7.load_der_pkcs7_certificates(answer.content)
    assert certificate.subject.rfc4514_string() == "CN=mail.example.org"
    assert secret.encode() in answer.content


async def test_rename_and_remove(console: Console) -> None:
    """Removing asks first."""
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "phone")
        await browser.get("/devices")
        await browser.post("/devices/rename", login=login, label="old phone")
        assert console.store.credential(login).label == "old phone"
        question = await browser.post("/devices/revoke", login=login)
        assert "old phone" in question.text
        assert console.store.credential(login).revoked_at is None
        await browser.post("/devices/revoke", login=login, sure="yes")
        assert console.store.credential(login).revoked_at == console.now
        assert login not in (await browser.get("/devices")).text
        await browser.post("/devices/revoke", login=login, sure="yes")


# What is done to another person's device: path, fields
OTHERS = [
    ("/devices/rename", {"label": "mine"}),
    ("/devices/revoke", {}),
    ("/devices/revoke", {"sure": "yes"}),
    ("/devices/profile", {"secret": "x", "address": "eve@example.org"}),
    ("/devices/profile", {"secret": "x", "address": "ada@example.org"}),
]


@pytest.mark.parametrize(("path", "fields"), OTHERS)
async def test_another_persons_device_is_as_unknown_as_nobodys(
    console: Console, path: str, fields: dict[str, str]
) -> None:
    async with await console.enrolled("ada") as ada, await console.enrolled("eve") as eve:
        login, _ = await console.add_device(ada, "ada", "phone")
        before = console.store.credential(login)
        await eve.get("/devices")
        token, answers = eve.token, []
        for tried in (login, "nobod-2222-ylogi"):
            answer = await eve.post(path, token=token, login=tried, **fields)
            assert answer.status_code == 404
            answers.append(answer.text)
        assert answers[0] == answers[1]
        assert console.store.credential(login) == before


async def test_however_many_there_are_the_page_has_an_end(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes thousands of devices keeps nobody else waiting for the console."""
    monkeypatch.setattr(devices, "_SHOWN", 2)
    async with await console.enrolled("ada") as browser:
        for number in range(3):
            console.store.add_credential("ada", f"device {number}", console.now)
        text = (await browser.get("/devices")).text
        assert text.count('action="/devices/revoke"') == 2
        assert "And 1 more devices" in text
        hidden = next(one for one in console.store.credentials("ada") if one.login not in text)
        await browser.post("/devices/revoke", login=hidden.login, sure="yes")
        assert "more devices" not in (await browser.get("/devices")).text


async def test_another_persons_address_cannot_be_chosen(console: Console) -> None:
    async with await console.enrolled("ada"), await console.enrolled("eve") as eve:
        await eve.get("/devices/new")
        fields = {"label": "x", "address": "ada@example.org", "kind": "other", "scope_imap": "yes"}
        assert (await eve.post("/devices/new", **fields)).status_code == 400


async def test_the_audit_log_says_who_and_from_where(console: Console) -> None:
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "phone")
        await browser.get("/devices")
        await browser.post("/devices/revoke", login=login, sure="yes")
    engine = open_database(console.folder / "sallyport.db")
    rows = [(act.actor, act.source, act.action) for act in newest(engine, Wanted(), 100)]
    engine.dispose()
    assert ("console:ada", HOME, "credential-added") in rows
    assert ("console:ada", HOME, "credential-revoked") in rows


async def test_nothing_that_was_typed_becomes_markup(console: Console) -> None:
    """Labels, the person's name, the browser's name, the name at the sign-in: each page shows it, as text."""
    async with await console.enrolled("ada", XSS) as browser, console.browser() as other:
        browser.client.headers["User-Agent"] = XSS
        login, _ = await console.add_device(browser, "ada", XSS)
        pages = [browser.seen, (await browser.get("/devices")).text]
        pages.append((await browser.post("/devices/revoke", login=login)).text)
        await other.get("/sign-in")
        pages.append((await other.post("/sign-in", name=XSS, password="x")).text)
        pages.append((await other.get(console.invite("bob", XSS))).text)
    for page in pages:
        assert "<script>alert" not in page
        assert str(escape(XSS)) in page


async def test_the_name_of_a_browser_is_text(console: Console) -> None:
    """It is chosen by whoever signs in, and shown to the owner of the account."""
    async with await console.enrolled("ada") as first, console.browser() as browser:
        browser.client.headers["User-Agent"] = XSS
        console.now += 60
        await browser.get("/sign-in")
        await browser.follow(await browser.post("/sign-in", name="ada", password=PASSWORD))
        await browser.post("/sign-in/code", code=six_digits(first.seed, console.now))
        assert str(escape(XSS)) in (await first.get("/account")).text
