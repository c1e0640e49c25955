"""All scenarios on the real engine: few seeds, every back end, with a restart in the middle.

`sallyport simulate` plays a hundred seeds of each; here is what every change has to pass.
"""

import shutil

import pytest

from policy import rulebook
from policy.engine.ladder import Step
from policy.simulation.backends import BackEnd
from policy.simulation.runs import Run, run
from policy.simulation.scenarios import SCENARIOS, named
from policy.simulation.scenarios.scenario import Scenario

BOOK = rulebook.shipped()
HAS_VALKEY = any(shutil.which(name) for name in ("valkey-server", "redis-server"))
BY_NAME = {one.name: one for one in SCENARIOS}
EVERY = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)


def missed(scenario: Scenario, done: Run) -> list[str]:
    """Expectations of every run, in words; those of the median need many."""
    return [
        f"{expected.text}: {value}"
        for expected, value in zip(scenario.expected, done.checks, strict=True)
        if not expected.of_median and not expected.is_met(value)
    ]


@EVERY
def test_in_memory(scenario: Scenario) -> None:
    assert not missed(scenario, run(scenario, 1, BOOK, BackEnd.MEMORY))


@EVERY
def test_in_a_file_that_is_opened_again_in_the_middle(scenario: Scenario) -> None:
    """What was spent before a restart is spent afterwards."""
    assert not missed(scenario, run(scenario, 0, BOOK, BackEnd.SQLITE, is_interrupted=True))


@pytest.mark.skipif(not HAS_VALKEY, reason="neither valkey-server nor redis-server is installed")
@pytest.mark.parametrize("name", ["A1", "A4", "A6a", "A8b", "A11c", "A12", "A17", "L2", "L3a", "L5", "L12"])
def test_in_valkey_with_a_restart(name: str) -> None:
    """The quick ones that meet each kind of budget; `sallyport simulate --budgets valkey` plays all."""
    assert not missed(BY_NAME[name], run(BY_NAME[name], 0, BOOK, BackEnd.VALKEY, is_interrupted=True))


@pytest.mark.parametrize("name", ["A2", "A6a", "A8b", "A12", "A15", "L2", "L3a"])
def test_back_ends_agree(name: str) -> None:
    """To the last recipient: they are exact."""
    scenario = BY_NAME[name]
    in_memory = run(scenario, 1, BOOK, BackEnd.MEMORY)
    assert run(scenario, 1, BOOK, BackEnd.SQLITE) == in_memory
    if HAS_VALKEY and name in {"A6a", "L2", "L3a"}:
        assert run(scenario, 1, BOOK, BackEnd.VALKEY) == in_memory


def test_the_same_seed_is_the_same_run_and_another_one_is_not() -> None:
    runs = [run(BY_NAME["A5a"], seed, BOOK, BackEnd.MEMORY) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0].curve != runs[2].curve


