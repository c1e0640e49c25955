"""Attacks that keep below what is noticed."""

from collections.abc import Sequence

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


def _told_within(seconds: float, text: str) -> Expectation:
    return Expectation(text=f"the administrator is told {text}", measure=lambda tally: tally.told_at(), most=seconds)


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
)
