"""What a message or a login costs: one function for each group of budgets. judging.py decides what follows from them.

Recipients are counted, not messages: one message to 500 people is 500 chances to hurt. Every RCPT counts, the same
recipient twice as well, so that no spelling and no repetition is cheaper than another. A budget belongs to the
identity, so a second device is no second budget; the credential has one of its own beside it where the policy says so.
Of what all its networks share, and of what all identities share, an eighth is left for home: whoever spends the rest
from elsewhere silences nobody there.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from policy.contract import Action, Reason
from policy.engine.budget import Charge, Distinct, Sum, Window
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.rulebook import Limits, Mode, Rulebook, Windows
from service.spans import DAY_S

QUARTERS = 4  # a message costs four quarters of one, an attempt that was refused one
_STRANGE, _ELSEWHERE = "strange-", "elsewhere-"
ELSEWHERE_RECIPIENTS = f"{_ELSEWHERE}recipients:"
_KEPT_FOR_HOME = 8  # an eighth of each window
REFUSALS_KEPT = (Window(1000, DAY_S),)  # of one identity, in the store; beyond these they are in the log alone

# What follows where a budget has no room. The first of these groups decides.
SPREAD = ("networks", "many-networks", "asns", "countries", "unseen-asns", "unseen-countries")
RATES = ("messages", "recipients", "bytes", "credential-recipients")
PROBATION = ("probation-new-recipients", "probation-recipients")  # a signal, also where the server has no room
SERVER = ("domain-recipients", "host-new-recipients")
NEW = ("new-recipients",)
HOLDING = ("held-messages", "held-bytes")


def message_charges(
    profile: Profile, accepted: Sequence[Recipient], message_bytes: int, rulebook: Rulebook
) -> list[Charge]:
    """What a message to these recipients costs; nothing of it where there are none, but that it is a message."""
    limits = rulebook.limits_of(profile.kind, profile.identity)
    number, new = len(accepted), new_marks(accepted)
    charged = list[Charge]()
    is_elsewhere = profile.place.is_elsewhere
    for one in (
        *_shared_charges(profile, number, new, message_bytes, limits, rulebook),
        *_server_charges(profile, number, new, rulebook),
        *_device_charges(profile, number, limits, rulebook),
    ):
        charged.append(one)
        if is_elsewhere and not one.key.startswith(_STRANGE):
            charged.append(elsewhere(one))
    if not accepted:
        return charged
    if profile.place.is_settled:
        return charged
    who = profile.identity
    charged += _sum("probation-recipients", f"probation:{who}", number, limits.probation_recipients, rulebook)
    if new:
        most = limits.probation_new_recipients
        charged += _distinct("probation-new-recipients", f"probation-new:{who}", new, most, rulebook)
    return charged


def _shared_charges(
    profile: Profile, number: int, new: tuple[int, ...], message_bytes: int, limits: Limits, rulebook: Rulebook
) -> Iterator[Charge]:
    """On what the identity has for all its networks, but for what strange ones have of their own."""
    messages = _apart("messages", profile, is_accepted=bool(number))
    yield from _sum("messages", messages, QUARTERS, in_quarters(limits.messages), rulebook)
    if not number:
        return
    who = profile.identity
    yield from _sum("recipients", f"recipients:{who}", number, limits.recipients, rulebook)
    yield from _sum("bytes", _apart("bytes", profile, is_accepted=True), message_bytes, limits.message_bytes, rulebook)
    if new:
        yield from _distinct("new-recipients", f"new:{who}", new, limits.new_recipients, rulebook)


def _server_charges(profile: Profile, number: int, new: tuple[int, ...], rulebook: Rulebook) -> Iterator[Charge]:
    """On what all of a domain, or of the server, have together."""
    if profile.domain and number:
        most = _domain_window(profile, rulebook)
        yield from _sum("domain-recipients", f"domain:{profile.domain}", number, most, rulebook)
    if new:
        yield from _sum("host-new-recipients", "host-new", len(new), rulebook.host_new_recipients, rulebook)


def _device_charges(profile: Profile, number: int, limits: Limits, rulebook: Rulebook) -> tuple[Sum, ...]:
    """On what one device has beside the others, where the policy says so."""
    if not (profile.credential and number):
        return ()
    key = f"credential:{profile.credential}"
    return _sum("credential-recipients", key, number, limits.credential_recipients, rulebook)


def elsewhere(charge: Charge) -> Charge:
    """The same once more, with the limits of all networks together that are not home.

    One message that is larger than these goes where nothing else went: it would never fit.
    """
    key, windows = f"{_ELSEWHERE}{charge.key}", but_for_home(charge.windows)
    if not isinstance(charge, Sum):
        return Distinct(charge.name, key, charge.members, windows, charge.is_enforced)
    cost = charge.cost
    if any(cost > window.limit for window in windows):
        windows = tuple(
            [
                Window(max(less, min(cost, most)), s)
                for (most, s), (less, _) in zip(charge.windows, windows, strict=True)
            ]
        )
    return Sum(charge.name, key, cost, windows, charge.is_enforced)


def holding_charges(profile: Profile, message_bytes: int, rulebook: Rulebook) -> Iterator[Charge]:
    """What is held costs room for a day."""
    limits = rulebook.limits_of(profile.kind, profile.identity)
    yield from _sum("held-messages", _apart("held", profile), 1, limits.held_messages, rulebook)
    yield from _sum("held-bytes", _apart("held-bytes", profile), message_bytes, limits.held_bytes, rulebook)


def spread_charges(
    identity: str, place: Place, limits: Limits, rulebook: Rulebook, cleared_at: float = 0.0
) -> Iterator[Distinct]:
    """The network, for as long as it is on probation. An area that is settled is one source with all that it has.

    A published pool is one source, in however many countries it has its machines, and so is a carrier.
    """
    if place.is_settled:
        return
    origin = place.origin
    whole = origin.source if origin.pool or origin.is_mobile else ""
    source, country = (mark_of(origin.source),), (mark_of(whole or origin.country),)
    yield from _distinct("networks", set_of("networks", identity, cleared_at), source, limits.networks, rulebook)
    # A set of its own: its members are those of a shorter time.
    yield from _distinct(
        "many-networks", set_of("many-networks", identity, cleared_at), source, limits.many_networks, rulebook
    )
    area = (mark_of(whole or origin.area),)
    asn = (origin.asn,) if origin.asn and not origin.pool else area
    yield from _distinct("asns", set_of("asns", identity, cleared_at), asn, limits.asns, rulebook)
    yield from _distinct("countries", set_of("countries", identity, cleared_at), country, limits.countries, rulebook)
    if place.is_unseen_area:
        yield from _distinct(
            "unseen-asns", set_of("unseen-asns", identity, cleared_at), area, limits.unseen_asns, rulebook
        )
    if place.is_unseen_country:
        most = limits.unseen_countries
        yield from _distinct(
            "unseen-countries", set_of("unseen-countries", identity, cleared_at), country, most, rulebook
        )


def set_of(name: str, identity: str, cleared_at: float) -> str:
    """The key of a set of strange places.

    It begins anew when somebody has said that what it led to was nothing, or the next strange network would be one too
    many again. What may be sent from all of them is counted on.
    """
    return f"{name}-{cleared_at:.3f}:{identity}" if cleared_at else f"{name}:{identity}"


def link_charges(profile: Profile, accepted: Sequence[Recipient], rulebook: Rulebook, now: float) -> Iterator[Distinct]:
    """Who writes to new recipients from a strange network, in the set of that network.

    Behind a carrier's, or a provider's pool, stand thousands who have nothing to do with each other. And whoever was
    just cleared is not linked again, or held with his next message: for as long as a network takes to be settled.
    """
    origin = profile.place.origin
    if profile.cleared_at and now - profile.cleared_at < rulebook.settled_after_days * DAY_S:
        return
    if profile.place.is_settled or origin.is_mobile or origin.pool or not new_marks(accepted):
        return
    visitors = f"visitors:{origin.network}"
    windows = (Window(rulebook.linked_identities - 1, DAY_S),)
    yield from _distinct("linked", visitors, (mark_of(profile.identity),), windows, rulebook)


def attempt_charges(profile: Profile, rulebook: Rulebook, *, is_put_off: bool = False) -> tuple[Charge, ...]:
    """What is refused costs a row in the store, and a quarter of a message, or to ask would be free.

    Not enforced: the row has the limit. Who is put off at home pays nothing for coming again, or a program that tries
    all of its outbox every few minutes would spend on that what it waits for.
    """
    limits = rulebook.limits_of(profile.kind, profile.identity)
    refusal = Sum("refusals", _apart("refusals", profile), 1, REFUSALS_KEPT)
    windows = in_quarters(limits.messages)
    if not windows or (is_put_off and profile.place.is_home):
        return (refusal,)
    return (refusal, Sum("messages", _apart("messages", profile), 1, windows, is_enforced=False))


def _apart(budget: str, profile: Profile, *, is_accepted: bool = False) -> str:
    """Of one identity two budgets: what is held or refused elsewhere is counted apart, as is all from strange networks.

    Or a thief could spend the owner's at home.
    """
    is_own = profile.place.is_home or (is_accepted and profile.place.is_settled)
    return f"{budget}:{profile.identity}" if is_own else f"{_STRANGE}{budget}:{profile.identity}"


def new_marks(recipients: Sequence[Recipient]) -> tuple[int, ...]:
    """Of those that are new, each once."""
    return tuple(dict.fromkeys([one.mark for one in recipients if one.is_new]))


@cache
def but_for_home(windows: Windows) -> Windows:
    """What of them may be spent elsewhere."""
    return tuple(Window(window.limit - window.limit // _KEPT_FOR_HOME, window.seconds) for window in windows)


@cache
def in_quarters(windows: Windows) -> Windows:
    return tuple(Window(window.limit * QUARTERS, window.seconds) for window in windows)


@lru_cache(maxsize=4096)
def mark_of(text: str) -> int:
    """The member that stands for a network, an area, a country or an identity: nothing that would need a key."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def refusal_for(charge: Sum) -> tuple[Action, Reason]:
    """How a rate without room is refused.

    A cost above the limit itself would never fit: it is rejected, or the client would try again for ever.
    """
    if any(charge.cost > window.limit for window in charge.windows):
        return Action.REJECT, Reason.BUDGET_TOO_SMALL
    return Action.DEFER, Reason.BUDGET_SPENT


def _domain_window(profile: Profile, rulebook: Rulebook) -> Windows:
    """Sub-linear in the users, or a large domain's would be no limit."""
    most = rulebook.domain_recipients_per_user * 20 * math.sqrt(max(profile.domain_users, 1))
    return (Window(max(int(most), rulebook.domain_recipients_least), DAY_S),)


def _sum(name: str, key: str, cost: int, windows: Windows, rulebook: Rulebook) -> tuple[Sum, ...]:
    """None where the policy has no such limit, or not that rule."""
    mode = rulebook.mode(name)
    return (Sum(name, key, cost, windows, mode is Mode.ENFORCE),) if windows and mode is not Mode.OFF else ()


def _distinct(
    name: str, key: str, members: tuple[int, ...], windows: Windows, rulebook: Rulebook
) -> tuple[Distinct, ...]:
    mode = rulebook.mode(name)
    return (Distinct(name, key, members, windows, mode is Mode.ENFORCE),) if windows and mode is not Mode.OFF else ()
