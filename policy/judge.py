"""The message stage in the services: the profile read, the engine asked, charges and record written in one step.

brain.py            one message of the gateway, one report
delegation/         one message of a front that has its own logins
judge.py            (you are here) profile, decision, record
senders.py          who hands a message in, and from where
profiles.py         what is read for a message
engine/judging.py   decides, and touches nothing
ledger.py           charges and records, in one commit where the counts are in the database
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from policy.alerting.nearly_spent import NearlySpent
from policy.contract import Action, MessageFacts, Outcome, Reason, RelayOutcome
from policy.delegation.handed import Handed
from policy.engine.budget import Sum, Take, Taken
from policy.engine.charges import REFUSALS_KEPT
from policy.engine.entering import counts_days
from policy.engine.judging import Decision, Judging, judge
from policy.engine.places import area_in_doubt
from policy.engine.profile import Profile
from policy.engine.rules import Stage
from policy.engine.sources import NOWHERE, network_of
from policy.ledger import Asking, Ledger
from policy.memory import Notes
from policy.profiles import Case, Profiles
from policy.store.days import Done
from policy.store.records import Failed, Reached
from policy.store.standings import Cause
from policy.store.transactions import at_once
from policy.store.writer import Writer
from policy.tally import Stage as Counted
from policy.tally import What
from policy.telling import Teller

_LATE_S = 10.0  # a report that comes so long after its question may have missed a look at the queue
_UNKNOWN = ""  # whose refusals are counted where there never was such a credential

Judged = tuple[Case, Decision]
Read = Callable[[Profiles], Coroutine[Any, Any, Case]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Put together once at the start. `within` asks in the writer's transaction, where that answers at once."""

    profiles: Profiles
    within: Profiles | None
    notes: Notes
    ledger: Ledger
    teller: Teller
    nearly_spent: NearlySpent
    writer: Writer

    async def judge(self, facts: MessageFacts, reservation: str, now: float) -> tuple[Decision, str]:
        """The decision on a message of the gateway, and whose it was; with a reservation where it is relayed."""
        case, decision = await self._settled(lambda profiles: profiles.of_message(facts, now), reservation, now)
        return decision, case.profile.identity if case.profile else ""

    async def judge_handed(self, handed: Handed, now: float) -> Decision:
        """The decision on a message of another front, charged, committed and written down at once."""
        case, decision = await self._settled(lambda profiles: profiles.of_handed(handed, now), handed.submission, now)
        if case.profile and decision.reason is not Reason.LOCKED and case.profile.place.origin.network != NOWHERE:
            self._remember(case.identity, case.profile, now)
        if decision.action in {Action.ACCEPT, Action.HOLD}:
            outcome = Outcome(reservation=handed.submission, outcome=RelayOutcome.RELAYED, queue_id=handed.queue_id)
            await self.end([outcome], now, is_urgent=True)
        return decision

    async def foresee(self, handed: Handed, now: float) -> Decision:
        """What that would decide now. Changes nothing."""
        asking = await self._asking(lambda profiles: profiles.of_handed(handed, now), now)
        _, decision = await self.ledger.foresee(asking, now)
        return decision

    async def end(self, outcomes: Sequence[Outcome], now: float, *, is_urgent: bool = False) -> list[bool]:
        """Which of the reservations were open. Recipients are known from now on where the message went to them.

        Not urgent is where nobody waits for it.
        """
        ended = [(one.reservation, one.outcome is RelayOutcome.FAILED) for one in outcomes]
        failed = dict[str, str]()
        write = partial(self._write_ends, outcomes, failed, now)
        known = await self.ledger.end(ended, now, write, is_urgent=is_urgent)
        if failed:
            await asyncio.gather(*(self._count_failure(*one, now) for one in failed.items()))  # in one commit
        return known

    async def _settled(self, read: Read, reservation: str, now: float) -> Judged:
        asking = await self._asking(read, now)
        case, decision = await self.ledger.settle(asking, reservation, now, partial(self._write, now))
        self._count(len(case.facts.recipients), decision, now)
        if case.profile and decision.signals:
            profile = case.profile
            self.teller.tell(profile.identity, profile.place, decision.signals, profile.standing, decision.standing)
        return case, decision

    def _count(self, recipients: int, decision: Decision, now: float) -> None:
        what = What(Counted.MESSAGE, decision.action, decision.reason or "")
        self.teller.tally.note(what, now, recipients - len(decision.held))  # where it is held whole, `held` is empty
        self.teller.count_observed(decision.observed, now, recipients)

    async def _asking(self, read: Read, now: float) -> Asking[Judged]:
        """Read and decide within the transaction, or read before it."""
        if within := self.within:
            return lambda: _judged(at_once(read(within)), now)
        case = await read(self.profiles)
        return lambda: _judged(case, now)

    def _remember(self, identity: int, profile: Profile, now: float) -> None:
        """Where nobody asks us about logins, a message is the login. The first network of all is vouched for."""
        place, rulebook, notes = profile.place, self.profiles.rulebook(), self.notes
        if not counts_days(place, profile.standing.at(now), rulebook):
            return
        is_first = place.is_settled and place.is_unseen_area
        origin, forgotten = place.origin, rulebook.forgotten_at(now)
        area = partial(notes.areas.note, identity, origin.area, now, forgotten=forgotten, is_vouched=is_first)
        self.writer.make_later(area)
        self.writer.make_later(partial(notes.uses.note_network, identity, origin.network, now, forgotten=forgotten))

    # Writing

    def _write(self, now: float, judged: Judged) -> None:
        case, decision = judged
        facts, profile = case.facts, case.profile
        if decision.is_recorded:
            self.notes.records.add_submission(facts, profile, decision, case.rulebook.digest, now)
        if not profile:
            return
        if decision.signals:
            self._write_signals(case, profile, decision)
        self.nearly_spent.note(profile.identity, decision.stood, now)
        if decision.is_doubted:
            area = area_in_doubt(profile.place)
            self.notes.areas.doubt(case.identity, area, network_of(facts.client_address), now)
        if decision.is_recorded:
            self.notes.days.add(case.identity, _done(profile, decision), now)

    def _write_signals(self, case: Case, profile: Profile, decision: Decision) -> None:
        """What speaks against the sender is remembered even where there are too many refusals to write them down."""
        facts = case.facts
        cause = Cause(facts.credential, facts.submission, facts.client_address)
        opened = self.notes.standings.note(case.identity, decision.standing, decision.signals, cause)
        self.teller.note(opened, profile.identity, profile.place, decision.signals, decision.standing)

    def _write_ends(
        self, outcomes: Sequence[Outcome], failed: dict[str, str], now: float, known: Sequence[bool]
    ) -> None:
        """`failed` is filled: submissions that were given back, and whose they are."""
        open_ones = [one for one, was_open in zip(outcomes, known, strict=True) if was_open]
        ended = [(submission_of(one.reservation), one) for one in open_ones]
        reached = self.notes.records.end_submissions(dict(ended))
        learnt = list[tuple[int, int]]()
        for submission, outcome in ended:
            if outcome.outcome is RelayOutcome.FAILED:
                if gone := self.notes.records.failed(submission):
                    failed[submission] = gone.name
                    self.notes.days.add(gone.identity, _undone(gone), gone.at)
            elif one := reached.get(submission):
                learnt += [(one.identity, mark) for mark in one.marks]
                self._write_reached(submission, outcome, one, now)
        self.notes.recipients.learn_all(learnt, now)

    def _write_reached(self, submission: str, outcome: Outcome, reached: Reached, now: float) -> None:
        if now - reached.at > _LATE_S:
            self.notes.measures.look_again(reached.identity, reached.at, now)
        held = outcome.held_queue_id or outcome.queue_id
        if reached.is_held and held:
            self.notes.held.note(submission, held, self.profiles.rulebook().containment.sending_delay_s, now)

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


