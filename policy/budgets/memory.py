"""Budgets in this process alone, for simulation and replay: exact, fast, and gone with the process.

    MemoryBudgets   what is asked of all of them
    _Counter        the charges on one key, with a running total
    _Members        one set, and when each member was seen last

What a window holds is the newest total less the total before the window's first charge: two steps, however many charges
lie between. What has left the longest window of its key is dropped as new charges come; and each key that is new looks
after two others, so that keys of which nobody speaks any more go, too.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias, TypeVar

from policy.budgets.moments import forgotten, has_room, longest, members_kept, moment
from policy.engine.budget import RESERVATION_LIFE_S, Charge, Distinct, Sum, Take, Taken, Window

_IDLE_S = (
    24 * 3600.0
)  # a key is kept so long beyond its longest window: a clock that was ahead once forgets no other key
_COMPACTED = 64  # dropped charges at the head of a counter that are worth a copy

Counts: TypeAlias = tuple[int, ...]
Book = TypeVar("Book", "_Counter", "_Members")


class _Counter:
    """Parallel lists; what is before `first` was dropped. A charge is known by its number, which never changes."""

    __slots__ = ("ats", "base", "first", "gone", "longest", "totals", "windows")

    def __init__(self) -> None:
        self.ats: list[float] = []
        self.totals: list[int] = []  # each charge included
        self.base = 0  # the total before the first one
        self.first = 0
        self.gone = 0  # how many were there before these lists begin
        self.windows: tuple[Window, ...] = ()
        self.longest = 0.0

    def look(self, charge: Sum, now: float) -> tuple[Counts, Counts]:
        """What each window holds without this charge, and with it."""
        ats, totals, first, cost = self.ats, self.totals, self.first, charge.cost
        if len(ats) == first:
            return (0,) * len(charge.windows), (cost,) * len(charge.windows)
        at = now if ats[-1] <= now else moment(now, ats[-1])
        newest, oldest_at = totals[-1], ats[first]
        all_held = newest - self.base
        before = []
        for window in charge.windows:
            edge = at - window.seconds
            # Exactly `seconds` ago has left the window: any span of `seconds` is half open.
            before.append(all_held if oldest_at > edge else newest - totals[bisect_right(ats, edge, first) - 1])
        return tuple(before), tuple([held + cost for held in before])

    def put(self, charge: Sum, now: float) -> tuple[float, int]:
        """When it counts as made, and its number."""
        ats, at = self.ats, now
        if charge.windows is not self.windows:
            self.windows, self.longest = charge.windows, max(self.longest, longest(charge.windows))
        if len(ats) > self.first:
            if ats[-1] > now:
                at = self._moment(now)
            edge = forgotten(at, ats[self.first], self.longest)
            if edge is not None:
                self._forget(edge)
        totals = self.totals
        totals.append((totals[-1] if totals else self.base) + charge.cost)
        ats.append(at)
        return at, self.gone + len(ats) - 1

    def holds(self, number: int) -> bool:
        return number - self.gone >= self.first

    def take_back(self, number: int, cost: int) -> None:
        """The charge keeps its place and costs nothing."""
        if self.holds(number):
            # The charges after it: few, because an outcome follows its reservation within seconds.
            for place in range(number - self.gone, len(self.totals)):
                self.totals[place] -= cost
            self._trim()

    def is_over(self, now: float) -> bool:
        return len(self.ats) == self.first or self.ats[-1] <= now - self.longest - _IDLE_S

    def _moment(self, now: float) -> float:
        at = moment(now, self.ats[-1])
        early = bisect_right(self.ats, at, self.first)
        self.ats[early:] = [at] * (len(self.ats) - early)
        return at

    def _forget(self, edge: float) -> None:
        self.first = bisect_right(self.ats, edge, self.first)
        self.base = self.totals[self.first - 1]
        self._trim()

    def _trim(self) -> None:
        """Charges that were taken back are not the oldest and not the newest."""
        while len(self.totals) > self.first and self.totals[self.first] == self.base:
            self.first += 1
        while len(self.totals) > self.first + 1 and self.totals[-1] == self.totals[-2]:
            del self.totals[-1], self.ats[-1]
        if self.first >= _COMPACTED and self.first * 2 >= len(self.ats):
            del self.ats[: self.first], self.totals[: self.first]
            self.gone += self.first
            self.first = 0


class _Members:
    """`seen` is in the order of its times, and `ats` are these times. `brought`: by which reservation."""

    __slots__ = ("ats", "brought", "kept", "longest", "seen", "windows")

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}
        self.ats: list[float] = []
        self.brought: dict[int, str] = {}
        self.windows: tuple[Window, ...] = ()
        self.longest, self.kept = 0.0, 0

    def look(self, charge: Distinct, now: float) -> tuple[Counts, Counts]:
        """The same as for a counter."""
        ats = self.ats
        if not ats:
            return (0,) * len(charge.windows), (len(set(charge.members)),) * len(charge.windows)
        at = moment(now, ats[-1])
        seen = [self.seen.get(member) for member in set(charge.members)]
        before, after = [], []
        for window in charge.windows:
            edge = at - window.seconds
            held = len(ats) - bisect_right(ats, edge)
            before.append(held)
            after.append(held + sum([one is None or one <= edge for one in seen]))
        return tuple(before), tuple(after)

    def put(self, charge: Distinct, now: float, reservation: str) -> tuple[float, Counts]:
        """When they count as seen, and which of them this reservation brought. `reservation` is empty for good."""
        at = now
        if self.ats and self.ats[-1] > now:
            at = self._moment(now)
        if charge.windows is not self.windows:
            self.windows, self.longest = charge.windows, max(self.longest, longest(charge.windows))
            self.kept = members_kept(charge)
        edge = at - self.longest
        if self.ats and forgotten(at, self.ats[0], self.longest) is not None:
            self._drop(list(islice(self.seen, bisect_right(self.ats, edge))))
        brought = tuple(
            [member for member in dict.fromkeys(charge.members) if self._see(member, at, edge, reservation)]
        )
        if (excess := len(self.seen) - self.kept) > 0:
            self._drop(sorted(self.seen, key=lambda member: (self.seen[member], member))[:excess])
        return at, brought

    def take_back(self, members: Counts, reservation: str) -> None:
        for member in members:
            if self.brought.get(member) == reservation:
                del self.ats[bisect_left(self.ats, self.seen.pop(member))]
                del self.brought[member]

    def is_over(self, now: float) -> bool:
        return not self.ats or self.ats[-1] <= now - self.longest - _IDLE_S

    def _see(self, member: int, at: float, edge: float, reservation: str) -> bool:
        """Whether the reservation brought it. What another one saw, too, stays when the first is released."""
        before = self.seen.pop(member, None)
        self.seen[member] = at
        self.ats.append(at)
        if before is not None:
            del self.ats[bisect_left(self.ats, before)]
        is_new = before is None or before <= edge
        if is_new and reservation:
            self.brought[member] = reservation
            return True
        if self.brought:
            self.brought.pop(member, None)
        return False

    def _moment(self, now: float) -> float:
        at = moment(now, self.ats[-1])
        early = bisect_right(self.ats, at)
        for member in list(islice(reversed(self.seen), len(self.ats) - early)):
            self.seen[member] = at
        self.ats[early:] = [at] * (len(self.ats) - early)
        return at

    def _drop(self, oldest: list[int]) -> None:
        for member in oldest:
            del self.seen[member]
            self.brought.pop(member, None)
        del self.ats[: len(oldest)]


@dataclass(slots=True)
class _Open:
    """What a reservation took, and when."""

    at: float
    counted: list[tuple[_Counter, int, int]] = field(default_factory=list)  # its number and its cost
    brought: list[tuple[_Members, Counts]] = field(default_factory=list)


class MemoryBudgets:
    """See policy.budgets.Budgets for what each method promises."""

    def __init__(self) -> None:
        self._counters: dict[str, _Counter] = {}
        self._sets: dict[str, _Members] = {}
        self._rounds: deque[tuple[dict[str, _Counter] | dict[str, _Members], str]] = deque()  # every key, once
        self._open: dict[str, _Open] = {}
        self._opened: deque[tuple[float, str]] = deque()  # in the order in which they were made

    def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        taken = self.peek(take.charges, now)
        if taken.fits:
            self._take(reservation, take.charges, now)
        else:
            for charge in take.otherwise:
                if self.peek((charge,), now).fits:
                    self._put(charge, now, "", _Open(now))
        return taken

    def commit(self, reservation: str, now: float) -> bool:
        return self._end(reservation, now) is not None

    def release(self, reservation: str, now: float) -> bool:
        if not (ended := self._end(reservation, now)):
            return False
        for counter, number, cost in ended.counted:
            counter.take_back(number, cost)
        for members, brought in ended.brought:
            members.take_back(brought, reservation)
        return True

    def peek(self, charges: tuple[Charge, ...], now: float) -> Taken:
        fits, all_before, all_after = True, [], []
        for charge in charges:
            if isinstance(charge, Sum):
                before, after = self._counters.get(charge.key, _NO_CHARGES).look(charge, now)
            else:
                before, after = self._sets.get(charge.key, _NO_MEMBERS).look(charge, now)
            all_before.append(before)
            all_after.append(after)
            fits = fits and has_room(charge, after)
        return Taken(fits, tuple(all_before), tuple(all_after))

    def _take(self, reservation: str, charges: Iterable[Charge], now: float) -> None:
        """A reservation that takes from no counter is none: nothing will be given back."""
        self._forget_open(now)
        opened = _Open(now)
        for charge in charges:
            self._put(charge, now, reservation, opened)
        if opened.counted:
            self._open[reservation] = opened
            self._opened.append((opened.at, reservation))

    def _put(self, charge: Charge, now: float, reservation: str, opened: _Open) -> None:
        if isinstance(charge, Sum):
            if charge.cost:
                counter = self._counters.get(charge.key) or self._new(self._counters, charge.key, _Counter(), now)
                at, number = counter.put(charge, now)
                opened.counted.append((counter, number, charge.cost))
                opened.at = max(opened.at, at)
        elif charge.members:
            members = self._sets.get(charge.key) or self._new(self._sets, charge.key, _Members(), now)
            at, brought = members.put(charge, now, reservation)
            if brought:
                opened.brought.append((members, brought))
                opened.at = max(opened.at, at)

    def _new(self, home: dict[str, Book], key: str, book: Book, now: float) -> Book:
        """Each new key looks after two others, so there are never many that nobody needs."""
        for _ in range(min(2, len(self._rounds))):
            its_home, other = self._rounds.popleft()
            if its_home[other].is_over(now):
                del its_home[other]
            else:
                self._rounds.append((its_home, other))
        home[key] = book
        self._rounds.append((home, key))
        return book

    def _end(self, reservation: str, now: float) -> _Open | None:
        """One of whose charges nothing is left has left every window."""
        found = self._open.pop(reservation, None)
        if not found or now - found.at > RESERVATION_LIFE_S:
            return None
        return found if any(counter.holds(number) for counter, number, _ in found.counted) else None

    def _forget_open(self, now: float) -> None:
        """Two for each that is made. One from a future that was none is forgotten as well."""
        for _ in range(2):
            if self._opened and abs(now - self._opened[0][0]) > RESERVATION_LIFE_S:
                self._open.pop(self._opened.popleft()[1], None)


_NO_CHARGES, _NO_MEMBERS = _Counter(), _Members()
