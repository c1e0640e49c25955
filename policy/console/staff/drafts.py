"""Policies that somebody is about to save, each with what a check has said of it: in this process, one for a person.

The text is in the browser's form, too. What is kept here is that it was checked, and it is still here after a second
factor was asked for; after a restart of the console the text is checked once more.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Self

from policy.engine.rulebook import Rulebook
from policy.rulebook import Fault, PolicyFileError, parse
from policy.rulebook.changes import Change, changes

_KEPT = 20  # people
_NAME = "policy.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`read` is the stamp of the file that it begins with. `rulebook` is None where there are faults."""

    text: str
    read: str
    rulebook: Rulebook | None
    faults: tuple[Fault, ...]
    changes: tuple[Change, ...]  # in the policy that it would replace

    @classmethod
    def unchecked(cls, text: str, read: str) -> Self:
        """What somebody begins with."""
        return cls(text=text, read=read, rulebook=None, faults=(), changes=())

    @property
    def digest(self) -> str:
        return self.rulebook.digest if self.rulebook else ""

    def is_of(self, text: str, read: str) -> bool:
        """Whether this is what was checked."""
        return (self.text, self.read) == (text, read)


class Drafts:
    """By the name of who is signed in."""

    def __init__(self) -> None:
        self._drafts: OrderedDict[str, Draft] = OrderedDict()

    def put(self, whose: str, draft: Draft) -> None:
        self._drafts[whose] = draft
        self._drafts.move_to_end(whose)
        if len(self._drafts) > _KEPT:
            self._drafts.popitem(last=False)

    def of(self, whose: str) -> Draft | None:
        return self._drafts.get(whose)

    def drop(self, whose: str) -> None:
        self._drafts.pop(whose, None)


def checked(text: str, read: str, before: Rulebook) -> Draft:
    """What is wrong with it, or what it would change."""
    try:
        rulebook = parse(text, _NAME)
    except PolicyFileError as error:
        return Draft(text=text, read=read, rulebook=None, faults=error.faults, changes=())
    return Draft(text=text, read=read, rulebook=rulebook, faults=(), changes=tuple(changes(before, rulebook)))