_NEVER_WAS = Decision(action=Action.REJECT, reason=Reason.CREDENTIAL_REVOKED, rule="credential_is_known")


def _judged(case: Case, now: float) -> Generator[Take, Taken, Judged]:
    if case.profile:
        decision = yield from judge(case.facts, case.profile, case.rulebook, now, case.stage)
    elif case.stage is Stage.MESSAGE:
        decision = yield from _judge_nobody()
    else:  # an identity that was removed while its message came
        decision = replace(_NEVER_WAS, is_recorded=False)
    return case, decision


def _judge_nobody() -> Judging:
    """A credential that never was: only the record has a budget."""
    taken = yield Take((Sum("refusals", f"refusals:{_UNKNOWN}", 1, REFUSALS_KEPT),))
    return replace(_NEVER_WAS, is_recorded=taken.fits)


def _judge_failure(identity: str) -> Generator[Take, Taken, bool]:
    """Whether its record is kept."""
    taken = yield Take((Sum("failures", f"failures:{identity}", 1, REFUSALS_KEPT),))
    return taken.fits


def _done(profile: Profile, decision: Decision) -> Done:
    if decision.action in {Action.DEFER, Action.REJECT}:
        return Done(refused=1)
    if decision.action is Action.HOLD:
        return Done(messages=1, held=len(profile.recipients))
    gone = [one for place, one in enumerate(profile.recipients) if place not in decision.held]
    new = len({one.mark for one in gone if one.is_new})
    elsewhere = new if profile.place.is_elsewhere else 0
    return Done(messages=1, recipients=len(gone), new=new, elsewhere=elsewhere, held=len(decision.held))


def _undone(failed: Failed) -> Done:
    """What was added to the day when it was accepted."""
    elsewhere = -failed.new if failed.is_elsewhere else 0
    return Done(messages=-1, recipients=-failed.recipients, new=-failed.new, elsewhere=elsewhere, held=-failed.held)
