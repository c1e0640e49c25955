"""The message stage in the services: the profile read, the engine asked, charges and record written in one step.

brain.py            one message of the gateway, one report
delegation/         one message of a front that has its own logins
judge.py            (you are here) profile, decision, record
engine/judging.py   decides, and touches nothing
ledger.py           charges and records, in one commit where the counts are in the database
"""

import asyncio
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from secrets import randbits

from policy.connects import Connects
from policy.contract import Action, MessageFacts, Outcome, Owned, Reason, RelayOutcome, canonical_address
from policy.delegation.handed import Handed
from policy.engine.budget import Sum, Take, Taken
from policy.engine.charges import REFUSALS_KEPT
from policy.engine.gates import Entrance, refusal_at_gates
from policy.engine.judging import Decision, Judging, judge
from policy.engine.ladder import Standing
from policy.engine.places import History, place_of
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.rulebook import Rulebook, Treatment
from policy.engine.rules import Stage
from policy.engine.sources import NOWHERE, network_of
from policy.ledger import Ledger
from policy.marks import Marks
from policy.memory import Notes, Recall
from policy.store.days import Done
from policy.store.directory import Found
from policy.store.handles import Scope
from policy.store.records import Failed
from policy.store.standings import Cause
from policy.store.writer import Writer
from policy.telling import Teller

