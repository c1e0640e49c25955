"""SCRAM keys and certificates of credentials, running totals of charges, submissions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Credentials that there are keep their digest and get no SCRAM keys: their secrets are kept nowhere."""
    with op.batch_alter_table("credential") as credential:
        credential.add_column(sa.Column("kind", sa.String, nullable=False, server_default="secret"))
        credential.alter_column("digest", existing_type=sa.LargeBinary, nullable=True)
        credential.add_column(sa.Column("scram_salt", sa.LargeBinary, nullable=True))
        credential.add_column(sa.Column("scram_stored_key", sa.LargeBinary, nullable=True))
        credential.add_column(sa.Column("scram_server_key", sa.LargeBinary, nullable=True))
        credential.add_column(sa.Column("certificate", sa.String, nullable=True))
        credential.create_unique_constraint("uq_credential_certificate", ["certificate"])
    with op.batch_alter_table("charge") as charge:
        charge.add_column(sa.Column("total", sa.Integer, nullable=False, server_default="0"))
        charge.drop_index("ix_charge_key_at")
        charge.create_index("ix_charge_key_at_total", ["key", "at", "total"])
    op.execute(
        "UPDATE charge SET total = running.total FROM (SELECT reservation AS r, "
        "sum(cost) OVER (PARTITION BY key ORDER BY at, reservation) AS total FROM charge) AS running "
        "WHERE charge.reservation = running.r"
    )
    _create_submission()


def _create_submission() -> None:
    words = ("session", "identity", "login", "listener", "client_address", "client_name", "reverse_path")
    op.create_table(
        "submission",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        *[sa.Column(word, sa.String, nullable=False) for word in words],
        sa.Column("recipients", sa.Integer, nullable=False),
        sa.Column("message_bytes", sa.Integer, nullable=False),
        *[sa.Column(word, sa.String, nullable=False) for word in ("action", "reason", "outcome", "queue_id")],
        sa.PrimaryKeyConstraint("id", name="pk_submission"),
    )
    op.create_index("ix_submission_at", "submission", ["at"])
    op.create_index("ix_submission_identity_at", "submission", ["identity", "at"])


def downgrade() -> None:
    """Certificates go, and with them the credentials that have nothing else."""
    op.drop_table("submission")
    with op.batch_alter_table("charge") as charge:
        charge.drop_index("ix_charge_key_at_total")
        charge.create_index("ix_charge_key_at", ["key", "at"])
        charge.drop_column("total")
    op.execute("DELETE FROM credential WHERE digest IS NULL")
    with op.batch_alter_table("credential") as credential:
        credential.drop_constraint("uq_credential_certificate", type_="unique")
        for column in ("certificate", "scram_server_key", "scram_stored_key", "scram_salt", "kind"):
            credential.drop_column(column)
        credential.alter_column("digest", existing_type=sa.LargeBinary, nullable=False)
