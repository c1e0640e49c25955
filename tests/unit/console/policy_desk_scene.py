"""An administrator at the policy page, and mail that was recorded before, for tests."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from struct import pack

import httpx
from browser import Browser
from console_app import Console
from sqlalchemy import insert

from policy.people.roles import Role
from policy.rulebook.in_force import InForce
from policy.rulebook.making import tables_of
from policy.rulebook.reading import parse
from policy.rulebook.toml import written
from policy.store.models import Submissions
from policy.store.rulebooks import RulebookRecords
from policy.store.statements import OnConnection

EDIT = "/staff/policy/edit"
SMALL = '[profiles.person]\nrecipients = "2/hour"\n'
_READ = re.compile(r'name="read" value="([0-9a-f]{64})"')
_TYPED = re.compile(r"<textarea[^>]*>\n(.*?)</textarea>", re.DOTALL)


@dataclass
class Desk:
    """What somebody does there."""

    console: Console
    browser: Browser

    @property
    def read(self) -> str:
        """Which file the form was made from."""
        found = _READ.search(self.browser.seen)
        assert found, self.browser.seen
        return found[1]

    @property
    def typed(self) -> str:
        found = _TYPED.search(self.browser.seen)
        assert found, self.browser.seen
        return unescape(found[1])

    async def check(self, text: str, **fields: str) -> httpx.Response:
        await self.browser.get(EDIT)
        given = {"read": self.read} | fields
        return await self.browser.follow(await self.browser.post("/staff/policy/check", text=text, **given))

    async def save(self, text: str) -> httpx.Response:
        return await self.browser.post("/staff/policy/save", text=text, read=self.read)


@contextmanager
def looking(console: Console) -> Iterator[InForce]:
    """What policy does about its file, with its own code: `round` is one look."""

    async def keep(digest: str, content: str) -> None:
        came_into_force(console, content, digest)

    yield InForce(console.settings.policy_file, lambda: None, keep)


def came_into_force(console: Console, text: str, digest: str = "") -> str:
    """As the service writes it down; its digest."""
    rulebook = parse(text, "test")
    with console.engine.begin() as connection:
        content = written(tables_of(rulebook))
        RulebookRecords(OnConnection(connection)).keep(digest or rulebook.digest, content, console.now)
    return rulebook.digest


def recorded(
    console: Console, identity: str, *, messages: int, recipients: int, observed: tuple[str, ...] = ()
) -> None:
    """Accepted mail from home, a message a minute until a moment ago, always to the same people."""
    marks = b"".join(pack(">q", mark) for mark in range(recipients))
    place = ["198.51.100.0/24", "AS64500 DE", "settled", True]
    rows = [
        {
            "id": f"{identity}-{number}", "at": console.now - 60.0 * (messages - number), "session": "s",
            "identity": identity, "login": identity, "listener": "submission", "client_address": "198.51.100.7",
            "client_name": "laptop", "reverse_path": f"{identity}@example.org", "recipients": recipients,
            "message_bytes": 2000, "action": "accept", "reason": "", "outcome": "relayed", "queue_id": "",
            "origin": "AS64500 DE", "known_recipients": recipients, "marks": marks,
            "evidence": json.dumps({"place": place, "observed": list(observed)}, separators=(",", ":")),
        }
        for number in range(messages)
    ]  # fmt: skip
    with console.engine.begin() as connection:
        connection.execute(insert(Submissions), rows)


async def at_the_desk(console: Console, name: str = "root") -> Desk:
    """One more administrator, signed in."""
    browser = await console.enrolled(name)
    console.store.set_role(name, Role.ADMINISTRATOR, console.now)
    return Desk(console, browser)
