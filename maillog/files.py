"""Logs as files, packed or not. With packed.py the only I/O of this package.

    log = Log([Path("/var/log/mail.log.1"), Path("/var/log/mail.log")], Reading(now=now))
    for told in log.told(): ...        # LoggedMessage, LoggedDelivery, Refused, LoginFailed

Several files are read in the order of time, whatever their order here: a line of each is in memory, and no more.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from operator import itemgetter
from pathlib import Path

from maillog.events import LogLine, Told
from maillog.joining import PATIENCE_S, join
from maillog.journal import read_document, read_entries
from maillog.packed import BROKEN, STANDARD_INPUT, LogUnreadable, PackedFile
from maillog.syslog import Calendar, read_line
from maillog.wording import read_events

__all__ = ["LINE_LIMIT", "STANDARD_INPUT", "Log", "LogUnreadable", "Reading"]

LINE_LIMIT = 16_384  # octets; Postfix writes no more than two thousand, a journal's document has some more around them
_LOOKED_AT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a log may not say itself: the year of its first line, and whose clock it was."""

    now: float
    year: int | None = None
    zone: tzinfo | None = None  # None: this host's
    patience_s: float = PATIENCE_S


class Log:
    """One pass over some files. The counts are those of now."""

    def __init__(self, paths: Sequence[Path], reading: Reading) -> None:
        """LogUnreadable where one of `paths` cannot be opened."""
        self._reading = reading
        self._files: list[_Opened] = []
        try:
            for path in paths:
                self._files.append(_Opened(path, reading))
        except LogUnreadable:
            self.close()
            raise

    def close(self) -> None:
        """Needed only where it was not read to its end."""
        for one in self._files:
            one.file.close()

    @property
    def lines(self) -> int:
        return sum(one.lines for one in self._files)

    @property
    def unreadable(self) -> int:
        """Lines that are none of a log, or not whole."""
        return sum(one.unreadable for one in self._files)

    @property
    def broken(self) -> list[str]:
        """A sentence for each file that could not be read to its end."""
        return [one.broken for one in self._files if one.broken]

    @property
    def octets_read(self) -> int:
        """Of the files as they are, packed or not."""
        return sum(one.file.octets_read for one in self._files)

    @property
    def octets(self) -> int | None:
        """How many there are; None where nobody knows."""
        sizes = [one.file.octets for one in self._files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def read(self) -> Iterator[LogLine]:
        """All lines in the order of time."""
        if len(self._files) == 1:
            return self._files[0].read()
        return heapq.merge(*(one.read() for one in self._files), key=itemgetter(0))

    def told(self) -> Iterator[Told]:
        """Messages and what became of them."""
        return join(read_events(self.read()), self._reading.patience_s)


class _Opened:
    """One file."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self.lines = 0
        self.unreadable = 0
        self.broken = ""
        self.file = PackedFile(path)
        self._stream = self.file.stream
        # A file that was copied or unpacked is younger than what is in it, never older.
        end = min(self.file.changed_at or reading.now, reading.now)
        self._calendar = Calendar(reading.zone, end, reading.year)

    def read(self) -> Iterator[LogLine]:
        """A file that breaks off ends there: what was in it before is as good as any other."""
        try:
            with self.file:
                yield from self._lines()
        except BROKEN as error:
            self.broken = f"{self.file.path} is broken behind line {self.lines:,}: {error}"

    def _lines(self) -> Iterator[LogLine]:
        head = self._stream.peek(_LOOKED_AT)[:_LOOKED_AT].lstrip()
        if head.startswith(b"__") and b"=" in head.partition(b"\n")[0]:
            found = read_entries(lambda: self._stream.readline(LINE_LIMIT), self._stream.read)
        elif head.startswith(b"{"):
            found = map(read_document, self._texts())
        else:
            calendar = self._calendar
            found = (read_line(text, calendar) for text in self._texts())
        for line in found:
            self.lines += 1
            if line is None:
                self.unreadable += 1
            else:
                yield line

    def _texts(self) -> Iterator[str]:
        """What is no UTF-8 is shown with backslashes: nothing is lost, and nothing becomes equal to something else."""
        readline = self._stream.readline
        while octets := readline(LINE_LIMIT):
            yield octets.decode("utf-8", "backslashreplace").rstrip("\r\n")
