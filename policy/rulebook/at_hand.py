"""The policy file as somebody finds it who wants to change it: its text, whether it is good, and may be written."""

import os
from dataclasses import dataclass
from pathlib import Path

from policy.engine.rulebook import Rulebook
from policy.rulebook.faults import Fault, PolicyFileError
from policy.rulebook.in_force import rulebook_at
from policy.rulebook.replacing import stamp_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAtHand:
    """`text` is None where there is no file, or none that can be read; `rulebook` where it is broken.

    `stamp` is what replacing.replace is told about it.
    """

    path: Path
    text: str | None
    stamp: str
    rulebook: Rulebook | None
    faults: tuple[Fault, ...]
    is_there: bool
    is_writable: bool


def file_at_hand(path: Path) -> FileAtHand:
    """Never fails."""
    content = _content(path)
    rulebook, faults = None, tuple[Fault, ...]()
    try:
        rulebook = rulebook_at(path)
    except PolicyFileError as error:
        faults = error.faults
    return FileAtHand(
        path=path,
        text=None if content is None else content.decode("utf-8", "replace"),
        stamp=stamp_of(content or b""),
        rulebook=rulebook,
        faults=faults,
        is_there=path.exists(),
        is_writable=_is_writable(path),
    )


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _is_writable(path: Path) -> bool:
    """A file is put in its place by a rename: what counts is the folder, and that nothing is mounted on the file."""
    return os.access(path.parent, os.W_OK | os.X_OK) and not path.is_mount()
