"""The promise, for any sequence of sessions: nobody gets more out than the policy says, whatever he does.

The counting here knows nothing of the engine: it sees what was accepted, when, and from where.
"""

import math
from collections import defaultdict
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from policy import rulebook
from policy.budgets.memory import MemoryBudgets
from policy.engine.guessing import Walls
from policy.engine.rulebook import Rulebook
from policy.marks import Marks
from policy.simulation.adversary import Aim, search
from policy.simulation.atlas import Atlas, Network
from policy.simulation.bounds import From, Whom, bound
from policy.simulation.doors import Sallyport, Session
from policy.simulation.runs import BEGINS_AT
from policy.simulation.scene import Scene
from policy.simulation.senders import OUR_DOMAIN, person
from policy.simulation.tally import in_window
from policy.simulation.thieves import STRANGE
from policy.simulation.world import World

HOUR, DAY = 3600.0, 86400.0
BOOK = rulebook.shipped()


class Thief(RuleBasedStateMachine):
    """A credential in somebody's hands, used from anywhere; its owner goes on, too."""

    def __init__(self) -> None:
        super().__init__()
        atlas = Atlas()
        world = World(BOOK, MemoryBudgets(), domains=[OUR_DOMAIN], origin_of=atlas.origin_of, marks=Marks(bytes(32)))
        random = Random(1)  # noqa: S311 - the same past in each example
        self.scene = Scene(
            door=Sallyport(world), random=random, begins_at=BEGINS_AT, atlas=atlas, walls=Walls(bytes(32))
        )
        self.world = world
        self.who = person(self.scene)
        self.sessions: list[tuple[Session, Network]] = []
        self.strange: list[Network] = []
        self.days = defaultdict[str, set[int]](set)  # on which an area, or a network, saw a login
        self.first, self.last = dict[str, float](), dict[str, float]()  # when
        self.from_strange: list[tuple[float, int]] = []  # new recipients
        self.all_from_strange: list[tuple[float, int]] = []
        self.from_anywhere: list[tuple[float, int]] = []
        self.but_from_home: list[tuple[float, int]] = []

    @initialize(areas=st.integers(1, 4))
    def has_networks(self, areas: int) -> None:
        atlas = self.scene.atlas
        self.strange = [atlas.network("SE" if one % 2 else "NO", 64500 + one % areas) for one in range(6)]
        self.own = [self.who.networks[0], atlas.network("DE", 3320)]
        today = int(self.scene.now // DAY)
        for name in (self.own[0].origin.area, self.own[0].origin.network):  # two months of ordinary use
            self.days[name] = set(range(today - 60, today))
            self.first[name], self.last[name] = self.scene.now - 60 * DAY, self.scene.now - DAY

    @rule(
        seconds=st.one_of(
            st.sampled_from([1.0, 599.0, 600.0, 3599.9, 3600.0, 23 * HOUR, DAY, 105 * DAY]), st.floats(0, 2 * DAY)
        )
    )
    def waits(self, seconds: float) -> None:
        until = self.scene.now + seconds
        self.scene.play(until - BEGINS_AT)  # reports that are due
        self.scene.now = until

    @rule(which=st.integers(0, 7), host=st.integers(1, 3), is_owner_like=st.booleans())
    def logs_in(self, which: int, host: int, is_owner_like: bool) -> None:
        network = [*self.strange, *self.own][which]
        client = self.who.client if is_owner_like else STRANGE
        if session := self.scene.log_in(self.who.name, network.address(host), client, is_thief=True):
            self.note_use(network)
            self.sessions.append((session, network))

    @rule(which=st.integers(0, 7), days=st.integers(2, 8))
    def reads_along(self, which: int, days: int) -> None:
        """Quietly, day by day."""
        network = [*self.strange, *self.own][which]
        for _ in range(days):
            if self.scene.log_in(self.who.name, network.address(), self.who.client, is_thief=True):
                self.note_use(network)
            self.waits(DAY)

    def note_use(self, network: Network) -> None:
        """What was not used for ninety days begins anew."""
        now = self.scene.now
        for name in (network.origin.area, network.origin.network):
            if now - self.last.get(name, -math.inf) > BOOK.forgotten_after_days * DAY:
                self.days[name].clear()
                self.first[name] = now
            self.days[name].add(int(now // DAY))
            self.last[name] = now

    @precondition(lambda self: self.sessions)
    @rule(
        data=st.data(), new=st.sampled_from([0, 1, 2, 5, 9, 10, 11, 50, 51]), known=st.sampled_from([0, 0, 1, 30, 45])
    )
    def writes(self, data: st.DataObject, new: int, known: int) -> None:
        recipients = self.scene.strangers(new, gone=0.1) + list(self.who.contacts[:known])
        if recipients:
            session, network = data.draw(st.sampled_from(self.sessions))
            self.note(network, recipients, self.scene.hand_in(session, recipients).accepted)

    @precondition(lambda self: self.sessions)
    @rule(
        data=st.data(),
        hours=st.integers(2, 6),
        new=st.sampled_from([3, 9, 10, 25, 50]),
        known=st.sampled_from([0, 0, 30, 40]),
    )
    def rides_the_limits(self, data: st.DataObject, hours: int, new: int, known: int) -> None:
        """Hour by hour: what is bounded in a day is not met in an hour."""
        session, network = data.draw(st.sampled_from(self.sessions))
        for _ in range(hours):
            for recipients in (self.scene.strangers(new), list(self.who.contacts[: max(0, known - new)])):
                if recipients:
                    self.note(network, recipients, self.scene.hand_in(session, recipients).accepted)
            self.waits(HOUR)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), number=st.integers(2, 20))
    def writes_from_many_connections(self, data: st.DataObject, number: int) -> None:
        session, network = data.draw(st.sampled_from(self.sessions))
        messages = [self.scene.strangers(1) for _ in range(number)]
        for recipients, answer in zip(messages, self.scene.hand_in_together(session, messages), strict=True):
            self.note(network, recipients, answer.accepted)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), number=st.integers(1, 60))
    def breaks_off(self, data: st.DataObject, number: int) -> None:
        self.scene.break_off(data.draw(st.sampled_from(self.sessions))[0], self.scene.strangers(number))

    @rule()
    def owner_takes_it_back(self) -> None:
        """He believes that it was nothing. The ladder and the sets of networks begin anew; what was sent counts on."""
        self.world.take_back(self.who.name, self.scene.now)

    @rule()
    def policy_restarts(self) -> None:
        self.world.restart(self.world.budgets)

    def note(self, network: Network, recipients: list[str], accepted: object) -> None:
        sent = [recipients[place] for place in accepted]  # type: ignore[attr-defined]
        now, new = self.scene.now, sum(one in self.scene.new for one in sent)
        self.from_anywhere.append((now, new))
        is_strange = network in self.strange and not self.has(network.origin.area, BOOK.settled_after_days)
        is_home = self.has(network.origin.network, BOOK.home_after_days)
        if not is_home and any(self.has(one, BOOK.home_after_days) for one in list(self.days)):
            self.but_from_home.append((now, new))
        if is_strange:
            self.from_strange.append((now, new))
            self.all_from_strange.append((now, len(sent)))

    def has(self, name: str, days: int) -> bool:
        """Whether an area or a network was used on so many days, that far apart, and not too long ago."""
        if name not in self.last or self.scene.now - self.last[name] > BOOK.forgotten_after_days * DAY:
            return False
        return len(self.days[name]) >= days and self.last[name] - self.first[name] >= (days - 1) * DAY

    @invariant()
    def promise_is_kept(self) -> None:
        assert in_window(self.from_strange, HOUR) <= 10
        assert in_window(self.from_strange, DAY) <= 30
        assert in_window(self.all_from_strange, HOUR) <= 40
        assert in_window(self.all_from_strange, DAY) <= 100
        assert in_window(self.but_from_home, HOUR) <= 44
        assert in_window(self.but_from_home, DAY) <= 132
        assert in_window(self.from_anywhere, HOUR) <= 50
        assert in_window(self.from_anywhere, DAY) <= 150


