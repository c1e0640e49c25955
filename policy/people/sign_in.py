"""Signing in to the console: a password first, then a second factor, then a cookie.

Unknown names, wrong passwords, people without a password and suspended ones cost the same time and read the same. What
a ticket stands for is that the password was right; it is worth nothing without the second factor.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from policy import log
from policy.engine.guessing import Attempt, Walls
from policy.engine.sources import Network, is_within, network_of
from policy.people.errors import Busy, SignInRefused, Text, TicketExpired, Wait
from policy.people.hashing import Hashing
from policy.people.passkeys import RelyingParty, handle_of
from policy.people.passwords import canonical, is_possible
from policy.people.pending import Pending
from policy.people.second_factors import FactorKind
from policy.store.audit import Actor
from policy.store.console_sessions import Session, Sessions, Visitor
from policy.store.digests import new_token
from policy.store.factors import Factors
from policy.store.people import People, Person
from service.spans import HOUR_S

TICKET_S = 5 * 60.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """For the second page. `kinds` is what the person can show there; a recovery code always does."""

    token: str = field(repr=False)
    identity: str
    kinds: frozenset[FactorKind]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The cookie for the browser; recovery codes where they were made with this, to be shown once.

    `by_recovery_code` where one was used up: the second factor may be lost.
    """

    cookie: str = field(repr=False)
    session: Session
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)
    by_recovery_code: bool = False


@dataclass(frozen=True, slots=True)
class Fence:
    """The walls of the console, and the networks that meet none: the administrator vouches for these."""

    walls: Walls
    unwalled: tuple[Network, ...]


