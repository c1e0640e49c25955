"""What journalctl exports: `-o json`, a document a line, and `-o export`. Pure.

https://systemd.io/JOURNAL_EXPORT_FORMATS/: an entry of the export format is a field a line and ends with an empty one;
a value that is not plain text has its length, eight octets, and is followed by a line end.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping

from maillog.events import LogLine
from maillog.syslog import LATEST

_WANTED = ("__REALTIME_TIMESTAMP", "_HOSTNAME", "SYSLOG_IDENTIFIER", "MESSAGE")
_MICROSECONDS = 1e6
_LONGEST_VALUE = 1 << 20
_LENGTH = struct.Struct("<Q")

Fields = Mapping[str, object]
ReadLine = Callable[[], bytes]  # the next line with its end, or a long piece of it; empty at the end
ReadOctets = Callable[[int], bytes]


def read_document(line: str) -> LogLine | None:
    """One line of `-o json`."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return _line_of(fields) if isinstance(fields, dict) else None


def read_entries(read_line: ReadLine, read_octets: ReadOctets) -> Iterator[LogLine | None]:
    """All of `-o export`; None for an entry that is not whole."""
    fields = dict[str, object]()
    while line := read_line():
        name, equals, value = line.rstrip(b"\n").partition(b"=")
        if equals:
            _keep(fields, name, value)
        elif name:
            _keep(fields, name, _binary(read_line, read_octets))
        elif fields:
            yield _line_of(fields)
            fields = {}
    if fields:
        yield _line_of(fields)


def _keep(fields: dict[str, object], name: bytes, value: bytes) -> None:
    text = name.decode("ascii", "replace")
    if text in _WANTED:
        fields[text] = value.decode("utf-8", "backslashreplace")


def _binary(read_line: ReadLine, read_octets: ReadOctets) -> bytes:
    """A value with its length; what is longer than any of ours is skipped."""
    head = read_octets(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return b""
    left: int = _LENGTH.unpack(head)[0]
    value = read_octets(min(left, _LONGEST_VALUE))
    left -= len(value)
    while left > 0 and (skipped := read_octets(min(left, _LONGEST_VALUE))):
        left -= len(skipped)
    read_line()
    return value


def _line_of(fields: Fields) -> LogLine | None:
    stamp, program = fields.get("__REALTIME_TIMESTAMP"), fields.get("SYSLOG_IDENTIFIER")
    text = _text(fields.get("MESSAGE"))
    if not isinstance(program, str) or text is None:
        return None
    try:
        at = int(str(stamp)) / _MICROSECONDS
    except (ValueError, OverflowError):
        return None
    if not 0 <= at < LATEST:
        return None
    host = fields.get("_HOSTNAME")
    return LogLine(at, host if isinstance(host, str) else "", program, text)


def _text(message: object) -> str | None:
    """JSON has octets as an array of numbers where they are no UTF-8."""
    if isinstance(message, str):
        return message
    if isinstance(message, list):
        try:
            return bytes(message).decode("utf-8", "backslashreplace")
        except (ValueError, TypeError):
            return None
    return None
