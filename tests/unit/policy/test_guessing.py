"""Walls against guessing: the numbers at their edges, a naive reference beside the real thing, and its memory."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from policy.engine.bounded import Recent
from policy.engine.guessing import Attempt, Wall, Walls
from policy.engine.sources import network_of
from service.spans import DAY_S, HOUR_S, MINUTE_S

T = 1_000_000.0  # any moment
KEY = bytes(32)
HOME, ELSEWHERE = "192.0.2.0/24", "198.51.100.0/24"


def attempt(
    login: str, network: str | None = ELSEWHERE, *, is_known: bool = True, has_history: bool = False
) -> Attempt:
    """One that is tried."""
    return Attempt(login=login, network=network, is_known=is_known, has_history=has_history)


def network(number: int) -> str:
    """One of many."""
    return f"10.{number >> 8 & 255}.{number & 255}.0/24" if number < 65536 else f"2001:db8:{number:x}::/48"


@pytest.fixture
def walls() -> Walls:
    """Nothing was tried yet."""
    return Walls(KEY)


TARPIT = [(9, 0.0), (10, 1.0), (11, 2.0), (12, 4.0), (13, 8.0), (14, 15.0), (15, 15.0), (49, 15.0)]


@pytest.mark.parametrize(("tried", "delay_s"), TARPIT)
@pytest.mark.parametrize("is_known", [True, False])
def test_the_tarpit_grows(walls: Walls, tried: int, delay_s: float, is_known: bool) -> None:
    """From the tenth distinct secret in a quarter of an hour on, for every network, and for logins that nobody has."""
    for number in range(tried):
        walls.note_wrong(attempt("ada", network(number), is_known=is_known), b"%d" % number, T)
    assert walls.delay_s(attempt("ada", HOME, is_known=is_known, has_history=is_known), T) == delay_s
    assert walls.delay_s(attempt("bob", is_known=is_known), T) == 0
    assert walls.delay_s(attempt("ada", is_known=is_known), T + 15 * MINUTE_S) == 0


@pytest.mark.parametrize("is_known", [True, False])
def test_a_login_is_walled_after_fifty_distinct_secrets_in_a_day(walls: Walls, is_known: bool) -> None:
    """Over all sources, for every network without history, until the first of the fifty is a day old."""
    for number in range(50):
        assert walls.wall_for(attempt("ada", is_known=is_known), T + number) is None
        walls.note_wrong(attempt("ada", network(number), is_known=is_known), b"%d" % number, T + number)
    assert walls.wall_for(attempt("ada", is_known=is_known), T + 49) is Wall.LOGIN
    assert walls.wall_for(attempt("ada", HOME, is_known=is_known, has_history=True), T + 49) is None
    assert walls.wall_for(attempt("ada", None, is_known=is_known), T + 49) is None
    assert walls.wall_for(attempt("bob", is_known=is_known), T + 49) is None
    assert walls.wall_for(attempt("ada", is_known=is_known), T + DAY_S - 0.1) is Wall.LOGIN
    assert walls.wall_for(attempt("ada", is_known=is_known), T + DAY_S) is None


def test_one_secret_again_and_again_is_one(walls: Walls) -> None:
    """A device with an old secret that tries every minute for a day meets nothing."""
    for minute in range(24 * 60):
        now = T + minute * MINUTE_S
        assert walls.note_wrong(attempt("ada"), b"old", now) is None
        assert (walls.wall_for(attempt("ada"), now), walls.delay_s(attempt("ada"), now)) == (None, 0)


def test_a_network_is_walled_after_five_logins_in_an_hour(walls: Walls) -> None:
    """Whichever logins, also those that nobody has; for an hour, and for strangers alone."""
    for number in range(5):
        assert walls.wall_for(attempt("eve"), T + number) is None
        until = walls.note_wrong(attempt(f"login-{number}", is_known=number % 2 == 0), b"x", T + number)
    assert until == T + 4 + HOUR_S
    assert walls.wall_for(attempt("eve"), T + 4) is Wall.NETWORK
    assert walls.wall_for(attempt("eve", HOME), T + 4) is None
    assert walls.wall_for(attempt("eve", has_history=True), T + 4) is None
    assert walls.wall_for(attempt("eve"), until - 0.1) is Wall.NETWORK
    assert walls.wall_for(attempt("eve"), until) is None


def test_five_logins_in_more_than_an_hour_are_few(walls: Walls) -> None:
    """The window slides."""
    for number in range(100):
        assert walls.note_wrong(attempt(f"login-{number}"), b"x", T + number * 15 * MINUTE_S) is None


def test_a_penalty_doubles_up_to_a_day_and_is_forgotten_after_one(walls: Walls) -> None:
    """The next one counts as a repeat when it comes within a day of the end of the last."""
    now, lasted = T, []
    for _ in range(8):
        until = walls.penalise(ELSEWHERE, now)
        assert until
        lasted.append((until - now) / HOUR_S)
        assert walls.penalise(ELSEWHERE, until - 1) is None
        now = until + DAY_S - 1
    assert lasted == [1, 2, 4, 8, 16, 24, 24, 24]
    assert walls.penalise(ELSEWHERE, now + 1) == now + 1 + HOUR_S


def test_who_is_vouched_for_is_neither_counted_nor_walled(walls: Walls) -> None:
    """A network of None; what is tried on a login from there is counted for the login all the same."""
    assert walls.penalise(None, T) is None
    for number in range(50):
        assert walls.note_wrong(attempt("ada", None), b"%d" % number, T) is None
        assert walls.note_wrong(attempt(f"login-{number}", None), b"x", T) is None
    assert walls.wall_for(attempt("ada", None), T) is None
    assert walls.wall_for(attempt("ada"), T) is Wall.LOGIN


def test_a_clock_that_is_set_back_breaks_nothing(walls: Walls) -> None:
    """Time stands still until it has caught up."""
    walls.penalise(ELSEWHERE, T)
    walls.note_wrong(attempt("ada", HOME), b"x", T - DAY_S)
    assert walls.wall_for(attempt("ada"), T - DAY_S) is Wall.NETWORK
    assert walls.wall_for(attempt("ada"), T + HOUR_S) is None


def test_a13_over_many_seeds(walls: Walls) -> None:
    """500 networks, one guess each, 7 to 30 minutes apart: at most fifty in any day, and the owner goes on."""
    looked_at = []
    for seed in range(20):
        chance, now, tried = random.Random(seed), T + seed * 20 * DAY_S, list[float]()  # noqa: S311 - repeatable
        for number in range(500):
            now += chance.uniform(7, 30) * MINUTE_S
            stranger = attempt("ada", network(number))
            assert walls.wall_for(attempt("ada", HOME, has_history=True), now) is None
            if walls.wall_for(stranger, now) is None:
                walls.note_wrong(stranger, b"%d" % number, now)
                tried.append(now)
        assert all(after - before >= DAY_S for before, after in zip(tried, tried[50:], strict=False))
        looked_at.append(len(tried))
    assert max(looked_at) <= 50 * 8  # in the week that it takes


# Memory


def test_the_least_guilty_makes_room_and_a_walled_network_stays() -> None:
    """A stranger with a million addresses cannot free the one that is walled, nor the one that is about to be."""
    walls = Walls(KEY, networks=100, strangers=100)
    walls.penalise(ELSEWHERE, T)
    for number in range(4):
        walls.note_wrong(attempt(f"login-{number}", HOME), b"x", T)
    for number in range(1000):
        walls.note_wrong(attempt("eve", network(number), is_known=False), b"x", T)
    assert walls.wall_for(attempt("eve"), T) is Wall.NETWORK
    assert walls.note_wrong(attempt("login-4", HOME), b"x", T) is not None
    assert len(walls) <= 100 + 100 + 5


def test_a_login_that_is_nobodys_keeps_its_count_among_many() -> None:
    """Else fifty guesses on it and a flood of others would tell that it is nobody's."""
    walls = Walls(KEY, networks=100, strangers=100)
    for number in range(50):
        walls.note_wrong(attempt("eve", network(number), is_known=False), b"%d" % number, T)
        walls.note_wrong(attempt("ada", network(number)), b"%d" % number, T)
    for number in range(1000):
        walls.note_wrong(attempt(f"login-{number}", network(number), is_known=False), b"x", T)
    assert walls.wall_for(attempt("eve", HOME, is_known=False), T) is Wall.LOGIN
    assert walls.wall_for(attempt("ada", HOME), T) is Wall.LOGIN


