"""Every page of the console, for every role, as a browser shows it, with words of strangers in every place.

On each page: nothing that a stranger wrote runs, the page breaks no rule of its own policy, axe-core finds nothing, and
nothing is wider than a telephone. Which pages there are stands in tests/unit/console/every_route.py, where a test holds
it against the application.
"""

import html
import time
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import axe
import pytest
from browser_parts import CANARY, Site, browsing, screenshot
from every_route import EVERYBODY, Things
from harness import until
from page_walk import NARROW, WIDE, Walk, fits, go, is_part, name_of, pages_of, photograph, things_of
from playwright.sync_api import Browser, Page, expect
from stolen import HOSTING, Thief

from policy.engine.ladder import Step
from policy.people.roles import Role

OWNER = "owen"
SUBJECT = f"Win {CANARY}"


@pytest.fixture(scope="module")
def things(site: Site) -> Things:
    """An owner whose device was stolen, and every word that a stranger may choose is a piece of script."""
    site.member(OWNER, owner=CANARY)
    login = site.device(OWNER, CANARY)
    site.device(OWNER, f"telephone {CANARY}")
    if site.queue:
        site.rob(login, f"{OWNER}@sallyport.test", networks=6, subject=SUBJECT, name=CANARY)
        things_of(site.engine, OWNER)  # the first message on hold is a real one
    thief = Thief(site.engine, OWNER, login.login, time.time(), client_name=CANARY)
    thief.hand_in("accept", recipients=4)
    thief.hand_in("hold")
    thief.hand_in("hold", address=HOSTING)
    thief.hand_in("reject", address=HOSTING, reason="recipients")
    thief.raise_signal(Step.LOCK)
    site.store.change_identity(OWNER, time.time(), notice_address="elsewhere@elsewhere.example")
    return things_of(site.engine, OWNER)


@pytest.mark.parametrize("role", list(Role))
def test_every_page(site: Site, chromium: Browser, things: Things, role: Role) -> None:
    """The owner is the one whose device was stolen; staff look at that owner."""
    name, begun = OWNER, time.monotonic()
    if role is not Role.OWNER:
        name = f"staff-{role}"
        site.member(name, role, CANARY)
    with site.signed_in(chromium, name, user_agent=CANARY) as page:
        walk = Walk(page)
        # Own pages are the same for everybody, but for the links at the top.
        for path in pages_of(role, is_own=role is not Role.HELP_DESK):
            go(site, page, path, things)
            walk.look(f"{role} {path}", is_part=is_part(path))
    print(f"\n{role}: {walk.pages} pages, {walk.rules} rules passed, {time.monotonic() - begun:.1f} s")
    assert walk.pages >= 9
    assert not walk.faults, "\n".join(walk.faults)


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMINISTRATOR])
def test_in_german_on_a_telephone(site: Site, chromium: Browser, things: Things, role: Role) -> None:
    """German words are longer."""
    name = OWNER
    if role is not Role.OWNER:
        name = "konrad-the-administrator"
        site.member(name, role)
    wide: list[str] = []
    with site.signed_in(chromium, name, locale="de-DE", viewport=NARROW) as page:
        for path in pages_of(role):
            go(site, page, path, things)
            assert is_part(path) or page.locator("html").get_attribute("lang") == "de", path
            wide += [] if fits(page) else [path]
    assert not wide, wide


def test_pages_without_a_session(site: Site, chromium: Browser, things: Things) -> None:
    """Signing in, and what a stranger is told; the button has the issuer's name as it was written."""
    with browsing(chromium) as context:
        page = context.new_page()
        walk = Walk(page)
        for one in EVERYBODY:
            if one.startswith("GET ") and one not in {"GET /sign-in/issuer", "GET /sign-in/issuer/back"}:
                page.goto(site.url + things.put_into(one.split()[1]))
                walk.look(one)
                photograph(page, f"nobody-{name_of(one.split()[1])}")
        page.goto(f"{site.url}/sign-in/issuer/back?error=access_denied&error_description={CANARY}")
        walk.look("refused at the issuer")
        expect(page.get_by_role("alert")).to_be_visible()
    assert not walk.faults, "\n".join(walk.faults)


