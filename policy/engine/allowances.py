"""All budgets of one identity, for who only looks: the charges of charges.py with nothing on them. Pure.

What a message or a login is charged on depends on where it comes from; here are all that it could be. Those of a
domain, of the whole server and of a network are nobody's alone, and are not among them.
"""

from collections.abc import Iterator, Sequence

from policy.engine.budget import Charge, Distinct, Sum
from policy.engine.charges import elsewhere, in_quarters, set_of
from policy.engine.rulebook import Limits, Mode, Rulebook, Windows


def allowances(
    identity: str, kind: str, credentials: Sequence[int], rulebook: Rulebook, cleared_at: float = 0.0
) -> tuple[Charge, ...]:
    """In the order in which people read them; `kind` is the profile, `cleared_at` as in a Profile."""
    limits = rulebook.limits_of(kind, identity)
    listed = [*_rates(identity, credentials, limits), *_new(identity, limits), *_spread(identity, limits, cleared_at)]
    every = tuple(_charges(listed, rulebook))
    shared = {f"{budget}:{identity}" for budget in ("messages", "recipients", "bytes", "new")}
    shared |= {f"credential:{number}" for number in credentials}
    return (*every, *[elsewhere(one) for one in every if one.key in shared])


_Line = tuple[type[Sum] | type[Distinct], str, str, Windows]


def _rates(who: str, credentials: Sequence[int], limits: Limits) -> Iterator[_Line]:
    yield Sum, "messages", f"messages:{who}", in_quarters(limits.messages)
    yield Sum, "recipients", f"recipients:{who}", limits.recipients
    yield Sum, "bytes", f"bytes:{who}", limits.message_bytes
    for number in credentials:
        yield Sum, "credential-recipients", f"credential:{number}", limits.credential_recipients
    yield Sum, "held-messages", f"held:{who}", limits.held_messages
    yield Sum, "held-bytes", f"held-bytes:{who}", limits.held_bytes
    # The same once more, where a thief could spend what is the owner's.
    yield Sum, "messages", f"strange-messages:{who}", in_quarters(limits.messages)
    yield Sum, "bytes", f"strange-bytes:{who}", limits.message_bytes
    yield Sum, "held-messages", f"strange-held:{who}", limits.held_messages
    yield Sum, "held-bytes", f"strange-held-bytes:{who}", limits.held_bytes


def _new(who: str, limits: Limits) -> Iterator[_Line]:
    yield Distinct, "new-recipients", f"new:{who}", limits.new_recipients
    yield Distinct, "probation-new-recipients", f"probation-new:{who}", limits.probation_new_recipients
    yield Sum, "probation-recipients", f"probation:{who}", limits.probation_recipients


def _spread(who: str, limits: Limits, cleared_at: float) -> Iterator[_Line]:
    yield Distinct, "networks", set_of("networks", who, cleared_at), limits.networks
    yield Distinct, "many-networks", set_of("many-networks", who, cleared_at), limits.many_networks
    yield Distinct, "asns", set_of("asns", who, cleared_at), limits.asns
    yield Distinct, "countries", set_of("countries", who, cleared_at), limits.countries
    yield Distinct, "unseen-asns", set_of("unseen-asns", who, cleared_at), limits.unseen_asns
    yield Distinct, "unseen-countries", set_of("unseen-countries", who, cleared_at), limits.unseen_countries


def _charges(lines: Sequence[_Line], rulebook: Rulebook) -> Iterator[Charge]:
    for kind, name, key, windows in lines:
        mode = rulebook.mode(name)
        if not windows or mode is Mode.OFF:
            continue
        is_enforced = mode is Mode.ENFORCE
        if kind is Sum:
            yield Sum(name, key, 0, windows, is_enforced)
        else:
            yield Distinct(name, key, (), windows, is_enforced)
