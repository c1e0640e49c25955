"""Who hands a message in, and where he is: what is known of him without the message. profiles.py adds what is.

Where the store says when it has changed (SQLite, within the writer's transaction) a sender is remembered for as long as
the same would be found again, and no longer:

    the store        `Version.number`: another one after each write of anybody to what a sender is made of
    the policy       in force, and the databases of addresses: they answer with the same objects
    the time         until the credential expires, or a network or an area is forgotten
    the exemptions   end, and are asked for elsewhere: who needs one is not remembered
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from policy.connects import Connects
from policy.contract import MessageFacts, Owned
from policy.delegation.handed import Handed
from policy.engine.country_gate import VOUCHED
from policy.engine.gates import Entrance, refusal_at_gates
from policy.engine.ladder import Standing
from policy.engine.places import History, place_of
from policy.engine.profile import Place
from policy.engine.rulebook import Rulebook, Treatment
from policy.engine.rules import Stage
from policy.engine.sources import Origin, network_of
from policy.memory import Recall
from policy.store.directory import Found, FoundIdentity
from policy.store.handles import Scope
from policy.store.reader import Version
from service.spans import DAY_S

_KEPT = 10_000
_MARGIN_S = 1.0  # edges are sums of large numbers


class Sender(NamedTuple):
    """The identity that a message is judged for, at a place. `credential` is 0 where it is none of ours."""

    identity_id: int
    identity: str
    login: str
    credential: int
    kind: str
    is_active: bool
    standing: Standing
    owned: Owned
    domain: str
    recipients_per_message: int
    place: Place


class _Remembered(NamedTuple):
    sender: Sender
    rulebook: Rulebook
    origin: Origin
    since: float
    until: float


class _Whose(NamedTuple):
    """What the store has."""

    identity_id: int
    identity: str
    login: str
    credential: int
    kind: str
    is_active: bool
    standing: Standing
    network: History | None
    expires_at: float | None


@dataclass(slots=True, kw_only=True)
class Senders:
    """Put together once at the start. `version`: of the store that `recall` asks; None: nobody is remembered."""

    recall: Recall
    connects: Connects
    rulebook: Callable[[], Rulebook]
    domains: frozenset[str]
    version: Version | None
    _remembered: dict[tuple[int, str, str], _Remembered] = field(default_factory=dict)
    _of_version: int = -1

    async def of_message(self, facts: MessageFacts, now: float) -> Sender | None:
        """By the credential that the gateway names; None where there never was one."""
        key = (facts.credential, facts.client_address, facts.gate)
        if sender := self._recalled(key, now):
            return sender
        found = await self.recall.directory.by_id(facts.credential, network_of(facts.client_address))
        if not found:
            return None
        whose = _of_credential(found, now)
        sender, until = await self._of(whose, facts.client_address, facts.gate, Stage.MESSAGE, now)
        if self.version and until > now:
            self._remember(key, sender, now, until)
        return sender

    async def of_handed(self, handed: Handed, gate: str, now: float) -> Sender | None:
        """By the name that another front gives."""
        found = await self.recall.directory.identity_at(handed.identity, network_of(handed.client_address))
        if not found:
            return None
        whose = _of_identity(found, handed)
        sender, _ = await self._of(whose, handed.client_address, gate, Stage.DELEGATED, now)
        return sender

    # What was found before

    def _recalled(self, key: tuple[int, str, str], now: float) -> Sender | None:
        if not self.version:
            return None
        if self.version.number != self._of_version:
            self._remembered.clear()
            self._of_version = self.version.number
        found = self._remembered.get(key)
        if not found or not found.since <= now < found.until or found.rulebook is not self.rulebook():
            return None
        return found.sender if self.connects.atlas.origin(key[1]) is found.origin else None

    def _remember(self, key: tuple[int, str, str], sender: Sender, now: float, until: float) -> None:
        if len(self._remembered) >= _KEPT:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[key] = _Remembered(sender, self.rulebook(), sender.place.origin, now, until)

    # What is found

    async def _of(
        self, whose: _Whose, client_address: str, gate: str, stage: Stage, now: float
    ) -> tuple[Sender, float]:
        """With the moment until which that is all so."""
        rulebook = self.rulebook()
        owned = await self.recall.directory.owned(whose.identity_id)
        place, until = await self._place(whose, client_address, gate, stage, now)
        sender = Sender(
            identity_id=whose.identity_id,
            identity=whose.identity,
            login=whose.login,
            credential=whose.credential,
            kind=whose.kind,
            is_active=whose.is_active,
            standing=whose.standing,
            owned=owned,
            domain=self._domain_of(owned),
            recipients_per_message=rulebook.limits_of(whose.kind, whose.identity).recipients_per_message,
            place=place,
        )
        ends_at = whose.expires_at if whose.is_active and whose.expires_at is not None else math.inf
        return sender, min(until, ends_at)

    def _domain_of(self, owned: Owned) -> str:
        """The first of ours in which the identity has an address: no message can choose another one."""
        with_address = {one.rpartition("@")[2] for one in owned.addresses}
        return min((with_address | owned.domains) & self.domains, default="")

    async def _place(self, whose: _Whose, address: str, gate: str, stage: Stage, now: float) -> tuple[Place, float]:
        """Where the client is, and how long that holds. At home nothing else needs to be known."""
        rulebook, origin = self.rulebook(), self.connects.atlas.origin(address)
        at_home = place_of(origin, {}, whose.network, rulebook, now)
        if at_home.is_home:
            return at_home, _forgotten_at([whose.network], rulebook, now)
        passage = await self.connects.passage_of(whose.identity_id, whose.identity, gate, address, now)
        areas = await self.recall.areas.of(whose.identity_id)
        is_suspect = passage.treatment is not Treatment.ACCEPT
        place = place_of(origin, areas, whose.network, rulebook, now, is_suspect=is_suspect)
        # The first network of all is vouched for; in front of the gateway the login has settled that (entrances.py).
        is_first = stage is Stage.DELEGATED and not areas and not whose.network and not is_suspect
        is_kept = not passage.why or passage == VOUCHED
        until = _forgotten_at([*areas.values(), whose.network], rulebook, now) if is_kept else now
        return (replace(place, is_settled=True) if is_first else place), until


def _forgotten_at(histories: Iterable[History | None], rulebook: Rulebook, now: float) -> float:
    """When the first of those that count is forgotten."""
    kept_since = rulebook.forgotten_at(now)
    kept = [one for one in histories if one and not one.confirmed_at and not one.is_forgotten(kept_since)]
    kept_s = rulebook.forgotten_after_days * DAY_S - _MARGIN_S
    return min([one.last_used_at + kept_s for one in kept], default=math.inf)


def _of_credential(found: Found, now: float) -> _Whose:
    entrance = Entrance(scope=Scope.SUBMIT, client_address="", now=now)
    return _Whose(
        identity_id=found.identity_id,
        identity=found.identity,
        login=found.login,
        credential=found.id,
        kind=found.profile,
        is_active=refusal_at_gates(found, entrance) is None,
        standing=found.standing,
        network=found.network_history,
        expires_at=found.expires_at,
    )


def _of_identity(found: FoundIdentity, handed: Handed) -> _Whose:
    return _Whose(
        identity_id=found.id,
        identity=found.name,
        login=handed.login,
        credential=handed.credential,
        kind=found.profile,
        is_active=found.suspended_at is None,
        standing=found.standing,
        network=found.network_history,
        expires_at=None,
    )
