"""Mailboxes as they lie on disk: mboxes (RFC 4155; packed ones, too) and Maildirs. Header sections come out.

An mbox is read line by line, whatever its size and that of its lines. A message of a Maildir is read as far as its
header section goes. A mailbox may change meanwhile: what has gone is not there.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from maillog.packed import BROKEN, LogUnreadable, PackedFile
from policy.learning.found import Broken, Item
from policy.learning.letters import Letter

SECTION_LIMIT = 1024 * 1024  # octets of a header section; a mail server takes a tenth of that

_PIECE = 64 * 1024
_TOO_LONG = f"its header section is longer than {SECTION_LIMIT // 1024} KiB"
_PACKED = (b"\x1f\x8b", b"BZ", b"\xfd7")  # Dovecot can keep messages so
_END_OF_SECTION = re.compile(rb"\r?\n\r?\n")
# A separator ends with a date such as Thu Jan  1 00:00:00 1970; text that begins with From seldom has one.
_SEPARATOR = re.compile(rb"From .*\w{3} +\w{3} +\d{1,2} +\d{1,2}:\d\d(?::\d\d)? .*\d{4}")
_SEPARATOR_LIMIT = 500
_EARLIEST = 500_000_000  # names of messages in a Maildir begin with the moment of their arrival


class Mailbox:
    """One mbox or Maildir. `share` is how much of it is done, for whoever watches."""

    def __init__(self, path: Path, whose: str) -> None:
        self.path = path
        self.whose = whose
        self.share = 0.0

    def read(self, letter: Letter, now: float) -> Iterator[Item]:
        """What `letter` says of each message."""
        try:
            yield from (self._maildir if self.path.is_dir() else self._mbox)(letter, now)
        except LogUnreadable as error:
            yield Broken(str(self.path), str(error))
        except BROKEN as error:
            yield Broken(str(self.path), str(getattr(error, "strerror", None) or error))

    def _mbox(self, letter: Letter, now: float) -> Iterator[Item]:
        number = 0
        file = PackedFile(self.path)
        arrived_at = min(file.changed_at or now, now)
        with file as stream:
            for number, section in enumerate(_sections(stream), 1):
                where = f"{self.path}, message {number}"
                yield from _told(section, letter, self.whose, where, arrived_at)
                self.share = file.octets_read / (file.octets or 1)
        if not number and file.octets != 0:
            yield Broken(str(self.path), "it is neither an mbox nor a Maildir")

    def _maildir(self, letter: Letter, now: float) -> Iterator[Item]:
        folders = [folder for name in ("cur", "new") if (folder := self.path / name).is_dir()]
        if not folders:
            yield Broken(str(self.path), "it is no Maildir: there is neither cur nor new in it")
        messages = [message for folder in folders for message in sorted(folder.iterdir())]
        for done, message in enumerate(messages):
            self.share = done / len(messages)
            try:
                yield from _message(message, letter, self.whose, now)
            except FileNotFoundError:  # its flags, which are in its name, were changed, or it was removed
                continue
            except BROKEN as error:
                yield Broken(str(message), str(getattr(error, "strerror", None) or error))


def maildirs(root: Path, folder: str) -> list[Mailbox]:
    """Of each identity below the folder that Dovecot keeps mail in: ROOT/NAME/Maildir, and .FOLDER below that."""
    found = []
    for home in sorted(root.iterdir()):
        path = home / "Maildir" / f".{folder}" if folder else home / "Maildir"
        if path.is_dir():
            found.append(Mailbox(path, home.name))
    return found


def _message(path: Path, letter: Letter, whose: str, now: float) -> Iterator[Item]:
    if path.is_symlink() or not path.is_file():
        if path.exists():
            yield Broken(str(path), "it is no file")
        return
    with path.open("rb") as stream:
        is_packed = stream.read(2) in _PACKED
        stream.seek(0)
        section = None if is_packed else _section(stream)
    if is_packed:
        with PackedFile(path) as stream:
            section = _section(stream)
    yield from _told(section, letter, whose, str(path), min(_arrival(path), now))


def _told(section: bytes | None, letter: Letter, whose: str, where: str, arrived_at: float) -> Iterator[Item]:
    if section is None:
        yield Broken(where, _TOO_LONG)
    else:
        yield from letter(section, whose, where, arrived_at)


def _arrival(path: Path) -> float:
    start = path.name.partition(".")[0]
    given = int(start) if start.isascii() and start.isdigit() and len(start) <= 10 else 0  # noqa: PLR2004 - until 2286
    return float(given) if given >= _EARLIEST else path.stat().st_mtime


def _section(stream: BinaryIO) -> bytes | None:
    """The beginning of a file up to its first empty line; None where there is none for too long."""
    read = b""
    while piece := stream.read(_PIECE):
        read += piece
        if end := _END_OF_SECTION.search(read):
            return read[: end.start()]
        if len(read) > SECTION_LIMIT:
            return None
    return read


def _sections(stream: BinaryIO) -> Iterator[bytes | None]:
    """The header section of each message of an mbox; None for one that is too long."""
    lines: list[bytes] | None = None  # of the section; None outside of one
    size = 0
    is_start = was_empty = True
    while line := stream.readline(_PIECE):
        is_empty = is_start and line in (b"\n", b"\r\n")
        if was_empty and line.startswith(b"From ") and _SEPARATOR.match(line[:_SEPARATOR_LIMIT]):
            if lines is not None:
                yield b"".join(lines)
            lines, size = [], 0
        elif lines is not None and is_empty:
            yield b"".join(lines)
            lines = None
        elif lines is not None:
            lines.append(line)
            size += len(line)
            if size > SECTION_LIMIT:
                yield None
                lines = None
        was_empty, is_start = is_empty, line.endswith(b"\n")
    if lines is not None:
        yield b"".join(lines)
