"""The search for the worst that a thief who knows the policy can do, on the real engine.

A campaign is a list of moves: wait, and then write from one of some networks to so many new and known recipients, in
one message or in many. The first campaigns are those of somebody who has read the policy: they fill each window of it
to the brim, again and again. The best ones are changed at random and tried again, and the search begins anew a few
times. What it finds is reached with certainty; that there is nothing worse, only the arithmetic of bounds.py can say.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

from policy.budgets.memory import MemoryBudgets
from policy.contract import canonical_address
from policy.engine.guessing import Walls
from policy.engine.rulebook import Limits, Rulebook, Windows
from policy.marks import Marks
from policy.simulation.atlas import Atlas, Network
from policy.simulation.bounds import From, Whom, spendable
from policy.simulation.doors import Person, Sallyport
from policy.simulation.runs import BEGINS_AT
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import OUR_DOMAIN, person
from policy.simulation.tally import in_window
from policy.simulation.thieves import Thief
from policy.simulation.world import World
from service.spans import DAY_S

_KEY = bytes(32)
_NETWORKS = 6  # that a thief has
_MOVES = 24  # of a campaign that is made at random
_WAITS = (0.0, 1.0, 60.0, 600.0, 1800.0, 3600.0, 2 * 3600.0, 6 * 3600.0)
_SIZES = (0, 1, 2, 3, 5, 9, 10, 11, 25, 40, 50, 100)
_MOVES_INFORMED = 60
_QUIET_DAYS = {From.PATIENT: 4, From.HOME: 8}  # before he begins; one more than it takes
_KEPT = 4  # campaigns of which the next ones are made


@dataclass(frozen=True, slots=True)
class Move:
    """Wait, then write."""

    wait_s: float
    network: int  # which of the thief's
    new: int
    known: int
    is_one_message: bool


Campaign = tuple[Move, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a thief wants: as many recipients as he can in any span of `seconds`. A share of his list is unknown."""

    start: From
    whom: Whom
    seconds: float
    kind: str = "person"
    unknown: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """The best campaign of a search, and how many were tried."""

    reached: int
    campaign: Campaign
    tried: int


def search(rulebook: Rulebook, aim: Aim, seed: int, tries: int, enough: int | None = None) -> Found:
    """Begin with what the policy suggests, then change what was best; no longer than until `enough` are reached."""
    random = Random(f"{seed} {aim}")  # noqa: S311 - a search that can be repeated
    best: list[tuple[int, Campaign]] = []
    tried = 0
    for campaign in chain(informed(rulebook, aim), _changed(best, random)):
        if tried >= tries or (best and enough is not None and best[0][0] >= enough):
            break
        tried += 1
        best.append((reached(rulebook, aim, campaign), campaign))
        best.sort(key=lambda one: -one[0])
        del best[_KEPT:]
    return Found(*best[0], tried)


def reached(rulebook: Rulebook, aim: Aim, campaign: Campaign) -> int:
    """How many recipients in the worst span of `aim.seconds`, over the whole campaign."""
    atlas = Atlas()
    world = World(rulebook, MemoryBudgets(), domains=[OUR_DOMAIN], origin_of=atlas.origin_of, marks=Marks(_KEY))
    random = Random(0)  # noqa: S311 - the same past for each campaign
    scene = Scene(door=Sallyport(world), random=random, begins_at=BEGINS_AT, atlas=atlas, walls=Walls(_KEY))
    who = person(scene, kind=aim.kind)
    scene.start(_play(scene, who, _networks(scene, who, aim.start), aim, campaign))
    scene.play(365 * DAY_S)
    side = scene.tally.thief
    return in_window((side.reached_new if aim.whom is Whom.NEW else side.reached).get(who.name, ()), aim.seconds)


def _networks(scene: Scene, who: Person, start: From) -> list[Network]:
    """Of two countries and three ASNs where they are strange: more of them are a signal by themselves."""
    if start is From.OWN:
        return [who.networks[0]] * _NETWORKS
    if start is From.PROVIDER:
        own = who.networks[0].origin
        return [scene.atlas.network(own.country, own.asn) for _ in range(_NETWORKS)]
    return [scene.atlas.network("SE" if one % 3 else "NO", 64500 + one % 3) for one in range(_NETWORKS)]


