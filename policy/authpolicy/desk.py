"""COMMANDS: what each command of the API does.

allow asks, in this order:

    containment    a suspended identity is refused, and a locked one but for the networks that are its home; as the
                   master user of others, too
    allow list     whoever is on it goes on, whatever comes behind
    block list     whoever is on it does not
    the gate       of countries and networks, with the exemptions of the identity
    walls          the same ones that our own logins stand before (engine/guessing.py), and their tarpit

Nothing is counted by it: Dovecot asks twice for each login. A report of a wrong secret counts it, by its hash; two that
are the same are one. A report of a success makes history of the network, and counts networks, systems and countries.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from policy import log
from policy.arrivals import GATE, Stop
from policy.authpolicy import verdicts
from policy.authpolicy.asked import Asked, Entry, asked, entry, subject, terms
from policy.authpolicy.verdicts import No, Verdict
from policy.engine.country_gate import Passage
from policy.engine.guessing import Attempt, Walls, Why
from policy.engine.rulebook import Treatment
from policy.engine.sources import Network, is_within, network_of
from policy.store.habits import Looks
from policy.store.holders import Holder, Holders
from policy.store.listed import ListBook, Listing, Lists, Side
from policy.store.writer import Writer
from policy.tally import Login, LoginReason, Stage, Tally, What
from policy.walling import Walling

Said = Mapping[str, object]

_COUNTED: Mapping[No, What] = {
    No.LOCKED: What(Stage.PICKUP, Login.REFUSED, LoginReason.LOCKED),
    No.LISTED: What(Stage.PICKUP, Login.REFUSED, LoginReason.LISTED),
    No.GATE: What(Stage.PICKUP, Login.REFUSED, LoginReason.GATE),
    No.WALL: What(Stage.PICKUP, Login.LATER, LoginReason.WALLED_NETWORK),
}
OK: Said = {"status": "ok"}


class Gatekeeper(Protocol):
    """Who knows the gate, policy/connects.py."""

    async def passage_of(self, identity: int, name: str, gate: str, client_address: str, now: float) -> Passage: ...


class Arrivals(Protocol):
    """Who knows where an identity stands, policy/arrivals.py."""

    def is_contained(self, holder: Holder, client_address: str, now: float) -> bool: ...

    async def arrive(self, holder: Holder, client_address: str, looks: Looks, now: float) -> Stop | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Put together once at the start. `list_book` works within `writer`."""

    walling: Walling
    unwalled: tuple[Network, ...]
    holders: Holders
    lists: Lists
    list_book: ListBook
    gatekeeper: Gatekeeper
    arrivals: Arrivals
    writer: Writer
    tally: Tally
    clock: Callable[[], float]

    @property
    def walls(self) -> Walls:
        return self.walling.walls

    async def allow(self, said: Said) -> Said:
        one, now = asked(said), self.clock()
        holder = await self.holders.of(one.login, network_of(one.client_address))
        verdict = await self._master_verdict(one, now) or await self._verdict(one, holder, now)
        if verdict.status < 0:
            identity, why = holder.identity if holder else "", verdict.attributes.get("why", "listed")
            log.auth_policy_refused(identity, one.client_address, one.protocol, why)
            self.tally.note(_COUNTED[No(why)], now)
        return verdict.as_json()

    async def report(self, said: Said) -> Said:
        one, now = asked(said), self.clock()
        holder = await self.holders.of(one.login, network_of(one.client_address))
        if one.is_guess:
            self.tally.note(What(Stage.PICKUP, Login.REFUSED, LoginReason.SECRET), now)
            network = network_of(one.client_address)
            until = self.walls.note_wrong(self._attempt(one, holder), one.pwhash.encode(), now)
            if until:
                self.walling.raised(network, until, Why.ELSEWHERE, now)
        elif one.is_success:
            self.tally.note(What(Stage.PICKUP, Login.GRANTED), now)
        # A master user's network is not that of whom he logs in as.
        if one.is_success and holder and one.client_address and not one.master_user:
            await self.arrivals.arrive(holder, one.client_address, Looks("", "", ""), now)
        return OK

    async def reset(self, said: Said) -> Said:
        """Forget what was tried on a login, or from a network; a wall falls with it, at every policy."""
        one = subject(said)
        self.walls.forget(one.login or None, None)
        if one.network:
            self.walling.lift(network_of(one.network), self.clock())
        return OK

    async def stats(self, said: Said) -> Said:
        """What the walls know, and the lists."""
        one, now = subject(said), self.clock()
        holder = await self.holders.of(one.login) if one.login else None
        network = network_of(one.network) if one.network else None
        attempt = Attempt(login=one.login or None, network=network, is_known=holder is not None, has_history=False)
        hits = await self.lists.hits(one.network, one.login, now)
        tried = self.walls.tried(attempt, now)
        counts = {"wrong_secrets_15min": tried.lately, "wrong_secrets_24h": tried.in_a_day}
        if network:
            counts |= {"logins_1h": tried.logins, "walled_secs": round(tried.walled_s)}
        return {
            **_named(one),
            **_listed("blacklisted", "bl", [hit for hit in hits if hit.side is Side.BLOCK]),
            **_listed("whitelisted", "wl", [hit for hit in hits if hit.side is Side.ALLOW]),
            "stats": {"walls": counts},
        }

    async def ping(self, said: Said) -> Said:  # noqa: ARG002 - the shape of a command
        return OK

    async def add(self, side: Side, said: Said) -> Said:
        one, (seconds, reason), now = entry(said), terms(said), self.clock()
        listing = Listing(side, one.network, one.login, reason, now + seconds)
        await self.writer.make(partial(self.list_book.add, listing, now))
        log.auth_policy_listed(side, one.network, seconds, reason)
        return OK

    async def remove(self, side: Side, said: Said) -> Said:
        one = entry(said)
        if await self.writer.make(partial(self.list_book.remove, side, one.network, one.login)):
            log.auth_policy_unlisted(side, one.network)
        return OK

    async def all(self, side: Side, said: Said) -> Said:  # noqa: ARG002 - the shape of a command
        found = await self.lists.all(side, self.clock())
        name = "bl_entries" if side is Side.BLOCK else "wl_entries"
        return {name: [_entry_as_json(one) for one in found]}

    async def _master_verdict(self, one: Asked, now: float) -> Verdict | None:
        """A master user comes in as others only where he would come in himself."""
        if not one.master_user:
            return None
        master = await self.holders.of(one.master_user, network_of(one.client_address))
        if master and self.arrivals.is_contained(master, one.client_address, now):
            return verdicts.no(No.LOCKED)
        found = await self.lists.hits(one.client_address, one.master_user, now)
        return verdicts.by_list(found[0]) if found and found[0].side is Side.BLOCK else None

    async def _verdict(self, one: Asked, holder: Holder | None, now: float) -> Verdict:
        if holder and self.arrivals.is_contained(holder, one.client_address, now):
            return verdicts.no(No.LOCKED)
        for found in await self.lists.hits(one.client_address, one.login, now):
            return verdicts.by_list(found)
        row, name = (holder.identity_id, holder.identity) if holder else (0, "")
        passage = await self.gatekeeper.passage_of(row, name, GATE, one.client_address, now)
        if passage.treatment is Treatment.REFUSE:
            return verdicts.no(No.GATE)
        attempt = self._attempt(one, holder)
        if self.walls.wall_for(attempt, now):
            return verdicts.no(No.WALL)
        # Owners do not wait: who has a history here goes on at once, whatever others have tried.
        is_free = attempt.has_history or attempt.network is None
        return verdicts.YES if is_free else verdicts.after(self.walls.delay_s(attempt, now))

    def _attempt(self, one: Asked, holder: Holder | None) -> Attempt:
        """Who tells no address comes from nowhere that could be walled: a program beside Dovecot."""
        is_placeless = not one.client_address or is_within(one.client_address, self.unwalled)
        return Attempt(
            login=one.login or None,
            network=None if is_placeless else network_of(one.client_address),
            is_known=holder is not None,
            has_history=holder is not None and holder.has_history,
        )


