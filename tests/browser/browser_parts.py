"""What the tests with a real browser share beside their fixtures."""

from dataclasses import dataclass

from harness import ROOT, Process, Sallyport
from playwright.sync_api import CDPSession, Page

SCREENS = ROOT / "build" / "screens"


@dataclass
class Site:
    """The console, and what stands behind it."""

    sallyport: Sallyport
    url: str
    process: Process

    def invite(self, name: str, owner: str) -> str:
        """The link that the administrator hands over."""
        printed = self.sallyport.cli("invite", name, "--address", f"{name}@sallyport.test", "--owner", owner)
        return next(word for word in printed.split() if word.startswith(self.url))


def virtual_authenticator(page: Page) -> CDPSession:
    """A fingerprint reader that always finds the right finger (WebDriver extension of Web Authentication)."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def screenshot(page: Page, name: str) -> None:
    """What a person sees, for whoever judges the look."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}.png", full_page=True)
