"""How whoever has stolen a credential goes about it.

A thief takes a held message for an accepted one: the client heard 250 both times. Where nothing gets through any more
he goes on, but most of his attempts are left out of the run and counted: they would cost the machine hours, and what a
refused attempt costs him he would rather not pay.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from policy.simulation.atlas import Network
from policy.simulation.doors import Answer, Client, Session
from policy.simulation.scene import Scene

STRANGE = Client(name="WIN-8K2LQ", mechanism="LOGIN", tls="t12d1909h1_d83cc789557e")
_PLAYED = 100  # attempts that reach nobody and are played all the same, before they are thinned out
_PACE = 25  # so many attempts at each rate, then half as many
_REST_S = 900.0  # the longest rest that comes from thinning out


@dataclass(slots=True)
class Thief:
    """One of them, on one identity."""

    scene: Scene
    identity: str
    client: Client = STRANGE
    fruitless: int = 0  # attempts since the last one that reached somebody
    messages: int = 0
    _session: Session | None = field(default=None)

    def log_in(self, network: Network, host: int = 1) -> Session | None:
        """From there; None where it is refused."""
        self._session = self.scene.log_in(self.identity, network.address(host), self.client, is_thief=True)
        if not self._session:
            self.fruitless += 1
        return self._session

    def send(self, session: Session, recipients: Sequence[str]) -> Answer:
        """One message."""
        answer = self.scene.hand_in(session, recipients)
        self.messages += 1
        self.fruitless = 0 if answer.accepted else self.fruitless + 1
        return answer

    def rest(self, seconds: float) -> float:
        """How long until the next attempt that is played."""
        if self.fruitless < _PLAYED or seconds >= _REST_S:
            return seconds
        longer = min(seconds * 2.0 ** ((self.fruitless - _PLAYED) // _PACE), _REST_S)
        self.scene.tally.thinned += int(longer / seconds) - 1
        return longer


def around_the_world(scene: Scene, countries: Sequence[str], number: int, *, asns: int) -> list[Network]:
    """So many networks, the first ones each in another country. Each country has ASNs of its own."""
    made = []
    for one in range(number):
        country = countries[one % len(countries)]
        asn = 64500 + 100 * (one % len(countries)) + scene.random.randrange(max(1, asns // len(countries)))
        made.append(scene.atlas.network(country, asn))
    return made
