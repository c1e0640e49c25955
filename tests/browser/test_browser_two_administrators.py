"""An incident with real browsers and real mail: from the first alert to the release, and what a second one sees of it.

A thief sends from many networks through the gateway; Postfix holds what policy says; the administrator hears of it by
mail, signs in with password and code, looks, and releases. A colleague has the same pages open meanwhile.
"""

import time

import pytest
from browser_parts import Site, screenshot
from harness import until
from playwright.sync_api import Browser, Page, expect
from pocket import six_digits
from test_browser_enrolment import PASSWORD, choose_password, keep_codes

from policy.people.roles import Role

VICTIM, SUBJECT = "vera", "Cheap watches"


def enrol(site: Site, page: Page, name: str) -> str:
    """Password and application; the key of the application. Signed out."""
    choose_password(page, site.invite(name, name.title()))
    page.get_by_text("I cannot scan it").click()
    key = page.locator("#totp-key").inner_text()
    page.get_by_label("Six digits").fill(six_digits(key, time.time()))
    page.get_by_role("button", name="Confirm").click()
    keep_codes(page)
    page.get_by_role("button", name="Sign out").click()
    return key


def sign_in(site: Site, page: Page, name: str, key: str) -> None:
    site.forget_codes()
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("Name or address").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Six digits").fill(six_digits(key, time.time()))
    page.get_by_role("button", name="Sign in").click()


def arrived(site: Site) -> int:
    return len([one for one in site.sink.messages() if one["subject"] == SUBJECT])


def test_from_the_first_alert_to_the_release(site: Site, chromium: Browser, page: Page) -> None:
    """What was held arrives once it was released, and the colleague who comes second is told who was first."""
    if not site.queue:
        pytest.skip("needs root and Debian's postfix on this machine")
    key = enrol(site, page, "chief")
    site.store.set_role("chief", Role.ADMINISTRATOR, time.time())
    site.member("colleague", Role.ADMINISTRATOR)
    site.member(VICTIM, owner="Vera Victim")
    stolen = site.device(VICTIM, "laptop")
    with site.signed_in(chromium, "colleague") as colleague:
        colleague.goto(f"{site.url}/staff")
        expect(colleague.get_by_role("link", name=VICTIM)).to_have_count(0)
        heard = site.rob(stolen, f"{VICTIM}@sallyport.test", networks=6, subject=SUBJECT)
        taken = heard.count("250")
        assert taken >= 2, heard
        until(lambda: any(f"{VICTIM}: incident" in one for one in alerts(site)), "an alert by mail")
        # The colleague's page is live; nobody has loaded it anew.
        expect(colleague.get_by_text(VICTIM).first).to_be_visible()
        screenshot(colleague, "two-1-colleague-live")

        sign_in(site, page, "chief", key)
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        page.get_by_role("link", name="Incidents").first.click()
        page.get_by_role("row", name=VICTIM).get_by_role("link").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(VICTIM)
        screenshot(page, "two-2-incident")
        came = arrived(site)
        assert came < taken, "something is held"
        colleague.goto(page.url)
        page.get_by_role("button", name="Release").first.click()
        until(lambda: arrived(site) == taken, f"what was held arrives: {arrived(site)} of {taken}")
        expect(page.get_by_text("released").first).to_be_visible()
        screenshot(page, "two-3-released")

        colleague.get_by_role("button", name="Release").first.click()
        expect(colleague.get_by_role("alert")).to_be_visible()
        screenshot(colleague, "two-4-colleague-came-second")
        assert arrived(site) == taken


def alerts(site: Site) -> list[str]:
    return [one["subject"] for one in site.sink.messages("recipient=postmaster@sallyport.test")]
