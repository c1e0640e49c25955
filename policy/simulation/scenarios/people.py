"""Legitimate people: nothing of theirs is refused, and nothing held but where that is said."""

from collections.abc import Sequence
from functools import partial

from policy.engine.ladder import Step
from policy.simulation.atlas import Network
from policy.simulation.doors import Person
from policy.simulation.scenarios.scenario import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    NOTHING_HELD,
    NOTHING_REFUSED,
    Expectation,
    Scenario,
    never,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import HOME_ASN, HOME_COUNTRY, person, visit

_Legs = Sequence[tuple[float, list[Network]]]  # from when on he is where


def _l1(scene: Scene) -> None:
    """Thirty colleagues elsewhere, none of whom he ever wrote to."""
    who = person(scene)
    scene.start(_messages(scene, who, [scene.strangers(30)], 1.0))


def _messages(scene: Scene, who: Person, messages: Sequence[Sequence[str]], rest_s: float) -> Actor:
    session = visit(scene, who, who.networks[0])
    for recipients in messages:
        scene.hand_in(session, recipients)
        yield rest_s


def _l2(scene: Scene) -> None:
    """The busiest of 672 senders: 64 messages, 143 recipients, 42 of them new in one hour; 238 and 51 in the day."""
    who = person(scene)
    scene.start(_messages(scene, who, _shared_out(scene, who, 64, 143, 42), HOUR_S / 65))
    scene.start(_messages(scene, who, _shared_out(scene, who, 30, 95, 9), 20 * MINUTE_S), 2 * HOUR_S)


def _shared_out(scene: Scene, who: Person, messages: int, recipients: int, new: int) -> list[list[str]]:
    """So many recipients over so many messages, at least one in each."""
    everybody = scene.strangers(new) + [scene.random.choice(who.contacts) for _ in range(recipients - new)]
    scene.random.shuffle(everybody)
    made = [[one] for one in everybody[:messages]]
    for one in everybody[messages:]:
        scene.random.choice(made).append(one)
    return made


def _l3(scene: Scene, sizes: Sequence[int], gone: float = 0.0) -> None:
    """An invitation in Bcc, sixty of whom are new."""
    who = person(scene)
    number = sum(sizes)
    everybody = scene.strangers(60, gone=gone) + scene.random.sample(who.contacts, number - 60)
    scene.random.shuffle(everybody)
    messages = [everybody[sum(sizes[:one]) : sum(sizes[: one + 1])] for one in range(len(sizes))]
    scene.start(_messages(scene, who, messages, 2 * MINUTE_S))


def _l5(scene: Scene) -> None:
    """Home, an airport, a hotel, roaming: each in another country, each with two networks."""
    who = person(scene)
    countries = [HOME_COUNTRY, *scene.random.sample(["AT", "TR", "JO", "GR", "IT", "FR", "PL"], 3)]
    legs = [(0.0, [who.networks[0], scene.atlas.network(HOME_COUNTRY, HOME_ASN)])]
    for number, country in enumerate(countries[1:]):
        is_mobile = number == 2  # noqa: PLR2004 - the last one
        networks = [scene.atlas.network(country, 64500 + number, is_mobile=is_mobile) for _ in range(2)]
        legs.append(((8 + 14 * number + scene.random.uniform(-1, 1)) * HOUR_S, networks))
    scene.start(_travel(scene, who, legs))
    scene.start(_looks_for_mail(scene, who, legs))


def _travel(scene: Scene, who: Person, legs: _Legs) -> Actor:
    """Fifteen messages a day."""
    while True:
        session = visit(scene, who, scene.random.choice(_here(scene, legs)), scene.random.randrange(1, 250))
        scene.hand_in(session, _mostly_known(scene, who))
        yield scene.random.expovariate(15 / DAY_S)


def _looks_for_mail(scene: Scene, who: Person, legs: _Legs) -> Actor:
    """A telephone asks every half hour, wherever it is."""
    while True:
        visit(scene, who, _here(scene, legs)[0])
        yield 30 * MINUTE_S


