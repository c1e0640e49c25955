"""The tables. A change here needs a migration in policy/migrations/versions; a test compares the two.

Times are seconds since the epoch (UTC). Addresses are canonical (policy.contract.canonical_address).
"""

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    false,
    text,
)
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


# What is looked up by its beginning: compared octet by octet, as SQLite does, whatever the database's own order is.
OCTETS = String().with_variant(String(collation="C"), "postgresql")


class Identities(Base):
    """Somebody or something that sends. `name` is its mailbox, too: [a-z0-9._-], never a login."""

    __tablename__ = "identity"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(OCTETS, unique=True)
    profile: Mapped[str] = mapped_column(server_default="person")  # policy.store.identities.Profile
    owner: Mapped[str] = mapped_column(server_default="")  # the person's name, or what the application is
    # Where its owner is told what concerns his account, beside his mailbox: a thief may read that.
    notice_address: Mapped[str] = mapped_column(server_default="")
    role: Mapped[str] = mapped_column(server_default="owner")  # policy.people.roles.Role: what it may do in the console
    created_at: Mapped[float]
    suspended_at: Mapped[float | None]


class Addresses(Base):
    """An address belongs to one identity, or there would be no telling who sent; others may send as it (SendAs).

    `address` is local-part@domain, or @domain for a whole domain. With `subaddresses` its owner has every
    local-part+detail@domain, too (RFC 5233).
    """

    __tablename__ = "address"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(OCTETS, unique=True)
    subaddresses: Mapped[bool] = mapped_column(server_default=false())
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)


class SendAs(Base):
    """A shared mailbox or a group: another identity's address that this one may send as. Mail to it is its owner's."""

    __tablename__ = "send_as"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"))
    address_id: Mapped[int] = mapped_column(ForeignKey("address.id"), index=True)
    __table_args__ = (UniqueConstraint("identity_id", "address_id"),)


class Credentials(Base):
    """One device's login, proven in the way of its `kind`.

    A secret itself is kept nowhere. `digest` is keyed with a key that is not in this database, and the two keys of
    SCRAM are sealed with it; a credential that was made before there was SCRAM has none of the three.
    """

    __tablename__ = "credential"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    login: Mapped[str] = mapped_column(OCTETS, unique=True)
    kind: Mapped[str]  # policy.store.handles.Kind
    digest: Mapped[bytes | None] = mapped_column(index=True)  # of a generated secret
    scram_salt: Mapped[bytes | None]
    scram_stored_key: Mapped[bytes | None]
    scram_server_key: Mapped[bytes | None]
    certificate: Mapped[str | None] = mapped_column(unique=True)  # SHA-256 of its DER, lower-case hexadecimal
    subject: Mapped[str | None] = mapped_column(unique=True)  # who it is to the OIDC issuer, or its DN in LDAP
    password: Mapped[str | None]  # the hash of a secret that another server made, with its scheme; until `expires_at`
    label: Mapped[str]
    scopes: Mapped[str] = mapped_column(server_default="submit imap")  # blank-separated, policy.store.handles.Scope
    networks: Mapped[str] = mapped_column(server_default="")  # CIDR, blank-separated; empty is everywhere
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    last_used_at: Mapped[float | None]
    last_used_from: Mapped[str | None]
    revoked_at: Mapped[float | None]
    contained_by: Mapped[int | None]  # the incident that suspends it; release gives it back
    __table_args__ = ({"sqlite_autoincrement": True},)  # sessions that are open know it by its id


class RetiredSecrets(Base):
    """A secret that its login had once. Nobody has a reason to use it, so whoever does is a thief: a trap."""

    __tablename__ = "retired_secret"
    id: Mapped[int] = mapped_column(primary_key=True)
    credential_id: Mapped[int] = mapped_column(ForeignKey("credential.id"), index=True)
    digest: Mapped[bytes]
    retired_at: Mapped[float]


