"""The ladder, places, the sequential test and the baseline: tables, and what must hold whatever comes."""

import math
import random
from dataclasses import replace

import pytest
from engine_parts import ABROAD, AT_HOME, HOME, SETTLED, T, strange
from hypothesis import given
from hypothesis import strategies as st

from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.engine.baseline import RARE, usual_limit
from policy.engine.bounces import HIT, LOWER, MISS, UPPER, is_list, likelihood_after
from policy.engine.entering import Entry, Newcomer, enter
from policy.engine.feedback import Report, Weighed, weigh, weigh_complaints
from policy.engine.ladder import ALONE, FREE, Signal, SignalKind, Standing, Step, standing_after
from policy.engine.places import DAY_S, History, doubted, place_of, used, vouched
from policy.engine.profile import Place
from policy.engine.sources import Origin
from policy.queue_contract import DeliveryOutcome
from policy.rulebook import parse, shipped

BOOK = shipped()
K = SignalKind
UNKNOWN, DELIVERED = DeliveryOutcome.UNKNOWN_RECIPIENT, DeliveryOutcome.DELIVERED


def signal(kind: SignalKind, hours_ago: float = 0, *, at_home: bool = False) -> Signal:
    return Signal(kind=kind, at=T - hours_ago * 3600, at_home=at_home)


STANDINGS = [
    # what it shows, signals, expected step, and at home
    ("nothing", [], Step.FREE, Step.FREE),
    ("one signal alone never locks", [signal(K.SPREAD)], Step.RESTRICT, Step.FREE),
    ("a cap is met", [signal(K.NEW_RECIPIENTS)], Step.HOLD, Step.FREE),
    ("from home it holds at home, too", [signal(K.NEW_RECIPIENTS, at_home=True)], Step.HOLD, Step.HOLD),
    ("two within a day", [signal(K.SPREAD, 23), signal(K.UNSEEN)], Step.LOCK, Step.FREE),
    ("two that are more than a day apart", [signal(K.SPREAD, 25), signal(K.UNSEEN)], Step.HOLD, Step.FREE),
    ("twice the same is one", [signal(K.SPREAD, 2), signal(K.SPREAD)], Step.RESTRICT, Step.FREE),
    ("so many networks are two", [signal(K.MANY_NETWORKS)], Step.LOCK, Step.FREE),
    ("a trap from abroad is two", [signal(K.TRAP)], Step.LOCK, Step.FREE),
    ("a trap from home is one", [signal(K.TRAP, at_home=True)], Step.RESTRICT, Step.RESTRICT),
    ("what only slows does not lock with another", [signal(K.VOLUME), signal(K.SPREAD)], Step.RESTRICT, Step.FREE),
    ("slow at home is nowhere else", [signal(K.VOLUME, at_home=True)], Step.SLOW, Step.FREE),
    ("a thief abroad and an invitation from home lock abroad alone",
     [signal(K.SPREAD), signal(K.UNSEEN), signal(K.NEW_RECIPIENTS, at_home=True)], Step.LOCK, Step.HOLD),
    ("two that were seen at home lock there, too",
     [signal(K.SPAM, at_home=True), signal(K.NEW_RECIPIENTS, at_home=True)], Step.LOCK, Step.LOCK),
    ("an old list is one thing at home, whatever it shows",
     [signal(K.UNKNOWN_RECIPIENTS, at_home=True), signal(K.SPAM_REFUSALS, at_home=True),
      signal(K.TRAP, at_home=True), signal(K.NEW_RECIPIENTS, at_home=True)], Step.RESTRICT, Step.RESTRICT),
    ("elsewhere a cap and dead addresses are two",
     [signal(K.UNKNOWN_RECIPIENTS), signal(K.NEW_RECIPIENTS)], Step.LOCK, Step.FREE),
    ("all that recipients say is one: a stranger who is answered can say all of it",
     [signal(K.UNKNOWN_RECIPIENTS), signal(K.SPAM_REFUSALS), signal(K.COMPLAINTS)], Step.RESTRICT, Step.FREE),
    ("and with another kind it is two",
     [signal(K.SPAM_REFUSALS), signal(K.UNSEEN)], Step.LOCK, Step.FREE),
    ("an invitation from home of which some complain",
     [signal(K.NEW_RECIPIENTS, at_home=True), signal(K.COMPLAINTS)], Step.HOLD, Step.HOLD),
    ("what a thief abroad is complained of for",
     [signal(K.NEW_RECIPIENTS), signal(K.COMPLAINTS)], Step.LOCK, Step.FREE),
    ("a cap that was met abroad and dead addresses from home lock abroad",
     [signal(K.NEW_RECIPIENTS), signal(K.UNKNOWN_RECIPIENTS, at_home=True)], Step.LOCK, Step.RESTRICT),
]  # fmt: skip


