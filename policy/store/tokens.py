"""Tokens of the API: what a program may do, and until when. The token itself is kept nowhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Row, Select, insert, select, update

from policy.store.changes import Changes
from policy.store.digests import Use, new_token, token_digest
from policy.store.errors import StoreError, Unknown
from policy.store.models import ApiTokens
from service.spans import DAY_S

PREFIX = "sallyport_"  # by which those who look for secrets in code and logs find one
MOST_DAYS = 366
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_LAST_USED_GRAIN_S = 60.0  # a request costs no disk write more often than this

_Found = Row[str, str, float, float, float | None, float | None]


class TokenScope(StrEnum):
    """What a token is good for. None includes another one."""

    READ = "read"  # identities, addresses, credentials, invitations, networks
    WRITE = "write"  # their changes
    AUDIT = "audit"  # audit log, submissions, decoys, trap hits
    BACKUP = "backup"  # everything, with the keys


@dataclass(frozen=True, slots=True)
class ApiToken:
    """One token, as lists show it."""

    name: str
    scopes: tuple[TokenScope, ...]
    created_at: float
    expires_at: float
    last_used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """The one time that it is shown."""

    token: str = field(repr=False)
    name: str
    scopes: tuple[TokenScope, ...]
    expires_at: float


class TokenBook(Changes):
    """All of them, for one actor."""

    def add_token(self, name: str, scopes: Sequence[TokenScope], days: int, now: float) -> NewToken:
        """`name` says for whom, and is what the audit log has as the actor."""
        if not _NAME.fullmatch(name):
            raise StoreError(f"{name!r} cannot be a name: use 1 to 63 of a-z, 0-9, dot, underscore, hyphen")
        if not 1 <= days <= MOST_DAYS:
            raise StoreError(f"a token is good for 1 to {MOST_DAYS} days")
        if not scopes:
            raise StoreError("a token needs a scope: read, write, audit or backup")
        token, wanted = PREFIX + new_token(), tuple(dict.fromkeys(scopes))
        expires_at = now + days * DAY_S
        with self._engine.begin() as connection:
            if connection.scalar(select(ApiTokens.id).where(ApiTokens.name == name)):
                raise StoreError(f"there is a token {name!r} already, or was; a name serves once")
            connection.execute(
                insert(ApiTokens).values(
                    digest=token_digest(Use.API, token, self._key),
                    name=name,
                    scopes=" ".join(wanted),
                    created_at=now,
                    expires_at=expires_at,
                )
            )
            self._record(connection, now, "token-added", name, {}, {"scopes": list(wanted), "expires_at": expires_at})
        return NewToken(token, name, wanted, expires_at)

    def revoke_token(self, name: str, now: float) -> ApiToken:
        with self._engine.begin() as connection:
            this = ApiTokens.name == name
            done = connection.execute(
                update(ApiTokens).where(this, ApiTokens.revoked_at.is_(None)).values(revoked_at=now)
            )
            row = connection.execute(_tokens().where(this)).one_or_none()
            if row is None:
                raise Unknown(f"there is no token {name!r}; `sallyport token list` shows all")
            if not done.rowcount:
                raise StoreError(f"the token {name!r} was revoked already")
            self._record(connection, now, "token-revoked", name, {}, {})
        return _token(row)

    def tokens(self) -> list[ApiToken]:
        """Oldest first, also those that are worth nothing any more."""
        with self._reading.connect() as connection:
            return [_token(row) for row in connection.execute(_tokens().order_by(ApiTokens.id))]

    def holder(self, presented: str, now: float) -> ApiToken | None:
        """That of a request; None for one that is none, or none any more."""
        this = ApiTokens.digest == token_digest(Use.API, presented, self._key)
        good = (this, ApiTokens.revoked_at.is_(None), ApiTokens.expires_at > now)
        with self._reading.connect() as connection:
            row = connection.execute(_tokens().where(*good)).one_or_none()
        if row is None:
            return None
        found = _token(row)
        if found.last_used_at is None or now - found.last_used_at >= _LAST_USED_GRAIN_S:
            with self._engine.begin() as connection:
                connection.execute(update(ApiTokens).where(this).values(last_used_at=now))
        return found


def _tokens() -> Select[str, str, float, float, float | None, float | None]:
    row = ApiTokens
    return select(row.name, row.scopes, row.created_at, row.expires_at, row.last_used_at, row.revoked_at)


def _token(row: _Found) -> ApiToken:
    name, scopes, created_at, expires_at, last_used_at, revoked_at = row
    words = tuple(TokenScope(word) for word in scopes.split())
    return ApiToken(name, words, created_at, expires_at, last_used_at, revoked_at)
