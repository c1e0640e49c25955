"""What somebody else's page can do with a browser that is signed in here, and what is left in it after signing out.

The foreign pages are made up in the browser itself: no server has that name.
"""

from collections.abc import Iterator

import pytest
from browser_parts import Site
from playwright.sync_api import Browser, Page, expect

FOREIGN = "https://evil.example/"
LABEL = "a telephone that nobody else should read of"


@pytest.fixture
def signed_in(site: Site, chromium: Browser) -> Iterator[Page]:
    site.member("olga")
    site.device("olga", LABEL)
    with site.signed_in(chromium, "olga") as page:
        page.goto(f"{site.url}/devices")
        expect(page.get_by_text(LABEL)).to_be_visible()
        yield page
    site.store.remove_identity("olga", 0.0)


@pytest.fixture
def foreign(signed_in: Page, chromium: Browser) -> Iterator[Page]:
    """A window of the same browser on another site: it may complain as much as it likes."""
    context = chromium.new_context(ignore_https_errors=True)
    context.add_cookies(signed_in.context.cookies())  # type: ignore[arg-type]  # as the other window has them
    yield context.new_page()
    context.close()


def show(page: Page, words: str) -> None:
    """A page of the foreign site."""
    page.route(f"{FOREIGN}**", lambda route: route.fulfill(content_type="text/html", body=words))
    page.goto(FOREIGN)


@pytest.mark.parametrize("path", ["/sign-out", "/account/sessions/end-all", "/devices/revoke"])
def test_a_form_of_another_site_does_nothing(site: Site, foreign: Page, path: str) -> None:
    form = f'<form method="post" action="{site.url}{path}"><input name="sure" value="yes"><button>Win</button></form>'
    show(foreign, form)
    with foreign.expect_navigation() as led:
        foreign.get_by_role("button").click()
    assert led.value
    assert led.value.status == 403
    foreign.goto(f"{site.url}/devices")
    expect(foreign.get_by_text(LABEL)).to_be_visible()


def test_no_page_stands_in_somebody_elses(site: Site, foreign: Page) -> None:
    """No click on ours is stolen there."""
    show(foreign, f'<iframe src="{site.url}/devices" width="800" height="600"></iframe>')
    (frame,) = (one for one in foreign.frames if one is not foreign.main_frame)
    assert LABEL not in frame.content()
    assert not frame.get_by_role("button").count()


def test_a_window_that_another_site_opened_tells_it_nothing(site: Site, foreign: Page) -> None:
    show(foreign, f"<button onclick=\"window.theirs = window.open('{site.url}/devices')\">Win</button>")
    with foreign.context.expect_page() as opened:
        foreign.get_by_role("button").click()
    opened.value.wait_for_load_state()
    foreign.wait_for_function("window.theirs.closed")  # it has no hold of a window of ours
    assert opened.value.evaluate("window.opener") is None


def test_nothing_is_left_after_signing_out(site: Site, signed_in: Page) -> None:
    """Whoever sits down at the browser and goes back sees no page of before."""
    signed_in.goto(f"{site.url}/account")
    signed_in.get_by_role("button", name="Sign out").first.click()
    expect(signed_in.get_by_label("Password")).to_be_visible()
    for _ in ("the account", "the devices"):
        signed_in.go_back()
        assert LABEL not in signed_in.content()
        expect(signed_in.get_by_label("Password")).to_be_visible()
