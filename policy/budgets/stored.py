"""Budgets in the database: a log of charges with a running total for each counter, and the members of each set.

    stored_sql.py    the questions and changes, in SQL
    stored.py        (you are here) what is asked, and what follows

One row for each charge of a reservation. What a window holds is the newest total less the total before the window's
first charge: a few steps down an index, and no more of them when there are more charges. Everything here runs in a
transaction that began with the write lock (store/transactions.py): question and insert are one step for every process,
and a charge survives a power cut. One question looks at all charges, one statement writes them: each costs a round trip
where the database is elsewhere.

Rows that have left the longest window of their key are deleted as new ones come, so a key's rows are bounded by its
limits. Keys of which nobody speaks any more are swept, a few with each write, and go when they are a month old.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from policy.budgets import stored_sql as sql
from policy.budgets.moments import forgotten, has_room, longest, members_kept, moment
from policy.engine.budget import RESERVATION_LIFE_S, Charge, Distinct, Sum, Take, Taken
from policy.store.statements import Prepared
from policy.store.transactions import Answer, Statements

LONGEST_WINDOW_S = 31 * 86400.0  # of any policy
_ROWS_AT_ONCE = 64
_DELETED_AT_ONCE = 64  # of one key: more than come in, and what a quiet month has left holds nobody up

_Row = TypeVar("_Row")


@dataclass(slots=True)
class _Key:
    """A charge, and its key as it is. `at` is when the charge counts as made."""

    charge: Charge
    key: str  # as the tables have it
    at: float
    newest_at: float
    oldest_at: float
    total: int = 0  # of a counter; of a set, how many members have a row
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    seen: dict[int, float] = field(
        default_factory=dict
    )  # members of the charge that have a row, and when they were seen

    new: int = 0  # members of the charge that have no row

    @property
    def has_room(self) -> bool:
        return has_room(self.charge, self.after)


class StoredBudgets:
    """See policy.budgets.Budgets for what each method promises."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._numbers = itertools.count(1)
        self._swept = {sql.NEXT_COUNTERS: "", sql.NEXT_SETS: ""}  # the last key that was looked at

    def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        number = next(self._numbers)
        keys = self._look(take.charges, now)
        taken = _taken(keys)
        if taken.fits:
            self._put(keys, reservation, is_open=True)
        elif take.otherwise:
            # Under a name of their own: they are no part of the reservation, which may be asked for again.
            others = [one for one in self._look(take.otherwise, now) if one.has_room]
            self._put(others, f"{reservation}/{number}", is_open=False)
        if number % sql.SWEPT_AT_ONCE == 0:
            self._sweep(now)
        return taken

    def peek(self, charges: tuple[Charge, ...], now: float) -> Taken:
        return _taken(self._look(charges, now))

    def commit(self, reservation: str, now: float) -> bool:
        return self.commit_all([reservation], now)[0]

    def commit_all(self, reservations: Sequence[str], now: float) -> list[bool]:
        """The same of many. One that is there twice is open once."""
        if not reservations:
            return []
        asked = {"reservations": json.dumps(reservations), "oldest": now - RESERVATION_LIFE_S}
        were_open = {reservation for (reservation,) in self._run(sql.COMMIT, asked).fetchall()}
        known = []
        for one in reservations:
            known.append(one in were_open)
            were_open.discard(one)
        return known

    def release(self, reservation: str, now: float) -> bool:
        asked = {"reservation": reservation}
        charges = self._run(sql.OPEN, asked).fetchall()
        if not charges or max([at for _, _, at, _ in charges]) < now - RESERVATION_LIFE_S:
            return False
        self._run(sql.TAKE_BACK_CHARGES, asked)
        self._run(sql.TAKE_BACK_MEMBERS, asked)
        for key, cost, at, total in charges:
            # The charges after it: few, because an outcome follows its reservation within seconds.
            self._run(sql.LOWER, {"key": key, "cost": cost, "at": at, "total": total})
        return True

    def _look(self, charges: Sequence[Charge], now: float) -> list[_Key]:
        keys = self._asked(charges, [now] * len(charges))
        moments = [moment(now, one.newest_at) for one in keys]
        if max(moments, default=now) > now:
            return self._asked(charges, moments)
        return keys

    def _asked(self, charges: Sequence[Charge], moments: Sequence[float]) -> list[_Key]:
        if not charges:
            return []
        shape = tuple([(isinstance(charge, Distinct), len(charge.windows)) for charge in charges])
        keys = [_Key(charge, stored_key(charge.key), at, at, at) for charge, at in zip(charges, moments, strict=True)]
        held: dict[int, Sequence[int | None]] = {}
        for place, at, oldest_at, total, *of_windows in self._run(sql.question(shape), _values(keys)).fetchall():
            if oldest_at is not None:
                key = keys[place]
                key.newest_at, key.oldest_at, key.total, held[place] = at, oldest_at, total, of_windows
            elif at is not None:
                keys[place].seen[total] = at  # a member: its mark is where a total would be
        for place, key in enumerate(keys):
            _count(key, held.get(place, ()))
        return keys

    def _put(self, keys: Sequence[_Key], reservation: str, *, is_open: bool) -> None:
        counters = [one for one in keys if isinstance(one.charge, Sum) and one.charge.cost]
        sets = [one for one in keys if isinstance(one.charge, Distinct) and one.charge.members]
        for key in counters:
            self._tidy(key, sql.RESTAMP_CHARGES, sql.FORGET_CHARGES)
        for key in sets:
            self._tidy(key, sql.RESTAMP_MEMBERS, sql.FORGET_MEMBERS)
        if counters:
            values: dict[str, object] = {"reservation": reservation, "open": is_open}
            self._run(sql.insert_charges(len(counters)), values | _numbered(map(_charge_row, counters)))
        # A reservation that took from no counter is none: nothing will be given back.
        who = reservation if is_open and counters else ""
        rows = [row for key in sets for row in _member_rows(key, who)]
        for part in _parts(rows):
            self._run(sql.see_members(len(part)), _numbered(part))
        for key in sets:
            if key.total + key.new > (kept := members_kept(key.charge)):
                self._run(sql.EVICT_MEMBERS, {"key": key.key, "kept": kept})

    def _tidy(self, key: _Key, restamp: Prepared, forget: Prepared) -> None:
        if key.newest_at > key.at:
            self._run(restamp, {"key": key.key, "at": key.at})
        edge = forgotten(key.at, key.oldest_at, longest(key.charge.windows))
        if edge is not None:
            self._run(forget, {"key": key.key, "edge": edge, "most": _DELETED_AT_ONCE})

    def _sweep(self, now: float) -> None:
        """Keys of which nobody speaks any more: some further ones each time, and then again from the first."""
        for step, forget in ((sql.NEXT_COUNTERS, sql.FORGET_CHARGES), (sql.NEXT_SETS, sql.FORGET_MEMBERS)):
            keys = self._run(step, {"after": self._swept[step]}).fetchall()
            self._swept[step] = keys[-1][0] if len(keys) == sql.SWEPT_AT_ONCE else ""
            edge = now - LONGEST_WINDOW_S
            for key, oldest_at in keys:
                if oldest_at <= edge:
                    self._run(forget, {"key": key, "edge": edge, "most": _DELETED_AT_ONCE})

    def _run(self, statement: Prepared, values: Mapping[str, object]) -> Answer:
        return self._statements.execute(statement, values)


