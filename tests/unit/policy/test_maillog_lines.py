"""Lines of a log: timestamps of every kind, years that nobody wrote down, the journal's exports."""

import io
import json
import struct
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from maillog.events import LogLine
from maillog.journal import read_document, read_entries
from maillog.syslog import Calendar, read_line

END = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


def moment(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


def read(line: str, year: int | None = None) -> LogLine | None:
    return read_line(line, Calendar(UTC, END, year))


TEXT = "4F2C1A: removed"
CASES = [
    # what it shows, line, moment, program
    ("RFC 3164", f"Nov  6 10:14:01 mail postfix/qmgr[1]: {TEXT}", moment(2026, 11, 6, 10, 14, 1), "postfix/qmgr"),
    ("postlogd", f"Nov 06 10:14:01 mail postfix/qmgr[1]: {TEXT}", moment(2026, 11, 6, 10, 14, 1), "postfix/qmgr"),
    ("with priority", f"<22>Nov  6 10:14:01 mail postfix/qmgr: {TEXT}", moment(2026, 11, 6, 10, 14, 1), "postfix/qmgr"),
    (
        "parts of a second",
        f"Nov  6 10:14:01.123 mail postfix/qmgr[1]: {TEXT}",
        moment(2026, 11, 6, 10, 14, 1),
        "postfix/qmgr",
    ),
    (
        "not yet this year",
        f"Dec 31 23:59:59 mail postfix/qmgr[1]: {TEXT}",
        moment(2025, 12, 31, 23, 59, 59),
        "postfix/qmgr",
    ),
    ("a leap day", f"Feb 29 00:00:00 mail postfix/qmgr[1]: {TEXT}", moment(2024, 2, 29), "postfix/qmgr"),
    (
        "RFC 3339",
        f"2026-11-06T10:14:01.25+01:00 mail postfix/qmgr[1]: {TEXT}",
        moment(2026, 11, 6, 9, 14, 1) + 0.25,
        "postfix/qmgr",
    ),
    (
        "UTC",
        f"2026-11-06T10:14:01Z mail postfix-out/submission/smtpd[1]: {TEXT}",
        moment(2026, 11, 6, 10, 14, 1),
        "postfix-out/submission/smtpd",
    ),
    (
        "without a zone",
        f"2026-11-06 10:14:01 mail postfix/qmgr[1]: {TEXT}",
        moment(2026, 11, 6, 10, 14, 1),
        "postfix/qmgr",
    ),
    (
        "RFC 5424",
        f"<22>1 2026-11-06T10:14:01Z mail postfix/qmgr 1 - - {TEXT}",
        moment(2026, 11, 6, 10, 14, 1),
        "postfix/qmgr",
    ),
    (
        "with elements",
        f'<22>1 2026-11-06T10:14:01Z mail postfix/qmgr 1 - [a b="\\]"] {TEXT}',
        moment(2026, 11, 6, 10, 14, 1),
        "postfix/qmgr",
    ),
]


@pytest.mark.parametrize(("line", "at", "program"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_line(line: str, at: float, program: str) -> None:
    assert read(line) == LogLine(at, "mail", program, TEXT)


NONE = [
    "", " ", "\0", "hello", "Nov  6 10:14", "Nov 31 10:14:01 mail postfix/qmgr[1]: x", "Foo  6 10:14:01 m p/q[1]: x",
    "Nov  6 25:14:01 mail postfix/qmgr[1]: x", "2026-13-06T10:14:01Z mail postfix/qmgr[1]: x", "Nov  6 10:14:01 mail",
    "9999-12-31T23:59:59-14:00 mail postfix/qmgr[1]: x", "0001-01-01T00:00:00+14:00 mail postfix/qmgr[1]: x",
]  # fmt: skip


@pytest.mark.parametrize("line", NONE)
def test_what_is_no_line(line: str) -> None:
    assert read(line) is None


def test_new_year() -> None:
    """December is followed by January, and a straggler of the old year stays in it."""
    calendar = Calendar(UTC, moment(2027, 1, 3))
    lines = ("Dec 31 23:59:58", "Jan  1 00:00:03", "Dec 31 23:59:59", "Jan  2 10:00:00")
    found = [read_line(f"{stamp} mail postfix/qmgr[1]: {TEXT}", calendar) for stamp in lines]
    assert [line.at if line else None for line in found] == [
        moment(2026, 12, 31, 23, 59, 58),
        moment(2027, 1, 1, 0, 0, 3),
        moment(2026, 12, 31, 23, 59, 59),
        moment(2027, 1, 2, 10),
    ]


def test_a_given_year_is_that_of_the_first_line() -> None:
    """And grows with each New Year, however many there are."""
    calendar = Calendar(UTC, END, 2019)
    years = []
    for stamp in ("Nov  6", "Feb  1", "Aug  1", "Jan  1"):
        line = read_line(f"{stamp} 10:00:00 mail postfix/qmgr[1]: {TEXT}", calendar)
        assert line
        years.append(datetime.fromtimestamp(line.at, UTC).year)
    assert years == [2019, 2020, 2020, 2021]


def test_the_hours_zone_is_the_logs() -> None:
    """With its summer time."""
    berlin = Calendar(ZoneInfo("Europe/Berlin"), END)
    found = [read_line(f"{day} 12:00:00 mail postfix/qmgr[1]: x", berlin) for day in ("Jul  1", "Nov  6")]
    assert [line.at if line else None for line in found] == [moment(2026, 7, 1, 10), moment(2026, 11, 6, 11)]


def entry(**fields: str | bytes) -> bytes:
    """As `journalctl -o export` writes one."""
    lines = []
    for name, value in fields.items():
        if isinstance(value, bytes):
            lines.append(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        else:
            lines.append(f"{name}={value}\n".encode())
    return b"".join(lines) + b"\n"


AT = "1793960041000000"


def exported(octets: bytes) -> list[LogLine | None]:
    stream = io.BytesIO(octets)
    return list(read_entries(stream.readline, stream.read))


def test_journal_export() -> None:
    """A value with a line end, or that is no UTF-8, comes with its length."""
    octets = entry(
        __CURSOR="s=1", __REALTIME_TIMESTAMP=AT, _HOSTNAME="mail", SYSLOG_IDENTIFIER="postfix/qmgr", MESSAGE=TEXT
    ) + entry(
        __REALTIME_TIMESTAMP=AT,
        _HOSTNAME="mail",
        OTHER=b"a\n\nb",
        SYSLOG_IDENTIFIER="postfix/smtp",
        MESSAGE=b"A: \xff\n",
    )
    assert exported(octets) == [
        LogLine(1793960041.0, "mail", "postfix/qmgr", TEXT),
        LogLine(1793960041.0, "mail", "postfix/smtp", "A: \\xff\n"),
    ]


@pytest.mark.parametrize(
    "octets",
    [
        entry(MESSAGE=TEXT),
        entry(__REALTIME_TIMESTAMP="soon", SYSLOG_IDENTIFIER="postfix/qmgr", MESSAGE=TEXT),
        entry(__REALTIME_TIMESTAMP=AT, SYSLOG_IDENTIFIER="postfix/qmgr"),
    ],
)
def test_an_entry_that_is_not_whole(octets: bytes) -> None:
    assert exported(octets) == [None]


def test_a_journal_that_breaks_off() -> None:
    """Anywhere, also within a length."""
    whole = entry(__REALTIME_TIMESTAMP=AT, SYSLOG_IDENTIFIER="postfix/qmgr", MESSAGE=b"A: removed")
    for end in range(len(whole)):
        exported(whole[:end])
    huge = b"MESSAGE\n" + struct.pack("<Q", 2**63) + b"x"
    assert exported(huge) == [None]


def test_journal_json() -> None:
    """A message that is no UTF-8 is an array of octets."""
    fields: dict[str, object] = {
        "__REALTIME_TIMESTAMP": AT,
        "_HOSTNAME": "mail",
        "SYSLOG_IDENTIFIER": "postfix/qmgr",
        "MESSAGE": TEXT,
    }
    assert read_document(json.dumps(fields)) == LogLine(1793960041.0, "mail", "postfix/qmgr", TEXT)
    line = read_document(json.dumps(fields | {"MESSAGE": [65, 255]}))
    assert line
    assert line.text == "A\\xff"
    for broken in ("", "{", "[]", "null", "[" * 100_000, '{"MESSAGE": [300]}', json.dumps(fields | {"MESSAGE": None})):
        assert read_document(broken) is None