Command = Callable[[Desk, Said], Awaitable[Said]]

# Method and name; those of the lists in the words of the API.
COMMANDS: Mapping[tuple[str, str], Command] = {
    ("POST", "allow"): Desk.allow,
    ("POST", "report"): Desk.report,
    ("POST", "reset"): Desk.reset,
    ("POST", "getDBStats"): Desk.stats,
    ("POST", "addBLEntry"): lambda desk, said: desk.add(Side.BLOCK, said),
    ("POST", "delBLEntry"): lambda desk, said: desk.remove(Side.BLOCK, said),
    ("POST", "addWLEntry"): lambda desk, said: desk.add(Side.ALLOW, said),
    ("POST", "delWLEntry"): lambda desk, said: desk.remove(Side.ALLOW, said),
    ("GET", "getBL"): lambda desk, said: desk.all(Side.BLOCK, said),
    ("GET", "getWL"): lambda desk, said: desk.all(Side.ALLOW, said),
    ("GET", "ping"): Desk.ping,
}


def _named(one: Entry) -> Said:
    if one.network and one.login:
        return {"ip_login": f"{one.network}:{one.login}"}
    return {"ip": one.network} if one.network else {"login": one.login}


def _listed(name: str, short: str, found: Sequence[Listing]) -> Said:
    return {
        name: bool(found),
        f"{short}_reason": found[0].reason if found else "",
        f"{short}_expire": verdicts.moment(found[0].expires_at) if found else "",
    }


def _entry_as_json(one: Listing) -> Said:
    """An address by itself, as it came, and anything larger as a network."""
    said: dict[str, object] = {}
    if one.network:
        place, _, length = one.network.rpartition("/")
        is_address = length == ("128" if ":" in place else "32")
        said |= {"ip": place} if is_address else {"netmask": one.network}
    if one.login:
        said["login"] = one.login
    return said | {"expiration": verdicts.moment(one.expires_at), "reason": one.reason}
