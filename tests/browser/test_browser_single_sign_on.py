"""Single sign-on with a real browser and an issuer of another site: our cookies are SameSite=Strict, and it works."""

from browser_parts import Site, screenshot
from playwright.sync_api import Browser, Page, expect

from policy.people.roles import Role


def test_there_and_back(site: Site, page: Page) -> None:
    """One click; the browser comes back from another site, and is signed in. The way is not in its address."""
    site.member("iris")
    site.issuer.visitor = {"email": "iris@sallyport.test", "email_verified": True}
    page.goto(f"{site.url}/sign-in")
    page.get_by_role("link", name="Sign in with").click()
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
    assert page.url == f"{site.url}/devices"
    for cookie in page.context.cookies(site.url):
        assert (cookie["sameSite"], cookie["secure"], cookie["httpOnly"]) == ("Strict", True, True), cookie["name"]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_fresh_proof_from_the_issuer(site: Site, chromium: Browser) -> None:
    """Before what is hard to undo: back on the page that asked for it."""
    site.member("ines", Role.ADMINISTRATOR)
    site.issuer.visitor = {"email": "ines@sallyport.test", "email_verified": True}
    with site.signed_in(chromium, "ines") as page:
        page.goto(f"{site.url}/confirm?back=/account")
        screenshot(page, "confirm-with-issuer")
        page.get_by_role("link", name="Confirm with").click()
        expect(page.get_by_role("button", name="Save this address")).to_be_visible()
        assert page.url == f"{site.url}/account"


def test_who_is_nobody_here(site: Site, page: Page) -> None:
    """A plain page, and no session."""
    site.issuer.visitor = {"email": "nobody@sallyport.test", "email_verified": True}
    page.goto(f"{site.url}/sign-in")
    page.get_by_role("link", name="Sign in with").click()
    expect(page.get_by_role("alert")).to_contain_text("there is no account for you here")
    screenshot(page, "nobody-here")
    assert "__Host-sallyport-session" not in {cookie["name"] for cookie in page.context.cookies(site.url)}


def test_without_script(site: Site, chromium: Browser) -> None:
    """The page in between has a button."""
    site.member("irma")
    site.issuer.visitor = {"email": "irma@sallyport.test", "email_verified": True}
    context = chromium.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{site.url}/sign-in")
    page.get_by_role("link", name="Sign in with").click()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
    context.close()
