"""What is known of one message: whose it is, where he is, whom he writes to. judge.py decides on it.

PostgreSQL is asked before the decision's transaction, over connections of their own: each question waits for the
network, and everybody who wants to write would wait with it. SQLite is asked within the transaction: the writer's
connection has its pages at hand, and a question takes a third of the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from secrets import randbits

from policy.connects import Connects
from policy.contract import MessageFacts, Owned, canonical_address
from policy.delegation.handed import Handed
from policy.engine.gates import Entrance, refusal_at_gates
from policy.engine.ladder import Standing
from policy.engine.places import History, place_of
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.rulebook import Rulebook, Treatment
from policy.engine.rules import Stage
from policy.engine.sources import network_of
from policy.marks import Marks
from policy.memory import Recall
from policy.store.directory import Found, FoundIdentity
from policy.store.handles import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message, with all that was read for it. `profile` is None where there is nobody whose it could be."""

    facts: MessageFacts
    stage: Stage
    rulebook: Rulebook
    identity: int = 0  # its row
    profile: Profile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whose:
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
class Profiles:
    """Put together once at the start. `rulebook` gives the policy in force; `domains` are ours."""

    recall: Recall
    connects: Connects
    marks: Marks
    rulebook: Callable[[], Rulebook]
    domains: frozenset[str]

    async def of_message(self, facts: MessageFacts, now: float) -> Case:
        """Of the gateway."""
        found = await self.recall.directory.by_id(facts.credential, network_of(facts.client_address))
        if not found:
            return Case(facts=facts, stage=Stage.MESSAGE, rulebook=self.rulebook())
        return await self._case(facts, Stage.MESSAGE, _of_credential(found, now), now)

    async def of_handed(self, handed: Handed, now: float) -> Case:
        """Of another front."""
        facts = _facts_of(handed)
        found = await self.recall.directory.identity_at(handed.identity, network_of(handed.client_address))
        if not found:
            return Case(facts=facts, stage=Stage.DELEGATED, rulebook=self.rulebook())
        return await self._case(facts, Stage.DELEGATED, _of_identity(found, handed), now, handed.strangers)

    async def _case(self, facts: MessageFacts, stage: Stage, whose: _Whose, now: float, strangers: int = 0) -> Case:
        rulebook = self.rulebook()
        owned = await self.recall.directory.owned(whose.identity_id)
        addresses = [canonical_address(one) for one in facts.recipients[: len(facts.recipients) - strangers]]
        recipients = await self._recipients(whose.identity_id, addresses, strangers, now)
        is_new = any(one.is_new for one in recipients)
        usual, today = await self.recall.days.baseline(whose.identity_id, now) if is_new else (0.0, 0)
        signals = await self.recall.standings.signals(whose.identity_id, now) if whose.standing.step else ()
        domain = self._domain_of(owned)
        profile = Profile(
            identity=whose.identity,
            login=whose.login,
            credential=whose.credential,
            owned=owned,
            active=whose.is_active,
            kind=whose.kind,
            recipients_per_message=rulebook.limits_of(whose.kind, whose.identity).recipients_per_message,
            place=await self._place(whose, facts, stage, rulebook, now),
            recipients=recipients,
            standing=whose.standing,
            signals=signals,
            usual_new_per_day=usual,
            new_today=today,
            domain=domain,
            domain_users=await self.recall.directory.users_of(domain, now) if domain else 1,
            gives_secret_away=await self._has_secret(facts),
            traps=tuple([place for place, one in enumerate(addresses) if one in rulebook.trap_recipients]),
        )
        return Case(facts=facts, stage=stage, rulebook=rulebook, identity=whose.identity_id, profile=profile)

    async def _has_secret(self, facts: MessageFacts) -> bool:
        """Whether one of what looks like a secret is one. Nothing of them goes further than here."""
        for candidate in facts.secrets:
            if await self.recall.directory.is_live_secret(candidate):
                return True
        return False

    def _domain_of(self, owned: Owned) -> str:
        """The first of ours in which the identity has an address: no message can choose another one."""
        with_address = {one.rpartition("@")[2] for one in owned.addresses}
        return min((with_address | owned.domains) & self.domains, default="")

    async def _place(self, whose: _Whose, facts: MessageFacts, stage: Stage, rulebook: Rulebook, now: float) -> Place:
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
        # The first network of all is vouched for; in front of the gateway the login has settled that (entrances.py).
        is_first = stage is Stage.DELEGATED and not areas and not whose.network and not is_suspect
        return replace(place, is_settled=True) if is_first else place

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


def _of_credential(found: Found, now: float) -> _Whose:
    entrance = Entrance(scope=Scope.SUBMIT, client_address="", now=now)
    return _Whose(
        identity_id=found.identity_id,
        identity=found.identity,
        login=found.login,
        credential=found.id,
        kind=found.profile,
        is_active=refusal_at_gates(found, entrance) is None,
        network=found.network_history,
        standing=found.standing,
    )


def _of_identity(found: FoundIdentity, handed: Handed) -> _Whose:
    return _Whose(
        identity_id=found.id,
        identity=found.name,
        login=handed.login,
        credential=handed.credential,
        kind=found.profile,
        is_active=found.suspended_at is None,
        network=found.network_history,
        standing=found.standing,
    )


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
