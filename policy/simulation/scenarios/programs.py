"""Legitimate programs: newsletters, scanners, invoices, alerts. Nothing is refused, and nothing held."""

from collections.abc import Sequence
from functools import partial

from policy.engine.ladder import Step
from policy.simulation.doors import Person
from policy.simulation.scenarios.scenario import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    NOTHING_HELD,
    NOTHING_REFUSED,
    Scenario,
    never,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import colleagues, person, visit

_MONTH_S = 30 * DAY_S


def _l4(scene: Scene, size: int, rest_s: float) -> None:
    """Three months: everybody is new in the first, one in fifty in each of the others; 1.5 % are gone.

    So many, and not each with such a chance: once in a thousand lists chance alone would make it 5 % of the first two
    hundred, which is where a newsletter is restricted.
    """
    who = person(scene, "club", kind="newsletter", contacts=0)
    scene.start(_newsletter(scene, who, size, rest_s))


def _newsletter(scene: Scene, who: Person, size: int, rest_s: float) -> Actor:
    members = scene.strangers(300)
    scene.gone.update(scene.random.sample(members, 5))
    for _ in range(3):
        session = visit(scene, who, who.networks[0])
        for first in range(0, len(members), size):
            scene.hand_in(session, members[first : first + size])
            yield rest_s
        members = members[6:] + scene.strangers(6, gone=0.015)
        yield _MONTH_S


def _l10(scene: Scene) -> None:
    """A scanner: ten bursts of twenty, each page to one to five of us."""
    who = person(scene, "scanner", kind="app", contacts=0)
    scene.start(_scanner(scene, who))


def _scanner(scene: Scene, who: Person) -> Actor:
    everybody = colleagues(40)
    for _ in range(10):
        session = visit(scene, who, who.networks[0])
        for _ in range(20):
            scene.hand_in(session, scene.random.sample(everybody, scene.random.randint(1, 5)), 5_000_000)
            yield 5 * MINUTE_S / 20
        yield scene.random.uniform(20 * MINUTE_S, 60 * MINUTE_S)


def _l11(scene: Scene) -> None:
    """The first of the month: 400 invoices in 20 minutes, 60 % to known customers, 2 % of all are gone."""
    who = person(scene, "invoices", kind="app", contacts=240)
    customers = [*who.contacts, *scene.strangers(160)]
    scene.forget(customers, 0.02)
    scene.random.shuffle(customers)
    scene.start(_one_each(scene, who, customers, MINUTE_S / 20))


def _one_each(scene: Scene, who: Person, recipients: Sequence[str], rest_s: float) -> Actor:
    session = visit(scene, who, who.networks[0])
    for one in recipients:
        scene.hand_in(session, [one])
        yield rest_s


def _l13(scene: Scene) -> None:
    """Sixty alerts within ten minutes, to the same two."""
    who = person(scene, "monitoring", kind="app", contacts=2)
    scene.start(_alerts(scene, who))


def _alerts(scene: Scene, who: Person) -> Actor:
    session = visit(scene, who, who.networks[0])
    for _ in range(60):
        scene.hand_in(session, who.contacts)
        yield 10.0


_AS_USUAL = (NOTHING_REFUSED, NOTHING_HELD, never(Step.HOLD))

PROGRAMS = (
    Scenario(
        name="L4a",
        title="club newsletter: 300 members, three mails of 100, three months",
        cast=partial(_l4, size=100, rest_s=MINUTE_S),
        lasts_s=3 * _MONTH_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L4b",
        title="club newsletter: 300 single mails, 30 a minute, three months",
        cast=partial(_l4, size=1, rest_s=2.0),
        lasts_s=3 * _MONTH_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L10",
        title="scanner: 200 mails of 5 MB a day to us, in bursts",
        cast=_l10,
        lasts_s=DAY_S,
        expected=_AS_USUAL,
    ),
    Scenario(
        name="L11",
        title="invoices: 400 mails in 20 minutes, 40 % to new recipients",
        cast=_l11,
        lasts_s=HOUR_S,
        expected=_AS_USUAL,
    ),
    Scenario(name="L13", title="monitoring: 60 alerts in 10 minutes", cast=_l13, lasts_s=HOUR_S, expected=_AS_USUAL),
)
