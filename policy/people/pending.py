"""Steps of people that are not finished yet, in memory: between password and second factor, between link and account.

A restart forgets them, and the person begins that page again. Nobody gets here without a right password or a link, and
there are never more than `limit`: the oldest goes first.
"""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Pending(Generic[Value]):
    """Values by key, each for `lifetime_s`. Pages are served by many threads."""

    def __init__(self, lifetime_s: float, limit: int = 1000) -> None:
        self._lifetime_s = lifetime_s
        self._limit = limit
        self._kept: OrderedDict[str, tuple[float, Value]] = OrderedDict()  # the oldest first
        self._one_at_a_time = Lock()

    def put(self, key: str, value: Value, now: float) -> None:
        """In place of what the key had; its time begins anew."""
        with self._one_at_a_time:
            self._put(key, value, now)

    def put_first(self, key: str, value: Value, now: float) -> bool:
        """Unless the key has something already: of two that come at the same time one is the first."""
        with self._one_at_a_time:
            if self._kept.get(key, (now, None))[0] > now:
                return False
            self._put(key, value, now)
            return True

    def get(self, key: str, now: float) -> Value | None:
        with self._one_at_a_time:
            ends_at, value = self._kept.get(key, (now, None))
            return value if ends_at > now else None

    def take(self, key: str, now: float) -> Value | None:
        """The same, once: of two that ask at the same time one gets it."""
        with self._one_at_a_time:
            ends_at, value = self._kept.pop(key, (now, None))
            return value if ends_at > now else None

    def __len__(self) -> int:
        return len(self._kept)

    def _put(self, key: str, value: Value, now: float) -> None:
        self._kept.pop(key, None)
        self._drop_ended(now)
        if len(self._kept) >= self._limit:
            self._kept.popitem(last=False)
        self._kept[key] = (now + self._lifetime_s, value)

    def _drop_ended(self, now: float) -> None:
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            self._kept.popitem(last=False)
