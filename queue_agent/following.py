"""Postfix's log, line by line, over rotations, from a position that is kept elsewhere.

    postfix.log                     the one that Postfix writes
    postfix.log.20261126-233418     what it wrote before: the same file under another name

A file is known by its inode and by the octets before the position, whatever it is called. What is older comes first. A
file is left only when there is a newer one and nothing more was written for a while: Postfix goes on writing into the
old one until it has reloaded. A file that is cut off and written to again (copytruncate) has lost what was not read
yet; that is noticed and told, and cannot be mended.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from queue_agent.store import Position

CHUNK = 256 * 1024  # octets that are read at once
LINE_LIMIT = 64 * 1024  # Postfix writes no more than two thousand; what is longer is no line
QUIET_S = 2.0  # without a new line, a file that has a successor is done
_MARK = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """What was found. `position` is the one to keep once `lines` are dealt with."""

    lines: list[str]
    position: Position | None
    is_end: bool = False  # nothing more is there to be read now
    is_lost: bool = False  # the file of the position before is gone or another one: what follows may begin too late


@dataclass(frozen=True, slots=True)
class _LogFile:
    path: Path
    inode: int
    size: int
    changed_at: float


class Log:
    """`path` and what it was called before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._quiet = (0, 0)  # inode and size of a file that has a successor
        self._quiet_since = 0.0

    def read(self, position: Position | None, now: float) -> Piece:
        """The next lines behind `position`; None is the beginning of the oldest file there is."""
        try:
            return self._read(position, now)
        except FileNotFoundError:  # it was renamed at this moment
            return Piece([], position)

    def _read(self, position: Position | None, now: float) -> Piece:
        chain = self._chain()
        if position is None:
            return self._begin(chain[0], 0.0) if chain else Piece([], None, is_end=True)
        at = next((place for place, file in enumerate(chain) if file.inode == position.inode), None)
        if at is None or not _is_same(chain[at], position):
            return self._lost(chain, position, now)
        file, is_last = chain[at], at == len(chain) - 1
        piece = _lines_behind(file, position)
        if piece.lines or piece.position != position:
            return piece
        if is_last or not self._is_done(file, now):
            return Piece([], position, is_end=is_last)
        return self._leave(file, chain[at + 1], position)

    def behind(self, position: Position | None) -> int:
        """Octets that were written and not read yet."""
        chain = self._chain()
        places = [place for place, file in enumerate(chain) if position and file.inode == position.inode]
        unread = chain[places[0] :] if places else chain
        return sum(file.size for file in unread) - (position.offset if position and places else 0)

    def written_since(self, at: float) -> list[Path]:
        """Those with lines of then or later, the oldest first."""
        return [file.path for file in self._chain() if file.changed_at >= at]

    def older(self, position: Position) -> list[Path]:
        """Files that were read to their end, the oldest first."""
        chain = self._chain()
        places = [place for place, file in enumerate(chain) if file.inode == position.inode]
        return [file.path for file in chain[: places[0]]] if places else []

    def _chain(self) -> list[_LogFile]:
        """Oldest first. Packed ones are none of ours: whoever packs a file has to wait until it was read."""
        found = []
        for path in self.path.parent.glob(f"{self.path.name}*"):
            suffix = path.name.removeprefix(self.path.name)
            try:
                status = path.stat()
            except FileNotFoundError:  # it is being renamed
                continue
            if suffix == "" or (suffix[0] == "." and suffix[1:].replace("-", "").isdecimal()):
                found.append((suffix == "", status.st_mtime_ns, path, status))
        return [
            _LogFile(path, status.st_ino, status.st_size, status.st_mtime)
            for _, _, path, status in sorted(found, key=lambda one: one[:3])
        ]

    def _begin(self, file: _LogFile, at: float) -> Piece:
        return Piece([], Position(file.inode, 0, b"", at))

    def _lost(self, chain: list[_LogFile], position: Position, now: float) -> Piece:
        """Goes on with what was written to since the last line, and never reads back."""
        later = [file for file in chain if file.changed_at >= position.at]
        if not later and position.at > now:  # the clock was set back: of these times no file tells anything
            later = chain[-1:]
        if not later:
            return Piece([], position, is_end=True)
        return Piece([], Position(later[0].inode, 0, b"", position.at), is_lost=True)

    def _is_done(self, file: _LogFile, now: float) -> bool:
        if self._quiet != (file.inode, file.size) or now < self._quiet_since:
            self._quiet, self._quiet_since = (file.inode, file.size), now
        return now - self._quiet_since >= QUIET_S

    def _leave(self, file: _LogFile, newer: _LogFile, position: Position) -> Piece:
        """Whatever stands behind the last line end is what a crash has left of a line."""
        with _opened(file) as opened:
            opened.seek(position.offset)
            rest = opened.read(LINE_LIMIT)
        return Piece([_text(rest)] if rest else [], Position(newer.inode, 0, b"", position.at))


def _opened(file: _LogFile) -> BinaryIO:
    """That file, and not one that has its name now: FileNotFoundError then."""
    opened = file.path.open("rb")
    if os.fstat(opened.fileno()).st_ino != file.inode:
        opened.close()
        raise FileNotFoundError(file.path)
    return opened


def _lines_behind(file: _LogFile, position: Position) -> Piece:
    with _opened(file) as opened:
        start = max(position.offset - _MARK, 0)
        opened.seek(start)
        octets = opened.read(position.offset - start + CHUNK)
    known, octets = octets[: position.offset - start], octets[position.offset - start :]
    end = octets.rfind(b"\n") + 1
    if not end and len(octets) > LINE_LIMIT:
        end = len(octets)  # no line of Postfix
    if not end:
        return Piece([], position)
    whole = octets[:end]
    mark = (known + whole)[-_MARK:]
    lines = [_text(line) for line in whole.split(b"\n") if line]
    return Piece(lines, Position(position.inode, position.offset + end, mark, position.at))


def _is_same(file: _LogFile, position: Position) -> bool:
    if file.size < position.offset:
        return False
    with _opened(file) as opened:
        opened.seek(position.offset - len(position.mark))
        return opened.read(len(position.mark)) == position.mark


def _text(octets: bytes) -> str:
    return octets[:LINE_LIMIT].decode("utf-8", "backslashreplace").rstrip("\r\n")
