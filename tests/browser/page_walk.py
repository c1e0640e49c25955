"""Going through the pages of the console with a browser: what is looked at on each, and what is photographed."""

import contextlib
from dataclasses import dataclass, field

import axe
from browser_parts import Site, screenshot
from every_route import OWN, STAFF, STREAMS, Things
from harness import until
from playwright.sync_api import Page
from sqlalchemy import Engine, select

from policy.people.roles import Role, may
from policy.store.incident_models import HeldMessages, Incidents
from policy.store.models import Credentials, Identities, Submissions

NARROW, WIDE = {"width": 360, "height": 740}, {"width": 1100, "height": 900}
# Parts of pages, which htmx puts into one; they are walked, and axe judges them where they stand.
_PARTS = ("/progress", "/what-if", "/look/{look}")
_WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.__violations.push(event.violatedDirective));
"""


@dataclass
class Walk:
    """One browser of somebody's. `faults` are axe's, and pages that are wider than a telephone."""

    page: Page
    pages: int = 0
    rules: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(_WATCH)

    def look(self, where: str, *, is_part: bool = False) -> None:
        """With everything open that can be opened; in the dark and on a telephone, too."""
        page = self.page
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        ran, broken = page.evaluate("[window.__xss !== undefined, window.__violations]")
        assert not ran, f"{where}: a stranger's words ran"
        assert not broken, f"{where}: {broken}"
        assert not page.locator("img[src=x]").count(), f"{where}: a stranger's words became markup"
        self.pages += 1
        if is_part:
            return
        self._judge(where)
        page.emulate_media(color_scheme="dark")
        self._judge(f"{where}, dark", colours_alone=True)
        page.set_viewport_size(NARROW)
        self.faults += [] if fits(page) else [f"{where}: wider than a telephone"]
        page.set_viewport_size(WIDE)
        page.emulate_media(color_scheme="light")

    def _judge(self, where: str, *, colours_alone: bool = False) -> None:
        passed, faults = axe.faults(self.page, colours_alone=colours_alone)
        self.faults += [f"{where}: {one}" for one in faults]
        self.rules += passed


def fits(page: Page) -> bool:
    """Whether it is no wider than a telephone; a chart takes a moment to become as small as its place."""
    wide = "document.documentElement.scrollWidth"
    with contextlib.suppress(AssertionError):
        return until(lambda: page.evaluate(wide) <= NARROW["width"], "it fits", 15)
    return False


def photograph(page: Page, name: str) -> None:
    """Light, dark, on a telephone."""
    screenshot(page, f"{name}-light")
    page.emulate_media(color_scheme="dark")
    screenshot(page, f"{name}-dark")
    page.set_viewport_size(NARROW)
    screenshot(page, f"{name}-phone")
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")


def pages_of(role: Role, *, is_own: bool = True) -> list[str]:
    """The paths that a person of this role may open, with names in braces; with those about the own account."""
    staff = [one for one, (right, _) in STAFF.items() if may(role, right) and one not in STREAMS]
    every = [*OWN, *staff] if is_own else staff
    return [one.split()[1] for one in every if one.startswith("GET ") and one != "GET /confirm/issuer"]


def name_of(path: str) -> str:
    """For the file of a picture."""
    return path.replace("{", "").replace("}", "").strip("/").replace("/", "-") or "start"


def is_part(path: str) -> bool:
    return path.endswith(_PARTS)


def go(site: Site, page: Page, path: str, things: Things) -> None:
    answer = page.goto(site.url + things.put_into(path), wait_until="load")
    assert answer
    assert answer.status in {200, 404}, f"{path}: {answer.status}"


def things_of(engine: Engine, name: str) -> Things:
    """What there is of an owner with an incident and mail on hold."""
    with engine.connect() as connection:
        person = connection.scalars(select(Identities.id).where(Identities.name == name)).one()
        login = connection.scalars(select(Credentials.login).where(Credentials.identity_id == person)).first()
        incident = connection.scalars(select(Incidents.id).where(Incidents.identity == name)).first()
        its = select(HeldMessages.queue_id).where(HeldMessages.identity == name, HeldMessages.state == "held")
        held = connection.scalars(its.order_by(HeldMessages.id)).first()
        written = select(Submissions.id).where(Submissions.identity == name).order_by(Submissions.at.desc())
        submission = connection.scalars(written).first()
    assert login
    assert incident
    assert held
    assert submission
    return Things(name, login, str(incident), held, submission, "1", "1")
