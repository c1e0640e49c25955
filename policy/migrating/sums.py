"""A sum over the rows of a table: two tables with the same rows have the same, in whatever order these come.

Of each row the line that a backup would have of it (store/archive.py) is hashed, and the hashes are added up, so that
the sum of a table is made of the sums of its parts. Both databases give the same values for the same row.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from policy.store.archive import line_of

_MODULUS = 1 << 128
_OCTETS = 16


@dataclass(frozen=True, slots=True)
class TableSum:
    """How many rows, and their sum."""

    rows: int = 0
    sum: int = 0

    def __add__(self, other: "TableSum") -> "TableSum":
        return TableSum(self.rows + other.rows, (self.sum + other.sum) % _MODULUS)

    @property
    def digest(self) -> str:
        """For people and for JSON."""
        return f"{self.sum:032x}"


def sum_of(rows: Iterable[Mapping[str, Any]]) -> TableSum:
    """Of these rows."""
    number = total = 0
    for row in rows:
        number += 1
        total += int.from_bytes(hashlib.blake2b(line_of(row), digest_size=_OCTETS).digest())
    return TableSum(number, total % _MODULUS)
