"""How many IMAP sessions an identity may have open, whoever has its secret and however many addresses."""

import asyncio

import pytest
from engine_parts import AT_HOME, SETTLED, strange

from policy.engine.entering import pickups_for
from policy.engine.places import place_of
from policy.engine.profile import Place
from policy.pickup_sessions import PickupSessions
from policy.rulebook import shipped

NEWCOMER = place_of(SETTLED.origin, {}, None, shipped(), 1_799_658_000.0)


@pytest.mark.parametrize(
    ("what", "place", "expected"),
    [
        ("at home all of them", AT_HOME, 60),
        ("next door but for a quarter", SETTLED, 45),
        ("the same from a strange network", strange(), 45),
        ("all where there is no home yet", NEWCOMER, 60),
    ],
)
def test_a_quarter_is_kept_for_home(what: str, place: Place, expected: int) -> None:
    assert pickups_for(place, shipped().limits_of("person")) == expected, what


class Dovecot:
    """Counts what it has been told; None is no answer."""

    def __init__(self, number: int | None = 0) -> None:
        self.number = number
        self.asked = 0

    async def sessions(self, _mailbox: str) -> int | None:
        self.asked += 1
        await asyncio.sleep(0)
        return self.number


async def let_in(sessions: PickupSessions, tries: int, limit: int = 10) -> int:
    return sum([await sessions.is_room("ada", limit) for _ in range(tries)])


async def test_as_many_as_the_limit_and_asked_only_where_it_may_be_met() -> None:
    dovecot = Dovecot(4)
    sessions = PickupSessions(dovecot, lambda: 0.0)
    assert (await let_in(sessions, 6), dovecot.asked) == (6, 1)
    dovecot.number = 4  # none of the six is counted yet
    assert await let_in(sessions, 1) == 0
    assert dovecot.asked == 2
    assert await sessions.is_room("bob", 10), "each identity for itself"


async def test_what_has_ended_is_not_counted() -> None:
    now, dovecot = [0.0], Dovecot(0)
    sessions = PickupSessions(dovecot, lambda: now[0])
    assert await let_in(sessions, 10) == 10
    dovecot.number, now[0] = 7, 3.0
    assert await let_in(sessions, 5) == 3


async def test_many_at_once_are_no_more_than_the_limit() -> None:
    sessions = PickupSessions(Dovecot(0), lambda: 0.0)
    answers = await asyncio.gather(*(sessions.is_room("ada", 10) for _ in range(50)))
    assert sum(answers) == 10


async def test_nobody_is_kept_out_while_dovecot_does_not_answer() -> None:
    now = [0.0]
    sessions = PickupSessions(Dovecot(None), lambda: now[0])
    assert await let_in(sessions, 10) == 10
    now[0] = 3.0
    assert await let_in(sessions, 10) == 10
