"""Notices on their way: claimed for a while by whoever sends them, then sent, tried again, or given up.

A claim ends by itself, so that what somebody was sending when he died is sent by somebody else: at least once. Several
processes share the work, because a claim is made in a transaction and only one writes at a time.
"""

import json
from collections.abc import Iterable, Sequence

from policy.alerting.kinds import Kind
from policy.alerting.pacing import Pace, Sent, Waiting, plan
from policy.alerting.parcels import Notice, Parcel, number_of
from policy.alerting.undelivered import Undelivered
from policy.store.notices import CHANNEL_KEPT_S
from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.transactions import Statements
from service.sentence import packed
from service.spans import DAY_S

CLAIMED_S = 120.0  # longer than any channel takes for one message
KEPT_S = 90 * DAY_S  # what was sent can be read, and sent again, for so long
_AT_ONCE = 1000
_PROBLEM_LIMIT = 200

_DUE_CHANNELS = prepared(
    "SELECT DISTINCT channel FROM notice"
    " WHERE sent_at IS NULL AND given_up_at IS NULL AND due_at <= :now AND claimed_until <= :now"
)
_WAITING = prepared(
    "SELECT id, thread, kind, due_at, tries, claimed_until FROM notice"  # noqa: S608 - a number
    " WHERE sent_at IS NULL AND given_up_at IS NULL AND channel = :channel"
    f" ORDER BY id LIMIT {_AT_ONCE}"
)
_SENT = prepared("SELECT thread, kind, sent_at FROM notice WHERE channel = :channel AND sent_at > :since")
_CLAIM = prepared(
    "UPDATE notice SET claimed_until = :until, tries = tries + 1 WHERE id = :id"
    " RETURNING id, at, kind, thread, subject, content, count, tries"
)
_TURN = prepared("UPDATE notice SET due_at = :due WHERE id = :id")
_FIRST = prepared(
    "SELECT id, at FROM notice WHERE thread = :thread AND channel = :channel AND at >= :since ORDER BY id LIMIT 1"
)
_NOTE_SENT = prepared("UPDATE notice SET sent_at = :now, claimed_until = 0, problem = '' WHERE id = :id")
_NOTE_FAILED = prepared(
    "UPDATE notice SET claimed_until = 0, problem = :problem, due_at = :due, given_up_at = :given_up WHERE id = :id"
)
_GIVE_UP = prepared(
    "UPDATE notice SET given_up_at = :now, problem = :problem"
    " WHERE sent_at IS NULL AND given_up_at IS NULL AND due_at < :edge AND claimed_until < :edge"
)
_FORGET = prepared(
    "DELETE FROM notice WHERE at < :edge AND (sent_at IS NOT NULL OR given_up_at IS NOT NULL)"
    " AND id NOT IN (SELECT MAX(id) FROM notice GROUP BY thread, channel)"
)
_PRESENT = prepared(
    "INSERT INTO presence (name, at) VALUES (:name, :now)"
    " ON CONFLICT (name) DO UPDATE SET at = :now WHERE presence.at < :now"
)
_PRESENT_AT = prepared("SELECT at FROM presence WHERE name = :name")


class NoticeDesk:
    """Runs in the transactions of whoever has `statements`."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def claim(self, channel: str, pace: Pace, now: float) -> Parcel | None:
        """The next message of a channel, which is nobody else's for CLAIMED_S; None where there is none now."""
        planned = plan(self._waiting(channel), self._sent(channel, now), pace, now)
        for number, turn in planned.turns.items():
            self._statements.execute(_TURN, {"id": number, "due": turn})
        if not planned.messages:
            return None
        notices = tuple(self._claimed(number, now) for number in planned.messages[0])
        return Parcel(channel=channel, notices=notices, root=self._root(channel, notices))

    def note_sent(self, notices: Iterable[int], now: float) -> None:
        """It was taken."""
        for number in notices:
            self._statements.execute(_NOTE_SENT, {"id": number, "now": now})

    def note_failed(self, notices: Iterable[int], problem: str, due_at: float, given_up_at: float | None) -> None:
        """It was not: it is tried again from `due_at` on, unless it is given up."""
        values = {"problem": packed(problem, _PROBLEM_LIMIT), "due": due_at, "given_up": given_up_at}
        for number in notices:
            self._statements.execute(_NOTE_FAILED, {"id": number, **values})

    def keep_house(self, channels: Sequence[str], now: float) -> None:
        """Say which channels there are; give up what nobody sends any more; forget what is old.

        The last of each conversation is kept: what was told last is what alerting/watch.py goes by.
        """
        self.note_present([f"channel:{one}" for one in channels], now)
        gone = packed(Undelivered.NOBODY_SENDS.of())
        self._statements.execute(_GIVE_UP, {"now": now, "edge": now - CHANNEL_KEPT_S, "problem": gone})
        self._statements.execute(_FORGET, {"edge": now - KEPT_S})

    def note_present(self, names: Iterable[str], now: float) -> None:
        for name in names:
            self._statements.execute(_PRESENT, {"name": name, "now": now})

    def _waiting(self, channel: str) -> list[Waiting]:
        rows = self._statements.execute(_WAITING, {"channel": channel}).fetchall()
        return [Waiting(number, thread, Kind(kind), *rest) for number, thread, kind, *rest in rows]

    def _sent(self, channel: str, now: float) -> list[Sent]:
        rows = self._statements.execute(_SENT, {"channel": channel, "since": now - DAY_S}).fetchall()
        return [Sent(thread, Kind(kind), at) for thread, kind, at in rows]

    def _claimed(self, number: int, now: float) -> Notice:
        values = {"id": number, "until": now + CLAIMED_S}
        ((number, at, kind, thread, subject, content, count, tries),) = self._statements.execute(
            _CLAIM, values
        ).fetchall()
        told = json.loads(content)
        return Notice(
            id=number,
            at=at,
            kind=Kind(kind),
            thread=thread,
            subject=subject,
            lines=tuple(told["lines"]),
            facts=told["facts"],
            count=count,
            tries=tries,
        )

    def _root(self, channel: str, notices: Sequence[Notice]) -> str:
        """An incident is one conversation; of anything else there is one a day."""
        (one, *others) = notices
        if others:
            return ""
        since = 0.0 if one.thread.startswith("incident:") else one.at - one.at % DAY_S
        values = {"thread": one.thread, "channel": channel, "since": since}
        ((number, at),) = self._statements.execute(_FIRST, values).fetchall()
        return "" if number == one.id else number_of(number, at)


async def due_channels(reader: Reader, now: float) -> list[str]:
    """Those that have something to send."""
    return [str(channel) for (channel,) in await reader.rows(_DUE_CHANNELS, {"now": now})]


async def present_at(reader: Reader, name: str) -> float | None:
    """When it was there last; None is never."""
    rows = await reader.rows(_PRESENT_AT, {"name": name})
    return float(rows[0][0]) if rows else None
