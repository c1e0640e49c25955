"""Each question answered: the clock read once, store and engine asked, written down what must be on disk.

    app.py    HTTP around it
    brain.py  (you are here)
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
)
from policy.engine.charges import Window, charge_for, charge_for_record, refusal_for
from policy.engine.rules import Profile, Ruling, Stage, decide
from policy.store.directory import Directory, Holder
from policy.store.records import Records
from policy.store.writer import Writer

_WRONG = "no such login or wrong secret"
_Claim = sasl.SecretClaim | sasl.CertificateClaim | sasl.Proven | sasl.Refused
_Said = _Claim | sasl.Challenge | sasl.Malformed
_NEVER_WAS = Ruling(Action.REJECT, Reason.CREDENTIAL_REVOKED, "credential_is_known")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brain:
    """What the answers are made of, put together once at the start. `budgets` and `records` work within `writer`."""

    directory: Directory
    budgets: Budgets
    records: Records
    writer: Writer
    recipient_windows: tuple[Window, ...]
    clock: Callable[[], float]

    async def login(self, step: LoginStep) -> LoginAnswer:
        """One step of a SASL exchange: the mechanism says what is claimed, the directory whether it is true."""
        said = self._next_step(step)
        if isinstance(said, sasl.Challenge):
            return LoginAnswer(outcome=LoginOutcome.CHALLENGE, challenge=said.octets)
        if isinstance(said, sasl.Malformed):
            return LoginAnswer(outcome=LoginOutcome.MALFORMED)
        holder = self._holder(said)
        if holder is None:
            why = said.why if isinstance(said, sasl.Refused) else _WRONG
            log.login_refused(step.session, step.client_address, step.mechanism, why)
            return LoginAnswer(outcome=LoginOutcome.REFUSED)
        self._granted(holder, step.session, step.client_address, step.mechanism)
        return LoginAnswer(outcome=LoginOutcome.GRANTED, grants=holder.grants)

    def pick_up(self, login: str, secret: str, session: str, client_address: str, protocol: str) -> str | None:
        """The mailbox that a login of Dovecot's may read, or None."""
        holder = self.directory.by_secret(login, secret)
        if holder is None:
            log.login_refused(session, client_address, protocol, _WRONG)
            return None
        self._granted(holder, session, client_address, protocol)
        return holder.grants.identity

    async def judge(self, facts: MessageFacts) -> MessageVerdict:
        """Rules first, then the budget: what a rule refuses costs nothing."""
        now = self.clock()
        profile = self.directory.profile(facts.credential)
        ruling = decide(Stage.MESSAGE, facts, profile) if profile else _NEVER_WAS
        ruling, reservation = await self.writer.make(partial(self._reserve, facts, profile, ruling, now))
        verdict = MessageVerdict(action=ruling.action, reason=ruling.reason, reservation=reservation)
        log.message_judged(facts, verdict, profile.identity if profile else "", ruling.rule)
        return verdict

    async def end(self, reports: Outcomes) -> None:
        """What became of accepted messages."""
        known = await self.writer.make(lambda: [self._end(report) for report in reports.outcomes], is_urgent=False)
        for report, was_open in zip(reports.outcomes, known, strict=True):
            log.message_ended(report, was_open)

    def _next_step(self, step: LoginStep) -> _Said:
        said = sasl.next_step(step)
        if not isinstance(said, sasl.ScramClaim):
            return said
        nonce = self.directory.nonce(step.exchange, step.responses[0])
        return said.answer(self.directory.scram_keys(said.login), nonce)

    def _holder(self, claim: _Claim) -> Holder | None:
        if isinstance(claim, sasl.SecretClaim):
            return self.directory.by_secret(claim.login, claim.secret)
        if isinstance(claim, sasl.CertificateClaim):
            return self.directory.by_certificate(claim.fingerprint, claim.login)
        if isinstance(claim, sasl.Proven):
            return self.directory.by_proof(claim.login)
        return None

    def _granted(self, holder: Holder, session: str, client_address: str, mechanism: str) -> None:
        now, grants = self.clock(), holder.grants
        if holder.use_is_due(now):
            self.writer.make_later(partial(self.records.note_use, grants.credential, now))
        log.login_granted(session, client_address, mechanism, grants.login, grants.identity)

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
