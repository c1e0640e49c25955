"""The policy changed with a real browser, and taken by the real policy: checked, tried on recorded mail, saved."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_parts import Site, screenshot
from harness import until
from playwright.sync_api import Browser, expect
from sqlalchemy import update
from stolen import Thief

from policy.people.roles import Role
from policy.store.models import Submissions
from policy.store.rulebooks import kept_rulebooks

TYPED = '[profiles.newsletter]\nsessions = 7\n\n[profiles.person]\nrecipients = ["4/hour", "500/day"]\n'


@pytest.fixture
def file(site: Site) -> Iterator[Path]:
    """The site is everybody's: it is put back."""
    path = Path(site.sallyport.policy_environment["POLICY_FILE"])
    before, digest = path.read_text(), in_force(site)
    yield path
    path.write_text(before)
    until(lambda: in_force(site) == digest, "the policy is what it was")


def in_force(site: Site) -> str:
    return kept_rulebooks(site.engine, limit=1)[0].digest


def test_a_policy_is_checked_tried_and_saved(site: Site, chromium: Browser, file: Path) -> None:
    """A fault with its line; then what would have been decided otherwise, which comes by itself; then in force."""
    site.member("ruler", Role.ADMINISTRATOR)
    site.member("writer")
    sender = Thief(site.engine, "writer", site.device("writer", "laptop").login, time.time() - 3000)
    for _ in range(12):
        sender.hand_in("accept", recipients=2)
        sender.now += 60
    with site.engine.begin() as connection:  # as records of today are
        connection.execute(update(Submissions).where(Submissions.identity == "writer").values(marks=b""))
    with site.signed_in(chromium, "ruler") as page:
        page.goto(f"{site.url}/staff/policy")
        page.get_by_role("link", name="Change the policy").click()
        text = page.get_by_label("Policy file (TOML)")
        text.fill(TYPED.replace("sessions", "session"))
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_role("alert")).to_contain_text("Line 2: profiles.newsletter.session: there is no such key")
        expect(page.get_by_role("button", name="Save")).to_have_count(0)
        text.fill(TYPED)
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_role("cell", name='["4/hour", "500/day"]')).to_be_visible()
        expect(page.locator("#what-if")).to_contain_text("would have been decided otherwise", timeout=120_000)
        expect(page.get_by_role("link", name="writer").first).to_be_visible()
        screenshot(page, "policy-what-if")
        before = in_force(site)
        page.get_by_role("button", name="Save").click()
        page.wait_for_url(f"{site.url}/staff/policy")
        until(lambda: in_force(site) != before, "policy has taken it")
        expect(page.locator("main")).to_contain_text("It was put in place by console:ruler.")
        expect(page.get_by_text("policy has not taken it yet")).to_have_count(0)
        expect(page.get_by_role("row").filter(has_text="sessions").get_by_role("cell", name="7")).to_be_visible()
    assert file.read_text() == TYPED
