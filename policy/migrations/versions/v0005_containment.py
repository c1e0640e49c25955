"""What happens when a credential is stolen: incidents, what they make necessary, what is on hold, who is told.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("identity", _text("notice_address", default=""))
    op.add_column("credential", sa.Column("contained_by", sa.Integer, nullable=True))
    op.create_index("ix_credential_digest", "credential", ["digest"])
    op.add_column("console_session", _moment("proven_at", nullable=True))
    _create_incidents()
    _create_held()
    _create_notices()


def _create_incidents() -> None:
    _create(
        "incident",
        _text("identity"),
        _text("state"),
        _number("step"),
        _text("opened_by"),
        _moment("opened_at"),
        _moment("since"),
        _moment("changed_at"),
        _moment("closed_at", nullable=True),
        _text("answer", default=""),
        _moment("answered_at", nullable=True),
        _text("note", default=""),
    )
    op.create_index("ix_incident_identity", "incident", ["identity"])
    op.create_index("ix_incident_state", "incident", ["state"])
    _create(
        "measure",
        _number("incident_id"),
        _text("kind"),
        _text("arguments"),
        _moment("created_at"),
        _moment("due_at"),
        _number("tries"),
        _moment("done_at", nullable=True),
        _text("outcome", default=""),
    )
    op.create_index("ix_measure_incident_id", "measure", ["incident_id"])
    _create_partial_index("ix_measure_due_at", "measure", "done_at IS NULL")


def _create_held() -> None:
    _create(
        "held",
        _text("queue_id"),
        _text("submission"),
        _text("identity"),
        _text("login"),
        sa.Column("incident_id", sa.Integer, nullable=True),
        _moment("at"),
        _text("reason"),
        _number("recipients"),
        _number("message_bytes"),
        _text("state"),
        _moment("state_at"),
        _moment("release_at", nullable=True),
        unique=("queue_id",),
    )
    op.create_index("ix_held_submission", "held", ["submission"])
    op.create_index("ix_held_incident_id", "held", ["incident_id"])
    op.create_index("ix_held_state_at", "held", ["state", "at"])
    op.create_index("ix_held_identity_state", "held", ["identity", "state"])


def _create_notices() -> None:
    _create(
        "notice",
        _moment("at"),
        _text("kind"),
        _text("thread"),
        _text("channel"),
        _text("subject"),
        _text("content"),
        _number("count"),
        _moment("due_at"),
        _number("tries"),
        _moment("claimed_until"),
        _moment("sent_at", nullable=True),
        _moment("given_up_at", nullable=True),
        _text("problem", default=""),
    )
    op.create_index("ix_notice_at", "notice", ["at"])
    op.create_index("ix_notice_thread_channel", "notice", ["thread", "channel"])
    op.create_index("ix_notice_channel_sent_at", "notice", ["channel", "sent_at"])
    _create_partial_index("ix_notice_due_at", "notice", "sent_at IS NULL AND given_up_at IS NULL")
    op.create_table("presence", _text("name"), _moment("at"), sa.PrimaryKeyConstraint("name", name="pk_presence"))
    _create(
        "complaint",
        _moment("at"),
        *[_text(name) for name in ("submission", "identity", "recipient", "reporter", "kind")],
        _moment("weighed_at", nullable=True),
        unique=("submission", "recipient"),
        is_counted=False,
    )
    op.create_index("ix_complaint_identity_at", "complaint", ["identity", "at"])
    _create(
        "reached",
        _moment("at"),
        *[_text(name) for name in ("identity", "submission", "recipient")],
        unique=("submission", "recipient"),
        is_counted=False,
    )
    op.create_index("ix_reached_at", "reached", ["at"])
    op.create_index("ix_reached_identity_at", "reached", ["identity", "at"])


def _create(table: str, *columns: sa.Column[object], unique: tuple[str, ...] = (), is_counted: bool = True) -> None:
    """A table with a number for each row, which never comes twice where it is counted."""
    op.create_table(
        table,
        _number("id"),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        *[
            sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=f"fk_{table}_incident_id_incident")
            for one in columns
            if one.name == "incident_id"
        ],
        *([sa.UniqueConstraint(*unique, name=f"uq_{table}_{unique[0]}")] if unique else []),
        sqlite_autoincrement=is_counted,
    )


def _create_partial_index(name: str, table: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, ["due_at"], sqlite_where=where, postgresql_where=where)


def _number(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer, nullable=False)


def _text(name: str, default: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.String, nullable=False, server_default=default)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Double, nullable=nullable)


def downgrade() -> None:
    """Held mail stays where it is; whoever was contained is let in again."""
    for table in ("reached", "complaint", "presence", "notice", "held", "measure", "incident"):
        op.drop_table(table)
    op.drop_column("console_session", "proven_at")
    op.drop_index("ix_credential_digest", "credential")
    op.drop_column("credential", "contained_by")
    op.drop_column("identity", "notice_address")
