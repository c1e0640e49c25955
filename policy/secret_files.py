"""Files that hold secrets: mode 0600, and there whole or not at all, so that a start which was cut off is repeated."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from service.settings import SettingError


def create_file(setting: str, path: Path, content: bytes) -> bool:
    """Write a file of mode 0600 unless it exists. The link makes it appear whole, and only once."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(draft, path)
        draft.unlink()
    except OSError as error:
        raise SettingError(
            setting, f"{path} cannot be written ({error.strerror})", "check the folder and its owner"
        ) from None
    return True


def replace_file(setting: str, path: Path, content: bytes, remedy: str) -> None:
    """Put another content into a file that there is: whole or not at all, with the mode and the owner that it has."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        before = path.stat()
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, before.st_uid, before.st_gid)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SettingError(setting, f"{path} cannot be written ({error.strerror})", remedy) from None
