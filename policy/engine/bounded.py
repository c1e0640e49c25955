"""Memory that strangers can fill, and that has a bound all the same.

    Recent   how many distinct things were seen lately: a few numbers, however many there were
    Table    entries by key, with a number of them that is never exceeded: the least guilty one makes room

Pure: `now` comes in, and must not go backwards.
"""

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Recent:
    """The newest distinct marks and when each was seen last.

    With the newest `limit` of them one can tell exactly how many any span until now has seen, up to `limit`: what was
    dropped is older than all that is kept.
    """

    __slots__ = ("_marks", "_moments")

    def __init__(self) -> None:
        self._marks = array("Q")
        self._moments = array("d")

    def add(self, mark: int, now: float, limit: int) -> None:
        """See `mark` (64 bits) once more."""
        if mark in self._marks:
            self._drop(self._marks.index(mark))
        elif len(self._marks) == limit:
            self._drop(0)
        self._marks.append(mark)
        self._moments.append(now)

    def since(self, edge: float) -> int:
        """How many distinct ones were seen after `edge`."""
        return len(self._moments) - bisect_right(self._moments, edge)

    def _drop(self, place: int) -> None:
        del self._marks[place], self._moments[place]


class Entry(Protocol):
    """What a Table keeps; it writes down here where the entry stands."""

    level: int
    put_at: float


Kept = TypeVar("Kept", bound=Entry)


class Table(Generic[Kept]):
    """Entries on levels of guilt, each level in the order in which they were put there.

    An entry is forgotten when it has stood on its level for the level's lifetime (seconds). `limit` is None where
    something else bounds the number of keys.
    """

    def __init__(self, lifetimes: Sequence[float], limit: int | None) -> None:
        self._lifetimes = tuple(lifetimes)
        self._limit = limit
        self._entries: dict[int, Kept] = {}
        self._levels: tuple[OrderedDict[int, None], ...] = tuple(OrderedDict() for _ in lifetimes)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: int, now: float) -> Kept | None:
        """The entry of `key`, if it is not forgotten yet."""
        entry = self._entries.get(key)
        return entry if entry and entry.put_at + self._lifetimes[entry.level] > now else None

    def put(self, key: int, entry: Kept, level: int, now: float) -> None:
        """Keep `entry`, new or from elsewhere, at the end of `level`."""
        self._remove(key)
        entry.level, entry.put_at = level, now
        self._entries[key] = entry
        self._levels[level][key] = None

    def forget(self, now: float) -> None:
        """Drop what has stood for its lifetime."""
        for level, lifetime in zip(self._levels, self._lifetimes, strict=True):
            while level and self._entries[key := next(iter(level))].put_at + lifetime <= now:
                self._remove(key)

    def drop(self, key: int) -> None:
        """Forget one before its time."""
        self._remove(key)

    def is_full(self) -> bool:
        return self._limit is not None and len(self._entries) >= self._limit

    def drop_least_guilty(self, levels: range) -> bool:
        """Drop the oldest entry of the lowest of `levels` that has one; False where none has."""
        for level in levels:
            if self._levels[level]:
                self._remove(next(iter(self._levels[level])))
                return True
        return False

    def oldest(self, level: int) -> Kept | None:
        """The entry that has stood longest on a level."""
        return self._entries[next(iter(self._levels[level]))] if self._levels[level] else None

    def _remove(self, key: int) -> None:
        entry = self._entries.pop(key, None)
        if entry:
            del self._levels[entry.level][key]
