"""A file that may be packed: gzip, bzip2 or xz, by what is in it and not by its name; `-` is standard input."""

import bz2
import gzip
import io
import lzma
import sys
from pathlib import Path
from typing import BinaryIO, cast

STANDARD_INPUT = Path("-")
BROKEN = (EOFError, OSError, lzma.LZMAError)  # what reading raises; gzip.BadGzipFile is an OSError

_BUFFER = 1 << 20
_OPENERS = {b"\x1f\x8b": gzip.GzipFile, b"BZ": bz2.BZ2File, b"\xfd7": lzma.LZMAFile}


class LogUnreadable(Exception):
    """A file that is not there, or broken. str() is for people."""


class PackedFile:
    """Opened for reading. `octets` is its size as it lies there; None where nobody knows."""

    def __init__(self, path: Path) -> None:
        """LogUnreadable where it cannot be opened."""
        self.path = path
        try:
            self._raw: BinaryIO = sys.stdin.buffer if path == STANDARD_INPUT else path.open("rb")
            status = None if path == STANDARD_INPUT else path.stat()
            self._buffered: io.BufferedReader = io.BufferedReader(cast("io.RawIOBase", self._raw), _BUFFER)
            self.stream = _unpacked(self._buffered)
        except BROKEN as error:
            raise LogUnreadable(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        self.is_packed = self.stream is not self._buffered
        self.octets = status.st_size if status else None
        self.changed_at = status.st_mtime if status else None

    @property
    def octets_read(self) -> int:
        """Of `octets`."""
        try:
            return self._raw.tell()
        except (OSError, ValueError):  # a pipe; or closed
            return self.octets or 0


def _unpacked(buffered: io.BufferedReader) -> io.BufferedReader:
    opener = _OPENERS.get(buffered.peek(2)[:2])
    if opener is None:
        return buffered
    return io.BufferedReader(cast("io.RawIOBase", opener(buffered)), _BUFFER)