class SignIn:
    """One for a process. `people` makes the store for an actor."""

    def __init__(
        self,
        people: Callable[[Actor], People],
        factors: Factors,
        sessions: Sessions,
        site: RelyingParty,
        hashing: Hashing,
        fence: Fence,
    ) -> None:
        self._people = people
        self._factors = factors
        self._sessions = sessions
        self._site = site
        self._hashing = hashing
        self._walls, self._unwalled = fence.walls, fence.unwalled
        self._pause: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._tickets: Pending[Person] = Pending(TICKET_S)
        self._challenges: Pending[bytes] = Pending(TICKET_S)

    async def password(self, typed: str, password: str, visitor: Visitor, now: float) -> Ticket:
        """`typed` is a name or an address. Busy, Wait or SignInRefused where there is no ticket for it."""
        people = self._people(Actor("console", visitor.client_address))
        person = await asyncio.to_thread(people.find, typed)
        attempt = await asyncio.to_thread(attempt_of, people, person, typed, visitor, self._unwalled)
        if wall := self._walls.wall_for(attempt, now):
            log.sign_in_refused(visitor.client_address, wall)
            raise Wait(HOUR_S)
        whose = person.id if person else 0
        is_own = await asyncio.to_thread(people.is_own_network, whose, visitor.client_address)
        if not await self._is_right(person, password, is_own=is_own) or person is None:
            self._walls.note_wrong(attempt, password.encode("utf-8", "replace"), now)
            await self._pause(self._walls.delay_s(attempt, now))
            raise _refused(visitor, "wrong name or password")
        if person.is_suspended:
            raise _refused(visitor, "suspended")
        await self._rehash(people, person, password)
        kinds = frozenset(factor.kind for factor in await asyncio.to_thread(self._factors.of, person.name))
        ticket = Ticket(new_token(), person.name, kinds)
        self._tickets.put(ticket.token, person, now)
        return ticket

    def code(self, ticket: str, code: str, visitor: Visitor, now: float) -> SignedIn:
        """With six digits of an application, or with a recovery code. A wrong one leaves the ticket good."""
        person = self._holder(ticket, now)
        people = self._people(Actor("console", visitor.client_address))
        is_own = people.is_own_network(person.id, visitor.client_address)
        kind = self._factors.take_code(person.id, code, now, is_own=is_own)
        if kind is None:
            log.second_factor_refused(person.name, visitor.client_address)
            raise SignInRefused(Text.WRONG_FACTOR)
        return self._signed_in(ticket, kind, visitor, now)

    def passkey_options(self, ticket: str, now: float) -> str:
        """For the browser's navigator.credentials.get."""
        person = self._holder(ticket, now)
        ceremony = self._site.authentication(self._factors.handles(person.name))
        self._challenges.put(ticket, ceremony.challenge, now)
        return ceremony.options

    def passkey(self, ticket: str, answer: str, visitor: Visitor, now: float) -> SignedIn:
        """Each challenge is answered once, right or wrong."""
        person = self._holder(ticket, now)
        challenge = self._challenges.take(ticket, now)
        if challenge is None:
            raise TicketExpired
        passkey = self._factors.passkey(person.name, handle_of(answer))
        count = self._site.authenticated(answer, challenge, passkey) if passkey else None
        if passkey is None or count is None or not self._factors.take_passkey(passkey, count, now):
            log.second_factor_refused(person.name, visitor.client_address)
            raise SignInRefused(Text.WRONG_PASSKEY)
        return self._signed_in(ticket, FactorKind.PASSKEY, visitor, now)

    # Sessions

    def session(self, cookie: str, now: float) -> Session | None:
        """For each request: the session that the cookie is of, which goes on with this."""
        return self._sessions.find(cookie, now)

    def sessions(self, identity: str, now: float) -> list[Session]:
        return self._sessions.of(identity, now)

    def end(self, session: Session, visitor: Visitor, now: float) -> None:
        """Sign out."""
        self.end_session(session, session.id, visitor, now)

    def end_session(self, session: Session, session_id: int, visitor: Visitor, _now: float) -> None:
        """Sign another browser of the same person out; nothing happens where there is none, or not any more."""
        if self._sessions.end(session.identity, session_id):
            log.signed_out(session.identity, visitor.client_address)

    def end_all(self, session: Session, visitor: Visitor, now: float) -> None:
        """Sign all other browsers of the person out."""
        self._sessions.end_all(session.identity, actor_of(session, visitor), now, but=session.id)

    async def _is_right(self, person: Person | None, password: str, *, is_own: bool) -> bool:
        """What nobody can have as a password costs as much as what somebody could."""
        tried = canonical(password) if is_possible(password) else ""
        return await self._hashing.verify(person.password if person else None, tried, is_own=is_own)

    async def _rehash(self, people: People, person: Person, password: str) -> None:
        """At the cost of today, if it was made at a lower one. Not now, where there is no room for it."""
        if person.password and self._hashing.hasher.is_cheap(person.password):
            with contextlib.suppress(Busy):
                costly = await self._hashing.hash(canonical(password))
                await asyncio.to_thread(people.rehash, person, costly)

    def _holder(self, ticket: str, now: float) -> Person:
        person = self._tickets.get(ticket, now)
        if person is None:
            raise TicketExpired
        return person

    def _signed_in(self, ticket: str, kind: FactorKind, visitor: Visitor, now: float) -> SignedIn:
        """The ticket is used up. The person may have been suspended, or have started over, since the password."""
        person = self._tickets.take(ticket, now)
        if person is None:
            raise TicketExpired
        opened = self._sessions.open(person.id, person.changed_at, visitor, now)
        if opened is None:
            raise _refused(visitor, "suspended, or the password was changed meanwhile")
        log.signed_in(person.name, visitor.client_address, kind)
        return SignedIn(opened.cookie, opened.session, by_recovery_code=kind is FactorKind.RECOVERY)


def actor_of(session: Session, visitor: Visitor) -> Actor:
    """Who acts in the audit log when a person does."""
    return Actor(f"console:{session.identity}", visitor.client_address)


def attempt_of(
    people: People, person: Person | None, typed: str, visitor: Visitor, unwalled: tuple[Network, ...] = ()
) -> Attempt:
    """What a try is to the walls. Of somebody's names and addresses each is the same login."""
    address = visitor.client_address
    return Attempt(
        login=person.name if person else typed.strip().casefold(),
        network=None if is_within(address, unwalled) else network_of(address),
        is_known=person is not None,
        has_history=people.was_in(person.id if person else 0, address),
    )


def _refused(visitor: Visitor, why: str) -> SignInRefused:
    """`why` is for the log alone."""
    log.sign_in_refused(visitor.client_address, why)
    return SignInRefused(Text.WRONG_SIGN_IN)
