"""Limits, sizes, countries and networks in plain words: read, and written again.

    "50/hour"  "100/10 minutes"  ["200/hour", "500/day"]  "none"     how many in any span of so long
    "100 MB/day"                                                     octets; kB, MB, GB by 1000, KiB, MiB, GiB by 1024
    "DE"  "??"                                                       a country (ISO 3166-1 alpha-2), or an unknown one
    3320  "AS3320"                                                   an autonomous system

Every refusal says what to write instead.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final

from policy.countries import NoCountry, checked_country
from policy.engine.budget import Window
from policy.engine.rulebook import Windows
from policy.rulebook.wrong import Wrong
from service.sentence import Value

NO_LIMIT = "none"
MOST = 1_000_000_000  # of a limit
MOST_DIFFERENT = 100_000  # members of one set
MOST_BYTES = 10**15
LONGEST_S = 31 * 86400.0  # of a window: nothing older is kept
_ENDLESS = 253_370_764_800.0  # 9999-01-01
_SHOWN = 60
LAST_ASN = 2**32 - 1  # RFC 6793; 0 is nobody's, RFC 7607

_SPANS: Final[Mapping[str, float]] = {"week": 604800.0, "day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0}
_SIZES: Final[Mapping[str, int]] = {
    "GB": 10**9,
    "GiB": 2**30,
    "MB": 10**6,
    "MiB": 2**20,
    "kB": 10**3,
    "KiB": 2**10,
    "bytes": 1,
}
_PER = r"\s*/\s*(?:(?P<times>[1-9][0-9]{0,6}) +)?(?P<span>week|day|hour|minute|second)s?"
_LIMIT = re.compile(rf"(?P<number>[0-9]{{1,18}}){_PER}")
_SIZE = re.compile(rf"(?P<number>[0-9]{{1,18}}) ?(?P<unit>{'|'.join(_SIZES)}){_PER}")
_ASN = re.compile(r"AS([0-9]{1,10})")


class WordError(ValueError):
    """str(self) is the sentence: `"Germany" is no country; did you mean "DE"?`"""

    def __init__(self, given: object, wrong: Wrong, **values: Value) -> None:
        self.given, self.sentence = given, wrong.of(given=shown(given), **values)
        super().__init__(self.sentence)


def shown(given: object) -> str:
    """As TOML has it, and no longer than a line."""
    text = json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def limits(given: object) -> Windows:
    """One limit, several, or none; the shortest span first."""
    return _windows(given, _limit)


def counts(given: object) -> Windows:
    """The same of different things, each of which is kept for as long as the span."""
    windows = limits(given)
    if any(one.limit > MOST_DIFFERENT for one in windows):
        raise WordError(given, Wrong.TOO_MANY_DIFFERENT, most=MOST_DIFFERENT)
    return windows


def sizes(given: object) -> Windows:
    """The same of octets."""
    return _windows(given, _size)


def spell_limits(windows: Windows) -> str | list[str]:
    """As `limits` reads them."""
    return _spelled([f"{one.limit}/{_spell_span(one.seconds)}" for one in windows])


def spell_sizes(windows: Windows) -> str | list[str]:
    """As `sizes` reads them."""
    return _spelled([f"{_spell_size(one.limit)}/{_spell_span(one.seconds)}" for one in windows])


def country(given: object) -> str:
    """In capitals."""
    try:
        return checked_country(given)
    except NoCountry as error:
        if error.meant:
            raise WordError(given, Wrong.COUNTRY_BUT, meant=error.meant) from None
        raise WordError(given, Wrong.NO_COUNTRY if isinstance(given, str) else Wrong.COUNTRY_NO_TEXT) from None


def asn(given: object) -> int:
    """The number."""
    match = _ASN.fullmatch(given) if isinstance(given, str) else None
    number = int(match[1]) if match else given
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= LAST_ASN:
        raise WordError(given, Wrong.NO_SYSTEM)
    return number


def end_of(given: object) -> float:
    """The end of a day (UTC), or a moment; seconds since the epoch."""
    until = _ENDLESS
    if isinstance(given, datetime):
        until = (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    elif isinstance(given, date):
        until = datetime.combine(given, time(), UTC).timestamp() + _SPANS["day"]
    if not 0 <= until < _ENDLESS:
        raise WordError(given, Wrong.NO_DATE)
    return until


def spell_end(until: float) -> date | datetime:
    """As `end_of` reads it: the day where it is the end of one."""
    moment = datetime.fromtimestamp(until, UTC)
    return (moment - timedelta(days=1)).date() if moment.time() == time() else moment


def _windows(given: object, read: Callable[[object], Window]) -> Windows:
    if given == NO_LIMIT:
        return ()
    if isinstance(given, list) and not given:
        raise WordError(given, Wrong.EMPTY)
    several = given if isinstance(given, list) else [given]
    windows = sorted((read(one) for one in several), key=lambda window: window.seconds)
    for shorter, longer in pairwise(windows):
        if shorter.seconds == longer.seconds:
            raise WordError(given, Wrong.SAME_SPAN, span=shorter.seconds)
        if shorter.limit > longer.limit:
            raise WordError(given, Wrong.LESS_IN_LONGER, shorter=shorter.seconds, longer=longer.seconds)
    return tuple(windows)


def _limit(given: object) -> Window:
    match = _LIMIT.fullmatch(given.strip()) if isinstance(given, str) else None
    if not match:
        raise WordError(given, Wrong.NO_LIMIT)
    number = int(match["number"])
    if number > MOST:
        raise WordError(given, Wrong.TOO_LARGE, most=MOST)
    return Window(number, _seconds(match))


def _size(given: object) -> Window:
    match = _SIZE.fullmatch(given.strip()) if isinstance(given, str) else None
    if not match:
        raise WordError(given, Wrong.NO_SIZE)
    number = int(match["number"]) * _SIZES[match["unit"]]
    if number > MOST_BYTES:
        raise WordError(given, Wrong.TOO_LARGE, most="1000000 GB")
    return Window(number, _seconds(match))


def _seconds(match: re.Match[str]) -> float:
    seconds = int(match["times"] or 1) * _SPANS[match["span"]]
    if seconds > LONGEST_S:
        raise WordError(match[0], Wrong.TOO_LONG)
    return seconds


def _spell_span(seconds: float) -> str:
    for name, length in _SPANS.items():
        if seconds % length == 0 and name != "week":
            times = int(seconds // length)
            return name if times == 1 else f"{times} {name}s"
    raise ValueError(f"{seconds} s is no whole number of seconds")


def _spell_size(octets: int) -> str:
    for unit, size in sorted(_SIZES.items(), key=lambda one: -one[1]):
        if octets % size == 0 and octets:
            return f"{octets // size} {unit}"
    return "0 bytes"


def _spelled(several: Sequence[str]) -> str | list[str]:
    if not several:
        return NO_LIMIT
    return several[0] if len(several) == 1 else list(several)
