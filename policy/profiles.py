"""What is known of one message: whose it is, where he is, whom he writes to. judge.py decides on it.

PostgreSQL is asked before the decision's transaction, over connections of their own: each question waits for the
network, and everybody who wants to write would wait with it. SQLite is asked within the transaction: the writer's
connection has its pages at hand, and a question takes a third of the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import randbits

from policy.connects import Connects
from policy.contract import MessageFacts, canonical_address
from policy.delegation.handed import Handed
from policy.engine.profile import Profile, Recipient
from policy.engine.rulebook import Rulebook
from policy.engine.rules import Stage
from policy.marks import Marks
from policy.memory import Recall
from policy.senders import Sender, Senders
from policy.store.reader import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message, with all that was read for it. `profile` is None where there is nobody whose it could be."""

    facts: MessageFacts
    stage: Stage
    rulebook: Rulebook
    identity: int = 0  # its row
    profile: Profile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Put together once at the start. `rulebook` gives the policy in force; `domains` are ours."""

    recall: Recall
    connects: Connects
    marks: Marks
    rulebook: Callable[[], Rulebook]
    domains: frozenset[str]
    version: Version | None = None  # of the store that is asked
    senders: Senders = field(init=False)

    def __post_init__(self) -> None:
        senders = Senders(
            recall=self.recall,
            connects=self.connects,
            rulebook=self.rulebook,
            domains=self.domains,
            version=self.version,
        )
        object.__setattr__(self, "senders", senders)

    async def of_message(self, facts: MessageFacts, now: float) -> Case:
        """Of the gateway."""
        return await self._case(facts, Stage.MESSAGE, await self.senders.of_message(facts, now), now)

    async def of_handed(self, handed: Handed, now: float) -> Case:
        """Of another front."""
        facts = _facts_of(handed)
        sender = await self.senders.of_handed(handed, facts.gate, now)
        return await self._case(facts, Stage.DELEGATED, sender, now, handed.strangers)

    async def _case(
        self, facts: MessageFacts, stage: Stage, sender: Sender | None, now: float, strangers: int = 0
    ) -> Case:
        rulebook = self.rulebook()
        if not sender:
            return Case(facts=facts, stage=stage, rulebook=rulebook)
        addresses = [canonical_address(one) for one in facts.recipients[: len(facts.recipients) - strangers]]
        recipients = await self._recipients(sender.identity_id, addresses, strangers, now)
        is_new = any(one.is_new for one in recipients)
        usual, today = await self.recall.days.baseline(sender.identity_id, now) if is_new else (0.0, 0)
        signals = await self.recall.standings.signals(sender.identity_id, now) if sender.standing.step else ()
        domain, traps = sender.domain, rulebook.trap_recipients
        profile = Profile(
            identity=sender.identity,
            login=sender.login,
            credential=sender.credential,
            owned=sender.owned,
            active=sender.is_active,
            kind=sender.kind,
            recipients_per_message=sender.recipients_per_message,
            place=sender.place,
            recipients=recipients,
            standing=sender.standing,
            signals=signals,
            cleared_at=0.0 if sender.place.is_settled else await self.recall.standings.cleared_at(sender.identity_id),
            usual_new_per_day=usual,
            new_today=today,
            domain=domain,
            domain_users=await self.recall.directory.users_of(domain, now) if domain else 1,
            gives_secret_away=await self._has_secret(facts) if facts.secrets else False,
            traps=tuple([place for place, one in enumerate(addresses) if one in traps]) if traps else (),
        )
        return Case(facts=facts, stage=stage, rulebook=rulebook, identity=sender.identity_id, profile=profile)

    async def _has_secret(self, facts: MessageFacts) -> bool:
        """Whether one of what looks like a secret is one. Nothing of them goes further than here."""
        for candidate in facts.secrets:
            if await self.recall.directory.is_live_secret(candidate):
                return True
        return False

    async def _recipients(
        self, identity: int, addresses: Sequence[str], strangers: int, now: float
    ) -> tuple[Recipient, ...]:
        ours = [one.rpartition("@")[2] in self.domains for one in addresses]
        marks = [self.marks.text(one) for one in addresses]
        outside = [mark for mark, is_internal in zip(marks, ours, strict=True) if not is_internal]
        known = await self.recall.recipients.known(identity, outside, now)
        told = [
            Recipient(mark=mark, is_internal=is_internal, is_known=mark in known)
            for mark, is_internal in zip(marks, ours, strict=True)
        ]
        # Nobody can be sure that two of those are one.
        nobody = [Recipient(mark=randbits(63), is_internal=False, is_known=False) for _ in range(strangers)]
        return (*told, *nobody)


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