Thief.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestNobodyGetsMoreOut = Thief.TestCase


# What `sallyport bound` says

AIMS = [
    Aim(start=start, whom=whom, seconds=seconds, unknown=unknown)
    for start in From
    for whom in Whom
    for seconds in (HOUR, DAY)
    for unknown in ((0.0, 0.3) if whom is Whom.NEW else (0.0,))
]
PROMISED = {
    (From.STRANGE, Whom.NEW, HOUR): 10,
    (From.STRANGE, Whom.NEW, DAY): 30,
    (From.STRANGE, Whom.ALL, HOUR): 40,
    (From.STRANGE, Whom.ALL, DAY): 100,
    (From.PATIENT, Whom.NEW, HOUR): 44,
    (From.PATIENT, Whom.NEW, DAY): 132,
    (From.PATIENT, Whom.ALL, HOUR): 175,
    (From.PROVIDER, Whom.NEW, HOUR): 44,
    (From.PROVIDER, Whom.NEW, DAY): 132,
    (From.PROVIDER, Whom.ALL, DAY): 438,
    (From.HOME, Whom.NEW, HOUR): 50,
    (From.HOME, Whom.NEW, DAY): 150,
    (From.HOME, Whom.ALL, DAY): 500,
    (From.OWN, Whom.NEW, HOUR): 50,
    (From.OWN, Whom.NEW, DAY): 150,
}


