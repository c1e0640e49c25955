"""A second factor once more, in a session that is open: before what a browser that was left open must not do.

It lasts for a quarter of an hour. The cookie becomes another one with it, so that whoever had copied the old one does
not gain what the person has just proven.
"""

from collections.abc import Callable

from policy import log
from policy.people.errors import SignInRefused, Text, TicketExpired
from policy.people.passkeys import RelyingParty, handle_of
from policy.people.pending import Pending
from policy.people.second_factors import FactorKind
from policy.people.sign_in import TICKET_S, actor_of
from policy.store.audit import Actor
from policy.store.console_sessions import Session, Sessions, Visitor
from policy.store.factors import Factors
from policy.store.people import People

FRESH_S = 15 * 60.0


class Confirming:
    """One for a process. `people` makes the store for an actor."""

    def __init__(
        self, people: Callable[[Actor], People], factors: Factors, sessions: Sessions, site: RelyingParty
    ) -> None:
        self._people = people
        self._factors = factors
        self._sessions = sessions
        self._site = site
        self._challenges: Pending[bytes] = Pending(TICKET_S)

    def kinds(self, session: Session) -> frozenset[FactorKind]:
        """What the person can show; a recovery code always does."""
        return frozenset(factor.kind for factor in self._factors.of(session.identity))

    def code(self, session: Session, code: str, visitor: Visitor, now: float) -> str:
        """The new cookie, for six digits or a recovery code. Wrong ones are counted as at the sign-in."""
        person = self._people(actor_of(session, visitor)).find(session.identity)
        if person is None:
            raise TicketExpired
        kind = self._factors.take_code(person.id, code, now, is_own=True)
        if kind is None:
            raise _refused(session, visitor, Text.WRONG_FACTOR)
        return self._proven(session, kind, visitor, now)

    def passkey_options(self, session: Session, now: float) -> str:
        """For the browser's navigator.credentials.get."""
        ceremony = self._site.authentication(self._factors.handles(session.identity))
        self._challenges.put(str(session.id), ceremony.challenge, now)
        return ceremony.options

    def passkey(self, session: Session, answer: str, visitor: Visitor, now: float) -> str:
        """The new cookie. Each challenge is answered once, right or wrong."""
        challenge = self._challenges.take(str(session.id), now)
        if challenge is None:
            raise TicketExpired
        passkey = self._factors.passkey(session.identity, handle_of(answer))
        count = self._site.authenticated(answer, challenge, passkey) if passkey else None
        if passkey is None or count is None or not self._factors.take_passkey(passkey, count, now):
            raise _refused(session, visitor, Text.WRONG_PASSKEY)
        return self._proven(session, FactorKind.PASSKEY, visitor, now)

    def _proven(self, session: Session, kind: FactorKind, visitor: Visitor, now: float) -> str:
        cookie = self._sessions.prove(session, now)
        if cookie is None:
            raise TicketExpired
        log.second_factor_confirmed(session.identity, visitor.client_address, kind)
        return cookie


def is_fresh(session: Session, now: float) -> bool:
    """Whether a second factor was shown in it not long ago."""
    return now - session.proven_at < FRESH_S


def _refused(session: Session, visitor: Visitor, text: Text) -> SignInRefused:
    log.second_factor_refused(session.identity, visitor.client_address)
    return SignInRefused(text)
