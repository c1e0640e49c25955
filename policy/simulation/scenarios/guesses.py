"""What happens before anybody is let in: guesses, and owners who mistype."""

from policy.engine.guessing import Attempt
from policy.engine.sources import network_of
from policy.simulation.scenarios.scenario import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    NOTHING_REFUSED,
    OWNER_GOES_ON,
    Expectation,
    Scenario,
    noted,
)
from policy.simulation.scene import Actor, Scene
from policy.simulation.senders import HOME_ASN, HOME_COUNTRY, goes_on, person
from policy.simulation.thieves import Thief

_WALLED, _LOOKED_AT, _WAITED = "walled", "looked at", "waited"


def _guess(scene: Scene, login: str, secret: str, address: str, *, has_history: bool = False) -> bool:
    """One wrong secret; whether it was looked at at all."""
    attempt = Attempt(login=login, network=network_of(address), is_known=True, has_history=has_history)
    if scene.walls.wall_for(attempt, scene.now):
        scene.tally.notes[_WALLED] += 1
        return False
    scene.walls.note_wrong(attempt, secret.encode(), scene.now)
    scene.tally.notes[_LOOKED_AT] += 1
    scene.tally.notes[_WAITED] += scene.walls.delay_s(attempt, scene.now) > 0
    return True


def _enter(scene: Scene, login: str, address: str, *, has_history: bool) -> None:
    """The right secret: walled or made to wait, it counts as refused."""
    attempt = Attempt(login=login, network=network_of(address), is_known=True, has_history=has_history)
    is_stopped = scene.walls.wall_for(attempt, scene.now) is not None
    waits = not has_history and scene.walls.delay_s(attempt, scene.now) > 0
    scene.tally.owner.logins_refused += is_stopped or waits
    scene.tally.owner.logins_granted += not is_stopped


def _a13(scene: Scene) -> None:
    """Five hundred networks with one guess each; then one that is right, and what its thief gets out."""
    who = person(scene)
    scene.start(_guesser(scene, Thief(scene, who.name)))
    scene.start(goes_on(scene, who, days=9))
    scene.start(_comes_home(scene, who.name, who.networks[0].address(7)))


def _guesser(scene: Scene, thief: Thief) -> Actor:
    looked_at = list[float]()
    for number in range(500):
        network = scene.atlas.network("BR", 64500 + number % 60)
        if _guess(scene, thief.identity, f"guess {number}", network.address()):
            looked_at.append(scene.now)
        lately = sum(at > scene.now - DAY_S for at in looked_at)
        scene.tally.notes["in a day"] = max(scene.tally.notes["in a day"], lately)
        yield scene.random.uniform(7, 30) * MINUTE_S
    session = thief.log_in(scene.atlas.network("BR", 64600))
    while True:
        if session:
            thief.send(session, scene.strangers(1, gone=0.1))
        yield thief.rest(MINUTE_S)


def _comes_home(scene: Scene, login: str, address: str) -> Actor:
    while True:
        _enter(scene, login, address, has_history=True)
        yield HOUR_S


def _a14(scene: Scene) -> None:
    """Two hundred logins, one guess each, from one network."""
    network = scene.atlas.network("NL", 64500)
    scene.start(_spray(scene, [network.address(host) for host in range(1, 201)]))


def _spray(scene: Scene, addresses: list[str]) -> Actor:
    for number, address in enumerate(addresses):
        _guess(scene, f"user{number}", "Winter2026!", address)
        yield 5.0


def _l8(scene: Scene) -> None:
    """A telephone with an old secret, every minute, beside the laptop."""
    who = person(scene)
    address = who.networks[0].address(7)
    scene.start(_stale(scene, who.name, who.networks[0].address(9)))
    scene.start(_comes_home(scene, who.name, address))
    scene.start(goes_on(scene, who))


def _stale(scene: Scene, login: str, address: str) -> Actor:
    while True:
        _guess(scene, login, "the secret before this one", address, has_history=True)
        yield MINUTE_S


def _l9(scene: Scene) -> None:
    """Fifty people behind one address; three of them mistype twice within ten minutes."""
    office = scene.atlas.network(HOME_COUNTRY, HOME_ASN).address()
    for number in range(50):
        scene.start(_comes_home(scene, f"user{number}", office), scene.random.uniform(0, HOUR_S))
    for number in scene.random.sample(range(50), 3):
        scene.start(_mistypes(scene, f"user{number}", office), scene.random.uniform(0, 5 * MINUTE_S))


def _mistypes(scene: Scene, login: str, office: str) -> Actor:
    for typo in ("secert", "secrte"):
        _guess(scene, login, typo, office)
        yield scene.random.uniform(0, 5 * MINUTE_S)
    _enter(scene, login, office, has_history=False)


GUESSES = (
    Scenario(
        name="A13",
        title="slow distributed guessing: 500 networks, one guess each; then the right one",
        cast=_a13,
        lasts_s=9 * DAY_S,
        expected=(
            noted("guesses that are looked at in any day: at most 50", "in a day", most=50),
            Expectation(
                text="new recipients of the one who guessed right: at most 30 in a day",
                measure=lambda tally: tally.worst_new(DAY_S),
                most=30,
            ),
            OWNER_GOES_ON,
        ),
    ),
    Scenario(
        name="A14",
        title="spray: one network, 200 accounts, one guess each",
        cast=_a14,
        lasts_s=HOUR_S,
        expected=(noted("guesses that are looked at: at most 5", _LOOKED_AT, most=5),),
    ),
    Scenario(
        name="L8",
        title="a device with an old secret, every minute for a day",
        cast=_l8,
        lasts_s=DAY_S,
        expected=(NOTHING_REFUSED, noted("and is never walled", _WALLED, most=0)),
    ),
    Scenario(
        name="L9",
        title="office of 50 people, three mistype twice within ten minutes",
        cast=_l9,
        lasts_s=8 * HOUR_S,
        expected=(NOTHING_REFUSED, noted("nobody is walled", _WALLED, most=0)),
    ),
)
