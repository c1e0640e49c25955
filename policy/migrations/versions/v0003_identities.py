"""Profiles, send-as, scopes and expiry of credentials, traps, networks, audit, people's sign-in, API tokens."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AUDIT_STAYS = "the audit log is append-only"


def upgrade() -> None:
    """Everybody who is there is a person, and every credential may do what it could."""
    with op.batch_alter_table("identity") as identity:
        identity.add_column(sa.Column("profile", sa.String, nullable=False, server_default="person"))
        identity.add_column(sa.Column("owner", sa.String, nullable=False, server_default=""))
        identity.add_column(sa.Column("suspended_at", sa.Double, nullable=True))
    with op.batch_alter_table("address") as address:
        address.add_column(sa.Column("subaddresses", sa.Boolean, nullable=False, server_default=sa.false()))
    # Its ids go into sessions that are open: the id of a credential that was removed must not come again.
    with op.batch_alter_table("credential", table_kwargs={"sqlite_autoincrement": True}) as credential:
        credential.add_column(sa.Column("subject", sa.String, nullable=True))
        credential.add_column(sa.Column("password", sa.String, nullable=True))
        credential.add_column(sa.Column("scopes", sa.String, nullable=False, server_default="submit imap"))
        credential.add_column(sa.Column("networks", sa.String, nullable=False, server_default=""))
        credential.add_column(sa.Column("expires_at", sa.Double, nullable=True))
        credential.add_column(sa.Column("last_used_from", sa.String, nullable=True))
        credential.create_unique_constraint("uq_credential_subject", ["subject"])
    # A total only grows, and an INTEGER of PostgreSQL ends at two thousand million.
    with op.batch_alter_table("charge") as charge:
        charge.alter_column("total", existing_type=sa.Integer, type_=sa.BigInteger, existing_nullable=False)
    _create_whom_an_identity_is()
    _create_traps_and_networks()
    _create_log()
    _create_sign_in()
    _keep_the_audit_log()
    if op.get_bind().dialect.name == "postgresql":
        _compare_by_octets()


def _compare_by_octets() -> None:
    """What is looked up by its beginning is compared as SQLite does it, whatever the database's own order is."""
    for table, column in (("identity", "name"), ("address", "address"), ("credential", "login"), ("decoy", "login")):
        op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR COLLATE "C"')


def _create_whom_an_identity_is() -> None:
    _create("send_as", _number("identity_id"), _number("address_id"), unique=[("identity_id", "address_id")])
    op.create_index("ix_send_as_address_id", "send_as", ["address_id"])
    _create("retired_secret", _number("credential_id"), _octets("digest"), _moment("retired_at"))
    op.create_index("ix_retired_secret_credential_id", "retired_secret", ["credential_id"])


def _create_traps_and_networks() -> None:
    _create("decoy", _text("login"), _text("label"), _moment("created_at"), unique=[("login",)])
    words = [_text(word) for word in ("kind", "network", "client_address", "protocol", "identity", "label")]
    _create("trap_hit", _moment("at"), *words, _number("hits"))
    op.create_index("ix_trap_hit_at", "trap_hit", ["at"])
    _create(
        "network",
        _number("identity_id"),
        _text("network"),
        _moment("first_used_at"),
        _moment("last_used_at"),
        _number("days"),
        _moment("confirmed_at", nullable=True),
        unique=[("identity_id", "network")],
    )


def _create_log() -> None:
    _create("revocation", _moment("at"), _number("credential_id"), _text("identity"), autoincrement=True)
    words = [_text(word) for word in ("actor", "source", "action", "subject", "before", "after")]
    _create("audit", _moment("at"), *words, autoincrement=True)
    op.create_index("ix_audit_at", "audit", ["at"])


def _create_sign_in() -> None:
    _create(
        "invite",
        _octets("digest"),
        _number("identity_id"),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("used_at", nullable=True),
        _moment("revoked_at", nullable=True),
        unique=[("digest",)],
    )
    op.create_index("ix_invite_identity_id", "invite", ["identity_id"])
    op.create_table(
        "password",
        sa.Column("identity_id", sa.Integer, autoincrement=False, nullable=False),
        _text("hash"),
        _moment("changed_at"),
        sa.PrimaryKeyConstraint("identity_id", name="pk_password"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_password_identity_id_identity"),
    )
    _create(
        "second_factor",
        _number("identity_id"),
        _text("kind"),
        _text("label"),
        sa.Column("handle", sa.LargeBinary, nullable=True),
        _octets("material"),
        _number("counter"),
        _moment("created_at"),
        _moment("last_used_at", nullable=True),
        _moment("used_up_at", nullable=True),
        unique=[("handle",)],
    )
    op.create_index("ix_second_factor_identity_id", "second_factor", ["identity_id"])
    _create("wrong_factor", _number("identity_id"), _moment("at"))
    op.create_index("ix_wrong_factor_identity_id", "wrong_factor", ["identity_id"])
    _create(
        "console_session",
        _octets("digest"),
        _number("identity_id"),
        _text("client_address"),
        _text("user_agent"),
        _moment("created_at"),
        _moment("seen_at"),
        _moment("expires_at"),
        unique=[("digest",)],
    )
    op.create_index("ix_console_session_identity_id", "console_session", ["identity_id"])
    _create(
        "api_token",
        _octets("digest"),
        _text("name"),
        _text("scopes"),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("last_used_at", nullable=True),
        _moment("revoked_at", nullable=True),
        unique=[("digest",), ("name",)],
    )


def _keep_the_audit_log() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{_AUDIT_STAYS}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_AUDIT_STAYS}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()"
    )


def _create(
    table: str, *columns: sa.Column[object], unique: Sequence[tuple[str, ...]] = (), autoincrement: bool = False
) -> None:
    """A table with a number for each row; a column named after another table's row refers to it."""
    owners = {"identity_id": "identity", "address_id": "address", "credential_id": "credential"}
    # A revocation outlives what it is about.
    references = [column.name for column in columns if column.name in owners and table != "revocation"]
    op.create_table(
        table,
        _number("id"),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        *[
            sa.ForeignKeyConstraint([name], [f"{owners[name]}.id"], name=f"fk_{table}_{name}_{owners[name]}")
            for name in references
        ],
        *[sa.UniqueConstraint(*names, name=f"uq_{table}_{names[0]}") for names in unique],
        sqlite_autoincrement=autoincrement,
    )


def _number(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer, nullable=False)


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.String, nullable=False)


def _octets(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Double, nullable=nullable)


def downgrade() -> None:
    """Credentials of kinds that there were not go; what is revoked here stays revoked."""
    for table in (
        "api_token", "console_session", "wrong_factor", "second_factor", "password", "invite", "audit", "revocation",
        "network", "trap_hit", "decoy", "retired_secret", "send_as",
    ):  # fmt: skip
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_stays()")
    with op.batch_alter_table("charge") as charge:
        charge.alter_column("total", existing_type=sa.BigInteger, type_=sa.Integer, existing_nullable=False)
    op.execute("DELETE FROM credential WHERE kind NOT IN ('secret', 'certificate')")
    with op.batch_alter_table("credential") as credential:
        credential.drop_constraint("uq_credential_subject", type_="unique")
        for name in ("last_used_from", "expires_at", "networks", "scopes", "password", "subject"):
            credential.drop_column(name)
    # Not in a batch: that would copy the table, and others refer to its rows.
    op.drop_column("address", "subaddresses")
    for name in ("suspended_at", "owner", "profile"):
        op.drop_column("identity", name)
