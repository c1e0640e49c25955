"""What the tests of alerts share: a courier on real databases, a clock, carriers that keep what they get."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from policy.alerting.courier import Courier, Means
from policy.alerting.pacing import BY_MAIL, Pace
from policy.alerting.parcels import Carrier, Parcel
from policy.store.database import Location
from policy.store.notice_desk import NoticeDesk
from policy.store.notices import NoticeBook
from policy.store.reader import Reader, open_reader
from policy.store.transactions import Transactions, open_transactions
from policy.store.writer import Writer

NOON = 1_764_000_000.0  # Mon, 24 Nov 2025 16:00:00 UTC


@dataclass
class Carried:
    """A carrier that keeps what it gets. Whatever is in `refusals` is raised first."""

    pace: Pace = BY_MAIL
    parcels: list[Parcel] = field(default_factory=list)
    refusals: list[BaseException] = field(default_factory=list)
    gate: asyncio.Event | None = None  # nothing is taken before it is set

    async def carry(self, parcel: Parcel) -> None:
        if self.gate:
            await self.gate.wait()
        if self.refusals:
            raise self.refusals.pop(0)
        self.parcels.append(parcel)

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def subjects(self) -> list[str]:
        return [one.newest.subject for one in self.parcels]


@dataclass
class Post:
    """One process that sends: its courier, on connections of its own."""

    now: float
    transactions: Transactions
    reader: Reader
    writer: Writer
    courier: Courier
    book: NoticeBook

    async def at(self, now: float) -> None:
        """Set the clock, and send all that can be sent then."""
        self.now = now
        await self.courier.round()
        await self.courier.idle()


@asynccontextmanager
async def post(where: Location, carriers: Mapping[str, Carrier], now: float = NOON) -> AsyncIterator[Post]:
    """A sender that does nothing by itself."""
    transactions, reader = open_transactions(where), open_reader(where)
    writer = Writer(transactions, patience_s=0)

    def clock() -> float:
        """Never twice the same, as a real one: messages are told apart by when they were sent."""
        made.now += 1e-6
        return made.now

    means = Means(
        reader=reader,
        writer=writer,
        desk=NoticeDesk(transactions),
        carriers=carriers,
        clock=clock,
        jitter=lambda: 0.5,
    )
    made = Post(now, transactions, reader, writer, Courier(means), NoticeBook(transactions))
    try:
        yield made
    finally:
        await made.courier.close()
        await writer.close()
        await reader.close()
