"""What the services ask of the store for each login, each message and each mailbox. Changes nothing.

Always the store as it is now, with nothing kept from an earlier answer: a credential that another process has revoked
is refused by the next question. An unknown login, a wrong secret and a revoked credential cost the same work; a test
counts it.
"""

import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, select

from policy import scram
from policy.contract import Grants, canonical_address
from policy.engine.rules import Profile
from policy.store.database import prepared
from policy.store.handles import digest, nobodys_salt, nonce_key, sealed
from policy.store.models import Addresses, Credentials, Identities

_LAST_USED_GRAIN_S = 60.0  # a login costs no disk write more often than this


class _Row(NamedTuple):
    """A credential as it is stored, in the order of _COLUMNS."""

    id: int
    login: str
    digest: bytes | None
    scram_salt: bytes | None
    scram_stored_key: bytes | None
    scram_server_key: bytes | None
    last_used_at: float | None
    revoked_at: float | None
    identity_id: int
    identity: str


_COLUMNS = select(
    Credentials.id,
    Credentials.login,
    Credentials.digest,
    Credentials.scram_salt,
    Credentials.scram_stored_key,
    Credentials.scram_server_key,
    Credentials.last_used_at,
    Credentials.revoked_at,
    Credentials.identity_id,
    Identities.name,
).join(Identities, Identities.id == Credentials.identity_id)
_BY_LOGIN = prepared(_COLUMNS.where(Credentials.login == bindparam("wanted")))
_BY_CERTIFICATE = prepared(_COLUMNS.where(Credentials.certificate == bindparam("wanted")))
_BY_ID = prepared(_COLUMNS.where(Credentials.id == bindparam("wanted")))
_ADDRESSES = prepared(
    select(Addresses.address).where(Addresses.identity_id == bindparam("identity")).order_by(Addresses.id)
)
_OWNER = prepared(
    select(Identities.name)
    .join(Addresses, Addresses.identity_id == Identities.id)
    .where(Addresses.address == bindparam("asked"))
)
_NAME = prepared(select(Identities.name).where(Identities.name == bindparam("asked")))


@dataclass(frozen=True, slots=True)
class Holder:
    """A credential that was proven."""

    grants: Grants
    last_used_at: float | None

    def use_is_due(self, now: float) -> bool:
        """Whether it is time to note that the credential is in use."""
        return self.last_used_at is None or now - self.last_used_at >= _LAST_USED_GRAIN_S


class Directory:
    """`key` is the digest key, `recipients_per_message` the grant of every credential."""

    def __init__(self, connection: sqlite3.Connection, key: bytes, recipients_per_message: int) -> None:
        self._connection = connection
        self._key = key
        self._recipients_per_message = recipients_per_message
        self._nonce_key = nonce_key(key)
        self._nobodys_digest = secrets.token_bytes(32)
        self._nobodys_keys = scram.Keys(b"", scram.ITERATIONS, secrets.token_bytes(32), secrets.token_bytes(32))

    def by_secret(self, login: str, secret: str) -> Holder | None:
        """The holder of the credential, if this is its secret."""
        given = digest(secret, self._key)
        row = self._row(_BY_LOGIN, login)
        right = hmac.compare_digest(row.digest if row and row.digest else self._nobodys_digest, given)
        return self._holder(row) if row and right else None

    def by_certificate(self, fingerprint: str, login: str) -> Holder | None:
        """The holder of a certificate whose key was shown; `login` is empty or must be its own."""
        row = self._row(_BY_CERTIFICATE, fingerprint)
        return self._holder(row) if row and login in ("", row.login) else None

    def by_proof(self, login: str) -> Holder | None:
        """The holder of a login that SCRAM has proven."""
        row = self._row(_BY_LOGIN, login)
        return self._holder(row) if row else None

    def scram_keys(self, login: str) -> scram.Keys:
        """The keys that prove a login. Where there are none, or none any more, they are keys that nobody has."""
        row, salt, nobody = self._row(_BY_LOGIN, login), nobodys_salt(login, self._key), self._nobodys_keys
        if row and row.scram_salt:
            salt = row.scram_salt
        stored, server = nobody.stored_key, nobody.server_key
        if row and row.revoked_at is None:
            stored, server = row.scram_stored_key or stored, row.scram_server_key or server
        return sealed(scram.Keys(salt, scram.ITERATIONS, stored, server), self._key)

    def nonce(self, exchange: str, first: bytes) -> bytes:
        """Our part of the nonce of an exchange of SCRAM."""
        return scram.server_nonce(self._nonce_key, exchange, first)

    def profile(self, credential: int) -> Profile | None:
        """What the rules need to know of a credential, as it is now; None if there never was one."""
        row = self._row(_BY_ID, credential)
        if not row:
            return None
        return Profile(
            identity=row.identity,
            login=row.login,
            addresses=self._addresses(row),
            active=row.revoked_at is None,
            recipients_per_message=self._recipients_per_message,
        )

    def mailbox(self, name: str) -> str | None:
        """The mailbox that an address belongs to, or that has this very name; None if there is none."""
        for question, asked in ((_OWNER, canonical_address(name)), (_NAME, name)):
            for (found,) in self._connection.execute(question, {"asked": asked}).fetchall():
                return str(found)
        return None

    def _row(self, question: str, wanted: str | int) -> _Row | None:
        found = self._connection.execute(question, {"wanted": wanted}).fetchall()
        return _Row(*found[0]) if found else None

    def _addresses(self, row: _Row) -> frozenset[str]:
        found = self._connection.execute(_ADDRESSES, {"identity": row.identity_id}).fetchall()
        return frozenset(address for (address,) in found)

    def _holder(self, row: _Row) -> Holder | None:
        if row.revoked_at is not None:
            return None
        grants = Grants(
            credential=row.id,
            login=row.login,
            identity=row.identity,
            addresses=self._addresses(row),
            recipients_per_message=self._recipients_per_message,
        )
        return Holder(grants, row.last_used_at)
