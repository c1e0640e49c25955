"""Somebody whom another server has let in: counted, and written down, as if he had logged in here.

    delegation/    a Postfix that has its own logins, for each message
    authpolicy/    a Dovecot that has them, for each report of a success
    arrivals.py    (you are here) the gate, the ladder, and the history of networks
    entrances.py   the same for our own logins

The first network from which an identity is seen is vouched for by that, as the first one of a fresh credential is: on
the day when a server begins to ask us, all of its users come from somewhere.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from policy.engine.ladder import Step
from policy.engine.places import place_of
from policy.engine.sources import NOWHERE, network_of
from policy.entrances import LOCKED, Comer, Entrances
from policy.store.habits import Looks
from policy.store.holders import Holder
from policy.store.uses import NETWORK_GRAIN_S, Uses
from policy.store.writer import Writer

GATE = "default"  # of the policy file: which gate those meet who come by way of another server


class Stop(StrEnum):
    """Why somebody may not come in."""

    CONTAINED = "contained"  # locked or suspended
    GATE = "gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Put together once at the start. `uses` work within `writer`."""

    entrances: Entrances
    uses: Uses
    writer: Writer

    async def arrive(self, holder: Holder, client_address: str, looks: Looks, now: float) -> Stop | None:
        """None where he may come in. `holder` was found with the network of `client_address`."""
        if self.is_contained(holder, client_address, now):
            return Stop.CONTAINED
        entered = await self.entrances.enter(_comer(holder), GATE, client_address, looks, now)
        if entered.why:
            return Stop.CONTAINED if entered.why == LOCKED else Stop.GATE
        network = network_of(client_address)
        is_due = holder.network_used_at is None or now - holder.network_used_at >= NETWORK_GRAIN_S
        if is_due and network != NOWHERE:
            # Waited for: what is asked next has to find this network known.
            forgotten = self.entrances.rulebook().forgotten_at(now)
            note = partial(self.uses.note_network, holder.identity_id, network, now, forgotten=forgotten)
            await self.writer.make(note)
        return None

    def is_contained(self, holder: Holder, client_address: str, now: float) -> bool:
        """Whether the identity is suspended, or locked and this is not its home. Changes nothing."""
        if holder.suspended_at is not None:
            return True
        standing = holder.standing.at(now)
        if standing.step is not Step.LOCK:
            return False
        origin = self.entrances.connects.atlas.origin(client_address)
        here = place_of(origin, {}, holder.network_history, self.entrances.rulebook(), now)
        return not here.is_home or standing.home is Step.LOCK


def _comer(holder: Holder) -> Comer:
    return Comer(
        identity_id=holder.identity_id,
        identity=holder.identity,
        kind=holder.profile,
        credential=holder.credential,
        is_first_use=not holder.has_networks,
        network=holder.network_history,
        standing=holder.standing,
    )