class Decoys(Base):
    """A login that nobody has, left where a thief looks for one: in an old mail, a file, a note."""

    __tablename__ = "decoy"
    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(OCTETS, unique=True)
    label: Mapped[str]
    created_at: Mapped[float]


class TrapHits(Base):
    """A trap that closed. The rows are bounded: see policy.store.traps."""

    __tablename__ = "trap_hit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(index=True)
    kind: Mapped[str]  # policy.engine.guessing.Trap
    network: Mapped[str]
    client_address: Mapped[str]
    protocol: Mapped[str]  # submission or imap
    identity: Mapped[str]  # whose address, or whose retired secret; empty where it is nobody's
    label: Mapped[str]  # of the credential or the decoy
    hits: Mapped[int]  # of this kind from this network on this identity, within the hour


class Walled(Base):
    """A network that is walled, or was: what policy/engine/guessing.py has in memory. See policy.store.walls."""

    __tablename__ = "wall"
    network: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[float]
    until: Mapped[float] = mapped_column(index=True)
    why: Mapped[str]  # policy.engine.guessing.Why
    times: Mapped[int]  # in a row; each wall is longer than the one before
    lifted_at: Mapped[float | None]
    __table_args__ = (
        Index(
            "ix_wall_lifted_at",
            "lifted_at",
            sqlite_where=text("lifted_at IS NOT NULL"),
            postgresql_where=text("lifted_at IS NOT NULL"),
        ),
    )


class Networks(Base):
    """A source network (IPv4 /24, IPv6 /48) from which an identity has logged in."""

    __tablename__ = "network"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"))
    network: Mapped[str] = mapped_column(index=True)
    first_used_at: Mapped[float]
    last_used_at: Mapped[float]
    days: Mapped[int]  # how many different days (UTC) saw a login; a day in doubt does not count
    confirmed_at: Mapped[float | None]  # the owner or an administrator said that it is the owner's
    doubted_day: Mapped[int | None]  # see Areas
    __table_args__ = (UniqueConstraint("identity_id", "network"),)


class Revocations(Base):
    """The feed of what has ended, in the order of `id`: whoever has sessions open ends those of `credential_id`."""

    __tablename__ = "revocation"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    credential_id: Mapped[int]
    identity: Mapped[str]
    __table_args__ = ({"sqlite_autoincrement": True},)  # an id never comes twice


class Audit(Base):
    """Every administrative act, for ever: a trigger refuses to change or delete a row."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(index=True)
    actor: Mapped[str]  # cli:USER, api:TOKEN, console:IDENTITY, sallyport
    source: Mapped[str]  # from where: an address, or the host's name for the command line
    action: Mapped[str]  # credential-revoked
    subject: Mapped[str]  # the identity, login or other name that it was done to
    before: Mapped[str]  # JSON, without secrets
    after: Mapped[str]  # the same
    __table_args__ = ({"sqlite_autoincrement": True},)  # an id never comes twice


class Invites(Base):
    """A link that lets a person enrol, once. `digest` is that of the token in the link."""

    __tablename__ = "invite"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    created_at: Mapped[float]
    expires_at: Mapped[float]
    used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class Passwords(Base):
    """A person's password for the console, and for nothing else: argon2id."""

    __tablename__ = "password"
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), primary_key=True)
    hash: Mapped[str]
    changed_at: Mapped[float]


class SecondFactors(Base):
    """What a person shows beside the password."""

    __tablename__ = "second_factor"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    kind: Mapped[str]  # totp, passkey or recovery
    label: Mapped[str]
    handle: Mapped[bytes | None] = mapped_column(unique=True)  # of a passkey: its credential id
    material: Mapped[bytes]  # sealed seed, public key, or digest of a recovery code
    counter: Mapped[int]  # the last time step of TOTP, the last signature count of a passkey: none comes twice
    created_at: Mapped[float]
    last_used_at: Mapped[float | None]
    used_up_at: Mapped[float | None]  # a recovery code serves once


class WrongFactors(Base):
    """A code that was wrong, though the password was right. Rows go after a quarter of an hour; five are the most."""

    __tablename__ = "wrong_factor"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    at: Mapped[float]