def _here(scene: Scene, legs: _Legs) -> list[Network]:
    return [networks for begins_s, networks in legs if begins_s <= scene.now - scene.begins_at][-1]


def _mostly_known(scene: Scene, who: Person) -> list[str]:
    """One to three, nine of ten known."""
    size = scene.random.randint(1, 3)
    return [
        scene.strangers(1)[0] if scene.random.random() < 0.1 else scene.random.choice(who.contacts)  # noqa: PLR2004
        for _ in range(size)
    ]


def _l6(scene: Scene) -> None:
    """A telephone of a carrier that the owner never used: forty networks in a day."""
    who = person(scene)
    networks = [scene.atlas.network(HOME_COUNTRY, 8881, is_ipv6=one % 2 == 0, is_mobile=True) for one in range(40)]
    scene.start(_rotating(scene, who, networks, 25))


def _l7(scene: Scene) -> None:
    """A webmail provider that sends for the owner, from a pool of its own."""
    who = person(scene)
    networks = [scene.atlas.network("US", 15169, is_hosting=True, pool="google") for _ in range(25)]
    scene.start(_rotating(scene, who, networks, 20))


def _rotating(scene: Scene, who: Person, networks: Sequence[Network], messages: int) -> Actor:
    """Each network once in the day, with the messages spread over them."""
    writing = set(scene.random.sample(range(len(networks)), min(messages, len(networks))))
    for number, network in enumerate(networks):
        session = visit(scene, who, network, scene.random.randrange(1, 250))
        if number in writing:
            scene.hand_in(session, _mostly_known(scene, who))
        yield DAY_S / len(networks)


def _l12(scene: Scene) -> None:
    """`My new address`: 180 contacts in four messages within the hour, one in ten of them gone."""
    who = person(scene, contacts=180)
    scene.forget(who.contacts, 0.1)
    scene.start(_messages(scene, who, [who.contacts[one::4] for one in range(4)], 15 * MINUTE_S))


_AS_USUAL = (NOTHING_REFUSED, NOTHING_HELD, never(Step.HOLD))
_EXCESS_HELD = Expectation(
    text="at most the new recipients beyond 50 are held", measure=lambda tally: tally.owner.held, least=10, most=10
)

PEOPLE = (
    Scenario(name="L1", title="one mail to 30 new colleagues", cast=_l1, lasts_s=HOUR_S, expected=_AS_USUAL),
    Scenario(
        name="L2",
        title="busiest sender: 143 recipients and 42 new ones in an hour, 238 in the day",
        cast=_l2,
        lasts_s=DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L3a",
        title="event invitation: one mail, 100 Bcc, 60 of them new",
        cast=partial(_l3, sizes=(100,)),
        lasts_s=HOUR_S,
        expected=(NOTHING_REFUSED, _EXCESS_HELD, never(Step.RESTRICT)),
    ),
    Scenario(
        name="L3b",
        title="event invitation: two mails, 110 Bcc, 60 of them new",
        cast=partial(_l3, sizes=(55, 55)),
        lasts_s=HOUR_S,
        expected=(NOTHING_REFUSED, _EXCESS_HELD, never(Step.RESTRICT)),
    ),
    Scenario(
        name="L3c",
        title="event invitation to an old list: one mail, 100 Bcc, 60 of them new, a tenth of these gone",
        cast=partial(_l3, sizes=(100,), gone=0.1),
        lasts_s=HOUR_S,
        expected=(NOTHING_REFUSED, _EXCESS_HELD, never(Step.LOCK)),
    ),
    Scenario(
        name="L5",
        title="traveller: 4 countries in 48 hours, 8 networks, 15 messages a day",
        cast=_l5,
        lasts_s=2 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L6",
        title="telephone: 40 networks of one carrier in a day",
        cast=_l6,
        lasts_s=DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L7",
        title="a webmail provider sends for the owner: 25 networks of one pool in a day",
        cast=_l7,
        lasts_s=DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L12",
        title="change of address: 180 contacts in four mails, 10 % of them gone",
        cast=_l12,
        lasts_s=2 * HOUR_S,
        expected=(NOTHING_REFUSED, never(Step.LOCK)),
    ),
)
