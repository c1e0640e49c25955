"""What a source of history gives, one value after the other; each source is an iterator of them."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Found:
    """`whose` identity has had to do with `addresses`, last at `at` (seconds since the epoch)."""

    whose: str  # its name, a login or an address of it
    addresses: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A message that was read and is not to be learnt from."""

    why: str  # one of a few: they are counted


@dataclass(frozen=True, slots=True)
class Broken:
    """What could not be read; the rest goes on."""

    where: str
    why: str


Item: TypeAlias = Found | PassedOver | Broken
