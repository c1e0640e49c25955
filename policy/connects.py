"""The connect question: may this address talk on this listener? Asked before the greeting, for every connection.

    walls        a network that is walled hears "later" (421), unless somebody's earlier logins make it somebody's own
    the gate     a country or network that the listener's gate refuses hears "no" (554)
    exemptions   of anybody, because nobody has a name yet: whoever they are for is asked again at the login

The same gate is asked again at the login and for each message (passage_of), with the identity's own exemptions alone.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from policy import log
from policy.contract import ConnectFacts, ConnectOutcome, ConnectVerdict
from policy.engine.country_gate import Passage, passage
from policy.engine.guessing import Walls
from policy.engine.rulebook import Exemption, Rulebook, Treatment
from policy.engine.sources import NOWHERE, Network, Origin, is_within
from policy.geo.atlas import Atlas
from policy.store.exemptions import Exempt
from policy.store.visited import Visited
from policy.tally import Stage, Tally, What

_KEPT_S = 10.0  # how long the gateway may keep a verdict: so late a new policy, wall or exemption is heard

_MENTIONED, _MENTIONED_S = 1000, 600.0  # networks that were refused, and how long that need not be said again


@dataclass(frozen=True, slots=True, kw_only=True)
class Connects:
    """Put together once at the start. `rulebook` gives the policy in force."""

    atlas: Atlas
    rulebook: Callable[[], Rulebook]
    walls: Walls
    unwalled: tuple[Network, ...]
    exempt: Exempt
    visited: Visited
    tally: Tally
    _mentioned: OrderedDict[tuple[str, str], float] = field(default_factory=OrderedDict)

    async def decide(self, facts: ConnectFacts, now: float) -> ConnectVerdict:
        """The verdict on a connection."""
        outcome = await self._outcome(facts, now)
        self.tally.note(What(Stage.CONNECT, outcome), now)
        return ConnectVerdict(outcome=outcome, seconds=_KEPT_S)

    async def passage_of(self, identity: int, name: str, gate: str, client_address: str, now: float) -> Passage:
        """What the gate does with this identity (its row and its name) from there."""
        origin = self.atlas.origin(client_address)
        found = self._passage(gate, origin, client_address, (), now)
        if found.treatment is Treatment.ACCEPT:
            return found
        of_policy = [one for one in self.rulebook().exemptions if one.identity == name]
        exemptions = [*of_policy, *await self.exempt.of(identity, now)]
        return self._passage(gate, origin, client_address, exemptions, now)

    async def _outcome(self, facts: ConnectFacts, now: float) -> ConnectOutcome:
        origin = self.atlas.origin(facts.client_address)
        if await self._is_walled(facts.client_address, origin.network, now):
            self._mention(facts, origin, "its network is walled", now)
            return ConnectOutcome.LATER
        found = self._passage(facts.gate, origin, facts.client_address, (), now)
        if found.treatment is Treatment.REFUSE:
            everybodys = [*self.rulebook().exemptions, *await self.exempt.live(now)]
            found = self._passage(facts.gate, origin, facts.client_address, everybodys, now)
        if found.treatment is not Treatment.REFUSE:
            return ConnectOutcome.ACCEPTED
        self._mention(facts, origin, found.why, now)
        return ConnectOutcome.REFUSED

    def _mention(self, facts: ConnectFacts, origin: Origin, why: str, now: float) -> None:
        """In the log, for each network once in a while: strangers do not say how long that is."""
        key = (facts.gate, origin.network)
        if 0 <= now - self._mentioned.get(key, -_MENTIONED_S) < _MENTIONED_S:
            return
        self._mentioned[key] = now
        self._mentioned.move_to_end(key)
        if len(self._mentioned) > _MENTIONED:
            self._mentioned.popitem(last=False)
        log.connect_refused(facts, origin.country, origin.asn, why)

    def _passage(
        self, gate: str, origin: Origin, client_address: str, exemptions: Iterable[Exemption], now: float
    ) -> Passage:
        is_vouched = bool(self.unwalled) and is_within(client_address, self.unwalled)
        return passage(self.rulebook().gate(gate), origin, exemptions, now, is_vouched=is_vouched)

    async def _is_walled(self, client_address: str, network: str, now: float) -> bool:
        """A wall is for strangers: behind it whoever has a history goes on, and only the login tells who that is."""
        if not self.walls.is_walled(network, now) or is_within(client_address, self.unwalled):
            return False
        return network == NOWHERE or not await self.visited.by_anybody(network)
