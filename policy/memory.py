"""What policy remembers, in one place: what is asked of the store, and what is written into it.

Each part is a module of policy/store/; logins, messages and deliveries share them.
"""

from dataclasses import dataclass
from typing import Self

from policy.store.areas import AreaBook, Areas
from policy.store.days import DayBook, Days
from policy.store.directory import Directory
from policy.store.fates import FateBook
from policy.store.habits import HabitBook, Habits
from policy.store.held import HeldNotes
from policy.store.incident_notes import IncidentNotes
from policy.store.measures import MeasureNotes
from policy.store.reached import ReachedBook
from policy.store.reader import Reader
from policy.store.recipients import KnownRecipients, RecipientBook
from policy.store.records import Records
from policy.store.standings import StandingBook, Standings
from policy.store.transactions import Statements
from policy.store.uses import Uses


@dataclass(frozen=True, slots=True)
class Recall:
    """What is asked. `reader` is its owner's to close."""

    reader: Reader
    directory: Directory
    areas: Areas
    standings: Standings
    days: Days
    recipients: KnownRecipients
    habits: Habits

    @classmethod
    def of(cls, reader: Reader, directory: Directory) -> Self:
        return cls(
            reader,
            directory,
            Areas(reader),
            Standings(reader),
            Days(reader),
            KnownRecipients(reader),
            Habits(reader),
        )


@dataclass(frozen=True, slots=True)
class Notes:
    """What is written, within a writer's transactions."""

    records: Records
    areas: AreaBook
    standings: StandingBook
    days: DayBook
    recipients: RecipientBook
    habits: HabitBook
    uses: Uses
    incidents: IncidentNotes
    held: HeldNotes
    measures: MeasureNotes
    reached: ReachedBook
    fates: FateBook

    @classmethod
    def on(cls, statements: Statements, submissions_kept_s: float) -> Self:
        return cls(
            Records(statements, submissions_kept_s),
            AreaBook(statements),
            StandingBook(statements),
            DayBook(statements),
            RecipientBook(statements),
            HabitBook(statements),
            Uses(statements),
            IncidentNotes(statements),
            HeldNotes(statements),
            MeasureNotes(statements),
            ReachedBook(statements),
            FateBook(statements, submissions_kept_s),
        )
