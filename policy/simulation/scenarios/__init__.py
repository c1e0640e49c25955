"""The scenarios: attacks A1 to A32 and legitimate senders L1 to L24, each with what is expected of it.

scenario.py     what a scenario is, and what can be expected
floods.py       attacks that are in a hurry: A1, A2, A3, A11, A12, A16
botnets.py      attacks from many networks: A4, A5, A6, A7, A8, A15
patient.py      attacks that keep below what is noticed: A9, A10, A17, A18, A19
neighbours.py   places that look like another's: A20, A21, A22, L14
quiet.py        attacks that wait, ride the limits, or go in concert: A23 to A32
guesses.py      what happens before anybody is let in: A13, A14, L8, L9
people.py       legitimate people: L1, L2, L3, L5, L6, L7, L12
programs.py     legitimate programs: L4, L10, L11, L13
everyday.py     legitimate senders who look unusual: L15 to L24
"""

from policy.simulation.scenarios.botnets import BOTNETS
from policy.simulation.scenarios.everyday import EVERYDAY
from policy.simulation.scenarios.floods import FLOODS
from policy.simulation.scenarios.guesses import GUESSES
from policy.simulation.scenarios.neighbours import NEIGHBOURS
from policy.simulation.scenarios.patient import PATIENT
from policy.simulation.scenarios.people import PEOPLE
from policy.simulation.scenarios.programs import PROGRAMS
from policy.simulation.scenarios.quiet import QUIET
from policy.simulation.scenarios.scenario import Scenario


def _order(scenario: Scenario) -> tuple[str, int, str]:
    """A2 comes before A10, and L after A."""
    digits = "".join(letter for letter in scenario.name if letter.isdigit())
    return scenario.name[0], int(digits), scenario.name


SCENARIOS: tuple[Scenario, ...] = tuple(
    sorted(
        (*FLOODS, *BOTNETS, *PATIENT, *NEIGHBOURS, *QUIET, *GUESSES, *PEOPLE, *PROGRAMS, *EVERYDAY),
        key=_order,
    )
)


def named(wanted: str) -> tuple[Scenario, ...]:
    """A5b is one, A5 all of its variants, A all attacks. Empty where there is none."""
    name = wanted.upper()
    return tuple(one for one in SCENARIOS if name in {one.name.upper(), one.name.rstrip("abcde"), one.name[0]})
