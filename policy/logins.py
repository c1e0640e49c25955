"""Whether somebody is let in: one way for every mechanism, for submission and for Dovecot.

    proofs.py              what a claim is about, and whether it is true
    logins.py              (you are here) walls, proof, gates, traps, in this order
    engine/guessing.py     the walls: who has tried too much
    walling.py             which networks are walled, for people and after a start
    engine/gates.py        what must hold of a credential that was proven
    entrances.py           from where it comes: the listener's gate, the ladder
    store/traps.py         what no owner of a login has a reason to do

Walls come first, so that nothing is looked at behind them. Whatever is refused after that is refused in the same words
and after the same work: unknown, wrong, expired, revoked, suspended, out of scope, from another network.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial

from policy import log, sasl
from policy.alerting.kinds import Kind
from policy.bridges.answers import Later, Wrong
from policy.contract import LoginAnswer, LoginOutcome, canonical_login
from policy.engine.entering import pickups_for, sessions_for
from policy.engine.gates import Entrance, refusal_at_gates
from policy.engine.guessing import Attempt, Trap, Wall, Walls, Why
from policy.engine.sources import NOWHERE, Network, is_within
from policy.entrances import LOCKED, Comer, Entrances
from policy.foreign import Full
from policy.pickup_sessions import PickupSessions
from policy.proofs import MADE_HERE, Case, GoOn, Prover, Visit
from policy.store.directory import Found
from policy.store.handles import Scope
from policy.store.notices import NoticeBook
from policy.store.traps import Closed, TrapHit, TrapRecords, Traps
from policy.store.uses import NETWORK_GRAIN_S, USE_GRAIN_S, Uses
from policy.store.writer import Writer
from policy.tally import Login, LoginReason, Stage, Tally, What
from policy.walling import Walling
from service.spans import HOUR_S

_WALLS = {Wall.NETWORK: LoginReason.WALLED_NETWORK, Wall.LOGIN: LoginReason.WALLED_LOGIN}
_MENTIONED = 1000  # old devices that are kept in mind, so that each is in the log once an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """Put together once at the start. `uses` and `trap_records` work within `writer`."""

    prover: Prover
    walling: Walling
    traps: Traps
    trap_records: TrapRecords
    uses: Uses
    entrances: Entrances
    writer: Writer
    unwalled: tuple[Network, ...]  # the administrator vouches for these
    notices: NoticeBook  # taken within `writer`, too
    tally: Tally
    pickup_sessions: PickupSessions | None = None  # where Dovecot can be asked
    _mentioned: OrderedDict[tuple[str, str, str], float] = field(default_factory=OrderedDict)

    @property
    def walls(self) -> Walls:
        return self.walling.walls

    async def decide(self, claim: sasl.Claim, visit: Visit) -> LoginAnswer:
        """The answer to a claim."""
        await self.walling.remember(visit.now)
        case = await self.prover.case(claim, visit)
        attempt = self._attempt(case, visit)
        if wall := self.walls.wall_for(attempt, visit.now):
            return self._deferred(visit, wall.value, _WALLS[wall])
        proof = await case.prove()
        if isinstance(proof, GoOn):
            return LoginAnswer(outcome=LoginOutcome.CHALLENGE, challenge=proof.challenge)
        if isinstance(proof, Full):
            return self._deferred(visit, "too many secrets to verify", LoginReason.BUSY)
        if isinstance(proof, Later):
            return self._deferred(visit, proof.why, LoginReason.UNAVAILABLE, LoginOutcome.UNAVAILABLE)
        found = None if isinstance(proof, Wrong) else await self._as_it_is_now(case, visit)
        if isinstance(proof, Wrong) or not found:
            reason = LoginReason.SECRET if case.is_counted else LoginReason.PROOF
            return await self._refused(case, attempt, visit, reason, proof.why if isinstance(proof, Wrong) else "")
        entrance = Entrance(scope=visit.scope, client_address=visit.client_address, now=visit.now)
        if refusal := refusal_at_gates(found, entrance):
            reason = LoginReason(refusal.gate)
            return await self._refused(case, attempt, visit, reason, refusal.why, proven=found)
        if proof.verifier is not None:
            return LoginAnswer(outcome=LoginOutcome.CHALLENGE, challenge=proof.verifier)
        return await self._granted(case, found, attempt, visit)

    async def close(self) -> None:
        await self.prover.close()

    def _attempt(self, case: Case, visit: Visit) -> Attempt:
        """Logins are counted in their canonical form: in capitals it is no other one."""
        return Attempt(
            login=canonical_login(case.login) if case.is_counted else None,
            network=None if is_within(visit.client_address, self.unwalled) else visit.network,
            is_known=case.found is not None,
            has_history=case.found is not None and case.found.has_history,
        )

    async def _as_it_is_now(self, case: Case, visit: Visit) -> Found | None:
        """A slow proof may have taken seconds, and whoever was revoked meanwhile has no session that could be ended."""
        found = case.found
        return await self.prover.directory.by_id(found.id, visit.network) if found and case.slow else found

    async def _granted(self, case: Case, found: Found, attempt: Attempt, visit: Visit) -> LoginAnswer:
        """Owners do not wait. From a network without history a yes takes as long as a no, or the wait would tell."""
        entered = await self.entrances.enter(_comer(found), visit.gate, visit.client_address, visit.looks, visit.now)
        if entered.why:
            reason = LoginReason.LOCKED if entered.why == LOCKED else LoginReason.GATE
            return await self._refused(case, attempt, visit, reason, entered.why, proven=found)
        limits = self.entrances.rulebook().limits_of(found.profile, found.identity)
        if visit.scope == Scope.IMAP and not await self._has_room(found.identity, pickups_for(entered.place, limits)):
            return self._deferred(visit, "too many sessions", LoginReason.SESSIONS)
        delay_s = 0.0 if attempt.has_history or attempt.network is None else self.walls.delay_s(attempt, visit.now)
        last_used_at = found.last_used_at
        if last_used_at is None or visit.now - last_used_at >= USE_GRAIN_S:
            self.writer.make_later(partial(self.uses.note_credential, found.id, visit.client_address, visit.now))
        is_due = found.network_used_at is None or visit.now - found.network_used_at >= NETWORK_GRAIN_S
        if is_due and visit.network != NOWHERE:
            forgotten = self.entrances.rulebook().forgotten_at(visit.now)
            note = partial(self.uses.note_network, found.identity_id, visit.network, visit.now, forgotten=forgotten)
            self.writer.make_later(note)
        log.login_granted(visit.session, visit.client_address, visit.mechanism, found.login, found.identity)
        self.tally.note(What(_stage_of(visit), Login.GRANTED), visit.now)
        place = entered.place
        grants = await self.prover.directory.grants(
            found, limits, is_strange=not place.is_settled, sessions=sessions_for(place, limits)
        )
        return LoginAnswer(outcome=LoginOutcome.GRANTED, grants=grants, delay_s=delay_s)

    async def _has_room(self, identity: str, sessions: int) -> bool:
        return self.pickup_sessions is None or await self.pickup_sessions.is_room(identity, sessions)

    async def _refused(
        self, case: Case, attempt: Attempt, visit: Visit, reason: LoginReason, why: str, proven: Found | None = None
    ) -> LoginAnswer:
        """`proven` is the credential where it was proven, and is good for nothing here."""
        self.tally.note(What(_stage_of(visit), Login.REFUSED, reason), visit.now)
        whose = proven.identity if proven else ""
        log.login_refused(visit.session, visit.client_address, visit.mechanism, why, whose)
        delay_s = 0.0
        if case.is_counted or proven:
            closed = await self._trap(case, visit, proven)
            if closed and (closed.has_history or attempt.network is None):
                self._mention(closed, visit)
            elif closed:
                self._close(closed, attempt, visit)
        if case.is_counted:
            until = self.walls.note_wrong(attempt, case.secret, visit.now)
            if until:
                self.walling.raised(visit.network, until, Why.GUESSING, visit.now)
            delay_s = self.walls.delay_s(attempt, visit.now)
            await self.prover.wait_like_a_refusal(case)
        if case.failure:
            return LoginAnswer(outcome=LoginOutcome.CHALLENGE, challenge=case.failure)
        return LoginAnswer(outcome=LoginOutcome.REFUSED, delay_s=delay_s)

    def _deferred(
        self, visit: Visit, why: str, reason: LoginReason, outcome: LoginOutcome = LoginOutcome.LATER
    ) -> LoginAnswer:
        self.tally.note(What(_stage_of(visit), Login.LATER, reason), visit.now)
        log.login_deferred(visit.session, visit.client_address, visit.mechanism, why)
        return LoginAnswer(outcome=outcome)

    # Traps

    async def _trap(self, case: Case, visit: Visit, proven: Found | None) -> Closed | None:
        """The trap that this was. A login that somebody has may have any form, as long as it is in force."""
        closed = await self.traps.closed_by(case.login, case.digest, visit.network)
        found = case.found
        if proven and proven.revoked_at is not None and proven.kind in MADE_HERE:
            return Closed(Trap.REVOKED, proven.identity, proven.label, proven.is_settled)
        if closed and closed.kind is Trap.ADDRESS and found and _is_in_force(found, visit.now):
            return None
        return closed

    def _close(self, closed: Closed, attempt: Attempt, visit: Visit) -> None:
        """The source is walled at once, it is written down, and the administrator is told."""
        until = self.walls.penalise(attempt.network, visit.now)
        hit = TrapHit(
            at=visit.now,
            kind=closed.kind,
            network=visit.network,
            client_address=visit.client_address,
            protocol=visit.protocol,
            identity=closed.identity,
            label=closed.label,
            hits=1,
        )
        self.writer.make_later(partial(self._note, hit))
        log.trap_closed(closed.kind, visit.session, visit.client_address, visit.protocol, closed.identity, closed.label)
        if until:
            self.walling.raised(visit.network, until, Why.TRAP, visit.now)

    def _note(self, hit: TrapHit) -> None:
        self.trap_records.add(hit)
        facts = {"trap": hit.kind, "network": hit.network, "identity": hit.identity, "protocol": hit.protocol}
        self.notices.add(
            Kind.TRAP_HIT, f"A trap closed: {hit.kind} from {hit.network}", _told(hit), hit.at, facts=facts
        )

    def _mention(self, closed: Closed, visit: Visit) -> None:
        """An old device, or its owner's mistake: in the log, once an hour."""
        key = (closed.kind, closed.identity, visit.network)
        if visit.now - self._mentioned.get(key, -HOUR_S) < HOUR_S:
            return
        self._mentioned[key] = visit.now
        self._mentioned.move_to_end(key)
        if len(self._mentioned) > _MENTIONED:
            self._mentioned.popitem(last=False)
        log.old_login_tried(closed.kind, visit.session, visit.client_address, closed.identity, closed.label)


