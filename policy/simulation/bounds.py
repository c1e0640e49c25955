"""The most that a policy's windows let anybody reach in any span, whatever he does: arithmetic, no search.

At most `limit` in any half-open span of `seconds` is at most limit x ceil(S / seconds) in any span of S seconds; of all
windows that hold, the smallest of these. Rules that are only observed bound nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from policy.engine.budget import Window
from policy.engine.charges import but_for_home
from policy.engine.rulebook import Limits, Mode, Rulebook, Windows


class From(StrEnum):
    """From where a thief goes about it."""

    STRANGE = "networks the owner never used"
    PATIENT = "a network he used quietly for some days first"
    PROVIDER = "other networks of the owner's provider"
    HOME = "a network he used quietly until it was home"
    OWN = "the owner's own network"


class Whom(StrEnum):
    """Which recipients are counted."""

    NEW = "new recipients"
    ALL = "all recipients"


@dataclass(frozen=True, slots=True)
class Bound:
    """`most` is None where no window bounds it. `rule` is the one that does."""

    most: int | None
    rule: str


def bound(rulebook: Rulebook, kind: str, start: From, whom: Whom, seconds: float) -> Bound:
    """In any span of `seconds`, for one identity of this profile."""
    limits = rulebook.limits_of(kind)
    found = [
        (window.limit * math.ceil(seconds / window.seconds), rule)
        for rule, windows in _windows(limits, rulebook, start, whom)
        if rulebook.mode(rule) is Mode.ENFORCE
        for window in windows
    ]
    return Bound(*min(found)) if found else Bound(None, "")


def spendable(windows: Windows, start: From) -> Windows:
    """What of the windows that all networks share can be spent from there."""
    return windows if start in {From.OWN, From.HOME} else but_for_home(windows)


def _in_one_message(whole: Windows, spendable_ones: Windows, limits: Limits) -> Windows:
    """One message that is larger than what may be spent elsewhere goes where nothing else went (charges.elsewhere)."""
    largest = limits.recipients_per_message
    return tuple(
        Window(max(less, min(largest, most)), seconds)
        for (most, seconds), (less, _) in zip(whole, spendable_ones, strict=True)
    )


def _windows(limits: Limits, rulebook: Rulebook, start: From, whom: Whom) -> Iterable[tuple[str, Windows]]:
    """By the names of their rules. What a message is made of bounds new recipients as well."""
    yield "recipients", _in_one_message(limits.recipients, spendable(limits.recipients, start), limits)
    of_device = limits.credential_recipients
    yield "credential-recipients", _in_one_message(of_device, spendable(of_device, start), limits)
    if whom is Whom.NEW:
        yield "new-recipients", spendable(limits.new_recipients, start)
        of_all = rulebook.host_new_recipients
        yield "host-new-recipients", _in_one_message(of_all, spendable(of_all, start), limits)
    if start is From.STRANGE:
        yield "probation-recipients", limits.probation_recipients
        if whom is Whom.NEW:
            yield "probation-new-recipients", limits.probation_new_recipients
