"""Attacks that keep below what is noticed."""

import math
from collections.abc import Sequence
from functools import partial

from policy.engine.ladder import SignalKind
from policy.simulation.atlas import Network
from policy.simulation.doors import Person
from policy.simulation.scenarios.scenario import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    OWNER_GOES_ON,
    Expectation,
    Scenario,
    all_at_most,
    new_at_most,
    noted,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import goes_on, person
from policy.simulation.thieves import Thief

LURKS_DAYS = 7  # which makes a network home


def _a9(scene: Scene) -> None:
    who = person(scene)
    scene.start(_hijack(scene, Thief(scene, who.name), who))
    scene.start(goes_on(scene, who))


def _hijack(scene: Scene, thief: Thief, who: Person) -> Actor:
    """Three minutes after the login one mail to contacts and to others, and answers to those who answer."""
    session = thief.log_in(scene.atlas.network("NL", 60781))
    yield 3 * MINUTE_S
    known = scene.random.sample(who.contacts, 25)
    recipients = [*known, *scene.strangers(75, gone=0.05)]
    scene.random.shuffle(recipients)
    if session:
        thief.send(session, recipients)
    for one in scene.random.sample(known, 5):
        yield scene.random.uniform(5 * MINUTE_S, 40 * MINUTE_S)
        if session:
            thief.send(session, [one])


def _a10(scene: Scene) -> None:
    who = person(scene)
    scene.start(_ride(scene, Thief(scene, who.name), who))
    scene.start(goes_on(scene, who, days=30))


def _ride(scene: Scene, thief: Thief, who: Person) -> Actor:
    """95 % of the caps of a strange network, day by day: 28 new recipients, 9 in an hour; 95 in all, 38 in an hour."""
    network = scene.atlas.network("RU", 12389)
    while True:
        session = thief.log_in(network)
        for number in range(95):
            is_new = (number + 1) * 28 // 95 > number * 28 // 95
            recipients = scene.strangers(1) if is_new else [scene.random.choice(who.contacts)]
            if session:
                thief.send(session, recipients)
            yield HOUR_S / 31
        yield max(0.0, DAY_S - 95 * HOUR_S / 31)


def _a17(scene: Scene) -> None:
    who = person(scene, contacts=400)
    scene.start(_harvest(scene, Thief(scene, who.name, who.client), scene.random.sample(who.contacts, 300)))
    scene.start(goes_on(scene, who))


def _harvest(scene: Scene, thief: Thief, contacts: Sequence[str]) -> Actor:
    """Ten minutes of reading, then one message a second to each of the contacts."""
    session = thief.log_in(scene.atlas.network("NL", 60781))
    yield 10 * MINUTE_S
    for number, one in enumerate(contacts, start=1):
        if session:
            thief.send(session, [one])
        if not scene.tally.notes["told by recipient"] and scene.door.signals_of(thief.identity):
            scene.tally.notes["told by recipient"] = number
        yield 1.0


def _a18(scene: Scene) -> None:
    who = person(scene)
    scene.start(_patience(scene, Thief(scene, who.name, who.client), who))
    scene.start(goes_on(scene, who, days=30))


def _patience(scene: Scene, thief: Thief, who: Person) -> Actor:
    """In the owner's own network abroad from his home: the same provider, country, client. Ten hours a day."""
    own = who.networks[0].origin
    network = scene.atlas.network(own.country, own.asn)
    while True:
        session = thief.log_in(network)
        for _ in range(40):
            if session:
                thief.send(session, scene.strangers(1, gone=0.05))
            yield 10 * HOUR_S / 40
        yield 14 * HOUR_S


def _a19(scene: Scene, *, is_answered: bool = False, is_neighbour: bool = False) -> None:
    who = person(scene)
    own = who.networks[0].origin
    network = scene.atlas.network(own.country, own.asn) if is_neighbour else scene.atlas.network("NL", 60781)
    scene.start(_lurk(scene, Thief(scene, who.name, who.client), network))
    scene.start(goes_on(scene, who, days=10))
    if is_answered:
        scene.start(_answers(scene, who, network))


