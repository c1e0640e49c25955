"""The world of simulations remembers what the services remember: the same events, the same answers.

Random days of one identity are played to both: logins from home and from abroad, messages, reports of the next hop and
of the world. Each answer is compared, and where the identity stands afterwards.
"""

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from judge_parts import judging_with
from sqlalchemy import Engine, text

from policy.brain import Brain
from policy.budgets.memory import MemoryBudgets
from policy.contract import Action, LoginOutcome, LoginStep, MessageFacts, Outcome, Outcomes, RelayOutcome
from policy.engine.ladder import Standing, Step
from policy.engine.rulebook import Rulebook
from policy.geo import atlas as geo
from policy.marks import Marks
from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome
from policy.rulebook import parse
from policy.simulation.atlas import Atlas, Network
from policy.simulation.world import World
from policy.store.habits import Looks
from policy.store.identities import IdentityStore, NewCredential

T = 1_799_658_000.0  # a Monday at nine
EVENTS = 100
# So small that everything is met within some days.
SMALL = """
[profiles.person]
recipients = ["12/hour", "60/day"]
messages = ["8/hour", "60/day"]
new-recipients = ["6/hour", "15/day"]
probation-new-recipients = ["2/hour", "5/day"]
probation-recipients = ["6/hour", "20/day"]
networks = ["3/hour", "6/day"]
held-messages = "12/day"
unknown-recipients = ["4/hour", "8/day"]
[host]
new-recipients = "30/hour"
"""


class Elsewhere(geo.Atlas):
    """The services ask the made-up atlas."""

    def __init__(self, made_up: Atlas) -> None:
        super().__init__(None, None)
        self._made_up = made_up

    def origin(self, address: str) -> geo.Origin:
        return self._made_up.origin_of(address)


@dataclass
class Both:
    """The same events for both. Whoever plays asserts that the answers are one."""

    brain: Brain
    world: World
    credential: NewCredential
    engine: Engine
    now: float = T
    number: int = 0
    open: list[tuple[str, str, str]] = field(default_factory=list)  # submission; reservation of either
    sent: list[tuple[str, str]] = field(default_factory=list)  # submission and recipient

    def __post_init__(self) -> None:
        self.brain = replace(self.brain, clock=lambda: self.now)

    async def log_in(self, address: str, looks: Looks) -> None:
        response = f"\0{self.credential.login}\0{self.credential.secret}".encode()
        step = LoginStep(
            session="s1",
            exchange="e1",
            client_address=address,
            listener="submission",
            mechanism=looks.mechanism,
            responses=(response,),
            client_name=looks.name,
            tls_fingerprint=looks.tls,
        )
        answer = await self.brain.login(step)
        await self.written()
        entry = self.world.log_in("ada", address, self.now, looks)
        assert (answer.outcome is LoginOutcome.GRANTED) is entry.is_granted, address
        self.compare()

    async def hand_in(self, address: str, recipients: tuple[str, ...]) -> Action:
        self.number += 1
        facts = MessageFacts(
            submission=f"m{self.number}",
            session="s1",
            listener="submission",
            client_address=address,
            client_name="",
            credential=1,
            reverse_path="ada@example.org",
            recipients=recipients,
            authors=("ada@example.org",),
            senders=(),
            names=(),
            message_bytes=1000,
        )
        verdict = await self.brain.judge(facts)
        judged = self.world.hand_in(facts, self.now)
        decision = judged.decision
        told = (verdict.action, verdict.reason, verdict.held, verdict.delay_s)
        assert told == (decision.action, decision.reason, decision.held, decision.delay_s), judged
        if judged.reservation:
            self.open.append((facts.submission, verdict.reservation, judged.reservation))
            self.sent.extend((facts.submission, one) for one in recipients)  # what is held is let go at some time
        self.compare()
        return decision.action

    async def end(self, outcome: RelayOutcome) -> None:
        for _, reservation, own in self.open:
            await self.brain.end(Outcomes(outcomes=(Outcome(reservation=reservation, outcome=outcome),)))
            self.world.end(own, outcome, self.now)
        if outcome is RelayOutcome.FAILED:
            failed = {submission for submission, _, _ in self.open}
            self.sent = [one for one in self.sent if one[0] not in failed]
        self.open.clear()

    async def deliver(self, chance: Random) -> None:
        """Some of what was sent does not exist; one report for each recipient."""
        chance.shuffle(self.sent)
        for submission, recipient in self.sent[:10]:
            is_gone = chance.random() < 0.2
            outcome = DeliveryOutcome.UNKNOWN_RECIPIENT if is_gone else DeliveryOutcome.DELIVERED
            delivery = Delivery(submission=submission, recipient=recipient, outcome=outcome)
            await self.brain.deliver(Deliveries(deliveries=(delivery,)))
            self.world.deliver(submission, recipient, outcome, self.now)
            self.compare()

    async def take_back(self) -> None:
        """Somebody says that it was nothing."""
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM standing"))
            connection.execute(text("UPDATE signal SET cleared_at = :at WHERE cleared_at IS NULL"), {"at": self.now})
        self.world.take_back("ada", self.now)

    async def written(self) -> None:
        await self.brain.writer.make(lambda: None)

    def compare(self) -> None:
        """Standing and signals, as they are in the database and in the world."""
        identity = self.world.identities["ada"]
        with self.engine.connect() as connection:
            found = connection.execute(text("SELECT step, home_step, since FROM standing")).fetchone()
            live = "SELECT kind, at, at_home FROM signal WHERE cleared_at IS NULL ORDER BY id"
            kinds = connection.execute(text(live)).fetchall()
        standing = identity.standing
        step, home, since = found or (0, 0, 0.0)
        assert Standing(Step(step), Step(home), since if step else 0.0).at(self.now) == standing.at(self.now)
        assert [tuple(one) for one in kinds] == [(one.kind.value, one.at, one.at_home) for one in identity.signals]


