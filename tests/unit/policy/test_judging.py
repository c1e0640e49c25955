"""The message stage on the shipped policy: what goes, what is held, what is refused, and what it says of the sender."""

import ast
import inspect
from collections.abc import Iterable
from dataclasses import replace

import pytest
from engine_parts import AT_HOME, SETTLED, T, abroad, facts_of, internal, known, new, profile_of, strange
from hypothesis import given
from hypothesis import strategies as st

from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.contract import Action, Owned, Reason
from policy.engine import charges, entering, judging, ladder
from policy.engine.judging import Decision, judge
from policy.engine.ladder import Signal, SignalKind, Standing, Step
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.rulebook import Rulebook
from policy.rulebook import parse, shipped

BOOK = shipped()
HOUR, DAY = 3600.0, 86400.0


class Desk:
    """One identity's messages, one after the other, with what the services would remember of it."""

    def __init__(self, book: Rulebook = BOOK) -> None:
        self.budgets, self.book, self.now, self.number = MemoryBudgets(), book, T, 0
        self.signals, self.standing = list[Signal](), Standing()

    def hand_in(
        self, recipients: Iterable[Recipient], place: Place = AT_HOME, *, size: int = 2000, **more: object
    ) -> Decision:
        profile = profile_of(recipients, place, signals=tuple(self.signals), standing=self.standing, **more)
        return self.judged(profile, size)

    def judged(self, profile: Profile, size: int = 2000) -> Decision:
        self.number += 1
        asking = judge(facts_of(profile, size), profile, self.book, self.now)
        decision = run_here(asking, self.budgets, f"m{self.number}", self.now)
        self.signals += decision.signals
        self.standing = decision.standing
        return decision


def summary(decision: Decision) -> tuple[Action, Reason | None, int]:
    return decision.action, decision.reason, len(decision.held)