def _lurk(scene: Scene, thief: Thief, network: Network) -> Actor:
    """Looks for mail once a day, until the network is home; then as many new recipients as there is room for."""
    for _ in range(LURKS_DAYS - 1):
        thief.log_in(network)
        yield DAY_S
    while True:
        if session := thief.log_in(network):
            thief.send(session, scene.strangers(1))
        yield thief.rest(MINUTE_S)


def _answers(scene: Scene, who: Person, network: Network) -> Actor:
    """A day after he was told of it the owner says that it was not him."""
    while SignalKind.TRUSTED_NETWORK not in {one.kind for one in scene.door.signals_of(who.name)}:
        yield HOUR_S
    yield DAY_S
    scene.door.distrust(who.name, network.address())


def _told_of_network(seconds: float, text: str) -> Expectation:
    return Expectation(
        text=f"owner and administrator are told of the network {text}",
        measure=lambda tally: tally.told.get(SignalKind.TRUSTED_NETWORK, math.inf),
        most=seconds,
    )


def _told_within(seconds: float, text: str) -> Expectation:
    return Expectation(text=f"the administrator is told {text}", measure=lambda tally: tally.told_at(), most=seconds)


_AS_AT_HOME = (new_at_most(50, HOUR_S), new_at_most(150, DAY_S))

PATIENT = (
    Scenario(
        name="A9",
        title="hijacker writes to 25 contacts and 75 others from one unseen network",
        cast=_a9,
        lasts_s=6 * HOUR_S,
        expected=(
            new_at_most(10),
            Expectation(text="the new part is held", measure=lambda tally: tally.thief.held, least=75),
            OWNER_GOES_ON,
        ),
    ),
    Scenario(
        name="A10",
        title="limit rider: 95 % of every cap from one foreign network for 30 days",
        cast=_a10,
        lasts_s=30 * DAY_S,
        expected=(
            new_at_most(10, HOUR_S),
            new_at_most(30, DAY_S),
            all_at_most(100, DAY_S),
            _told_within(2 * DAY_S, "by day 2"),
            OWNER_GOES_ON,
        ),
    ),
    Scenario(
        name="A17",
        title="harvested contacts: 300 known ones from one unseen network, 60 a minute",
        cast=_a17,
        lasts_s=2 * HOUR_S,
        expected=(
            all_at_most(40, HOUR_S),
            noted("owner and administrator are told by the 10th", "told by recipient", least=1, most=10),
            Expectation(text="some of the rest is held", measure=lambda tally: tally.thief.held, least=1),
            OWNER_GOES_ON,
        ),
    ),
    Scenario(
        name="A18",
        title="patience and the owner's device profile: 40 new a day in his ASN, 30 days",
        cast=_a18,
        lasts_s=30 * DAY_S,
        expected=(new_at_most(40, DAY_S), _told_within(3 * DAY_S, "within 3 days"), OWNER_GOES_ON),
    ),
    Scenario(
        name="A19a",
        title="reads along quietly from one foreign network for seven days, until it is home; then all that goes",
        cast=_a19,
        lasts_s=9 * DAY_S,
        expected=(*_AS_AT_HOME, _told_of_network(3 * DAY_S, "within 3 days"), OWNER_GOES_ON),
    ),
    Scenario(
        name="A19b",
        title="the same, and a day after the owner was told he says that it was not him",
        cast=partial(_a19, is_answered=True),
        lasts_s=9 * DAY_S,
        expected=(new_at_most(0), OWNER_GOES_ON),
    ),
    Scenario(
        name="A19c",
        title="the same in a network of the owner's provider, and nobody answers",
        cast=partial(_a19, is_neighbour=True),
        lasts_s=9 * DAY_S,
        expected=(*_AS_AT_HOME, _told_of_network(7 * DAY_S, "within 7 days"), OWNER_GOES_ON),
    ),
)
