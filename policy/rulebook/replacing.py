"""The policy file replaced as a whole: whoever reads it meanwhile sees the one or the other.

What was there before is kept beside it, as policy.toml.before. Where there was no file, that is an empty one: both
stand for the shipped policy.
"""

import os
from pathlib import Path

_MODE = 0o644  # no secret, and policy may run as somebody else


def replace(path: Path, text: str) -> None:
    """Write `text`, and keep what was there. OSError where it cannot be done; then nothing has changed."""
    before = path.read_bytes() if path.exists() else b""
    old, new = _draft(path, "old", before), _draft(path, "new", text.encode())
    old.replace(kept(path))
    new.replace(path)
    _sync(path.parent)


def kept(path: Path) -> Path:
    """Where the one before is."""
    return path.with_name(f"{path.name}.before")


def _draft(path: Path, which: str, content: bytes) -> Path:
    """Content that is on disk, under a name that nobody reads. One that a crash left is written over."""
    draft = path.with_name(f".{path.name}.{which}")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(_MODE)
    return draft


def _sync(folder: Path) -> None:
    """A rename is on disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
