"""The console with two owners, one of whom was robbed, and two of the staff: for tests of every route."""

import functools
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from browser import HOME, Browser
from console_app import Console
from every_route import NETWORK, Fields, Things
from page_scan import faults_of
from sqlalchemy import MetaData, Table, select
from stolen import Thief

from policy.engine.ladder import Step
from policy.people.roles import Role
from policy.store.audit import Actor
from policy.store.console_sessions import Sessions, Visitor
from policy.store.database import open_database
from policy.store.models import ConsoleSessions, Identities, SecondFactors
from tests.migrated import migrated

SITE = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
ISSUER = {"console_oidc_issuer": "https://login.example.org", "console_oidc_client_id": "console"}

HEADERS: dict[str, Callable[[str], bool]] = {
    "content-security-policy": lambda value: (
        {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self'"}
        <= set(value.split("; "))
        and "unsafe" not in value
    ),
    "strict-transport-security": lambda value: int(value.removeprefix("max-age=")) >= 31536000,
    "x-content-type-options": lambda value: value == "nosniff",
    "x-frame-options": lambda value: value == "DENY",
    "cross-origin-opener-policy": lambda value: value == "same-origin",
    "cross-origin-resource-policy": lambda value: value == "same-origin",
    "referrer-policy": lambda value: value == "no-referrer",
    "permissions-policy": lambda value: "camera=()" in value,
}


@dataclass
class World:
    """Ada and bob, owners; bob's device was stolen. `desk` is a help desk, `chief` an administrator."""

    console: Console
    ada: Browser
    bob: Browser
    desk: Browser
    chief: Browser
    stranger: Browser
    his: Things

    @property
    def tables(self) -> list[Table]:
        return _tables()

    async def ask(self, browser: Browser, one: str, fields: Fields | None = None, **headers: str) -> httpx.Response:
        """A route with what is bob's in its path and its fields."""
        method, path = self.his.put_into(one).split()
        given = {name: self.his.put_into(value) for name, value in (fields or {}).items()}
        data = given if method == "POST" else None
        answer = await browser.client.request(method, path, data=data, headers=SITE | headers)
        headers_are_good(answer, is_kept=False)
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert not faults_of(answer.text), (one, faults_of(answer.text))
        return answer

    def rows(self, of: str = "", *, without: tuple[str, ...] = ("console_session",)) -> dict[str, list[str]]:
        """All rows of all tables, or those that are one identity's."""
        found = dict[str, list[str]]()
        with self.console.engine.connect() as connection:
            number = connection.scalar(select(Identities.id).where(Identities.name == of))
            for table in self.tables:
                wanted = select(table)
                if of and "identity_id" in table.c:
                    wanted = wanted.where(table.c.identity_id == number)
                elif of and "identity" in table.c:
                    wanted = wanted.where(table.c.identity == of)
                elif of and table.name == "identity":
                    wanted = wanted.where(table.c.name == of)
                elif of or table.name in without:
                    continue
                found[table.name] = sorted(str(tuple(row)) for row in connection.execute(wanted))
        return found


@functools.cache
def _tables() -> list[Table]:
    """All that there are in the file, which is the same at the beginning of every test; to read them takes a while."""
    metadata = MetaData()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(migrated(Path(folder, "sallyport.db")))
        metadata.reflect(engine)
        engine.dispose()
    return metadata.sorted_tables


def headers_are_good(answer: httpx.Response, *, is_kept: bool) -> None:
    where = f"{answer.request.method} {answer.request.url}: {answer.status_code}"
    for name, is_good in HEADERS.items():
        assert is_good(answer.headers.get(name, "")), f"{where}: {name}"
    assert answer.headers["cache-control"] == ("no-cache" if is_kept else "no-store"), where
    assert "server" not in answer.headers, where
    for cookie in answer.headers.get_list("set-cookie"):
        assert cookie.startswith("__Host-"), where
        for part in ("Secure", "HttpOnly", "Path=/", "SameSite=strict"):
            assert part in cookie.split("; "), (where, part)


@asynccontextmanager
async def made_world(folder: Path) -> AsyncIterator[World]:
    """All of them are signed in."""
    console = Console(folder, changed=ISSUER)
    async with AsyncExitStack() as open_browsers:
        made = [await console.enrolled(name, owner) for name, owner in (("ada", "Ada"), ("bob", "Bob Bobsson"))]
        made += [staff(console, "desk", Role.HELP_DESK), staff(console, "chief", Role.ADMINISTRATOR)]
        made.append(console.browser("203.0.113.77"))
        browsers = [await open_browsers.enter_async_context(one) for one in made]
        yield World(console, *browsers, his=await stolen_from(console, browsers[1]))
    await console.parts.desk.close()


def staff(console: Console, name: str, role: Role) -> Browser:
    """A browser of somebody's with a role who has shown a second factor just now."""
    console.store.add_identity(name, (f"{name}@example.org",), console.now, role=role)
    person, browser = console.people.find(name), console.browser()
    assert person
    sessions = Sessions(console.engine, bytes(range(32)))
    opened = sessions.open_vouched(person.id, Visitor(HOME, "tests"), console.now, console.now)
    assert opened
    browser.client.cookies.set("__Host-sallyport-session", opened.cookie, domain="mail.example.org")
    return browser


async def stolen_from(console: Console, bob: Browser) -> Things:
    login, _ = await console.add_device(bob, "bob", "bobs laptop")
    await console.add_device(bob, "bob", "bobs other laptop")
    thief = Thief(console.engine, "bob", login, console.now, client_name="bobs mail program")
    message = thief.hand_in("hold")
    thief.raise_signal(Step.LOCK)
    bobs = console.parts.stores(Actor("console:bob", HOME))
    console.store.confirm_network("bob", NETWORK, console.now)
    look = bobs.ask_look(message, console.now, with_text=True)
    with console.engine.connect() as connection:
        number = connection.scalars(select(Identities.id).where(Identities.name == "bob")).one()
        session = connection.scalars(select(ConsoleSessions.id).where(ConsoleSessions.identity_id == number)).one()
        its = select(SecondFactors.id).where(SecondFactors.identity_id == number, SecondFactors.kind == "totp")
        factor = connection.scalars(its).one()
    submission = f"bob-{console.now:.0f}-1"
    return Things("bob", login, "1", message, submission, str(session), str(factor), str(look))


async def with_token(world: World, browser: Browser, fields: Fields) -> Fields:
    """As a form of a page of ours, which this browser has just loaded."""
    await browser.get("/devices")
    if not browser.token:
        await browser.get("/sign-in")
    return {"token": browser.token, **fields}
