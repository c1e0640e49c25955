"""Puts policy together: what the services are made of, once at the start. `__main__.py` and the tests ask for it.

reader, transactions   the store
brain.py               what comes of it
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from policy.alerting.heard import Heard
from policy.alerting.nearly_spent import NearlySpent
from policy.brain import Beside, Brain
from policy.bridges.opened import Bridges
from policy.budgets.stored import StoredBudgets
from policy.complaints.desk import ComplaintDesk
from policy.condition import Condition
from policy.connects import Connects
from policy.containment.looks import LookDesk
from policy.containment.queue_client import QueueOrders
from policy.containment.worker import Containment
from policy.counting import Counting
from policy.cutting import Cutting
from policy.engine.guessing import Walls
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Network
from policy.entrances import Entrances
from policy.feedback import Feedback
from policy.foreign import ForeignSecrets
from policy.fronts import Fronts, Wanted
from policy.geo.atlas import Atlas
from policy.judge import Judge
from policy.ledger import Ledger, RemoteCounts, RemoteLedger, StoredLedger
from policy.logins import Logins
from policy.marks import Marks
from policy.memory import Notes, Recall
from policy.pickup import Pickup
from policy.pickup_sessions import PickupSessions
from policy.profiles import Profiles
from policy.proofs import Prover
from policy.store.complaints import ComplaintNotes
from policy.store.directory import Directory
from policy.store.exemptions import Exempt
from policy.store.health_reports import HealthNotes
from policy.store.looks import LookNotes
from policy.store.migrating import REVISION_FOUND, newest_revision
from policy.store.notices import NoticeBook
from policy.store.reader import Reader
from policy.store.revocations import Feed
from policy.store.tallies import TallyNotes
from policy.store.transactions import Transactions
from policy.store.traps import TrapRecords, Traps
from policy.store.visited import Visited
from policy.store.walls import KeptWalls, WallNotes
from policy.store.writer import Writer
from policy.tally import Tally
from policy.telling import Teller
from policy.walling import Walling
from service.spans import DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is there before. `rulebook` gives the policy in force, `key` is the digest key."""

    reader: Reader
    transactions: Transactions
    key: bytes = field(repr=False)
    rulebook: Callable[[], Rulebook]
    atlas: Atlas
    clock: Callable[[], float]
    domains: Sequence[str]
    unwalled: tuple[Network, ...] = ()
    bridges: Bridges = field(default_factory=Bridges)
    pickup: Callable[[Feed], Pickup | None] = lambda _feed: None
    pickup_sessions: PickupSessions | None = None
    beside: Sequence[Beside] = ()
    complaints: Callable[[ComplaintNotes, Writer], Sequence[Beside]] = lambda _notes, _writer: ()
    queue: QueueOrders | None = None  # where somebody is at the next hop's queue
    fronts: Wanted = field(default_factory=Wanted)  # who else is served
    counts: RemoteCounts | None = None  # where budgets are elsewhere
    walls_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    submissions_kept_s: float = 30 * DAY_S
    client_addresses_kept_s: float = 30 * DAY_S
    patience_s: float = 0.1  # of the writer
    alerting: Callable[[Writer, Heard], Sequence[Beside]] = lambda _writer, _heard: ()
    policy_file_fault: Callable[[], int] = lambda: 0
    reporting: Callable[[Writer, HealthNotes, Condition], Sequence[Beside]] = lambda _writer, _notes, _condition: ()


def assemble(parts: Parts) -> Brain:
    """All of policy but its HTTP."""
    reader, transactions = parts.reader, parts.transactions
    writer, directory, feed = Writer(transactions, parts.patience_s), Directory(reader, parts.key), Feed(reader)
    notices, heard, walls, tally = NoticeBook(transactions), Heard(), Walls(parts.walls_key), Tally()
    connects = _connects(parts, walls, tally)
    shared: _Shared = {
        "recall": Recall.of(reader, directory),
        "notes": Notes.on(transactions, parts.submissions_kept_s),
        "rulebook": parts.rulebook,
        "ledger": _ledger(parts, writer),
        "teller": Teller(notices, tally),
    }
    entrances = Entrances(connects=connects, writer=writer, **shared)
    walling = _walling(parts, walls, writer)
    logins = _logins(parts, shared, directory, entrances, writer, walling)
    marks = Marks(parts.key)
    judging = _judge(parts, shared, connects, marks, writer)
    fronts = Fronts(
        reader=reader,
        transactions=transactions,
        writer=writer,
        walling=walling,
        unwalled=parts.unwalled,
        connects=connects,
        entrances=entrances,
        judge=judging,
        tally=tally,
        clock=parts.clock,
    )
    pickup = parts.pickup(feed)
    containment = (*_containment(parts, shared, writer), *_complaints(parts, shared, marks, writer))
    alerting = parts.alerting(writer, heard)
    beside = (*([pickup] if pickup else []), *containment, *alerting, *parts.beside, *fronts.servers(parts.fronts))
    health_notes, condition = HealthNotes(transactions), _condition(parts, directory, logins)
    reporting = parts.reporting(writer, health_notes, condition)
    counting = Counting(tally=tally, notes=TallyNotes(transactions), writer=writer, clock=parts.clock)
    return Brain(
        directory=directory,
        connects=connects,
        logins=logins,
        judging=judging,
        feedback=Feedback(marks=marks, tally=tally, **shared),
        heard=heard,
        feed=feed,
        tally=tally,
        condition=condition,
        health_notes=health_notes,
        beside=(*beside, *reporting, _cutting(parts, writer), counting, walling),
        desk=fronts.desk(),
        ledger=shared["ledger"],
        writer=writer,
        reader=reader,
        clock=parts.clock,
    )


