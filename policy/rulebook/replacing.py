"""The policy file replaced as a whole: whoever reads it meanwhile sees the one or the other.

What was there before is kept beside it, as policy.toml.before. Where there was no file, that is an empty one: both
stand for the shipped policy. Two who replace it at the same time wait for each other, and who says what he has read is
refused where that is not there any more.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_MODE = 0o644  # no secret, and policy may run as somebody else


class ChangedMeanwhile(Exception):
    """Somebody else has changed the file since it was read."""


def replace(path: Path, text: str, read: str | None = None) -> None:
    """Write `text`, and keep what was there. OSError where it cannot be done; then nothing has changed.

    ChangedMeanwhile where the file is not as it was `read` (stamp_of); None is for who does not mind.
    """
    with _alone(path.parent):
        before = path.read_bytes() if path.exists() else b""
        if read is not None and read != stamp_of(before):
            raise ChangedMeanwhile
        old, new = _draft(path, "old", before), _draft(path, "new", text.encode())
        _as_before(new, path)
        old.replace(kept(path))
        new.replace(path)
        _sync(path.parent)


def kept(path: Path) -> Path:
    """Where the one before is."""
    return path.with_name(f"{path.name}.before")


def stamp_of(content: bytes) -> str:
    """What tells one content from another; no file and an empty one are the same."""
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _draft(path: Path, which: str, content: bytes) -> Path:
    """Content that is on disk, under a name that nobody reads. One that a crash left is written over."""
    draft = path.with_name(f".{path.name}.{which}")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(_MODE)
    return draft


def _as_before(draft: Path, path: Path) -> None:
    """Owner and permissions stay. Where the owner cannot, everybody may read: policy itself must go on doing so."""
    if not path.exists():
        return
    before = path.stat()
    with contextlib.suppress(PermissionError):
        os.chown(draft, before.st_uid, before.st_gid)
        draft.chmod(before.st_mode & 0o777)


def _sync(folder: Path) -> None:
    """A rename is on disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
