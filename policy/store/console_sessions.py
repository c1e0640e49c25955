"""Browsers that are signed in to the console. The cookie is a random token; what is kept is its digest.

A session ends when nobody has used it for half an hour, twelve hours after the sign-in, when its person ends it, and at
once when the identity is suspended or starts over.

A network in which one was opened is the person's own (store/uses.py): names are public, and strangers who try
passwords on one must not keep its owner out there.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, Row, ScalarSelect, Select, case, delete, func, insert, select, update

from policy.engine.sources import NOWHERE, network_of
from policy.people.roles import Role
from policy.store.audit import Actor, record
from policy.store.digests import Use, new_token, token_digest
from policy.store.models import Addresses, ConsoleSessions, Identities, Networks, Passwords
from policy.store.rows import Profile
from service.spans import DAY_S

IDLE_S = 30 * 60.0
LONGEST_S = 12 * 3600.0
_SEEN_GRAIN_S = 60.0  # a page with ten pictures is one use
_MOST_USER_AGENT = 200

_Found = Row[int, str, str, str, str, float, float, float, float, str]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who talks to the console, as far as the network tells."""

    client_address: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser of one person."""

    id: int
    identity: str
    owner: str
    addresses: tuple[str, ...]
    role: Role
    client_address: str
    user_agent: str
    created_at: float
    seen_at: float
    expires_at: float
    proven_at: float  # the last second factor in it


@dataclass(frozen=True, slots=True)
class NewSession:
    """`cookie` is told once, to the browser."""

    cookie: str = field(repr=False)
    session: Session


class Sessions:
    """All of them."""

    def __init__(self, engine: Engine, key: bytes) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._key = key

    def open(self, person: int, changed_at: float | None, visitor: Visitor, now: float) -> NewSession | None:
        """For whoever showed the password of `changed_at`; None where there is another one, or they are suspended."""
        is_as_it_was = (
            select(Identities.id)
            .join(Passwords, Passwords.identity_id == Identities.id)
            .where(Identities.id == person, Identities.suspended_at.is_(None), Passwords.changed_at == changed_at)
        )
        with self._engine.begin() as connection:
            if connection.scalar(is_as_it_was) is None:
                return None
            cookie = open_session(connection, self._key, person, visitor, now)
        return NewSession(cookie, self.opened(cookie, now))

    def open_vouched(self, person: int, visitor: Visitor, proven_at: float, now: float) -> NewSession | None:
        """For somebody whom an issuer vouches for since `proven_at`; None where it is no person, or suspended."""
        may_sign_in = select(Identities.id).where(
            Identities.id == person, Identities.suspended_at.is_(None), Identities.profile == Profile.PERSON
        )
        with self._engine.begin() as connection:
            if connection.scalar(may_sign_in) is None:
                return None
            cookie = open_session(connection, self._key, person, visitor, now, proven_at=proven_at)
        return NewSession(cookie, self.opened(cookie, now))

    def opened(self, cookie: str, now: float) -> Session:
        """The session of a cookie that was made just now."""
        found = self.find(cookie, now)
        if found is None:
            raise LookupError("the session has ended")
        return found

    def find(self, cookie: str, now: float) -> Session | None:
        """The session of a cookie, which is used with this; None where there is none, or none any more."""
        digest = token_digest(Use.SESSION, cookie, self._key)
        with self._reading.connect() as connection:
            row = connection.execute(_live(now).where(ConsoleSessions.digest == digest)).one_or_none()
            found = self._session(connection, row) if row else None
        if found and found.seen_at < now - _SEEN_GRAIN_S:
            with self._engine.begin() as connection:
                connection.execute(update(ConsoleSessions).where(ConsoleSessions.id == found.id).values(seen_at=now))
        return found

    def of(self, identity: str, now: float) -> list[Session]:
        """Those of one person, newest first."""
        with self._reading.connect() as connection:
            rows = connection.execute(
                _live(now).where(Identities.name == identity).order_by(ConsoleSessions.id.desc())
            ).all()
            return [self._session(connection, row) for row in rows]

    def prove(self, session: Session, now: float) -> str | None:
        """A second factor was shown in it. The cookie is another one from now on; None where it has ended."""
        cookie = new_token()
        proven = (
            update(ConsoleSessions)
            .where(ConsoleSessions.id == session.id, ConsoleSessions.identity_id == _id_of(session.identity))
            .values(digest=token_digest(Use.SESSION, cookie, self._key), proven_at=now)
        )
        with self._engine.begin() as connection:
            return cookie if connection.execute(proven).rowcount else None

    def end(self, identity: str, session_id: int) -> bool:
        """One session, if it is of that person."""
        with self._engine.begin() as connection:
            return bool(
                connection.execute(
                    delete(ConsoleSessions).where(
                        ConsoleSessions.id == session_id, ConsoleSessions.identity_id == _id_of(identity)
                    )
                ).rowcount
            )

    def end_all(self, identity: str, actor: Actor, now: float, *, but: int | None = None) -> int:
        """All sessions of a person, but the one that it is done in; how many that were."""
        with self._engine.begin() as connection:
            ended = end_sessions(connection, identity, but=but)
            record(connection, actor, now, "console-sessions-ended", identity, {"sessions": ended}, {"sessions": 0})
        return ended

    def _session(self, connection: Connection, row: _Found) -> Session:
        addresses = connection.scalars(
            select(Addresses.address)
            .join(Identities, Identities.id == Addresses.identity_id)
            .where(Identities.name == row[1])
            .order_by(Addresses.id)
        )
        return Session(
            id=row[0],
            identity=row[1],
            owner=row[2],
            addresses=tuple(addresses),
            role=Role(row[9]),
            client_address=row[3],
            user_agent=row[4],
            created_at=row[5],
            seen_at=row[6],
            expires_at=row[7],
            proven_at=row[8],
        )


def open_session(
    connection: Connection,
    key: bytes,
    identity_id: int,
    visitor: Visitor,
    now: float,
    *,
    proven_at: float | None = None,
) -> str:
    """The cookie of a new session, in the transaction that it belongs to. What has ended goes with this.

    Where there is no `proven_at` a second factor was shown just now.
    """
    connection.execute(
        delete(ConsoleSessions).where((ConsoleSessions.expires_at <= now) | (ConsoleSessions.seen_at <= now - IDLE_S))
    )
    cookie = new_token()
    connection.execute(
        insert(ConsoleSessions).values(
            digest=token_digest(Use.SESSION, cookie, key),
            identity_id=identity_id,
            client_address=visitor.client_address,
            user_agent="".join(filter(str.isprintable, visitor.user_agent))[:_MOST_USER_AGENT],
            created_at=now,
            seen_at=now,
            expires_at=now + LONGEST_S,
            proven_at=proven_at,
        )
    )
    _note_network(connection, identity_id, network_of(visitor.client_address), now)
    return cookie


def end_sessions(connection: Connection, identity: str, *, but: int | None = None) -> int:
    """All sessions of a person, or all but one, in the transaction of what ends them."""
    ended = delete(ConsoleSessions).where(ConsoleSessions.identity_id == _id_of(identity))
    return connection.execute(ended if but is None else ended.where(ConsoleSessions.id != but)).rowcount


def _note_network(connection: Connection, person: int, network: str, now: float) -> None:
    """As a login of a device does it."""
    if network == NOWHERE:
        return
    is_another_day = case((Networks.last_used_at < now - now % DAY_S, 1), else_=0)
    noted = connection.execute(
        update(Networks)
        .where(Networks.identity_id == person, Networks.network == network)
        .values(days=Networks.days + is_another_day, last_used_at=now)
    )
    if not noted.rowcount:
        first = {"first_used_at": now, "last_used_at": now, "days": 1}
        connection.execute(insert(Networks).values(identity_id=person, network=network, **first))


def _id_of(identity: str) -> ScalarSelect[int]:
    return select(Identities.id).where(Identities.name == identity).scalar_subquery()


def _live(now: float) -> Select[int, str, str, str, str, float, float, float, float, str]:
    """Sessions that have not ended, of identities that may sign in."""
    row = ConsoleSessions
    return (
        select(
            row.id,
            Identities.name,
            Identities.owner,
            row.client_address,
            row.user_agent,
            row.created_at,
            row.seen_at,
            row.expires_at,
            func.coalesce(row.proven_at, row.created_at),
            Identities.role,
        )
        .join(Identities, Identities.id == row.identity_id)
        .where(row.expires_at > now, row.seen_at > now - IDLE_S, Identities.suspended_at.is_(None))
    )
