"""What the decision engine remembers: areas, known recipients, signals, standings, sets; and why it decided as it did.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OF_SUBMISSIONS = (
    "held_queue_id", "rule", "rulebook", "origin", "evidence", "held", "new_recipients", "known_recipients", "marks",
    "reported",
)  # fmt: skip


def upgrade() -> None:
    _create_memory()
    _create_ladder()
    _create_lists()
    _widen_charges()
    _create_members()
    op.add_column("network", sa.Column("doubted_day", sa.Integer, nullable=True))
    for name in ("held_queue_id", "rule", "rulebook", "origin", "evidence"):
        op.add_column("submission", sa.Column(name, sa.String, nullable=False, server_default=""))
    for name in ("held", "new_recipients", "known_recipients"):
        op.add_column("submission", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    for name in ("marks", "reported"):
        op.add_column("submission", sa.Column(name, sa.LargeBinary, nullable=True))


def _create_memory() -> None:
    _create(
        "area",
        _number("identity_id"),
        _text("area"),
        _moment("first_used_at"),
        _moment("last_used_at"),
        _number("days"),
        sa.Column("doubted_day", sa.Integer, nullable=True),
        _moment("confirmed_at", nullable=True),
        unique=("identity_id", "area"),
    )
    op.create_table(
        "known_recipient",
        _number("identity_id"),
        sa.Column("mark", sa.BigInteger, nullable=False),
        _number("last_used_day"),
        sa.PrimaryKeyConstraint("identity_id", "mark", name="pk_known_recipient"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_known_recipient_identity_id_identity"),
        sqlite_with_rowid=False,
    )
    _create(
        "habit",
        _number("credential_id"),
        _text("kind"),
        _text("value"),
        _moment("last_used_at"),
        unique=("credential_id", "kind", "value"),
    )


def _create_ladder() -> None:
    _create(
        "signal",
        _number("identity_id"),
        _moment("at"),
        _text("kind"),
        sa.Column("at_home", sa.Boolean, nullable=False),
        _text("evidence"),
        sa.Column("credential_id", sa.Integer, nullable=False),
        _text("submission"),
        _text("client_address"),
        _moment("cleared_at", nullable=True),
    )
    op.create_index("ix_signal_identity_id_at", "signal", ["identity_id", "at"])
    op.create_table(
        "standing",
        sa.Column("identity_id", sa.Integer, autoincrement=False, nullable=False),
        _number("step"),
        _number("home_step"),
        _moment("since"),
        _moment("likelihood"),
        sa.PrimaryKeyConstraint("identity_id", name="pk_standing"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_standing_identity_id_identity"),
    )
    numbers = ("day", "messages", "recipients", "new_recipients", "held", "refused", "unknown_recipients")
    op.create_table(
        "day",
        _number("identity_id"),
        *[_number(name) for name in numbers],
        sa.PrimaryKeyConstraint("identity_id", "day", name="pk_day"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_day_identity_id_identity"),
    )


def _create_lists() -> None:
    _create(
        "exemption", _number("identity_id"), _text("country"), _moment("until"), _moment("created_at"), _text("note")
    )
    op.create_index("ix_exemption_identity_id", "exemption", ["identity_id"])
    op.create_index("ix_network_network", "network", ["network"])
    _create(
        "listed",
        *[_text(name) for name in ("side", "network", "login", "reason")],
        _moment("expires_at"),
        unique=("side", "network", "login"),
    )
    op.create_table(
        "rulebook",
        _text("digest"),
        _text("content"),
        _moment("first_used_at"),
        _moment("last_used_at"),
        sa.PrimaryKeyConstraint("digest", name="pk_rulebook"),
    )


def _widen_charges() -> None:
    """A reservation takes from several counters now; what was charged before goes on counting."""
    _replace_charges(["reservation", "key"], default=None)


def _replace_charges(key: list[str], default: str | None) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("pk_charge", "charge", type_="primary")
        op.create_primary_key("pk_charge", "charge", key)
        return
    op.drop_index("ix_charge_key_at_total", "charge")
    op.rename_table("charge", "charge_before")
    op.create_table(
        "charge",
        _text("reservation"),
        _text("key"),
        _number("cost"),
        _moment("at"),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False, server_default=default),
        sa.PrimaryKeyConstraint(*key, name="pk_charge"),
    )
    op.execute(
        "INSERT INTO charge (reservation, key, cost, at, total, open) "
        "SELECT reservation, key, cost, at, total, open FROM charge_before"
    )
    op.drop_table("charge_before")
    op.create_index("ix_charge_key_at_total", "charge", ["key", "at", "total"])


def _create_members() -> None:
    op.create_table(
        "member",
        _text("key"),
        sa.Column("mark", sa.BigInteger, nullable=False),
        _moment("at"),
        _text("reservation"),
        sa.PrimaryKeyConstraint("key", "mark", name="pk_member"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_member_key_at", "member", ["key", "at"])
    is_open = sa.text("reservation <> ''")
    op.create_index("ix_member_reservation", "member", ["reservation"], sqlite_where=is_open, postgresql_where=is_open)


def _create(table: str, *columns: sa.Column[object], unique: tuple[str, ...] = ()) -> None:
    """A table with a number for each row; identity_id and credential_id refer, but for a signal's credential."""
    owners = {"identity_id": "identity"} | ({} if table == "signal" else {"credential_id": "credential"})
    op.create_table(
        table,
        _number("id"),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        *[
            sa.ForeignKeyConstraint(
                [one.name], [f"{owners[one.name]}.id"], name=f"fk_{table}_{one.name}_{owners[one.name]}"
            )
            for one in columns
            if one.name in owners
        ],
        *([sa.UniqueConstraint(*unique, name=f"uq_{table}_{unique[0]}")] if unique else []),
    )


def _number(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer, nullable=False)


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.String, nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Double, nullable=nullable)


def downgrade() -> None:
    """Held mail stays where it is; what was charged on several counters stays charged on one."""
    op.drop_index("ix_network_network", "network")
    op.drop_column("network", "doubted_day")
    for name in _OF_SUBMISSIONS:
        op.drop_column("submission", name)
    op.execute("DELETE FROM charge WHERE key NOT LIKE 'recipients:%' AND key NOT LIKE 'refusals:%'")
    _replace_charges(["reservation"], default="0")
    for table in (
        "member", "rulebook", "listed", "exemption", "day", "standing", "signal", "habit", "known_recipient", "area",
    ):  # fmt: skip
        op.drop_table(table)
