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
    """One device's login. `digest` is keyed with a key that is not in this file; the secret itself is kept nowhere."""

    __tablename__ = "credential"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    login: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes]
    label: Mapped[str]
    created_at: Mapped[float]
    last_used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class Charges(Base):
    """One reservation on one budget; `open` until the gateway has reported what became of the message."""

    __tablename__ = "charge"
    reservation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    cost: Mapped[int]
    at: Mapped[float]
    open: Mapped[bool]
    __table_args__ = (Index("ix_charge_key_at", "key", "at"),)