def test_without_room_strangers_are_one_crowd() -> None:
    """All places are walled: the next networks are counted together, and owners do not notice."""
    walls = Walls(KEY, networks=3, strangers=100)
    for number in range(3):
        walls.penalise(network(number), T)
    for number in range(5):
        walls.note_wrong(attempt(f"login-{number}", network(10 + number)), b"x", T)
    assert walls.wall_for(attempt("eve", network(99)), T) is Wall.NETWORK
    assert walls.wall_for(attempt("eve", network(99), has_history=True), T) is None
    assert [walls.wall_for(attempt("eve", network(number)), T) for number in range(3)] == [Wall.NETWORK] * 3
    # The penalties are served: there is room again, and the crowd disperses.
    walls.note_wrong(attempt("eve", network(50)), b"x", T + HOUR_S)
    assert walls.wall_for(attempt("eve", network(50)), T + HOUR_S) is None
    assert walls.wall_for(attempt("eve", network(99)), T + HOUR_S) is None


def test_memory_has_a_bound() -> None:
    """However many sources and logins there are; what is forgotten is gone."""
    walls = Walls(KEY, networks=500, strangers=200)
    for number in range(4_000):
        walls.note_wrong(attempt(f"login-{number}", network(number), is_known=False), b"x", T + number)
        if number % 3 == 0:
            walls.penalise(network(number), T + number)
        assert len(walls) <= 700
    walls.note_wrong(attempt("eve", is_known=False), b"x", T + 4_000 + 3 * DAY_S)
    assert len(walls) == 2


# A naive reference