@pytest.mark.parametrize(("signals", "step", "home"), [c[1:] for c in STANDINGS], ids=[c[0] for c in STANDINGS])
def test_standing_after(signals: list[Signal], step: Step, home: Step) -> None:
    """What the signals of a day make of an identity that was free."""
    after = standing_after(FREE, signals, T)
    assert (after.step, after.home) == (step, home)


@given(
    st.sampled_from(Step),
    st.lists(st.tuples(st.sampled_from(SignalKind), st.floats(0, 48), st.booleans()), max_size=8),
)
def test_no_signal_lowers_a_step(step: Step, raised: list[tuple[SignalKind, float, bool]]) -> None:
    """And one kind alone locks only where the table says that it is two."""
    signals = [signal(kind, hours, at_home=at_home) for kind, hours, at_home in raised]
    after = standing_after(Standing(step), signals, T)
    assert after.step >= step
    fresh = {one.kind for one in signals if T - one.at < DAY_S}
    if len(fresh) <= 1 and not fresh & {K.MANY_NETWORKS, K.TRAP} and step < Step.LOCK:
        assert after.step < Step.LOCK


def test_every_kind_of_signal_has_its_step() -> None:
    """A kind without a row would be a KeyError in the middle of a session."""
    assert set(ALONE) == set(SignalKind)


def test_slow_ends_by_itself_and_nothing_else_does() -> None:
    """A day later."""
    assert Standing(Step.SLOW, since=T).at(T + DAY_S - 1).step is Step.SLOW
    assert Standing(Step.SLOW, since=T).at(T + DAY_S) == FREE
    assert Standing(Step.HOLD, since=T).at(T + 400 * DAY_S).step is Step.HOLD


def past(days: int, *, ago: float = 1, confirmed: bool = False) -> History:
    used_at = T - ago * DAY_S
    return History(used_at - 10 * DAY_S, used_at, days, T if confirmed else None)


PLACES = [
    # what it shows, area, network, settled, home
    ("never seen", None, None, False, False),
    ("two days are not enough", past(2), past(2), False, False),
    ("three days of the area", past(3), None, True, False),
    ("three days of the network", None, past(3), True, False),
    ("seven days of the network are home", past(7), past(7), True, True),
    ("seven days of the area are not", past(7), past(1), True, False),
    ("vouched for as an area", past(0, confirmed=True), None, True, False),
    ("vouched for as a network", None, past(0, confirmed=True), True, True),
    ("not used for too long", past(30, ago=101), past(30, ago=101), False, False),
    ("vouched for, and not used for years", past(0, ago=900, confirmed=True), None, True, False),
]


@pytest.mark.parametrize(("area", "network", "settled", "home"), [c[1:] for c in PLACES], ids=[c[0] for c in PLACES])
def test_place_of(area: History | None, network: History | None, settled: bool, home: bool) -> None:
    """What a network is to an identity."""
    place = place_of(HOME, {HOME.area: area} if area else {}, network, BOOK, T)
    assert (place.is_settled, place.is_home) == (settled, home)


ODD_DAYS = [
    # what it shows, hours of its logins after a minute before midnight, settled
    ("a minute before midnight, noon, a minute after midnight", (0, 12, 24.1), False),
    ("and on the next evening", (0, 12, 24.1, 48), True),
    ("one login a day", (0, 24, 48), True),
]


@pytest.mark.parametrize(("hours", "is_settled"), [c[1:] for c in ODD_DAYS], ids=[c[0] for c in ODD_DAYS])
def test_three_days_are_two_times_24_hours(hours: tuple[float, ...], is_settled: bool) -> None:
    """By the calendar alone a thief had them in 24 hours and two minutes."""
    midnight, history = T - T % DAY_S, None
    for hour in hours:
        history = used(history, BOOK, midnight - 60 + hour * 3600)
    assert history
    assert history.days == 3
    assert place_of(HOME, {HOME.area: history}, history, BOOK, T).is_settled is is_settled


