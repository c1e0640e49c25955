"""What is carried by a channel: one notice, or several that go together."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from policy.alerting.kinds import ABOUT, About, Kind, Severity
from policy.alerting.pacing import Pace
from service.sentence import Sentence


def number_of(row: int, at: float) -> str:
    """What a notice is called wherever it goes: the same whenever it is sent.

    With its time: a store that was made anew begins with 1 again.
    """
    return f"notice-{row}-{round(at * 1000)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A row of the store. `count` is how many happenings it stands for; the words are those of the last."""

    id: int
    at: float
    kind: Kind
    thread: str
    subject: str
    lines: tuple[str, ...]
    facts: Mapping[str, Any]
    count: int
    tries: int  # with this one

    @property
    def about(self) -> About:
        return ABOUT[self.kind]

    @property
    def number(self) -> str:
        """What it is called wherever it goes."""
        return number_of(self.id, self.at)

    @property
    def moment(self) -> str:
        """ISO 8601, UTC."""
        return datetime.datetime.fromtimestamp(self.at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """At least one notice, the newest last. `root` is the number of the first of the conversation, if not this one."""

    channel: str
    notices: tuple[Notice, ...]
    root: str = ""

    @property
    def newest(self) -> Notice:
        return self.notices[-1]

    @property
    def gravest(self) -> Severity:
        return max(one.about.severity for one in self.notices)

    @property
    def count(self) -> int:
        return sum(one.count for one in self.notices)


class NotTaken(Exception):
    """A channel does not take it; str(self) says why, and holds nothing of what the other side wrote.

    `is_final`: it never will. `is_expected`: nobody has made it a channel, and the log need not say so each time.
    """

    def __init__(
        self, problem: str, *, retry_after_s: float = 0.0, is_final: bool = False, is_expected: bool = False
    ) -> None:
        super().__init__(problem)
        self.sentence = problem if isinstance(problem, Sentence) else Sentence(problem)
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        self.is_expected = is_expected


class Carrier(Protocol):
    """One way to somebody."""

    @property
    def pace(self) -> Pace:
        """How often it is used."""

    async def carry(self, parcel: Parcel) -> None:
        """Returns when it was taken; NotTaken, OSError or TimeoutError where it was not."""

    async def close(self) -> None:
        """Nothing more is carried."""
