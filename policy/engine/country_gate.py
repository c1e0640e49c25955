"""Whether a gate lets in who comes from a country, an autonomous system, a rented machine, from nowhere known.

    passage()   (you are here) one gate and one origin in, a treatment and the rule that decided out
    gates.py    what must hold of a credential that was proven

It is asked twice: when somebody connects, with the exemptions of everybody, because nobody has a name yet; and at the
login, with those of the identity alone. policy/geo/ knows what an origin is.

    deny lists    whoever is on one is refused, and no other list helps
    allow lists   where there is one, whoever is on none of them is refused; `??` is on it only by that name
    hosting       what the gate does with rented machines, unless their system is on the allow list by its number
    unknown       what it does with those of whom no database knows the country

An exemption lifts what the gate says of its countries, or of its systems, and nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from policy.engine.rulebook import Exemption, Gate, Treatment
from policy.engine.sources import UNKNOWN_COUNTRY, Origin

_STRICTNESS = (Treatment.ACCEPT, Treatment.PROBATION, Treatment.REFUSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What a gate does, and which of its rules said so, in words for the log."""

    treatment: Treatment
    why: str


VOUCHED = Passage(treatment=Treatment.ACCEPT, why="a network of the administrator's")


def passage(
    gate: Gate, origin: Origin, exemptions: Iterable[Exemption], now: float, *, is_vouched: bool = False
) -> Passage:
    """What `gate` does with `origin`. `is_vouched` is an address in a network that the administrator vouches for.

    Vouching counts where no database can know anything, which is so of private networks.
    """
    if is_vouched and origin.country == UNKNOWN_COUNTRY and not origin.asn:
        return VOUCHED
    live = [one for one in exemptions if one.until > now]
    country_is_exempt = any(origin.country in one.countries for one in live)
    asn_is_exempt = any(origin.asn in one.asns for one in live)
    if why := _refusal_by_lists(gate, origin, country_is_exempt, asn_is_exempt):
        return Passage(treatment=Treatment.REFUSE, why=why)
    found = [Passage(treatment=Treatment.ACCEPT, why="an exemption" if country_is_exempt or asn_is_exempt else "")]
    if origin.is_hosting and not asn_is_exempt and origin.asn not in gate.allow_asns:
        found.append(Passage(treatment=gate.hosting, why=f"rented machines ({_system(origin)})"))
    if origin.country == UNKNOWN_COUNTRY and not country_is_exempt:
        found.append(Passage(treatment=gate.unknown, why="no country known"))
    return max(found, key=lambda one: _STRICTNESS.index(one.treatment))


def _refusal_by_lists(gate: Gate, origin: Origin, country_is_exempt: bool, asn_is_exempt: bool) -> str:
    if origin.asn in gate.deny_asns and not asn_is_exempt:
        return f"{_system(origin)} is denied"
    if origin.country in gate.deny_countries and not country_is_exempt:
        return f"{origin.country} is denied"
    if not gate.allow_countries and not gate.allow_asns:
        return ""
    is_allowed = origin.country in gate.allow_countries or origin.asn in gate.allow_asns
    if is_allowed or country_is_exempt or asn_is_exempt:
        return ""
    return f"{origin.country} and {_system(origin)} are on no allow list"


def _system(origin: Origin) -> str:
    return f"AS{origin.asn}"
