"""The policy file replaced by somebody: the file and the row in the audit log, both or neither.

A crash between the renames of rulebook/replacing.py and the end of the transaction leaves a file without its row; the
policies that were in force (rulebooks.py) have it all the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Engine, select

from policy.rulebook import replacing
from policy.store.changes import Changes
from policy.store.models import Audit

_LOOKED_AT = 200  # acts


class PolicyAct(StrEnum):
    """As the audit log has it."""

    APPLIED = "policy-applied"
    UNDONE = "policy-undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPolicy:
    """`read` is the stamp of the file that it was made from (replacing.py); None: whatever is there now."""

    path: Path
    text: str
    before: str  # digest
    after: str  # digest
    changes: Sequence[str]
    read: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """Who has put a policy in place, and when."""

    at: float
    actor: str


class PolicyBook(Changes):
    """The part of the identity store that has the policy file."""

    def apply_policy(self, new: NewPolicy, now: float, act: PolicyAct = PolicyAct.APPLIED) -> None:
        """OSError, or replacing.ChangedMeanwhile, where it cannot be done: then nothing is."""
        with self._engine.begin() as connection:
            after = {"digest": new.after, "changes": list(new.changes)}
            self._record(connection, now, act, "policy", {"digest": new.before}, after)
            replacing.replace(new.path, new.text, new.read)


def applied_by(engine: Engine) -> dict[str, Applied]:
    """Who has put each policy in place the last time, by its digest; of the newest acts, and not of edited files."""
    wanted = select(Audit.at, Audit.actor, Audit.after).where(Audit.action.in_(list(PolicyAct)))
    wanted = wanted.order_by(Audit.id.desc()).limit(_LOOKED_AT)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        rows = connection.execute(wanted).all()
    return {json.loads(after)["digest"]: Applied(at, actor) for at, actor, after in reversed(rows)}
