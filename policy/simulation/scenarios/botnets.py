"""Attacks from many networks."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, cycle

from policy.engine.ladder import Step
from policy.simulation.atlas import Network
from policy.simulation.doors import Client
from policy.simulation.scenarios.scenario import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    OWNER_GOES_ON,
    SOME_HELD,
    Expectation,
    Scenario,
    all_at_most,
    new_at_most,
    noted,
    step_within,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import HOME_ASN, HOME_COUNTRY, colleagues, goes_on, person
from policy.simulation.thieves import STRANGE, Thief, around_the_world

_WORLD = (
    *("RU", "CN", "BR", "IN", "VN", "ID", "TR", "UA", "NG", "PK", "EG", "MX", "AR", "TH", "IR", "BD", "PH", "KE"),
    *("ZA", "RO", "PL", "BG", "CO", "PE", "CL", "MY", "KZ", "MA", "DZ", "IQ", "SA", "RS", "GR", "IT", "ES", "PT"),
    *("FR", "GB", "US", "CA", "JP"),
)
_PLAIN = Client(name="WIN-8K2LQ", mechanism="PLAIN", tls=STRANGE.tls)


def _visits(scene: Scene, thief: Thief, networks: Iterator[Network], *, rest_s: float, size: int = 1) -> Actor:
    """One message from each network in turn. Until it is locked, `logins` counts how often the thief was let in."""
    for host in count(1):
        network = next(networks)
        session = thief.log_in(network, host)
        _count_until(scene, thief.identity, Step.RESTRICT, "logins until restricted")
        _count_until(scene, thief.identity, Step.LOCK, "logins until locked")
        if session:
            thief.send(session, scene.strangers(size, gone=0.1))
        yield thief.rest(rest_s)


def _count_until(scene: Scene, identity: str, step: Step, note: str) -> None:
    """Those until the step was there, the one that led to it too."""
    before = scene.tally.notes[f"{note}: done"]
    if not before:
        scene.tally.notes[note] += 1
        if scene.door.step_of(identity) >= step:
            scene.tally.notes[f"{note}: done"] = 1


def _over_and_over(networks: Sequence[Network], each: int = 1) -> Iterator[Network]:
    while True:
        for network in networks:
            for _ in range(each):
                yield network


def _a4(scene: Scene) -> None:
    """A login every ten seconds; thirty countries within ten minutes."""
    who = person(scene)
    networks = around_the_world(scene, scene.random.sample(_WORLD, 41), 342, asns=90)
    scene.start(_visits(scene, Thief(scene, who.name), _over_and_over(networks), rest_s=10.0))
    scene.start(goes_on(scene, who))


def _a5(scene: Scene, size: int) -> None:
    who = person(scene)
    networks = around_the_world(scene, scene.random.sample(_WORLD, 12), 132, asns=40)
    scene.random.shuffle(networks)
    scene.start(_at_night(scene, Thief(scene, who.name, _PLAIN), networks, size))
    scene.start(goes_on(scene, who, days=6))


def _at_night(scene: Scene, thief: Thief, networks: Sequence[Network], size: int) -> Actor:
    """Two messages an hour, three at night; PLAIN first, then LOGIN."""
    for number, network in enumerate(_over_and_over(networks, 2)):
        thief.client = _PLAIN if number < 50 else STRANGE  # noqa: PLR2004 - about a day
        session = thief.log_in(network)
        if session:
            thief.send(session, scene.strangers(size, gone=0.1))
        is_night = scene.now % DAY_S < 6 * HOUR_S
        yield scene.random.expovariate((3 if is_night else 1.7) / HOUR_S)


def _a6(scene: Scene, *, is_spread: bool) -> None:
    """Thirty addresses in one country, five messages from each."""
    who = person(scene)
    if is_spread:
        networks = [scene.atlas.network("SE", 64500 + one % 8) for one in range(30)]
    else:
        networks = [scene.atlas.network("SE", 64500)]
    scene.start(_visits(scene, Thief(scene, who.name), _over_and_over(networks, 5), rest_s=MINUTE_S))
    scene.start(goes_on(scene, who))


def _a7(scene: Scene) -> None:
    """Seven countries, twelve networks, a third of them IPv6."""
    who = person(scene)
    countries = scene.random.sample(_WORLD, 7)
    networks = [scene.atlas.network(countries[one % 7], 64500 + one % 7, is_ipv6=one % 3 == 0) for one in range(12)]
    scene.start(_visits(scene, Thief(scene, who.name), _over_and_over(networks, 3), rest_s=2 * MINUTE_S))
    scene.start(goes_on(scene, who))


def _a8(scene: Scene, unknown: float) -> None:
    """A fresh address for each message, all of them of the owner's own provider."""
    who = person(scene)
    scene.start(_neighbours(scene, Thief(scene, who.name), unknown))
    scene.start(goes_on(scene, who))


def _neighbours(scene: Scene, thief: Thief, unknown: float) -> Actor:
    while True:
        session = thief.log_in(scene.atlas.network(HOME_COUNTRY, HOME_ASN))
        if session:
            thief.send(session, scene.strangers(1, gone=unknown))
        yield thief.rest(HOUR_S / 40)


