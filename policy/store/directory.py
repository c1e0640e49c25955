"""What the services ask of the store for each login, each message and each mailbox. Changes nothing.

Always the store as it is now, with nothing kept from an earlier answer: a credential that another process has revoked
is refused by the next question. An unknown login and a wrong secret cost the same work; a test counts it.
"""

import hmac
import secrets
from typing import NamedTuple

from sqlalchemy import String, and_, bindparam, literal_column, select, union_all

from policy import scram
from policy.contract import Grants, Owned, canonical_address, canonical_login
from policy.engine.ladder import Standing
from policy.engine.places import History
from policy.engine.rulebook import Limits
from policy.store.handles import Kind, digest, nobodys_salt, nonce_key, sealed
from policy.store.models import Addresses, Credentials, Identities, Networks, SendAs, Standings
from policy.store.reader import Reader
from policy.store.standings import standing_of
from policy.store.statements import Prepared, prepared
from policy.store.traps import SETTLED_DAYS

_COUNTED_EVERY_S = 600.0


class Found(NamedTuple):
    """A credential as it is stored, in the order of _COLUMNS, and what one network is to its identity."""

    id: int
    login: str
    kind: str
    digest: bytes | None
    scram_salt: bytes | None
    scram_stored_key: bytes | None
    scram_server_key: bytes | None
    subject: str | None
    password: str | None
    label: str
    scopes: str
    networks: str
    expires_at: float | None
    last_used_at: float | None
    last_used_from: str | None
    revoked_at: float | None
    contained_by: int | None
    identity_id: int
    identity: str
    suspended_at: float | None
    network_first_used_at: float | None
    network_used_at: float | None  # when a login from this network was last written down; None: there was none
    network_days: int | None
    network_confirmed_at: float | None
    profile: str
    step: int | None
    home_step: int | None
    step_since: float | None

    @property
    def network_history(self) -> History | None:
        """What the network is to its identity."""
        return _history(self.network_first_used_at, self.network_used_at, self.network_days, self.network_confirmed_at)

    @property
    def standing(self) -> Standing:
        """Where its identity stands."""
        return standing_of(self.step, self.home_step, self.step_since)

    @property
    def has_history(self) -> bool:
        """Whether an earlier login of the identity was granted from this network, or somebody vouched for it."""
        return self.network_used_at is not None

    @property
    def is_settled(self) -> bool:
        """Whether the network is the owner's beyond doubt, see policy.store.traps."""
        return (self.network_days or 0) >= SETTLED_DAYS or self.network_confirmed_at is not None


class FoundIdentity(NamedTuple):
    """An identity, in the order of _IDENTITY, and what one network is to it."""

    id: int
    name: str
    profile: str
    suspended_at: float | None
    network_first_used_at: float | None
    network_used_at: float | None
    network_days: int | None
    network_confirmed_at: float | None
    step: int | None
    home_step: int | None
    step_since: float | None

    @property
    def network_history(self) -> History | None:
        return _history(self.network_first_used_at, self.network_used_at, self.network_days, self.network_confirmed_at)

    @property
    def standing(self) -> Standing:
        return standing_of(self.step, self.home_step, self.step_since)


_COLUMNS = (
    select(
        Credentials.id,
        Credentials.login,
        Credentials.kind,
        Credentials.digest,
        Credentials.scram_salt,
        Credentials.scram_stored_key,
        Credentials.scram_server_key,
        Credentials.subject,
        Credentials.password,
        Credentials.label,
        Credentials.scopes,
        Credentials.networks,
        Credentials.expires_at,
        Credentials.last_used_at,
        Credentials.last_used_from,
        Credentials.revoked_at,
        Credentials.contained_by,
        Credentials.identity_id,
        Identities.name,
        Identities.suspended_at,
        Networks.first_used_at,
        Networks.last_used_at,
        Networks.days,
        Networks.confirmed_at,
        Identities.profile,
        Standings.step,
        Standings.home_step,
        Standings.since,
    )
    .join(Identities, Identities.id == Credentials.identity_id)
    .outerjoin(
        Networks, and_(Networks.identity_id == Credentials.identity_id, Networks.network == bindparam("network"))
    )
    .outerjoin(Standings, Standings.identity_id == Credentials.identity_id)
)
_OIDC = literal_column(f"'{Kind.OIDC}'", String)
_BY_LOGIN = prepared(_COLUMNS.where(Credentials.login == bindparam("wanted")))
_BY_CERTIFICATE = prepared(_COLUMNS.where(Credentials.certificate == bindparam("wanted")))
_BY_SUBJECT = prepared(_COLUMNS.where(Credentials.subject == bindparam("wanted"), Credentials.kind == _OIDC))
_BY_ID = prepared(_COLUMNS.where(Credentials.id == bindparam("wanted")))
_LIVE_SECRET = prepared(
    select(Credentials.id).where(Credentials.digest == bindparam("wanted"), Credentials.revoked_at.is_(None))
)
_OWNED = prepared(
    union_all(
        select(Addresses.address, Addresses.subaddresses).where(Addresses.identity_id == bindparam("identity")),
        select(Addresses.address, Addresses.subaddresses)
        .join(SendAs, SendAs.address_id == Addresses.id)
        .where(SendAs.identity_id == bindparam("identity")),
    )
)
_OWNER = prepared(
    select(Identities.name)
    .join(Addresses, Addresses.identity_id == Identities.id)
    .where(Addresses.address == bindparam("asked"))
)
_IDENTITY = prepared(
    select(
        Identities.id,
        Identities.name,
        Identities.profile,
        Identities.suspended_at,
        Networks.first_used_at,
        Networks.last_used_at,
        Networks.days,
        Networks.confirmed_at,
        Standings.step,
        Standings.home_step,
        Standings.since,
    )
    .outerjoin(Networks, and_(Networks.identity_id == Identities.id, Networks.network == bindparam("network")))
    .outerjoin(Standings, Standings.identity_id == Identities.id)
    .where(Identities.name == bindparam("asked"))
)
_USERS = prepared("SELECT count(DISTINCT identity_id) FROM address WHERE address LIKE :ending")
_NAME = prepared(select(Identities.name).where(Identities.name == bindparam("asked")))


