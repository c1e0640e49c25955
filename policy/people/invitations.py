"""From the link of an invitation to the first session: a password, a second factor, recovery codes.

Nothing of it is in the database until all of it is: the last step uses the link up and keeps everything, in one
transaction. Before that the link alone is not enough for long: who has chosen a password on it has a ticket, and
whoever opens the link after them must know that password.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from policy import log
from policy.people.choosing import Choosing
from policy.people.errors import InviteBegun, Refused, Text, TicketExpired
from policy.people.hashing import Hashing
from policy.people.passkeys import RelyingParty
from policy.people.passwords import About, canonical, is_possible
from policy.people.pending import Pending
from policy.people.second_factors import FactorKind, TotpOffer, new_recovery_codes, new_seed, offer, step_of
from policy.people.sign_in import SignedIn
from policy.store.audit import Actor
from policy.store.console_sessions import Sessions, Visitor
from policy.store.digests import new_token
from policy.store.factors import NewFactor
from policy.store.people import Invite, People

DRAFT_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Draft:
    """What was chosen on a link: the password's hash, and a seed in case that it becomes an application."""

    password: str = field(repr=False)
    seed: bytes = field(repr=False)


class Invitations:
    """One for a process. `people` makes the store for an actor; `user` the octets that are a person to a passkey."""

    def __init__(
        self,
        people: Callable[[Actor], People],
        sessions: Sessions,
        site: RelyingParty,
        choosing: Choosing,
        hashing: Hashing,
        user: Callable[[str], bytes],
    ) -> None:
        self._people = people
        self._sessions = sessions
        self._site = site
        self._choosing = choosing
        self._hashing = hashing
        self._user = user
        self._drafts: Pending[_Draft] = Pending(DRAFT_S)
        self._tickets: Pending[int] = Pending(DRAFT_S)
        self._challenges: Pending[bytes] = Pending(DRAFT_S)

    def look(self, token: str, now: float) -> Invite:
        """Whose link it is; InviteInvalid where it is nobody's, or nobody's any more. It is not used up by this."""
        return self._people(Actor("console", "")).open_invite(token, now)

    def has_begun(self, token: str, now: float) -> bool:
        """Whether a password was chosen on this link lately: the next one who opens it has to enter that one."""
        return self._drafts.get(str(self.look(token, now).id), now) is not None

    async def choose_password(self, token: str, password: str, now: float) -> str:
        """The ticket for the next steps; PasswordRefused, InviteBegun or Busy where there is none for this password."""
        invite = self.look(token, now)
        draft = self._drafts.get(str(invite.id), now)
        if draft is None:
            chosen = await self._choosing.hash_of(password, About((invite.identity, invite.owner, *invite.addresses)))
            draft = _Draft(chosen, new_seed())
            if not self._drafts.put_first(str(invite.id), draft, now):
                raise InviteBegun
        elif not is_possible(password) or not await self._hashing.verify(draft.password, canonical(password)):
            raise InviteBegun
        ticket = new_token()
        self._tickets.put(ticket, invite.id, now)
        return ticket

    def totp(self, token: str, ticket: str, now: float) -> TotpOffer:
        """For an authenticator application; the same one when the page is loaded again."""
        invite, draft = self._begun(token, ticket, now)
        return offer(draft.seed, invite.identity, self._site.name)

    def passkey_options(self, token: str, ticket: str, now: float) -> str:
        """For the browser's navigator.credentials.create."""
        invite, _ = self._begun(token, ticket, now)
        ceremony = self._site.registration(self._user(invite.identity), invite.identity, ())
        self._challenges.put(ticket, ceremony.challenge, now)
        return ceremony.options

    def finish_totp(self, token: str, ticket: str, code: str, label: str, visitor: Visitor, now: float) -> SignedIn:
        """With the first code of the application: it shows that the application has the seed."""
        _, draft = self._begun(token, ticket, now)
        step = step_of(draft.seed, code, 0, now)
        if step is None:
            raise Refused(Text.WRONG_FACTOR)
        return self._finish(token, ticket, NewFactor(FactorKind.TOTP, label, draft.seed, step), visitor, now)

    def finish_passkey(
        self, token: str, ticket: str, answer: str, label: str, visitor: Visitor, now: float
    ) -> SignedIn:
        """With the browser's answer to the options."""
        self._begun(token, ticket, now)
        challenge = self._challenges.take(ticket, now)
        if challenge is None:
            raise TicketExpired
        made = self._site.registered(answer, challenge)
        new = NewFactor(FactorKind.PASSKEY, label, made.public_key, made.count, made.handle)
        return self._finish(token, ticket, new, visitor, now)

    def _begun(self, token: str, ticket: str, now: float) -> tuple[Invite, _Draft]:
        invite = self.look(token, now)
        draft = self._drafts.get(str(invite.id), now)
        if draft is None or self._tickets.get(ticket, now) != invite.id:
            raise TicketExpired
        return invite, draft

    def _finish(self, token: str, ticket: str, factor: NewFactor, visitor: Visitor, now: float) -> SignedIn:
        invite, draft = self._begun(token, ticket, now)
        codes = new_recovery_codes()
        people = self._people(Actor(f"console:{invite.identity}", visitor.client_address))
        cookie = people.enrol(token, draft.password, factor, codes, visitor, now)
        self._drafts.take(str(invite.id), now)
        self._tickets.take(ticket, now)
        log.signed_in(invite.identity, visitor.client_address, factor.kind)
        return SignedIn(cookie, self._sessions.opened(cookie, now), codes)
