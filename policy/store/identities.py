"""Every change of the identity store, and its lists, one function each: what the administrator does.

What the services ask is directory.py. A change that cannot be made raises StoreError with a sentence for the
administrator. Clients never see it.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, select, update

from policy.contract import canonical_address
from policy.store.handles import Kind, digest, new_login, new_scram_keys, new_secret, sealed
from policy.store.models import Addresses, Credentials, Identities

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# RFC 5321 section 4.1.2 without quoted strings, which nobody has and many servers refuse; ASCII, as in the gateway.
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(\.{_ATOM})*@(?=.{{4,253}}$){_LABEL}(\.{_LABEL})+")
_KEY_BYTES = 32


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
    kind: Kind
    certificate: str | None  # its fingerprint, where that is the kind
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
    """All of it on one SQLite file. `key` is the digest key."""

    def __init__(self, engine: Engine, key: bytes) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._key = key

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
        secret = new_secret()
        keys = sealed(new_scram_keys(secret), self._key)
        kept = {
            "digest": digest(secret, self._key),
            "scram_salt": keys.salt,
            "scram_stored_key": keys.stored_key,
            "scram_server_key": keys.server_key,
        }
        with self._engine.begin() as connection:
            login = _add_credential(connection, name, label, now, kind=Kind.SECRET, **kept)
        return NewCredential(login=login, secret=secret, identity=name, label=label)

    def add_certificate(self, name: str, label: str, fingerprint: str, now: float) -> Credential:
        """A login that the key of a client certificate proves. `fingerprint` is SHA-256, lower-case hexadecimal."""
        with self._engine.begin() as connection:
            taken = connection.scalar(select(Credentials.login).where(Credentials.certificate == fingerprint))
            if taken:
                raise StoreError(
                    f"this certificate belongs to the login {taken!r} already, or did until it was revoked"
                )
            login = _add_credential(connection, name, label, now, kind=Kind.CERTIFICATE, certificate=fingerprint)
        return self._credential(login)

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
        return self._credential(login)

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
            select(
                row.login,
                row.kind,
                row.certificate,
                Identities.name,
                row.label,
                row.created_at,
                row.last_used_at,
                row.revoked_at,
            )
            .join(Identities, Identities.id == row.identity_id)
            .order_by(row.id)
        )
        with self._reading.connect() as connection:
            if name is not None:
                _identity_id(connection, name)
                wanted = wanted.where(Identities.name == name)
            return [Credential(found[0], Kind(found[1]), *found[2:]) for found in connection.execute(wanted)]

    def _credential(self, login: str) -> Credential:
        return next(one for one in self.credentials() if one.login == login)


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


def _add_credential(
    connection: Connection, name: str, label: str, now: float, *, kind: Kind, **kept: bytes | str
) -> str:
    """Its login; `kept` is what proves it."""
    if not label or len(label) > 100 or not label.isprintable():  # noqa: PLR2004 - what a list can show
        raise StoreError("a label is 1 to 100 printable characters, for example 'laptop'")
    row = {"identity_id": _identity_id(connection, name), "login": _unused_login(connection)}
    connection.execute(insert(Credentials).values(**row, kind=kind, label=label, created_at=now, **kept))
    return str(row["login"])


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
