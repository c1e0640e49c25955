"""The whole question with a real browser: a stolen device, the owner signs in and answers, and what is then so."""

import time
from dataclasses import dataclass
from typing import Any

import pytest
from browser_parts import Site, database_of, screenshot
from harness import Login
from playwright.sync_api import Page, expect
from pocket import six_digits
from sqlalchemy import select, text
from stolen import HOSTING, Thief
from test_browser_enrolment import PASSWORD, add_device, choose_password, keep_codes

from policy.engine.ladder import Step
from policy.people.confirming import FRESH_S
from policy.store.database import open_database
from policy.store.incident_models import HeldMessages, Incidents
from policy.store.models import Credentials, Networks

XSS = "<b>laptop</b>"


@dataclass
class Victim:
    """Somebody whose device was stolen; signed out. `key` is that of the authenticator application."""

    site: Site
    name: str
    key: str
    device: Login

    def asked(self, column: Any, *where: Any) -> list[Any]:
        with self.site.sallyport.store() as connection:
            return list(connection.scalars(select(column).where(*where)))

    def held(self) -> list[str]:
        return sorted(self.asked(HeldMessages.state, HeldMessages.identity == self.name))

    def revoked(self) -> bool:
        return self.asked(Credentials.revoked_at, Credentials.login == self.device.login) != [None]

    def code(self) -> str:
        """The application's, which is taken once: the tests do not wait half a minute for the next one."""
        self.site.forget_codes()
        return six_digits(self.key, time.time())

    def sign_in(self, page: Page) -> None:
        page.goto(f"{self.site.url}/sign-in")
        page.get_by_label("Name or address").fill(self.name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        page.get_by_label("Six digits").fill(self.code())
        page.get_by_role("button", name="Sign in").click()

    def confirm(self, page: Page) -> None:
        page.get_by_role("link", name="Confirm that it is you").click()
        page.get_by_label("Six digits").fill(self.code())
        screenshot(page, "22-confirm")
        page.get_by_role("button", name="Confirm").click()

    def leave_alone(self) -> None:
        """The browser stays open for longer than a second factor is good."""
        with self.site.sallyport.store() as connection:
            moment = {"then": time.time() - FRESH_S - 1}
            connection.execute(text("UPDATE console_session SET created_at = :then, proven_at = NULL"), moment)


def stolen(site: Site, page: Page, name: str) -> Victim:
    """Enrols with an application and a device; then somebody sends with it from two networks, and is locked out."""
    choose_password(page, site.invite(name, name.title()))
    page.get_by_text("I cannot scan it").click()
    key = page.locator("#totp-key").inner_text()
    page.get_by_label("Six digits").fill(six_digits(key, time.time()))
    page.get_by_role("button", name="Confirm").click()
    keep_codes(page)
    device = add_device(page, XSS, "Thunderbird")
    page.get_by_role("button", name="Sign out").click()
    engine = open_database(database_of(site.sallyport))
    thief = Thief(engine, name, device.login, time.time(), client_name="<script>alert(1)</script>")
    thief.hand_in("accept", recipients=4)
    thief.hand_in("hold")
    thief.hand_in("hold", address=HOSTING)
    thief.raise_signal(Step.LOCK)
    engine.dispose()
    return Victim(site, name, key, device)


def test_yes_lets_held_mail_go(site: Site, page: Page) -> None:
    """Asked on the start page; the ticked network is trusted, the rented machines are not."""
    victim = stolen(site, page, "edith")
    victim.sign_in(page)
    expect(page.get_by_role("alert")).to_contain_text("Was this you?")
    screenshot(page, "20-start-page-with-a-question")
    page.get_by_role("link", name="Look and answer").click()
    expect(page.get_by_role("heading", name="Finland")).to_be_visible()
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    expect(page.get_by_text(XSS).first).to_be_visible()
    screenshot(page, "21-was-this-you")
    page.get_by_role("button", name="Yes, all of this was me").click()
    expect(page.get_by_text("You said that it was you.")).to_be_visible()
    screenshot(page, "23-yes")
    assert victim.held() == ["releasing", "releasing"]
    trusted = victim.asked(Networks.network, Networks.confirmed_at.is_not(None))
    assert "203.0.113.0/24" in trusted
    assert "95.216.0.0/24" not in trusted
    assert not victim.revoked()
    assert victim.asked(Incidents.state, Incidents.identity == "edith") == ["released"]


def test_no_ends_the_credential(site: Site, page: Page) -> None:
    """In a browser that was left open the second factor is asked for first; then a new device is offered."""
    victim = stolen(site, page, "hedy")
    victim.sign_in(page)
    victim.leave_alone()
    page.get_by_role("link", name="Look and answer").click()
    expect(page.get_by_role("button", name="No, this was not me")).to_have_count(0)
    victim.confirm(page)
    page.get_by_role("button", name="No, this was not me").click()
    expect(page.get_by_text("will be deleted at")).to_be_visible()
    screenshot(page, "24-no")
    assert victim.revoked()
    assert victim.held() == ["held", "held"]
    page.get_by_role("button", name="Do not delete it").click()
    expect(page.get_by_text("will be deleted at")).to_have_count(0)
    page.goto(f"{site.url}/held")
    screenshot(page, "25-held-mail")
    page.get_by_role("button", name="Let it go").first.click()
    expect(page.get_by_role("button", name="Let it go")).to_have_count(1)
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete it for good").click()
    expect(page.get_by_text("There is none.")).to_be_visible()
    done = {"purged": "purging", "released": "releasing"}  # policy may have seen to it already
    assert [done.get(state, state) for state in victim.held()] == ["purging", "releasing"]
    page.goto(f"{site.url}/incidents")
    page.get_by_role("main").get_by_role("link").first.click()
    page.get_by_role("link", name="Add a device anew").click()
    expect(page.get_by_role("heading", name="Add a device")).to_be_visible()


@pytest.mark.parametrize("path", ["incidents", "held", "account"])
def test_in_german_on_a_phone(site: Site, page: Page, path: str) -> None:
    """Nothing is wider than a small screen."""
    name = f"konrad-{path}"
    victim = stolen(site, page, name)
    assert page.context.browser
    phone = page.context.browser.new_context(
        locale="de-DE", color_scheme="dark", viewport={"width": 360, "height": 740}
    )
    shown = phone.new_page()
    shown.goto(f"{site.url}/sign-in")
    shown.get_by_label("Name oder Adresse").fill(name)
    shown.get_by_label("Passwort").fill(PASSWORD)
    shown.get_by_role("button", name="Weiter").click()
    shown.get_by_label("Sechs Ziffern").fill(victim.code())
    shown.get_by_role("button", name="Anmelden").click()
    expect(shown.get_by_role("alert")).to_contain_text("Waren Sie das?")
    if path == "incidents":
        shown.get_by_role("link", name="Ansehen und antworten").click()
    else:
        shown.goto(f"{site.url}/{path}")
    screenshot(shown, f"26-german-{name}")
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    phone.close()
