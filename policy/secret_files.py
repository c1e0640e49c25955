"""Files that hold secrets: mode 0600, and there whole or not at all, so that a start which was cut off is repeated."""

import contextlib
import os
import secrets
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
