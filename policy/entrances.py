"""The login stage in the services: from where somebody comes in who has proven a credential, and with what client.

    logins.py            walls, proof, gates; then this
    entrances.py         (you are here) the gate of the listener, place, ladder, what is remembered
    engine/entering.py   decides, and touches nothing

From home, a login asks nothing more and is written down once an hour. The first network that a fresh credential is ever
used from is vouched for by that: the owner has just set the device up. Where he has a home, he is told of it; and not
while he is held, or a thief with two secrets would get with the second one what the first has lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex
from typing import NamedTuple

from policy.connects import Connects
from policy.engine.entering import Entry, Newcomer, counts_days, enter
from policy.engine.ladder import Standing
from policy.engine.places import Gained, History, Trust, area_in_doubt, gained, place_of
from policy.engine.profile import Place
from policy.engine.rulebook import Rulebook, Treatment
from policy.engine.sources import NOWHERE, Origin, network_of
from policy.ledger import Ledger
from policy.memory import Notes, Recall
from policy.store.habits import Looks, strange_of
from policy.store.standings import Cause
from policy.store.uses import NETWORK_GRAIN_S
from policy.store.writer import Writer
from policy.telling import Teller
from service.spans import DAY_S

LOCKED = "locked"  # why somebody is not let in whom the gate would let in


class Comer(NamedTuple):
    """Who has proven a credential, or was found to by a front of his own."""

    identity_id: int
    identity: str
    kind: str  # its profile
    credential: int  # 0 where it is none of ours
    is_first_use: bool  # of the credential; one that vouches for the network
    network: History | None  # the identity's, in this network
    standing: Standing


class Entered(NamedTuple):
    """`why` he is not let in; empty where he is."""

    why: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrances:
    """Put together once at the start. `notes` are taken within `writer`."""

    connects: Connects
    recall: Recall
    notes: Notes
    rulebook: Callable[[], Rulebook]
    ledger: Ledger
    writer: Writer
    teller: Teller

    async def enter(self, comer: Comer, gate: str, client_address: str, looks: Looks, now: float) -> Entered:
        """Whether he is let in; counted and written down."""
        rulebook = self.rulebook()
        origin = self.connects.atlas.origin(client_address)
        passage = await self.connects.passage_of(comer.identity_id, comer.identity, gate, client_address, now)
        known = place_of(origin, {}, comer.network, rulebook, now)
        if passage.treatment is Treatment.REFUSE:
            return Entered(passage.why, known)
        is_suspect = passage.treatment is not Treatment.ACCEPT
        vouches = not is_suspect and origin.network != NOWHERE and counts_days(known, comer.standing.at(now), rulebook)
        before = await self.recall.areas.of(comer.identity_id) if comer.is_first_use else {}
        comer = await self._first_of_all(comer, origin, client_address, now, vouches=vouches)
        areas = {} if known.is_home else await self.recall.areas.of(comer.identity_id)
        place = place_of(origin, areas, comer.network, rulebook, now, is_suspect=is_suspect)
        gains = gained(place, areas, comer.network, rulebook, now, is_suspect=is_suspect)
        if comer.is_first_use:
            was = place_of(origin, before, comer.network, rulebook, now)
            gains = Gained(Trust.SETTLED, 0) if was.has_home and not was.is_settled else gains
            place = replace(place, is_settled=True, is_unseen_area=False, is_unseen_country=False)
        gains = None if origin.network == NOWHERE else gains
        strange = await self._strange(comer, looks, now)
        entry = await self._entry(comer, place, strange, gains, client_address, rulebook, now)
        if entry.is_granted:
            await self._remember(comer, origin, areas.get(origin.area), now)
        return Entered("" if entry.is_granted else LOCKED, place)

    async def _first_of_all(
        self, comer: Comer, origin: Origin, client_address: str, now: float, *, vouches: bool
    ) -> Comer:
        """Of logins that come at once one is the first use; the others find what it has left, on disk.

        There is no second one: whoever was refused, or on probation, with it does not get it later.
        """
        if not (comer.is_first_use and comer.credential):
            return comer

        def claim() -> bool:
            is_first = self.notes.uses.note_first_use(comer.credential, client_address, now)
            if is_first and vouches:
                forgotten = self.rulebook().forgotten_at(now)
                self.notes.areas.note(comer.identity_id, origin.area, now, forgotten=forgotten, is_vouched=True)
            return is_first and vouches

        return comer._replace(is_first_use=await self.writer.make(claim))

    async def _entry(
        self,
        comer: Comer,
        place: Place,
        strange: Mapping[str, str],
        gains: Gained | None,
        client_address: str,
        rulebook: Rulebook,
        now: float,
    ) -> Entry:
        if place.is_settled and not strange and not gains and not comer.standing.step:
            return Entry(is_granted=True, standing=comer.standing)
        newcomer = Newcomer(
            identity=comer.identity,
            kind=comer.kind,
            place=place,
            standing=comer.standing,
            signals=await self.recall.standings.signals(comer.identity_id, now) if comer.standing.step else (),
            cleared_at=0.0 if place.is_settled else await self.recall.standings.cleared_at(comer.identity_id),
            strange=strange,
            gains=gains,
        )
        write = partial(self._write, comer, place, client_address, now)
        entry: Entry = await self.ledger.settle(partial(enter, newcomer, rulebook, now), token_hex(8), now, write)
        self.teller.tell(comer.identity, place, entry.signals, comer.standing, entry.standing)
        self.teller.count_observed(entry.observed, now)
        return entry

    def _write(self, comer: Comer, place: Place, client_address: str, now: float, entry: Entry) -> None:
        cause = Cause(comer.credential, "", client_address)
        opened = self.notes.standings.note(comer.identity_id, entry.standing, entry.signals, cause)
        self.teller.note(opened, comer.identity, place, entry.signals, entry.standing)
        if entry.is_granted and place.origin.network != NOWHERE:  # first, or there is no day to be in doubt
            who, forgotten = comer.identity_id, self.rulebook().forgotten_at(now)
            area, is_vouched = place.origin.area, comer.is_first_use
            self.notes.areas.note(who, area, now, forgotten=forgotten, is_vouched=is_vouched)
            self.notes.uses.note_network(who, network_of(client_address), now, forgotten=forgotten)
        if entry.is_doubted:
            self.notes.areas.doubt(comer.identity_id, area_in_doubt(place), network_of(client_address), now)

    async def _strange(self, comer: Comer, looks: Looks, now: float) -> Mapping[str, str]:
        """What is new of the client; what was seen is written down once a day."""
        if not comer.credential or not looks.seen():
            return {}
        habits = await self.recall.habits.of(comer.credential)
        if any(now - habits.get(one, -DAY_S) >= DAY_S for one in looks.seen().items()):
            self.writer.make_later(partial(self.notes.habits.note, comer.credential, looks, now))
        return strange_of(looks, habits)

    async def _remember(self, comer: Comer, origin: Origin, area: History | None, now: float) -> None:
        is_due = area is None or now - area.last_used_at >= NETWORK_GRAIN_S
        # At home the areas were not asked for; the network is due as often, and the area goes with it.
        if comer.network and area is None and now - comer.network.last_used_at < NETWORK_GRAIN_S:
            is_due = False
        if origin.network == NOWHERE:
            return
        forgotten, is_vouched = self.rulebook().forgotten_at(now), comer.is_first_use
        book, who = self.notes.areas, comer.identity_id
        note = partial(book.note, who, origin.area, now, forgotten=forgotten, is_vouched=is_vouched)
        if comer.is_first_use:
            await self.writer.make(note)  # on disk before the answer: a message that comes at once is judged by it
        elif is_due:
            self.writer.make_later(note)
