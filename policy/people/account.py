"""What a person who is signed in changes about the own sign-in. All of it is in the audit log."""

import asyncio
from collections.abc import Callable

from policy.people.choosing import Choosing
from policy.people.errors import PasswordRefused, Refused, SignInRefused, Text, TicketExpired, Wait
from policy.people.hashing import Hashing
from policy.people.passkeys import RelyingParty
from policy.people.passwords import About, canonical, is_possible
from policy.people.pending import Pending
from policy.people.second_factors import FactorKind, TotpOffer, new_recovery_codes, new_seed, offer, step_of
from policy.people.sign_in import Fence, actor_of, attempt_of
from policy.store.audit import Actor
from policy.store.console_sessions import Session, Visitor
from policy.store.factors import Factor, Factors, NewFactor
from policy.store.people import People
from service.spans import HOUR_S

_DRAFT_S = 15 * 60.0


class Account:
    """One for a process. `people` makes the store for an actor; `user` the octets that are a person to a passkey."""

    def __init__(
        self,
        people: Callable[[Actor], People],
        factors: Factors,
        site: RelyingParty,
        choosing: Choosing,
        hashing: Hashing,
        fence: Fence,
        user: Callable[[str], bytes],
    ) -> None:
        self._people = people
        self._factors = factors
        self._site = site
        self._choosing = choosing
        self._hashing = hashing
        self._walls, self._unwalled = fence.walls, fence.unwalled
        self._user = user
        self._seeds: Pending[bytes] = Pending(_DRAFT_S)
        self._challenges: Pending[bytes] = Pending(_DRAFT_S)

    def factors(self, session: Session) -> list[Factor]:
        return self._factors.of(session.identity)

    def recovery_codes_left(self, session: Session) -> int:
        return self._factors.codes_left(session.identity)

    def totp(self, session: Session, now: float) -> TotpOffer:
        """For one more application; the same one when the page is loaded again."""
        seed = self._seeds.get(str(session.id), now) or new_seed()
        self._seeds.put(str(session.id), seed, now)
        return offer(seed, session.identity, self._site.name)

    def add_totp(self, session: Session, code: str, label: str, visitor: Visitor, now: float) -> Factor:
        """With the first code of the application."""
        seed = self._seeds.get(str(session.id), now)
        if seed is None:
            raise TicketExpired
        step = step_of(seed, code, 0, now)
        if step is None:
            raise Refused(Text.WRONG_FACTOR)
        added = self._add(session, NewFactor(FactorKind.TOTP, label, seed, step), visitor, now)
        self._seeds.take(str(session.id), now)
        return added

    def passkey_options(self, session: Session, now: float) -> str:
        """For the browser's navigator.credentials.create."""
        handles = self._factors.handles(session.identity)
        ceremony = self._site.registration(self._user(session.identity), session.identity, handles)
        self._challenges.put(str(session.id), ceremony.challenge, now)
        return ceremony.options

    def add_passkey(self, session: Session, answer: str, label: str, visitor: Visitor, now: float) -> Factor:
        """With the browser's answer; each challenge is answered once."""
        challenge = self._challenges.take(str(session.id), now)
        if challenge is None:
            raise TicketExpired
        made = self._site.registered(answer, challenge)
        new = NewFactor(FactorKind.PASSKEY, label, made.public_key, made.count, made.handle)
        return self._add(session, new, visitor, now)

    def remove_factor(self, session: Session, factor_id: int, visitor: Visitor, now: float) -> None:
        self._factors.remove(session.identity, factor_id, actor_of(session, visitor), now)

    def new_recovery_codes(self, session: Session, visitor: Visitor, now: float) -> tuple[str, ...]:
        """Ten new ones, to be shown once. The old ones serve no more."""
        codes = new_recovery_codes()
        self._factors.replace_codes(session.identity, codes, actor_of(session, visitor), now)
        return codes

    async def change_password(self, session: Session, current: str, new: str, visitor: Visitor, now: float) -> None:
        """All other sessions of the person end: whoever had the old password may be in one of them."""
        people = self._people(actor_of(session, visitor))
        person = await asyncio.to_thread(people.find, session.identity)
        attempt = await asyncio.to_thread(attempt_of, people, person, session.identity, visitor, self._unwalled)
        if self._walls.wall_for(attempt, now):
            raise Wait(HOUR_S)
        kept = person.password if person else None
        if not is_possible(current) or not await self._hashing.verify(kept, canonical(current)):
            self._walls.note_wrong(attempt, current.encode("utf-8", "replace"), now)
            raise SignInRefused(Text.WRONG_PASSWORD)
        if canonical(new) == canonical(current):
            raise PasswordRefused(Text.UNCHANGED)
        chosen = await self._choosing.hash_of(new, About((session.identity, session.owner, *session.addresses)))
        await asyncio.to_thread(people.set_password, session.identity, chosen, now, session=session.id)

    def _add(self, session: Session, new: NewFactor, visitor: Visitor, now: float) -> Factor:
        return self._factors.add(session.identity, new, actor_of(session, visitor), now)
