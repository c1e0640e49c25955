"""Where policies are changed: the file, the texts that somebody is about to save, and what they would do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policy.console.staff.drafts import Drafts
from policy.console.staff.what_if import MOST_JUDGED, MOST_READ, WhatIfs
from policy.engine.rulebook import Rulebook
from policy.replay.apart import Job, settings_for
from policy.rulebook.at_hand import FileAtHand, file_at_hand
from policy.rulebook.making import tables_of
from policy.rulebook.toml import written
from policy.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDesk:
    """One for a process. `is_named`: POLICY_FILE says where the file is, and this process need not see it there."""

    path: Path
    is_named: bool
    for_replays: Mapping[str, Any] = field(repr=False)
    drafts: Drafts = field(default_factory=Drafts)
    what_ifs: WhatIfs = field(default_factory=WhatIfs)

    def file(self) -> FileAtHand:
        """As it is now. Reads it: for a thread."""
        return file_at_hand(self.path)

    def is_out_of_sight(self, file: FileAtHand) -> bool:
        return self.is_named and not file.is_there and not file.is_writable

    def replaced(self, file: FileAtHand, in_force: Rulebook) -> Rulebook:
        """What a new file takes the place of: what this one says, or what is in force where it says nothing."""
        return in_force if file.rulebook is None or self.is_out_of_sight(file) else file.rulebook

    def job(self, before: Rulebook, after: str) -> Job:
        return Job(
            settings=dict(self.for_replays),
            before=written(tables_of(before)),
            after=after,
            most_read=MOST_READ,
            most_judged=MOST_JUDGED,
        )


def open_policy_desk(settings: Settings) -> PolicyDesk:
    return PolicyDesk(path=settings.policy_file, is_named=settings.file is not None, for_replays=settings_for(settings))
