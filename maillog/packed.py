"""A file that may be packed: gzip, bzip2 or xz, by what is in it and not by its name; `-` is standard input."""

import bz2
import gzip
import io
import lzma
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, cast

STANDARD_INPUT = Path("-")
BROKEN = (EOFError, OSError, lzma.LZMAError)  # what reading raises; gzip.BadGzipFile is an OSError

_BUFFER = 1 << 20
_LOOKED_AT = 8
_OPENERS: Mapping[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


class LogUnreadable(Exception):
    """A file that is not there, or broken. str() is for people."""


class PackedFile:
    """Opened for reading; a context manager that closes it. `octets` is its size as it lies there; None: unknown."""

    def __init__(self, path: Path) -> None:
        """LogUnreadable where it cannot be opened."""
        self.path = path
        self.octets: int | None = None
        self.changed_at: float | None = None
        self._raw: BinaryIO | None = None
        try:
            self._raw = sys.stdin.buffer if path == STANDARD_INPUT else path.open("rb")
            if path != STANDARD_INPUT:
                status = os.fstat(self._raw.fileno())
                self.octets, self.changed_at = status.st_size, status.st_mtime
            self._packed = self.stream = _buffered(self._raw)
            head = self.stream.peek(_LOOKED_AT)
            opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)
            self.is_packed = opener is not None
            if opener:
                self.stream = _buffered(opener(self.stream))
        except BROKEN as error:
            if self._raw and path != STANDARD_INPUT:
                self._raw.close()
            raise LogUnreadable(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None

    def __enter__(self) -> io.BufferedReader:
        return self.stream

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """What unpacks does not close what it unpacks."""
        self.stream.close()
        if self.path != STANDARD_INPUT:
            self._packed.close()

    @property
    def octets_read(self) -> int:
        """Of `octets`."""
        try:
            return self._raw.tell() if self._raw else 0
        except (OSError, ValueError):  # a pipe; or closed
            return self.octets or 0


def _buffered(raw: object) -> io.BufferedReader:
    reader: io.BufferedReader = io.BufferedReader(cast("io.RawIOBase", raw), _BUFFER)
    return reader
