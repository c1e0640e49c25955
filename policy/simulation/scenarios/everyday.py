"""Legitimate senders of whom administrators hear: a first week of term, a conference, a family's second way out, a
campaign, a printer with a new address each day, a new provider, a VPN that is always on, a school, a build server, a
form on the web.
"""

from collections.abc import Sequence
from dataclasses import replace
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
    WHOM_THEY_KNOW,
    Expectation,
    Scenario,
    never,
    noted,
    step_within,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import HOME_ASN, HOME_COUNTRY, colleagues, person, visit

_PHONE = Client(name="[10.34.7.2]", mechanism="PLAIN", tls="t13d2014h2_a09f3c656075")
_CARRIER, _SATELLITE, _HOSTER = 3209, 14593, 24940
_ORDERS_AN_HOUR = (20, 60, 150, 120, 80, 40, 20, 10)  # after the campaign's mail at nine


def _l15(scene: Scene) -> None:
    """Four classes of thirty: one mail to the parents of each, a reminder to all, and answers from a new telephone."""
    who, parents = person(scene), scene.strangers(120, gone=0.01)
    scene.start(_term(scene, who, parents))
    scene.start(_answers(scene, replace(who, client=_PHONE), parents), 3 * HOUR_S)


def _term(scene: Scene, who: Person, parents: Sequence[str]) -> Actor:
    for number in range(4):
        scene.hand_in(visit(scene, who, who.networks[0]), parents[30 * number : 30 * number + 30])
        yield DAY_S
    for number in range(2):
        scene.hand_in(visit(scene, who, who.networks[0]), parents[60 * number : 60 * number + 60])
        yield HOUR_S


def _answers(scene: Scene, who: Person, parents: Sequence[str]) -> Actor:
    """Six a day, to those who have got her mail; and one to somebody else."""
    carrier = [scene.atlas.network(HOME_COUNTRY, _CARRIER, is_mobile=True) for _ in range(5)]
    for day in range(5):
        for _ in range(6):
            session = visit(scene, who, scene.random.choice(carrier), scene.random.randrange(1, 250))
            scene.hand_in(session, [scene.random.choice(parents[: min(30 * day + 30, 120)])])
            yield HOUR_S
        scene.hand_in(visit(scene, who, carrier[0]), scene.strangers(1))
        yield DAY_S - 6 * HOUR_S


def _l16(scene: Scene, *, has_vpn: bool) -> None:
    """From Germany by way of France to England: hotel, tethering, and with `has_vpn` a machine in a fourth country."""
    who = person(scene)
    networks = [
        [scene.atlas.network("FR", 3215), scene.atlas.network("FR", 20810, is_mobile=True)],
        [scene.atlas.network("GB", 2856), scene.atlas.network("FR", 20810, is_mobile=True)],
    ]
    if has_vpn:
        networks = [[*one, scene.atlas.network("NL", 60781, is_hosting=True)] for one in networks]
    scene.start(_reports(scene, who, networks))


def _reports(scene: Scene, who: Person, networks: Sequence[Sequence[Network]]) -> Actor:
    """Twenty messages on each day, a third of them to people whom he has just met."""
    for here in networks:
        for _ in range(20):
            is_new = scene.random.random() < 0.33  # noqa: PLR2004 - a third
            recipients = scene.strangers(1) if is_new else [scene.random.choice(who.contacts)]
            scene.hand_in(visit(scene, who, scene.random.choice(here)), recipients)
            yield 36 * MINUTE_S
        yield DAY_S - 12 * HOUR_S


def _l17(scene: Scene, *, is_mobile: bool) -> None:
    """Three people, one house; on Monday its line is dead, and a dish on the roof takes over."""
    dish = scene.atlas.network("US", _SATELLITE, is_mobile=is_mobile)
    for name in ("ada", "bob", "eve"):
        scene.start(_all_day(scene, person(scene, name), [dish], days=3), scene.random.uniform(0, HOUR_S))


