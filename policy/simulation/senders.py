"""How owners go about their mail: people with two months of history, and what they do on an ordinary day.

The figures are those of 672 people of an institution in 150 days: half of them write to one new recipient on their
worst day, one in ten to five; 85 % of messages have one recipient, 99 % at most nine.
"""

from random import Random

from policy.simulation.atlas import Network
from policy.simulation.doors import Client, Person, Session
from policy.simulation.scene import Actor, Scene

HOUR_S, DAY_S = 3600.0, 86400.0
HOME_COUNTRY, HOME_ASN = "DE", 3320
OUR_DOMAIN = "example.org"
_CONTACTS = 120
_NEW_PER_DAY = ((0, 0.55), (1, 0.25), (2, 0.12), (4, 0.08))
_RECIPIENTS = ((1, 0.848), (2, 0.07), (3, 0.033), (6, 0.039), (9, 0.01))


def person(scene: Scene, name: str = "ada", *, kind: str = "person", contacts: int = _CONTACTS) -> Person:
    """One of our people (or programs), at home in one network, with contacts and a past of thirty days."""
    home = scene.atlas.network(HOME_COUNTRY, HOME_ASN)
    known = tuple(f"{name}-{number}@example.com" for number in range(contacts))
    past = tuple(_drawn(scene.random, _NEW_PER_DAY) for _ in range(30))
    client = Client(name=f"[192.168.1.{scene.random.randrange(2, 250)}]")
    return scene.admit(Person(name=name, kind=kind, networks=(home,), contacts=known, new_per_day=past, client=client))


def goes_on(scene: Scene, who: Person, *, days: float = 1.0) -> Actor:
    """The owner at home, as on any other day, while somebody else has his credential: eight messages a day."""
    for _ in range(max(1, round(8 * days))):
        yield scene.random.expovariate(8 / (10 * HOUR_S))
        while not _is_awake(scene.now):
            yield HOUR_S
        session = scene.log_in(who.name, who.networks[0].address(7), who.client)
        if session:
            scene.hand_in(session, _recipients(scene, who))


def _recipients(scene: Scene, who: Person) -> list[str]:
    if scene.random.random() < 0.1:  # noqa: PLR2004 - one message in ten goes to somebody new
        return scene.strangers(1)
    return scene.random.sample(who.contacts, _drawn(scene.random, _RECIPIENTS))


def visit(scene: Scene, who: Person, network: Network, host: int = 7) -> Session:
    """The owner logs in from there. Refused or not, he tries to send: both are counted."""
    session = scene.log_in(who.name, network.address(host), who.client)
    return session or Session(identity=who.name, address=network.address(host), client=who.client, is_thief=False)


def colleagues(number: int) -> list[str]:
    """Addresses of our own domain."""
    return [f"colleague-{one}@{OUR_DOMAIN}" for one in range(number)]


def _drawn(random: Random, shares: tuple[tuple[int, float], ...]) -> int:
    return random.choices([value for value, _ in shares], [share for _, share in shares])[0]


def _is_awake(now: float) -> bool:
    return 7 * HOUR_S <= now % DAY_S < 22 * HOUR_S