@dataclass
class NaiveNetwork:
    """Everything that was tried from one network, for ever."""

    tried: list[tuple[float, str]] = field(default_factory=list)
    penalties: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class Naive:
    """The rules, as they are written, without any economy."""

    secrets: list[tuple[float, str, bytes]] = field(default_factory=list)
    networks: dict[str, NaiveNetwork] = field(default_factory=dict)

    def distinct(self, login: str, now: float, span_s: float) -> int:
        return len({secret for at, whose, secret in self.secrets if whose == login and at > now - span_s})

    def wrong(self, login: str, secret: bytes, where: str, now: float) -> None:
        self.secrets.append((now, login, secret))
        source = self.source(where, now)
        source.tried.append((now, login))
        if len({whose for at, whose in source.tried if at > now - HOUR_S}) >= 5:
            self.penalise(where, now)

    def penalise(self, where: str, now: float) -> None:
        source = self.source(where, now)
        if self.is_walled(where, now):
            return
        hours = (1, 2, 4, 8, 16, 24)[min(len(source.penalties), 5)]
        source.penalties.append((now, now + hours * HOUR_S))
        source.tried.clear()

    def source(self, where: str, now: float) -> NaiveNetwork:
        source = self.networks.setdefault(where, NaiveNetwork())
        if source.penalties and source.penalties[-1][1] + DAY_S <= now:
            source = self.networks[where] = NaiveNetwork()
        return source

    def is_walled(self, where: str, now: float) -> bool:
        return any(until > now for _, until in self.networks.get(where, NaiveNetwork()).penalties)


LOGINS = st.sampled_from([f"login-{number}" for number in range(8)])
NETWORKS = st.sampled_from([network(number) for number in range(3)])


class Guessing(RuleBasedStateMachine):
    """Whatever is tried in whatever order: the same walls and delays as the reference."""

    def __init__(self) -> None:
        super().__init__()
        self.walls, self.naive, self.now = Walls(KEY), Naive(), T

    @rule(login=LOGINS, secret=st.integers(0, 20), where=NETWORKS)
    def wrong(self, login: str, secret: int, where: str) -> None:
        self.guess(login, secret, where)

    @rule(login=LOGINS, first=st.integers(0, 30), many=st.integers(1, 60), where=NETWORKS, pause_s=st.integers(0, 2000))
    def wrong_many_times(self, login: str, first: int, many: int, where: str, pause_s: int) -> None:
        for number in range(many):
            self.guess(login, first + number, where)
            self.now += pause_s

    @rule(where=NETWORKS)
    def trap(self, where: str) -> None:
        self.walls.penalise(where, self.now)
        self.naive.penalise(where, self.now)

    @rule(seconds=st.sampled_from([1.0, 899.0, 900.0, HOUR_S - 1, HOUR_S, 2 * HOUR_S, DAY_S - 1, DAY_S]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    def guess(self, login: str, secret: int, where: str) -> None:
        octets = b"%d" % secret
        self.walls.note_wrong(self.tried(login, where), octets, self.now)
        self.naive.wrong(login, octets, where, self.now)

    def tried(self, login: str, where: str, *, has_history: bool = False) -> Attempt:
        return attempt(login, where, is_known=login < "login-4", has_history=has_history)

    @invariant()
    def agrees(self) -> None:
        for login in [f"login-{number}" for number in range(8)]:
            tried = self.tried(login, network(0))
            beyond = self.naive.distinct(login, self.now, 15 * MINUTE_S) - 10
            assert self.walls.delay_s(tried, self.now) == ((1, 2, 4, 8, 15)[min(beyond, 4)] if beyond >= 0 else 0)
            is_login_walled = self.naive.distinct(login, self.now, DAY_S) >= 50
            for where in [network(number) for number in range(3)]:
                wall = Wall.LOGIN if is_login_walled else None
                wall = Wall.NETWORK if self.naive.is_walled(where, self.now) else wall
                assert self.walls.wall_for(self.tried(login, where), self.now) is wall
                assert self.walls.wall_for(self.tried(login, where, has_history=True), self.now) is None


Guessing.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestGuessing = Guessing.TestCase


# What it is made of


def test_recent_counts_distinct_ones_exactly() -> None:
    """Seen again is seen now; beyond the limit the oldest is dropped, and the count is still right up to the limit."""
    recent = Recent()
    for now, mark in enumerate((1, 2, 1, 3, 4)):
        recent.add(mark, float(now), limit=3)
    assert [recent.since(edge) for edge in (-1.0, 1.0, 2.0, 3.0, 4.0)] == [3, 3, 2, 1, 0]


ADDRESSES = [
    ("192.0.2.7", "192.0.2.0/24"),
    ("::ffff:192.0.2.7", "192.0.2.0/24"),
    ("2001:db8:1:2::3", "2001:db8:1::/48"),
    ("::1", "::/48"),
    ("fe80::1%eth0", "fe80::/48"),
    ("", "unknown"),
    ("mail.example.org", "unknown"),
]


@pytest.mark.parametrize(("address", "expected"), ADDRESSES)
def test_network_of(address: str, expected: str) -> None:
    """Total: who has no address is in one network with all others who have none."""
    assert network_of(address) == expected
