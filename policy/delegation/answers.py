"""STATES: what Postfix is told in each state of a session. One state charges: END-OF-MESSAGE.

    CONNECT            may this address talk here at all?      the gate of countries, and walls
    HELO, EHLO, MAIL   nothing to say yet                      but at MAIL: has anybody here this login?
    RCPT               would this recipient still fit?         a no is of this one recipient, and one attempt is charged
    DATA, VRFY, ETRN   nothing to say
    END-OF-MESSAGE     the message: everything is charged, committed and written down, once for each instance

A session without a login is none of ours: DUNNO. Where RCPT is not asked about nobody tells us the recipients, and all
of a message count as new ones; where END-OF-MESSAGE is not asked about nothing is ever charged (docs/delegation.md).
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from policy import log
from policy.arrivals import Stop
from policy.contract import ConnectFacts, ConnectOutcome, ConnectVerdict, canonical_login
from policy.delegation import wording
from policy.delegation.envelopes import Addressed, Envelopes, Key
from policy.delegation.handed import LISTENER, Handed
from policy.delegation.protocol import Request
from policy.engine.judging import Decision
from policy.engine.sources import network_of
from policy.store.habits import Looks
from policy.store.holders import Holder

ANSWERS_KEPT = 10_000  # messages that Postfix may ask about again, because our answer got lost
ANSWERS_KEPT_S = 600.0


class Judge(Protocol):
    """Who decides, policy/judge.py."""

    async def judge_handed(self, handed: Handed, now: float) -> Decision:
        """Charges and commits."""

    async def foresee(self, handed: Handed, now: float) -> Decision:
        """What that would decide now. Changes nothing."""


class Registry(Protocol):
    """Who knows whose login it is, policy/delegation/newcomers.py."""

    async def of(self, login: str, network: str) -> Holder | None: ...


class Arrivals(Protocol):
    """Who is let in, policy/arrivals.py."""

    async def arrive(self, holder: Holder, client_address: str, looks: Looks, now: float) -> Stop | None: ...


AskConnect = Callable[[ConnectFacts], Awaitable[ConnectVerdict]]


@dataclass(frozen=True, slots=True)
class Answer:
    """`action` of access(5), said after `delay_s`."""

    action: str
    delay_s: float = 0.0


NOTHING = Answer(wording.YES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Of all connections together; put together once at the start."""

    judge: Judge
    registry: Registry
    arrivals: Arrivals
    connect: AskConnect
    clock: Callable[[], float]
    envelopes: Envelopes = field(default_factory=Envelopes)
    # What was answered about each message, and since when; who asks again meanwhile waits for the same answer.
    _given: OrderedDict[Key, tuple[float, asyncio.Task[Answer]]] = field(default_factory=OrderedDict)

    async def to(self, request: Request) -> Answer:
        """The answer to one request; raises where there is none."""
        state = STATES.get(request.protocol_state)
        return await state(self, request) if state else NOTHING

    def forget(self, key: Key) -> None:
        """Another message has begun on the connection: this one has ended, or never will."""
        self.envelopes.forget(key)

    async def _at_connect(self, request: Request) -> Answer:
        facts = ConnectFacts(listener=LISTENER, client_address=request.client_address)
        verdict = await self.connect(facts)
        return {
            ConnectOutcome.ACCEPTED: NOTHING,
            ConnectOutcome.REFUSED: Answer(wording.NOT_FROM_THERE),
            ConnectOutcome.LATER: Answer(wording.LATER),
        }[verdict.outcome]

    async def _at_mail(self, request: Request) -> Answer:
        return NOTHING if not request.sasl_username or await self._holder(request) else _nobody_here(request)

    async def _at_recipient(self, request: Request) -> Answer:
        if not request.sasl_username:
            return NOTHING
        key, now = key_of(request), self.clock()
        holder = await self._let_in(request, now)
        if isinstance(holder, Answer):
            return holder
        self.envelopes.add(key, request.recipient, now)
        told = self.envelopes.until_now(key, now) or (request.recipient,)
        handed = _handed(request, holder, Addressed(told))
        decision = await self.judge.foresee(handed, now)
        action = wording.action_on_recipient(decision)
        if action == wording.YES:
            return NOTHING
        if self.envelopes.refuse(key, request.recipient):
            # An attempt is charged, and written down, once for each message: it may never come to its end.
            await self.judge.judge_handed(handed, now)
        log.message_handed(handed, decision)
        return Answer(action, decision.delay_s)

    async def _at_end(self, request: Request) -> Answer:
        """Once for each message: Postfix asks again where the first answer got lost, or two restrictions name us."""
        if not request.sasl_username:
            return NOTHING
        key = key_of(request)
        if not key[0]:
            return await self._judged(request)
        self._forget_old()
        _, given = self._given.get(key, (0.0, None))
        if given is None:
            given = asyncio.get_running_loop().create_task(self._judged(request))
            self._given[key] = (self.clock(), given)
            given.add_done_callback(lambda done: self._forget_failed(key, done))
        # Shielded: when the connection breaks now, the answer to the next question is this one.
        return await asyncio.shield(given)

    async def _judged(self, request: Request) -> Answer:
        key, now = key_of(request), self.clock()
        holder = await self._let_in(request, now)
        if isinstance(holder, Answer):
            return holder
        # A message has a recipient, even where Postfix forgets to say so.
        addressed = self.envelopes.addressed(key, max(request.recipient_count, 1), request.recipient, now)
        handed = _handed(request, holder, addressed)
        decision = await self.judge.judge_handed(handed, now)
        log.message_handed(handed, decision)
        self.envelopes.forget(key)
        return Answer(wording.action_for(decision), decision.delay_s)

    async def _let_in(self, request: Request, now: float) -> Holder | Answer:
        """Whose login it is; or why nothing goes on. Once for each message it counts as a login from there."""
        holder = await self._holder(request)
        if not holder:
            return _nobody_here(request)
        if self.envelopes.has_begun(key_of(request)):
            return holder
        looks = Looks(request.helo_name, request.sasl_method, _tls(request))
        stop = await self.arrivals.arrive(holder, request.client_address, looks, now)
        return holder if stop is None else Answer(wording.STOPPED[stop])

    async def _holder(self, request: Request) -> Holder | None:
        return await self.registry.of(request.sasl_username, network_of(request.client_address))

    def _forget_failed(self, key: Key, done: asyncio.Task[Answer]) -> None:
        """An error is no answer: the next question is judged anew."""
        if done.cancelled() or done.exception():
            self._given.pop(key, None)

    def _forget_old(self) -> None:
        edge = self.clock() - ANSWERS_KEPT_S
        while self._given:
            key, (since, _) = next(iter(self._given.items()))
            if since > edge and len(self._given) < ANSWERS_KEPT:
                return
            del self._given[key]


