"""Walls of networks as rows: to be seen, lifted, and remembered over a restart.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TABLE IF EXISTS wall")  # a restore with the version before has left it, which does not know it
    op.create_table(
        "wall",
        sa.Column("network", sa.String, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("lifted_at", sa.Double, nullable=True),
        sa.PrimaryKeyConstraint("network", name="pk_wall"),
    )
    op.create_index("ix_wall_until", "wall", ["until"])
    lifted = sa.text("lifted_at IS NOT NULL")
    op.create_index("ix_wall_lifted_at", "wall", ["lifted_at"], sqlite_where=lifted, postgresql_where=lifted)


def downgrade() -> None:
    op.drop_table("wall")
