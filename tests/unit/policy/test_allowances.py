"""All budgets of an identity: those that messages and logins are charged on, with the same keys and windows."""

from dataclasses import replace

import pytest
from engine_parts import AT_HOME, SETTLED, new, profile_of, strange

from policy.engine.allowances import allowances
from policy.engine.budget import Charge, Sum
from policy.engine.charges import attempt_charges, holding_charges, message_charges, spread_charges
from policy.engine.profile import Place
from policy.engine.rulebook import Mode, Rulebook
from policy.rulebook import shipped

NOT_ONES_OWN = (
    "domain:",
    "elsewhere-domain:",
    "host-new",
    "elsewhere-host-new",
    "visitors:",
    "refusals:",
    "strange-refusals:",
)
PLACES = [("home", AT_HOME), ("settled", SETTLED), ("strange", strange())]


def charged(place: Place, rulebook: Rulebook) -> list[Charge]:
    """Whatever a message from there could be charged on."""
    profile = profile_of(new(1, 2), place, domain="example.org")
    limits = rulebook.limits_of("person", "ada")
    every = [
        *message_charges(profile, profile.recipients, 2000, rulebook),
        *holding_charges(profile, 2000, rulebook),
        *spread_charges("ada", place, limits, rulebook),
        *attempt_charges(profile, rulebook),
    ]
    return [one for one in every if not one.key.startswith(NOT_ONES_OWN)]


@pytest.mark.parametrize("place", [case[1] for case in PLACES], ids=[case[0] for case in PLACES])
def test_whatever_is_charged_is_among_them(place: Place) -> None:
    rulebook = shipped()
    listed = {one.key: one for one in allowances("ada", "person", (1,), rulebook)}
    for charge in charged(place, rulebook):
        mine = listed[charge.key]
        assert (mine.name, mine.windows, type(mine)) == (charge.name, charge.windows, type(charge))


def test_nothing_else_is() -> None:
    """A budget that nothing is charged on would be a bar that never moves."""
    rulebook = shipped()
    keys = {charge.key for _, place in PLACES for charge in charged(place, rulebook)}
    assert {one.key for one in allowances("ada", "person", (1,), rulebook)} == keys


def test_nothing_is_on_them() -> None:
    """To look costs nothing."""
    every = allowances("ada", "person", (1, 2), shipped())
    assert {one.cost if isinstance(one, Sum) else len(one.members) for one in every} == {0}
    assert len({one.key for one in every}) == len(every)


def test_a_rule_that_is_off_has_no_bar_and_one_that_observes_says_so() -> None:
    rulebook = replace(shipped(), modes={"networks": Mode.OFF, "recipients": Mode.OBSERVE})
    every = {one.name: one for one in allowances("ada", "person", (), rulebook)}
    assert "networks" not in every
    assert not every["recipients"].is_enforced
    assert every["messages"].is_enforced