RENTED = replace(HOME, is_hosting=True)
FIRST, LATER = past(0, confirmed=True), past(2)
NEXT_DOOR = [
    # what it shows, origin, area, network, settled
    ("a machine that somebody else rents there", RENTED, past(60), None, False),
    ("from where he sends for the second time", RENTED, past(60), replace(LATER, first_used_at=T - DAY_S), False),
    ("the one that was there first", RENTED, FIRST, past(1), True),
    ("the same, not written down yet", RENTED, vouched(None, T), None, True),
    ("one that has days of its own", RENTED, past(60), past(3), True),
    ("one that somebody vouched for", RENTED, past(60), vouched(None, T), True),
    ("a pool", replace(RENTED, pool="example"), past(60), None, True),
    ("a household", HOME, past(60), None, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "area", "network", "is_settled"), [c[1:] for c in NEXT_DOOR], ids=[c[0] for c in NEXT_DOOR]
)
def test_rented_machines_have_strangers_next_door(
    origin: Origin, area: History, network: History | None, is_settled: bool
) -> None:
    """Whoever rents one of the same provider has the owner's area, and is not him."""
    assert place_of(origin, {origin.area: area}, network, BOOK, T).is_settled is is_settled


@pytest.mark.parametrize(
    "kind",
    [Origin(network="", is_hosting=True, pool="example"), Origin(network="", asn=14593, is_mobile=True)],
    ids=["a webmail provider's machines stand where they stand", "satellites hand a dish on"],
)
def test_a_pool_or_a_carrier_in_many_countries_is_one_source(kind: Origin) -> None:
    """Five countries in a day would lock who is its customer."""
    budgets, standing, signals = MemoryBudgets(), FREE, list[Signal]()
    for number, country in enumerate(("IE", "NL", "US", "AT", "FI", "SG", "JP")):
        asn = kind.asn or 8075 + number
        origin = replace(kind, network=f"10.0.{number}.0/24", asn=asn, country=country)
        newcomer = Newcomer(identity="ada", kind="person", place=strange(origin), standing=standing)
        entry = run_here(enter(newcomer, BOOK, T), budgets, f"r{number}", T)
        standing, signals = entry.standing, [*signals, *entry.signals]
    assert (standing, signals) == (FREE, [])


def test_what_goes_out_four_times_a_year_comes_from_a_network_that_is_known() -> None:
    """A quarter has up to 92 days, and from its first Monday to the next one's there are fourteen weeks."""
    assert not History(T - 400 * DAY_S, T, days=60).is_forgotten(BOOK.forgotten_at(T + 14 * 7 * DAY_S))


def test_a_suspect_kind_of_network_is_never_settled_but_at_home() -> None:
    """What the gate puts on probation stays there."""
    assert not place_of(HOME, {HOME.area: past(9)}, past(5), BOOK, T, is_suspect=True).is_settled
    assert place_of(HOME, {HOME.area: past(9)}, past(9), BOOK, T, is_suspect=True).is_settled


def test_what_is_unseen_is_used_for_the_first_time() -> None:
    """The country is seen with any area in it."""
    first = place_of(ABROAD, {HOME.area: past(9)}, None, BOOK, T)
    assert (first.is_unseen_area, first.is_unseen_country) == (True, True)
    second = place_of(ABROAD, {"AS9 CN": used(None, BOOK, T - 60)}, None, BOOK, T)
    assert (second.is_unseen_area, second.is_unseen_country) == (True, False)
    third = place_of(ABROAD, {ABROAD.area: used(None, BOOK, T - 60)}, None, BOOK, T)
    assert (third.is_unseen_area, third.is_unseen_country) == (False, False)


def test_days_count_once_and_days_in_doubt_do_not() -> None:
    """By the calendar of UTC."""
    one = used(None, BOOK, T)
    assert used(one, BOOK, T + 60).days == 1
    assert used(one, BOOK, T + DAY_S).days == 2
    assert doubted(one, T).days == 0
    assert doubted(doubted(one, T), T + 1).days == 0
    assert used(doubted(one, T), BOOK, T + 60).days == 0
    assert doubted(used(doubted(one, T), BOOK, T + DAY_S), T + DAY_S).days == 0
    assert vouched(doubted(one, T), T).is_settled(3)


def test_the_sequential_test_decides_after_four_in_a_row_and_after_fifteen_at_three_in_ten() -> None:
    """The figures that the test was chosen for (2,000 runs)."""
    assert (math.isclose(HIT, 2.708, abs_tol=1e-3), math.isclose(MISS, -0.336, abs_tol=1e-3)) == (True, True)
    assert not is_list(3 * HIT)
    assert is_list(4 * HIT)
    chance, taken = random.Random(1), []  # noqa: S311 - a simulation that can be repeated
    for _ in range(2000):
        likelihood, number = 0.0, 0
        while not is_list(likelihood):
            likelihood, number = likelihood_after(likelihood, is_unknown=chance.random() < 0.3), number + 1
        taken.append(number)
    assert 12 <= sum(taken) / len(taken) <= 20


