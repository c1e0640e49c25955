"""What somebody sees who does not get in, or not any more: in light, in the dark, in German on a telephone."""

import time

from browser_parts import Site, browsing, screenshot
from harness import until
from page_walk import NARROW, Walk, fits
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text
from test_browser_enrolment import PASSWORD
from test_browser_two_administrators import enrol

from policy.people.roles import Role


def test_each_way_to_be_kept_out(site: Site, chromium: Browser, page: Page) -> None:
    """A wrong password, a wrong code, too many of them. What was typed is still there, and where one is stands out."""
    enrol(site, page, "mona")
    walk = Walk(page)
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("Name or address").fill("mona")
    page.get_by_label("Password").fill("this is not it")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name or address")).to_have_value("mona")
    expect(page.get_by_label("Password")).to_be_focused()
    seen(walk, "wrong-password")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_label("Six digits")).to_be_focused()
    page.get_by_label("Six digits").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Six digits")).to_be_focused()
    seen(walk, "wrong-code")

    def has_to_wait() -> bool:
        page.get_by_label("Six digits").fill("000000")
        page.get_by_role("button", name="Sign in").click()
        return "too many" in page.get_by_role("alert").inner_text().lower()

    until(has_to_wait, "somebody who guesses has to wait", 60)
    seen(walk, "too-many-codes")
    assert not walk.faults, "\n".join(walk.faults)
    with browsing(chromium, locale="de-DE", viewport=NARROW, color_scheme="dark") as context:
        german = context.new_page()
        german.goto(f"{site.url}/sign-in")
        german.get_by_label("Name oder Adresse").fill("mona")
        german.get_by_label("Passwort").fill("falsch")
        german.get_by_role("button", name="Weiter").click()
        expect(german.get_by_role("alert")).to_be_visible()
        assert fits(german)
        screenshot(german, "kept-out-german-phone")


def test_a_session_that_ends_while_somebody_types(site: Site, chromium: Browser) -> None:
    """What was typed is shown, to be copied; the page of the sign-in says why one is there."""
    site.member("rita", Role.ADMINISTRATOR)
    with site.signed_in(chromium, "rita") as page:
        page.goto(f"{site.url}/staff/invite")
        page.get_by_label("Name", exact=False).first.fill("newcomer")
        end_all(site, "rita")
        page.get_by_role("main").get_by_role("button").first.click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing of this form was done")
        expect(page.get_by_role("textbox").first).to_have_value("newcomer")
        walk = Walk(page)
        seen(walk, "ended")
        page.get_by_role("link", name="Sign in").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert not walk.faults, "\n".join(walk.faults)
    with site.signed_in(chromium, "rita") as page:
        end_all(site, "rita")
        page.goto(f"{site.url}/staff")
        expect(page.get_by_role("status")).to_contain_text("your session has ended")
        screenshot(page, "kept-out-ended-notice")


def end_all(site: Site, name: str) -> None:
    """As time does."""
    with site.sallyport.store() as connection:
        whose = "(SELECT id FROM identity WHERE name = :name)"
        ended = f"UPDATE console_session SET expires_at = :now WHERE identity_id = {whose}"  # noqa: S608 - no input
        connection.execute(text(ended), {"now": time.time() - 1, "name": name})


def seen(walk: Walk, name: str) -> None:
    screenshot(walk.page, f"kept-out-{name}")
    walk.look(name)