class ConsoleSessions(Base):
    """A browser that is signed in. `digest` is that of the cookie."""

    __tablename__ = "console_session"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    client_address: Mapped[str]
    user_agent: Mapped[str]
    created_at: Mapped[float]
    seen_at: Mapped[float]
    expires_at: Mapped[float]
    proven_at: Mapped[float | None]  # a second factor was shown in it once more, after the sign-in


class ApiTokens(Base):
    """A program's way to the API. `digest` is that of the token."""

    __tablename__ = "api_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[str]  # blank-separated
    created_at: Mapped[float]
    expires_at: Mapped[float]
    last_used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class Areas(Base):
    """An area (policy.engine.sources.Origin.area) from which an identity has logged in; what makes it settled."""

    __tablename__ = "area"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"))
    area: Mapped[str]
    first_used_at: Mapped[float]
    last_used_at: Mapped[float]
    days: Mapped[int]  # how many different days (UTC) saw a login; a day in doubt does not count
    doubted_day: Mapped[int | None]  # the last day (since the epoch) on which its small budget was nearly spent
    confirmed_at: Mapped[float | None]  # vouched for: the first one ever, an enrolment, the owner, an administrator
    __table_args__ = (UniqueConstraint("identity_id", "area"),)


class KnownRecipients(Base):
    """Whom an identity has written to, or who has written to it. `mark` is a keyed hash of the canonical address."""

    __tablename__ = "known_recipient"
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"))
    mark: Mapped[int] = mapped_column(BigInteger)
    last_used_day: Mapped[int]  # since the epoch
    __table_args__ = (PrimaryKeyConstraint("identity_id", "mark"), {"sqlite_with_rowid": False})


class Signals(Base):
    """What speaks against an identity (policy.engine.ladder.Signal); evidence of each step of the ladder."""

    __tablename__ = "signal"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"))
    at: Mapped[float]
    kind: Mapped[str]
    at_home: Mapped[bool]
    evidence: Mapped[str]
    credential_id: Mapped[int]  # 0 where none is known
    submission: Mapped[str]  # empty where it was a login
    client_address: Mapped[str]
    cleared_at: Mapped[float | None]  # somebody took it back
    __table_args__ = (Index("ix_signal_identity_id_at", "identity_id", "at"), Index("ix_signal_at", "at"))


class Standings(Base):
    """Where an identity stands on the ladder; no row is free."""

    __tablename__ = "standing"
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), primary_key=True)
    step: Mapped[int]  # policy.engine.ladder.Step
    home_step: Mapped[int]  # the same at home
    since: Mapped[float]
    likelihood: Mapped[float]  # of the sequential test on unknown recipients, policy.engine.bounces


class Days(Base):
    """What an identity did on one day (UTC): its baseline, and what a console draws."""

    __tablename__ = "day"
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"))
    day: Mapped[int]  # since the epoch
    messages: Mapped[int]
    recipients: Mapped[int]
    new_recipients: Mapped[int]
    new_elsewhere: Mapped[int] = mapped_column(server_default="0")  # of these: not from home, which there was
    held: Mapped[int]  # recipients
    refused: Mapped[int]  # messages
    unknown_recipients: Mapped[int]
    __table_args__ = (PrimaryKeyConstraint("identity_id", "day"),)


class Habits(Base):
    """What a credential's client looks like: its name (EHLO), mechanism, TLS. A few of each kind are kept."""

    __tablename__ = "habit"
    id: Mapped[int] = mapped_column(primary_key=True)
    credential_id: Mapped[int] = mapped_column(ForeignKey("credential.id"))
    kind: Mapped[str]  # name, mechanism, tls
    value: Mapped[str]
    last_used_at: Mapped[float]
    __table_args__ = (UniqueConstraint("credential_id", "kind", "value"),)