@given(st.lists(st.booleans(), max_size=300))
def test_the_likelihood_stays_above_its_lower_bound(outcomes: list[bool]) -> None:
    """A long good past earns no credit for a bad day."""
    likelihood = 0.0
    for is_unknown in outcomes:
        likelihood = likelihood_after(likelihood, is_unknown=is_unknown)
        assert likelihood > LOWER
    assert UPPER > 3 * HIT - MISS


@pytest.mark.parametrize("mean", [0, 0.4, 3, 7.5, 40, 200])
def test_what_is_out_of_the_ordinary_is_seen_once_in_a_million_days(mean: float) -> None:
    """By the definition, summed from the other end."""
    limit, rounded = usual_limit(mean), math.ceil(mean * 2) / 2

    def tail(count: int) -> float:
        terms = range(count, count + 400)
        return sum(math.exp(one * math.log(rounded) - rounded - math.lgamma(one + 1)) for one in terms)

    if rounded:
        assert tail(limit) < RARE * 1.001 <= tail(limit - 1) * 1.01
    else:
        assert limit == 1


def entered(place: Place, **more: object) -> Entry:
    newcomer = Newcomer(identity="ada", kind="person", place=place, **more)  # type: ignore[arg-type]
    return run_here(enter(newcomer, BOOK, T), MemoryBudgets(), "e1", T)


def test_who_is_locked_comes_in_at_home_alone() -> None:
    """And not even there where a signal came from home."""
    locked, everywhere = Standing(Step.LOCK, since=T), Standing(Step.LOCK, Step.LOCK, T)
    assert entered(AT_HOME, standing=locked).is_granted
    assert not entered(SETTLED, standing=locked).is_granted
    assert not entered(strange(), standing=locked).is_granted
    assert not entered(AT_HOME, standing=everywhere).is_granted
    assert entered(strange(), standing=Standing(Step.RESTRICT, since=T)).is_granted


def test_a_settled_network_costs_nothing() -> None:
    """Nothing is asked of the budgets."""
    newcomer = Newcomer(identity="ada", kind="person", place=SETTLED)
    with pytest.raises(StopIteration):
        next(enter(newcomer, BOOK, T))


def weighed(
    *outcomes: DeliveryOutcome, kind: str = "person", budgets: MemoryBudgets | None = None, **more: object
) -> Weighed:
    report = Report(identity="ada", kind=kind, place=SETTLED, outcomes=outcomes, **more)  # type: ignore[arg-type]
    return run_here(weigh(report, BOOK, T), budgets or MemoryBudgets(), "w1", T)


def test_complaints_that_anybody_can_write_hold_nothing_at_home() -> None:
    """One recipient of a message sees whom else it names, and writes in the name of all."""
    report = Report(identity="ada", kind="person", place=AT_HOME, outcomes=())
    found = run_here(weigh_complaints(report, 5, BOOK, T), MemoryBudgets(), "w1", T)
    assert [one.kind for one in found.signals] == [K.COMPLAINTS]
    assert (found.standing.step, found.standing.home) == (Step.HOLD, Step.FREE)


def test_a_list_is_found_wherever_in_a_report_it_shows() -> None:
    """Good outcomes after it do not take it back."""
    assert weighed(*[UNKNOWN] * 4, *[DELIVERED] * 90).standing.step is Step.RESTRICT
    assert weighed(*[UNKNOWN] * 3, *[DELIVERED] * 90).standing.step is Step.FREE
    assert weighed(UNKNOWN, likelihood=3 * HIT).signals[0].kind is K.UNKNOWN_RECIPIENTS
    assert weighed(DELIVERED).unknown == 0


def at_home(*outcomes: DeliveryOutcome, budgets: MemoryBudgets, kind: str = "person", **more: object) -> Weighed:
    report = Report(identity="ada", kind=kind, place=AT_HOME, outcomes=outcomes, **more)  # type: ignore[arg-type]
    return run_here(weigh(report, BOOK, T), budgets, "w2", T)


def test_a_thief_abroad_cannot_leave_the_last_step_to_a_slip_of_the_owners() -> None:
    """Three dead addresses from anywhere, and the next one that the owner mistypes at home shut him out there."""
    for outcome, likelihood in ((UNKNOWN, 3 * HIT), (DeliveryOutcome.SPAM, 3 * HIT)):
        found = at_home(outcome, budgets=MemoryBudgets(), likelihood=likelihood)
        assert (found.standing.step, found.standing.home) == (Step.RESTRICT, Step.FREE), outcome
    found = at_home(*[UNKNOWN] * 4, budgets=MemoryBudgets())
    assert (found.standing.step, found.standing.home) == (Step.RESTRICT, Step.RESTRICT)
    budgets = MemoryBudgets()
    likelihood, homes = 0.0, []
    for _ in range(4):
        one = at_home(UNKNOWN, budgets=budgets, likelihood=likelihood)
        likelihood, homes = one.likelihood, [*homes, one.standing.home]
    assert homes == [Step.FREE, Step.FREE, Step.FREE, Step.RESTRICT]