@pytest.mark.parametrize(("aim", "promised"), PROMISED.items(), ids=str)
def test_windows_of_the_shipped_policy_are_the_promise(aim: tuple[From, Whom, float], promised: int) -> None:
    assert bound(BOOK, "person", *aim).most == promised


@pytest.mark.parametrize("aim", AIMS, ids=lambda aim: f"{aim.start.name} {aim.whom.name} {aim.seconds:g} {aim.unknown}")
def test_the_search_finds_what_the_windows_allow_and_never_more(aim: Aim) -> None:
    """Where all of the list exists, exactly as many: the bound is no looser than it has to be."""
    most = bound(BOOK, aim.kind, aim.start, aim.whom, aim.seconds).most
    assert most is not None
    found = search(BOOK, aim, seed=0, tries=12, enough=most)
    assert found.reached <= most
    if not aim.unknown:
        assert found.reached == most


def test_a_bound_of_a_longer_span_is_made_of_shorter_windows() -> None:
    """Without a window of a day, 24 times what an hour allows."""
    book = rulebook.parse('[profiles.person]\nprobation-new-recipients = "10/hour"', "test")
    assert bound(book, "person", From.STRANGE, Whom.NEW, DAY).most == 100  # of all recipients of a strange network
    book = rulebook.parse(
        '[profiles.person]\nprobation-new-recipients = "2/hour"\nprobation-recipients = "none"', "test"
    )
    assert bound(book, "person", From.STRANGE, Whom.NEW, DAY).most == 48


def test_a_short_window_is_filled_for_as_long_as_is_asked() -> None:
    """Two hours of filling it would find a twelfth of what goes in a day."""
    book = rulebook.parse('[profiles.person]\nprobation-new-recipients = "2/hour"', "test")
    aim = Aim(start=From.STRANGE, whom=Whom.NEW, seconds=DAY)
    assert search(book, aim, seed=0, tries=1).reached == bound(book, "person", From.STRANGE, Whom.NEW, DAY).most == 48


def test_a_rule_that_is_only_observed_bounds_nothing() -> None:
    book = rulebook.parse('[modes]\nprobation-new-recipients = "observe"\nprobation-recipients = "observe"', "test")
    assert bound(book, "person", From.STRANGE, Whom.NEW, HOUR).most == 44  # an eighth is left for home
    aim = Aim(start=From.STRANGE, whom=Whom.NEW, seconds=HOUR)
    assert search(book, aim, seed=0, tries=12, enough=50).reached > 10


def test_no_window_is_no_bound() -> None:
    nothing = "\n".join(f'{name} = "none"' for name in ("recipients", "new-recipients", "credential-recipients"))
    book: Rulebook = rulebook.parse(f'[profiles.person]\n{nothing}\n[modes]\nhost-new-recipients = "off"', "test")
    assert bound(book, "person", From.OWN, Whom.NEW, HOUR).most is None
