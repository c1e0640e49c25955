"""Attacks that are in a hurry, and tricks against the counting itself."""

from collections.abc import Sequence

from policy.engine.ladder import Step
from policy.simulation.doors import Session
from policy.simulation.scenarios.scenario import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    OWNER_GOES_ON,
    SOME_HELD,
    Scenario,
    all_at_most,
    new_at_most,
    step_within,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import colleagues, goes_on, person
from policy.simulation.thieves import Thief

_UNKNOWN = 0.1  # share of a list that does not exist


def _flood(scene: Scene, thief: Thief, *, per_hour: float, sizes: tuple[int, int], unknown: float = _UNKNOWN) -> Actor:
    """From one network, messages of so many recipients, without a pause."""
    session = thief.log_in(scene.atlas.network("RU", 12389))
    while True:
        size = scene.random.randint(*sizes)
        if session:
            thief.send(session, scene.strangers(size, gone=unknown))
        yield thief.rest(size * HOUR_S / per_hour)


def _a1(scene: Scene) -> None:
    who = person(scene)
    scene.start(_flood(scene, Thief(scene, who.name), per_hour=760 * 60, sizes=(100, 100)))
    scene.start(goes_on(scene, who))


def _a2(scene: Scene) -> None:
    for name in ("ada", "bob", "eve", "dan"):
        who = person(scene, name)
        scene.start(_flood(scene, Thief(scene, who.name), per_hour=6460, sizes=(1, 20)))
        scene.start(goes_on(scene, who, days=2.5))


def _a3(scene: Scene) -> None:
    """Everybody in the house, one after the other, hundreds of messages a second."""
    who = person(scene)
    scene.start(_blast(scene, Thief(scene, who.name), colleagues(22_740)))
    scene.start(goes_on(scene, who))


def _blast(scene: Scene, thief: Thief, recipients: Sequence[str]) -> Actor:
    session = thief.log_in(scene.atlas.network("NG", 37148))
    left = 41_727
    while session and left > 0:
        thief.send(session, [recipients[left % len(recipients)]])
        rest_s = thief.rest(1 / 350)
        left -= max(1, round(rest_s * 350))
        yield rest_s


def _a11(scene: Scene, first: Sequence[Sequence[str]]) -> None:
    """Messages that try something, and then an ordinary flood."""
    who = person(scene)
    scene.start(_tricks(scene, Thief(scene, who.name), first))
    scene.start(goes_on(scene, who))


def _tricks(scene: Scene, thief: Thief, first: Sequence[Sequence[str]]) -> Actor:
    network = scene.atlas.network("RU", 12389)
    session = thief.log_in(network)
    for recipients in first:
        if session:
            thief.send(session, recipients)
        yield 1.0
    yield from _flood(scene, thief, per_hour=6000, sizes=(1, 10))


def _a11a(scene: Scene) -> None:
    _a11(scene, [scene.strangers(1000)])


def _a11b(scene: Scene) -> None:
    """With postmaster among them, whom many servers exempt."""
    _a11(scene, [["postmaster@example.net", *scene.strangers(20)] for _ in range(20)])


def _a11c(scene: Scene) -> None:
    """Twenty people, each in five spellings: letter case, a dot at the end, full-width letters, detail."""
    messages = []
    for one in scene.strangers(20):
        local, _, domain = one.partition("@")
        spellings = [f"{local.upper()}@{domain}", f"{local}@{domain}.", f"{local}@{domain.upper()}"]
        spellings.append(f"\uff52{local[1:]}@{domain}")
        spellings.append(f"{local}+1@{domain}")
        scene.new.update(spellings)
        messages.append(spellings)
    _a11(scene, messages)


def _a11d(scene: Scene) -> None:
    """Ninety-nine recipients, then nothing: the next hop never gets it. Again and again, and then a message."""
    who = person(scene)
    scene.start(_asking(scene, Thief(scene, who.name)))
    scene.start(goes_on(scene, who))


def _asking(scene: Scene, thief: Thief) -> Actor:
    session = thief.log_in(scene.atlas.network("RU", 12389))
    for _ in range(50):
        if session:
            scene.break_off(session, scene.strangers(99))
        yield 1.0
    yield from _flood(scene, thief, per_hour=6000, sizes=(1, 10))


