"""Identities, addresses, credentials, charges."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The first schema."""
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        sa.UniqueConstraint("name", name="uq_identity_name"),
    )
    op.create_table(
        "address",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("identity_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_address"),
        sa.UniqueConstraint("address", name="uq_address_address"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_address_identity_id_identity"),
    )
    op.create_index("ix_address_identity_id", "address", ["identity_id"])
    op.create_table(
        "credential",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("identity_id", sa.Integer, nullable=False),
        sa.Column("login", sa.String, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_used_at", sa.Double, nullable=True),
        sa.Column("revoked_at", sa.Double, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_credential"),
        sa.UniqueConstraint("login", name="uq_credential_login"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_credential_identity_id_identity"),
    )
    op.create_index("ix_credential_identity_id", "credential", ["identity_id"])
    op.create_table(
        "charge",
        sa.Column("reservation", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("cost", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("reservation", name="pk_charge"),
    )
    op.create_index("ix_charge_key_at", "charge", ["key", "at"])


def downgrade() -> None:
    """Everything goes: there is nothing before the first schema."""
    for table in ("charge", "credential", "address", "identity"):
        op.drop_table(table)
