"""Recipient history for commands: learnt from the past in batches, looked at, forgotten. The hot path is recipients.py.

A batch is one transaction, so that messages wait for a fraction of a second at most. What was learnt stays if the next
batch fails, and to learn it once more changes nothing.
"""

import json
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, Engine, delete, func, select

from policy.marks import Marks
from policy.store.audit import Values
from policy.store.changes import Changes, identity_id
from policy.store.listing import PAGE
from policy.store.models import Identities, KnownRecipients
from policy.store.recipients import FORGET, KEPT_DAYS, LOOKED_AT, day_of, oldest_day
from policy.store.statements import Prepared, prepared
from service.spans import DAY_S

Pair = tuple[int, int]  # an identity's row and a mark

_FORGOTTEN_AT_ONCE = 20_000

_THERE = Prepared(
    sqlite=(
        "SELECT known.identity_id, known.mark FROM json_each(:pairs) AS pair CROSS JOIN known_recipient AS known"
        " WHERE known.identity_id = json_extract(pair.value, '$[0]')"
        " AND known.mark = json_extract(pair.value, '$[1]') AND known.last_used_day >= :oldest"
    ),
    postgresql=(
        "SELECT known.identity_id, known.mark FROM json_array_elements(CAST(%(pairs)s AS json)) AS pair"
        " JOIN known_recipient AS known ON known.identity_id = CAST(pair ->> 0 AS integer)"
        " AND known.mark = CAST(pair ->> 1 AS bigint) WHERE known.last_used_day >= %(oldest)s"
    ),
)
_LEARN = prepared(
    "INSERT INTO known_recipient (identity_id, mark, last_used_day) VALUES (:identity, :mark, :day)"
    " ON CONFLICT (identity_id, mark) DO UPDATE SET last_used_day = excluded.last_used_day"
    " WHERE known_recipient.last_used_day < excluded.last_used_day"
)


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """How many recipients an identity knows, and when it had to do with one of them last."""

    identity: str
    known: int
    newest_at: float | None  # the beginning of that day


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an identity knows a recipient. Both moments are the beginnings of days."""

    identity: str
    address: str
    is_known: bool
    last_used_at: float | None
    forgotten_at: float | None  # unless it is used again


class RecipientHistory(Changes):
    """All of it, for one actor."""

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def marks(self) -> Marks:
        return Marks(self._key)

    def there(self, pairs: Collection[Pair], now: float) -> set[Pair]:
        """Those that are known already."""
        with self._reading.connect() as connection:
            asked = {"pairs": json.dumps(list(pairs)), "oldest": oldest_day(now)}
            return {(identity, mark) for identity, mark in _run(connection, _THERE, asked)}

    def learn(self, days: Mapping[Pair, int], now: float, begun: tuple[str, Values] | None = None) -> None:
        """Each pair was used on its day. With `begun` the audit log gets that this has begun: on what, from what."""
        if not days:
            return
        rows = [{"identity": identity, "mark": mark, "day": day} for (identity, mark), day in sorted(days.items())]
        start = random.choice(rows)  # noqa: S311 - any will do: what is too old behind it goes
        look = {"identity": start["identity"], "mark": start["mark"], "most": LOOKED_AT * len(rows)}
        with self._engine.begin() as connection:
            _run(connection, _LEARN, rows)
            _run(connection, FORGET, look | {"oldest": oldest_day(now)})
            if begun:
                self._record(connection, now, "learning-begun", begun[0], {}, begun[1])

    def end(self, subject: str, told: Values, now: float) -> None:
        """The audit log gets what came of it."""
        with self._engine.begin() as connection:
            self._record(connection, now, "learning-ended", subject, {}, told)

    def forget(self, name: str, since: float | None, now: float) -> int:
        """How many an identity has forgotten: those that were used since a day, or all."""
        with self._reading.connect() as connection:
            number = identity_id(connection, name)
        row = KnownRecipients
        wanted = [row.identity_id == number, row.last_used_day >= (0 if since is None else day_of(since))]
        forgotten = 0
        while marks := self._marks(wanted):
            these = [*wanted, row.mark >= marks[0], row.mark <= marks[-1]]
            with self._engine.begin() as connection:
                done = connection.execute(delete(row).where(*these)).rowcount
                self._record(connection, now, "recipients-forgotten", name, {"recipients": done, "since_at": since}, {})
            forgotten += done
            wanted = [*wanted[:2], row.mark > marks[-1]]
        return forgotten

    def acquaintances(self, now: float, *, after: str = "", limit: int = PAGE) -> list[Acquaintance]:
        """Of each identity, by name; the page after the name `after`."""
        identities = select(Identities.id, Identities.name).where(Identities.name > after)
        page = identities.order_by(Identities.name).limit(limit).subquery()
        row = KnownRecipients
        question = (
            select(page.c.name, func.count(row.mark), func.max(row.last_used_day))
            .outerjoin(row, (row.identity_id == page.c.id) & (row.last_used_day >= oldest_day(now)))
            .group_by(page.c.name)
            .order_by(page.c.name)
        )
        with self._reading.connect() as connection:
            return [Acquaintance(name, known, _start(newest)) for name, known, newest in connection.execute(question)]

    def acquaintance(self, name: str, now: float) -> Acquaintance:
        """Of one identity."""
        row = KnownRecipients
        with self._reading.connect() as connection:
            these = (row.identity_id == identity_id(connection, name), row.last_used_day >= oldest_day(now))
            question = select(func.count(), func.max(row.last_used_day)).where(*these)
            known, newest = connection.execute(question).one()
        return Acquaintance(name, known, _start(newest))

    def ask(self, name: str, address: str, now: float) -> Answer:
        """Whether the identity knows the address, in any spelling."""
        row = KnownRecipients
        with self._reading.connect() as connection:
            number = identity_id(connection, name)
            this = (row.identity_id == number, row.mark == self.marks.recipient(address))
            day = connection.scalar(select(row.last_used_day).where(*this, row.last_used_day >= oldest_day(now)))
        last_used_at, forgotten_at = _start(day), None if day is None else _start(day + KEPT_DAYS + 1)
        return Answer(name, address, day is not None, last_used_at, forgotten_at)

    def _marks(self, wanted: Sequence[ColumnElement[bool]]) -> Sequence[int]:
        question = select(KnownRecipients.mark).where(*wanted).order_by(KnownRecipients.mark).limit(_FORGOTTEN_AT_ONCE)
        with self._reading.connect() as connection:
            return connection.scalars(question).all()


def _start(day: int | None) -> float | None:
    return None if day is None else float(day * DAY_S)


def _run(
    connection: Connection, statement: Prepared, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> CursorResult[*tuple[Any, ...]]:
    words = statement.sqlite if connection.dialect.name == "sqlite" else statement.postgresql
    return connection.exec_driver_sql(words, values)