@pytest.fixture
def rulebook() -> Rulebook:
    return parse(SMALL, "test")


@pytest.fixture
def both(brain: Brain, store: IdentityStore, engine: Engine, rulebook: Rulebook, key: bytes) -> Both:
    made_up = Atlas()
    where = Elsewhere(made_up)
    connects = replace(brain.connects, atlas=where)
    judging = judging_with(brain.judging, connects=connects)
    entrances = replace(brain.logins.entrances, connects=connects)
    brain = replace(brain, connects=connects, judging=judging, logins=replace(brain.logins, entrances=entrances))
    store.add_identity("ada", ("ada@example.org",), T)
    credential = store.add_credential("ada", "laptop", T)
    world = World(rulebook, MemoryBudgets(), domains=["example.org"], origin_of=made_up.origin_of, marks=Marks(key))
    world.add_identity("ada", addresses=["ada@example.org"])
    return Both(brain, world, credential, engine)


def networks(both: Both) -> list[Network]:
    """Home, a neighbour of it, a rented machine there, a carrier, a pool, abroad, and abroad again."""
    atlas = both.world._origin_of.__self__  # type: ignore[attr-defined]
    return [
        atlas.network("DE", 3320),
        atlas.network("DE", 3320),
        atlas.network("DE", 3320, is_hosting=True),
        atlas.network("DE", 8881, is_mobile=True),
        atlas.network("US", 15169, is_hosting=True, pool="example"),
        atlas.network("AT", 8447),
        *(atlas.network(country, 64500 + number) for number, country in enumerate(("SE", "SE", "BR", "RU", "CN"))),
    ]


@pytest.mark.parametrize("seed", [0, 1, 3])
async def test_the_same_events_have_the_same_answers(both: Both, seed: int) -> None:
    """What is met on the way is counted: a comparison of nothing but acceptances would show little."""
    chance = Random(seed)  # noqa: S311 - a sequence that can be repeated
    places = networks(both)
    looks = [Looks("laptop", "PLAIN", "tls1"), Looks("phone", "PLAIN", "tls2"), Looks("WIN-1", "PLAIN", "tls3")]
    home = places[0].address()
    await both.log_in(home, looks[0])
    seen = set[Action]()
    for number in range(EVENTS):
        both.now += chance.choice((1.0, 30.0, 600.0, 1800.0, 3601.0, 4 * 3600.0, 24 * 3600.0))
        address = chance.choices(places, (6, 2, 2, 2, 1, 2, 1, 1, 1, 1, 1))[0].address(chance.randint(1, 3))
        await both.log_in(address, chance.choices(looks, (6, 2, 1))[0])
        for _ in range(chance.randint(0, 3)):
            new = [f"r{number}-{one}-{chance.random()}@example.net" for one in range(chance.choice((0, 0, 1, 2, 4)))]
            known = [f"friend{chance.randrange(20)}@example.com" for _ in range(chance.choice((0, 1, 3)))]
            if recipients := (*new, *known):
                seen.add(await both.hand_in(address, recipients))
                await both.end(chance.choices((RelayOutcome.RELAYED, RelayOutcome.FAILED), (5, 1))[0])
        if chance.random() < 0.5:
            await both.deliver(chance)
        both.sent.clear()  # records are kept for a day
        if chance.random() < 0.05:
            await both.take_back()
    assert {Action.ACCEPT, Action.HOLD, Action.DEFER} <= seen