NO_PROBATION = 'probation-new-recipients = "none"\nprobation-recipients = "none"'
WORSE = [
    # what is taken out of the policy, and which scenario feels it
    (f"[profiles.person]\n{NO_PROBATION}", "A1"),
    (f"[profiles.person]\n{NO_PROBATION}", "A2"),
    (f"[profiles.person]\n{NO_PROBATION}", "A6a"),
    (f"[profiles.person]\n{NO_PROBATION}", "A9"),
    ('[modes]\nprobation = "off"\nvolume = "off"', "A10"),
    (f"[profiles.person]\n{NO_PROBATION}", "A11b"),
    (f"[profiles.person]\n{NO_PROBATION}", "A12"),
    (f"[profiles.person]\n{NO_PROBATION}", "A13"),
    (f"[profiles.person]\n{NO_PROBATION}", "A17"),
    ('[modes]\nprobation-recipients = "observe"', "A3"),
    ('[modes]\nladder = "observe"', "A4"),
    ('[modes]\nnetworks = "off"\ncountries = "off"\nasns = "off"\nmany-networks = "off"', "A7"),
    ('[modes]\nspread = "off"\nunseen = "off"\nmany-networks = "off"', "A6b"),
    ('[modes]\nunknown-recipients = "off"', "A8a"),
    ('[profiles.person]\nnew-recipients = "none"', "A8b"),
    ('[profiles.person]\nrecipients = "500/10 minutes"\nmessages = "none"', "A8c"),
    ('[modes]\nlinked = "off"', "A15"),
    ('[profiles.app]\nprobation-new-recipients = "none"\nprobation-recipients = "none"', "A16"),
    ('[modes]\nvolume = "off"', "A18"),
    ('[profiles.app]\nprobation-new-recipients = "none"\nprobation-recipients = "none"', "A20a"),
    (f"[profiles.person]\n{NO_PROBATION}", "A20b"),
    ("[history]\nsettled-after-days = 2", "A21"),
    ('[modes]\nunknown-recipients = "off"', "A22"),
    ('[modes]\nladder = "observe"', "A23a"),
    ('[modes]\nladder = "observe"', "A23b"),
    ('[modes]\nvolume = "off"', "A24"),
    ('[modes]\nvolume = "off"', "A25"),
    (f"[profiles.person]\n{NO_PROBATION}", "A26"),
    ('[modes]\nladder = "observe"', "A27"),
    ('[profiles.person]\nprobation-new-recipients = ["10/hour", "30/day"]', "A28"),
    ('[modes]\nvolume = "off"', "A29"),
    ('[profiles.app]\nunknown-recipients = "60/hour"', "A30"),
    ('[host]\nnew-recipients = "200/hour"', "A31"),
    ('[modes]\nvolume = "off"', "A32"),
    ('[profiles.person]\nnew-recipients = "10/hour"', "L1"),
    ('[profiles.person]\nrecipients = ["10/minute", "150/day"]', "L2"),
    ('[profiles.person]\nrecipients = "90/hour"', "L3a"),
    ('[profiles.newsletter]\nunknown-recipients = "2/day"', "L4a"),
    ('[profiles.person]\nunseen-countries = "1/2 days"', "L5"),
    ('[profiles.person]\nprobation-recipients = "10/day"', "L6"),
    ('[profiles.app]\nbytes = "50 MB/hour"', "L10"),
    ('[profiles.app]\nmessages = "100/hour"', "L11"),
    ('[profiles.app]\nrecipients = "60/10 minutes"', "L13"),
    ('[profiles.person]\nmessages = "3/day"', "L14a"),
    ('[profiles.person]\nprobation-new-recipients = "0/day"', "L14b"),
    ('[profiles.person]\nnew-recipients = "20/hour"', "L15"),
    ('[profiles.person]\nprobation-new-recipients = "2/day"', "L16a"),
    ('[profiles.person]\nunseen-asns = "2/day"', "L16b"),
    ('[profiles.person]\nmessages = "3/day"', "L17a"),
    ('[profiles.person]\nprobation-new-recipients = "0/day"', "L17b"),
    ('[profiles.app]\nnew-recipients = "100/hour"', "L18"),
    ('[profiles.app]\nmessages = "10/day"', "L19"),
    ('[profiles.person]\nprobation-recipients = "5/day"', "L20"),
    ('[profiles.person]\nprobation-recipients = "5/day"', "L21a"),
    ('[modes]\nunseen = "off"', "L21b"),
    ('[profiles.person]\nprobation-recipients = "5/day"', "L21c"),
    ('[profiles.person]\nrecipients = "90/hour"', "L22"),
    ("[profiles.app]\nrecipients-per-message = 20", "L23"),
    ('[profiles.app]\nunknown-recipients = "10/hour"', "L24"),
]


@pytest.mark.parametrize(("policy", "name"), WORSE, ids=[f"{name} without {policy[:40]!r}" for policy, name in WORSE])
def test_expectations_can_be_missed(policy: str, name: str) -> None:
    """A scenario that is as expected whatever the policy says would show nothing."""
    (scenario,) = named(name)
    assert missed(scenario, run(scenario, 0, rulebook.parse(policy, "test"), BackEnd.MEMORY))


def test_every_scenario_is_there() -> None:
    """Those of the reference, those that were found by trying (A19 to A32), and of whom people tell (L14 to L24)."""
    numbers = {"".join(letter for letter in one.name if not letter.islower()) for one in SCENARIOS}
    assert numbers == {f"A{one}" for one in range(1, 33)} | {f"L{one}" for one in range(1, 25)}
    assert all(one.expected for one in SCENARIOS)


def test_a_limit_rider_never_leaves_probation() -> None:
    """Each of his days is in doubt; a month later his network is as strange as on the first, if no week stops him."""
    day_by_day = rulebook.parse('[profiles.person]\nprobation-new-recipients = ["10/hour", "30/day"]', "test")
    done = run(BY_NAME["A10"], 0, day_by_day, BackEnd.MEMORY)
    assert done.new_in_a_day <= 30
    assert done.steps[Step.HOLD - 1] == float("inf")  # nobody even slows him down
    assert done.curve[-1][1] > 500
