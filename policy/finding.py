"""A line of `sallyport doctor` and of `sallyport dns --check`: what, how it is, what to do. See checkup.py."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"  # nobody could be asked


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `todo` is empty where there is nothing to do."""

    what: str
    state: State
    says: str
    todo: str = ""