STATES: Mapping[str, Callable[[Answers, Request], Awaitable[Answer]]] = {
    "CONNECT": Answers._at_connect,  # noqa: SLF001 - the table of this class
    "MAIL": Answers._at_mail,  # noqa: SLF001
    "RCPT": Answers._at_recipient,  # noqa: SLF001
    "END-OF-MESSAGE": Answers._at_end,  # noqa: SLF001
}


def _nobody_here(request: Request) -> Answer:
    """Postfix does not write down whose recipient it refuses, so we do: that server has let the login in."""
    log.delegation_unknown(canonical_login(request.sasl_username), request.client_address)
    return Answer(wording.NOBODY_HERE)


def key_of(request: Request) -> Key:
    """The message that a request is about."""
    return (request.instance, canonical_login(request.sasl_username))


def _handed(request: Request, holder: Holder, addressed: Addressed) -> Handed:
    return Handed(
        submission=secrets.token_hex(8),
        session=request.instance,
        client_address=request.client_address,
        client_name=request.helo_name,
        mechanism=request.sasl_method,
        tls=_tls(request),
        identity=holder.identity,
        credential=holder.credential,
        login=canonical_login(request.sasl_username),
        reverse_path=request.sender,
        recipients=addressed.recipients,
        strangers=addressed.strangers,
        message_bytes=request.size,
        queue_id=request.queue_id,
    )


def _tls(request: Request) -> str:
    return " ".join(part for part in (request.encryption_protocol, request.encryption_cipher) if part)
