"""Signing in where an issuer vouches for somebody (policy/single_sign_on): who that is here, and a session.

The issuer's word opens what the person has here, and nothing more: role, standing and suspension are ours. How fresh
the proof is follows from when the person signed in there: who did so in the morning has shown nothing in the evening.
"""

from collections.abc import Callable

from policy import log
from policy.contract import canonical_address
from policy.engine.guessing import Attempt
from policy.engine.sources import is_within, network_of
from policy.people.errors import SignInRefused, Text, TicketExpired, Wait
from policy.people.sign_in import Fence, SignedIn, actor_of
from policy.store.audit import Actor
from policy.store.console_sessions import Session, Sessions, Visitor
from policy.store.people import People, Person
from service.spans import HOUR_S

_HOW = "issuer"


class Vouching:
    """One for a process. `people` makes the store for an actor."""

    def __init__(self, people: Callable[[Actor], People], sessions: Sessions, fence: Fence) -> None:
        self._people = people
        self._sessions = sessions
        self._walls, self._unwalled = fence.walls, fence.unwalled

    def admit(self, code: str, visitor: Visitor, now: float) -> None:
        """Wait for somebody whose network has shown too many codes that are none: the issuer is not asked for them."""
        if wall := self._walls.wall_for(self._attempt(code, visitor), now):
            log.sign_in_refused(visitor.client_address, wall)
            raise Wait(HOUR_S)

    def note_refused(self, code: str, visitor: Visitor, now: float) -> None:
        """The issuer does not know the code, or vouches for nobody with it: it counts as a wrong password does."""
        self._walls.note_wrong(self._attempt(code, visitor), b"", now)

    def _attempt(self, code: str, visitor: Visitor) -> Attempt:
        """Whose account it would be nobody knows before, so each code is one of its own."""
        address = visitor.client_address
        network = None if is_within(address, self._unwalled) else network_of(address)
        return Attempt(login=f"code {code}", network=network, is_known=False, has_history=False)

    def sign_in(self, name: str, authenticated_at: float, visitor: Visitor, now: float) -> SignedIn:
        """`name` is a name or an address. Nobody here, no person and somebody suspended read the same."""
        person = self._person(name, Actor("console", visitor.client_address))
        opened = self._sessions.open_vouched(person.id, visitor, authenticated_at, now) if person else None
        if person is None or opened is None:
            log.sign_in_refused(visitor.client_address, "nobody here, or suspended, whom the issuer vouches for")
            raise SignInRefused(Text.ISSUER_UNKNOWN)
        log.signed_in(person.name, visitor.client_address, _HOW)
        return SignedIn(opened.cookie, opened.session)

    def confirm(self, session: Session, name: str, visitor: Visitor, now: float) -> str:
        """The new cookie of a session, if it is this person's."""
        person = self._person(name, actor_of(session, visitor))
        if person is None or person.name != session.identity:
            log.second_factor_refused(session.identity, visitor.client_address)
            raise SignInRefused(Text.ISSUER_OTHER)
        cookie = self._sessions.prove(session, now)
        if cookie is None:
            raise TicketExpired
        log.second_factor_confirmed(session.identity, visitor.client_address, _HOW)
        return cookie

    def _person(self, name: str, actor: Actor) -> Person | None:
        return None if is_lookalike(name) else self._people(actor).find(name)


def is_lookalike(name: str) -> bool:
    """Whether it is plain letters here, and others at the issuer: full-width ones, say, of somebody else.

    Who types a name at the sign-in may spell it so; what an issuer vouches for is one account of its own.
    """
    local = name.rpartition("@")[0] or name
    return not local.isascii() and canonical_address(local).isascii()