def _comer(found: Found) -> Comer:
    return Comer(
        identity_id=found.identity_id,
        identity=found.identity,
        kind=found.profile,
        credential=found.id,
        is_first_use=found.last_used_at is None,
        network=found.network_history,
        standing=found.standing,
    )


def _is_in_force(found: Found, now: float) -> bool:
    return found.revoked_at is None and (found.expires_at is None or found.expires_at > now)


def _stage_of(visit: Visit) -> Stage:
    return Stage.LOGIN if visit.scope == Scope.SUBMIT else Stage.PICKUP


def _told(hit: TrapHit) -> list[str]:
    what = {
        Trap.ADDRESS: "an address, or a name, was used as a login",
        Trap.RETIRED: "a secret was used that was replaced by another one",
        Trap.REVOKED: "the secret of a credential was used that is revoked",
        Trap.DECOY: "a decoy was used",
    }[Trap(hit.kind)]
    return [
        f"What: {what}.",
        f"From: {hit.client_address} ({hit.network}), over {hit.protocol}.",
        f"Whose: {hit.identity or 'nobody here'}{f' ({hit.label})' if hit.label else ''}.",
        "The network is refused for an hour, the next time for longer; networks that an identity has used go on.",
        "If that is a network of its owner, or of others who work there, let all of them in now, or one for good:",
        f"    sallyport wall lift {hit.network}",
        f"    sallyport network confirm {hit.identity or 'NAME'} {hit.network}",
        "More: sallyport trap list",
    ]
