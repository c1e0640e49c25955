"""From when to when some files are, without reading all of them: what a plain file ends with is read at its end.

A packed file is unpacked for it, which takes a fraction of the time of reading it as a log. Standard input cannot be
read twice.
"""

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from maillog.events import LogLine
from maillog.files import LINE_LIMIT, Reading
from maillog.journal import read_document, read_entries
from maillog.packed import BROKEN, STANDARD_INPUT, PackedFile
from maillog.syslog import Calendar, read_line

_END = 1 << 16  # octets that are looked at
_CHUNK = 1 << 20

Read = Callable[[bytes], Iterator[LogLine | None]]


def span_of(paths: Sequence[Path], reading: Reading) -> tuple[float, float] | None:
    """The first moment and the last one; None where nobody can know, or where no line is one of a log."""
    if STANDARD_INPUT in paths:
        return None
    spans = [found for path in paths if (found := _span_of(path, reading))]
    return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None


def _span_of(path: Path, reading: Reading) -> tuple[float, float] | None:
    head, end, changed_at = _ends(path)
    latest = min(changed_at or reading.now, reading.now)
    first = next(_lines(head, Calendar(reading.zone, latest, reading.year)), None)
    if first is None:
        return None
    # Where the year of the beginning is given, the end is in that year or in one behind it.
    years = [reading.year] if reading.year is None else range(reading.year, reading.year + 3)
    for year in years:
        lasts = [line.at for line in _lines(end, Calendar(reading.zone, latest, year))]
        if lasts and lasts[-1] >= first.at:
            return first.at, lasts[-1]
    return first.at, first.at


def _ends(path: Path) -> tuple[bytes, bytes, float | None]:
    """The beginning and the end of what is in a file."""
    file, head, end = PackedFile(path), b"", b""
    with file as stream, contextlib.suppress(*BROKEN):  # what is broken ends there
        head = end = stream.read1(_END)
        if not file.is_packed:
            stream.seek(max((file.octets or 0) - _END, 0), os.SEEK_SET)
        while chunk := stream.read1(_CHUNK):
            end = (end + chunk)[-_END:]
    return head, end, file.changed_at


def _lines(octets: bytes, calendar: Calendar) -> Iterator[LogLine]:
    """Those that are whole: a piece of a file may begin within one."""
    if octets.lstrip().startswith(b"{") or b"\n{" in octets:
        found: Iterator[LogLine | None] = map(read_document, _texts(octets))
    elif b"__REALTIME_TIMESTAMP=" in octets:
        stream = io.BytesIO(octets)
        found = read_entries(lambda: stream.readline(LINE_LIMIT), stream.read)
    else:
        found = (read_line(text, calendar) for text in _texts(octets))
    yield from (line for line in found if line is not None)


def _texts(octets: bytes) -> Iterator[str]:
    return (line.decode("utf-8", "backslashreplace").rstrip("\r\n") for line in io.BytesIO(octets))