def _all_day(scene: Scene, who: Person, networks: Sequence[Network], *, days: int) -> Actor:
    """Ten messages a day, one in ten to somebody new, from one of the networks each."""
    for _ in range(days):
        for _ in range(10):
            is_new = scene.random.random() < 0.1  # noqa: PLR2004
            recipients = scene.strangers(1) if is_new else [scene.random.choice(who.contacts)]
            session = visit(scene, who, scene.random.choice(networks), scene.random.randrange(1, 250))
            scene.hand_in(session, recipients)
            yield HOUR_S
        yield DAY_S - 10 * HOUR_S


def _l18(scene: Scene) -> None:
    """A shop, and five hundred who have never bought there."""
    scene.start(_campaign(scene, _shop(scene)))


def _shop(scene: Scene) -> Person:
    home = scene.atlas.network(HOME_COUNTRY, _HOSTER, is_hosting=True)
    client = Client(name="shop.example.org")
    return scene.admit(Person(name="shop", kind="app", networks=(home,), new_per_day=(20,) * 30, client=client))


def _campaign(scene: Scene, who: Person) -> Actor:
    """A confirmation at once, a bill an hour later. One address in seventy is mistyped."""
    billed: list[str] = []
    for number in (*_ORDERS_AN_HOUR, 0):
        buyers = scene.strangers(number)
        scene.gone.update(buyers[35::70])
        session = visit(scene, who, who.networks[0])
        for one in [*buyers, *billed]:
            scene.hand_in(session, [one])
            yield HOUR_S / (len(buyers) + len(billed))
        billed = buyers


def _l19(scene: Scene) -> None:
    """Its office has no address of its own: the provider gives it another one each night."""
    who = person(scene, "printer", kind="app", contacts=0)
    scene.start(_prints(scene, who))


def _prints(scene: Scene, who: Person) -> Actor:
    for _ in range(14):
        network = scene.atlas.network(HOME_COUNTRY, HOME_ASN)
        for _ in range(20):
            scene.hand_in(visit(scene, who, network), scene.random.sample(colleagues(12), 2), 5_000_000)
            yield HOUR_S / 2
        yield DAY_S - 10 * HOUR_S


def _l20(scene: Scene) -> None:
    """From Monday on all that he writes comes from another provider."""
    scene.start(_all_day(scene, person(scene), [scene.atlas.network(HOME_COUNTRY, 8881)], days=10))


def _l21a(scene: Scene) -> None:
    """A VPN of one country with four ways out, which he has never used before."""
    exits = [scene.atlas.network(HOME_COUNTRY, _HOSTER, is_hosting=True) for _ in range(4)]
    scene.start(_all_day(scene, person(scene), exits, days=10))


def _l21b(scene: Scene, pool: str) -> None:
    """Another way out with each message, in twelve countries; `pool` is what the policy calls them all."""
    countries = ("NL", "SE", "US", "CH", "RO", "FR", "LU", "AT", "PL", "CA", "NO", "GB")
    exits = [
        scene.atlas.network(country, 64500 + one, is_hosting=True, pool=pool) for one, country in enumerate(countries)
    ]
    scene.start(_all_day(scene, person(scene), exits, days=3))


def _l22(scene: Scene) -> None:
    """Four messages to a hundred parents each, once a week for three weeks; where mail is held she answers at night."""
    who, parents = person(scene), scene.strangers(400, gone=0.01)
    scene.start(_letters(scene, who, parents))


def _letters(scene: Scene, who: Person, parents: Sequence[str]) -> Actor:
    for _ in range(3):
        for first in range(0, len(parents), 100):
            scene.hand_in(visit(scene, who, who.networks[0]), parents[first : first + 100])
            yield HOUR_S
        if scene.door.step_of(who.name) >= Step.HOLD:
            scene.tally.notes["asked"] += 1
            scene.door.release(who.name, scene.gone, scene.now)
        yield 7 * DAY_S - 4 * HOUR_S


