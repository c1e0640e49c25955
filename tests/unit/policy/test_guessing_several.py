"""What is counted for each policy by itself, with several of them: the worst cases that docs/large.md names."""

from collections.abc import Callable

import pytest

from policy.engine.guessing import Attempt, Walls
from service.spans import DAY_S, HOUR_S

NUMBER = 3
MINUTE_S = 60.0
Asked = Callable[[int], Walls]


@pytest.fixture
def policies() -> list[Walls]:
    return [Walls(bytes([number]) * 32) for number in range(NUMBER)]


def _looked_at(asked: Asked, attempt: Callable[[int], Attempt], seconds: float) -> int:
    """How many wrong secrets no wall stands before, of one try in each second."""
    looked_at = 0
    for number in range(round(seconds)):
        one, walls = attempt(number), asked(number)
        if not walls.wall_for(one, float(number)):
            looked_at += 1
            walls.note_wrong(one, f"secret {number}".encode(), float(number))
    return looked_at


def _on_one_login(number: int) -> Attempt:
    """From ten thousand networks, each of which is some policy's."""
    return Attempt(login="ada-k3v9x", network=f"net-{number % 10_000}", is_known=True, has_history=False)


def _from_one_network(number: int) -> Attempt:
    return Attempt(login=f"login-{number}", network="192.0.2.0/24", is_known=True, has_history=False)


def test_guesses_of_one_login_from_many_networks(policies: list[Walls]) -> None:
    """50 in a day with one policy, 150 with three."""
    one = Walls(bytes(32))
    assert _looked_at(lambda _: one, _on_one_login, HOUR_S) == 50
    assert _looked_at(lambda number: policies[number % 10_000 % NUMBER], _on_one_login, HOUR_S) == 150


@pytest.mark.parametrize(("seconds", "at_home", "at_any"), [(HOUR_S - MINUTE_S, 5, 15), (DAY_S, 25, 75)])
def test_guesses_from_one_network(policies: list[Walls], seconds: float, at_home: int, at_any: int) -> None:
    """Where the network has a home, as with gateways that know all policies, it is as if there were one."""
    home = Walls(bytes(32))
    assert _looked_at(lambda _: home, _from_one_network, seconds) == at_home
    assert _looked_at(lambda number: policies[number % NUMBER], _from_one_network, seconds) == at_any
