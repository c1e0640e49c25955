"""What cannot be done ends with a sentence and an exit code, never with a traceback.

Imported when something has gone wrong: whatever raised has imported these errors already.
"""

from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from policy.store.errors import StoreError
from service.settings import EXIT_BAD_SETTING, SettingError

EXIT_REFUSED = 1

_BUSY = "somebody else writes, as a restore does; try again"
_REMEDIES = (
    # what the database says, what to do
    ("disk is full", "make room where it is"),
    ("No space left", "make room where it is"),  # PostgreSQL
    ("readonly database", "its file or its disk is read-only"),
    ("disk I/O error", "look at its disk: it is over a quota, or broken"),
    ("database is locked", _BUSY),
    ("lock timeout", _BUSY),  # PostgreSQL
    ("", "is `sallyport init` done?"),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """For whoever typed the command."""

    sentence: str
    exit_code: int


def refusal(error: Exception) -> Refusal | None:
    """What is said of an error that was to be expected; None of one that was not."""
    if isinstance(error, StoreError):
        return Refusal(str(error), EXIT_REFUSED)
    if isinstance(error, SettingError):
        return Refusal(str(error), EXIT_BAD_SETTING)
    if isinstance(error, SQLAlchemyError):
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        remedy = next(remedy for said, remedy in _REMEDIES if said in reason)
        return Refusal(f"the database cannot be used ({reason}); {remedy}", EXIT_REFUSED)
    return None