class Exemptions(Base):
    """What the gates let through for one identity for a time: it travels."""

    __tablename__ = "exemption"
    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id"), index=True)
    country: Mapped[str]  # ISO 3166-1 alpha-2
    until: Mapped[float]
    created_at: Mapped[float]
    note: Mapped[str]


class Listed(Base):
    """An entry of the lists of the weakforced API: whoever is on one is let in, or kept out, without more ado."""

    __tablename__ = "listed"
    id: Mapped[int] = mapped_column(primary_key=True)
    side: Mapped[str]  # allow or block
    network: Mapped[str]  # CIDR; empty is everywhere
    login: Mapped[str]  # canonical; empty is everybody
    reason: Mapped[str]
    expires_at: Mapped[float]
    __table_args__ = (UniqueConstraint("side", "network", "login"),)


class Rulebooks(Base):
    """Every policy that was in force, so that a record can say by which one it was decided."""

    __tablename__ = "rulebook"
    digest: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[str]  # TOML
    first_used_at: Mapped[float]
    last_used_at: Mapped[float]  # when it came into force the last time


class Charges(Base):
    """What one reservation has taken from one counter; `is_open` until the gateway has reported what became of it.

    `total` is the running total of the key, this charge included, in the order of `at`: what a window holds is the
    newest total less the one before the window's first charge, however many charges lie between.
    """

    __tablename__ = "charge"
    reservation: Mapped[str]
    key: Mapped[str]
    cost: Mapped[int]
    at: Mapped[float]
    total: Mapped[int] = mapped_column(BigInteger)  # it only grows
    is_open: Mapped[bool]
    __table_args__ = (
        PrimaryKeyConstraint("reservation", "key"),
        Index("ix_charge_key_at_total_cost", "key", "at", "total", "cost"),
    )


class Members(Base):
    """A member of a set, and when it was seen last; `reservation` is the open one that brought it, or empty."""

    __tablename__ = "member"
    key: Mapped[str]
    mark: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float]
    reservation: Mapped[str]
    __table_args__ = (
        PrimaryKeyConstraint("key", "mark"),
        Index("ix_member_key_at", "key", "at"),
        Index(
            "ix_member_reservation",
            "reservation",
            sqlite_where=text("reservation <> ''"),
            postgresql_where=text("reservation <> ''"),
        ),
        {"sqlite_with_rowid": False},
    )


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
    held_queue_id: Mapped[str] = mapped_column(server_default="")
    held: Mapped[int] = mapped_column(server_default="0")  # recipients
    rule: Mapped[str] = mapped_column(server_default="")  # that decided
    rulebook: Mapped[str] = mapped_column(server_default="")  # Rulebooks.digest
    origin: Mapped[str] = mapped_column(server_default="")  # its area; `AS3320 DE`
    evidence: Mapped[str] = mapped_column(server_default="")  # JSON: what `sallyport explain` prints
    new_recipients: Mapped[int] = mapped_column(server_default="0")  # accepted ones that were new
    known_recipients: Mapped[int] = mapped_column(server_default="0")  # accepted ones that were known, none of ours
    # Of the recipients that are none of ours, 8 octets each: the new ones, the known ones, and those that are held.
    marks: Mapped[bytes | None]
    reported: Mapped[bytes | None]  # a bit for each mark: its delivery was reported
    delivered: Mapped[int] = mapped_column(server_default="0")  # of these marks
    __table_args__ = (
        Index("ix_submission_identity_at", "identity", "at"),
        Index(
            "ix_submission_stopped_at",  # what was not simply accepted: few, but among very many
            "at",
            sqlite_where=text("reason <> ''"),
            postgresql_where=text("reason <> ''"),
        ),
    )


class Fates(Base):
    """What became of one recipient's copy; see policy.store.fates for which of them have a row."""

    __tablename__ = "fate"
    submission: Mapped[str]
    mark: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(index=True)
    fate: Mapped[str]  # policy.store.fates.Fate
    __table_args__ = (PrimaryKeyConstraint("submission", "mark"), {"sqlite_with_rowid": False})
