"""The tables of containment: incidents, what they make necessary, what is on hold, who is told. See models.py."""

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from policy.store.models import Base


class Incidents(Base):
    """Something happened to an identity: from the first signal that holds mail until somebody has decided.

    At most one of an identity is open. A record outlives what it is about, so it has names and not rows.
    """

    __tablename__ = "incident"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity: Mapped[str] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(index=True)  # policy.store.incidents.State
    step: Mapped[int]  # the highest of the ladder (policy.engine.ladder.Step); LOCK where somebody contained it
    opened_by: Mapped[str]  # sallyport (the ladder), or the actor as in the audit log
    opened_at: Mapped[float]
    since: Mapped[float]  # the first bad use
    changed_at: Mapped[float]
    closed_at: Mapped[float | None]
    answer: Mapped[str] = mapped_column(server_default="")  # the owner's: yes, it was me; no; empty while not asked
    answered_at: Mapped[float | None]
    note: Mapped[str] = mapped_column(server_default="")
    __table_args__ = ({"sqlite_autoincrement": True},)  # people write its number down


class Measures(Base):
    """What an incident makes necessary outside of the database, written with what made it so, done soon afterwards.

    Each can be done twice, so that whoever dies in the middle does no harm. `done_at` says that it is done.
    """

    __tablename__ = "measure"
    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.id"), index=True)
    kind: Mapped[str]  # policy.store.measures.Kind
    arguments: Mapped[str]  # JSON
    created_at: Mapped[float]
    due_at: Mapped[float]
    tries: Mapped[int]
    done_at: Mapped[float | None]
    outcome: Mapped[str] = mapped_column(server_default="")  # one line: what was done, or why not yet
    __table_args__ = (
        Index(
            "ix_measure_due_at",
            "due_at",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )


class HeldMessages(Base):
    """A message, or the part of one, that is on hold at the next hop, or was. None is ever dropped silently."""

    __tablename__ = "held"
    id: Mapped[int] = mapped_column(primary_key=True)
    queue_id: Mapped[str] = mapped_column(unique=True)
    submission: Mapped[str] = mapped_column(index=True)
    identity: Mapped[str]
    login: Mapped[str]
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incident.id"), index=True)
    at: Mapped[float]  # since when it is on hold
    reason: Mapped[str]  # policy.contract.Reason, or retro-hold: it was on its way
    recipients: Mapped[int]
    message_bytes: Mapped[int]
    state: Mapped[str]  # policy.store.held.HeldState
    state_at: Mapped[float]
    release_at: Mapped[float | None]  # by itself, unless something happens
    __table_args__ = (
        Index("ix_held_state_at", "state", "at"),
        Index("ix_held_identity_state", "identity", "state"),
        {"sqlite_autoincrement": True},
    )


class Notices(Base):
    """Something that somebody is told, by one channel; sent until it is taken, or given up after days."""

    __tablename__ = "notice"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(index=True)
    kind: Mapped[str]  # policy.alerting.kinds.Kind
    thread: Mapped[str]  # incident:12, or the kind: one thread is one conversation
    channel: Mapped[str]  # administrator, owner:IDENTITY, webhook:NAME, apprise:NAME
    subject: Mapped[str]
    content: Mapped[str]  # JSON: the lines, and what a program wants to know
    count: Mapped[int]  # how many happenings it stands for
    due_at: Mapped[float]
    tries: Mapped[int]
    claimed_until: Mapped[float]
    sent_at: Mapped[float | None]
    given_up_at: Mapped[float | None]
    problem: Mapped[str] = mapped_column(server_default="")  # why it was not taken the last time
    __table_args__ = (
        Index(
            "ix_notice_due_at",
            "due_at",
            sqlite_where=text("sent_at IS NULL AND given_up_at IS NULL"),
            postgresql_where=text("sent_at IS NULL AND given_up_at IS NULL"),
        ),
        Index("ix_notice_thread_channel", "thread", "channel"),
        Index("ix_notice_channel_sent_at", "channel", "sent_at"),
        {"sqlite_autoincrement": True},
    )


class Presences(Base):
    """When something was last there: `gateway`, or `channel:NAME` for a channel of notices that has a sender."""

    __tablename__ = "presence"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[float]


class Complaints(Base):
    """Somebody who got a message said that it is spam (a feedback loop, RFC 5965); each recipient of one, once."""

    __tablename__ = "complaint"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    submission: Mapped[str]
    identity: Mapped[str]
    recipient: Mapped[str]  # as it was reported; empty where the report leaves it out
    reporter: Mapped[str]  # whose feedback loop it is
    kind: Mapped[str]  # abuse, fraud, virus, other
    weighed_at: Mapped[float | None]  # against its sender
    __table_args__ = (UniqueConstraint("submission", "recipient"), Index("ix_complaint_identity_at", "identity", "at"))


class ReachedRecipients(Base):
    """Somebody who got a message that its owner may not have sent, and can be warned: see policy.store.reached."""

    __tablename__ = "reached"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(index=True)
    identity: Mapped[str]
    submission: Mapped[str]
    recipient: Mapped[str]
    __table_args__ = (UniqueConstraint("submission", "recipient"), Index("ix_reached_identity_at", "identity", "at"))
