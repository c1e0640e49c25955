"""Every question to the identity store and every change of it, one function each.

A change that cannot be made raises StoreError with a sentence for the administrator. Clients never see it.
"""

import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, select, update

from policy.contract import Grants, canonical_address
from policy.engine.rules import Profile
from policy.store.handles import digest, new_login, new_secret
from policy.store.models import Addresses, Credentials, Identities

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# RFC 5321 section 4.1.2 without quoted strings, which nobody has and many servers refuse; ASCII, as in the gateway.
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(\.{_ATOM})*@(?=.{{4,253}}$){_LABEL}(\.{_LABEL})+")
_KEY_BYTES = 32
_LAST_USED_GRAIN_S = 60.0  # a login costs no disk write more often than this


class StoreError(Exception):
    """A change that cannot be made; str(self) is a sentence for the administrator."""


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    addresses: tuple[str, ...]
    created_at: float


@dataclass(frozen=True, slots=True)
class Credential:
    login: str
    identity: str
    label: str
    created_at: float
    last_used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What is shown once. The secret is in no repr and in no table."""

    login: str
    secret: str = field(repr=False)
    identity: str
    label: str


class IdentityStore:
    """All of it on one SQLite file. `key` is the digest key, `recipients_per_message` the grant of every credential."""

    def __init__(self, engine: Engine, key: bytes, recipients_per_message: int = 100) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._key = key
        self._recipients_per_message = recipients_per_message
        self._nobodys_digest = digest(new_secret(), key)

    # What the services ask

    def verify(self, login: str, secret: str, now: float) -> Grants | None:
        """The grants of the credential, or None. An unknown login costs the same work as a wrong secret."""
        given = digest(secret, self._key)
        row = Credentials.__table__.c
        with self._reading.connect() as connection:
            found = connection.execute(
                select(row.id, row.login, row.digest, row.revoked_at, row.last_used_at, Identities.name)
                .join(Identities, Identities.id == row.identity_id)
                .where(row.login == login)
            ).one_or_none()
            right = hmac.compare_digest(found.digest if found else self._nobodys_digest, given)
            if not found or not right or found.revoked_at is not None:
                return None
            addresses = _addresses_of(connection, found.name)
        if found.last_used_at is None or now - found.last_used_at >= _LAST_USED_GRAIN_S:
            with self._engine.begin() as connection:
                connection.execute(update(Credentials).where(row.id == found.id).values(last_used_at=now))
        return Grants(
            credential=found.id,
            login=found.login,
            identity=found.name,
            addresses=frozenset(addresses),
            recipients_per_message=self._recipients_per_message,
        )

    def profile(self, credential: int) -> Profile | None:
        """What the rules need to know of a credential, as it is now; None if there never was one."""
        with self._reading.connect() as connection:
            found = connection.execute(
                select(Identities.name, Credentials.revoked_at)
                .join(Identities, Identities.id == Credentials.identity_id)
                .where(Credentials.id == credential)
            ).one_or_none()
            if not found:
                return None
            return Profile(
                identity=found.name,
                addresses=frozenset(_addresses_of(connection, found.name)),
                active=found.revoked_at is None,
                recipients_per_message=self._recipients_per_message,
            )

    def mailbox(self, name: str) -> str | None:
        """The mailbox that an address belongs to, or that has this very name; None if there is none."""
        with self._reading.connect() as connection:
            owner = select(Identities.name).join(Addresses, Addresses.identity_id == Identities.id)
            by_address = connection.scalar(owner.where(Addresses.address == canonical_address(name)))
            return by_address or connection.scalar(select(Identities.name).where(Identities.name == name))

    # What the administrator changes

    def add_identity(self, name: str, addresses: tuple[str, ...], now: float) -> Identity:
        """A new identity with its addresses, all or nothing."""
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"{name!r} cannot be a name: use 1 to 63 of a-z, 0-9, dot, underscore, hyphen, a letter or digit first"
            )
        with self._engine.begin() as connection:
            if connection.scalar(select(Identities.id).where(Identities.name == name)):
                raise StoreError(f"there is an identity {name!r} already")
            if connection.scalar(select(Credentials.id).where(Credentials.login == name)):
                raise StoreError(f"{name!r} is a login; a name must not be one")
            connection.execute(insert(Identities).values(name=name, created_at=now))
            for address in addresses:
                _add_address(connection, name, address)
        return self.identity(name)

    def add_address(self, name: str, address: str) -> Identity:
        with self._engine.begin() as connection:
            _add_address(connection, name, address)
        return self.identity(name)

    def add_credential(self, name: str, label: str, now: float) -> NewCredential:
        """A login and a secret for one device. The secret is in the answer and nowhere else."""
        if not label or len(label) > 100 or not label.isprintable():  # noqa: PLR2004 - what a list can show
            raise StoreError("a label is 1 to 100 printable characters, for example 'laptop'")
        secret = new_secret()
        with self._engine.begin() as connection:
            identity_id = _identity_id(connection, name)
            login = _unused_login(connection)
            connection.execute(
                insert(Credentials).values(
                    identity_id=identity_id, login=login, digest=digest(secret, self._key), label=label, created_at=now
                )
            )
        return NewCredential(login=login, secret=secret, identity=name, label=label)

    def revoke(self, login: str, now: float) -> Credential:
        """From now on the login is refused, and so is each further message of a session that it opened."""
        with self._engine.begin() as connection:
            done = connection.execute(
                update(Credentials)
                .where(Credentials.login == login, Credentials.revoked_at.is_(None))
                .values(revoked_at=now)
            )
            known = connection.scalar(select(Credentials.id).where(Credentials.login == login))
        if not known:
            raise StoreError(f"there is no login {login!r}; `sallyport credential list` shows all")
        if not done.rowcount:
            raise StoreError(f"the login {login!r} was revoked already")
        return next(one for one in self.credentials() if one.login == login)

    # What the administrator sees

    def identity(self, name: str) -> Identity:
        with self._reading.connect() as connection:
            _identity_id(connection, name)
            created_at = connection.scalar(select(Identities.created_at).where(Identities.name == name))
            return Identity(name, tuple(_addresses_of(connection, name)), created_at or 0.0)

    def identities(self) -> list[Identity]:
        with self._reading.connect() as connection:
            names = list(connection.scalars(select(Identities.name).order_by(Identities.name)))
        return [self.identity(name) for name in names]

    def credentials(self, name: str | None = None) -> list[Credential]:
        """All credentials, revoked ones too, or those of one identity, oldest first."""
        row = Credentials
        wanted = (
            select(row.login, Identities.name, row.label, row.created_at, row.last_used_at, row.revoked_at)
            .join(Identities, Identities.id == row.identity_id)
            .order_by(row.id)
        )
        with self._reading.connect() as connection:
            if name is not None:
                _identity_id(connection, name)
                wanted = wanted.where(Identities.name == name)
            return [Credential(*found) for found in connection.execute(wanted)]


def read_key(path: Path) -> bytes:
    """The digest key, 32 octets as 64 hexadecimal digits; ValueError where it is not that."""
    key = bytes.fromhex(path.read_text().strip())
    if len(key) != _KEY_BYTES:
        raise ValueError("not a digest key")
    return key


def _identity_id(connection: Connection, name: str) -> int:
    found = connection.scalar(select(Identities.id).where(Identities.name == name))
    if found is None:
        raise StoreError(f"there is no identity {name!r}; `sallyport identity list` shows all")
    return found


def _addresses_of(connection: Connection, name: str) -> list[str]:
    return list(
        connection.scalars(
            select(Addresses.address)
            .join(Identities, Identities.id == Addresses.identity_id)
            .where(Identities.name == name)
            .order_by(Addresses.id)
        )
    )


def _add_address(connection: Connection, name: str, given: str) -> None:
    address = canonical_address(given)
    # Folding makes ASCII of some letters that are none: "straße" must not become the owner of "strasse".
    if not given.isascii() or not _ADDRESS.fullmatch(address):
        raise StoreError(f"{given!r} is not an address of the form local-part@domain.example")
    identity_id = _identity_id(connection, name)
    owner = connection.scalar(
        select(Identities.name)
        .join(Addresses, Addresses.identity_id == Identities.id)
        .where(Addresses.address == address)
    )
    if owner:
        raise StoreError(f"{address} belongs to {owner!r} already")
    connection.execute(insert(Addresses).values(address=address, identity_id=identity_id))


def _unused_login(connection: Connection) -> str:
    """A login that is nobody's login, name or local part. Two tries would be one in 2^53 without malice."""
    while True:
        login = new_login()
        taken = (
            select(Credentials.id).where(Credentials.login == login),
            select(Identities.id).where(Identities.name == login),
            select(Addresses.id).where(Addresses.address.startswith(f"{login}@", autoescape=True)),
        )
        if not any(connection.scalar(one) for one in taken):
            return login
