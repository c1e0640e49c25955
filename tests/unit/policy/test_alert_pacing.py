"""Which notices become a message now: growing intervals, graver ones at once, so many an hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.alerting.kinds import Kind
from policy.alerting.pacing import BY_MAIL, TO_OWNER, TO_PROGRAM, Pace, Sent, Waiting, plan
from service.spans import DAY_S, HOUR_S

OPENED, ESCALATED, SIGNAL, TEST = Kind.INCIDENT_OPENED, Kind.INCIDENT_ESCALATED, Kind.SIGNAL, Kind.TEST
NOW = 1_000_000.0


def waits(number: int, thread: str = "a", kind: Kind = OPENED, **more: float) -> Waiting:
    values = {"due_at": NOW, "tries": 0, "claimed_until": 0.0} | more
    return Waiting(number, thread, kind, values["due_at"], int(values["tries"]), values["claimed_until"])


def sent(ago_s: float, thread: str = "a", kind: Kind = OPENED) -> Sent:
    return Sent(thread, kind, NOW - ago_s)


CASES = [
    # what it shows, waiting, sent, pace, messages, turns (seconds from now)
    ("nothing", [], [], BY_MAIL, [], {}),
    ("the first goes at once", [waits(1)], [], BY_MAIL, [(1,)], {}),
    ("the second waits for five minutes", [waits(2)], [sent(60)], BY_MAIL, [], {2: 240}),
    ("and goes then", [waits(2)], [sent(300)], BY_MAIL, [(2,)], {}),
    ("the third for fifteen", [waits(3)], [sent(400), sent(60)], BY_MAIL, [], {3: 840}),
    ("at last an hour", [waits(9)], [sent(60 * n) for n in range(1, 9)], BY_MAIL, [], {9: 3540}),
    ("another conversation does not wait", [waits(2, "b")], [sent(60)], BY_MAIL, [(2,)], {}),
    ("a graver one does not wait", [waits(2, kind=ESCALATED)], [sent(60)], BY_MAIL, [(2,)], {}),
    ("only once", [waits(3, kind=ESCALATED)], [sent(60, kind=ESCALATED)], BY_MAIL, [], {3: 240}),
    ("one that is due later", [waits(1, due_at=NOW + 1)], [], BY_MAIL, [], {}),
    ("one that is claimed", [waits(1, claimed_until=NOW + 60, tries=1)], [], BY_MAIL, [], {}),
    (
        "what comes after it waits for it",
        [waits(1, claimed_until=NOW + 60, tries=1), waits(2, kind=ESCALATED)],
        [],
        BY_MAIL,
        [],
        {2: 60},
    ),
    ("a claim that ended", [waits(1, claimed_until=NOW, tries=1)], [sent(1)], BY_MAIL, [(1,)], {}),
    (
        "tried again later, and the next behind it",
        [waits(1, due_at=NOW + 9, tries=1), waits(2)],
        [],
        BY_MAIL,
        [],
        {2: 9},
    ),
    ("the more pressing first", [waits(1, "a"), waits(2, "b", ESCALATED)], [], BY_MAIL, [(2,), (1,)], {}),
    (
        "too many for the hour go together",
        [waits(n, str(n)) for n in range(1, 31)],
        [],
        BY_MAIL,
        [*[(n,) for n in range(1, 12)], tuple(range(12, 31))],
        {},
    ),
    (
        "and then they wait",
        [waits(99, "99")],
        [sent(100 * n, str(n)) for n in range(1, 13)],
        BY_MAIL,
        [],
        {99: 800},
    ),
    (
        "until the hour has room again, where that is sooner",
        [waits(99, "99")],
        [sent(HOUR_S - 10 * n, str(n)) for n in range(1, 12)] + [sent(100, "12")],
        BY_MAIL,
        [],
        {99: 10},
    ),
    (
        "together, a quarter of an hour after the last one",
        [waits(98, "98"), waits(99, "99")],
        [sent(900 + 100 * n, str(n)) for n in range(12)],
        BY_MAIL,
        [(98, 99)],
        {},
    ),
    (
        "the urgent ones first",
        [waits(97, "97", ESCALATED), waits(98, "98"), waits(99, "99", ESCALATED)],
        [sent(900 + 10 * n, str(n), ESCALATED) for n in range(24)],
        BY_MAIL,
        [(97, 99)],
        {98: 900},
    ),
    (
        "not beside one that is under way",
        [waits(98, "98", claimed_until=NOW + 60), waits(99, "99")],
        [sent(900 + 100 * n, str(n)) for n in range(12)],
        BY_MAIL,
        [],
        {99: 900},
    ),
    (
        "but not an urgent one",
        [waits(99, "99", ESCALATED)],
        [sent(100 * n, str(n)) for n in range(1, 13)],
        BY_MAIL,
        [(99,)],
        {},
    ),
    (
        "the owner hears of what is graver than all of the hour",
        [waits(99, "99", OPENED)],
        [sent(60, "b", Kind.NETWORK_TRUSTED)],
        TO_OWNER,
        [(99,)],
        {},
    ),
    (
        "but once",
        [waits(99, "99", OPENED)],
        [sent(90, "b", Kind.NETWORK_TRUSTED), sent(60, "c", OPENED)],
        TO_OWNER,
        [],
        {99: HOUR_S - 90},
    ),
    (
        "those of one message count as one",
        [waits(99, "99")],
        [sent(100, str(n)) for n in range(50)],
        BY_MAIL,
        [(99,)],
        {},
    ),
    ("an owner has one an hour", [waits(2, "b")], [sent(60)], TO_OWNER, [], {2: 3540}),
    ("and a graver one", [waits(2, kind=ESCALATED)], [sent(60)], TO_OWNER, [(2,)], {}),
    ("the rest together", [waits(2, "b"), waits(3, "c")], [sent(HOUR_S)], TO_OWNER, [(2, 3)], {}),
    (
        "a program gets each alone, and the rest later",
        [waits(n, str(n)) for n in range(1, 63)],
        [],
        TO_PROGRAM,
        [(n,) for n in range(1, 61)],
        {61: HOUR_S, 62: HOUR_S},
    ),
    (
        "what a program is sent again is not counted",
        [waits(n, str(n), tries=1) for n in range(1, 100)],
        [sent(1, str(n)) for n in range(99)],
        TO_PROGRAM,
        [(n,) for n in range(1, 100)],
        {},
    ),
    ("one after the other", [waits(1, tries=1), waits(2, tries=1)], [], TO_PROGRAM, [(1,)], {}),
    (
        "a test waits for nothing",
        [waits(9, "t", TEST)],
        [sent(n, "t", TEST) for n in range(1, 40)],
        BY_MAIL,
        [(9,)],
        {},
    ),
]


@pytest.mark.parametrize(
    ("waiting", "before", "pace", "messages", "turns"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_plan(
    waiting: list[Waiting],
    before: list[Sent],
    pace: Pace,
    messages: list[tuple[int, ...]],
    turns: dict[int, float],
) -> None:
    """What goes now, and when what waits is looked at again."""
    made = plan(waiting, before, pace, NOW)
    assert list(made.messages) == messages
    assert {number: at - NOW for number, at in made.turns.items()} == pytest.approx(turns)


@given(
    events=st.lists(
        st.tuples(st.floats(0, DAY_S), st.integers(0, 30), st.sampled_from([SIGNAL, OPENED, ESCALATED])), max_size=300
    )
)
def test_whatever_happens_mails_are_few(events: list[tuple[float, int, Kind]]) -> None:
    """Driven for two days, a minute at a time: never more than 28 mails in an hour, and each notice goes out once."""
    waiting, before, gone = dict[int, Waiting](), list[Sent](), list[int]()
    mails = list[float]()
    left = sorted(events)
    for minute in range(2 * 1440):
        now = minute * 60.0
        while left and left[0][0] <= now:
            _, thread, kind = left.pop(0)
            number = len(waiting) + len(gone) + 1
            waiting[number] = Waiting(number, str(thread), kind, now, 0, 0.0)
        made = plan(list(waiting.values()), before, BY_MAIL, now)
        for number, turn in made.turns.items():
            assert turn > now
            waiting[number] = waiting[number]._replace(due_at=turn)
        for place, message in enumerate(made.messages):
            at = now + place / 1000
            mails.append(at)
            for number in message:
                one = waiting.pop(number)
                before.append(Sent(one.thread, one.kind, at))
                gone.append(number)
    most = 2 * BY_MAIL.per_hour + HOUR_S / BY_MAIL.joined_after_s
    for at in mails:
        assert sum(at - HOUR_S < other <= at for other in mails) <= most
    assert len(set(gone)) == len(gone) == len(events) - len(waiting)
    for at, thread in {(one.at, one.thread) for one in before}:
        of_thread = {one.at for one in before if one.thread == thread}
        assert sum(at - HOUR_S < other <= at for other in of_thread) <= 6  # four, and two that were graver
