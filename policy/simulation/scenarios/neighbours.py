"""Places that look like the owner's and are not, and one that is his and looks strange; and news that comes late.

A thief next door: a machine of the owner's hoster, a midnight that makes a day of a minute, bounces that say nothing
for half a day. And an office whose provider is another one since last night.
"""

from functools import partial

from policy.engine.ladder import Step
from policy.simulation.atlas import Network
from policy.simulation.doors import Client, Person
from policy.simulation.scenarios.scenario import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    NOTHING_HELD,
    NOTHING_REFUSED,
    OWNER_GOES_ON,
    SOME_HELD,
    WHOM_THEY_KNOW,
    Scenario,
    never,
    new_at_most,
    step_within,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import HOME_ASN, HOME_COUNTRY, goes_on, person, visit
from policy.simulation.thieves import Thief

WRITES_FROM_S = 39 * HOUR_S  # A21, Wednesday at midnight: what he does before is not to be seen
_HOSTER, _WEBMAIL = ("DE", 24940), ("US", 15169)
_LATE_S = (12 * HOUR_S, 12.1 * HOUR_S)
_COLLEAGUES = 50


def _a20a(scene: Scene) -> None:
    """A shop on a rented machine, whose secret somebody finds. The same hoster rents him one, too."""
    who = scene.admit(
        Person(
            name="shop",
            kind="app",
            networks=(scene.atlas.network(*_HOSTER, is_hosting=True),),
            contacts=tuple(f"customer-{number}@example.com" for number in range(200)),
            new_per_day=(20,) * 30,
            client=Client(name="shop.example.org"),
        )
    )
    scene.start(_next_door(scene, Thief(scene, who.name), scene.atlas.network(*_HOSTER, is_hosting=True), 5.0))
    scene.start(goes_on(scene, who))


def _a20b(scene: Scene) -> None:
    """A webmail provider sends for the owner, day by day; and rents machines, in the same autonomous system."""
    home = scene.atlas.network(HOME_COUNTRY, HOME_ASN)
    pool = scene.atlas.network(*_WEBMAIL, is_hosting=True, pool="webmail")
    contacts = tuple(f"ada-{number}@example.com" for number in range(120))
    who = scene.admit(Person(name="ada", networks=(home, pool), contacts=contacts, new_per_day=(1,) * 30))
    scene.start(_next_door(scene, Thief(scene, who.name), scene.atlas.network(*_WEBMAIL, is_hosting=True), MINUTE_S))
    scene.start(goes_on(scene, who))


def _next_door(scene: Scene, thief: Thief, network: Network, rest_s: float) -> Actor:
    while True:
        if session := thief.log_in(network):
            thief.send(session, scene.strangers(1))
        yield thief.rest(rest_s)


def _a21(scene: Scene) -> None:
    who = person(scene)
    scene.start(_at_midnight(scene, Thief(scene, who.name, who.client)))
    scene.start(goes_on(scene, who, days=2.5))


def _at_midnight(scene: Scene, thief: Thief) -> Actor:
    """A minute before midnight, at noon, a minute after midnight: three days of the calendar. Then all that goes."""
    network = scene.atlas.network("NL", 60781)
    yield WRITES_FROM_S - DAY_S - MINUTE_S
    thief.log_in(network)
    yield DAY_S / 2 + MINUTE_S
    thief.log_in(network)
    yield DAY_S / 2 + MINUTE_S
    yield from _next_door(scene, thief, network, MINUTE_S)


def _a22(scene: Scene) -> None:
    """Servers that put everything off by day, and say at night who is unknown."""
    scene.reported_after_s = _LATE_S
    who = person(scene)
    scene.start(_bought_list(scene, Thief(scene, who.name, who.client)))
    scene.start(goes_on(scene, who, days=2))


def _bought_list(scene: Scene, thief: Thief) -> Actor:
    while True:
        if session := thief.log_in(scene.atlas.network(HOME_COUNTRY, HOME_ASN)):
            thief.send(session, scene.strangers(1, gone=0.3))
        yield thief.rest(HOUR_S / 40)


def _l14(scene: Scene, pool: str) -> None:
    """`pool` is what the administrator has called the office's network in the policy; empty: he has not."""
    office = scene.atlas.network(HOME_COUNTRY, 8881, pool=pool)
    for number in range(_COLLEAGUES):
        who = person(scene, f"user{number}", contacts=20)
        scene.start(_works(scene, who, office, number), scene.random.uniform(0, HOUR_S))


def _works(scene: Scene, who: Person, office: Network, host: int) -> Actor:
    """Ten messages in the day, one in ten to somebody new."""
    for _ in range(10):
        is_new = scene.random.random() < 0.1  # noqa: PLR2004
        recipients = scene.strangers(1) if is_new else [scene.random.choice(who.contacts)]
        scene.hand_in(visit(scene, who, office, host + 1), recipients)
        yield scene.random.uniform(36 * MINUTE_S, 54 * MINUTE_S)


_AS_ABROAD = (new_at_most(10, HOUR_S), new_at_most(30, DAY_S), OWNER_GOES_ON)

NEIGHBOURS = (
    Scenario(
        name="A20a",
        title="an application's credential, from a machine that the thief rents of the same hoster",
        cast=_a20a,
        lasts_s=DAY_S,
        expected=(new_at_most(0), SOME_HELD, OWNER_GOES_ON),
    ),
    Scenario(
        name="A20b",
        title="a webmail provider sends for the owner; the thief rents a machine in its ASN",
        cast=_a20b,
        lasts_s=DAY_S,
        expected=_AS_ABROAD,
    ),
    Scenario(
        name="A21",
        title="three days of the calendar in 24 hours and two minutes, quietly; then all that goes",
        cast=_a21,
        lasts_s=2.5 * DAY_S,
        expected=_AS_ABROAD,
    ),
    Scenario(
        name="A22",
        title="the owner's provider, 40 new an hour, 30 % of them unknown, and no bounce for twelve hours",
        cast=_a22,
        lasts_s=2 * DAY_S,
        expected=(new_at_most(44, HOUR_S), new_at_most(132), step_within(Step.LOCK, 14 * HOUR_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="L14a",
        title="office of 50 people, over night it has another provider; 10 mails each, a tenth of them new",
        cast=partial(_l14, pool=""),
        lasts_s=DAY_S,
        expected=(NOTHING_REFUSED, WHOM_THEY_KNOW, never(Step.RESTRICT)),
    ),
    Scenario(
        name="L14b",
        title="the same, and the network is named in the policy",
        cast=partial(_l14, pool="office"),
        lasts_s=DAY_S,
        expected=(NOTHING_REFUSED, NOTHING_HELD, never(Step.HOLD)),
    ),
)
