"""People as they sign in to the console: invitations, passwords, and starting over.

What is written belongs together and is written together: an invitation is used up in the very transaction that keeps
the password, the second factor and the recovery codes that it led to. See factors.py and console_sessions.py for those.
"""

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, exists, insert, or_, select, update
from sqlalchemy.orm import aliased

from policy.contract import canonical_address
from policy.engine.sources import network_of
from policy.people.errors import InviteInvalid, Text
from policy.store.changes import Changes, identity_id
from policy.store.console_sessions import Visitor, end_sessions, open_session
from policy.store.digests import Use, new_token, token_digest
from policy.store.errors import StoreError, Unknown
from policy.store.factors import NewFactor, add_factor, put_recovery_codes
from policy.store.models import Addresses, Identities, Invites, Networks, Passwords, SecondFactors, WrongFactors
from policy.store.rows import Profile
from policy.store.traps import SETTLED_DAYS
from service.spans import DAY_S

MOST_DAYS = 90

_Found = Row[int, str, str, float, float, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Person:
    """An identity as it signs in; `password` is a hash, None before the first."""

    id: int
    name: str
    owner: str
    addresses: tuple[str, ...]
    is_suspended: bool
    changed_at: float | None  # the password, if there is one
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Invite:
    """A link that was made. The token in it is known to its receiver alone."""

    id: int
    identity: str
    owner: str
    addresses: tuple[str, ...]
    created_at: float
    expires_at: float
    used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class NewInvite:
    """The one time that the token is told."""

    token: str = field(repr=False)
    invite: Invite


class People(Changes):
    """All of them, for one actor."""

    def find(self, typed: str) -> Person | None:
        """By the identity's name or one of its addresses; None for nobody."""
        typed = typed.strip()
        if not typed.isprintable():  # a database may not even be able to read it
            return None
        its = select(Addresses.identity_id).where(Addresses.address == canonical_address(typed))
        # Nobody signs in with "@example.org", which is how a whole domain is kept.
        by_name = Identities.name == typed.lower()
        wanted = by_name if typed.startswith("@") else or_(by_name, Identities.id.in_(its))
        with self._reading.connect() as connection:
            row = connection.execute(
                select(
                    Identities.id,
                    Identities.name,
                    Identities.owner,
                    Identities.suspended_at,
                    Passwords.changed_at,
                    Passwords.hash,
                )
                .outerjoin(Passwords, Passwords.identity_id == Identities.id)
                .where(wanted)
            ).first()
            if row is None:
                return None
            return Person(*row[:3], _addresses(connection, row[0]), row[3] is not None, *row[4:])

    def was_in(self, person: int, client_address: str) -> bool:
        """Whether a person (`id`) was in the network of this address before."""
        its = (Networks.identity_id == person, Networks.network == network_of(client_address))
        with self._reading.connect() as connection:
            return connection.scalar(select(Networks.id).where(*its)) is not None

    def is_own_network(self, person: int, client_address: str) -> bool:
        """Whether it is the person's beyond doubt, as for policy.store.traps: not by one login with a stolen secret."""
        its = (Networks.identity_id == person, Networks.network == network_of(client_address))
        is_settled = or_(Networks.days >= SETTLED_DAYS, Networks.confirmed_at.is_not(None))
        with self._reading.connect() as connection:
            return connection.scalar(select(Networks.id).where(*its, is_settled)) is not None

    # Invitations

    def invite(self, name: str, days: int, now: float) -> NewInvite:
        """A link for a person who cannot sign in yet. One that was made before is worth nothing from now on."""
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            if connection.scalar(select(Passwords.identity_id).where(Passwords.identity_id == number)):
                raise StoreError(f"{name!r} signs in already; `sallyport person reset {name}` lets them start over")
            return self._new_invite(connection, number, name, days, now)

    def open_invite(self, token: str, now: float) -> Invite:
        """That of a link, while it can be used; InviteInvalid otherwise."""
        digest = token_digest(Use.INVITE, token, self._key)
        with self._reading.connect() as connection:
            row = connection.execute(_invites().where(Invites.digest == digest, *_can_enrol(now))).one_or_none()
            if row is None:
                raise _refusal(connection, digest)
            return _invite(connection, row)

    def invites(self) -> list[Invite]:
        """All that were ever made, oldest first."""
        with self._reading.connect() as connection:
            return [_invite(connection, row) for row in connection.execute(_invites().order_by(Invites.id)).all()]

    def revoke_invite(self, invite_id: int, now: float, *, whose: str = "") -> Invite:
        """`whose` is the identity that it must be of; anybody's where that is empty."""
        with self._engine.begin() as connection:
            wanted = _invites().where(Invites.id == invite_id)
            row = connection.execute(wanted).one_or_none()
            if row is None or whose not in ("", row[1]):
                raise Unknown(f"there is no invitation {invite_id}; `sallyport invite list` shows all")
            done = connection.execute(
                update(Invites).where(Invites.id == invite_id, _is_open(now)).values(revoked_at=now)
            ).rowcount
            if not done:
                raise StoreError(f"the invitation {invite_id} was used, revoked or has expired already")
            self._record(connection, now, "invite-revoked", row[1], {"invite": invite_id}, {})
            return _invite(connection, connection.execute(wanted).one())

    def enrol(
        self, token: str, password: str, factor: NewFactor, codes: tuple[str, ...], visitor: Visitor, now: float
    ) -> str:
        """Use the link up, once: password (a hash), second factor, recovery codes; the cookie of a first session."""
        digest = token_digest(Use.INVITE, token, self._key)
        with self._engine.begin() as connection:
            row = connection.execute(_invites().where(Invites.digest == digest, *_can_enrol(now))).one_or_none()
            if row is None:
                raise _refusal(connection, digest)
            connection.execute(update(Invites).where(Invites.id == row[0]).values(used_at=now))
            name = row[1]
            number = identity_id(connection, name)
            _forget(connection, number, name)
            connection.execute(insert(Passwords).values(identity_id=number, hash=password, changed_at=now))
            add_factor(connection, self._key, name, factor, now)
            put_recovery_codes(connection, self._key, name, codes, now)
            self._record(connection, now, "person-enrolled", name, {}, {"second factor": factor.kind})
            return open_session(connection, self._key, number, visitor, now)

    # Passwords

    def set_password(self, name: str, password: str, now: float, *, session: int | None = None) -> None:
        """A new hash in place of the old one; every session but the one that it is done in ends."""
        with self._engine.begin() as connection:
            connection.execute(
                update(Passwords)
                .where(Passwords.identity_id == identity_id(connection, name))
                .values(hash=password, changed_at=now)
            )
            end_sessions(connection, name, but=session)
            self._record(connection, now, "password-changed", name, {}, {})

    def rehash(self, person: Person, password: str) -> None:
        """The same password at a higher cost, unless it was changed meanwhile."""
        with self._engine.begin() as connection:
            connection.execute(
                update(Passwords)
                .where(Passwords.identity_id == person.id, Passwords.hash == person.password)
                .values(hash=password)
            )

    def reset(self, name: str, days: int, now: float) -> NewInvite:
        """Password, second factors, sessions and links are gone; a new link lets the person start over."""
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            _forget(connection, number, name)
            self._record(connection, now, "person-reset", name, {}, {})
            return self._new_invite(connection, number, name, days, now)

    def _new_invite(self, connection: Connection, number: int, name: str, days: int, now: float) -> NewInvite:
        """In place of what there was. Also for an identity that is suspended: the link opens once it is resumed."""
        if not 1 <= days <= MOST_DAYS:
            raise StoreError(f"an invitation is good for 1 to {MOST_DAYS} days")
        if connection.scalar(select(Identities.profile).where(Identities.id == number)) != Profile.PERSON:
            raise StoreError(f"{name!r} is no person: only people sign in to the console")
        token = new_token()
        digest = token_digest(Use.INVITE, token, self._key)
        connection.execute(update(Invites).where(Invites.identity_id == number, _is_open(now)).values(revoked_at=now))
        connection.execute(
            insert(Invites).values(digest=digest, identity_id=number, created_at=now, expires_at=now + days * DAY_S)
        )
        self._record(connection, now, "invite-made", name, {}, {"days": days})
        return NewInvite(
            token, _invite(connection, connection.execute(_invites().where(Invites.digest == digest)).one())
        )


def _forget(connection: Connection, number: int, name: str) -> None:
    """Whatever let this person sign in until now."""
    end_sessions(connection, name)
    for table in (Passwords, SecondFactors, WrongFactors):
        connection.execute(delete(table).where(table.identity_id == number))


def _is_open(now: float) -> ColumnElement[bool]:
    return Invites.used_at.is_(None) & Invites.revoked_at.is_(None) & (Invites.expires_at > now)


def _can_enrol(now: float) -> tuple[ColumnElement[bool], ...]:
    return _is_open(now), Identities.suspended_at.is_(None)


def _refusal(connection: Connection, digest: bytes) -> InviteInvalid:
    """Why a link opens nothing. Whoever has the token of one that was made is no stranger, and learns what to do."""
    row, newer = Invites, aliased(Invites)
    is_replaced = exists().where(newer.identity_id == row.identity_id, newer.id > row.id)
    found = connection.execute(select(row.used_at, is_replaced).where(row.digest == digest)).one_or_none()
    if found is None:
        return InviteInvalid()
    used_at, was_replaced = found
    if was_replaced:
        return InviteInvalid(Text.INVITE_REPLACED)
    return InviteInvalid(Text.NO_INVITE if used_at is None else Text.INVITE_USED)


def _addresses(connection: Connection, number: int) -> tuple[str, ...]:
    wanted = select(Addresses.address).where(Addresses.identity_id == number).order_by(Addresses.id)
    return tuple(connection.scalars(wanted))


def _invites() -> Select[int, str, str, float, float, float | None, float | None]:
    row = Invites
    return select(
        row.id, Identities.name, Identities.owner, row.created_at, row.expires_at, row.used_at, row.revoked_at
    ).join(Identities, Identities.id == row.identity_id)


def _invite(connection: Connection, row: _Found) -> Invite:
    owner = connection.scalar(select(Identities.id).where(Identities.name == row[1])) or 0
    return Invite(row[0], row[1], row[2], _addresses(connection, owner), *row[3:])
