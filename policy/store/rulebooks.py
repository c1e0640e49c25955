"""Every policy that was in force: what a record's digest stands for, and what a start falls back to.

A row is written by the service that decides by it. Rows stay: each is a few kilobytes, and an administrator changes
his policy now and then.
"""

from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from policy.store.database import Location, open_database
from policy.store.models import Rulebooks
from policy.store.statements import prepared
from policy.store.transactions import Statements

_KEEP = prepared(
    "INSERT INTO rulebook (digest, content, first_used_at, last_used_at) VALUES (:digest, :content, :now, :now)"
    " ON CONFLICT (digest) DO UPDATE SET last_used_at = excluded.last_used_at"
)


@dataclass(frozen=True, slots=True)
class KeptRulebook:
    """`content` is TOML and says everything, also what was the shipped policy's."""

    digest: str
    content: str
    first_used_at: float
    last_used_at: float


class RulebookRecords:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def keep(self, digest: str, content: str, now: float) -> None:
        """It came into force now, for the first time or again."""
        self._statements.execute(_KEEP, {"digest": digest, "content": content, "now": now})


def kept_rulebooks(engine: Engine, digest: str = "", limit: int = 100) -> list[KeptRulebook]:
    """Those whose digest begins so; the one that came into force last is the first."""
    row = Rulebooks
    wanted = (
        select(row.digest, row.content, row.first_used_at, row.last_used_at)
        .where(row.digest.startswith(digest, autoescape=True))
        .order_by(row.last_used_at.desc(), row.digest)
        .limit(limit)
    )
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return [KeptRulebook(*found) for found in connection.execute(wanted)]


def last_in_force(where: Location) -> str | None:
    """The content of the policy that was in force last; None where there was none yet, or the database is not there."""
    engine = open_database(where)
    try:
        return next((one.content for one in kept_rulebooks(engine, limit=1)), None)
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()
