"""A day of a small organisation played into a store by the real engine: a dozen people at work, and one theft.

For pictures of the console, and for whoever wants to look at a full one: `python -m tests.a_day FOLDER`.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from policy.assembly import Parts, assemble
from policy.brain import Brain
from policy.contract import (
    Action,
    ConnectFacts,
    LoginStep,
    MessageFacts,
    MessageVerdict,
    Outcome,
    Outcomes,
    RelayOutcome,
    Scan,
    ScanResult,
)
from policy.geo.opened import atlas_at
from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome
from policy.rulebook import shipped
from policy.store.audit import Actor
from policy.store.database import Location, open_database
from policy.store.identities import IdentityStore, NewCredential
from policy.store.reader import open_reader
from policy.store.transactions import open_transactions

DAY_S, HOUR_S = 86400.0, 3600.0
PEOPLE = (
    "Ada Lovelace", "Grace Hopper", "Alan Turing", "Emmy Noether", "Carl Gauss", "Sophie Germain", "Leonhard Euler",
    "Mary Somerville", "Paul Erdös", "Hedy Lamarr", "Katherine Johnson", "Donald Knuth",
)  # fmt: skip
OFFICE = "91.198.174.{}"  # one network, where all of them work
BOTS = ("185.220.101.{}", "45.155.205.{}", "103.251.167.{}", "193.32.162.{}", "80.94.95.{}")
FRIENDS = ("sales", "info", "anna", "peter", "office")
THEFT_BEFORE_S = 3 * HOUR_S

Act = Callable[[], Awaitable[None]]


@dataclass
class Someone:
    """One of the people, with a laptop at work and those whom he writes to."""

    name: str
    credential: NewCredential
    friends: Sequence[str]
    address: str


@dataclass
class Day:
    """Plays. `now` is the clock of everybody."""

    brain: Brain
    luck: random.Random
    now: float
    count: int = 0

    def __post_init__(self) -> None:
        self.brain = replace(self.brain, clock=lambda: self.now)

    async def work(self, one: Someone, at: float) -> None:
        """A login at the office, and a message to some who are known, and now and then somebody new."""
        self.now, recipients = at, self.luck.sample(list(one.friends), self.luck.randint(1, 4))
        if self.luck.random() < 0.2:
            recipients.append(f"new{self.luck.randrange(10**6)}@customer.example.com")
        await self.send(one, recipients, one.address, f"laptop-{one.name}.office.example.org")

    async def guess(self, address: str) -> None:
        await self._log_in("info", "password1", address, "ylmf-pc")

    async def steal(self, one: Someone, address: str) -> None:
        recipients = [f"victim{self.luck.randrange(10**9)}@example.com" for _ in range(5)]
        await self.send(one, recipients, address, "WIN-7FGH2K")

    async def send(self, one: Someone, recipients: Sequence[str], address: str, client: str) -> None:
        self.count += 1
        credential = await self._log_in(one.credential.login, one.credential.secret, address, client)
        if credential is None:
            return
        submission = f"{self.count:08x}{self.luck.getrandbits(80):020x}"
        facts = MessageFacts(
            submission=submission,
            session=f"s{self.count}",
            listener="submissions",
            client_address=address,
            client_name=client,
            credential=credential,
            reverse_path=f"{one.name}@example.org",
            recipients=tuple(recipients),
            authors=(f"{one.name}@example.org",),
            senders=(),
            names=(),
            message_bytes=self.luck.randint(2_000, 400_000),
            scan=Scan(result=ScanResult.CLEAN, score=round(self.luck.uniform(-0.5, 2.5), 1)),
        )
        verdict = await self.brain.judge(facts)
        if verdict.reservation:
            await self._relayed(submission, verdict, recipients)

    async def _log_in(self, login: str, secret: str, address: str, client: str) -> int | None:
        """The credential; None where nobody was let in."""
        self.count += 1
        await self.brain.connect(ConnectFacts(listener="submissions", client_address=address))
        step = LoginStep(
            session=f"s{self.count}",
            exchange=f"e{self.count}",
            client_address=address,
            listener="submissions",
            mechanism="PLAIN",
            responses=(f"\0{login}\0{secret}".encode(),),
            client_name=client,
        )
        answer = await self.brain.login(step)
        return answer.grants.credential if answer.grants else None

    async def _relayed(self, submission: str, verdict: MessageVerdict, recipients: Sequence[str]) -> None:
        outcome = Outcome(
            reservation=verdict.reservation,
            outcome=RelayOutcome.RELAYED,
            queue_id=f"4d{self.count:010d}",
            held_queue_id=f"4h{self.count:010d}" if verdict.held else "",
        )
        await self.brain.end(Outcomes(outcomes=(outcome,)))
        if verdict.action is Action.ACCEPT:
            gone = [one for place, one in enumerate(recipients) if place not in verdict.held]
            told = tuple(self._delivery(submission, one) for one in gone)
            await self.brain.deliver(Deliveries(deliveries=told))

    def _delivery(self, submission: str, recipient: str) -> Delivery:
        is_unknown = self.luck.random() < 0.005
        outcome = DeliveryOutcome.UNKNOWN_RECIPIENT if is_unknown else DeliveryOutcome.DELIVERED
        return Delivery(submission=submission, recipient=recipient, outcome=outcome, relay="mx.example.net")


def play_a_day(where: Location, key: bytes, now: float, seed: int = 1) -> None:
    """The people come with it; the store has a schema and nobody of these names. It ends at `now`."""
    asyncio.run(_play(where, key, now, random.Random(seed)))  # noqa: S311 - nothing secret comes of it


async def _play(where: Location, key: bytes, now: float, luck: random.Random) -> None:
    engine, reader, transactions = open_database(where), open_reader(where), open_transactions(where)
    store = IdentityStore(engine, key, Actor("cli:setup", "localhost"))
    people = [_someone(store, full, now - 40 * DAY_S, luck) for full in PEOPLE]
    parts = Parts(
        reader=reader,
        transactions=transactions,
        key=key,
        rulebook=shipped,
        atlas=atlas_at("", ""),
        clock=lambda: now,
        domains=("example.org",),
        patience_s=0,
    )
    day = Day(assemble(parts), luck, now)
    for since in range(9, 1, -1):  # a week in which the office becomes home, and friends are known
        for one in people:
            await day.work(one, now - since * DAY_S)
    for at, act in sorted(_acts(day, people, now), key=lambda one: one[0]):
        day.now = at
        await act()
    await day.brain.close()
    engine.dispose()


def _acts(day: Day, people: Sequence[Someone], now: float) -> Iterator[tuple[float, Act]]:
    """When and what: work by day and a little at night, guesses all the time, and the theft."""
    luck = day.luck
    for one in people:
        for _ in range(luck.randint(10, 25)):
            at = now - luck.triangular(0, DAY_S, 0.3 * DAY_S)
            yield at, partial(day.work, one, at)
    for _ in range(60):
        yield now - luck.uniform(0, DAY_S), partial(day.guess, luck.choice(BOTS).format(luck.randint(1, 254)))
    began = now - THEFT_BEFORE_S
    for number in range(40):
        yield began + 9 * number, partial(day.steal, people[0], luck.choice(BOTS).format(luck.randint(1, 254)))


def _someone(store: IdentityStore, full: str, now: float, luck: random.Random) -> Someone:
    first, last = full.lower().replace("ö", "oe").split()
    store.add_identity(first, (f"{first}@example.org", f"{first}.{last}@example.org"), now, owner=full)
    credential = store.add_credential(first, "laptop", now)
    store.add_credential(first, "telephone", now + HOUR_S)
    friends = [f"{luck.choice(FRIENDS)}{number}@partner{number % 9}.example.net" for number in range(30)]
    return Someone(first, credential, friends, OFFICE.format(luck.randint(2, 250)))


if __name__ == "__main__":
    from policy.opening import digest_key
    from policy.settings import Settings

    settings = Settings(state_dir=Path(sys.argv[1]))
    play_a_day(settings.state_dir / "sallyport.db", digest_key(settings), time.time())
