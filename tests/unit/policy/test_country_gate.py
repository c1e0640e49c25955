"""What a gate does with an origin: a table, and what holds for every gate there could be."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.engine.country_gate import passage
from policy.engine.rulebook import Exemption, Gate, Treatment
from policy.engine.sources import UNKNOWN_COUNTRY, Origin

NOW = 1_000_000.0
ACCEPT, PROBATION, REFUSE = Treatment.ACCEPT, Treatment.PROBATION, Treatment.REFUSE

HOME = Origin(network="91.0.0.0/24", asn=3320, country="DE")
ABROAD = Origin(network="2.132.0.0/24", asn=9198, country="KZ")
RENTED = Origin(network="5.9.0.0/24", asn=24940, country="DE", is_hosting=True)
NOWHERE_KNOWN = Origin(network="9.9.9.0/24")
SYSTEM_ALONE = Origin(network="9.9.9.0/24", asn=19281)

OPEN = Gate()
GERMAN = Gate(allow_countries=frozenset({"DE"}))
NO_KZ = Gate(deny_countries=frozenset({"KZ"}))
NO_HETZNER = Gate(deny_asns=frozenset({24940}))
TELEKOM = Gate(allow_asns=frozenset({3320}))
EITHER = Gate(allow_countries=frozenset({"KZ"}), allow_asns=frozenset({3320}))
BOTH_SIDES = Gate(allow_countries=frozenset({"KZ"}), deny_countries=frozenset({"KZ"}))
NO_RENTED = Gate(hosting=REFUSE)
RENTED_TRIED = Gate(hosting=PROBATION)
OURS_RENTED = Gate(hosting=REFUSE, allow_asns=frozenset({24940}), allow_countries=frozenset({"DE"}))
NO_UNKNOWN = Gate(unknown=REFUSE)
UNKNOWN_TRIED = Gate(unknown=PROBATION)
GERMAN_OR_UNKNOWN = Gate(allow_countries=frozenset({"DE", "??"}), unknown=PROBATION)
NO_UNKNOWN_BY_NAME = Gate(deny_countries=frozenset({"??"}))

IN_KZ = Exemption(identity="ada", countries=frozenset({"KZ"}), until=NOW + 1)
WAS_IN_KZ = Exemption(identity="ada", countries=frozenset({"KZ"}), until=NOW)
AT_HETZNER = Exemption(identity="ada", asns=frozenset({24940}), until=NOW + 1)

CASES = [
    # what it shows, gate, origin, exemptions, treatment, words
    ("an open gate", OPEN, ABROAD, (), ACCEPT, ""),
    ("an open gate, nowhere known", OPEN, NOWHERE_KNOWN, (), ACCEPT, ""),
    ("an open gate, rented", OPEN, RENTED, (), ACCEPT, ""),
    ("on the allow list", GERMAN, HOME, (), ACCEPT, ""),
    ("on none", GERMAN, ABROAD, (), REFUSE, "KZ and AS9198 are on no allow list"),
    ("unknown is on none", GERMAN, NOWHERE_KNOWN, (), REFUSE, "?? and AS0 are on no allow list"),
    ("unknown is on it by that name", GERMAN_OR_UNKNOWN, NOWHERE_KNOWN, (), PROBATION, "no country known"),
    ("and who is known is not asked", GERMAN_OR_UNKNOWN, HOME, (), ACCEPT, ""),
    ("on the deny list", NO_KZ, ABROAD, (), REFUSE, "KZ is denied"),
    ("on none of deny", NO_KZ, HOME, (), ACCEPT, ""),
    ("unknown is denied by that name", NO_UNKNOWN_BY_NAME, NOWHERE_KNOWN, (), REFUSE, "?? is denied"),
    ("system denied, its country not", NO_HETZNER, RENTED, (), REFUSE, "AS24940 is denied"),
    ("system allowed", TELEKOM, HOME, (), ACCEPT, ""),
    ("another system", TELEKOM, RENTED, (), REFUSE, "DE and AS24940 are on no allow list"),
    ("one of two lists is enough: country", EITHER, ABROAD, (), ACCEPT, ""),
    ("one of two lists is enough: system", EITHER, HOME, (), ACCEPT, ""),
    ("deny goes first", BOTH_SIDES, ABROAD, (), REFUSE, "KZ is denied"),
    ("no rented machines", NO_RENTED, RENTED, (), REFUSE, "rented machines (AS24940)"),
    ("no rented machines, and this is none", NO_RENTED, HOME, (), ACCEPT, ""),
    ("rented machines on probation", RENTED_TRIED, RENTED, (), PROBATION, "rented machines (AS24940)"),
    ("our own rented machines by their number", OURS_RENTED, RENTED, (), ACCEPT, ""),
    ("no unknown", NO_UNKNOWN, NOWHERE_KNOWN, (), REFUSE, "no country known"),
    ("no unknown: a system is no country", NO_UNKNOWN, SYSTEM_ALONE, (), REFUSE, "no country known"),
    ("unknown on probation", UNKNOWN_TRIED, NOWHERE_KNOWN, (), PROBATION, "no country known"),
    ("exempt from deny", NO_KZ, ABROAD, (IN_KZ,), ACCEPT, "an exemption"),
    ("exempt from allow", GERMAN, ABROAD, (IN_KZ,), ACCEPT, "an exemption"),
    ("until then", NO_KZ, ABROAD, (WAS_IN_KZ,), REFUSE, "KZ is denied"),
    ("for another country", GERMAN, NOWHERE_KNOWN, (IN_KZ,), REFUSE, "?? and AS0 are on no allow list"),
    ("a system exempt from deny", NO_HETZNER, RENTED, (AT_HETZNER,), ACCEPT, "an exemption"),
    ("a system exempt from hosting", NO_RENTED, RENTED, (AT_HETZNER,), ACCEPT, "an exemption"),
    ("unknown exempt by that name", NO_UNKNOWN, NOWHERE_KNOWN, (replace(IN_KZ, countries=frozenset({"??"})),), ACCEPT,
     "an exemption"),
    ("a country does not exempt a system", NO_HETZNER, RENTED, (replace(IN_KZ, countries=frozenset({"DE"})),), REFUSE,
     "AS24940 is denied"),
    ("nor rented machines", NO_RENTED, RENTED, (replace(IN_KZ, countries=frozenset({"DE"})),), REFUSE,
     "rented machines (AS24940)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "origin", "exemptions", "treatment", "why"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_passage(gate: Gate, origin: Origin, exemptions: tuple[Exemption, ...], treatment: Treatment, why: str) -> None:
    """Who decided is said in words, for the log."""
    found = passage(gate, origin, exemptions, NOW)
    assert (found.treatment, found.why) == (treatment, why)


VOUCHED = [
    ("private and vouched for", NOWHERE_KNOWN, True, ACCEPT),
    ("private", NOWHERE_KNOWN, False, REFUSE),
    ("vouched for, and known to be elsewhere", ABROAD, True, REFUSE),
    ("vouched for, and its system is known", SYSTEM_ALONE, True, REFUSE),
]


@pytest.mark.parametrize(
    ("origin", "is_vouched", "treatment"), [row[1:] for row in VOUCHED], ids=[row[0] for row in VOUCHED]
)
def test_networks_of_the_administrators(origin: Origin, is_vouched: bool, treatment: Treatment) -> None:
    """A gate that lets nobody in but Germans, and nobody unknown."""
    gate = replace(GERMAN, unknown=REFUSE)
    assert passage(gate, origin, (), NOW, is_vouched=is_vouched).treatment is treatment


COUNTRIES, ASNS = st.sampled_from(["DE", "KZ", "US", UNKNOWN_COUNTRY]), st.sampled_from([0, 3320, 9198, 24940])
TREATMENTS = st.sampled_from(list(Treatment))
SOME_ASNS = st.frozensets(st.sampled_from([3320, 9198, 24940]))
GATES = st.builds(
    Gate,
    allow_countries=st.frozensets(COUNTRIES),
    deny_countries=st.frozensets(COUNTRIES),
    allow_asns=SOME_ASNS,
    deny_asns=SOME_ASNS,
    hosting=TREATMENTS,
    unknown=TREATMENTS,
)
ORIGINS = st.builds(Origin, network=st.just("192.0.2.0/24"), country=COUNTRIES, asn=ASNS, is_hosting=st.booleans())
EXEMPTIONS = st.lists(
    st.builds(
        Exemption,
        identity=st.just("ada"),
        countries=st.frozensets(COUNTRIES),
        asns=SOME_ASNS,
        until=st.sampled_from([NOW - 1, NOW, NOW + 1]),
    ),
    max_size=2,
)


@given(gate=GATES, origin=ORIGINS)
def test_deny_wins(gate: Gate, origin: Origin) -> None:
    """Whatever else a gate says."""
    if origin.country in gate.deny_countries or origin.asn in gate.deny_asns:
        assert passage(gate, origin, (), NOW).treatment is REFUSE


@given(gate=GATES, origin=ORIGINS, exemptions=EXEMPTIONS)
def test_who_is_exempt_from_nothing_that_is_denied_is_denied(
    gate: Gate, origin: Origin, exemptions: list[Exemption]
) -> None:
    """Only an exemption that is in force, and that names the very thing, opens what is denied."""
    live = [one for one in exemptions if one.until > NOW]
    by_country = origin.country in gate.deny_countries and all(origin.country not in one.countries for one in live)
    by_system = origin.asn in gate.deny_asns and all(origin.asn not in one.asns for one in live)
    if by_country or by_system:
        assert passage(gate, origin, exemptions, NOW).treatment is REFUSE


@given(gate=GATES, origin=ORIGINS, exemptions=EXEMPTIONS)
def test_an_exemption_never_closes_a_gate(gate: Gate, origin: Origin, exemptions: list[Exemption]) -> None:
    order = [ACCEPT, PROBATION, REFUSE]
    without, with_them = passage(gate, origin, (), NOW), passage(gate, origin, exemptions, NOW)
    assert order.index(with_them.treatment) <= order.index(without.treatment)


@given(gate=GATES, origin=ORIGINS)
def test_a_refusal_says_why(gate: Gate, origin: Origin) -> None:
    found = passage(gate, origin, (), NOW)
    assert found.treatment is ACCEPT or found.why