class Directory:
    """`key` is the digest key."""

    def __init__(self, reader: Reader, key: bytes) -> None:
        self._reader = reader
        self._key = key
        self._nonce_key = nonce_key(key)
        self._users = dict[str, tuple[float, int]]()  # by domain of ours: when it was counted, and how many there were
        self._nobodys_digest = secrets.token_bytes(32)
        self._nobodys_keys = scram.Keys(b"", scram.ITERATIONS, secrets.token_bytes(32), secrets.token_bytes(32))

    # Whom a claim is about; `network` is where it comes from

    async def by_login(self, login: str, network: str) -> Found | None:
        """In any spelling: telephones begin a field with a capital letter, and end it with a blank."""
        return await self._found(_BY_LOGIN, network, wanted=canonical_login(login))

    async def by_certificate(self, fingerprint: str, network: str) -> Found | None:
        return await self._found(_BY_CERTIFICATE, network, wanted=fingerprint)

    async def by_subject(self, subject: str, network: str) -> Found | None:
        """A credential of the issuer's, by who it is there."""
        return await self._found(_BY_SUBJECT, network, wanted=subject)

    async def by_id(self, credential: int, network: str) -> Found | None:
        """One that was found before, as it is now."""
        return await self._found(_BY_ID, network, wanted=credential)

    # What it is verified with

    def digest(self, secret: str) -> bytes:
        """What is kept of a generated secret."""
        return digest(secret, self._key)

    async def is_live_secret(self, text: str) -> bool:
        """Whether somebody here logs in with it. One look into an index; whose it is, nobody needs to know."""
        return bool(await self._reader.rows(_LIVE_SECRET, {"wanted": self.digest(text)}))

    def is_secret_of(self, found: Found | None, given: bytes) -> bool:
        """Whether `given` is the digest of its secret. Nobody's credential has one, too, which nothing equals."""
        kept = found.digest if found and found.digest else self._nobodys_digest
        return hmac.compare_digest(kept, given)

    def scram_keys(self, found: Found | None, login: str) -> scram.Keys:
        """The keys that prove a login, in any spelling. Where there are none, they are keys that nobody has."""
        salt, nobody = nobodys_salt(canonical_login(login), self._key), self._nobodys_keys
        stored, server = nobody.stored_key, nobody.server_key
        if found and found.scram_salt:
            salt = found.scram_salt
            stored, server = found.scram_stored_key or stored, found.scram_server_key or server
        return sealed(scram.Keys(salt, scram.ITERATIONS, stored, server), self._key)

    def nonce(self, exchange: str, first: bytes) -> bytes:
        """Our part of the nonce of an exchange of SCRAM."""
        return scram.server_nonce(self._nonce_key, exchange, first)

    # What follows from it

    async def grants(
        self, found: Found, limits: Limits, *, is_strange: bool = False, sessions: int | None = None
    ) -> Grants:
        """`sessions` where fewer are granted from there than the limits have."""
        return Grants(
            credential=found.id,
            login=found.login,
            identity=found.identity,
            owned=await self.owned(found.identity_id),
            recipients_per_message=limits.recipients_per_message,
            sessions=limits.sessions if sessions is None else sessions,
            is_strange=is_strange,
        )

    async def owned(self, identity: int) -> Owned:
        """All that an identity (its row) may send as."""
        rows = await self._reader.rows(_OWNED, {"identity": identity})
        return Owned(
            addresses=frozenset(address for address, _ in rows if address[0] != "@"),
            subaddressed=frozenset(address for address, has_subaddresses in rows if has_subaddresses),
            domains=frozenset(address[1:] for address, _ in rows if address[0] == "@"),
        )

    async def identity_at(self, name: str, network: str) -> FoundIdentity | None:
        """By its name, with what one network is to it."""
        rows = await self._reader.rows(_IDENTITY, {"asked": name, "network": network})
        return FoundIdentity(*rows[0]) if rows else None

    async def users_of(self, domain: str, now: float) -> int:
        """How many identities have an address in a domain of ours; counted every ten minutes."""
        counted_at, number = self._users.get(domain, (-_COUNTED_EVERY_S, 0))
        if now - counted_at >= _COUNTED_EVERY_S:
            rows = await self._reader.rows(_USERS, {"ending": f"%@{domain}"})
            number = int(rows[0][0])
            self._users[domain] = (now, number)
        return number

    async def mailbox(self, name: str) -> str | None:
        """The mailbox that an address belongs to, or that has this very name; None if there is none."""
        for question, asked in ((_OWNER, canonical_address(name)), (_NAME, name)):
            for (found,) in await self._reader.rows(question, {"asked": asked}):
                return str(found)
        return None

    async def close(self) -> None:
        """Ask nothing more."""
        await self._reader.close()

    async def _found(self, question: Prepared, network: str, **asked: str | int) -> Found | None:
        rows = await self._reader.rows(question, {"network": network, **asked})
        return Found(*rows[0]) if rows else None


def _history(
    first_used_at: float | None, used_at: float | None, days: int | None, confirmed_at: float | None
) -> History | None:
    if first_used_at is None or used_at is None:
        return None
    return History(first_used_at, used_at, days or 0, confirmed_at)
