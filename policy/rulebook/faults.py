"""What is wrong with a policy file: for each fault the line, the key and a sentence of wrong.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.sentence import Sentence


@dataclass(frozen=True, slots=True)
class Fault:
    """`column` is 0 where the whole line is meant, `key` is empty where the file is no TOML."""

    line: int
    why: Sentence  # of wrong.py
    key: str = ""
    column: int = 0

    def __str__(self) -> str:
        return f"{self.key}: {self.why}" if self.key else self.why


class PolicyFileError(Exception):
    """`faults` in the order of their lines, at least one; str(self) has a line for each: `policy.toml:12: ...`."""

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        self.name = name
        self.faults = tuple(sorted(faults, key=lambda one: (one.line, one.column)))
        super().__init__("\n".join(f"{name}:{_place(one)}: {one}" for one in self.faults))


def _place(fault: Fault) -> str:
    return f"{fault.line}:{fault.column}" if fault.column else str(fault.line)
