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

_NEW = ("look", "health_report", "tally", "fate")

# `recipients:ada` as `ada:recipients`, and back. A name may have a colon in it, a budget has none.
_NAME_FIRST = {
    "sqlite": "substr(key, instr(key, ':') + 1) || ':' || substr(key, 1, instr(key, ':') - 1)",
    "postgresql": r"regexp_replace(key, '^([^:]*):(.*)$', '\2:\1')",
}
_TO_LAST_COLON = "rtrim(key, replace(key, ':', ''))"  # what follows it has no colon
_BUDGET_FIRST = {
    "sqlite": f"substr(key, length({_TO_LAST_COLON}) + 1) || ':' || substr(key, 1, length({_TO_LAST_COLON}) - 1)",
    "postgresql": r"regexp_replace(key, '^(.*):([^:]*)$', '\2:\1')",
}


def upgrade() -> None:
    for table in _NEW:  # a restore with the version before has left them, which does not know them
        op.execute(f"DROP TABLE IF EXISTS {table}")
    op.add_column("identity", sa.Column("role", sa.String, nullable=False, server_default="owner"))
    op.execute("UPDATE identity SET role = 'administrator' WHERE name = 'administrator'")
    op.create_table(
        "tally",
        sa.Column("at", sa.BigInteger, nullable=False),
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
    op.add_column("submission", sa.Column("delivered", sa.Integer, nullable=False, server_default="0"))
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
    stopped = sa.text("reason <> ''")
    op.create_index("ix_submission_stopped_at", "submission", ["at"], sqlite_where=stopped, postgresql_where=stopped)
    op.create_index("ix_signal_at", "signal", ["at"])  # a step of policy/cutting.py would read all of them
    op.drop_index("ix_charge_key_at_total", "charge")
    _turn_keys(_NAME_FIRST)
    # A policy of before that still runs would count under the keys of before: it must fail instead.
    op.execute("ALTER TABLE charge RENAME COLUMN open TO is_open")
    op.create_index("ix_charge_key_at_total_cost", "charge", ["key", "at", "total", "cost"])


def downgrade() -> None:
    """Nobody but the owner of the command line administers."""
    op.drop_index("ix_charge_key_at_total_cost", "charge")
    _turn_keys(_BUDGET_FIRST)
    op.execute("ALTER TABLE charge RENAME COLUMN is_open TO open")
    op.create_index("ix_charge_key_at_total", "charge", ["key", "at", "total"])
    op.drop_index("ix_submission_stopped_at", "submission")
    op.drop_index("ix_signal_at", "signal")
    for table in _NEW:
        op.drop_table(table)
    op.drop_column("submission", "delivered")
    op.drop_column("identity", "role")


def _turn_keys(turned: dict[str, str]) -> None:
    """What one message counts lies together."""
    for table in ("charge", "member"):
        op.execute(f"UPDATE {table} SET key = {turned[op.get_bind().dialect.name]} WHERE key LIKE '%:%'")  # noqa: S608