def _a8c(scene: Scene) -> None:
    """Whom nobody here has to get to know: no new recipient, so that nothing is suspicious."""
    who = person(scene)
    scene.start(_until_nothing_goes(scene, Thief(scene, who.name)))
    scene.start(goes_on(scene, who))


def _until_nothing_goes(scene: Scene, thief: Thief) -> Actor:
    everybody = cycle(colleagues(500))
    while True:
        if session := thief.log_in(scene.atlas.network(HOME_COUNTRY, HOME_ASN)):
            thief.send(session, [next(everybody) for _ in range(2)])
        yield thief.rest(5.0)


def _a15(scene: Scene) -> None:
    """Twenty accounts and a pool of forty networks; each account has eight of them and twenty messages a day.

    The pool has three ASNs in two countries, so that no account meets a limit of its own.
    """
    pool = [scene.atlas.network("NO" if one % 3 == 0 else "SE", 64500 + one % 3) for one in range(40)]
    for number in range(20):
        who = person(scene, f"user{number}")
        scene.start(_in_turn(scene, Thief(scene, who.name), pool), scene.random.uniform(0, HOUR_S))


def _in_turn(scene: Scene, thief: Thief, pool: Sequence[Network]) -> Actor:
    while True:
        for network in scene.random.sample(pool, 8):
            session = thief.log_in(network, scene.random.randrange(1, 250))
            for _ in range(scene.random.choice((2, 3))):
                if session:
                    thief.send(session, scene.strangers(1, gone=0.05))
                yield DAY_S / 20


_LOCKED_BY_SPREAD = (
    noted("restricted by the 7th login", "logins until restricted", most=7),
    noted("locked within the first 10 logins", "logins until locked", most=10),
    step_within(Step.LOCK, DAY_S),
)
_SLOW = (new_at_most(30, DAY_S), OWNER_GOES_ON)

BOTNETS = (
    Scenario(
        name="A4",
        title="international botnet, 342 networks, 41 countries, one recipient a login",
        cast=_a4,
        lasts_s=DAY_S,
        expected=(new_at_most(10), *_LOCKED_BY_SPREAD, OWNER_GOES_ON),
    ),
    Scenario(
        name="A5a",
        title="slow and low: 132 networks in 6 days, 2 messages an hour, 1 recipient each",
        cast=partial(_a5, size=1),
        lasts_s=6 * DAY_S,
        expected=_SLOW,
    ),
    Scenario(
        name="A5b",
        title="the same with 20 recipients each",
        cast=partial(_a5, size=20),
        lasts_s=6 * DAY_S,
        expected=(*_SLOW, step_within(Step.HOLD, 1.0), SOME_HELD),
    ),
    Scenario(
        name="A5c",
        title="the same with 50 recipients each",
        cast=partial(_a5, size=50),
        lasts_s=6 * DAY_S,
        expected=(*_SLOW, step_within(Step.HOLD, 1.0), SOME_HELD),
    ),
    Scenario(
        name="A6a",
        title="30 addresses of one foreign network",
        cast=partial(_a6, is_spread=False),
        lasts_s=6 * HOUR_S,
        expected=(new_at_most(10), step_within(Step.HOLD, HOUR_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="A6b",
        title="30 networks of 8 ASNs in one country",
        cast=partial(_a6, is_spread=True),
        lasts_s=6 * HOUR_S,
        expected=(new_at_most(10), step_within(Step.LOCK, 6 * HOUR_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="A7",
        title="7 countries, 12 networks, IPv4 and IPv6",
        cast=_a7,
        lasts_s=6 * HOUR_S,
        expected=(new_at_most(10), step_within(Step.LOCK, 6 * HOUR_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="A8a",
        title="residential proxies of the owner's provider, 40 new an hour, 30 % of them unknown",
        cast=partial(_a8, unknown=0.3),
        lasts_s=DAY_S,
        expected=(
            new_at_most(44, HOUR_S),
            Expectation(
                text="new recipients until restricted, median: at most 20",
                measure=lambda tally: tally.new_until(tally.all_at(Step.RESTRICT)),
                most=20,
                of_median=True,
            ),
            step_within(Step.RESTRICT, 3 * HOUR_S),
            OWNER_GOES_ON,
        ),
    ),
    Scenario(
        name="A8b",
        title="the same, all of them exist",
        cast=partial(_a8, unknown=0.0),
        lasts_s=2 * DAY_S,
        expected=(new_at_most(44, HOUR_S), new_at_most(132, DAY_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="A8c",
        title="the same provider, to our own people until nothing goes: the owner is to be silenced",
        cast=_a8c,
        lasts_s=DAY_S,
        expected=(all_at_most(105, 10 * MINUTE_S), all_at_most(438, DAY_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="A15",
        title="20 accounts, a common pool of 40 networks, 8 networks and 20 new recipients a day each",
        cast=_a15,
        lasts_s=3 * DAY_S,
        expected=(new_at_most(30, DAY_S), step_within(Step.HOLD, 2 * DAY_S), SOME_HELD),
    ),
)
