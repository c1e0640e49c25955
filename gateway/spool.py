"""The content of one message while it waits: in memory at first, and what goes beyond in a file that has no name.

The header section is always in the first part, which is what facts.py reads; the rest is never looked at again and
goes to the next hop from the file. O_TMPFILE gives a file of mode 0600 without a directory entry: no other user can
open it, and it is gone with the process, however that ends.
"""

import os
from pathlib import Path
from typing import BinaryIO

MEMORY_LIMIT = 256 * 1024


class Spool:
    """Octets in the order in which they were appended. `start` holds the first MEMORY_LIMIT, `file` what follows."""

    __slots__ = ("_folder", "file", "file_bytes", "start")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.start = bytearray()
        self.file: BinaryIO | None = None
        self.file_bytes = 0

    def __len__(self) -> int:
        return len(self.start) + self.file_bytes

    def append(self, octets: bytes) -> None:
        """OSError where the folder has no room left; what was appended before is still there."""
        room = MEMORY_LIMIT - len(self.start)
        if room >= len(octets):
            self.start += octets
            return
        if room:
            self.start += octets[:room]
            octets = octets[room:]
        if self.file is None:
            descriptor = os.open(self._folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            # Unbuffered: pieces are as large as the socket gave them, and each is one write into the page cache.
            self.file = os.fdopen(descriptor, "r+b", buffering=0)
        written = 0
        while written < len(octets):
            written += self.file.write(octets[written:])
        self.file_bytes += len(octets)

    def close(self) -> None:
        """Give memory and disk back."""
        self.start.clear()
        if self.file:
            self.file.close()
            self.file = None