def _l23(scene: Scene) -> None:
    """One message to all who work on it, each quarter of an hour of a day."""
    who = person(scene, "builds", kind="app", contacts=50)
    scene.start(_builds(scene, who))


def _builds(scene: Scene, who: Person) -> Actor:
    for _ in range(32):
        scene.hand_in(visit(scene, who, who.networks[0]), who.contacts)
        yield HOUR_S / 4


def _l24(scene: Scene) -> None:
    """Whatever address is typed gets a confirmation."""
    who = _shop(scene)
    scene.start(_confirms(scene, who, 60, 10 * MINUTE_S, gone=0.0))
    scene.start(_confirms(scene, who, 12, MINUTE_S, gone=1.0), HOUR_S)


def _confirms(scene: Scene, who: Person, number: int, rest_s: float, *, gone: float) -> Actor:
    session = visit(scene, who, who.networks[0])
    for _ in range(number):
        scene.hand_in(session, scene.strangers(1, gone=gone))
        yield rest_s


_AS_USUAL = (NOTHING_REFUSED, NOTHING_HELD, never(Step.HOLD))
_KNOWN_ARE_REACHED = (NOTHING_REFUSED, WHOM_THEY_KNOW, never(Step.RESTRICT))

EVERYDAY = (
    Scenario(
        name="L15",
        title="first week of term: a teacher mails 120 parents from home, and answers from a new telephone",
        cast=_l15,
        lasts_s=5 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L16a",
        title="conference: a hotel, tethering, three countries in two days, a third of 40 mails to new people",
        cast=partial(_l16, has_vpn=False),
        lasts_s=2 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L16b",
        title="the same with a VPN in a fourth country now and then",
        cast=partial(_l16, has_vpn=True),
        lasts_s=2 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L17a",
        title="family of three behind one address of a provider that none of them had before",
        cast=partial(_l17, is_mobile=False),
        lasts_s=3 * DAY_S,
        expected=_KNOWN_ARE_REACHED,
    ),
    Scenario(
        name="L17b",
        title="the same, and the provider is on the list of carriers",
        cast=partial(_l17, is_mobile=True),
        lasts_s=3 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L18",
        title="shop after a campaign: 500 orders of new customers in a day, two mails each",
        cast=_l18,
        lasts_s=DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L19",
        title="printer of a small office that has another address each day, two weeks",
        cast=_l19,
        lasts_s=14 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L20",
        title="somebody who has got another provider, ten days",
        cast=_l20,
        lasts_s=10 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L21a",
        title="a VPN that is always on: four ways out in one country, ten days",
        cast=_l21a,
        lasts_s=10 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L21b",
        title="always through Tor: another country with each message",
        cast=partial(_l21b, pool=""),
        lasts_s=3 * DAY_S,
        expected=(step_within(Step.LOCK, 2 * DAY_S),),
    ),
    Scenario(
        name="L21c",
        title="the same, and its ways out are named in the policy",
        cast=partial(_l21b, pool="tor"),
        lasts_s=3 * DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L22",
        title="a school writes to 400 parents once a week, and the secretary answers what she is asked",
        cast=_l22,
        lasts_s=21 * DAY_S,
        expected=(
            NOTHING_REFUSED,
            Expectation(text="only of the first letter is some held", measure=lambda tally: tally.owner.held, most=350),
            noted("she is asked once", "asked", least=1, most=1),
            never(Step.RESTRICT),
        ),
    ),
    Scenario(
        name="L23",
        title="a build server writes to 50 developers, one message to all of them, 32 times in a day",
        cast=_l23,
        lasts_s=DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L24",
        title="a stranger types twelve addresses that nobody has into the form of a shop, which confirms orders to 60",
        cast=_l24,
        lasts_s=DAY_S,
        expected=(NOTHING_REFUSED, NOTHING_HELD, step_within(Step.RESTRICT, 2 * HOUR_S)),
    ),
)
