"""Without a mouse: the skip link, the order of what can be reached, and that one sees where one is."""

import pytest
from browser_parts import Site
from playwright.sync_api import Browser, Page, expect

from policy.people.roles import Role

WHERE = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {
    tag: one.tagName,
    name: one.id || one.textContent.trim(),
    place: [...document.querySelectorAll("*")].indexOf(one),
    inMain: Boolean(one.closest("main")),
    isSeen: style.outlineStyle !== "none" || style.boxShadow !== "none",
    isThere: box.bottom > 0 && box.right > 0,
  };
}"""
# Each a list of places of which one has to be reached: of a group of radio buttons, the others follow by the arrows.
REACHABLE = """() => {
  const every = [...document.querySelectorAll("*")], groups = new Map();
  for (const one of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
    if (!one.checkVisibility() || one.disabled) continue;
    const name = one.type === "radio" ? one.name : Symbol();
    groups.set(name, [...(groups.get(name) ?? []), every.indexOf(one)]);
  }
  return [...groups.values()];
}"""
PAGES = ["/devices/new", "/account", "/staff", "/staff/identities", "/staff/incidents", "/staff/held", "/staff/policy"]


@pytest.fixture(scope="module")
def keen(site: Site) -> str:
    site.member("keen", Role.ADMINISTRATOR)
    return "keen"


@pytest.mark.parametrize("path", PAGES)
def test_everything_can_be_reached(site: Site, chromium: Browser, keen: str, path: str) -> None:
    """One after the other as they stand on the page; each shows that it is the one."""
    with site.signed_in(chromium, keen) as page:
        page.goto(site.url + path)
        wanted, places = page.evaluate(REACHABLE), []
        page.locator(".skip").focus()  # some pages begin in their first field
        while (at := page.evaluate(WHERE))["tag"] != "BODY" and at["place"] not in places:
            assert at["isSeen"], f"{path}: one does not see that {at['name']!r} has the focus"
            assert at["isThere"], f"{path}: {at['name']!r} has the focus and is not on the page"
            places.append(at["place"])
            page.keyboard.press("Tab")
        assert places == sorted(places), f"{path}: the order is not the page's own"
        assert not [one for one in wanted if not set(one) & set(places)], f"{path}: {len(places)} reached"


def test_the_skip_link(site: Site, chromium: Browser, keen: str) -> None:
    """The first one of each page; with it the next one is in the content."""
    with site.signed_in(chromium, keen) as page:
        page.goto(f"{site.url}/staff/identities")
        page.keyboard.press("Tab")
        link = page.get_by_role("link", name="Skip to the content")
        expect(link).to_be_focused()
        expect(link).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate(WHERE)["inMain"]


def test_a_sign_in_without_a_mouse(site: Site, page: Page) -> None:
    """A wrong one; the name stays, the password has the focus, and the sentence is read out."""
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("Name or address").focus()
    page.keyboard.type("keen")
    page.keyboard.press("Tab")
    page.keyboard.type("this is not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    expect(page.get_by_label("Name or address")).to_have_value("keen")
    expect(page.get_by_label("Password")).to_be_focused()
