"""Seeing what goes on: who may see it, figures, what the parts say of themselves, looks at held mail.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("identity", sa.Column("role", sa.String, nullable=False, server_default="owner"))
    op.execute("UPDATE identity SET role = 'administrator' WHERE name = 'administrator'")
    op.create_table(
        "tally",
        sa.Column("at", sa.Integer, nullable=False),
        *[sa.Column(name, sa.String, nullable=False) for name in ("stage", "outcome", "reason")],
        *[sa.Column(name, sa.BigInteger, nullable=False) for name in ("number", "recipients")],
        sa.PrimaryKeyConstraint("at", "stage", "outcome", "reason", name="pk_tally"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "health_report",
        sa.Column("service", sa.String, nullable=False),
        sa.Column("instance", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("content", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("service", "instance", name="pk_health_report"),
    )
    op.create_table(
        "look",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("queue_id", sa.String, nullable=False),
        sa.Column("asked_by", sa.String, nullable=False),
        sa.Column("with_text", sa.Boolean, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("answered_at", sa.Double, nullable=True),
        sa.Column("content", sa.LargeBinary, nullable=True),
        sa.Column("problem", sa.String, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_look"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Nobody but the owner of the command line administers."""
    for table in ("look", "health_report", "tally"):
        op.drop_table(table)
    op.drop_column("identity", "role")