def stored_key(key: str) -> str:
    """`recipients:ada` as `ada:recipients`: what one message counts then lies together, on one page for all of it.

    A name may have a colon in it, the budget before the first one has none.
    """
    budget, colon, who = key.partition(":")
    return f"{who}:{budget}" if colon else key


def _taken(keys: Sequence[_Key]) -> Taken:
    fits = all([one.has_room for one in keys])  # noqa: C419 - faster
    return Taken(fits, tuple([one.before for one in keys]), tuple([one.after for one in keys]))


def _values(keys: Sequence[_Key]) -> dict[str, object]:
    """What sql.question asks about. A charge made exactly `seconds` ago has left the window: a span is half open."""
    values: dict[str, object] = {}
    for place, key in enumerate(keys):
        values[f"key{place}"] = key.key
        for number, window in enumerate(key.charge.windows):
            values[f"edge{place}_{number}"] = key.at - window.seconds
        if isinstance(key.charge, Distinct):
            values[f"marks{place}"] = json.dumps(key.charge.members)
    return values


def _count(key: _Key, held: Sequence[int | None]) -> None:
    """`held` is empty where the key has no row; for a counter it is the total before each window, if there is any."""
    charge, windows = key.charge, key.charge.windows
    if isinstance(charge, Sum):
        key.before = tuple([0 if one is None else key.total - one for one in held[: len(windows)]]) or (0,) * len(
            windows
        )
        key.after = tuple([one + charge.cost for one in key.before])
        return
    key.before = tuple([one or 0 for one in held[: len(windows)]]) or (0,) * len(windows)
    seen = [key.seen.get(member) for member in set(charge.members)]
    key.new = seen.count(None)
    edges = [key.at - window.seconds for window in windows]
    new = [sum([at is None or at <= edge for at in seen]) for edge in edges]
    key.after = tuple([one + more for one, more in zip(key.before, new, strict=True)])


def _charge_row(key: _Key) -> dict[str, object]:
    cost = key.charge.cost if isinstance(key.charge, Sum) else 0
    return {"key": key.key, "cost": cost, "at": key.at, "total": key.total + cost}


def _member_rows(key: _Key, reservation: str) -> Iterator[dict[str, object]]:
    """A member that the longest window holds already is nobody's to take out any more."""
    members = key.charge.members if isinstance(key.charge, Distinct) else ()
    edge = key.at - longest(key.charge.windows)
    for member in dict.fromkeys(members):
        is_new = key.seen.get(member, edge) <= edge
        yield {"key": key.key, "mark": member, "at": key.at, "reservation": reservation if is_new else ""}


def _numbered(rows: Iterable[Mapping[str, object]]) -> dict[str, object]:
    return {f"{name}{number}": value for number, row in enumerate(rows) for name, value in row.items()}


def _parts(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    """In powers of two, so that there are few statements for any number of rows."""
    done = 0
    while rest := len(rows) - done:
        size = min(_ROWS_AT_ONCE, 1 << (rest.bit_length() - 1))
        yield rows[done : done + size]
        done += size
