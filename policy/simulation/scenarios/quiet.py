"""Attacks that wait for a step of the ladder to be forgotten, or ride the limits until they are those of home; a thief
who is a customer of the owner's webmail provider; several logins of one organisation, each with a network of its own;
malware at home and a botnet at once; a thief who is content with hardly anything, and one who asks for a little more
each week.
"""

import math
from collections.abc import Sequence
from functools import partial

from policy.engine.baseline import usual_limit
from policy.engine.ladder import SignalKind, Step
from policy.simulation.atlas import Network
from policy.simulation.doors import Person
from policy.simulation.scenarios.scenario import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    NOTHING_HELD,
    NOTHING_REFUSED,
    OWNER_GOES_ON,
    Expectation,
    Scenario,
    all_at_most,
    new_at_most,
    noted,
    step_within,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import HOME_ASN, HOME_COUNTRY, goes_on, person, visit
from policy.simulation.tally import Tally
from policy.simulation.thieves import Thief

_WEBMAIL = ("US", 15169)
_IN_AN_HOUR = 43  # next door
_USUAL = 3.0  # what everybody's past is taken for at least


def _a23(scene: Scene, *, is_neighbour: bool) -> None:
    who = person(scene)
    network = scene.atlas.network(*((HOME_COUNTRY, HOME_ASN) if is_neighbour else ("NL", 60781)))
    scene.start(_day_by_day(scene, Thief(scene, who.name, who.client), network))
    scene.start(goes_on(scene, who, days=10))


def _day_by_day(scene: Scene, thief: Thief, network: Network) -> Actor:
    """All that goes on the first day, and then the same login each day: in a week the network might be home."""
    while True:
        if session := thief.log_in(network):
            for _ in range(60):
                thief.send(session, scene.strangers(1))
        yield DAY_S


def _a24(scene: Scene) -> None:
    """Three times an hour's budget on each day, and never one recipient too many: no cap is met, and nothing held."""
    who = person(scene)
    network = scene.atlas.network(HOME_COUNTRY, HOME_ASN)
    scene.start(_rides(scene, Thief(scene, who.name, who.client), network, 43, 3))
    scene.start(goes_on(scene, who, days=14))


def _rides(scene: Scene, thief: Thief, network: Network, size: int, hours: int) -> Actor:
    """So many new ones in one message, in so many hours of the day."""
    while True:
        for _ in range(hours):
            if session := thief.log_in(network):
                thief.send(session, scene.strangers(size))
            yield HOUR_S + MINUTE_S
        yield DAY_S - hours * (HOUR_S + MINUTE_S)


def _a25(scene: Scene) -> None:
    """The provider's servers send for both: for the owner from his account there, and for the thief from his."""
    home = scene.atlas.network(HOME_COUNTRY, HOME_ASN)
    pool = [scene.atlas.network(*_WEBMAIL, is_hosting=True, pool="webmail") for _ in range(2)]
    contacts = tuple(f"ada-{number}@example.com" for number in range(120))
    who = scene.admit(Person(name="ada", networks=(home, pool[0]), contacts=contacts, new_per_day=(1,) * 30))
    scene.start(_rides(scene, Thief(scene, who.name, who.client), pool[1], 43, 3))
    scene.start(goes_on(scene, who))


def _a26(scene: Scene) -> None:
    """Five of one domain. None of their thief's networks is seen with two of them: nobody is linked."""
    for number in range(5):
        who = person(scene, f"user{number}", contacts=20)
        network = scene.atlas.network("NL", 60781 + number)
        scene.start(_rides(scene, Thief(scene, who.name, who.client), network, 9, 3))
        scene.start(goes_on(scene, who, days=7))


def _a27(scene: Scene) -> None:
    """Malware has found the secret on the owner's machine: it writes from there, and a botnet from elsewhere."""
    who = person(scene)
    scene.start(_each_minute(scene, Thief(scene, who.name), scene.atlas.network("NL", 60781), 12))
    scene.start(_each_minute(scene, Thief(scene, who.name, who.client), who.networks[0], 100_000), HOUR_S)


