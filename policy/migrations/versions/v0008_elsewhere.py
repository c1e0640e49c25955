"""Of the new recipients of a day, those that were not written to from home.

What is there already counts as the owner's own, as it did.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("day", sa.Column("new_elsewhere", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("day", "new_elsewhere")
