"""Puts policy together: what the services are made of, once at the start. `__main__.py` and the tests ask for it.

reader, transactions   the store
brain.py               what comes of it
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from policy.alerts import Alerts
from policy.brain import Beside, Brain
from policy.bridges.opened import Bridges
from policy.budgets.stored import StoredBudgets
from policy.connects import Connects
from policy.engine.guessing import Walls
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Network
from policy.entrances import Entrances
from policy.feedback import Feedback
from policy.foreign import ForeignSecrets
from policy.fronts import Fronts, Wanted
from policy.geo.atlas import Atlas
from policy.judge import Judge, Notes, Recall
from policy.ledger import Ledger, RemoteCounts, RemoteLedger, StoredLedger
from policy.logins import Logins, Tell
from policy.marks import Marks
from policy.pickup import Pickup
from policy.proofs import Prover
from policy.settings import DAY_S
from policy.store.areas import AreaBook, Areas
from policy.store.days import DayBook, Days
from policy.store.directory import Directory
from policy.store.exemptions import Exempt
from policy.store.habits import HabitBook, Habits
from policy.store.reader import Reader
from policy.store.recipients import KnownRecipients, RecipientBook
from policy.store.records import Records
from policy.store.revocations import Feed
from policy.store.standings import StandingBook, Standings
from policy.store.transactions import Transactions
from policy.store.traps import TrapRecords, Traps
from policy.store.uses import Uses
from policy.store.visited import Visited
from policy.store.writer import Writer
from policy.telling import Teller


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is there before. `rulebook` gives the policy in force, `key` is the digest key."""

    reader: Reader
    transactions: Transactions
    key: bytes
    rulebook: Callable[[], Rulebook]
    atlas: Atlas
    alerts: Alerts
    clock: Callable[[], float]
    domains: Sequence[str]
    unwalled: tuple[Network, ...] = ()
    bridges: Bridges = field(default_factory=Bridges)
    pickup: Callable[[Feed], Pickup | None] = lambda _feed: None
    beside: Sequence[Beside] = ()
    fronts: Wanted = field(default_factory=Wanted)  # who else is served
    counts: RemoteCounts | None = None  # where budgets are elsewhere
    walls_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    submissions_kept_s: float = 30 * DAY_S
    patience_s: float = 0.1  # of the writer
    tell: Tell | None = None  # in place of the alerts


def assemble(parts: Parts) -> Brain:
    """All of policy but its HTTP."""
    reader, transactions = parts.reader, parts.transactions
    writer = Writer(transactions, parts.patience_s)
    directory, feed = Directory(reader, parts.key), Feed(reader)
    tell = parts.tell or parts.alerts.tell
    teller, ledger = Teller(tell), _ledger(parts, writer)
    recall = Recall(
        directory=directory,
        areas=Areas(reader),
        standings=Standings(reader),
        days=Days(reader),
        recipients=KnownRecipients(reader),
    )
    notes = Notes(
        records=Records(transactions, parts.submissions_kept_s),
        areas=AreaBook(transactions),
        standings=StandingBook(transactions),
        days=DayBook(transactions),
        recipients=RecipientBook(transactions),
        uses=Uses(transactions),
    )
    walls = Walls(parts.walls_key)
    connects = Connects(
        atlas=parts.atlas,
        rulebook=parts.rulebook,
        walls=walls,
        unwalled=parts.unwalled,
        exempt=Exempt(reader),
        visited=Visited(reader),
    )
    entrances = Entrances(
        connects=connects,
        areas=recall.areas,
        habits=Habits(reader),
        standings=recall.standings,
        area_book=notes.areas,
        habit_book=HabitBook(transactions),
        standing_book=notes.standings,
        rulebook=parts.rulebook,
        ledger=ledger,
        writer=writer,
        teller=teller,
    )
    logins = Logins(
        prover=Prover(directory=directory, bridges=parts.bridges, foreign=ForeignSecrets()),
        walls=walls,
        traps=Traps(reader),
        trap_records=TrapRecords(transactions),
        uses=notes.uses,
        entrances=entrances,
        writer=writer,
        unwalled=parts.unwalled,
        tell=tell,
    )
    marks = Marks(parts.key)
    judging = Judge(
        recall=recall,
        notes=notes,
        connects=connects,
        marks=marks,
        rulebook=parts.rulebook,
        ledger=ledger,
        domains=frozenset(parts.domains),
        teller=teller,
        writer=writer,
    )
    feedback = Feedback(
        reader=reader,
        directory=directory,
        standings=recall.standings,
        days=recall.days,
        records=notes.records,
        standing_book=notes.standings,
        day_book=notes.days,
        marks=marks,
        rulebook=parts.rulebook,
        ledger=ledger,
        teller=teller,
    )
    fronts = Fronts(
        reader=reader,
        transactions=transactions,
        writer=writer,
        walls=walls,
        unwalled=parts.unwalled,
        connects=connects,
        entrances=entrances,
        judge=judging,
        clock=parts.clock,
    )
    return Brain(
        directory=directory,
        connects=connects,
        logins=logins,
        judging=judging,
        feedback=feedback,
        alerts=parts.alerts,
        feed=feed,
        beside=(*([pickup] if (pickup := parts.pickup(feed)) else []), *parts.beside, *fronts.servers(parts.fronts)),
        desk=fronts.desk(),
        ledger=ledger,
        writer=writer,
        clock=parts.clock,
    )


def _ledger(parts: Parts, writer: Writer) -> Ledger:
    if parts.counts:
        return RemoteLedger(parts.counts, writer)
    return StoredLedger(StoredBudgets(parts.transactions), writer)
