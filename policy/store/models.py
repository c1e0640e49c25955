"""The tables. A change here needs a migration in policy/migrations/versions; a test compares the two.

Times are seconds since the epoch (UTC). Addresses are canonical (policy.contract.canonical_address).
"""

from sqlalchemy import ForeignKey, Index, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Constraints carry names, so that a migration can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Identities(Base):
    """Somebody or something that sends. `name` is its mailbox, too: [a-z0-9._-], never a login."""

    __tablename__ = "identity"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[float]


class Addresses(Base):
    """An address belongs to one identity, or there would be no telling who sent."""

    __tablename__ = "address"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(unique=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)


class Credentials(Base):
    """One device's login, proven by a secret or by a certificate.

    A secret itself is kept nowhere. `digest` is keyed with a key that is not in this file, and the two keys of SCRAM
    are sealed with it; a credential that was made before there was SCRAM has none of the three.
    """

    __tablename__ = "credential"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    login: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]  # policy.store.handles.Kind
    digest: Mapped[bytes | None]  # of a secret
    scram_salt: Mapped[bytes | None]
    scram_stored_key: Mapped[bytes | None]
    scram_server_key: Mapped[bytes | None]
    certificate: Mapped[str | None] = mapped_column(unique=True)  # SHA-256 of its DER, lower-case hexadecimal
    label: Mapped[str]
    created_at: Mapped[float]
    last_used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class Charges(Base):
    """One reservation on one budget; `open` until the gateway has reported what became of the message.

    `total` is the running total of the key, this charge included, in the order of `at`: what a window holds is the
    newest total less the one before the window's first charge, however many charges lie between.
    """

    __tablename__ = "charge"
    reservation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    cost: Mapped[int]
    at: Mapped[float]
    total: Mapped[int]
    open: Mapped[bool]
    __table_args__ = (Index("ix_charge_key_at_total", "key", "at", "total"),)


class Submissions(Base):
    """One message that was judged: who handed it in and what became of it. No content, and no recipient's address."""

    __tablename__ = "submission"
    id: Mapped[str] = mapped_column(primary_key=True)  # the id in the message's Received field
    at: Mapped[float] = mapped_column(index=True)
    session: Mapped[str]
    identity: Mapped[str]  # its name, and not its row: a record outlives what it is about
    login: Mapped[str]
    listener: Mapped[str]
    client_address: Mapped[str]
    client_name: Mapped[str]
    reverse_path: Mapped[str]
    recipients: Mapped[int]
    message_bytes: Mapped[int]
    action: Mapped[str]
    reason: Mapped[str]  # empty where it was accepted
    outcome: Mapped[str]  # empty until the gateway has reported it
    queue_id: Mapped[str]
    __table_args__ = (Index("ix_submission_identity_at", "identity", "at"),)
