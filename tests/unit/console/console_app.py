"""The console as it runs, but for HTTPS and the clock: real stores on a file, passwords that are cheap to check."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from browser import HOME, ORIGIN, PASSWORD, Browser
from pocket import six_digits
from sqlalchemy import Engine

from policy.console.app import hosts_of, make_app
from policy.console.guard import Guard
from policy.console.parts import Parts, open_parts
from policy.people.desk import COST_FILE
from policy.settings import Settings
from policy.store.audit import Actor
from policy.store.database import open_database
from policy.store.identities import IdentityStore
from policy.store.people import People
from tests.migrated import migrated

T = 1_700_000_000.0  # a moment of the tests
ACTOR = Actor("cli:test", "localhost")


@dataclass
class Console:
    """The application, its stores, and the hands of an administrator."""

    folder: Path
    now: float = T
    changed: dict[str, Any] = field(default_factory=dict)  # settings
    settings: Settings = field(init=False)
    parts: Parts = field(init=False)
    app: Guard = field(init=False)
    store: IdentityStore = field(init=False)
    people: People = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        key = bytes(range(32))
        self.settings = Settings(
            state_dir=self.folder,
            hostname="mail.example.org",
            domains=("example.org",),
            console_url=ORIGIN,
            tls_cert=self.folder / "cert.pem",
            tls_key=self.folder / "key.pem",
            **self.changed,
        )
        self.settings.digest_key_file.write_text(key.hex())
        (self.folder / COST_FILE).write_text(json.dumps({"memory_kib": 64, "passes": 1}))
        self.engine = engine = open_database(migrated(self.folder / "sallyport.db"))
        self.store, self.people = IdentityStore(engine, key, ACTOR), People(engine, key, ACTOR)
        self.parts = open_parts(self.settings, lambda: self.now, lambda: 0.0)
        self.parts.desk.sign_in._pause = _no_pause
        self.app = make_app(self.parts, hosts_of(self.settings))

    def invite(self, name: str, owner: str = "", days: int = 7) -> str:
        """A new person with an address and an invitation; its path."""
        self.store.add_identity(name, (f"{name}@example.org",), self.now, owner=owner)
        return f"/invite/{self.people.invite(name, days, self.now).token}"

    def browser(self, address: str = HOME) -> Browser:
        return Browser(self.app, address)

    async def enrolled(self, name: str, owner: str = "", address: str = HOME) -> Browser:
        """A browser in which a new person has enrolled and is signed in."""
        browser, path = self.browser(address), self.invite(name, owner)
        await browser.get(path)
        await browser.follow(await browser.post(path, password=PASSWORD, again=PASSWORD))
        browser.seed = browser.shown("totp-key")
        done = await browser.post(f"{path}/code", code=six_digits(browser.seed, self.now), label="phone")
        assert done.status_code == 200, done.text
        await browser.get("/devices")
        return browser

    async def add_device(self, browser: Browser, name: str, label: str, **fields: str) -> tuple[str, str]:
        """Login and secret of a new device."""
        await browser.get("/devices/new")
        given = {"scope_submit": "yes", "scope_imap": "yes", "kind": "other"} | fields
        await browser.post("/devices/new", label=label, address=f"{name}@example.org", **given)
        return browser.shown("login"), browser.shown("secret")


async def _no_pause(_: float) -> None:
    """The tarpit for wrong passwords is people's business, and tested there."""