def _a30(scene: Scene) -> None:
    """A hole in a shop's program: somebody sends from its machine what he likes, to a list that he has bought."""
    home = scene.atlas.network("DE", 24940, is_hosting=True)
    who = scene.admit(Person(name="shop", kind="app", networks=(home,), new_per_day=(20,) * 30))
    scene.start(_in_a_hurry(scene, Thief(scene, who.name, who.client), home))


def _a31(scene: Scene) -> None:
    """Sixty of one organisation, each from next door, as much as goes; and one who has nothing to do with it."""
    for number in range(60):
        who = person(scene, f"user{number}", contacts=20)
        network = scene.atlas.network(HOME_COUNTRY, HOME_ASN)
        scene.start(_rides(scene, Thief(scene, who.name, who.client), network, 43, 3), scene.random.uniform(0, HOUR_S))
    scene.start(_introduces(scene, person(scene)), HOUR_S / 2)


def _introduces(scene: Scene, who: Person) -> Actor:
    for _ in range(30):
        scene.hand_in(visit(scene, who, who.networks[0]), scene.strangers(1))
        yield 2 * MINUTE_S


def _in_a_hurry(scene: Scene, thief: Thief, network: Network) -> Actor:
    while True:
        if session := thief.log_in(network):
            thief.send(session, scene.strangers(1, gone=0.3))
        yield thief.rest(MINUTE_S / 5)


def _each_minute(scene: Scene, thief: Thief, network: Network, messages: int) -> Actor:
    for _ in range(messages):
        if session := thief.log_in(network):
            thief.send(session, scene.strangers(1))
        yield thief.rest(MINUTE_S)


def _a28(scene: Scene) -> None:
    who = person(scene)
    scene.start(_hardly(scene, Thief(scene, who.name, who.client)))
    scene.start(goes_on(scene, who, days=14))


def _hardly(scene: Scene, thief: Thief) -> Actor:
    """Seven on each day, two hours apart: from each provider two days, and never the three that would settle it."""
    for asn in range(64500, 64507):
        network = scene.atlas.network("SE", asn)
        for _ in range(2):
            for _ in range(7):
                if session := thief.log_in(network):
                    thief.send(session, scene.strangers(1))
                yield 2 * HOUR_S
            yield DAY_S - 14 * HOUR_S


def _a29(scene: Scene) -> None:
    who = person(scene)
    scene.start(_rises(scene, Thief(scene, who.name, who.client), who.new_per_day))
    scene.start(goes_on(scene, who, days=30))


def _rises(scene: Scene, thief: Thief, past: Sequence[int]) -> Actor:
    """What is below the alarm if his own days become the past that a day is compared with; three are left to the owner.

    Each day in another network next door.
    """
    days = list(past)
    while True:
        network = scene.atlas.network(HOME_COUNTRY, HOME_ASN)
        today = usual_limit(max(_USUAL, sum(days[-30:]) / 30)) - 4
        for first in range(0, today, _IN_AN_HOUR):
            if session := thief.log_in(network):
                thief.send(session, scene.strangers(min(_IN_AN_HOUR, today - first)))
            yield HOUR_S + MINUTE_S
        days.append(today)
        yield DAY_S - math.ceil(today / _IN_AN_HOUR) * (HOUR_S + MINUTE_S)


def _a32(scene: Scene) -> None:
    who = person(scene)
    scene.start(_makes_known(scene, Thief(scene, who.name, who.client)))
    scene.start(goes_on(scene, who, days=44))


def _makes_known(scene: Scene, thief: Thief) -> Actor:
    """Eleven a day from another network next door each day; after six weeks to all of them whatever goes."""
    made = list[str]()
    for _ in range(42):
        made += (new := scene.strangers(11))
        if session := thief.log_in(scene.atlas.network(HOME_COUNTRY, HOME_ASN)):
            thief.send(session, new)
        yield DAY_S
    begun_at = scene.now
    while made:
        if session := thief.log_in(scene.atlas.network(HOME_COUNTRY, HOME_ASN)):
            del made[: len(thief.send(session, made[:25]).accepted)]
        told = [one.kind for one in scene.door.signals_of(thief.identity) if one.at >= begun_at]
        scene.tally.notes["told"] = SignalKind.VOLUME in told
        yield thief.rest(5 * MINUTE_S)


