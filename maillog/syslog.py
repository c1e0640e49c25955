"""A line of a maillog. Pure; the clock turns what it says into a moment.

    Nov  6 10:14:01 mail postfix/smtpd[123]: ...                      RFC 3164, and what postlogd writes
    2026-11-06T10:14:01.123456+01:00 mail postfix/smtpd[123]: ...     RFC 3339
    <22>1 2026-11-06T10:14:01Z mail postfix/smtpd 123 - - ...         RFC 5424

RFC 3164 has no year and no time zone. The year is that of the log's end for its first line, or the one before if the
line would lie in the future otherwise; it grows where December is followed by January.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from maillog.events import LogLine

_TRADITIONAL = re.compile(
    r"(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d):(\d\d)(?:\.\d+)? (\S+) ([^\s\[:]+)(?:\[\d+\])?: (.*)", re.DOTALL
)
_DATED = re.compile(
    r"(?:<\d{1,3}>)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*) (\S+) ([^\s\[:]+)(?:\[\d+\])?: (.*)", re.DOTALL
)
_STRUCTURED = re.compile(r"<\d{1,3}>1 (\S+) (\S+) (\S+) \S+ \S+ (?:-|\[(?:[^\\\]]|\\.)*\]) ?(?:\ufeff)?(.*)", re.DOTALL)
_REPEATED = re.compile(
    r"(?:<\d{1,3}>)?(?:([A-Z][a-z]{2} [ \d]\d \d\d:\d\d):(\d\d)(?:\.\d+)?|(\d{4}-\d\d-\d\d[T ]\S+)) (\S+) "
    r"(last message repeated \d+ times?)"
)
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_HALF_A_YEAR_S = 183 * 86400.0
_SLACK = timedelta(days=1)  # a clock that is wrong, a zone that is another one
LATEST = 2.0**32  # of a moment, in 2106: nothing that is told of a log may fail over it
_LEAP_YEARS = 9  # 29 February comes at least once in so many years


class Calendar:
    """Moments of a log that says neither year nor zone. Lines come in their order; `year` is that of the first one.

    Where `zone` is None it is this host's, with its summer time.
    """

    def __init__(self, zone: tzinfo | None, end: float, year: int | None = None) -> None:
        self._zone = zone
        self._end = datetime.fromtimestamp(end, UTC) + _SLACK
        self._year = year
        self._newest: float | None = None
        self._minute = ""
        self._minute_at: float | None = None

    def moment(self, minute: str, second: str) -> float | None:
        """Of `Nov  6 10:14` and `01`; None where there is no such day."""
        if minute != self._minute:
            self._minute, self._minute_at = minute, self._start_of(minute)
        return None if self._minute_at is None else self._minute_at + int(second)

    def dated(self, text: str) -> float | None:
        """Of RFC 3339, or of the same without a zone."""
        try:
            given = datetime.fromisoformat(text)
            return (given if given.tzinfo else given.replace(tzinfo=self._zone)).timestamp()
        except (ValueError, OverflowError):
            return None

    def _start_of(self, minute: str) -> float | None:
        month = _MONTHS.get(minute[:3])
        if month is None:
            return None
        day, hour, minutes = int(minute[4:6]), int(minute[7:9]), int(minute[10:12])
        if self._year is None:
            self._year = self._first_year(month, day, hour, minutes)
        at = self._at(self._year, month, day, hour, minutes)
        if at is None or self._newest is None:
            self._newest = at
            return at
        if at < self._newest - _HALF_A_YEAR_S:  # New Year
            self._year += 1
            at = self._at(self._year, month, day, hour, minutes) or at
        elif at > self._newest + _HALF_A_YEAR_S:  # a straggler of the old year
            return self._at(self._year - 1, month, day, hour, minutes)
        self._newest = max(self._newest, at)
        return at

    def _first_year(self, month: int, day: int, hour: int, minute: int) -> int:
        """The newest one in which this was not after the end of the log."""
        for year in range(self._end.year, self._end.year - _LEAP_YEARS, -1):
            at = self._at(year, month, day, hour, minute)
            if at is not None and at <= self._end.timestamp():
                return year
        return self._end.year

    def _at(self, year: int, month: int, day: int, hour: int, minute: int) -> float | None:
        try:
            return datetime(year, month, day, hour, minute, tzinfo=self._zone).timestamp()
        except (ValueError, OverflowError):
            return None


def read_line(line: str, calendar: Calendar) -> LogLine | None:
    """None for what is no line of a log."""
    if found := _TRADITIONAL.match(line):
        minute, second, host, program, text = found.groups()
        at = calendar.moment(minute, second)
    elif found := _DATED.match(line) or _STRUCTURED.match(line):
        stamp, host, program, text = found.groups()
        at = calendar.dated(stamp)
    elif found := _REPEATED.match(line):
        minute, second, stamp, host, text = found.groups()
        program, at = "", calendar.dated(stamp) if stamp else calendar.moment(minute, second)
    else:
        return None
    return LogLine(at, host, program, text) if at is not None and 0 <= at < LATEST else None
