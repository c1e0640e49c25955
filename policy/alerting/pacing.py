"""Which notices of a channel become a message now, which wait, and which go together. Pure.

The first of a conversation goes at once, the next ones in growing intervals; one that is graver than all before it goes
at once. A channel has so many messages an hour, and what is more goes together in one, or waits. What is graver than
all of the hour does not wait, or whoever can cause a small notice would keep an owner from hearing of a great one; and
by mail nothing waits for the hour's end, or twenty stolen logins would hide what comes after them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from policy.alerting.kinds import ABOUT, Kind, Severity
from service.spans import HOUR_S

# After so many messages of a conversation within a day the next one waits so long.
GAPS_S = (0.0, 300.0, 900.0, 1800.0, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a channel is used. Urgent notices have as many messages again."""

    per_hour: int
    gaps_s: Sequence[float] = GAPS_S
    is_joined: bool  # what is more than that goes in one message; a program gets each alone
    joined_after_s: float = HOUR_S  # and so long after the last message, also where the hour has no more of them
    retries_count: bool  # whether what is tried again is part of `per_hour`


BY_MAIL = Pace(per_hour=12, is_joined=True, joined_after_s=900.0, retries_count=True)
TO_OWNER = Pace(per_hour=1, gaps_s=(0.0,), is_joined=True, retries_count=True)
TO_PROGRAM = Pace(per_hour=60, is_joined=False, retries_count=False)


class Waiting(NamedTuple):
    """A notice that has not been taken yet."""

    id: int
    thread: str
    kind: Kind
    due_at: float
    tries: int
    claimed_until: float

    @property
    def severity(self) -> Severity:
        return ABOUT[self.kind].severity


class Sent(NamedTuple):
    """A notice that was taken within the last day. Those of one message were so at the same moment."""

    thread: str
    kind: Kind
    at: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The messages of now, each by its notices, the most pressing first; and whose turn comes when."""

    messages: tuple[tuple[int, ...], ...] = ()
    turns: Mapping[int, float] = field(default_factory=dict)


def plan(waiting: Sequence[Waiting], sent: Sequence[Sent], pace: Pace, now: float) -> Plan:
    """What is to be done about the notices of one channel, given in the order of their numbers."""
    turns: dict[int, float] = {}
    busy: dict[str, float] = {}  # one after the other: what is older goes first
    free, wanted = list[Waiting](), list[Waiting]()
    of_thread = defaultdict[str, list[Sent]](list)
    for gone in sent:
        of_thread[gone.thread].append(gone)
    for one in waiting:
        if one.thread in busy:
            if one.due_at <= now < busy[one.thread]:
                turns[one.id] = busy[one.thread]
            continue
        busy[one.thread] = until = max(one.claimed_until, one.due_at, now)
        if until > now:
            continue
        if one.kind is Kind.TEST or (one.tries and not pace.retries_count):
            free.append(one)
        elif not one.tries and (turn := _turn_of(one, of_thread[one.thread], pace)) > now:
            turns[one.id] = busy[one.thread] = turn
        else:
            wanted.append(one)
    under_way = 1 if any(one.claimed_until > now for one in waiting) else 0
    messages, left = _within_the_hour(wanted, sent, pace, now, under_way)
    if left:
        moments = {at for at in _moments(sent) if at > now - HOUR_S} | ({now} if messages or under_way else set())
        again = min(min(moments, default=now) + HOUR_S, max(moments, default=now) + pace.joined_after_s)
        turns |= {one.id: again for one in left}
    return Plan((*((one.id,) for one in free), *messages), turns)


def _turn_of(one: Waiting, before: Sequence[Sent], pace: Pace) -> float:
    """From when on a notice may be the next message of its conversation, of which those are gone."""
    if not before or one.severity > max(ABOUT[other.kind].severity for other in before):
        return 0.0
    moments = _moments(before)
    return max(moments) + pace.gaps_s[min(len(moments), len(pace.gaps_s) - 1)]


def _within_the_hour(
    wanted: Sequence[Waiting], sent: Sequence[Sent], pace: Pace, now: float, under_way: int
) -> tuple[list[tuple[int, ...]], list[Waiting]]:
    """The messages that there is room for, and what has to wait."""
    lately = [one for one in sent if one.at > now - HOUR_S]
    used, gravest = under_way + len(_moments(lately)), max((ABOUT[one.kind].severity for one in lately), default=None)
    is_long_ago = not under_way and all(one.at <= now - pace.joined_after_s for one in lately)
    messages, left = list[tuple[int, ...]](), list[Waiting]()
    in_order = sorted(wanted, key=lambda one: (-one.severity, one.id))
    for is_urgent, group in groupby(in_order, key=lambda one: one.severity is Severity.URGENT):
        some = list(group)
        room = max(pace.per_hour * (2 if is_urgent else 1) - used - len(messages), 0)
        if not room and not messages and gravest is not None and (is_long_ago or some[0].severity > gravest):
            room = 1
        if len(some) <= room:
            messages += [(one.id,) for one in some]
        elif room and pace.is_joined:
            messages += [(one.id,) for one in some[: room - 1]]
            messages.append(tuple(sorted(one.id for one in some[room - 1 :])))
        else:
            messages += [(one.id,) for one in some[:room]]
            left += some[room:]
    return messages, left


def _moments(sent: Iterable[Sent]) -> set[float]:
    return set(map(attrgetter("at"), sent))
