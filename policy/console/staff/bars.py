"""Budgets as bars: where each stands against its limit, in the numbers in which people think."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policy.console.language import Language
from policy.engine.charges import QUARTERS
from policy.engine.suspicion import Stood
from service.spans import DAY_S, HOUR_S, MINUTE_S

_APART = ("strange-", "elsewhere-")
_CREDENTIAL = "credential:"
_BYTES = ("bytes", "held-bytes")


@dataclass(frozen=True, slots=True)
class Bar:
    """One window of one budget. `share` of the limit is at most 1; `device` is empty where it is of all devices."""

    rule: str
    device: str
    is_strange: bool  # what is counted apart: from elsewhere than home, or held or refused there
    span: str
    before: str
    after: str
    limit: str
    share: float
    is_over: bool
    is_enforced: bool


def bars(stood: Iterable[Stood], language: Language, devices: Mapping[int, str] | None = None) -> list[Bar]:
    """In their order. `devices` are the labels of credentials, by their rows."""
    return [_bar(one, language, devices or {}) for one in stood]


def _bar(one: Stood, language: Language, devices: Mapping[int, str]) -> Bar:
    # A limit of nothing is met by anything.
    share = min(one.after / one.limit, 1.0) if one.limit else float(one.after > 0)
    before, after, limit = (_amount(one.rule, number, language) for number in (one.before, one.after, one.limit))
    return Bar(
        rule=one.rule,
        device=_device(one.key, devices),
        is_strange=one.key.startswith(_APART),
        span=span_in_words(one.seconds, language),
        before=before,
        after=after,
        limit=limit,
        share=math.ceil(share * 1000) / 1000,  # what is used is never nothing
        is_over=one.is_over,
        is_enforced=one.is_enforced,
    )


def _device(key: str, devices: Mapping[int, str]) -> str:
    _, found, number = key.partition(_CREDENTIAL)
    return devices.get(int(number), number) if found and number.isdigit() else ""


def _amount(rule: str, number: int, language: Language) -> str:
    if rule in _BYTES:
        return language.octets(number)
    return language.decimal(number / QUARTERS) if rule == "messages" else str(number)


def span_in_words(seconds: float, language: Language) -> str:
    """`in a day`, `in 2 hours`."""
    say = language.say
    if seconds >= DAY_S:
        return say("in a day") if seconds == DAY_S else say("in %(number)s days", number=f"{seconds / DAY_S:g}")
    if seconds >= HOUR_S:
        return say("in an hour") if seconds == HOUR_S else say("in %(number)s hours", number=f"{seconds / HOUR_S:g}")
    if seconds >= MINUTE_S:
        return say("in %(number)s minutes", number=f"{seconds / MINUTE_S:g}")
    return say("in %(number)s seconds", number=f"{seconds:g}")