def test_somebody_elses_words_are_shown_as_they_are(site: Site, chromium: Browser, things: Things) -> None:
    """Or the canary would show nothing, for it would be on no page."""
    site.member("staff-reader", Role.ADMINISTRATOR)
    with site.signed_in(chromium, "staff-reader") as page:
        for path in ("/staff/identities/{name}", "/staff/incidents/{incident}", "/staff/policy/edit"):
            page.goto(site.url + things.put_into(path))
            assert CANARY in html.unescape(page.locator("main").inner_html()), path


def test_a_message_that_was_looked_at(site: Site, chromium: Browser, things: Things) -> None:
    """Its subject and sender come from Postfix's queue, and stay words."""
    if not site.queue:
        pytest.skip("needs root and Debian's postfix on this machine")
    site.member("staff-looker", Role.ADMINISTRATOR)
    with site.signed_in(chromium, "staff-looker") as page:
        walk = Walk(page)
        page.goto(f"{site.url}/staff/held/{things.message}")
        page.get_by_role("button", name="Show the first lines").click()
        expect(page.locator("#look")).to_contain_text(SUBJECT)
        walk.look("a message")
        screenshot(page, "a-message-that-was-looked-at")
    assert not walk.faults, "\n".join(walk.faults)


def test_on_a_telephone_a_table_is_read_row_by_row(site: Site, chromium: Browser, things: Things) -> None:
    """Nothing is cut off, each cell says what it is, and for a screen reader it is a table still.

    On a wider screen long words break.
    """
    site.member("staff-on-the-way", Role.ADMINISTRATOR)
    with site.signed_in(chromium, "staff-on-the-way", viewport=NARROW) as page:
        for path in ("/staff", "/staff/decisions", "/staff/incidents/{incident}", "/staff/identities/{name}"):
            go(site, page, path, things)
            # A page that is live is drawn anew meanwhile, and a table within <details> is fitted once that is open.
            until(partial(_fits_row_by_row, page), f"{path} is read row by row")
            _, faults = axe.faults(page)
            assert not faults, faults
        go(site, page, "/staff/decisions", things)
        row = page.locator(".stacked tbody tr").first
        said = row.locator("td").evaluate_all("(all) => all.map((one) => one.dataset.label)")
        assert said == ["Who", "From where", "Recipients", "Decision", "Then"]
        page.set_viewport_size(WIDE)
        expect(page.locator(".stacked")).to_have_count(0)
        expect(page.get_by_role("columnheader", name="Decision")).to_be_visible()
        page.locator("tbody td").first.evaluate("(cell) => { cell.textContent = 'long'.repeat(40); }")
        page.set_viewport_size(WIDE | {"width": 1000})
        expect(page.locator(".tight")).to_have_count(1)
        cut = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length"
        assert not page.locator(".scroll").evaluate_all(cut)


def _fits_row_by_row(page: Page) -> bool:
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    box = page.locator(".stacked").get_by_role("cell", name="held").first.bounding_box()
    return box is not None and box["x"] + box["width"] <= NARROW["width"]


LANGUAGES = [("de-DE", "Asia/Tokyo", "%d.%m.%Y, %H:%M"), ("en-GB", "America/St_Johns", "%-d %b %Y, %H:%M")]


@pytest.mark.parametrize(("locale", "zone", "form"), LANGUAGES, ids=[case[0] for case in LANGUAGES])
def test_moments_are_in_the_readers_zone(
    site: Site, chromium: Browser, things: Things, locale: str, zone: str, form: str
) -> None:
    """And in the reader's language; a page that script came to later, too."""
    with site.signed_in(chromium, OWNER, locale=locale, timezone_id=zone) as page:
        page.goto(f"{site.url}/incidents")
        told: list[Any] = page.evaluate(
            "[...document.querySelectorAll('time')].map((one) => [one.textContent, one.dateTime])"
        )
        assert told
        assert page.locator("html").get_attribute("lang") == locale[:2]
        for shown, machine in told:
            assert shown == in_zone(machine, zone, form)
        expect(page.locator("#zone")).to_contain_text(zone)


def in_zone(machine: str, zone: str, form: str) -> str:
    """As Python says it, which has its own list of zones."""
    return datetime.fromisoformat(machine).astimezone(ZoneInfo(zone)).strftime(form)