SPAM = DeliveryOutcome.SPAM
OF_PROGRAMS = [
    # what it shows, profile, outcomes of new recipients to whom it wrote from home, where it stands there
    ("a person has a list of his own", "person", [UNKNOWN] * 4, Step.RESTRICT),
    ("into a form anybody types", "app", [UNKNOWN] * 4, Step.FREE),
    ("servers of strangers refuse what they like", "app", [SPAM] * 4, Step.FREE),
    ("as many as an hour may have", "app", [UNKNOWN] * 25, Step.FREE),
    ("one more", "app", [UNKNOWN] * 26, Step.RESTRICT),
    ("more spam than an hour may have", "app", [SPAM] * 11, Step.RESTRICT),
    ("a newsletter's share is its own", "newsletter", [UNKNOWN] * 9, Step.RESTRICT),
]


@pytest.mark.parametrize(("kind", "outcomes", "home"), [c[1:] for c in OF_PROGRAMS], ids=[c[0] for c in OF_PROGRAMS])
def test_a_stranger_stops_no_program_at_home_with_four_addresses(
    kind: str, outcomes: list[DeliveryOutcome], home: Step
) -> None:
    """Elsewhere it is restricted, and the administrator told, in each of these cases."""
    found = at_home(*outcomes, budgets=MemoryBudgets(), kind=kind, recipients_today=200, unknown_today=1)
    assert (found.standing.step, found.standing.home) == (Step.RESTRICT, home)


def test_who_was_found_abroad_is_found_at_home_on_the_same_day() -> None:
    """Or a thief with malware on the owner's machine would burn four addresses abroad first."""
    budgets = MemoryBudgets()
    first = run_here(
        weigh(Report(identity="ada", kind="person", place=SETTLED, outcomes=(UNKNOWN,) * 4), BOOK, T), budgets, "w1", T
    )
    again = at_home(*[UNKNOWN] * 4, budgets=budgets, signals=first.signals, standing=first.standing)
    assert [(one.kind, one.at_home) for one in again.signals] == [(K.UNKNOWN_RECIPIENTS, True)]
    assert again.standing.home is Step.RESTRICT
    third = at_home(*[UNKNOWN] * 4, budgets=budgets, signals=(*first.signals, *again.signals), standing=again.standing)
    assert third.signals == ()
    abroad = Report(
        identity="ada", kind="person", place=SETTLED, outcomes=(UNKNOWN,) * 4, signals=again.signals, standing=FREE
    )
    assert run_here(weigh(abroad, BOOK, T), budgets, "w3", T).signals == ()


def test_many_unknown_ones_between_good_ones_are_found_by_their_number() -> None:
    """Twenty-six in an hour."""
    budgets = MemoryBudgets()
    one = (UNKNOWN, *[DELIVERED] * 30)
    found = [weighed(*one, budgets=budgets).signals for _ in range(26)]
    assert [len(signals) for signals in found] == [0] * 25 + [1]


def test_a_newsletter_is_judged_by_its_share() -> None:
    """Five in a hundred of two hundred or more."""
    assert weighed(*[UNKNOWN] * 9, kind="newsletter", recipients_today=199).standing.step is Step.FREE
    assert weighed(*[UNKNOWN] * 9, kind="newsletter", recipients_today=300).standing.step is Step.FREE
    assert (
        weighed(*[UNKNOWN] * 9, kind="newsletter", recipients_today=300, unknown_today=6).standing.step is Step.RESTRICT
    )


@pytest.mark.parametrize(("mode", "kinds"), [("off", []), ("observe", [K.UNKNOWN_RECIPIENTS])])
def test_a_rule_that_is_not_enforced_does_nothing(mode: str, kinds: list[SignalKind]) -> None:
    """One that is off looks at nothing; one that is observed says what it would have done."""
    report = Report(identity="ada", kind="person", place=SETTLED, outcomes=(UNKNOWN,) * 9)
    book = parse(f'[modes]\nunknown-recipients = "{mode}"\n', "test")
    found = run_here(weigh(report, book, T), MemoryBudgets(), "w1", T)
    assert (found.standing.step, found.signals) == (Step.FREE, ())
    assert [one.kind for one in found.not_raised] == kinds
