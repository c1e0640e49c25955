"""What the tests with a real browser share beside their fixtures."""

import contextlib
import smtplib
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from botnet import ProxiedClient
from harness import ROOT, Login, Process, Sallyport, Sink
from issuer_server import Issuer
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page
from queue_stage import QueueStage
from sqlalchemy import Engine, make_url, text

from policy.people.roles import Role
from policy.store.audit import Actor
from policy.store.console_sessions import Sessions, Visitor
from policy.store.database import Location, open_database
from policy.store.identities import IdentityStore, read_key
from policy.store.people import People

# What would run on a page that takes somebody else's words for its own.
CANARY = """x'"><img src=x onerror=__xss=1><script>__xss=1</script>"""
SCREENS = ROOT / "build" / "screenshots"


@dataclass
class Site:
    """The console, and what stands behind it: policy, gateway, and Postfix with the queue agent where they can run.

    `proxied_port` is a listener at which somebody comes from wherever they like. The issuer is of another site than
    the console, as a browser sees it.
    """

    sallyport: Sallyport
    url: str
    process: Process
    sink: Sink
    issuer: Issuer
    proxied_port: int
    queue: QueueStage | None

    def invite(self, name: str, owner: str) -> str:
        """The link that the administrator hands over."""
        printed = self.sallyport.cli("invite", name, "--address", f"{name}@sallyport.test", "--owner", owner)
        return next(word for word in printed.split() if word.startswith(self.url))

    @cached_property
    def engine(self) -> Engine:
        return open_database(database_of(self.sallyport))

    @cached_property
    def key(self) -> bytes:
        return read_key(self.sallyport.folder / "state" / "digest.key")

    @cached_property
    def store(self) -> IdentityStore:
        """The hands of an administrator at the command line."""
        return IdentityStore(self.engine, self.key, Actor("cli:test", "localhost"))

    def member(self, name: str, role: Role = Role.OWNER, owner: str = "") -> None:
        """Somebody new, without asking any page."""
        self.store.add_identity(name, (f"{name}@sallyport.test",), time.time(), owner=owner, role=role)

    def device(self, name: str, label: str) -> Login:
        made = self.store.add_credential(name, label, time.time())
        return Login(made.login, made.secret)

    @contextlib.contextmanager
    def signed_in(self, chromium: Browser, name: str, user_agent: str = "", **options: object) -> Iterator[Page]:
        """A browser of somebody's who has shown a second factor just now; every complaint of a page is a failure."""
        now = time.time()
        person = People(self.engine, self.key, Actor("cli:test", "localhost")).find(name)
        assert person
        visitor = Visitor("127.0.0.1", user_agent or "Chromium of the tests")
        opened = Sessions(self.engine, self.key).open_vouched(person.id, visitor, now, now)
        assert opened
        with browsing(chromium, **options) as context:
            cookie = {"name": "__Host-sallyport-session", "value": opened.cookie, "url": self.url, "secure": True}
            context.add_cookies([cookie | {"httpOnly": True, "sameSite": "Strict"}])  # type: ignore[list-item]  # a dict
            yield context.new_page()

    def forget_codes(self) -> None:
        """The application's code is taken once: the tests do not wait half a minute for the next one."""
        with self.sallyport.store() as connection:
            connection.execute(text("UPDATE second_factor SET counter = 0 WHERE kind = 'totp'"))

    def rob(self, login: Login, sender: str, *, networks: int, subject: str, name: str = "") -> list[str]:
        """A thief with many addresses sends one message from each; what he heard."""
        context, heard = ssl.create_default_context(cafile=self.sallyport.folder / "cert.pem"), []
        for one in range(networks):
            try:
                with ProxiedClient(self.proxied_port, f"198.51.{one}.7", context) as client:
                    client.login(login.login, login.secret)
                    to = f"victim{one}@victims.example"
                    written = name.replace('"', r"\"")
                    head = f'From: "{written}" <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\n'
                    client.sendmail(sender, [to], f"{head}\r\nCheap! {subject}\r\n")
                    heard.append("250")
            except smtplib.SMTPResponseException as error:
                heard.append(f"{error.smtp_code} {error.smtp_error!r}")
            except smtplib.SMTPException as error:
                heard.append(type(error).__name__)
        return heard


def database_of(sallyport: Sallyport) -> Location:
    """The file, or PostgreSQL's: SALLYPORT_TEST_DATABASE=postgresql runs all of these tests there."""
    url = sallyport.policy_environment.get("POLICY_DATABASE_URL")
    return make_url(url) if url else sallyport.folder / "state" / "sallyport.db"


@contextlib.contextmanager
def browsing(chromium: Browser, **options: object) -> Iterator[BrowserContext]:
    """A browser of somebody new. It fails as soon as a page complains of its own script, or breaks its own policy."""
    context = chromium.new_context(**({"locale": "en-GB", "viewport": {"width": 1100, "height": 900}} | options))  # type: ignore[arg-type]  # as Playwright has them
    context.set_default_timeout(60_000)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    try:
        yield context
        complaints = [one for one in errors if not any(expected in one for expected in _expected(errors))]
        assert not complaints, complaints
    finally:
        context.close()


def _expected(errors: Sequence[str]) -> Sequence[str]:
    """Not the page's are that it was refused (a wrong code), and that a network of this machine came or went."""
    refused, network_changed = "with a status of 4", "net::ERR_NETWORK_CHANGED"
    if any(network_changed in one for one in errors):
        return refused, network_changed, "htmx:sendError", "htmx:afterRequest"
    return (refused,)


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
