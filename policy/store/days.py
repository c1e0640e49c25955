"""What an identity did on each day (UTC): its own past, against which a day is out of the ordinary.

Of the past only home counts (Place.is_elsewhere), or whoever goes up slowly would never stand out.
"""

from dataclasses import dataclass

from policy.engine.places import day_of
from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.transactions import Statements

BASELINE_DAYS = 30
_KEPT_DAYS = 400
_FORGOTTEN_EVERY, _DELETED_AT_ONCE = 32, 64  # whoever's turn it is: an identity has one row for each of its days

_NEW = prepared("SELECT day, new_recipients, new_elsewhere FROM day WHERE identity_id = :identity AND day >= :first")
_TODAY = prepared("SELECT unknown_recipients, recipients FROM day WHERE identity_id = :identity AND day = :day")
_ADD = prepared(
    "INSERT INTO day (identity_id, day, messages, recipients, new_recipients, new_elsewhere, held, refused,"
    " unknown_recipients) VALUES (:identity, :day, :messages, :recipients, :new, :elsewhere, :held, :refused, :unknown)"
    " ON CONFLICT (identity_id, day) DO UPDATE SET messages = day.messages + :messages,"
    " recipients = day.recipients + :recipients, new_recipients = day.new_recipients + :new,"
    " new_elsewhere = day.new_elsewhere + :elsewhere, held = day.held + :held, refused = day.refused + :refused,"
    " unknown_recipients = day.unknown_recipients + :unknown"
)
_FORGET = prepared(
    "DELETE FROM day WHERE identity_id = :identity AND day IN"
    " (SELECT day FROM day WHERE identity_id = :identity AND day < :edge ORDER BY day LIMIT :most)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What is added to a day; less than nothing where a message failed that had been accepted."""

    messages: int = 0
    recipients: int = 0
    new: int = 0
    elsewhere: int = 0  # of these
    held: int = 0
    refused: int = 0
    unknown: int = 0


class Days:
    """Asks; `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def baseline(self, identity: int, now: float) -> tuple[float, int]:
        """New recipients a day at home, the mean of the days before today on which there is a past; all of today."""
        today = day_of(now)
        rows = await self._reader.rows(_NEW, {"identity": identity, "first": today - BASELINE_DAYS})
        past = {day: new - elsewhere for day, new, elsewhere in rows if day < today}
        usual = sum(past.values()) / (today - min(past)) if past else 0.0
        return usual, next((new for day, new, _ in rows if day == today), 0)

    async def deliveries(self, identity: int, now: float) -> tuple[int, int]:
        """Unknown recipients and all recipients of today."""
        rows = await self._reader.rows(_TODAY, {"identity": identity, "day": day_of(now)})
        return (rows[0][0], rows[0][1]) if rows else (0, 0)


class DayBook:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._added = 0

    def add(self, identity: int, done: Done, now: float) -> None:
        day = day_of(now)
        self._statements.execute(
            _ADD,
            {
                "identity": identity,
                "day": day,
                "messages": done.messages,
                "recipients": done.recipients,
                "new": done.new,
                "elsewhere": done.elsewhere,
                "held": done.held,
                "refused": done.refused,
                "unknown": done.unknown,
            },
        )
        self._added += 1
        if self._added % _FORGOTTEN_EVERY == 0:
            self._statements.execute(
                _FORGET, {"identity": identity, "edge": day - _KEPT_DAYS, "most": _DELETED_AT_ONCE}
            )
