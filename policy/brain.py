"""Each question answered: the clock read once, store and engine asked, written down what must be on disk.

    app.py    HTTP around it
    brain.py  (you are here)
    connects.py        may this address talk
    logins.py          who is let in
    judge.py           what becomes of a message
    feedback.py        what became of it in the world
    fronts.py          the same for a Postfix and a Dovecot of others
    sasl.py, engine/   decide, and touch nothing
    store/, budgets/   are asked and written to

A message's charge, its record and what belongs to other messages of that moment go to the disk in one commit, and only
then is the verdict given: what was accepted is counted, whatever happens next.
"""

import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from policy import log, sasl
from policy.alerting.heard import Heard
from policy.authpolicy.desk import Desk
from policy.condition import Condition
from policy.connects import Connects
from policy.contract import (
    Action,
    ConnectFacts,
    ConnectVerdict,
    HealthTold,
    LoginAnswer,
    LoginOutcome,
    LoginStep,
    MessageFacts,
    MessageVerdict,
    Outcomes,
    Revocations,
    RevocationsAsked,
)
from policy.engine.sources import network_of
from policy.feedback import Feedback
from policy.judge import Judge
from policy.ledger import Ledger
from policy.logins import Logins
from policy.proofs import Visit
from policy.queue_contract import Deliveries
from policy.reporting import note_gateway
from policy.store.directory import Directory
from policy.store.handles import Scope
from policy.store.health_reports import HealthNotes
from policy.store.levels import Levels, levels
from policy.store.reader import Reader
from policy.store.revocations import Feed
from policy.store.writer import Writer
from policy.tally import Login, LoginReason, Stage, Tally, What
from service import tracing
from service.health import Health

_NUMBERS = itertools.count(secrets.randbits(63))  # no other process, and no later one, goes through the same ones


class Beside(Protocol):
    """Something with a task of its own: it kicks IMAP sessions, looks at files, listens elsewhere."""

    def start(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Brain:
    """What the answers are made of; policy/assembly.py puts it together, once at the start."""

    directory: Directory
    connects: Connects
    logins: Logins
    judging: Judge
    feedback: Feedback
    heard: Heard
    feed: Feed
    desk: Desk
    tally: Tally
    condition: Condition
    health_notes: HealthNotes
    beside: Sequence[Beside]  # what goes on beside the questions
    ledger: Ledger
    writer: Writer
    reader: Reader
    clock: Callable[[], float]

    async def connect(self, facts: ConnectFacts) -> ConnectVerdict:
        """Whether an address may talk on a listener."""
        return await self.connects.decide(facts, self.clock())

    async def login(self, step: LoginStep) -> LoginAnswer:
        """One step of a SASL exchange: the mechanism says what is claimed, logins.py what the answer to that is."""
        said = sasl.next_step(step)
        if isinstance(said, sasl.Challenge):
            return LoginAnswer(outcome=LoginOutcome.CHALLENGE, challenge=said.octets)
        if isinstance(said, sasl.Malformed):
            self.tally.note(What(Stage.LOGIN, Login.MALFORMED), self.clock())
            return LoginAnswer(outcome=LoginOutcome.MALFORMED)
        if isinstance(said, sasl.Refused):
            if said.why != sasl.TOKEN_REFUSED:  # which is counted, and in the log, already
                self.tally.note(What(Stage.LOGIN, Login.REFUSED, LoginReason.EXCHANGE), self.clock())
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
        """What becomes of a message; with a reservation where it is relayed, on its way or to be held."""
        reservation = _new_reservation(facts)
        self.heard.note_scan(facts.scan)
        decision, identity = await self.judging.judge(facts, reservation, self.clock())
        is_relayed = decision.action in {Action.ACCEPT, Action.HOLD}
        verdict = MessageVerdict(
            action=decision.action,
            reason=decision.reason,
            reservation=reservation if is_relayed else "",
            held=decision.held,
            delay_s=decision.delay_s,
        )
        log.message_judged(facts, verdict, identity, decision.rule, decision.observed)
        tracing.note(
            submission=facts.submission, action=verdict.action, reason=verdict.reason or "", rule=decision.rule
        )
        return verdict

    async def start(self) -> None:
        """Asks the store for nothing: it may not be there yet."""
        for one in self.beside:
            one.start()

    async def health(self) -> Health:
        """Whether it can do its work, at this moment."""
        return await self.condition.look()

    async def hear(self, told: HealthTold) -> None:
        """How a gateway is; written down soon, for nobody waits for it."""
        now = self.clock()
        self.writer.make_later(lambda: note_gateway(self.health_notes, told, now))

    async def levels(self) -> Levels | None:
        """How much there is now; None where the store does not answer."""
        try:
            return await levels(self.reader, self.clock())
        except Exception:  # noqa: BLE001 - whatever it is: who asks wants to know just that
            return None

    async def close(self) -> None:
        """Finish what waits, then ask nothing more."""
        for one in self.beside:
            await one.close()
        await self.writer.close()
        await self.ledger.close()
        await self.logins.close()
        await self.directory.close()

    async def end(self, reports: Outcomes) -> None:
        """What became of accepted messages."""
        known = await self.judging.end(reports.outcomes, self.clock())
        for report, was_open in zip(reports.outcomes, known, strict=True):
            log.message_ended(report, was_open)

    async def deliver(self, deliveries: Deliveries) -> None:
        """What became of recipients."""
        await self.feedback.take(deliveries, self.clock())

    async def revocations(self, asked: RevocationsAsked) -> Revocations:
        """Whose sessions have to end. The first question only learns where the feed is."""
        self.heard.note_gateway(self.clock())
        newest = await self.feed.newest()
        # Nearly always there is nothing new. In a store that was restored the feed is further back, and goes on there.
        if asked.after < 0 or newest <= asked.after:
            return Revocations(newest=newest)
        ended = await self.feed.after(asked.after)
        return Revocations(newest=ended[-1].id, credentials=tuple(one.credential for one in ended))

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
            gate=step.gate,
            client_name=step.client_name,
            tls_fingerprint=step.tls_fingerprint,
        )


def _new_reservation(facts: MessageFacts) -> str:
    """Names its submission, so that a report on it finds the record; a submission asked twice is reserved twice."""
    return f"{facts.submission}.{next(_NUMBERS):016x}"