def _a11e(scene: Scene) -> None:
    """The same recipients twenty times in one message."""
    _a11(scene, [scene.strangers(4) * 20 for _ in range(20)])


def _a12(scene: Scene) -> None:
    who = person(scene)
    scene.start(_race(scene, Thief(scene, who.name)))
    scene.start(goes_on(scene, who))


def _race(scene: Scene, thief: Thief) -> Actor:
    """Nine of ten are spent; fifty connections ask for the last one at the same moment, every minute."""
    session = thief.log_in(scene.atlas.network("RU", 12389))
    if not session:
        return
    for one in scene.strangers(9):
        thief.send(session, [one])
        yield 1.0
    for _ in range(15):
        _ask_at_once(scene, session)
        yield MINUTE_S


def _ask_at_once(scene: Scene, session: Session) -> None:
    scene.hand_in_together(session, [scene.strangers(1) for _ in range(50)])


def _a16(scene: Scene) -> None:
    """A scanner that writes to two of us five times a day; now its credential writes from abroad."""
    who = person(scene, "scanner", kind="app", contacts=0)
    scene.start(_flood(scene, Thief(scene, who.name), per_hour=200, sizes=(1, 20)))
    scene.start(_scans(scene, who.name))


def _scans(scene: Scene, name: str) -> Actor:
    device = scene.people[name]
    for _ in range(5):
        yield scene.random.uniform(HOUR_S, 2 * HOUR_S)
        session = scene.log_in(name, device.networks[0].address(7), device.client)
        if session:
            scene.hand_in(session, colleagues(2), 5_000_000)


_TRICK = (new_at_most(10, HOUR_S), new_at_most(30, DAY_S), all_at_most(40, HOUR_S), OWNER_GOES_ON)

FLOODS = (
    Scenario(
        name="A1",
        title="webmail flood, 100 Bcc a message, 760 recipients a minute, one foreign network, 10 h",
        cast=_a1,
        lasts_s=10 * HOUR_S,
        expected=(new_at_most(10), step_within(Step.HOLD, MINUTE_S), SOME_HELD, OWNER_GOES_ON),
    ),
    Scenario(
        name="A2",
        title="four accounts, one network each, 6,460 recipients an hour, 60 h",
        cast=_a2,
        lasts_s=60 * HOUR_S,
        expected=(new_at_most(10, HOUR_S), new_at_most(30, DAY_S), SOME_HELD, OWNER_GOES_ON),
    ),
    Scenario(
        name="A3",
        title="internal blast: 22,740 of our own people, 350 messages a second",
        cast=_a3,
        lasts_s=10 * HOUR_S,
        expected=(all_at_most(100, 10 * MINUTE_S), SOME_HELD, OWNER_GOES_ON),
    ),
    Scenario(
        name="A11a", title="1,000 recipients in the first message", cast=_a11a, lasts_s=3 * HOUR_S, expected=_TRICK
    ),
    Scenario(name="A11b", title="postmaster among the recipients", cast=_a11b, lasts_s=3 * HOUR_S, expected=_TRICK),
    Scenario(
        name="A11c", title="the same recipients in five spellings", cast=_a11c, lasts_s=3 * HOUR_S, expected=_TRICK
    ),
    Scenario(
        name="A11d", title="99 recipients, broken off, fifty times", cast=_a11d, lasts_s=3 * HOUR_S, expected=_TRICK
    ),
    Scenario(name="A11e", title="the same recipient twenty times", cast=_a11e, lasts_s=3 * HOUR_S, expected=_TRICK),
    Scenario(
        name="A12",
        title="50 parallel sessions ask for the last token",
        cast=_a12,
        lasts_s=HOUR_S,
        expected=(new_at_most(10, HOUR_S), OWNER_GOES_ON),
    ),
    Scenario(
        name="A16",
        title="credential of a scanner, 200 external recipients an hour from abroad",
        cast=_a16,
        lasts_s=10 * HOUR_S,
        expected=(new_at_most(0), SOME_HELD, OWNER_GOES_ON),
    ),
)
