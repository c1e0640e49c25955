"""The tables of what is seen of the installation itself: figures, what its parts say of themselves, looks at mail."""

from sqlalchemy import BigInteger, LargeBinary, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from policy.store.models import Base


class Tallies(Base):
    """How often something was decided within five minutes. What strangers choose is in no column: few rows a day."""

    __tablename__ = "tally"
    at: Mapped[int] = mapped_column(BigInteger)  # the first second of the five minutes
    stage: Mapped[str]  # policy.tally.Stage
    outcome: Mapped[str]
    reason: Mapped[str]  # empty where there is none
    number: Mapped[int] = mapped_column(BigInteger)
    recipients: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (PrimaryKeyConstraint("at", "stage", "outcome", "reason"), {"sqlite_with_rowid": False})


class HealthReports(Base):
    """What a part says of itself, or is said of it by who asked it; the newest one alone."""

    __tablename__ = "health_report"
    service: Mapped[str]  # policy.store.health_reports.Service
    instance: Mapped[str]  # where there are several of it
    at: Mapped[float]
    content: Mapped[str]  # JSON: policy.store.health_reports.HealthReport
    __table_args__ = (PrimaryKeyConstraint("service", "instance"),)


class Looks(Base):
    """Somebody in the console wants to see a message that is on hold; policy, which reaches the queue, fetches it.

    `content` is sealed, and the row goes a few minutes after it was asked for.
    """

    __tablename__ = "look"
    id: Mapped[int] = mapped_column(primary_key=True)
    queue_id: Mapped[str]
    asked_by: Mapped[str]  # the actor, as in the audit log
    with_text: Mapped[bool]  # beyond the header section
    asked_at: Mapped[float]
    answered_at: Mapped[float | None]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    problem: Mapped[str] = mapped_column(server_default="")  # why there is none
    __table_args__ = ({"sqlite_autoincrement": True},)
