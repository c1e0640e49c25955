"""People of the staff, and somebody whose device was stolen: for the tests of pages about incidents and held mail."""

from dataclasses import dataclass

from browser import Browser
from console_app import Console
from pocket import six_digits
from stolen import Thief

from policy.containment.looks import LookDesk
from policy.engine.ladder import Step
from policy.people.roles import Role
from policy.store.identities import IdentityStore
from policy.store.looks import LookNotes
from policy.store.reader import open_reader
from policy.store.transactions import open_transactions
from policy.store.writer import Writer
from tests.unit.policy.queue_of_test import QueueOfTest

XSS = "\"><script>alert(1)</script>'&{{7*7}}"


@dataclass
class Staged:
    """An incident of eve's is open: one message went out, three are on hold, and she is locked."""

    console: Console
    thief: Thief
    held: list[str]

    @property
    def store(self) -> IdentityStore:
        return self.console.store

    def state(self, queue_id: str) -> str:
        return self.store.held_message(queue_id).state


def stage(console: Console, name: str = "eve", label: str = "laptop") -> Staged:
    console.store.add_identity(name, (f"{name}@example.org",), console.now)
    login = console.store.add_credential(name, label, console.now).login
    thief = Thief(console.engine, name, login, console.now)
    thief.hand_in("accept")
    held = [thief.hand_in("hold") for _ in range(3)]
    thief.raise_signal(Step.LOCK)
    return Staged(console, thief, held)


async def staff(console: Console, name: str, role: Role) -> Browser:
    """Somebody who is signed in, in this role; his second factor is fresh."""
    browser = await console.enrolled(name)
    if role is not Role.OWNER:
        console.store.set_role(name, role, console.now)
    return browser


async def confirmed(console: Console, browser: Browser) -> None:
    """His second factor once more, with the next code."""
    await browser.get("/confirm?back=/account")
    await browser.follow(
        await browser.post("/confirm/code", back="/account", code=six_digits(browser.seed, console.now))
    )


async def answered(console: Console, queue: QueueOfTest | None) -> None:
    """What policy does beside it: one round over the looks."""
    where = console.folder / "sallyport.db"
    reader, transactions = open_reader(where), open_transactions(where)
    writer = Writer(transactions, 0)
    notes = LookNotes(transactions, bytes(range(32)))
    try:
        desk = LookDesk(reader=reader, notes=notes, writer=writer, queue=queue, clock=lambda: console.now)
        await desk.round()
    finally:
        await writer.close()
        await reader.close()
