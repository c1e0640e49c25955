"""What is different between two policies, number by number.

    profiles.person.recipients: ["100/10 minutes", "200/hour", "500/day"] -> "2/hour"
    modes.countries: "enforce" -> "observe"
    gates.office.hosting: nothing -> "refuse"

A diff of two texts would hide it among comments, and would not know what a file leaves out.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policy.engine.rulebook import Rulebook
from policy.rulebook.making import Tables, tables_of
from policy.rulebook.toml import value


@dataclass(frozen=True, slots=True)
class Change:
    """One key. `before` and `after` are values of the file; None where there is no such key."""

    key: str
    before: object
    after: object

    def __str__(self) -> str:
        return f"{self.key}: {self.spelled_before} -> {self.spelled_after}"

    @property
    def spelled_before(self) -> str:
        """As TOML has it."""
        return _spelled(self.before)

    @property
    def spelled_after(self) -> str:
        return _spelled(self.after)


def changes(before: Rulebook, after: Rulebook) -> list[Change]:
    """In the order of the file; none where the digests are equal."""
    return list(_changes("", tables_of(before), tables_of(after)))


def _changes(path: str, before: Tables, after: Tables) -> Iterator[Change]:
    for key in {**before, **after}:
        name = f"{path}.{key}" if path else key
        one, other = before.get(key), after.get(key)
        if isinstance(one, dict | None) and isinstance(other, dict | None) and (one or other):
            yield from _changes(name, one or {}, other or {})
        elif _is_by_identity(one) or _is_by_identity(other):
            yield from _changes(name, _by_identity(one), _by_identity(other))
        elif one != other:
            yield Change(name, one, other)


def _spelled(given: object) -> str:
    return "nothing" if given is None else value(given)


def _is_by_identity(given: Any) -> bool:  # noqa: ANN401 - whatever TOML holds
    return isinstance(given, list) and bool(given) and isinstance(given[0], dict)


def _by_identity(exemptions: list[Tables] | None) -> Tables:
    """By what they are about, so that one that ends is one line."""
    found: Tables = {}
    for one in exemptions or []:
        about = ", ".join([one["identity"], *one["countries"], *(f"AS{asn}" for asn in one["asns"])])
        found[json.dumps(about)] = one["until"]
    return found
