"""Notices for commands: what was told and what became of it, sent again, and tests of the channels."""

from dataclasses import dataclass, replace

from sqlalchemy import Engine, delete, insert, or_, select, update

from policy.alerting.kinds import Kind
from policy.store.changes import begins
from policy.store.errors import StoreError
from policy.store.incident_models import Notices, Presences
from policy.store.notices import ADMINISTRATOR, CHANNEL_KEPT_S, FORGOTTEN
from service.sentence import unpacked

_CONTENT = '{"lines": ["If you read this, this channel works."], "facts": {}}'
_SUBJECT = "A test, asked for at the command line"


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """One that was told or is to be. `number` is the webhook-id's."""

    number: int
    at: float
    kind: str
    thread: str
    channel: str
    subject: str
    count: int
    tries: int
    due_at: float
    sent_at: float | None
    given_up_at: float | None
    problem: str

    @property
    def state(self) -> str:
        if self.sent_at is not None:
            return "sent"
        if self.given_up_at is not None:
            return f"given up: {self.problem}"
        return f"tried {self.tries} times: {self.problem}" if self.problem else "waits"


@dataclass(frozen=True, slots=True)
class ChannelOutcome:
    """What became of a test."""

    channel: str
    is_taken: bool
    problem: str


def listed(engine: Engine, channel: str | None, limit: int) -> list[StoredNotice]:
    """The newest first."""
    row = Notices
    wanted = select(
        row.id, row.at, row.kind, row.thread, row.channel, row.subject, row.count, row.tries, row.due_at, row.sent_at,
        row.given_up_at, row.problem,
    )  # fmt: skip
    if channel:
        wanted = wanted.where(row.channel == channel)
    with engine.connect() as connection:
        found = connection.execute(wanted.order_by(row.id.desc()).limit(limit))
        return [replace(one, problem=unpacked(one.problem)) for one in (StoredNotice(*tuple(row)) for row in found)]


def replay(engine: Engine, channel: str, since: float, now: float) -> int:
    """How many are sent again: of one channel, or of all that begin so. What is being tried anyway is left alone."""
    row = Notices
    is_meant = or_(row.channel == channel, begins(row.channel, f"{channel}:"))
    is_done = or_(row.sent_at.is_not(None), row.given_up_at.is_not(None))
    # One try is behind them: no other happening is added to what somebody may have already.
    again = {"sent_at": None, "given_up_at": None, "due_at": now, "claimed_until": 0.0, "tries": 1, "problem": ""}
    with engine.begin() as connection:
        return connection.execute(update(row).where(is_meant, is_done, row.at >= since).values(**again)).rowcount


def add_test(engine: Engine, thread: str, channel: str | None, now: float) -> None:
    """For one channel or all; an owner's is never among all. StoreError where there is no such channel."""
    row = Presences
    with engine.begin() as connection:
        found = connection.scalars(
            select(row.name).where(begins(row.name, "channel:"), row.at > now - CHANNEL_KEPT_S).order_by(row.name)
        )
        known = [ADMINISTRATOR, *[name.removeprefix("channel:") for name in found]]
        if channel and channel not in known and not channel.startswith("owner:"):
            raise StoreError(f"there is no channel {channel!r}; there are {', '.join(known)}")
        for one in [channel] if channel else known:
            values = {
                "at": now,
                "kind": Kind.TEST.value,
                "thread": thread,
                "channel": one,
                "subject": _SUBJECT,
                "content": _CONTENT,
                "count": 1,
                "due_at": now,
                "tries": 0,
                "claimed_until": 0.0,
            }
            connection.execute(insert(Notices).values(**values))


def forget_channel(engine: Engine, channel: str, now: float) -> int:
    """Nobody sends by it any more: how many notices are given up with it. StoreError where there is no such channel."""
    row = Notices
    waiting = (row.channel == channel, row.sent_at.is_(None), row.given_up_at.is_(None))
    with engine.begin() as connection:
        if not connection.execute(delete(Presences).where(Presences.name == f"channel:{channel}")).rowcount:
            raise StoreError(f"there is no channel {channel!r} to forget; `sallyport alert list` names those there are")
        gone = update(row).where(*waiting).values(given_up_at=now, problem=FORGOTTEN)
        return connection.execute(gone).rowcount


def outcome_of_test(engine: Engine, thread: str) -> list[ChannelOutcome]:
    """Of each channel."""
    row = Notices
    wanted = select(row.channel, row.sent_at, row.problem).where(row.thread == thread).order_by(row.id)
    with engine.connect() as connection:
        found = connection.execute(wanted)
        return [ChannelOutcome(channel, at is not None, unpacked(problem)) for channel, at, problem in found]