def _trusted(tally: Tally) -> float:
    """1 where a network has become the owner's."""
    return SignalKind.TRUSTED_NETWORK.value in tally.told


_NEVER_TRUSTED = Expectation(text="the network does not become the owner's", measure=_trusted, most=0)

QUIET = (
    Scenario(
        name="A23a",
        title="held on the first day, and nobody answers: he looks for mail each day until that network is home",
        cast=partial(_a23, is_neighbour=False),
        lasts_s=10 * DAY_S,
        expected=(new_at_most(10), _NEVER_TRUSTED, OWNER_GOES_ON),
    ),
    Scenario(
        name="A23b",
        title="the same in a network of the owner's provider",
        cast=partial(_a23, is_neighbour=True),
        lasts_s=10 * DAY_S,
        expected=(new_at_most(44), _NEVER_TRUSTED, OWNER_GOES_ON),
    ),
    Scenario(
        name="A24",
        title="rides the limits in one network of the owner's provider, 129 new a day, two weeks",
        cast=_a24,
        lasts_s=14 * DAY_S,
        expected=(
            new_at_most(44, HOUR_S),
            new_at_most(132, DAY_S),
            _NEVER_TRUSTED,
            step_within(Step.SLOW, HOUR_S),
            OWNER_GOES_ON,
        ),
    ),
    Scenario(
        name="A25",
        title="a webmail provider sends for the owner, and the thief has an account there, too",
        cast=_a25,
        lasts_s=DAY_S,
        expected=(new_at_most(44, HOUR_S), new_at_most(132, DAY_S), step_within(Step.SLOW, HOUR_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="A26",
        title="five logins of one organisation in concert, a network of its own for each, 27 new a day, a week",
        cast=_a26,
        lasts_s=7 * DAY_S,
        expected=(
            new_at_most(10, HOUR_S),
            new_at_most(30, DAY_S),
            all_at_most(100, DAY_S),
            step_within(Step.SLOW, HOUR_S),
            OWNER_GOES_ON,
        ),
    ),
    Scenario(
        name="A27",
        title="the owner's own machine: malware there writes all that goes, after a botnet abroad has met its cap",
        cast=_a27,
        lasts_s=5 * DAY_S,
        expected=(new_at_most(50, HOUR_S), new_at_most(60), step_within(Step.HOLD, HOUR_S)),
    ),
    Scenario(
        name="A28",
        title="hardly anything: 7 new a day, two hours apart, another provider every other day, two weeks",
        cast=_a28,
        lasts_s=14 * DAY_S,
        expected=(new_at_most(30, DAY_S), step_within(Step.SLOW, 4 * DAY_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="A29",
        title="next door, a little more each week: what is ordinary if his own days are the past, a month",
        cast=_a29,
        lasts_s=30 * DAY_S,
        expected=(
            new_at_most(44, HOUR_S),
            new_at_most(132, DAY_S),
            step_within(Step.SLOW, 14 * DAY_S),
            OWNER_GOES_ON,
        ),
    ),
    Scenario(
        name="A30",
        title="a shop's own machine, whose program has a hole: 300 an hour, 30 % of them unknown",
        cast=_a30,
        lasts_s=DAY_S,
        expected=(new_at_most(160, HOUR_S), new_at_most(160, DAY_S), step_within(Step.RESTRICT, HOUR_S)),
    ),
    Scenario(
        name="A31",
        title="sixty logins in concert, each next door to its owner; somebody else, at home, writes to 30 new people",
        cast=_a31,
        lasts_s=2 * HOUR_S,
        expected=(new_at_most(44, HOUR_S), NOTHING_REFUSED, NOTHING_HELD),
    ),
    Scenario(
        name="A32",
        title="next door, makes eleven known each day; after six weeks all that goes to the 462, once more",
        cast=_a32,
        lasts_s=44 * DAY_S,
        expected=(
            new_at_most(11, DAY_S),
            all_at_most(175, HOUR_S),
            all_at_most(438, DAY_S),
            noted("owner and administrator are told of it", "told", least=1),
            OWNER_GOES_ON,
        ),
    ),
)
