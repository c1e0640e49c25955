"""The feed of what has ended: revoked credentials, suspended identities, scopes that were taken away.

Whoever has sessions open asks what came after the newest row that he knows: the gateway's workers over HTTP, and policy
itself for the sessions of Dovecot. The rows are written with the change itself (store/credentials.py), and one writer
at a time makes their ids come in the order in which they are committed.
"""

from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from policy.store.models import Revocations
from policy.store.reader import Reader
from policy.store.statements import prepared

_AT_ONCE = 1000

_AFTER = prepared("SELECT id, credential_id, identity FROM revocation WHERE id > :known ORDER BY id LIMIT :most")
_EXPIRED = prepared(
    "SELECT DISTINCT identity.name FROM credential JOIN identity ON identity.id = credential.identity_id"
    " WHERE credential.expires_at > :after AND credential.expires_at <= :until AND credential.revoked_at IS NULL"
    " ORDER BY identity.name"
)
_NEWEST = prepared(select(func.max(Revocations.id)))
_BEFORE = prepared(select(func.max(Revocations.id)).where(Revocations.at < bindparam("edge")))


class Ended(NamedTuple):
    """One row of the feed."""

    id: int
    credential: int
    identity: str


class Feed:
    """Reads it; `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def after(self, known: int) -> list[Ended]:
        """What came after it, oldest first, and the rest the next time."""
        return [Ended(*row) for row in await self._reader.rows(_AFTER, {"known": known, "most": _AT_ONCE})]

    async def expired(self, after: float, until: float) -> list[str]:
        """The identities of which a credential has come to its end since `after`: no row says so."""
        return [name for (name,) in await self._reader.rows(_EXPIRED, {"after": after, "until": until})]

    async def newest(self) -> int:
        """The id of the newest one; 0 where there is none."""
        ((newest,),) = await self._reader.rows(_NEWEST, {})
        return newest or 0

    async def before(self, at: float) -> int:
        """The same for the newest one that is older than `at`."""
        ((newest,),) = await self._reader.rows(_BEFORE, {"edge": at})
        return newest or 0
