"""One form of 0006: what the first of two versions with that number had left out.

The first lacked what became of each recipient, and had a column of charges by its old name. A store that it made says
0006, too; here it gets the rest. Where all is there, nothing is done.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = {one["name"] for one in sa.inspect(op.get_bind()).get_columns("submission")}
    if "delivered" in columns:
        return
    op.add_column("submission", sa.Column("delivered", sa.Integer, nullable=False, server_default="0"))
    op.execute("DROP TABLE IF EXISTS fate")  # of a newer version, after which the older one was restored
    op.create_table(
        "fate",
        sa.Column("submission", sa.String, nullable=False),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("fate", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("submission", "mark", name="pk_fate"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fate_at", "fate", ["at"])
    op.execute("ALTER TABLE charge RENAME COLUMN open TO is_open")


def downgrade() -> None:
    """To the second form of 0006, which is this one."""