_UNKNOWN = ""  # whose refusals are counted where there never was such a credential


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """The identity that a message is judged for."""

    identity_id: int
    identity: str
    login: str
    credential: int
    kind: str
    is_active: bool
    network: History | None
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Put together once at the start. `rulebook` gives the policy in force; `domains` are ours."""

    recall: Recall
    notes: Notes
    connects: Connects
    marks: Marks
    rulebook: Callable[[], Rulebook]
    ledger: Ledger
    domains: frozenset[str]
    teller: Teller
    writer: Writer

    async def judge(self, facts: MessageFacts, reservation: str, now: float) -> tuple[Decision, str]:
        """The decision on a message of the gateway, and whose it was; with a reservation where it is relayed."""
        found = await self.recall.directory.by_id(facts.credential, network_of(facts.client_address))
        rulebook = self.rulebook()
        if not found:
            write = partial(self._write, facts, None, None, rulebook, now)
            return await self.ledger.settle(_judge_nobody, reservation, now, write), ""
        whose = _whose(found, now)
        owned = await self.recall.directory.owned(found.identity_id)
        profile = await self._profile(whose, facts, owned, rulebook, now)
        asking = partial(judge, facts, profile, rulebook, now)
        return await self._settled(asking, facts, whose, profile, reservation, now), whose.identity

    async def judge_handed(self, handed: Handed, now: float) -> Decision:
        """The decision on a message of another front, charged, committed and written down at once."""
        prepared = await self._prepared(handed, now)
        if not prepared:
            return _NEVER_WAS
        facts, whose, profile, asking = prepared
        decision: Decision = await self._settled(asking, facts, whose, profile, handed.submission, now)
        if decision.reason is not Reason.LOCKED and profile.place.origin.network != NOWHERE:
            self._remember(whose.identity_id, profile.place, now)
        if decision.action in {Action.ACCEPT, Action.HOLD}:
            outcome = Outcome(reservation=handed.submission, outcome=RelayOutcome.RELAYED, queue_id=handed.queue_id)
            await self.end([outcome], now, is_urgent=True)
        return decision

    async def foresee(self, handed: Handed, now: float) -> Decision:
        """What that would decide now. Changes nothing."""
        prepared = await self._prepared(handed, now)
        return await self.ledger.foresee(prepared[3], now) if prepared else _NEVER_WAS

    async def end(self, outcomes: Sequence[Outcome], now: float, *, is_urgent: bool = False) -> list[bool]:
        """Which of the reservations were open. Recipients are known from now on where the message went to them.

        Not urgent is where nobody waits for it.
        """
        ended = [(one.reservation, one.outcome is RelayOutcome.FAILED) for one in outcomes]
        failed = dict[str, str]()
        write = partial(self._write_ends, outcomes, failed, now)
        known = await self.ledger.end(ended, now, write, is_urgent=is_urgent)
        await asyncio.gather(*(self._count_failure(*one, now) for one in failed.items()))  # in one commit
        return known

    async def _prepared(
        self, handed: Handed, now: float
    ) -> tuple[MessageFacts, Whose, Profile, Callable[[], Judging]] | None:
        found = await self.recall.directory.identity_at(handed.identity, network_of(handed.client_address))
        if not found:
            return None
        whose = Whose(
            identity_id=found.id,
            identity=found.name,
            login=handed.login,
            credential=handed.credential,
            kind=found.profile,
            is_active=found.suspended_at is None,
            network=found.network_history,
            standing=found.standing,
        )
        facts, rulebook = _facts_of(handed), self.rulebook()
        owned = await self.recall.directory.owned(found.id)
        profile = await self._profile(whose, facts, owned, rulebook, now, handed)
        return facts, whose, profile, partial(judge, facts, profile, rulebook, now, Stage.DELEGATED)

    async def _settled(
        self,
        asking: Callable[[], Judging],
        facts: MessageFacts,
        whose: Whose,
        profile: Profile,
        reservation: str,
        now: float,
    ) -> Decision:
        write = partial(self._write, facts, whose, profile, self.rulebook(), now)
        decision: Decision = await self.ledger.settle(asking, reservation, now, write)
        self.teller.tell(whose.identity, profile.place, decision.signals, whose.standing, decision.standing)
        return decision

    def _remember(self, identity: int, place: Place, now: float) -> None:
        """Where nobody asks us about logins, a message is the login. The first network of all is vouched for."""
        is_first = place.is_settled and place.is_unseen_area
        self.writer.make_later(partial(self.notes.areas.note, identity, place.origin.area, now, is_vouched=is_first))
        self.writer.make_later(partial(self.notes.uses.note_network, identity, place.origin.network, now))

    # Reading

    async def _profile(
        self,
        whose: Whose,
        facts: MessageFacts,
        owned: Owned,
        rulebook: Rulebook,
        now: float,
        handed: Handed | None = None,
    ) -> Profile:
        strangers = handed.strangers if handed else 0
        addresses = [canonical_address(one) for one in facts.recipients[: len(facts.recipients) - strangers]]
        recipients = await self._recipients(whose.identity_id, addresses, strangers, now)
        is_new = any(one.is_new for one in recipients)
        usual, today = await self.recall.days.baseline(whose.identity_id, now) if is_new else (0.0, 0)
        signals = await self.recall.standings.signals(whose.identity_id, now) if whose.standing.step else ()
        domain = self._domain_of(owned)
        return Profile(
            identity=whose.identity,
            login=whose.login,
            credential=whose.credential,
            owned=owned,
            active=whose.is_active,
            kind=whose.kind,
            recipients_per_message=rulebook.limits_of(whose.kind, whose.identity).recipients_per_message,
            place=await self._place(whose, facts, rulebook, now, vouches_first=handed is not None),
            recipients=recipients,
            standing=whose.standing,
            signals=signals,
            usual_new_per_day=usual,
            new_today=today,
            domain=domain,
            domain_users=await self.recall.directory.users_of(domain, now) if domain else 1,
            traps=tuple(place for place, one in enumerate(addresses) if one in rulebook.trap_recipients),
        )

    def _domain_of(self, owned: Owned) -> str:
        """The first of ours in which the identity has an address: no message can choose another one."""
        with_address = {one.rpartition("@")[2] for one in owned.addresses}
        return min((with_address | owned.domains) & self.domains, default="")

    async def _place(
        self, whose: Whose, facts: MessageFacts, rulebook: Rulebook, now: float, *, vouches_first: bool
    ) -> Place:
        """Where the client is. At home nothing else needs to be known."""
        address = facts.client_address
        origin = self.connects.atlas.origin(address)
        at_home = place_of(origin, {}, whose.network, rulebook, now)
        if at_home.is_home:
            return at_home
        passage = await self.connects.passage_of(whose.identity_id, whose.identity, facts.gate, address, now)
        areas = await self.recall.areas.of(whose.identity_id)
        is_suspect = passage.treatment is not Treatment.ACCEPT
        place = place_of(origin, areas, whose.network, rulebook, now, is_suspect=is_suspect)
        # In front of the gateway the login has settled this already (entrances.py).
        is_first = vouches_first and not areas and not whose.network and not is_suspect
        return replace(place, is_settled=True) if is_first else place

    async def _recipients(
        self, identity: int, addresses: Sequence[str], strangers: int, now: float
    ) -> tuple[Recipient, ...]:
        ours = [one.rpartition("@")[2] in self.domains for one in addresses]
        marks = [self.marks.recipient(one) for one in addresses]
        outside = [mark for mark, is_internal in zip(marks, ours, strict=True) if not is_internal]
        known = await self.recall.recipients.known(identity, outside, now)
        told = [
            Recipient(mark=mark, is_internal=is_internal, is_known=mark in known)
            for mark, is_internal in zip(marks, ours, strict=True)
        ]
        # Nobody can be sure that two of those are one.
        nobody = [Recipient(mark=randbits(63), is_internal=False, is_known=False) for _ in range(strangers)]
        return (*told, *nobody)

    # Writing

    def _write(
        self,
        facts: MessageFacts,
        whose: Whose | None,
        profile: Profile | None,
        rulebook: Rulebook,
        now: float,
        decision: Decision,
    ) -> None:
        if decision.is_recorded:
            self.notes.records.add_submission(facts, profile, decision, rulebook.digest, now)
        if not whose or not profile:
            return
        # What speaks against the sender is remembered even where there are too many refusals to write them down.
        identity, origin = whose.identity_id, profile.place.origin
        cause = Cause(facts.credential, facts.submission, facts.client_address)
        self.notes.standings.note(identity, decision.standing, decision.signals, cause)
        if decision.is_doubted:
            self.notes.areas.doubt(identity, origin.area, network_of(facts.client_address), now)
        if decision.is_recorded:
            self.notes.days.add(identity, _done(profile, decision), now)

    def _write_ends(
        self, outcomes: Sequence[Outcome], failed: dict[str, str], now: float, known: Sequence[bool]
    ) -> None:
        """`failed` is filled: submissions that were given back, and whose they are."""
        for outcome, was_open in zip(outcomes, known, strict=True):
            if not was_open:
                continue
            submission = submission_of(outcome.reservation)
            self.notes.records.end_submission(submission, outcome)
            if outcome.outcome is RelayOutcome.FAILED:
                if gone := self.notes.records.failed(submission):
                    failed[submission] = gone.name
                    self.notes.days.add(gone.identity, _undone(gone), gone.at)
                continue
            if reached := self.notes.records.reached(submission):
                self.notes.recipients.learn(reached.identity, reached.marks, now)

    async def _count_failure(self, submission: str, identity: str, now: float) -> None:
        asking, keep = partial(_judge_failure, identity), partial(self._keep_failure, submission)
        await self.ledger.settle(asking, f"{submission}.failed", now, keep)

    def _keep_failure(self, submission: str, is_kept: bool) -> None:
        """What failed was given back, and its record is all that it costs: of these, too, there is a limit."""
        if not is_kept:
            self.notes.records.drop(submission)


def submission_of(reservation: str) -> str:
    """A reservation names its submission, so that a report on it finds the record."""
    return reservation.partition(".")[0]


def _whose(found: Found, now: float) -> Whose:
    entrance = Entrance(scope=Scope.SUBMIT, client_address="", now=now)
    return Whose(
        identity_id=found.identity_id,
        identity=found.identity,
        login=found.login,
        credential=found.id,
        kind=found.profile,
        is_active=refusal_at_gates(found, entrance) is None,
        network=found.network_history,
        standing=found.standing,
    )


_NEVER_WAS = Decision(action=Action.REJECT, reason=Reason.CREDENTIAL_REVOKED, rule="credential_is_known")


def _judge_nobody() -> Judging:
    """A credential that never was: only the record has a budget."""
    taken = yield Take((Sum("refusals", f"refusals:{_UNKNOWN}", 1, REFUSALS_KEPT),))
    return replace(_NEVER_WAS, is_recorded=taken.fits)


def _judge_failure(identity: str) -> Generator[Take, Taken, bool]:
    """Whether its record is kept."""
    taken = yield Take((Sum("failures", f"failures:{identity}", 1, REFUSALS_KEPT),))
    return taken.fits


def _facts_of(handed: Handed) -> MessageFacts:
    return MessageFacts(
        submission=handed.submission,
        session=handed.session,
        listener=handed.listener,
        client_address=handed.client_address,
        client_name=handed.client_name,
        credential=handed.credential,
        reverse_path=handed.reverse_path,
        recipients=(*handed.recipients, *[""] * handed.strangers),
        authors=(),
        senders=(),
        names=(),
        message_bytes=handed.message_bytes,
    )


def _done(profile: Profile, decision: Decision) -> Done:
    if decision.action in {Action.DEFER, Action.REJECT}:
        return Done(refused=1)
    if decision.action is Action.HOLD:
        return Done(messages=1, held=len(profile.recipients))
    gone = [one for place, one in enumerate(profile.recipients) if place not in decision.held]
    new = len({one.mark for one in gone if one.is_new})
    return Done(messages=1, recipients=len(gone), new=new, held=len(decision.held))


def _undone(failed: Failed) -> Done:
    """What was added to the day when it was accepted."""
    return Done(messages=-1, recipients=-failed.recipients, new=-failed.new, held=-failed.held)