class _Shared(TypedDict):
    """What logins, messages and deliveries have in common."""

    recall: Recall
    notes: Notes
    rulebook: Callable[[], Rulebook]
    ledger: Ledger
    teller: Teller


def _walling(parts: Parts, walls: Walls, writer: Writer) -> Walling:
    """The walls that connections meet and logins stand before."""
    return Walling(
        walls=walls,
        kept=KeptWalls(parts.reader),
        notes=WallNotes(parts.transactions),
        writer=writer,
        unwalled=parts.unwalled,
        clock=parts.clock,
    )


def _logins(
    parts: Parts, shared: _Shared, directory: Directory, entrances: Entrances, writer: Writer, walling: Walling
) -> Logins:
    return Logins(
        prover=Prover(directory=directory, bridges=parts.bridges, foreign=ForeignSecrets()),
        walling=walling,
        traps=Traps(parts.reader),
        trap_records=TrapRecords(parts.transactions),
        uses=shared["notes"].uses,
        entrances=entrances,
        writer=writer,
        unwalled=parts.unwalled,
        notices=shared["teller"].notices,
        tally=shared["teller"].tally,
        pickup_sessions=parts.pickup_sessions,
    )


def _containment(parts: Parts, shared: _Shared, writer: Writer) -> Sequence[Beside]:
    """Nobody at the queue: what is to be done there waits, and whoever wants to look at held mail is told so."""
    looks = LookDesk(
        reader=parts.reader,
        notes=LookNotes(parts.transactions, parts.key),
        writer=writer,
        queue=parts.queue,
        clock=parts.clock,
    )
    if not parts.queue:
        return (looks,)
    return (
        looks,
        Containment(
            recall=shared["recall"],
            notes=shared["notes"],
            writer=writer,
            queue=parts.queue,
            rulebook=parts.rulebook,
            clock=parts.clock,
        ),
    )


def _complaints(parts: Parts, shared: _Shared, marks: Marks, writer: Writer) -> Sequence[Beside]:
    """Weighed wherever they come from; read where there is a mailbox for them."""
    notes = ComplaintNotes(parts.transactions, marks)
    return (
        ComplaintDesk(complaints=notes, writer=writer, clock=parts.clock, **shared),
        *parts.complaints(notes, writer),
    )


def _cutting(parts: Parts, writer: Writer) -> Cutting:
    return Cutting(
        reader=parts.reader,
        statements=parts.transactions,
        writer=writer,
        kept_s=parts.client_addresses_kept_s,
        clock=parts.clock,
    )


def _condition(parts: Parts, directory: Directory, logins: Logins) -> Condition:
    """The store answers where an identity can be asked for, and the walls of before are remembered."""
    counts = parts.counts

    async def ask_store() -> None:
        await directory.mailbox("administrator")
        await logins.walling.remember(parts.clock())

    async def ask_schema() -> str:
        ((found,),) = await parts.reader.rows(REVISION_FOUND, {})
        return str(found)

    async def ask_budgets() -> None:
        if counts:
            await counts.peek((), parts.clock())

    return Condition(
        ask_store=ask_store,
        ask_budgets=ask_budgets if counts else None,
        policy_file_fault=parts.policy_file_fault,
        atlas=parts.atlas,
        ask_schema=ask_schema,
        schema=newest_revision(),
    )


def _connects(parts: Parts, walls: Walls, tally: Tally) -> Connects:
    return Connects(
        atlas=parts.atlas,
        rulebook=parts.rulebook,
        walls=walls,
        unwalled=parts.unwalled,
        exempt=Exempt(parts.reader),
        visited=Visited(parts.reader),
        tally=tally,
    )


def _judge(parts: Parts, shared: _Shared, connects: Connects, marks: Marks, writer: Writer) -> Judge:
    """A message is read within the transactions where they answer at once and have the counts, too."""
    profiles = Profiles(
        recall=shared["recall"],
        connects=connects,
        marks=marks,
        rulebook=parts.rulebook,
        domains=frozenset(parts.domains),
    )
    inside = None if parts.counts else parts.transactions.reader
    within = (
        replace(profiles, recall=Recall.of(inside, Directory(inside, parts.key)), version=parts.transactions.version)
        if inside
        else None
    )
    return Judge(
        profiles=profiles,
        within=within,
        notes=shared["notes"],
        ledger=shared["ledger"],
        teller=shared["teller"],
        nearly_spent=NearlySpent(shared["teller"].notices),
        writer=writer,
    )


def _ledger(parts: Parts, writer: Writer) -> Ledger:
    if parts.counts:
        return RemoteLedger(parts.counts, writer)
    return StoredLedger(StoredBudgets(parts.transactions), writer)
