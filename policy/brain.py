"""Each question answered: the clock read once, store and engine asked, written down what must be on disk.

    app.py    HTTP around it
    brain.py  (you are here)
    logins.py          who is let in
    sasl.py, engine/   decide, and touch nothing
    store/, budgets/   are asked and written to

A message's charge, its record and what belongs to other messages of that moment go to the disk in one commit, and only
then is the verdict given: what was accepted is counted, whatever happens next.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from policy import log, sasl
from policy.alerts import Alerts
from policy.budgets import Budgets
from policy.contract import (
    Action,
    LoginAnswer,
    LoginOutcome,
    LoginStep,
    MessageFacts,
    MessageVerdict,
    Outcome,
    Outcomes,
    Reason,
    RelayOutcome,
    Revocations,
    RevocationsAsked,
)
from policy.engine.charges import Window, charge_for, charge_for_record, refusal_for
from policy.engine.rules import Profile, Ruling, Stage, decide
from policy.engine.sources import network_of
from policy.logins import Logins
from policy.pickup import Pickup
from policy.proofs import Visit
from policy.store.directory import Directory
from policy.store.handles import Scope
from policy.store.records import Records
from policy.store.revocations import Feed
from policy.store.writer import Writer

_NEVER_WAS = Ruling(Action.REJECT, Reason.CREDENTIAL_REVOKED, "credential_is_known")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brain:
    """What the answers are made of, put together once at the start. `budgets` and `records` work within `writer`."""

    directory: Directory
    logins: Logins
    alerts: Alerts
    feed: Feed
    pickup: Pickup | None  # None where IMAP sessions are nobody's to end
    budgets: Budgets
    records: Records
    writer: Writer
    recipient_windows: tuple[Window, ...]
    clock: Callable[[], float]

    async def login(self, step: LoginStep) -> LoginAnswer:
        """One step of a SASL exchange: the mechanism says what is claimed, logins.py what the answer to that is."""
        said = sasl.next_step(step)
        if isinstance(said, sasl.Challenge):
            return LoginAnswer(outcome=LoginOutcome.CHALLENGE, challenge=said.octets)
        if isinstance(said, sasl.Malformed):
            return LoginAnswer(outcome=LoginOutcome.MALFORMED)
        if isinstance(said, sasl.Refused):
            if said.why != sasl.TOKEN_REFUSED:  # which is in the log already
                log.login_refused(step.session, step.client_address, step.mechanism, said.why)
            return LoginAnswer(outcome=LoginOutcome.REFUSED)
        return await self.logins.decide(said, self._visit_of(step))

    async def pick_up(self, login: str, secret: str, session: str, client_address: str, protocol: str) -> LoginAnswer:
        """A login of Dovecot's. What is granted is the mailbox, which has the identity's name."""
        visit = Visit(
            session=session,
            exchange="",
            client_address=client_address,
            network=network_of(client_address),
            mechanism=protocol,
            protocol="imap",
            scope=Scope.IMAP,
            now=self.clock(),
        )
        return await self.logins.decide(sasl.SecretClaim(login, secret), visit)

    async def judge(self, facts: MessageFacts) -> MessageVerdict:
        """Rules first, then the budget: what a rule refuses costs nothing."""
        now = self.clock()
        profile = await self.directory.profile(facts.credential, now)
        ruling = decide(Stage.MESSAGE, facts, profile) if profile else _NEVER_WAS
        ruling, reservation = await self.writer.make(partial(self._reserve, facts, profile, ruling, now))
        verdict = MessageVerdict(action=ruling.action, reason=ruling.reason, reservation=reservation)
        log.message_judged(facts, verdict, profile.identity if profile else "", ruling.rule)
        return verdict

    async def start(self) -> None:
        """What goes on beside the questions. Asks the store for nothing: it may not be there yet."""
        if self.pickup:
            self.pickup.start()

    async def ready(self) -> None:
        """Raises where the store does not answer."""
        await self.directory.mailbox("administrator")
        await self.logins.remember(self.clock())

    async def close(self) -> None:
        """Finish what waits, then ask nothing more."""
        if self.pickup:
            await self.pickup.close()
        await self.writer.close()
        await self.logins.close()
        await self.directory.close()
        self.alerts.close()

    async def end(self, reports: Outcomes) -> None:
        """What became of accepted messages."""
        known = await self.writer.make(lambda: [self._end(report) for report in reports.outcomes], is_urgent=False)
        for report, was_open in zip(reports.outcomes, known, strict=True):
            log.message_ended(report, was_open)

    async def revocations(self, asked: RevocationsAsked) -> Revocations:
        """Whose sessions have to end. The first question only learns where the feed is."""
        if asked.after < 0:
            return Revocations(newest=await self.feed.newest())
        ended = await self.feed.after(asked.after)
        # Without any the feed is where it was, or, in a store that was restored, further back; what comes between the
        # two questions is for the next time.
        newest = ended[-1].id if ended else min(asked.after, await self.feed.newest())
        return Revocations(newest=newest, credentials=tuple(one.credential for one in ended))

    def _visit_of(self, step: LoginStep) -> Visit:
        return Visit(
            session=step.session,
            exchange=step.exchange,
            client_address=step.client_address,
            network=network_of(step.client_address),
            mechanism=step.mechanism,
            protocol="submission",
            scope=Scope.SUBMIT,
            now=self.clock(),
        )

    def _reserve(self, facts: MessageFacts, profile: Profile | None, ruling: Ruling, now: float) -> tuple[Ruling, str]:
        """The charge and the record of one message, within a transaction; the ruling, and the reservation if any."""
        reservation = _new_reservation(facts)
        is_reserved = False
        if profile and ruling.action is Action.ACCEPT:
            charge = charge_for(facts, profile, self.recipient_windows)
            is_reserved = self.budgets.reserve(reservation, charge, now)
            ruling = ruling if is_reserved else refusal_for(charge)
        record = charge_for_record(profile.identity if profile else "")
        if is_reserved or self.budgets.reserve(reservation, record, now):
            self.records.add_submission(facts, profile, ruling, now)
        return ruling, reservation if is_reserved else ""

    def _end(self, report: Outcome) -> bool:
        """False for a reservation that is not open: reported twice, or forgotten."""
        ended = self.budgets.release if report.outcome is RelayOutcome.FAILED else self.budgets.commit
        known = ended(report.reservation)
        if known:
            self.records.end_submission(_submission_of(report.reservation), report.outcome, report.queue_id)
        return known


def _new_reservation(facts: MessageFacts) -> str:
    """Names its submission, so that a report on it finds the record; a submission asked twice is reserved twice."""
    return f"{facts.submission}.{secrets.token_hex(8)}"


def _submission_of(reservation: str) -> str:
    return reservation.rpartition(".")[0]