ACCEPTED = (Action.ACCEPT, None, 0)
FIRST_MESSAGES = [
    # what it shows, recipients, place, profile kind, expected
    ("somebody new, from home", new(1), AT_HOME, "person", ACCEPTED),
    ("thirty colleagues, from home", new(*range(30)), AT_HOME, "person", ACCEPTED),
    ("a hundred known ones", known(*range(100)), AT_HOME, "person", ACCEPTED),
    ("sixty new of a hundred: the excess is held", (*new(*range(60)), *known(*range(60, 100))), AT_HOME, "person",
     (Action.ACCEPT, Reason.NEW_RECIPIENTS, 10)),
    ("elsewhere an eighth is left for home", (*new(*range(60)), *known(*range(60, 100))), SETTLED, "person",
     (Action.ACCEPT, Reason.NEW_RECIPIENTS, 16)),
    ("one new recipient sixty times is one", new(*[7] * 60), AT_HOME, "person", ACCEPTED),
    ("ten new ones from a strange network", new(*range(10)), strange(), "person", ACCEPTED),
    ("eleven are held whole", new(*range(11)), strange(), "person", (Action.HOLD, Reason.PROBATION, 0)),
    ("with the known ones among them", (*new(*range(11)), *known(50)), strange(), "person",
     (Action.HOLD, Reason.PROBATION, 0)),
    ("forty known ones from a strange network", known(*range(40)), strange(), "person", ACCEPTED),
    ("forty-one are held", known(*range(41)), strange(), "person", (Action.HOLD, Reason.PROBATION, 0)),
    ("those of this server count there, too", internal(*range(41)), strange(), "person",
     (Action.HOLD, Reason.PROBATION, 0)),
    ("those of this server are never new", internal(*range(100)), AT_HOME, "person", ACCEPTED),
    ("an app from elsewhere", known(1), strange(), "app", (Action.HOLD, Reason.PROBATION, 0)),
    ("an app from its network", new(*range(20)), SETTLED, "app", ACCEPTED),
    ("a newsletter", new(*range(300)), SETTLED, "newsletter", ACCEPTED),
    ("a profile that the policy does not have is a person", new(*range(11)), strange(), "robot",
     (Action.HOLD, Reason.PROBATION, 0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("recipients", "place", "kind", "expected"), [c[1:] for c in FIRST_MESSAGES], ids=[c[0] for c in FIRST_MESSAGES]
)
def test_first_message(
    recipients: tuple[Recipient, ...], place: Place, kind: str, expected: tuple[Action, Reason | None, int]
) -> None:
    """One message of somebody of whom nothing else is known today."""
    desk = Desk()
    decision = desk.hand_in(recipients, place, kind=kind, recipients_per_message=500)
    assert summary(decision) == expected


def test_a_hold_names_the_new_ones_that_are_too_many() -> None:
    """The first fifty go, in their order; known ones between them go, too."""
    recipients = (*new(*range(30)), *known(200), *new(*range(30, 60)))
    assert Desk().hand_in(recipients).held == tuple(range(51, 61))


def test_after_a_cut_new_recipients_are_held_until_somebody_says_that_it_was_the_owner() -> None:
    """The cap is a signal; the step that it makes holds at home, too, because it came from there."""
    desk = Desk()
    desk.hand_in(new(*range(60)))
    assert desk.standing == Standing(Step.HOLD, Step.HOLD, T)
    desk.now += 2 * DAY
    assert summary(desk.hand_in(new(500))) == (Action.HOLD, Reason.HELD, 0)
    assert summary(desk.hand_in((*known(1), *new(501)))) == (Action.ACCEPT, Reason.HELD, 1)
    assert summary(desk.hand_in(known(1))) == ACCEPTED
    desk.standing, desk.signals = Standing(), []
    assert summary(desk.hand_in(new(502))) == ACCEPTED


def test_a_cap_that_was_met_abroad_is_met_at_home_once_more() -> None:
    """Or whoever is in both would spend the small budget abroad each day, and be held by nothing at home."""
    desk = Desk()
    assert desk.hand_in(new(*range(11)), strange()).action is Action.HOLD
    assert desk.standing == Standing(Step.HOLD, Step.FREE, T)
    desk.hand_in(new(*range(60)))
    assert desk.standing == Standing(Step.HOLD, Step.HOLD, T)
    assert [(one.kind, one.at_home) for one in desk.signals if one.kind is SignalKind.NEW_RECIPIENTS] == [
        (SignalKind.NEW_RECIPIENTS, False),
        (SignalKind.NEW_RECIPIENTS, True),
    ]


def test_rates_defer_and_what_never_fits_is_rejected() -> None:
    """Waiting is asked for where waiting helps."""
    desk = Desk(parse('[profiles.person]\nrecipients = ["5/hour", "8/day"]\n', "test"))
    assert summary(desk.hand_in(known(*range(6)))) == (Action.REJECT, Reason.BUDGET_TOO_SMALL, 0)
    assert summary(desk.hand_in(known(*range(4)))) == ACCEPTED
    assert summary(desk.hand_in(known(*range(2)))) == (Action.DEFER, Reason.BUDGET_SPENT, 0)
    desk.now += HOUR
    assert summary(desk.hand_in(known(*range(4)))) == ACCEPTED
    desk.now += HOUR
    decision = desk.hand_in(known(1))
    assert (summary(decision), decision.rule) == ((Action.DEFER, Reason.BUDGET_SPENT, 0), "recipients")


def test_a_refused_message_costs_a_quarter() -> None:
    """Or asking would be free, and would say where the limits are (policyd-rate-limit's oracle)."""
    desk = Desk(parse('[profiles.person]\nmessages = "3/hour"\n', "test"))
    desk.hand_in(known(1))
    for _ in range(4):
        refused = profile_of(known(1), owned=Owned())  # a sender that is not owned
        assert desk.judged(refused).reason is Reason.SENDER_NOT_OWNED
    assert summary(desk.hand_in(known(1))) == ACCEPTED
    assert summary(desk.hand_in(known(1))) == (Action.DEFER, Reason.BUDGET_SPENT, 0)


def test_who_is_told_to_come_again_is_not_charged_for_coming() -> None:
    """A program that tries its whole outbox each quarter of an hour would else never be rid of it."""
    desk = Desk(parse('[profiles.person]\nmessages = "12/hour"\n', "test"))
    waiting = 48
    for _ in range(4 * 4):
        answers = [desk.hand_in(known(one)) for one in range(waiting)]
        assert {one.action for one in answers} <= {Action.ACCEPT, Action.DEFER}
        waiting -= sum(one.action is Action.ACCEPT for one in answers)
        desk.now += HOUR / 4
    assert not waiting


def test_refusals_beyond_a_thousand_a_day_are_in_the_log_alone() -> None:
    """They cost rows in the store, and nothing else of the owner's."""
    desk = Desk()
    refused = profile_of(known(1), owned=Owned())
    recorded = [desk.judged(refused).is_recorded for _ in range(1003)]
    assert recorded == [True] * 1000 + [False] * 3


def test_what_is_held_has_an_end() -> None:
    """Two hundred messages a day; then the client is told to wait."""
    desk = Desk(parse('[modes]\nmessages = "off"\n', "test"))
    answers = [summary(desk.hand_in(new(*range(100)), strange())) for _ in range(201)]
    assert answers == [(Action.HOLD, Reason.PROBATION, 0)] + [(Action.HOLD, Reason.HELD, 0)] * 199 + [
        (Action.DEFER, Reason.HOLD_FULL, 0)
    ]


def test_strange_networks_cannot_spend_the_owners_budget() -> None:
    """A thief who floods from abroad leaves the owner at home as he was."""
    desk = Desk()
    for number in range(500):
        desk.hand_in(new(number), strange())
    assert summary(desk.hand_in(new(1000), AT_HOME)) == ACCEPTED
    assert summary(desk.hand_in(known(*range(60)), AT_HOME)) == ACCEPTED


def test_the_seventh_network_in_an_hour_restricts_and_the_fourth_autonomous_system_locks() -> None:
    """Networks of one autonomous system are spread; of several in several countries they are unseen, too."""
    desk = Desk()
    for number in range(6):
        assert summary(desk.hand_in(known(1), abroad(number))) == ACCEPTED
    seventh = desk.hand_in(known(1), abroad(6))
    assert [one.kind for one in seventh.signals] == [SignalKind.SPREAD]
    assert desk.standing.step is Step.RESTRICT
    assert summary(seventh) == ACCEPTED  # a known recipient
    assert summary(desk.hand_in(new(5), abroad(6))) == (Action.REJECT, Reason.RESTRICTED, 0)
    desk.hand_in(known(1), abroad(7, "RU", 12389))
    assert desk.hand_in(known(1), abroad(8, "BR", 28573)).reason is Reason.LOCKED
    assert desk.standing.step is Step.LOCK
    assert summary(desk.hand_in(new(6), AT_HOME)) == ACCEPTED


def test_twenty_networks_in_an_hour_lock_by_themselves() -> None:
    """That is two signals."""
    desk = Desk()
    for number in range(19):
        desk.hand_in(known(1), abroad(number))
    assert desk.standing.step is Step.RESTRICT
    assert desk.hand_in(known(1), abroad(19)).reason is Reason.LOCKED


def test_restricted_mail_to_known_and_new_ones_is_split() -> None:
    """Nobody's client can tell which of the recipients was refused, so the new ones are held (policyd's defect 6)."""
    desk = Desk()
    desk.standing = Standing(Step.RESTRICT)
    assert summary(desk.hand_in((*known(1), *new(2, 3), *internal(4)), strange())) == (Action.ACCEPT, Reason.HELD, 2)


def test_a_quarter_of_the_small_budget_is_told_and_half_of_it_is_in_doubt() -> None:
    """Owner and administrator hear of the tenth recipient; a day on which more than half was used does not count."""
    desk = Desk()
    for number in range(9):
        decision = desk.hand_in(known(number), strange())
        assert (decision.signals, decision.is_doubted) == ((), False)
    tenth = desk.hand_in(known(9), strange())
    assert [one.kind for one in tenth.signals] == [SignalKind.PROBATION]
    assert not tenth.is_doubted
    for number in range(10, 20):
        assert not desk.hand_in(known(number), strange()).is_doubted
    assert desk.hand_in(known(20), strange()).is_doubted
    assert desk.hand_in(new(99), strange()).delay_s == judging.SLOW_S


def test_what_is_told_of_the_small_budget_is_what_was_used_of_it() -> None:
    """Whoever reads it looks for a number that is near its limit, and finds no other one."""
    (signal,) = Desk().hand_in(new(1, 2, 3), strange()).signals
    assert signal.evidence == "probation-new-recipients: 3 in an hour, 10 are allowed"


def test_more_new_recipients_than_ever_are_told() -> None:
    """Fifteen a day are out of the ordinary for somebody who has three; nothing is refused for it."""
    desk = Desk()
    assert desk.hand_in(new(1), new_today=13).signals == ()
    decision = desk.hand_in(new(2), new_today=14)
    assert [one.kind for one in decision.signals] == [SignalKind.VOLUME]
    assert (summary(decision), decision.delay_s) == (ACCEPTED, 0)
    assert desk.hand_in(new(3), new_today=15).signals == ()  # once a day
    assert Desk().hand_in(new(2), new_today=30, usual_new_per_day=20).signals == ()


def test_a_day_is_also_any_24_hours() -> None:
    """Or fourteen on each side of midnight would be told to nobody."""
    desk = Desk()
    desk.hand_in(new(*range(14)), SETTLED, new_today=0)
    desk.now += 60
    desk.hand_in(new(14), SETTLED, new_today=0)  # the calendar has begun another day
    assert [one.kind for one in desk.signals] == [SignalKind.VOLUME]


def test_a_trap_restricts_at_home_and_locks_from_abroad() -> None:
    """A recipient that only harvesters have is enough by itself where nobody knows the network."""
    at_home, elsewhere = Desk(), Desk()
    assert at_home.hand_in(new(1), AT_HOME, traps=(0,)).reason is Reason.RESTRICTED
    assert at_home.standing == Standing(Step.RESTRICT, Step.RESTRICT, T)
    assert elsewhere.hand_in(new(1), strange(), traps=(0,)).reason is Reason.LOCKED


def test_accounts_that_share_a_strange_network_are_linked() -> None:
    """The third one is held at once, the first two with their next message."""
    desks = [Desk() for _ in range(3)]
    for number, desk in enumerate(desks):
        desk.budgets = desks[0].budgets
        decision = desk.hand_in(new(number), strange(), identity=f"user{number}")
    assert summary(decision) == (Action.HOLD, Reason.HELD, 0)
    assert [one.kind for one in decision.signals] == [SignalKind.LINKED]
    assert summary(desks[0].hand_in(new(7), strange(), identity="user0")) == (Action.HOLD, Reason.HELD, 0)
    assert summary(desks[0].hand_in(new(8), AT_HOME, identity="user0")) == ACCEPTED


@pytest.mark.parametrize(("days", "expected"), [(0, "accept"), (2, "accept"), (3, "hold"), (30, "hold")])
def test_who_was_cleared_is_not_linked_with_his_next_message(days: int, expected: str) -> None:
    """The others are still there, and an administrator has said of him that it was nothing."""
    desks = [Desk() for _ in range(4)]
    for desk in desks:
        desk.budgets = desks[0].budgets
    for number, desk in enumerate(desks[:3]):
        desk.hand_in(new(number), strange(), identity=f"user{number}")
    cleared = desks[3].hand_in(new(9), strange(), identity="user3", cleared_at=T - days * DAY)
    assert cleared.action == expected
    assert bool(cleared.signals) is (expected == "hold")


OBSERVED = [
    # what it shows, policy, recipients, place, expected, observed
    ("a budget", '[modes]\nnew-recipients = "observe"\n', new(*range(60)), AT_HOME, ACCEPTED, ("new-recipients",)),
    ("a budget that is off", '[modes]\nnew-recipients = "off"\n', new(*range(60)), AT_HOME, ACCEPTED, ()),
    ("probation", '[modes]\nprobation-new-recipients = "observe"\n', new(*range(20)), strange(), ACCEPTED,
     ("probation-new-recipients",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "recipients", "place", "expected", "observed"), [c[1:] for c in OBSERVED], ids=[c[0] for c in OBSERVED]
)
def test_a_rule_that_is_observed_says_what_it_would_have_done(
    text: str,
    recipients: tuple[Recipient, ...],
    place: Place,
    expected: tuple[Action, Reason | None, int],
    observed: tuple[str, ...],
) -> None:
    """And does nothing."""
    decision = Desk(parse(text, "test")).hand_in(recipients, place)
    assert (summary(decision), decision.observed) == (expected, observed)


def test_a_ladder_that_is_observed_holds_nothing_back() -> None:
    """Signals are raised and told; the step is only what would be."""
    desk = Desk(parse('[modes]\nladder = "observe"\n', "test"))
    decisions = [desk.hand_in(known(1), abroad(number, country)) for number, country in enumerate("ABCDEFGH")]
    assert {summary(one) for one in decisions} == {ACCEPTED}
    assert "ladder" in {name for one in decisions for name in one.observed}
    assert desk.standing.step is Step.LOCK


def test_the_evidence_says_where_every_window_stood() -> None:
    """With and without the message."""
    decision = Desk().hand_in((*new(1, 2), *known(3)), strange())
    stood = {(one.key, one.seconds): (one.before, one.after, one.limit) for one in decision.stood}
    assert stood["recipients:ada", HOUR] == (0, 3, 200)
    assert stood["elsewhere-recipients:ada", HOUR] == (0, 3, 175)
    assert stood["probation-new:ada", HOUR] == (0, 2, 10)
    assert stood["probation:ada", DAY] == (0, 3, 100)
    assert stood["networks:ada", HOUR] == (0, 1, 6)
    assert decision.seen is not None
    assert (decision.seen.recipients, decision.seen.new, decision.seen.internal) == (3, 2, 0)


def test_the_server_has_a_budget_of_its_own() -> None:
    """When many credentials are stolen at once, it is what keeps the damage finite."""
    desk = Desk(parse('[host]\nnew-recipients = "5/hour"\n', "test"))
    for number in range(5):
        assert summary(desk.hand_in(new(number), identity=f"user{number}")) == ACCEPTED
    assert summary(desk.hand_in(new(9), identity="user9")) == (Action.DEFER, Reason.SERVER_BUDGET_SPENT, 0)
    assert summary(desk.hand_in(known(9), identity="user9")) == ACCEPTED


def test_a_cap_of_a_strange_network_is_a_signal_also_where_the_server_has_no_room() -> None:
    """Or two hundred stolen logins would spend it together, and none of them would ever be held."""
    desk = Desk(parse('[host]\nnew-recipients = "8/hour"\n', "test"))
    desk.hand_in(new(*range(7)), strange())
    assert summary(desk.hand_in(new(7), strange())) == (Action.DEFER, Reason.SERVER_BUDGET_SPENT, 0)
    assert summary(desk.hand_in(new(*range(7, 11)), strange())) == (Action.HOLD, Reason.PROBATION, 0)
    assert desk.standing.step is Step.HOLD


ALL_RECIPIENTS = [
    # what it shows, from where, profile, how many known ones in a day, whether it is told
    ("half of what goes from elsewhere", SETTLED, "person", 219, True),
    ("one fewer", SETTLED, "person", 218, False),
    ("half of what goes from everywhere, at home", AT_HOME, "person", 250, True),
    ("one fewer at home", AT_HOME, "person", 249, False),
    ("a program at home, which does so each day", AT_HOME, "app", 1800, False),
]


@pytest.mark.parametrize(
    ("place", "kind", "number", "is_told"), [c[1:] for c in ALL_RECIPIENTS], ids=[c[0] for c in ALL_RECIPIENTS]
)
def test_many_known_recipients_are_told(place: Place, kind: str, number: int, *, is_told: bool) -> None:
    """Whoever reads the mailbox, or has made them known bit by bit, would else write to all of them unseen."""
    desk = Desk()
    for first in range(0, number, 90):
        decision = desk.hand_in(known(*range(first, min(first + 90, number))), place, kind=kind)
        assert decision.action is Action.ACCEPT
        desk.now += HOUR
    assert [one.kind for one in desk.signals] == ([SignalKind.VOLUME] if is_told else [])
    assert decision.is_doubted is (is_told and not place.is_home)
    assert desk.standing.home is Step.FREE


SHARED = [
    # whose budget it is, policy, what it lets pass from elsewhere and from everywhere
    ("the server's", '[host]\nnew-recipients = "16/hour"\n', 14, 16),
    ("a domain's", "[domain]\nrecipients-per-user = 1\nrecipients-least = 8\n", 18, 20),
]


@pytest.mark.parametrize(("policy", "elsewhere", "most"), [c[1:] for c in SHARED], ids=[c[0] for c in SHARED])
def test_an_eighth_of_what_all_share_is_left_for_home(policy: str, elsewhere: int, most: int) -> None:
    """Sixty stolen logins, each next door to its owner, spend the rest, and nobody at home has to wait for it."""
    desk = Desk(parse(policy, "test"))

    def hand_in(number: int, place: Place) -> tuple[Action, Reason | None, int]:
        return summary(desk.hand_in(new(number), place, identity=f"user{number}", domain="example.org"))

    refused = (Action.DEFER, Reason.SERVER_BUDGET_SPENT, 0)
    for number in range(elsewhere):
        assert hand_in(number, SETTLED) == ACCEPTED
    assert hand_in(elsewhere, SETTLED) == refused
    for number in range(elsewhere, most):
        assert hand_in(number, AT_HOME) == ACCEPTED
    assert hand_in(most, AT_HOME) == refused


@pytest.mark.parametrize("place", [SETTLED, strange()], ids=["next door", "a strange network"])
def test_an_eighth_of_what_a_device_has_is_left_for_home(place: Place) -> None:
    """Where the policy has a limit for each, whoever has stolen one spends what its owner has, but for that."""
    desk = Desk(parse('[profiles.person]\ncredential-recipients = "16/day"\n', "test"))
    for number in range(14):
        assert desk.hand_in(known(number), place).action is Action.ACCEPT
    assert summary(desk.hand_in(known(14), place)) == (Action.DEFER, Reason.BUDGET_SPENT, 0)
    for number in range(2):
        assert desk.hand_in(known(number), AT_HOME).action is Action.ACCEPT
    assert summary(desk.hand_in(known(2), AT_HOME)) == (Action.DEFER, Reason.BUDGET_SPENT, 0)


@pytest.mark.parametrize("module", [judging, charges, ladder, entering])
def test_the_engine_never_waits(module: object) -> None:
    """Whoever drives it waits, or not: in a transaction of the database nothing may come between two rounds."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))  # type: ignore[arg-type]
    assert not any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in nodes)


MESSAGES = st.lists(
    st.tuples(
        st.floats(0, 5000),  # seconds since the one before
        st.integers(0, 5),  # network
        st.sampled_from(["home", "settled", "strange"]),
        st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=100),
    ),
    max_size=40,
)


@given(MESSAGES)
def test_every_message_comes_to_a_decision_and_no_window_is_passed(
    messages: list[tuple[float, int, str, list[tuple[int, bool]]]],
) -> None:
    """Whatever comes, in whatever order: new recipients stay within their caps, in any hour and any day."""
    desk, reached = Desk(), list[tuple[float, int, str]]()
    for gap, number, where, recipients in messages:
        desk.now += gap
        place = {"home": AT_HOME, "settled": SETTLED}.get(where) or abroad(number, "ABCDEF"[number])
        given = tuple(Recipient(mark=mark, is_internal=False, is_known=is_known) for mark, is_known in recipients)
        decision = desk.hand_in(given, place)
        if decision.action is Action.ACCEPT:
            gone = {one.mark for at, one in enumerate(given) if one.is_new and at not in decision.held}
            reached += [(desk.now, mark, where) for mark in gone]
    for start, _, _ in reached:
        for span, limit, elsewhere_limit, strange_limit in ((HOUR, 50, 44, 10), (DAY, 150, 132, 30)):
            within = [(mark, where) for at, mark, where in reached if start <= at < start + span]
            assert len({mark for mark, _ in within}) <= limit
            assert len({mark for mark, where in within if where != "home"}) <= elsewhere_limit
            assert len({mark for mark, where in within if where == "strange"}) <= strange_limit


def test_replacing_a_place_changes_nothing_else() -> None:
    """The same message from the same sender: only from where makes the difference."""
    profile = profile_of(new(*range(11)), AT_HOME)
    assert summary(Desk().judged(profile)) == ACCEPTED
    assert summary(Desk().judged(replace(profile, place=strange()))) == (Action.HOLD, Reason.PROBATION, 0)
