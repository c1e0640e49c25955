"""What a bridge says of a claim. `why` is for the log; it holds nothing that a client has sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Right:
    """It is true. `subject` is who it is in the other's words: the value of a claim, or a DN."""

    subject: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """It is not, and to try again helps nobody."""

    why: str


@dataclass(frozen=True, slots=True)
class Later:
    """It cannot be told now: the other one does not answer, or there is too much to do. Never a refusal."""

    why: str


Answer = Right | Wrong | Later