def _play(scene: Scene, who: Person, networks: Sequence[Network], aim: Aim, campaign: Campaign) -> Actor:
    thief = Thief(scene, who.name, who.client)
    contacts = _over_and_over(who.contacts)
    for _ in range(_QUIET_DAYS.get(aim.start, 0)):
        for network in networks:
            thief.log_in(network)
        yield DAY_S
    for move in campaign:
        yield move.wait_s
        session = thief.log_in(networks[move.network % len(networks)])
        if not session:
            continue
        whole = scene.strangers(move.new, gone=aim.unknown) + [next(contacts) for _ in range(move.known)]
        for recipients in [whole] if move.is_one_message else [[one] for one in whole]:
            if recipients:
                thief.send(session, recipients)


def _over_and_over(contacts: Sequence[str]) -> Iterator[str]:
    while True:
        yield from map(canonical_address, contacts)


# Campaigns


def informed(rulebook: Rulebook, aim: Aim) -> Iterator[Campaign]:
    """Each set of windows filled as soon as it has room, in one message or in many, with new recipients and known."""
    limits = rulebook.limits_of(aim.kind)
    shared_new = spendable(limits.new_recipients, aim.start)
    always = (*spendable(limits.recipients, aim.start), *spendable(limits.credential_recipients, aim.start))
    strange = limits.probation_recipients if aim.start is From.STRANGE else ()
    strange_new = limits.probation_new_recipients if aim.start is From.STRANGE else ()
    for windows, is_new in (
        ((*always, *strange, *shared_new, *strange_new), True),
        ((*always, *strange), False),
        (shared_new, True),
        (always, False),
    ):
        for is_one_message in (True, False):
            for step in (0, 1):
                yield _filling(windows, limits, aim.seconds, is_new=is_new, is_one_message=is_one_message, step=step)


def _filling(
    windows: Windows, limits: Limits, seconds: float, *, is_new: bool, is_one_message: bool, step: int
) -> Campaign:
    """As many as there is room for, whenever there is, for twice the longest window, or twice `seconds` if that is
    longer. From the next network each time where `step` is 1."""
    if not windows:
        return ()
    shortest = min(window.seconds for window in windows)
    longest = max(seconds, *(window.seconds for window in windows))
    moves, sent, now, last = list[Move](), list[tuple[float, int]](), 0.0, 0.0
    while now < 2 * longest and len(moves) < _MOVES_INFORMED:
        if room := min(window.limit - _lately(sent, now, window.seconds) for window in windows):
            sent.append((now, room))
            for first in range(0, room, limits.recipients_per_message):
                size = min(limits.recipients_per_message, room - first)
                network = step * len(moves)
                moves.append(Move(now - last, network, size * is_new, size * (not is_new), is_one_message))
                last = now
        now += shortest
    return tuple(moves)


def _lately(sent: Sequence[tuple[float, int]], now: float, seconds: float) -> int:
    return sum(number for at, number in sent if at > now - seconds)


def _changed(best: Sequence[tuple[int, Campaign]], random: Random) -> Iterator[Campaign]:
    """Of the best ones so far, one with a few moves changed; now and then one that is all new."""
    while True:
        if random.random() < 0.2 or not best:  # noqa: PLR2004 - one in five
            yield tuple(_move(random) for _ in range(random.randint(1, _MOVES)))
            continue
        moves = list(random.choice(best)[1])
        for _ in range(random.randint(1, 3)):
            _change(moves, random)
        yield tuple(moves)


def _change(moves: list[Move], random: Random) -> None:
    place = random.randrange(len(moves) + 1)
    how: Sequence[Callable[[], None]] = (
        lambda: moves.insert(place, _move(random)),
        lambda: moves.__setitem__(slice(place, place + 1), [_move(random)]),
        lambda: moves.__delitem__(slice(place, place + 1)),
        lambda: moves.__setitem__(
            slice(place, place + 1), [replace(one, wait_s=random.choice(_WAITS)) for one in moves[place : place + 1]]
        ),
        lambda: moves.__setitem__(
            slice(place, place + 1), [replace(one, new=random.choice(_SIZES)) for one in moves[place : place + 1]]
        ),
    )
    random.choice(how)()


def _move(random: Random) -> Move:
    new = random.choice(_SIZES)
    return Move(
        wait_s=random.choice(_WAITS) * random.uniform(0.9, 1.1),
        network=random.randrange(_NETWORKS),
        new=new,
        known=random.choice(_SIZES) if random.random() < 0.5 else 0,  # noqa: PLR2004 - every other one
        is_one_message=random.random() < 0.5,  # noqa: PLR2004 - the same
    )
